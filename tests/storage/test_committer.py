"""Commits are in the log before they are confirmed, and settle into the database behind that."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.core import table
from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import Record, written
from dynakv.core.table import (
    Counted,
    CountRecords,
    DropRecords,
    MergeRecords,
    Operation,
    ReadRecords,
    Remember,
    Row,
    RowKey,
    ScanRecords,
    outlines,
)
from dynakv.errors import StorageError
from dynakv.storage import batchlog
from dynakv.storage.store import Store

LAYOUT = encode(first_layout([Member(NodeId("n1"), "127.0.0.1:1")], []))
SMALL = 3_000  # bytes of a segment: most commits make the next one freeze


def with_store(
    path: Path, scenario: Callable[[Store], Awaitable[None]], log_bytes_max: int = SMALL
) -> None:
    async def run() -> None:
        store = await Store.open(path, "n1", LAYOUT, log_bytes_max=log_bytes_max)
        try:
            await scenario(store)
        finally:
            await store.close()

    asyncio.run(run())


def put(key: bytes, time: int, value: bytes = b"v") -> MergeRecords:
    return MergeRecords(1, [0], [written(key, value, 0, time, 7)])


async def ask(store: Store, request: table.Read) -> object:
    future = asyncio.get_running_loop().create_future()
    store.read_soon([request], future.set_result)
    (reply,) = await future
    return reply


class Twin:
    """The storage rule over a dict."""

    def __init__(self) -> None:
        self.rows: dict[RowKey, Row] = {}

    def commit(self, operations: list[Operation]) -> list[table.Reply]:
        writes, replies = table.apply(operations, self.rows)
        self.rows.update(writes)
        self.rows = {where: row for where, row in self.rows.items() if row is not None}
        return replies

    def within(self, groups: list[int]) -> dict[bytes, Row]:
        found = {w[2]: row for w, row in self.rows.items() if w[1] in groups}
        return dict(sorted(found.items()))


def group_of(key: bytes) -> int:
    return key[-1] % 3


def some_operation(dice: random.Random, twin: Twin, time: int) -> Operation:
    keys = [b"k%03d" % dice.randrange(200) for _ in range(dice.choice([1, 3, 30]))]
    groups = [group_of(key) for key in keys]
    if dice.random() < 0.3:
        rows = [twin.rows.get((1, g, k)) for g, k in zip(groups, keys, strict=True)]
        sums = [row.checksum if isinstance(row, Record) else 0 for row in rows]
        return DropRecords(1, groups, keys, sums)
    values = [dice.choice([None, b"", dice.randbytes(50)]) for _ in keys]
    return MergeRecords(
        1, groups, [written(k, v, 0, time, 7) for k, v in zip(keys, values, strict=True)]
    )


async def pages(store: Store, groups: list[int], rows_max: int, *, keys_only: bool) -> list[Row]:
    """Return all rows of these groups, page by page."""
    found: list[Row] = []
    after = None
    while True:
        page = await store.scan(
            ScanRecords(1, groups, b"", after, None, rows_max, 1 << 20, keys_only)
        )
        assert page.keys == sorted(page.keys)
        found += page.rows
        if page.next is None:
            return found
        assert after is None or page.next > after
        after = page.next


@pytest.mark.parametrize("seed", range(6))
def test_reads_scans_and_counts_see_what_has_not_settled(tmp_path: Path, seed: int) -> None:
    dice, twin, clock = random.Random(seed), Twin(), iter(range(1 << 40, 1 << 41))

    async def life(store: Store) -> None:
        for _ in range(25):
            batch = [some_operation(dice, twin, next(clock)) for _ in range(2)]
            assert await store.commit(batch) == twin.commit(batch)
            groups = dice.choice([[0], [1, 2], [0, 1, 2]])
            expected = list(twin.within(groups).values())
            size = dice.choice([1, 7, 256])
            assert await pages(store, groups, size, keys_only=False) == expected
            assert await pages(store, groups, size, keys_only=True) == outlines(expected)
            keys = [b"k%03d" % i for i in range(200)]
            read = await store.read(ReadRecords(1, [group_of(k) for k in keys], keys))
            assert read.rows == [twin.rows.get((1, group_of(k), k)) for k in keys]
        records = [row for row in twin.rows.values() if isinstance(row, Record)]
        size = sum(len(r.key) + len(r.value or b"") for r in records)
        assert await ask(store, CountRecords(1)) == Counted(len(records), size)

    with_store(tmp_path, life, dice.choice([SMALL, limits.LOG_BYTES_MAX]))
    with_store(tmp_path, life)


def copied(directory: Path, to: Path) -> Path:
    """Return a copy as a crash now would leave it; nothing may be settling."""
    shutil.copytree(directory, to, ignore=shutil.ignore_patterns("*-shm", "lock"))
    return to


def test_every_confirmed_commit_is_in_the_log_before_it_is_in_the_database(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([put(b"a", 1), Remember({"fact": b"f"})])
        await store.commit([put(b"b", 2)])
        copied(tmp_path / "node", tmp_path / "crashed")

    async def after(store: Store) -> None:
        assert store.remembered.commit_sequence == 2
        assert store.remembered.facts == {"fact": b"f"}
        assert not store.remembered.empty
        found = await store.read(ReadRecords(1, [0, 0], [b"a", b"b"]))
        assert found.rows == [written(b"a", b"v", 0, 1, 7), written(b"b", b"v", 0, 2, 7)]
        assert (await store.figures()).rows_written == 2

    with_store(tmp_path / "node", scenario, limits.LOG_BYTES_MAX)
    connection = sqlite3.connect(tmp_path / "crashed" / "dynakv.db")
    assert connection.execute("SELECT count(*) FROM records").fetchone() == (0,)
    connection.close()
    with_store(tmp_path / "crashed", after)


def test_a_torn_commit_was_never_there_and_the_next_life_goes_on_behind_it(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([put(b"a", 1)])
        await store.commit([put(b"b", 2)])
        copied(tmp_path / "node", tmp_path / "crashed")

    async def after(store: Store) -> None:
        assert store.remembered.commit_sequence == 1
        assert (await store.read(ReadRecords(1, [0], [b"b"]))).rows == [None]
        await store.commit([put(b"c", 3)])
        assert store.commit_sequence == 2

    with_store(tmp_path / "node", scenario)
    (log,) = batchlog.segments_in(tmp_path / "crashed")
    log.write_bytes(log.read_bytes()[:-1])
    with_store(tmp_path / "crashed", after)
    with_store(tmp_path / "crashed", lambda store: store.commit([put(b"d", 4)]))  # type: ignore[arg-type, return-value]


def test_a_damaged_log_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([put(b"a", 1)])
        await store.commit([put(b"b", 2)])
        copied(tmp_path / "node", tmp_path / "crashed")

    async def nothing(store: Store) -> None:
        raise AssertionError

    with_store(tmp_path / "node", scenario)
    (log,) = batchlog.segments_in(tmp_path / "crashed")
    content = bytearray(log.read_bytes())
    content[60] ^= 1
    log.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StorageError, match="is damaged: "):
            with_store(tmp_path / "crashed", nothing)
        assert log.read_bytes() == content


def test_the_log_is_bounded_to_two_segments_and_goes_with_a_good_end(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        for nth in range(100):
            await store.commit([put(b"%d" % nth, nth + 1, bytes(1000))])
            segments = batchlog.segments_in(tmp_path)
            assert len(segments) <= 3  # one is being removed
        await store.figures()  # lets everything settle
        (segment,) = batchlog.segments_in(tmp_path)
        assert segment.stat().st_size < 100
        assert int(segment.stem.partition("-")[2], 16) == store.commit_sequence == 100

    with_store(tmp_path, scenario)
    assert batchlog.segments_in(tmp_path) == []
