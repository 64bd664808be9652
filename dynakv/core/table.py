"""The storage rule: what a batch of operations makes of the rows it touches.

Pure, so that the SQLite shell (inside its transaction) and the simulator's disk run the very same
function: `read_set` names the rows to fetch, `apply` says what to write and what to answer. A row
is found by (keyspace, group, key).

A row that fails its checksum comes in as DAMAGED. Nobody knows how new it was, so an ordinary write
may not overwrite it: the replica would forget that it had acknowledged something newer. Only what
was merged from enough other replicas heals it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from dynakv import limits
from dynakv.core.record import Record, merge

RowKey = tuple[int, int, bytes]  # keyspace id, group, key


class Damaged(Struct, frozen=True):
    """Stands for a row whose content fails its checksum."""


DAMAGED: Final = Damaged()
Row = Record | Damaged | None


class MergeRecords(Struct, frozen=True, gc=False):
    """Merge each record into its row; parallel lists. A key may occur more than once."""

    keyspace: int
    groups: list[int]
    records: list[Record]
    heals: bool = False  # merged from enough other replicas to overwrite a damaged row


class Merged(Struct, frozen=True, gc=False):
    """Each row before and after, parallel to the records of the request.

    `after[i] is before[i]` where the row already covered the record. A damaged row that was not
    healed is DAMAGED in both.
    """

    before: list[Row]
    after: list[Row]


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


class Page(Struct, frozen=True, gc=False):
    """Rows of a scan, in key order over all its groups; parallel lists, no row is None.

    `next` None: there is nothing further; else every key up to and including it was looked at.
    """

    keys: list[bytes]
    rows: list[Row]
    next: bytes | None


class RaiseCeiling(Struct, frozen=True, gc=False):
    """Make an upper bound of the node's Hybrid Logical Clock durable."""

    ceiling_ms: int


class CeilingRaised(Struct, frozen=True, gc=False):
    """The bound is durable."""

    ceiling_ms: int


Operation = MergeRecords | RaiseCeiling
Read = ReadRecords | ScanRecords
Reply = Merged | CeilingRaised


class Remembered(Struct, frozen=True):
    """What a data directory says when a node starts; every field is durable."""

    node_id: str
    incarnation: int  # uint64 drawn when the directory was made; also this node's writer
    starts: int  # how often a node was started on it, this start included
    ceiling_ms: int  # no reading at or above it was ever issued
    commit_sequence: int  # transactions committed so far
    layout: bytes  # core.layout.encode
    empty: bool  # no record was ever stored


def read_set(operations: Iterable[Operation]) -> dict[RowKey, None]:
    """Return the rows that `apply` needs, each once, in first-use order."""
    wanted: dict[RowKey, None] = {}
    for operation in operations:
        if isinstance(operation, MergeRecords):
            keyspace = operation.keyspace
            for group, record in zip(operation.groups, operation.records, strict=True):
                wanted[keyspace, group, record.key] = None
    return wanted


def apply(
    operations: Iterable[Operation], rows: Mapping[RowKey, Row]
) -> tuple[dict[RowKey, Record], list[Reply]]:
    """Return the rows to write and one reply per operation; later ones see earlier ones."""
    writes: dict[RowKey, Record] = {}
    replies: list[Reply] = []
    for operation in operations:
        if isinstance(operation, MergeRecords):
            replies.append(_merge_records(operation, rows, writes))
        else:
            replies.append(CeilingRaised(operation.ceiling_ms))
    return writes, replies


def rows_in(operation: Operation) -> int:
    """Return how many rows an operation may write: what bounds a transaction."""
    return len(operation.records) if isinstance(operation, MergeRecords) else 1


def bytes_in(operation: Operation) -> int:
    """Return how many bytes of keys and values an operation carries. O(records)."""
    if isinstance(operation, MergeRecords):
        return sum(len(r.key) + len(r.value or b"") for r in operation.records)
    return 8


def _merge_records(
    operation: MergeRecords, rows: Mapping[RowKey, Row], writes: dict[RowKey, Record]
) -> Merged:
    keyspace = operation.keyspace
    before: list[Row] = []
    after: list[Row] = []
    for group, record in zip(operation.groups, operation.records, strict=True):
        where = (keyspace, group, record.key)
        old: Row = writes.get(where)
        if old is None:
            old = rows.get(where)
        new: Row
        if old is None:
            new = record
        elif isinstance(old, Damaged):
            new = record if operation.heals else old
        else:
            new = merge(old, record)
        if new is not old and isinstance(new, Record):
            writes[where] = new
        before.append(old)
        after.append(new)
    return Merged(before, after)


assert limits.TRANSACTION_ROWS_MAX >= limits.REQUEST_KEYS_MAX  # any request fits one transaction
