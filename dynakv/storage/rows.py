"""Records to rows and back: the statements of the hot path, in few and large pieces.

Beside a busy event loop every return from SQLite into Python waits for the interpreter's lock, up
to a switch interval (the server sets 0.1 ms), and both `executemany` and fetching rows return once
per row. So a batch is written by statements of up to 256 rows each, and read by statements that
gather up to 256 records into one JSON text, values in hexadecimal: beside a busy thread 154,000
rows a second against 9,000 for a cursor over the same join, and as fast as it when idle. (`WHERE
(keyspace, grp, key) IN (VALUES ...)` is planned as a scan: 6,000.) Large values would double in
that text; they are fetched one by one.

Every record read is verified by its checksum; what fails it, or does not even parse, is DAMAGED.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from dynakv import limits
from dynakv.core.record import Record, intact
from dynakv.core.table import DAMAGED, Counted, Page, Row, RowKey, ScanRecords, outlines
from dynakv.storage.schema import UINT64_MAX, signed

T = TypeVar("T")
_NONE: Final[Mapping[RowKey, Record | None]] = {}


_STAMPS: Final = (
    "value_time",
    "value_writer",
    "expiry_ms",
    "expiry_time",
    "expiry_writer",
    "checksum",
)
# Damage can turn a column into another type, which JSON might not hold, or Python not decode. Cast,
# it is a wrong number like any other, or still NULL.
_INTEGERS: Final = ", ".join(f"CAST({column} AS INTEGER)" for column in _STAMPS)
# A record inside JSON text. Value NULL: a tombstone; `hexadecimal` alone NULL: a large value.
_GATHERED: Final = (
    f"{_INTEGERS}, length(value), "
    f"CASE WHEN length(value) <= {limits.INLINE_VALUE_BYTES_MAX} THEN hex(value) END"
)
_Gathered = tuple[int, int, int, int, int, int, int, int | None, str | None]  # nth, then as above
_decode_gathered: Final = msgspec.json.Decoder(list[_Gathered]).decode
_Whole = tuple[int, int, int, int, int, int, bytes | None]
_decode_listed: Final = msgspec.json.Decoder(list[tuple[str, int]]).decode


def _gather_statement(rows: int) -> str:
    wanted = ", ".join(["(?, ?, ?, ?)"] * rows)
    # CROSS JOIN fixes the order: for each wanted key one search of the index.
    return (
        f"WITH wanted (nth, k, g, w) AS (VALUES {wanted}) "  # noqa: S608 - constants only
        f"SELECT json_group_array(json_array(nth, {_GATHERED})) FROM wanted "
        "CROSS JOIN records ON keyspace = k AND grp = g AND key = w"
    )


def _remove_statement(rows: int) -> str:
    removed = ", ".join(["(?, ?, ?)"] * rows)
    return (
        f"WITH removed (k, g, w) AS (VALUES {removed}) "  # noqa: S608 - constants only
        "DELETE FROM records WHERE id IN (SELECT id FROM removed "
        "CROSS JOIN records ON keyspace = k AND grp = g AND key = w)"
    )


def _store_statement(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    changes = ", ".join(f"{c} = excluded.{c}" for c in (*_STAMPS, "value"))
    return (
        f"INSERT INTO records (keyspace, grp, key, {', '.join(_STAMPS)}, value) "  # noqa: S608
        f"VALUES {values} ON CONFLICT (keyspace, grp, key) DO UPDATE SET {changes}"
    )


# Powers of two: any batch is a few statements, and the few statements stay prepared.
_SIZES: Final = [1 << power for power in range(limits.READ_KEYS_MAX.bit_length())]
_GATHER: Final = {rows: _gather_statement(rows) for rows in _SIZES}
_STORE: Final = {rows: _store_statement(rows) for rows in _SIZES}
_REMOVE: Final = {rows: _remove_statement(rows) for rows in _SIZES}
_WHOLE: Final = (
    f"SELECT {_INTEGERS}, CAST(value AS BLOB) FROM records "  # noqa: S608 - constants only
    "WHERE keyspace = ? AND grp = ? AND key = ?"
)
_LIST: Final = (
    "SELECT json_group_array(json_array(hex(key), ifnull(length(value), 0))) FROM ("
    "SELECT key, value FROM records WHERE keyspace = ? AND grp = ? AND key >= ? {below}"
    "ORDER BY key LIMIT ?)"
)
_LIST_ALL: Final = _LIST.format(below="")
_LIST_BELOW: Final = _LIST.format(below="AND key < ? ")
# Of a value only whether there is one: SQLite then leaves its pages unread.
_OUTLINE: Final = (
    f"SELECT json_group_array(json_array(hex(key), {_INTEGERS}, value IS NULL)) FROM ("  # noqa: S608
    "SELECT * FROM records WHERE keyspace = ? AND grp = ? AND key >= ? {below}"
    "ORDER BY key LIMIT ?)"
)
_OUTLINE_ALL: Final = _OUTLINE.format(below="")
_OUTLINE_BELOW: Final = _OUTLINE.format(below="AND key < ? ")
_Outline = tuple[str, int, int, int, int, int, int, int]
_decode_outlines: Final = msgspec.json.Decoder(list[_Outline]).decode
_COUNT: Final = (
    "SELECT count(*), ifnull(sum(length(key) + ifnull(length(value), 0)), 0) "
    "FROM records WHERE keyspace = ?"
)


def fetch(connection: sqlite3.Connection, wanted: Sequence[RowKey]) -> list[Row]:
    """Return the rows parallel to `wanted`; None where there is none. Raises sqlite3.Error.

    Each row is read in one statement, so it is whole even beside a writer; two rows may be of
    different moments.
    """
    rows: list[Row] = []
    for chunk in _chunks(wanted):
        rows += _fetch_chunk(connection, chunk)
    return rows


def scan(
    connection: sqlite3.Connection,
    request: ScanRecords,
    fresh: Mapping[RowKey, Record | None] = _NONE,
) -> Page:
    """Return the first rows of the range over all its groups, up to both bounds.

    Every group is asked for a few keys only; the page ends where the first of them may hold more.
    `bytes_max` counts keys and values; one row is returned even if it is larger. `fresh` are rows
    of the range that hide those of the database; None: removed. A page whose rows were all removed
    is empty and goes on. Raises sqlite3.Error.
    """
    if request.keys_only:
        return _scan_outlines(connection, request, fresh)
    keyspace = request.keyspace
    rows_max = request.rows_max
    share = _share(request)
    listed: list[tuple[bytes, int, int]] = []  # key, bytes of its value, group
    ends: list[bytes] = []  # where groups end that may go on
    for group in request.groups:
        found = _list_group(connection, request, group, share)
        listed += found
        if len(found) == share:
            ends.append(found[-1][0])
    if fresh:
        listed = [
            (k, size, group) for k, size, group in listed if (keyspace, group, k) not in fresh
        ]
        listed += [
            (key, len(record.value or b""), group)
            for (_, group, key), record in fresh.items()
            if record is not None
        ]
    listed.sort()
    end = min(ends, default=None)
    wanted: list[RowKey] = []
    room = request.bytes_max
    for key, value_bytes, group in listed:
        room -= len(key) + value_bytes
        if end is not None and key > end:
            break
        if wanted and (len(wanted) == rows_max or room < 0):
            end = wanted[-1][2]
            break
        wanted.append((keyspace, group, key))
    rows = _fetch_beside(connection, wanted, fresh)
    # Dropped since it was listed: as good as dropped before.
    kept = [(where[2], row) for where, row in zip(wanted, rows, strict=True) if row is not None]
    return Page([key for key, _ in kept], [row for _, row in kept], end)


def _fetch_beside(
    connection: sqlite3.Connection, wanted: list[RowKey], fresh: Mapping[RowKey, Record | None]
) -> list[Row]:
    """Return the wanted rows, from `fresh` where they are there."""
    if not fresh:
        return fetch(connection, wanted)
    others = [where for where in wanted if where not in fresh]
    found: dict[RowKey, Row] = dict(zip(others, fetch(connection, others), strict=True))
    return [found[where] if where in found else fresh[where] for where in wanted]


def _share(request: ScanRecords) -> int:
    """Return how many rows are listed of each group, so that most pages are full."""
    return max(limits.GROUP_ROWS_MIN, 2 * request.rows_max // len(request.groups))


def count(connection: sqlite3.Connection, keyspace: int) -> Counted:
    """Return how many rows a keyspace has, and their bytes. Raises sqlite3.Error."""
    rows, size = connection.execute(_COUNT, (signed(keyspace),)).fetchone()
    return Counted(rows, size)


def _scan_outlines(
    connection: sqlite3.Connection, request: ScanRecords, fresh: Mapping[RowKey, Record | None]
) -> Page:
    """Return the page of a scan of keys only: one statement a group, values unread."""
    rows_max = request.rows_max
    share = rows_max if len(request.groups) == 1 else _share(request)
    found: list[tuple[bytes, Row]] = []
    ends: list[bytes] = []
    for group in request.groups:
        rows = _outlines_of(connection, request, group, share)
        if len(rows) == share:
            ends.append(rows[-1][0])
        found += [row for row in rows if (request.keyspace, group, row[0]) not in fresh]
    kept_fresh = [record for record in fresh.values() if record is not None]
    found += zip((record.key for record in kept_fresh), outlines(kept_fresh), strict=True)
    found.sort(key=lambda pair: pair[0])
    end = min(ends, default=None)
    room = request.bytes_max
    keys: list[bytes] = []
    kept: list[Row] = []
    for key, row in found:
        room -= len(key)
        if end is not None and key > end:
            break
        if keys and (len(keys) == rows_max or room < 0):
            return Page(keys, kept, keys[-1])
        keys.append(key)
        kept.append(row)
    return Page(keys, kept, end)


def _outlines_of(
    connection: sqlite3.Connection, request: ScanRecords, group: int, rows_max: int
) -> list[tuple[bytes, Row]]:
    statement = _OUTLINE_ALL if request.end is None else _OUTLINE_BELOW
    (text,) = connection.execute(statement, _range(request, group, rows_max)).fetchone()
    try:
        listed = _decode_outlines(text)
    except msgspec.DecodeError:
        # Some column is NULL that never was: find out whose.
        keys = [key for key, _, _ in _list_group(connection, request, group, rows_max)]
        wanted = [(request.keyspace, group, key) for key in keys]
        whole = [_fetch_whole(connection, where) for where in wanted]
        return list(zip(keys, outlines(whole), strict=True))
    return [
        (
            key := bytes.fromhex(hexadecimal),
            Record(
                key,
                None if tombstone else b"",
                value_time & UINT64_MAX,
                value_writer & UINT64_MAX,
                expiry_ms & UINT64_MAX,
                expiry_time & UINT64_MAX,
                expiry_writer & UINT64_MAX,
                checksum & UINT64_MAX,
            ),
        )
        for (
            hexadecimal,
            value_time,
            value_writer,
            expiry_ms,
            expiry_time,
            expiry_writer,
            checksum,
            tombstone,
        ) in listed
    ]


def _range(request: ScanRecords, group: int, rows_max: int) -> list[int | bytes]:
    """Return the parameters of a statement that lists a group's part of the range."""
    start = request.start
    if request.after is not None:
        start = max(start, request.after + b"\0")  # the next possible key
    below = [] if request.end is None else [request.end]
    return [signed(request.keyspace), group, start, *below, rows_max]


