"""The storage rule: what a batch of operations makes of the rows it touches.

Pure, so that the SQLite shell (inside its transaction) and the simulator's disk run the very same
function: `read_set` names the rows to fetch, `apply` says what to write and what to answer. A row
is found by (keyspace, group, key).

A row that fails its checksum comes in as DAMAGED. Nobody knows how new it was, so an ordinary write
may not overwrite it: the replica would forget that it had acknowledged something newer. Only what
was merged from enough other replicas heals it.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.raft_write import (
    RaftWrite,
    RaftWritten,
    raft_apply,
    raft_bytes,
    raft_read_set,
    raft_rows,
)
from dynakv.core.record import Record, above, merge
from dynakv.core.row import DAMAGED, Damaged, Row, RowKey

__all__ = [
    "DAMAGED",
    "CeilingRaised",
    "CountRecords",
    "Counted",
    "Damaged",
    "DropRecords",
    "Dropped",
    "FactsKept",
    "MergeRecords",
    "Merged",
    "Operation",
    "Page",
    "RaftWrite",
    "RaftWritten",
    "RaiseCeiling",
    "Read",
    "ReadRecords",
    "ReadReply",
    "Remember",
    "Remembered",
    "Reply",
    "Row",
    "RowKey",
    "Rows",
    "ScanRecords",
    "apply",
    "bytes_in",
    "facts_in",
    "outlines",
    "read_set",
    "rows_in",
]


class MergeRecords(Struct, frozen=True, gc=False):
    """Merge each record into its row; parallel lists. A key may occur more than once."""

    keyspace: int
    groups: list[int]
    records: list[Record]
    heals: bool = False  # merged from enough other replicas to overwrite a damaged row
    # Parallel; of a record, a register that is not above its fence (`record.above`) does not enter.
    # The row may hold it, or a newer one, all the same. None: nothing is fenced.
    fences: list[int] | None = None


class Merged(Struct, frozen=True, gc=False):
    """Each row before and after, parallel to the records of the request.

    `after[i] is before[i]` where the row already covered the record. A damaged row that was not
    healed is DAMAGED in both.
    """

    before: list[Row]
    after: list[Row]


class DropRecords(Struct, frozen=True, gc=False):
    """Remove rows that still are exactly what the caller saw; parallel lists.

    A row whose checksum is another by now, or that is damaged, stays.
    """

    keyspace: int
    groups: list[int]
    keys: list[bytes]
    checksums: list[int]


class Dropped(Struct, frozen=True, gc=False):
    """The rows that were removed, None where none was; parallel to the keys of the request."""

    rows: list[Record | None]


class Remember(Struct, frozen=True, gc=False):
    """Make facts durable; None forgets one. See `Remembered.facts`."""

    facts: dict[str, bytes | None]


class FactsKept(Struct, frozen=True, gc=False):
    """The facts are durable."""


class RemoveRows(Struct, frozen=True, gc=False):
    """Remove rows whatever they hold, of a keyspace that is gone; parallel lists."""

    keyspace: int
    groups: list[int]
    keys: list[bytes]


class RowsRemoved(Struct, frozen=True, gc=False):
    """The rows are gone."""


class ReadRecords(Struct, frozen=True, gc=False):
    """Read rows; parallel lists. Not part of a transaction."""

    keyspace: int
    groups: list[int]
    keys: list[bytes]


class Rows(Struct, frozen=True, gc=False):
    """The rows of a read, parallel to its keys; None where there is none."""

    rows: list[Row]


class ScanRecords(Struct, frozen=True, gc=False):
    """Read rows of several groups in key order, from `start` or behind `after`, below `end`."""

    keyspace: int
    groups: list[int]
    start: bytes
    after: bytes | None
    end: bytes | None
    rows_max: int
    bytes_max: int
    # Rows come as `outlines`: without values, which are not read and therefore not verified.
    keys_only: bool = False


class Page(Struct, frozen=True, gc=False):
    """Rows of a scan, in key order over all its groups; parallel lists, no row is None.

    `next` None: there is nothing further; else every key up to and including it was looked at.
    """

    keys: list[bytes]
    rows: list[Row]
    next: bytes | None


class CountRecords(Struct, frozen=True, gc=False):
    """Count the rows of a keyspace, all groups together. O(rows), without reading large values."""

    keyspace: int


class Counted(Struct, frozen=True, gc=False):
    """How many rows there are, and the bytes of their keys and values."""

    rows: int
    bytes: int


class FindStrays(Struct, frozen=True, gc=False):
    """Find rows of one keyspace that is none of these; not in any order."""

    keyspaces: list[int]
    rows_max: int


class Strays(Struct, frozen=True, gc=False):
    """Rows of one keyspace; parallel lists, empty where there are none."""

    keyspace: int
    groups: list[int]
    keys: list[bytes]


class RaiseCeiling(Struct, frozen=True, gc=False):
    """Make an upper bound of the node's Hybrid Logical Clock durable."""

    ceiling_ms: int


class CeilingRaised(Struct, frozen=True, gc=False):
    """The bound is durable."""

    ceiling_ms: int


Operation = MergeRecords | DropRecords | Remember | RemoveRows | RaiseCeiling | RaftWrite
Read = ReadRecords | ScanRecords | CountRecords | FindStrays
Reply = Merged | Dropped | FactsKept | RowsRemoved | CeilingRaised | RaftWritten
ReadReply = Rows | Page | Counted | Strays


