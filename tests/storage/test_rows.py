"""Rows on disk: every batch size, large values, damage, pages."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.core.record import Record, with_expiry, with_value, written
from dynakv.core.table import DAMAGED, Counted, Page, RowKey, ScanRecords, outlines
from dynakv.storage import rows, schema

KEYSPACE = (1 << 64) - 2  # beyond the signed range
TIME = 5 << 16


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    schema.make(tmp_path / "new.db", "n1", 7, b"")
    opened = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    yield opened
    opened.close()


def batch(count: int, value_bytes: int = 10) -> dict[RowKey, Record]:
    keys = [b"%05d" % i for i in range(count)]
    return {(KEYSPACE, 3, k): written(k, k * (value_bytes // 5), 0, TIME, 1) for k in keys}


@pytest.mark.parametrize("count", [0, 1, 2, 35, 255, 256, 257, 1000])
def test_any_number_of_rows_comes_back_in_the_order_asked(
    connection: sqlite3.Connection, count: int
) -> None:
    writes = batch(count)
    rows.store(connection, writes)
    wanted = list(writes)
    random.Random(count).shuffle(wanted)
    assert rows.fetch(connection, wanted) == [writes[where] for where in wanted]


def test_absent_rows_are_none_between_present_ones(connection: sqlite3.Connection) -> None:
    writes = batch(3)
    rows.store(connection, writes)
    (first, _, third), absent = list(writes), (KEYSPACE, 4, b"00000")
    found = rows.fetch(connection, [first, absent, third, (1, 3, b"00001")])
    assert found == [writes[first], None, writes[third], None]


@pytest.mark.parametrize(
    "record",
    [
        written(b"k", b"", 0, TIME, 1),
        written(b"k", None, 0, TIME, 1),
        written(b"", b"empty key", 0, TIME, 1),
        written(b"\x00'\"\xff\n", b"\x00\xff\x00", 9, TIME, 1),
        written(b"k" * 4096, b"v", 0, TIME, 1),
        with_value(b"k", b"v", (1 << 64) - 1, (1 << 64) - 1),
        with_expiry(b"k", (1 << 47) - 1, 1 << 63, 1 << 63),
        written(b"k", b"x" * limits.INLINE_VALUE_BYTES_MAX, 0, TIME, 1),
        written(b"k", b"x" * (limits.INLINE_VALUE_BYTES_MAX + 1), 0, TIME, 1),
        written(b"k", bytes(8 << 20), 0, TIME, 1),
    ],
    ids=lambda record: f"{len(record.key)}-{len(record.value or b'')}-{record.value_time:x}",
)
def test_record_survives_the_disk_exactly(connection: sqlite3.Connection, record: Record) -> None:
    where = (KEYSPACE, 4095, record.key)
    rows.store(connection, {where: record})
    assert rows.fetch(connection, [where]) == [record]


def test_later_write_replaces_the_row(connection: sqlite3.Connection) -> None:
    where = (KEYSPACE, 0, b"k")
    rows.store(connection, {where: written(b"k", b"old", 0, TIME, 1)})
    rows.store(connection, {where: written(b"k", None, 0, TIME + 1, 1)})
    assert rows.fetch(connection, [where]) == [written(b"k", None, 0, TIME + 1, 1)]
    assert connection.execute("SELECT count(*) FROM records").fetchone() == (1,)


@pytest.mark.parametrize("value_bytes", [10, limits.INLINE_VALUE_BYTES_MAX + 10])
@pytest.mark.parametrize(
    "damage",
    [
        "value = CAST(x'00' || substr(value, 2) AS BLOB)",
        "value = NULL",
        "value = x''",
        "value = 17",
        "value = 'text'",
        "value_time = value_time + 1",
        "value_writer = 0.5",
        "expiry_ms = -1",
        "expiry_ms = 9e999",
        "expiry_time = 'text'",
        "expiry_writer = x'00'",
        "checksum = checksum + 1",
    ],
)
def test_damaged_column_gives_damaged_and_spares_the_neighbours(
    connection: sqlite3.Connection, damage: str, value_bytes: int
) -> None:
    writes = batch(5, value_bytes)
    rows.store(connection, writes)
    connection.execute(f"UPDATE records SET {damage} WHERE key = ?", (b"00002",))
    found = rows.fetch(connection, list(writes))
    assert found[2] is DAMAGED
    del found[2]
    assert found == [record for (_, _, key), record in writes.items() if key != b"00002"]


def test_empty_value_and_tombstone_turned_into_each_other_are_damage(
    connection: sqlite3.Connection,
) -> None:
    empty, gone = (KEYSPACE, 0, b"a"), (KEYSPACE, 0, b"b")
    rows.store(
        connection, {empty: written(b"a", b"", 0, TIME, 1), gone: written(b"b", None, 0, TIME, 1)}
    )
    connection.execute("UPDATE records SET value = CASE WHEN value IS NULL THEN x'' END")
    assert rows.fetch(connection, [empty, gone]) == [DAMAGED, DAMAGED]


def scan(
    connection: sqlite3.Connection,
    groups: list[int],
    rows_max: int = 256,
    bytes_max: int = 1 << 20,
    **bounds: bytes,
) -> Page:
    start, after, end = bounds.get("start", b""), bounds.get("after"), bounds.get("end")
    request = ScanRecords(KEYSPACE, groups, start, after, end, rows_max, bytes_max)
    return rows.scan(connection, request)


def test_scan_follows_the_keys_in_order_over_all_its_groups(
    connection: sqlite3.Connection,
) -> None:
    # Groups of very different size: the page ends where the first of them may hold more.
    dice = random.Random(7)
    sizes = {0: 100, 1: 3, 2: 0, 3: 40, 9: 50}
    keys = {(group, dice.randbytes(4)): None for group, size in sizes.items() for _ in range(size)}
    rows.store(
        connection,
        {(KEYSPACE, group, key): written(key, b"v", 0, TIME, 1) for group, key in keys},
    )
    for groups in ([0, 1, 2, 3], [3], [2]):
        for start, end in ((b"", None), (b"\x30", b"\xa0")):
            expected = sorted(
                key
                for group, key in keys
                if group in groups and key >= start and (end is None or key < end)
            )
            found: list[bytes] = []
            after: bytes | None = None
            while True:
                request = ScanRecords(KEYSPACE, groups, start, after, end, 7, 1 << 20)
                page = rows.scan(connection, request)
                assert len(page.keys) <= 7
                found += page.keys
                if page.next is None:
                    break
                assert after is None or page.next > after
                after = page.next
            assert found == expected


def test_scan_begins_behind_a_key_and_ends_before_one(connection: sqlite3.Connection) -> None:
    rows.store(connection, batch(5))
    assert scan(connection, [3], after=b"00001").keys == [b"00002", b"00003", b"00004"]
    assert scan(connection, [3], start=b"00001", end=b"00003").keys == [b"00001", b"00002"]


def test_page_ends_at_its_bytes_but_holds_one_row(connection: sqlite3.Connection) -> None:
    writes = batch(4, value_bytes=95)  # with the key, 100 bytes a row
    rows.store(connection, writes)
    pages = [scan(connection, [3], bytes_max=bytes_max) for bytes_max in (1, 199, 200, 399, 400)]
    assert [len(page.keys) for page in pages] == [1, 1, 2, 3, 4]
    assert [page.next for page in pages] == [b"00000", b"00000", b"00001", b"00002", None]


def test_page_names_the_key_of_a_damaged_row(connection: sqlite3.Connection) -> None:
    rows.store(connection, batch(3))
    connection.execute("UPDATE records SET checksum = 1 WHERE key = ?", (b"00001",))
    page = scan(connection, [3])
    assert page.keys == [b"00000", b"00001", b"00002"]
    assert page.rows[1] is DAMAGED
    assert page.next is None


@pytest.mark.parametrize("count", [1, 2, 255, 257, 600])
def test_removed_rows_are_gone_and_others_stay(connection: sqlite3.Connection, count: int) -> None:
    writes = batch(count + 3)
    rows.store(connection, writes)
    removed = dict.fromkeys(list(writes)[:count])
    rows.store(connection, removed)
    assert rows.fetch(connection, list(writes)) == [None] * count + list(writes.values())[count:]


def test_one_batch_may_remove_and_write(connection: sqlite3.Connection) -> None:
    first, second = list(batch(2).items())
    rows.store(connection, dict([first]))
    rows.store(connection, {first[0]: None, second[0]: second[1]})
    assert rows.fetch(connection, [first[0], second[0]]) == [None, second[1]]


def outline_pages(connection: sqlite3.Connection, groups: list[int], rows_max: int) -> list[Page]:
    pages: list[Page] = []
    after = None
    while not pages or pages[-1].next is not None:
        request = ScanRecords(KEYSPACE, groups, b"", after, None, rows_max, 1 << 20, keys_only=True)
        pages.append(rows.scan(connection, request))
        after = pages[-1].next
    return pages


@pytest.mark.parametrize("rows_max", [1, 7, 50, 64, 256])
@pytest.mark.parametrize("groups", [[3], [3, 4]])
def test_a_scan_of_keys_shows_every_row_without_its_value(
    connection: sqlite3.Connection, rows_max: int, groups: list[int]
) -> None:
    writes = {**batch(50, 5000), (KEYSPACE, 4, b"gone"): written(b"gone", None, 0, TIME, 9)}
    rows.store(connection, writes)
    pages = outline_pages(connection, groups, rows_max)
    expected = [row for (_, group, _), row in sorted(writes.items()) if group in groups]
    found = [row for page in pages for row in page.rows]
    assert found == outlines(sorted(expected, key=lambda record: record.key))
    assert all(len(page.rows) <= rows_max for page in pages)


def test_a_scan_of_keys_is_bounded_in_bytes(connection: sqlite3.Connection) -> None:
    rows.store(connection, batch(9))
    request = ScanRecords(KEYSPACE, [3], b"", None, None, 100, 12, keys_only=True)
    assert rows.scan(connection, request).keys == [b"00000", b"00001"]


def test_a_scan_of_keys_shows_what_does_not_parse_as_damaged(
    connection: sqlite3.Connection,
) -> None:
    rows.store(connection, batch(2))
    connection.execute("PRAGMA ignore_check_constraints = 1")
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, 'checksum INTEGER NOT NULL',"
        " 'checksum INTEGER')"
    )
    connection.execute("PRAGMA schema_version = 99")
    connection.execute("UPDATE records SET checksum = NULL WHERE key = x'3030303030'")
    request = ScanRecords(KEYSPACE, [3], b"", None, None, 100, 1000, keys_only=True)
    assert rows.scan(connection, request).rows[0] is DAMAGED


def test_rows_and_bytes_of_a_keyspace_are_counted(connection: sqlite3.Connection) -> None:
    rows.store(connection, {**batch(3), (7, 0, b"other"): written(b"other", b"123", 0, TIME, 1)})
    rows.store(connection, {(KEYSPACE, 5, b"gone"): written(b"gone", None, 0, TIME, 1)})
    assert rows.count(connection, KEYSPACE) == Counted(4, 3 * 15 + 4)
    assert rows.count(connection, 8) == Counted(0, 0)
