"""The rows that the writer wrote lately, so that writing them again needs no look-up.

A transaction must know each row's content before it merges. The writer is the only one that writes,
so what it committed is what the row holds, and asking SQLite for it again costs as much as writing
it. Two generations of a dict make the bound: when the young one is full it becomes the old one, and
what the old one held is forgotten. Belongs to the writer's thread.
"""

from collections.abc import Iterable

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import Row, RowKey


class RecentRows:
    """Committed rows by their place."""

    __slots__ = ("_bytes", "_old", "_young")

    def __init__(self) -> None:
        """Begin empty."""
        self._young: dict[RowKey, Record] = {}
        self._old: dict[RowKey, Record] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return the number of rows held."""
        return len(self._young) + len(self._old)

    def split(self, wanted: Iterable[RowKey]) -> tuple[dict[RowKey, Row], list[RowKey]]:
        """Return those of the wanted rows that are known, and the others."""
        known: dict[RowKey, Row] = {}
        others: list[RowKey] = []
        young, old = self._young, self._old
        for where in wanted:
            row = young.get(where) or old.get(where)
            if row is None:
                others.append(where)
            else:
                known[where] = row
        return known, others

    def committed(self, writes: dict[RowKey, Record | None]) -> None:
        """Take over what a transaction wrote, once it is durable."""
        young = self._young
        for where, record in writes.items():
            if record is None:
                young.pop(where, None)
                self._old.pop(where, None)
                continue
            young[where] = record
            self._bytes += len(record.key) + len(record.value or b"")
        if len(young) > limits.RECENT_ROWS_MAX or self._bytes > limits.RECENT_BYTES_MAX:
            self._old, self._young, self._bytes = young, {}, 0
