"""The leader's side of replication: appends, snapshots, heartbeats, and what their answers mean."""

from dynakv.core.raft.log import payload_bytes
from dynakv.core.raft.member import Member
from dynakv.core.raft.messages import (
    NOBODY,
    Entry,
    EntryKind,
    Kind,
    MemberId,
    Message,
    ReadState,
    Refusal,
)
from dynakv.core.raft.progress import Flow, Progress


def broadcast_append(member: Member) -> None:
    """Send everybody what they lack, or at least the commit index."""
    for peer in member.tracker.others(member.id):
        send_append(member, peer)


def send_append(member: Member, to: MemberId, *, even_empty: bool = True) -> bool:
    """Send a follower what follows what it has; False: nothing to send, or not now.

    A follower with a full flight gets empty appends after a heartbeat: if all in flight was lost,
    their rejection restarts the flow.
    """
    progress = member.tracker.progress[to]
    if progress.paused:
        return False
    log = member.log
    previous_term = log.term(progress.next - 1)
    if previous_term is None:
        return _send_snapshot(member, to, progress)
    entries: tuple[Entry, ...] = ()
    if progress.flow is not Flow.REPLICATE or not progress.inflights.full:
        entries = log.entries_from(progress.next, member.config.message_bytes_max)
    if not entries and not even_empty:
        return False
    member.send(
        Kind.APPEND,
        to,
        index=progress.next - 1,
        log_term=previous_term,
        entries=entries,
        commit=log.committed,
    )
    progress.sent_entries(len(entries), payload_bytes(entries))
    progress.sent_commit = log.committed
    return True


def _send_snapshot(member: Member, to: MemberId, progress: Progress) -> bool:
    if not progress.recently_active:
        return False  # it would only fill the link to a node that is away
    snapshot = member.snapshot_source()
    if snapshot is None:
        return False
    assert snapshot.index >= member.log.offset, "a snapshot must reach the kept log"
    progress.become_snapshot(snapshot.index)
    member.send(Kind.SNAPSHOT, to, snapshot=snapshot)
    return True


def broadcast_heartbeat(member: Member) -> None:
    """Assure everybody that the leader lives, and ask for the newest round of reads."""
    assert member.reads is not None
    read_round = member.reads.newest_waiting()
    for peer in member.tracker.others(member.id):
        progress = member.tracker.progress[peer]
        # Never beyond what is known to match: a follower could not tell whose entry that is.
        commit = min(progress.match, member.log.committed)
        member.send(Kind.HEARTBEAT, peer, commit=commit, read_round=read_round)
        progress.sent_commit = commit


def maybe_commit(member: Member) -> bool:
    """Commit what a quorum holds durably; True: the commit index rose."""
    if not member.log.maybe_commit(member.tracker.committed(), member.term):
        return False
    _release_early_reads(member)
    return True


def check_quorum(member: Member) -> bool:
    """Say whether a quorum was heard from since the last check, and begin the next one."""
    active = member.tracker.quorum_active()
    for peer in member.tracker.others(member.id):
        member.tracker.progress[peer].recently_active = False
    return active


# --- answers -------------------------------------------------------------------------------------


def handle_append_reply(member: Member, message: Message, progress: Progress) -> None:
    """Take a follower's answer to an append, or the news that the own entries are durable."""
    progress.recently_active = True
    if message.reject:
        hint = message.hint
        if message.log_term:
            # What the follower's hint says of its terms rules out more of our indexes.
            hint, _ = member.log.find_conflict_by_term(hint, message.log_term)
        if progress.step_back(message.index, hint):
            if progress.flow is Flow.REPLICATE:
                progress.become_probe()
            send_append(member, message.sender)
        return
    assert message.index <= member.log.last, "a member of our term holds more than its leader"
    news = progress.acknowledge(message.index)
    if not news and not (progress.match == message.index and progress.flow is Flow.PROBE):
        return
    if progress.flow is Flow.PROBE:
        progress.become_replicate()
    elif progress.flow is Flow.SNAPSHOT:
        if progress.match >= member.log.offset:  # whichever snapshot it was, the log goes on there
            progress.become_probe()
            progress.become_replicate()
    else:
        progress.inflights.free_up_to(message.index)
    _go_on(member, message.sender, progress)


