"""The index of all behaviour: which machine a message goes to, by its kind and the member's role.

`step` first settles the term (dissertation, section 3.3): whoever hears of a higher one follows
it, messages of a lower one are answered only where silence would leave somebody stuck. `tick` lets
one tick pass. Neither raises for anything that a peer can send; what is not taken is a `Refusal`.
"""

from msgspec import structs

from dynakv.core.raft import election, follower, proposals, reconfigure, replication
from dynakv.core.raft.election import Campaign
from dynakv.core.raft.member import Member, Role
from dynakv.core.raft.messages import NOBODY, Kind, Message, ReadState, Refusal
from dynakv.core.raft.progress import Progress

_FROM_LEADERS = frozenset({Kind.APPEND, Kind.HEARTBEAT, Kind.SNAPSHOT})
_REQUESTS_FOR_VOTES = frozenset({Kind.VOTE, Kind.PRE_VOTE})


def tick(member: Member) -> None:
    """Let one tick pass."""
    member.election_elapsed += 1
    if member.role is Role.LEADER:
        _tick_leader(member)
    elif member.promotable and member.election_elapsed >= member.election_timeout:
        member.election_elapsed = 0
        step(member, Message(Kind.CAMPAIGN, sender=member.id))


def _tick_leader(member: Member) -> None:
    member.heartbeat_elapsed += 1
    if member.election_elapsed >= member.config.election_ticks:
        member.election_elapsed = 0
        if member.config.check_quorum:
            step(member, Message(Kind.CHECK_QUORUM, sender=member.id))
        member.transferee = NOBODY  # it had its chance: this member serves again
    if member.role is Role.LEADER and member.heartbeat_elapsed >= member.config.heartbeat_ticks:
        member.heartbeat_elapsed = 0
        step(member, Message(Kind.BEAT, sender=member.id))


def step(member: Member, message: Message) -> Refusal | None:
    """Take a message; None: it was dealt with (which may mean that it was rightly ignored)."""
    if message.term != member.term and message.term and not _settle_term(member, message):
        return None
    match message.kind:
        case Kind.CAMPAIGN:
            election.start(member, Campaign.PRE_VOTE if member.config.pre_vote else Campaign.VOTE)
        case Kind.VOTE | Kind.PRE_VOTE:
            election.handle_vote(member, message)
        case Kind.STORAGE_APPEND_REPLY:
            if message.index:
                member.log.stable_to(message.index, message.log_term)
            _snapshot_stored(member, message)
        case Kind.STORAGE_APPLY_REPLY:
            reconfigure.entries_applied(member, message.entries)
        case _ if member.role is Role.LEADER:
            return _step_leader(member, message)
        case _ if member.role is Role.FOLLOWER:
            return _step_follower(member, message)
        case _:
            return _step_candidate(member, message)
    return None


def _settle_term(member: Member, message: Message) -> bool:
    """Take a higher term where it is due; False: the message is dealt with, or to be ignored."""
    if message.term < member.term:
        _answer_old_term(member, message)
        return False
    if message.kind in _REQUESTS_FOR_VOTES and election.disturbs(member, message):
        return False
    # A pre-vote is about a term that does not exist yet; only a refusal tells of one that does.
    if message.kind is Kind.PRE_VOTE or (
        message.kind is Kind.PRE_VOTE_REPLY and not message.reject
    ):
        return True
    lead = message.sender if message.kind in _FROM_LEADERS else NOBODY
    member.become_follower(message.term, lead)
    return True


def _answer_old_term(member: Member, message: Message) -> None:
    if message.kind is Kind.PRE_VOTE:
        election.reject(member, message)  # else a candidate with a lower term could wait for ever
    elif message.kind is Kind.STORAGE_APPEND_REPLY:
        # The entries may have been replaced since, but a snapshot is committed state in any term.
        _snapshot_stored(member, message)
    elif (member.config.check_quorum or member.config.pre_vote) and message.kind in (
        Kind.HEARTBEAT,
        Kind.APPEND,
    ):
        # This member's term is higher, yet nobody will vote for it while that leader lives: the
        # leader must learn of the term and step down, else this member could never follow again.
        member.send(Kind.APPEND_REPLY, message.sender)


