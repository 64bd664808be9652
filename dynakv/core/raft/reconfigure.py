"""Taking a membership into force, and what follows from it.

A change takes effect when its entry is applied, not when it is appended (as in etcd, unlike the
dissertation): the configuration in force is then always a committed one, and truncation never has
to bring back an older one. At most one change behind the one in force can be committed, because the
append that carries a change also carries the commit of the one before it; a member that has not
applied it does not campaign.
"""

from dynakv.core.raft import proposals, replication
from dynakv.core.raft.log import entry_bytes
from dynakv.core.raft.member import Member, Role
from dynakv.core.raft.membership import (
    LEAVE_JOINT,
    Change,
    InvalidChange,
    apply_change,
    encode_change,
)
from dynakv.core.raft.messages import NOBODY, Entry, EntryKind, Kind, Membership, Message


def restore(member: Member, membership: Membership) -> None:
    """Take the membership that a disk or a snapshot remembers."""
    member.tracker.restore(membership, member.log.last)


def apply(member: Member, change: Change) -> Membership:
    """Take a committed change into force; return the membership that the state now has.

    An invalid change cannot be in a log unless its check was switched off.
    """
    outcome = apply_change(member.tracker.membership, change)
    assert not isinstance(outcome, InvalidChange), outcome
    member.tracker.adopt(outcome, member.log.last)
    _follow_up(member)
    return outcome.membership


def _follow_up(member: Member) -> None:
    if member.role is not Role.LEADER:
        return
    own = member.tracker.progress.get(member.id)
    if own is None or own.learner:
        # It may go on to commit the change for the others, not counting itself (section 4.2.2),
        # but those who are left can do that as well.
        if member.config.step_down_on_removal:
            member.become_follower(member.term, NOBODY)
        return
    if replication.maybe_commit(member):  # the new quorum may be satisfied with less
        replication.broadcast_append(member)
    else:
        for peer in member.tracker.others(member.id):  # newcomers need not wait for a heartbeat
            replication.send_append(member, peer, even_empty=False)
    if not member.tracker.is_voter(member.transferee):
        member.transferee = NOBODY


def applied_to(member: Member, index: int, size_bytes: int) -> None:
    """Take note that all up to `index` is applied; leave a joint configuration that says so."""
    log = member.log
    log.applied_to(max(index, log.applied), size_bytes)
    if (
        member.tracker.membership.auto_leave
        and log.applied >= member.pending_change_index
        and member.role is Role.LEADER
    ):
        # Refused during a transfer; then the next applied entry tries again, or the next leader.
        proposals.propose(member, leave_joint(member))


def leave_joint(member: Member) -> Message:
    """Return the proposal that ends a joint configuration."""
    entry = Entry(kind=EntryKind.CHANGE, data=encode_change(LEAVE_JOINT))
    return Message(Kind.PROPOSE, sender=member.id, entries=(entry,))


def entries_applied(member: Member, entries: tuple[Entry, ...]) -> None:
    """Take note that entries that were handed out are applied."""
    applied_to(member, entries[-1].index, entry_bytes(entries))
    proposals.entries_committed(member, entries)


def snapshot_applied(member: Member, index: int) -> None:
    """Take note that a received snapshot is in place."""
    member.log.snapshot_stable(index)
    applied_to(member, index, 0)
