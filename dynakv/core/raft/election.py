"""Elections: when to hold one, for whom to vote, and when one is won.

Beside the paper's rules: a pre-vote asks whether an election could be won before the term rises
(dissertation, section 9.6), and with check-quorum nobody votes while it hears from a leader, so
that members that were cut off or removed disturb nobody (sections 4.2.3 and 6.2). A leader that
hands over asks for an exception from that.
"""

from enum import Enum

from dynakv.core.raft import proposals
from dynakv.core.raft.member import Member, Role
from dynakv.core.raft.messages import NOBODY, TRANSFER, Kind, Message
from dynakv.core.raft.quorum import VoteResult


class Campaign(Enum):
    """Why and how a member campaigns."""

    PRE_VOTE = "pre-vote"
    VOTE = "vote"
    TRANSFER = "transfer"  # the leader asked for it: no pre-vote, and leases do not count


REPLY_TO = {Kind.VOTE: Kind.VOTE_REPLY, Kind.PRE_VOTE: Kind.PRE_VOTE_REPLY}


def start(member: Member, campaign: Campaign) -> None:
    """Campaign, unless this member leads, may not, or has a membership change yet to apply.

    A committed change that is not applied means that the own configuration is an older one.
    """
    if member.role is Role.LEADER or not member.promotable or member.log.has_unapplied_changes():
        return
    run(member, campaign)


def run(member: Member, campaign: Campaign) -> None:
    """Become a candidate of that sort and ask every voter; the own vote counts when durable."""
    if campaign is Campaign.PRE_VOTE:
        member.become_pre_candidate()
        kind, term = Kind.PRE_VOTE, member.term + 1
    else:
        member.become_candidate()
        kind, term = Kind.VOTE, member.term
    log = member.log
    context = TRANSFER if campaign is Campaign.TRANSFER else b""
    for voter in member.tracker.voters():
        if voter == member.id:
            member.send(REPLY_TO[kind], voter, term=term)
        else:
            member.send(
                kind, voter, term=term, index=log.last, log_term=log.last_term, context=context
            )


def disturbs(member: Member, message: Message) -> bool:
    """Say whether a request for a vote in a higher term is to be ignored: a leader is alive."""
    return message.context != TRANSFER and member.in_lease


def handle_vote(member: Member, message: Message) -> None:
    """Answer a request for a vote or a pre-vote in the own or a higher term.

    Learners vote, too: one may have become a voter without knowing it yet, and its vote may be
    needed by the only candidate that does know.
    """
    pre_vote = message.kind is Kind.PRE_VOTE
    free = (
        member.vote == message.sender
        or (member.vote == NOBODY and member.lead == NOBODY)
        or (pre_vote and message.term > member.term)
    )
    if free and member.log.is_up_to_date(message.index, message.log_term):
        # The term of the request, not the own one: a pre-candidate's is still to come.
        member.send(REPLY_TO[message.kind], message.sender, term=message.term)
        if not pre_vote:
            member.election_elapsed = 0
            member.vote = message.sender
    else:
        reject(member, message)


def reject(member: Member, message: Message) -> None:
    """Refuse a vote, in the own term, from which the candidate learns."""
    member.send(REPLY_TO[message.kind], message.sender, term=member.term, reject=True)


def handle_vote_reply(member: Member, message: Message) -> None:
    """Count a vote of the election or pre-election that is running; act when it is decided."""
    member.tracker.record_vote(message.sender, granted=not message.reject)
    match member.tracker.vote_result():
        case VoteResult.WON if member.role is Role.PRE_CANDIDATE:
            run(member, Campaign.VOTE)
        case VoteResult.WON:
            member.become_leader()
            proposals.begin_term(member)
        case VoteResult.LOST:
            member.become_follower(member.term, NOBODY)
        case VoteResult.PENDING:
            pass
