"""A simulated disk: the storage rule over a dictionary that loses what was not synced.

It runs the very functions of `core/table.py` that the SQLite shell runs inside its transactions.
One transaction is open at a time; it becomes durable in `sync`. A crash in between loses it, or
finds it whole: both happen to real disks before the acknowledgement. Latency and the order of
replies are the process's business (`process.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec import Struct, structs

from dynakv.core import facts
from dynakv.core import record as records
from dynakv.core.record import Record
from dynakv.core.table import (
    DAMAGED,
    Counted,
    CountRecords,
    Dropped,
    DropRecords,
    FindStrays,
    Operation,
    Page,
    RaiseCeiling,
    Read,
    ReadReply,
    Remembered,
    Reply,
    Row,
    RowKey,
    Rows,
    ScanRecords,
    Strays,
    apply,
    facts_in,
    outlines,
    read_set,
)


class Transaction:
    """Operations that were applied and are not durable yet."""

    __slots__ = ("ceiling_ms", "dropped", "facts", "replies", "writes")

    def __init__(
        self,
        writes: dict[RowKey, Record | None],
        facts: dict[str, bytes | None],
        ceiling_ms: int,
        replies: list[Reply],
    ) -> None:
        """Hold what `sync` makes durable, and the replies that may leave after it."""
        self.writes = writes
        self.facts = facts
        self.ceiling_ms = ceiling_ms
        self.replies = replies
        self.dropped: list[tuple[RowKey, Record]] = []


class Image(Struct, frozen=True):
    """What was durable at some moment: a snapshot."""

    rows: dict[RowKey, Record]
    facts: dict[str, bytes]
    commit_sequence: int
    written: bool


class Disk:
    """The durable state of one node."""

    def __init__(self, node_id: str, incarnation: int, layout: bytes) -> None:
        """Make an empty data directory."""
        self.rows: dict[RowKey, Record] = {}
        self._keys: dict[tuple[int, int], dict[bytes, None]] = {}  # of `rows`, by group
        self.facts: dict[str, bytes] = {}
        self._written = False  # some row was, though all may have been removed
        self._first = Remembered(
            node_id=node_id,
            incarnation=incarnation,
            starts=0,
            ceiling_ms=0,
            commit_sequence=0,
            layout=layout,
            empty=True,
        )
        self._starts = 0
        self._ceiling_ms = 0
        self.commit_sequence = 0
        self._open: Transaction | None = None
        self.set_back_times = 0
        self.on_removed: Callable[[list[tuple[RowKey, Record]]], None] = lambda _: None
        self.on_written: Callable[[Iterable[Record]], None] = lambda _: None  # are durable now
        # Gets the rows that DropRecords removes, when that becomes durable but before it shows.
        self.on_drop: Callable[[list[tuple[RowKey, Record]]], None] = lambda _: None
        # Gets what a transaction writes (None: removes), when it is durable but before it shows.
        self.on_sync: Callable[[dict[RowKey, Record | None]], None] = lambda _: None

    def start(self) -> Remembered:
        """Count a start durably and return what the directory remembers."""
        assert self._open is None
        self._starts += 1
        return structs.replace(
            self._first,
            starts=self._starts,
            ceiling_ms=self._ceiling_ms,
            layout=self.layout,
            commit_sequence=self.commit_sequence,
            empty=not self._written,
            facts={name: fact for name, fact in self.facts.items() if name != facts.LAYOUT},
        )

    @property
    def first_layout(self) -> bytes:
        """The layout that the directory was made with."""
        return self._first.layout

    @property
    def layout(self) -> bytes:
        """The layout that the directory remembers."""
        return self.facts.get(facts.LAYOUT, self._first.layout)

    def begin(self, operations: Sequence[Operation]) -> None:
        """Apply operations in a transaction that `sync` will make durable."""
        assert self._open is None, "one transaction is in flight at a time"
        fetched = {where: self._row(where) for where in read_set(operations)}
        writes, replies = apply(operations, fetched)
        ceilings = [o.ceiling_ms for o in operations if isinstance(o, RaiseCeiling)]
        ceiling_ms = max(ceilings, default=0)
        self._open = Transaction(writes, facts_in(operations), ceiling_ms, replies)
        for operation, reply in zip(operations, replies, strict=True):
            if isinstance(operation, DropRecords) and isinstance(reply, Dropped):
                wheres = zip(operation.groups, operation.keys, reply.rows, strict=True)
                self._open.dropped += [
                    ((operation.keyspace, group, key), row)
                    for group, key, row in wheres
                    if row is not None
                ]

    def sync(self) -> list[Reply]:
        """Make the open transaction durable and return its replies, one per operation."""
        transaction = self._open
        assert transaction is not None
        self._open = None
        removed = [
            (where, self.rows[where])
            for where, row in transaction.writes.items()
            if row is None and where in self.rows
        ]
        if transaction.dropped:
            self.on_drop(transaction.dropped)
        self.on_sync(transaction.writes)
        _update(self.rows, transaction.writes)
        for (keyspace, group, key), row in transaction.writes.items():
            keys = self._keys.setdefault((keyspace, group), {})
            if row is None:
                keys.pop(key, None)
            else:
                keys[key] = None
        _update(self.facts, transaction.facts)
        self._written = self._written or bool(self.rows)
        self._ceiling_ms = max(self._ceiling_ms, transaction.ceiling_ms)
        self.commit_sequence += 1
        self.on_written(row for row in transaction.writes.values() if row is not None)
        if removed:
            self.on_removed(removed)
        return transaction.replies

    @property
    def incarnation(self) -> int:
        """Return what was drawn when the directory was made, or last restored."""
        return self._first.incarnation

    def image(self) -> Image:
        """Return a snapshot. O(rows)."""
        return Image(dict(self.rows), dict(self.facts), self.commit_sequence, self._written)

    def set_back(self, image: Image, incarnation: int, marks: dict[str, bytes]) -> None:
        """Put a snapshot in place, as `storage/restore.py` does; `marks` are facts to add.

        Nothing is open. Starts and the clock's ceiling stay: they are the higher ones.
        """
        assert self._open is None
        self.rows = dict(image.rows)
        self._keys = {}
        for keyspace, group, key in self.rows:
            self._keys.setdefault((keyspace, group), {})[key] = None
        stale = (f"{facts.CLEAN}/", f"{facts.PEER}/")
        kept = {name: fact for name, fact in image.facts.items() if not name.startswith(stale)}
        self.facts = kept | marks
        self.commit_sequence = image.commit_sequence
        self._written = image.written
        self._first = structs.replace(self._first, incarnation=incarnation)
        self.set_back_times += 1

    def wipe(self, incarnation: int) -> None:
        """Put a new, empty directory in place. Nothing is open."""
        assert self._open is None
        self.on_sync(dict.fromkeys(self.rows))
        self.rows, self._keys, self.facts = {}, {}, {}
        self._written = False
        self._first = structs.replace(self._first, incarnation=incarnation)
        self._starts = self._ceiling_ms = self.commit_sequence = 0
        self.set_back_times += 1

    def recovers(self, keyspace: int, group: int) -> bool:
        """Say whether a group is marked as recovering."""
        return facts.group_name(facts.RECOVERING, keyspace, group) in self.facts

    def open_rows(self) -> list[RowKey]:
        """Return the rows that the open transaction writes, without those that it removes."""
        assert self._open is not None
        return [where for where, row in self._open.writes.items() if row is not None]

    def crash(self, *, survives: bool) -> None:
        """Lose what is not durable; `survives`: the open transaction had reached the platter."""
        if self._open is not None and survives:
            self.sync()
        self._open = None

    def read(self, message: Read) -> ReadReply:
        """Return the rows as of the last durable transaction."""
        if isinstance(message, FindStrays):
            return self._strays(message)
        keyspace = message.keyspace
        if isinstance(message, CountRecords):
            found = [row for (of, _, _), row in self.rows.items() if of == keyspace]
            return Counted(len(found), sum(len(r.key) + len(r.value or b"") for r in found))
        if isinstance(message, ScanRecords):
            return self._page(message)
        return Rows(
            [
                self._row((keyspace, group, key))
                for group, key in zip(message.groups, message.keys, strict=True)
            ]
        )

    def damage(self, where: RowKey, bit: int) -> None:
        """Flip a bit of a stored row: in its value if it has one, else in its value's stamp."""
        row = self.rows[where]
        if row.value:
            place = bit % (8 * len(row.value))
            value = bytearray(row.value)
            value[place // 8] ^= 1 << place % 8
            self.rows[where] = structs.replace(row, value=bytes(value))
        else:
            self.rows[where] = structs.replace(row, value_time=row.value_time ^ 1 << bit % 64)

    def damaged(self, where: RowKey) -> bool:
        """Say whether the row is there and fails its checksum."""
        row = self.rows.get(where)
        return row is not None and not records.intact(row)

    def any_damaged(self) -> bool:
        """Say whether some row fails its checksum. O(rows)."""
        return any(not records.intact(row) for row in self.rows.values())

    def _strays(self, request: FindStrays) -> Strays:
        others = [where for where in self.rows if where[0] not in request.keyspaces]
        found = [where for where in others if where[0] == others[0][0]][: request.rows_max]
        keyspace = found[0][0] if found else 0
        return Strays(keyspace, [group for _, group, _ in found], [key for _, _, key in found])

    def _page(self, scan: ScanRecords) -> Page:
        """Return a page in key order. O(rows of the groups)."""
        begin = scan.start if scan.after is None else max(scan.start, scan.after + b"\0")
        found = sorted(
            (key, group)
            for group in dict.fromkeys(scan.groups)
            for key in self._keys.get((scan.keyspace, group), ())
            if key >= begin and (scan.end is None or key < scan.end)
        )
        keys: list[bytes] = []
        rows: list[Row] = []
        size = 0
        for key, group in found:
            where = (scan.keyspace, group, key)
            row = outlines([self.rows[where]])[0] if scan.keys_only else self._row(where)
            size += len(key) + (len(row.value or b"") if isinstance(row, Record) else 0)
            if len(keys) == scan.rows_max or (keys and size > scan.bytes_max):
                return Page(keys, rows, keys[-1])
            keys.append(key)
            rows.append(row)
        return Page(keys, rows, None)

    def _row(self, where: RowKey) -> Row:
        row = self.rows.get(where)
        if row is None or records.intact(row):
            return row
        return DAMAGED


_K = TypeVar("_K")
_V = TypeVar("_V")


def _update(state: dict[_K, _V], changes: dict[_K, _V | None]) -> None:
    """Set what changes say; None removes."""
    for name, value in changes.items():
        if value is None:
            state.pop(name, None)
        else:
            state[name] = value