def _go_on(member: Member, sender: MemberId, progress: Progress) -> None:
    """Commit and send what the progress of one member allows.

    That something was committed need not be told by a message of its own: only the leader answers
    for it. A change of members is, so that those learn of it who are about to leave.
    """
    before = member.log.committed
    if maybe_commit(member):
        if member.config.eager_commits or _changes_members(member, before):
            broadcast_append(member)
    elif (
        member.config.eager_commits
        and sender != member.id
        and progress.can_bump_commit(member.log.committed)
    ):
        send_append(member, sender)
    if sender != member.id:
        while send_append(member, sender, even_empty=False):  # bounded by what may be in flight
            pass
    if sender == member.transferee and progress.match == member.log.last:
        member.send(Kind.TIMEOUT_NOW, sender)


def _changes_members(member: Member, before: int) -> bool:
    """Say whether what was committed behind an index changes who the members are."""
    log = member.log
    return any(e.kind is not EntryKind.NORMAL for e in log.between(before + 1, log.committed + 1))


def handle_heartbeat_reply(member: Member, message: Message, progress: Progress) -> None:
    """Take a sign of life: send what was held back, and count it for the reads."""
    progress.recently_active = True
    progress.paused_flow = False
    if progress.match < member.log.last or progress.flow is Flow.PROBE:
        send_append(member, message.sender)
    if not message.read_round or not member.reads:
        return
    acked = member.reads.acknowledge(message.sender, message.read_round)
    for read in member.reads.confirm(member.tracker.agreed(acked)):
        answer_read(member, read.message, read.index)


def handle_snapshot_status(progress: Progress, *, failed: bool) -> None:
    """Take the node's word on how the sending of a snapshot ended; then wait for the follower."""
    if progress.flow is not Flow.SNAPSHOT:
        return
    if failed:
        progress.pending_snapshot = 0  # probe from the last match instead
    progress.become_probe()
    progress.paused_flow = True


def handle_unreachable(progress: Progress) -> None:
    """Take the node's word that messages get lost: stop sending ahead."""
    if progress.flow is Flow.REPLICATE:
        progress.become_probe()


def handle_transfer(member: Member, to: MemberId, progress: Progress) -> None:
    """Hand leadership to a voter as soon as its log is complete (dissertation, section 3.10).

    A transfer to the leader itself gives up one that is under way.
    """
    if progress.learner or to == member.transferee:
        return
    if to == member.id:
        member.transferee = NOBODY
        return
    member.election_elapsed = 0  # it has one election timeout
    member.transferee = to
    if progress.match == member.log.last:
        member.send(Kind.TIMEOUT_NOW, to)
    else:
        progress.paused_flow = False
        send_append(member, to)


# --- reads ---------------------------------------------------------------------------------------


def read_index(member: Member, message: Message) -> Refusal | None:
    """Serve a read, now or when a quorum has confirmed that this is still the leader."""
    reads = member.reads
    assert reads is not None
    if len(reads) >= member.config.reads_max:
        return Refusal.TOO_MANY_READS
    if not member.committed_in_term:
        reads.early.append(message)
    elif member.config.read_leases or _decides_alone(member):
        answer_read(member, message, member.log.committed)
    elif reads.add(message, member.log.committed, member.id):
        broadcast_heartbeat(member)
    return None


def _decides_alone(member: Member) -> bool:
    return member.tracker.only_voter() and member.tracker.is_voter(member.id)


def answer_read(member: Member, message: Message, index: int) -> None:
    """Tell whoever asked up to where it must have applied; ours comes with the next Ready."""
    if message.sender in (0, member.id):
        member.read_states.append(ReadState(index, message.context))
    else:
        member.send(Kind.READ_INDEX_REPLY, message.sender, index=index, context=message.context)


def _release_early_reads(member: Member) -> None:
    if member.reads is not None and member.reads.early:
        for message in member.reads.take_early():
            read_index(member, message)
