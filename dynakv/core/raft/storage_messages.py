"""Storage work as messages, for a node that writes and applies on queues of their own.

Instead of ready, write, advance, a Ready then contains STORAGE_APPEND and STORAGE_APPLY messages,
with the replies to deliver when the work is done; several may be under way, each queue in order.
DynaKV itself keeps one Ready in flight per group and does not use this; the same two replies also
drive `advance`.
"""

from dynakv.core.raft.member import Member
from dynakv.core.raft.messages import (
    APPEND_THREAD,
    APPLY_THREAD,
    NOBODY,
    Entry,
    HardState,
    Kind,
    Message,
    Snapshot,
)


def append_message(
    member: Member,
    entries: tuple[Entry, ...],
    hard_state: HardState | None,
    snapshot: Snapshot | None,
) -> Message | None:
    """Return the order to make all this durable; None where there is nothing to wait for."""
    replies = tuple(member.after_append)
    if not (entries or hard_state or snapshot or replies):
        return None
    own = append_reply(member, snapshot)
    return Message(
        kind=Kind.STORAGE_APPEND,
        to=APPEND_THREAD,
        sender=member.id,
        term=hard_state.term if hard_state else 0,
        vote=hard_state.vote if hard_state else NOBODY,
        commit=hard_state.commit if hard_state else 0,
        entries=entries,
        snapshot=snapshot,
        replies=(*replies, own) if own else replies,
    )


def append_reply(member: Member, snapshot: Snapshot | None) -> Message | None:
    """Return what to tell the member once its log, as it is now, is durable.

    It names the last entry of the log and the term. When the term has changed by the time it
    arrives it is ignored: entries may have been replaced, and replaced back, while older writes
    were under way, so that equal index and term prove nothing. It is attached to every order while
    anything is unstable, not only to those that carry entries: one that was ignored is made good
    by the next, and a change of term always causes one.
    """
    log = member.log
    if not log.has_unstable and snapshot is None:
        return None
    return Message(
        kind=Kind.STORAGE_APPEND_REPLY,
        to=member.id,
        sender=APPEND_THREAD,
        term=member.term,
        index=log.last if log.has_unstable else 0,
        log_term=log.last_term if log.has_unstable else 0,
        snapshot=snapshot,
    )


def apply_message(member: Member, entries: tuple[Entry, ...]) -> Message:
    """Return the order to apply committed entries."""
    return Message(
        kind=Kind.STORAGE_APPLY,
        to=APPLY_THREAD,
        sender=member.id,
        entries=entries,
        replies=(apply_reply(member, entries),),
    )


def apply_reply(member: Member, entries: tuple[Entry, ...]) -> Message:
    """Return what to tell the member once those entries are applied."""
    return Message(
        kind=Kind.STORAGE_APPLY_REPLY, to=member.id, sender=APPLY_THREAD, entries=entries
    )