def _snapshot_stored(member: Member, message: Message) -> None:
    if message.snapshot is not None:
        reconfigure.snapshot_applied(member, message.snapshot.index)


# --- by role -------------------------------------------------------------------------------------


def _step_leader(member: Member, message: Message) -> Refusal | None:
    match message.kind:
        case Kind.BEAT:
            replication.broadcast_heartbeat(member)
        case Kind.CHECK_QUORUM:
            if not replication.check_quorum(member):
                member.become_follower(member.term, NOBODY)
        case Kind.PROPOSE:
            return proposals.propose(member, message)
        case Kind.READ_INDEX:
            return replication.read_index(member, message)
        case _:
            progress = member.tracker.progress.get(message.sender)
            if progress is not None:
                _step_leader_about(member, message, progress)
    return None


def _step_leader_about(member: Member, message: Message, progress: Progress) -> None:
    """Take what a leader hears of or from a member of its configuration."""
    match message.kind:
        case Kind.APPEND_REPLY:
            replication.handle_append_reply(member, message, progress)
        case Kind.HEARTBEAT_REPLY:
            replication.handle_heartbeat_reply(member, message, progress)
        case Kind.SNAPSHOT_STATUS:
            replication.handle_snapshot_status(progress, failed=message.reject)
        case Kind.UNREACHABLE:
            replication.handle_unreachable(progress)
        case Kind.TRANSFER_LEADER:
            replication.handle_transfer(member, message.sender, progress)
        case _:
            pass


def _step_candidate(member: Member, message: Message) -> Refusal | None:
    """Take a message as candidate or pre-candidate; they differ in which votes count."""
    pre = member.role is Role.PRE_CANDIDATE
    match message.kind:
        case Kind.PROPOSE | Kind.READ_INDEX:
            return Refusal.NO_LEADER
        case Kind.APPEND | Kind.HEARTBEAT | Kind.SNAPSHOT:
            member.become_follower(message.term, message.sender)  # somebody else won the term
            return _step_follower(member, message)
        case Kind.PRE_VOTE_REPLY if pre:
            election.handle_vote_reply(member, message)
        case Kind.VOTE_REPLY if not pre:
            election.handle_vote_reply(member, message)
        case _:
            pass
    return None


def _step_follower(member: Member, message: Message) -> Refusal | None:
    match message.kind:
        case Kind.APPEND | Kind.HEARTBEAT | Kind.SNAPSHOT:
            member.election_elapsed = 0
            member.lead = message.sender
            _hear_leader(member, message)
        case Kind.PROPOSE | Kind.READ_INDEX | Kind.TRANSFER_LEADER:
            return _pass_on(member, message)
        case Kind.FORGET_LEADER:
            if not member.config.read_leases:  # a lease rests on the promise to hold to the leader
                member.lead = NOBODY
        case Kind.TIMEOUT_NOW:
            election.start(member, Campaign.TRANSFER)
        case Kind.READ_INDEX_REPLY:
            member.read_states.append(ReadState(message.index, message.context))
        case _:
            pass
    return None


def _hear_leader(member: Member, message: Message) -> None:
    match message.kind:
        case Kind.APPEND:
            follower.handle_append(member, message)
        case Kind.HEARTBEAT:
            follower.handle_heartbeat(member, message)
        case _:
            follower.handle_snapshot(member, message)


def _pass_on(member: Member, message: Message) -> Refusal | None:
    """Pass a request on to the leader, in the name of whoever made it."""
    if member.lead == NOBODY:
        return Refusal.NO_LEADER
    if message.kind is Kind.PROPOSE and not member.config.forward_proposals:
        return Refusal.FORWARDING_DISABLED
    sender = message.sender or member.id
    # A transfer names the one who is to lead as its sender, so it may well be this member.
    passed = structs.replace(message, to=member.lead, sender=sender)
    if message.kind is Kind.TRANSFER_LEADER:
        passed = structs.replace(passed, term=member.term)
    member.messages.append(passed)
    return None