class Remembered(Struct, frozen=True):
    """What a data directory says when a node starts; every field is durable."""

    node_id: str
    incarnation: int  # uint64 drawn when the directory was made; also this node's writer
    starts: int  # how often a node was started on it, this start included
    ceiling_ms: int  # no reading at or above it was ever issued
    commit_sequence: int  # transactions committed so far
    layout: bytes  # core.layout.encode
    empty: bool  # no record was ever stored
    # Small durable values that the node keeps in memory as a whole, by names of `core/facts.py`:
    # what it must know of groups, peers and unfinished work before it serves.
    facts: dict[str, bytes] = {}


def read_set(operations: Iterable[Operation]) -> dict[RowKey, None]:
    """Return the rows that `apply` needs, each once, in first-use order."""
    wanted: dict[RowKey, None] = {}
    for operation in operations:
        if isinstance(operation, MergeRecords):
            keyspace = operation.keyspace
            for group, record in zip(operation.groups, operation.records, strict=True):
                wanted[keyspace, group, record.key] = None
        elif isinstance(operation, DropRecords):
            keyspace = operation.keyspace
            for group, key in zip(operation.groups, operation.keys, strict=True):
                wanted[keyspace, group, key] = None
        elif isinstance(operation, RaftWrite):
            wanted.update(dict.fromkeys(raft_read_set(operation)))
    return wanted


def apply(
    operations: Iterable[Operation], rows: Mapping[RowKey, Row]
) -> tuple[dict[RowKey, Record | None], list[Reply]]:
    """Return the rows to write (None: to remove) and one reply per operation.

    Later operations see what earlier ones did.
    """
    writes: dict[RowKey, Record | None] = {}
    replies: list[Reply] = []
    for operation in operations:
        if isinstance(operation, MergeRecords):
            replies.append(_merge_records(operation, rows, writes))
        elif isinstance(operation, DropRecords):
            replies.append(_drop_records(operation, rows, writes))
        elif isinstance(operation, Remember):
            replies.append(FactsKept())
        elif isinstance(operation, RaftWrite):
            replies.append(raft_apply(operation, rows, writes))
        elif isinstance(operation, RemoveRows):
            for group, key in zip(operation.groups, operation.keys, strict=True):
                writes[operation.keyspace, group, key] = None
            replies.append(RowsRemoved())
        else:
            replies.append(CeilingRaised(operation.ceiling_ms))
    return writes, replies


def facts_in(operations: Iterable[Operation]) -> dict[str, bytes | None]:
    """Return the facts that a transaction of these operations makes durable or forgets."""
    facts: dict[str, bytes | None] = {}
    for operation in operations:
        if isinstance(operation, Remember):
            facts.update(operation.facts)
    return facts


def rows_in(operation: Operation) -> int:
    """Return how many rows an operation may write: what bounds a transaction."""
    match operation:
        case MergeRecords():
            return len(operation.records)
        case DropRecords() | RemoveRows():
            return len(operation.keys)
        case Remember():
            return len(operation.facts)
        case RaftWrite():
            return raft_rows(operation)
        case RaiseCeiling():
            return 1


def bytes_in(operation: Operation) -> int:
    """Return how many bytes of keys and values an operation carries. O(records)."""
    match operation:
        case MergeRecords():
            return sum([len(r.key) + len(r.value or b"") for r in operation.records])
        case DropRecords() | RemoveRows():
            return sum(map(len, operation.keys))
        case Remember():
            return sum(len(name) + len(fact or b"") for name, fact in operation.facts.items())
        case RaftWrite():
            return raft_bytes(operation)
        case RaiseCeiling():
            return 8


def outlines(rows: Iterable[Row]) -> list[Row]:
    """Return the rows as a scan of keys shows them: the value's bytes are left out.

    The checksum stays that of the whole record, which therefore does not fit any more.
    """
    return [replace(r, value=b"") if isinstance(r, Record) and r.value else r for r in rows]


def _merge_records(
    operation: MergeRecords,
    rows: Mapping[RowKey, Row],
    writes: dict[RowKey, Record | None],
) -> Merged:
    keyspace = operation.keyspace
    before: list[Row] = []
    after: list[Row] = []
    records: list[Record] | list[Record | None] = operation.records
    if operation.fences is not None:
        records = list(map(above, operation.records, operation.fences))
    for group, record, given in zip(operation.groups, records, operation.records, strict=True):
        where = (keyspace, group, given.key)
        old: Row = writes[where] if where in writes else rows.get(where)
        new: Row
        if old is None or record is None:
            new = record or old
        elif isinstance(old, Damaged):
            new = record if operation.heals else old
        elif record.value_time > old.value_time and record.expiry_time > old.expiry_time:
            new = record  # what `merge` would say: nearly every write is such a one
        else:
            new = merge(old, record)
        if new is not old and new is not None:
            writes[where] = cast("Record", new)  # `old` is the only one that may be damaged
        before.append(old)
        after.append(new)
    return Merged(before, after)


def _drop_records(
    operation: DropRecords,
    rows: Mapping[RowKey, Row],
    writes: dict[RowKey, Record | None],
) -> Dropped:
    keyspace = operation.keyspace
    dropped: list[Record | None] = []
    for group, key, checksum in zip(
        operation.groups, operation.keys, operation.checksums, strict=True
    ):
        where = (keyspace, group, key)
        old: Row = writes[where] if where in writes else rows.get(where)
        if isinstance(old, Record) and old.checksum == checksum:
            writes[where] = None
            dropped.append(old)
        else:
            dropped.append(None)
    return Dropped(dropped)


assert limits.TRANSACTION_ROWS_MAX >= limits.REQUEST_KEYS_MAX  # any request fits one transaction
