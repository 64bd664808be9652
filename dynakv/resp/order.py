"""Which earlier commands of its connection a command must wait for, because of its keys.

A command waits for an earlier unanswered write of its key, and a write also for earlier unanswered
reads. For each key the latest write and the latest read are kept; reads of one key that run side by
side are chained, since any of them may be the last to be answered. Nothing is removed when a reply
comes: an answered slot is recognised as such, and all is forgotten whenever nothing is unanswered,
which costs a tenth of keeping the books per reply.
"""

from collections.abc import Sequence

from dynakv import limits
from dynakv.resp.columns import Column, Slot

_REMEMBERED_MAX = 4 * limits.RESP_UNANSWERED_MAX  # keys; beyond it the answered ones are dropped


class KeyOrder:
    """The keys of one keyspace that unanswered commands of one connection name."""

    __slots__ = ("_reads", "_writes")

    def __init__(self) -> None:
        """Begin with none."""
        self._writes: dict[bytes, Slot] = {}
        self._reads: dict[bytes, Slot] = {}

    def first(self, slot: Slot, keys: Sequence[bytes], *, writes: bool) -> None:
        """Take the only unanswered command: there is nothing to wait for."""
        latest = self._writes if writes else self._reads
        for key in keys:
            latest[key] = slot

    def writing(self, slot: Slot, keys: Sequence[bytes], joins: Column | None) -> list[Slot]:
        """Return what a write must wait for.

        A write that would become the next entry of the column `joins` need not wait for a write
        that is an earlier entry of it.
        """
        blockers: list[Slot] = []
        for key in keys:
            write = _unanswered(self._writes.get(key), slot)
            if write is not None and (joins is None or write.link is not joins):
                blockers.append(write)
            read = _unanswered(self._reads.get(key), slot)
            while read is not None:
                blockers.append(read)
                read = _unanswered(_before(read), slot)
            self._writes[key] = slot
        return blockers

    def reading(self, slot: Slot, keys: Sequence[bytes]) -> list[Slot]:
        """Return what a read must wait for."""
        blockers: list[Slot] = []
        for key in keys:
            write = _unanswered(self._writes.get(key), slot)
            if write is not None:
                blockers.append(write)
            read = _unanswered(self._reads.get(key), slot)
            if read is not None and len(keys) == 1:
                slot.link = read
            elif read is not None:  # a slot has one link only
                blockers.append(read)
            self._reads[key] = slot
        return blockers

    def forget_all(self) -> None:
        """Take note that nothing is unanswered."""
        self._writes.clear()
        self._reads.clear()

    def prune(self) -> None:
        """Keep the books bounded on a connection that always has something unanswered."""
        if len(self._writes) + len(self._reads) > _REMEMBERED_MAX:
            for latest in (self._writes, self._reads):
                for key in [key for key, slot in latest.items() if _unanswered(slot) is None]:
                    del latest[key]


def _unanswered(slot: Slot | None, but: Slot | None = None) -> Slot | None:
    """Return the first unanswered slot of a chain, other than `but`."""
    while slot is not None and (slot.reply is not None or slot is but):
        slot = _before(slot)
    return slot


def _before(slot: Slot) -> Slot | None:
    return slot.link if isinstance(slot.link, Slot) else None