def _list_group(
    connection: sqlite3.Connection, request: ScanRecords, group: int, rows_max: int
) -> list[tuple[bytes, int, int]]:
    statement = _LIST_ALL if request.end is None else _LIST_BELOW
    (text,) = connection.execute(statement, _range(request, group, rows_max)).fetchone()
    return [(bytes.fromhex(key), size, group) for key, size in _decode_listed(text)]


def store(connection: sqlite3.Connection, writes: Mapping[RowKey, Record | None]) -> None:
    """Insert, replace or (None) remove these rows, inside the caller's transaction.

    Raises sqlite3.Error.
    """
    removed = [where for where, record in writes.items() if record is None]
    if removed:
        _remove(connection, removed)
    kept = [(where, record) for where, record in writes.items() if record is not None]
    for chunk in _chunks(kept):
        parameters: list[int | bytes | None] = []
        for (keyspace, group, key), record in chunk:
            parameters += (
                signed(keyspace),
                group,
                key,
                signed(record.value_time),
                signed(record.value_writer),
                record.expiry_ms,
                signed(record.expiry_time),
                signed(record.expiry_writer),
                signed(record.checksum),
                record.value,
            )
        connection.execute(_STORE[len(chunk)], parameters)


def _remove(connection: sqlite3.Connection, removed: Sequence[RowKey]) -> None:
    for chunk in _chunks(removed):
        parameters: list[int | bytes] = []
        for keyspace, group, key in chunk:
            parameters += (signed(keyspace), group, key)
        connection.execute(_REMOVE[len(chunk)], parameters)


