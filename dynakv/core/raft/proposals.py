"""Entries into a leader's log: proposals, their quota, and the check of membership changes.

At most one change is pending, in the log and not yet applied (dissertation, section 4.1), and none
is begun before the leader has committed an entry of its own term: without that, changes of two
leaders could each find a majority (Ongaro's note of 2015 on single-server changes).
"""

from collections.abc import Sequence

from dynakv.core.raft import replication
from dynakv.core.raft.log import payload_bytes
from dynakv.core.raft.member import Member
from dynakv.core.raft.membership import Change, decode_change
from dynakv.core.raft.messages import NOBODY, Entry, EntryKind, Kind, Message, Refusal


def begin_term(member: Member) -> None:
    """Append the empty entry whose commit tells a new leader what is committed."""
    appended = append_own(member, (Entry(),))
    assert appended, "an empty entry needs no quota"
    replication.broadcast_append(member)


def propose(member: Member, message: Message) -> Refusal | None:
    """Append a proposal to the leader's log and send it out.

    A membership change that does not fit becomes an empty entry, so that the entries of one
    proposal keep their places; CHANGE_REFUSED then says so although the rest was appended.
    """
    assert message.entries, "an empty proposal"
    if member.id not in member.tracker.progress:
        return Refusal.NOT_A_MEMBER
    if member.transferee != NOBODY:
        return Refusal.TRANSFERRING
    entries, pending, refused = _checked(member, message.entries)
    if not append_own(member, entries):
        return Refusal.TOO_MUCH_UNCOMMITTED
    member.pending_change_index = pending
    replication.broadcast_append(member)
    return Refusal.CHANGE_REFUSED if refused else None


def append_own(member: Member, entries: Sequence[Entry]) -> bool:
    """Append entries as leader; False: the quota does not allow it.

    The first proposal of an empty tail always fits, whatever its size, and so do empty entries.
    """
    size_bytes = payload_bytes(entries)
    total_bytes = member.uncommitted_bytes + size_bytes
    fits = total_bytes <= member.config.uncommitted_bytes_max
    if not fits and size_bytes and member.uncommitted_bytes:
        return False
    member.uncommitted_bytes = total_bytes
    start = member.log.last + 1
    last = member.log.append(
        [Entry(member.term, start + i, e.kind, e.data) for i, e in enumerate(entries)]
    )
    # Comes back when the entries are durable here: only then does the leader's own copy count.
    member.send(Kind.APPEND_REPLY, member.id, index=last)
    return True


def entries_committed(member: Member, entries: Sequence[Entry]) -> None:
    """Return the quota of entries that were applied."""
    member.uncommitted_bytes = max(0, member.uncommitted_bytes - payload_bytes(entries))


def _checked(member: Member, entries: Sequence[Entry]) -> tuple[list[Entry], int, bool]:
    """Return the entries with unfit changes emptied, the newest pending change, and if any was."""
    checked = []
    pending = member.pending_change_index
    refused = False
    for i, entry in enumerate(entries):
        if entry.kind is not EntryKind.NORMAL:
            if change_fits(member, decode_change(entry.data), pending):
                pending = member.log.last + i + 1
            else:
                refused = True
                entry = Entry()  # noqa: PLW2901 - the entry that takes its place
        checked.append(entry)
    return checked, pending, refused


def change_fits(member: Member, change: Change, pending: int) -> bool:
    """Say whether a change may enter the log now, `pending` being the index of the last one."""
    if not member.config.validate_changes:
        return True
    if pending > member.log.applied:
        return False
    if member.config.changes_need_own_commit and not member.committed_in_term:
        return False
    return member.tracker.membership.joint == (not change.changes)
