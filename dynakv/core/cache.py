"""The record cache of a node: the newest rows that STORE has reported, bounded in bytes.

It is filled only from STORE replies, so nothing is served from it that was not on disk. Also a key
that is known to be absent is an entry. The least recently used entry goes first.

What makes it hard is order. Reads and writes run beside each other, so a read reply may show a row
older than a write that was reported before it, or newer than one that is reported after it. Three
rules keep every entry at least as new as all that STORE has reported for its key:

* Rows only grow (`record.merge`), so of two records of one key the one that covers the other is
  the newer, whichever was reported first; an entry never goes back.
* Where there is no entry to compare with, a read reply is not taken if a write of its key was
  reported since the read was asked. For that, and only while reads are outstanding, writes are
  numbered and the last number of each written key is remembered; a read knows the number at which
  it was asked.
* A row that was collected breaks the growth, so `forget` counts as a write, and a reply that is
  newer than its entry but may be older than a write removes the entry rather than replace it.

Rejected: a version per key (costs memory for every key ever written), and dropping all replies
when anything was written meanwhile (nothing would be cached under steady writes).
"""

from collections import OrderedDict
from enum import Enum
from typing import Final

from dynakv import limits
from dynakv.core.record import Record, covers
from dynakv.core.table import Damaged, Row


class Miss(Enum):
    """The type of MISS."""

    MISS = "miss"


MISS: Final = Miss.MISS  # the cache does not know; None: it knows that there is no record

ENTRY_BYTES: Final = 640
"""What an entry costs beside its key and value in CPython 3.11 on 64 bits: a Record and its five
large integers, two bytes headers, the tuple that is looked up, and its place in the OrderedDict.
Measured 553 with tracemalloc at 100,000 entries; the rest is slack for a table that just grew. An
entry without a record costs less and counts the same."""

ENTRY_SHARE: Final = 8  # a larger part of the cache than 1/8 is no entry: it would evict thousands