def _fetch_chunk(connection: sqlite3.Connection, wanted: Sequence[RowKey]) -> list[Row]:
    parameters: list[int | bytes] = []
    for nth, (keyspace, group, key) in enumerate(wanted):
        parameters += (nth, signed(keyspace), group, key)
    (text,) = connection.execute(_GATHER[len(wanted)], parameters).fetchone()
    rows: list[Row] = [None] * len(wanted)
    try:
        gathered = _decode_gathered(text)
    except msgspec.DecodeError:
        # Some column is NULL that never was: find out whose.
        return [_fetch_whole(connection, where) for where in wanted]
    for nth, v_time, v_writer, e_ms, e_time, e_writer, checksum, length, hexadecimal in gathered:
        if hexadecimal is None and length is not None:
            rows[nth] = _fetch_whole(connection, wanted[nth])
            continue
        rows[nth] = _verified(
            wanted[nth][2],
            None if hexadecimal is None else bytes.fromhex(hexadecimal),
            v_time,
            v_writer,
            e_ms,
            e_time,
            e_writer,
            checksum,
        )
    return rows


def _fetch_whole(connection: sqlite3.Connection, where: RowKey) -> Row:
    keyspace, group, key = where
    found = connection.execute(_WHOLE, (signed(keyspace), group, key)).fetchone()
    if found is None:
        return None
    try:
        *stamps, value = msgspec.convert(found, _Whole)
    except msgspec.ValidationError:
        return DAMAGED
    return _verified(key, value, *stamps)


def _verified(
    key: bytes,
    value: bytes | None,
    value_time: int,
    value_writer: int,
    expiry_ms: int,
    expiry_time: int,
    expiry_writer: int,
    checksum: int,
) -> Row:
    """Return the record of these columns, all still signed, or DAMAGED."""
    record = Record(
        key,
        value,
        value_time & UINT64_MAX,  # `unsigned`, without six calls a row
        value_writer & UINT64_MAX,
        expiry_ms & UINT64_MAX,
        expiry_time & UINT64_MAX,
        expiry_writer & UINT64_MAX,
        checksum & UINT64_MAX,
    )
    return record if intact(record) else DAMAGED


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    start, left = 0, len(items)
    while left:
        size = min(limits.READ_KEYS_MAX, 1 << (left.bit_length() - 1))
        yield items[start : start + size]
        start += size
        left -= size


assert _SIZES[-1] == limits.READ_KEYS_MAX  # a power of two
