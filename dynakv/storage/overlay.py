"""Rows that are in the batch log and not, or only lately, in the database.

Three generations of rows: the growing one, which takes every commit; the settling one, which the
writer moves into the database; and the one that settled last, kept because rows written lately are
likely to be written again and need no look-up then. A reader takes `generations` first and asks
SQLite afterwards: what is in no generation was in the database before it looked.

The committer's thread calls `split`, `committed` and `freeze`, the writer's `settled` and `fail`,
readers only read. What they share is replaced as a whole, never changed, but for the growing rows:
single dict operations are atomic under the interpreter's lock.
"""

import threading
from collections.abc import Iterable

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import Row, RowKey, ScanRecords
from dynakv.errors import StorageError
from dynakv.storage.batchlog import Batch, Segment

Written = dict[RowKey, Record | None]  # None: removed


class Generation:
    """What the batches of one segment leave behind."""

    __slots__ = ("facts", "last", "rows", "segment")

    def __init__(self, segment: Segment) -> None:
        """Begin without a batch."""
        self.segment = segment
        self.rows: Written = {}
        self.facts: dict[str, bytes | None] = {}
        self.last: Batch | None = None


class Overlay:
    """The generations of one store. Invariant: `generations` is newest first."""

    __slots__ = ("_broken", "_growing", "_room", "generations")

    def __init__(self) -> None:
        """Begin empty, and before `begin` unusable."""
        self._growing: Generation
        self.generations: tuple[Written, Written, Written] = ({}, {}, {})
        self._room = threading.Event()  # set while nothing is settling
        self._room.set()
        self._broken = False

    def begin(self, segment: Segment) -> None:
        """Let the growing generation belong to this segment."""
        self._growing = Generation(segment)
        self.generations = (self._growing.rows, *self.generations[1:])

    @property
    def growing(self) -> Generation:
        """The generation that takes every commit."""
        return self._growing

    def full(self, log_bytes_max: int) -> bool:
        """Say whether the growing generation has reached a bound."""
        growing = self._growing
        return len(growing.rows) >= limits.OVERLAY_ROWS_MAX or growing.segment.size >= log_bytes_max

    def split(self, wanted: Iterable[RowKey]) -> tuple[dict[RowKey, Row], list[RowKey]]:
        """Return those of the wanted rows that are known, None if removed, and the others."""
        return split(self.generations, wanted)

    def committed(self, batch: Batch) -> None:
        """Take over a batch that is durable."""
        growing = self._growing
        growing.rows.update(batch.writes)
        growing.facts.update(batch.facts)
        growing.last = batch

    def wait(self) -> None:
        """Return once nothing is settling. Raises StorageError where that failed."""
        self._room.wait()
        if self._broken:
            raise StorageError("moving committed rows into the database failed")

    def freeze(self, segment: Segment) -> Generation:
        """Begin a new growing generation in this segment, return the one that is to settle."""
        frozen = self._growing
        self._room.clear()
        self._growing = Generation(segment)
        self.generations = (self._growing.rows, frozen.rows, self.generations[2])
        return frozen

    def settled(self) -> None:
        """Take note that the settling generation is in the database, durably."""
        growing, settling, _ = self.generations
        self.generations = (growing, {}, settling)
        self._room.set()

    def fail(self) -> None:
        """Let nobody wait any more for what will not settle."""
        self._broken = True
        self._room.set()

    def within(self, request: ScanRecords) -> Written:
        """Return the unsettled rows of a scan's range and groups. O(unsettled rows)."""
        growing, settling, _ = self.generations
        if not growing and not settling:
            return {}
        keyspace, groups = request.keyspace, frozenset(request.groups)
        return {
            where: row
            for where, row in {**settling, **growing.copy()}.items()
            if where[0] == keyspace and where[1] in groups and _in_range(request, where[2])
        }


def split(
    generations: tuple[Written, Written, Written], wanted: Iterable[RowKey]
) -> tuple[dict[RowKey, Row], list[RowKey]]:
    """Return those of the wanted rows that the generations know, and the others."""
    known: dict[RowKey, Row] = {}
    others: list[RowKey] = []
    growing, settling, settled = generations
    for where in wanted:
        if where in growing:
            known[where] = growing[where]
        elif where in settling:
            known[where] = settling[where]
        elif where in settled:
            known[where] = settled[where]
        else:
            others.append(where)
    return known, others


def _in_range(request: ScanRecords, key: bytes) -> bool:
    return (
        key >= request.start
        and (request.after is None or key > request.after)
        and (request.end is None or key < request.end)
    )