class RecordCache:
    """Records by keyspace id and key. `hits` and `misses` only ever rise.

    Invariant: bytes_used <= bytes_max, counted with ENTRY_BYTES per entry.
    """

    __slots__ = (
        "_entries",
        "_floor",
        "_reads",
        "_writes",
        "_written",
        "bytes_max",
        "bytes_used",
        "hits",
        "misses",
    )

    def __init__(self, bytes_max: int) -> None:
        """Begin empty; with `bytes_max` 0 nothing is ever kept."""
        self.bytes_max = bytes_max
        self.bytes_used = 0
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[tuple[int, bytes], Record | None] = OrderedDict()
        self._reads = 0  # reads asked and not yet ended
        self._writes = 0  # number of the last write; counts on only while reads are outstanding
        self._written: dict[tuple[int, bytes], int] = {}  # the last write of each key
        self._floor = 0  # reads asked before this write can no longer be compared with `_written`

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, keyspace: int, key: bytes) -> Record | Miss | None:
        """Return the record, None where there certainly is none, or MISS."""
        where = (keyspace, key)
        row = self._entries.get(where, MISS)
        if row is MISS:
            self.misses += 1
        else:
            self.hits += 1
            self._entries.move_to_end(where)
        return row

    def get_all(self, keyspace: int, keys: list[bytes]) -> tuple[list[Record | Miss | None], int]:
        """Return what `get` says of each key, only faster, and how many are MISS."""
        known, move = self._entries.get, self._entries.move_to_end
        rows: list[Record | Miss | None] = []
        missed = 0
        for key in keys:
            where = (keyspace, key)
            row = known(where, MISS)
            if row is MISS:
                missed += 1
            else:
                move(where)
            rows.append(row)
        self.misses += missed
        self.hits += len(rows) - missed
        return rows, missed

    def stored(self, keyspace: int, key: bytes, row: Row) -> None:
        """Take the row that a completed write left behind; a damaged one is not kept."""
        where = (keyspace, key)
        if self._reads:
            self._note_write(where)
        if isinstance(row, Record):
            old = self._entries.get(where, MISS)
            # A read may have shown what a write still unreported has made of the row.
            if not isinstance(old, Record):
                self._keep(where, old, row)
            elif old.value_time < row.value_time:  # `covers`, for what nearly every write is
                self._replace(where, old, row)
            elif not covers(old, row):
                self._keep(where, old, row)
        else:
            self._evict(where)

    def stored_all(self, keyspace: int, rows: list[Record]) -> None:
        """Take the rows that a completed write left behind; as `stored` for each, only faster."""
        if self._reads:
            for row in rows:
                self.stored(keyspace, row.key, row)
            return
        entries = self._entries
        known, move = entries.get, entries.move_to_end
        for row in rows:
            where = (keyspace, row.key)
            old = known(where)
            value = row.value
            if (
                old is not None
                and value is not None
                and old.value is not None
                and old.value_time < row.value_time
                and len(value) <= len(old.value)
            ):
                self.bytes_used += len(value) - len(old.value)
                entries[where] = row
                move(where)
            else:
                self.stored(keyspace, row.key, row)

    def forget(self, keyspace: int, key: bytes) -> None:
        """Drop what is known of a key whose row was removed from the disk."""
        self.stored(keyspace, key, None)

    def drop(self, keyspace: int) -> None:
        """Forget all keys of a keyspace whose id is never used again. O(entries)."""
        for where in [where for where in self._entries if where[0] == keyspace]:
            self._evict(where)

    def begin_read(self) -> int:
        """Return a ticket for a read that is asked now; each must be ended once."""
        self._reads += 1
        return self._writes

    def fill(self, ticket: int, keyspace: int, key: bytes, row: Row) -> None:
        """Take a row that the read of this ticket found; call it before `end_read`."""
        where = (keyspace, key)
        if isinstance(row, Damaged):
            self._evict(where)
            return
        old = self._entries.get(where, MISS)
        if old is not MISS and (row is None or (old is not None and covers(old, row))):
            return
        if ticket >= self._floor and self._written.get(where, 0) <= ticket:
            self._keep(where, old, row)
        else:
            self._evict(where)

    def end_read(self, ticket: int) -> None:
        """Take note that the read of this ticket has replied, whatever it replied."""
        assert self._reads > 0
        assert ticket <= self._writes
        self._reads -= 1
        if not self._reads:
            self._written.clear()

    def _note_write(self, where: tuple[int, bytes]) -> None:
        self._writes += 1
        self._written[where] = self._writes
        if len(self._written) > limits.WRITTEN_KEYS_MAX:
            self._written.clear()
            self._floor = self._writes

    def _keep(
        self, where: tuple[int, bytes], old: Record | Miss | None, row: Record | None
    ) -> None:
        """Set the entry, which was `old`, and evict what is beyond the bound."""
        size = _size(where, row)
        if size * ENTRY_SHARE > self.bytes_max:
            self._evict(where)
            return
        entries = self._entries
        entries[where] = row
        if old is MISS:
            self.bytes_used += size
        else:
            self.bytes_used += size - _size(where, old)
            entries.move_to_end(where)
        while self.bytes_used > self.bytes_max:
            self.bytes_used -= _size(*entries.popitem(last=False))

    def _replace(self, where: tuple[int, bytes], old: Record, row: Record) -> None:
        """Do what `_keep` does, faster for the new value of a known key. 0.2 us less."""
        new_value, old_value = row.value, old.value
        if new_value is None or old_value is None or len(new_value) > len(old_value):
            self._keep(where, old, row)
            return
        self.bytes_used += len(new_value) - len(old_value)
        self._entries[where] = row
        self._entries.move_to_end(where)

    def _evict(self, where: tuple[int, bytes]) -> None:
        row = self._entries.pop(where, MISS)
        if row is not MISS:
            self.bytes_used -= _size(where, row)


def _size(where: tuple[int, bytes], row: Record | None) -> int:
    value = row.value if row is not None else None
    return ENTRY_BYTES + len(where[1]) + (len(value) if value is not None else 0)
