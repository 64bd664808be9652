"""The one writing connection: how it syncs, bounds the WAL, and stops when the disk fails."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import Record, written
from dynakv.core.table import MergeRecords, ReadRecords, Row, ScanRecords
from dynakv.errors import StorageError
from dynakv.storage.store import Store

LAYOUT = encode(first_layout([Member(NodeId("n1"), "127.0.0.1:1")], []))
TIME = 1 << 58


def with_store(
    path: Path,
    scenario: Callable[[Store], Awaitable[None]],
    log_bytes_max: int = limits.LOG_BYTES_MAX,
) -> None:
    """Run a scenario on an open store, and close it."""

    async def run() -> None:
        store = await Store.open(path, "n1", LAYOUT, log_bytes_max=log_bytes_max)
        try:
            await scenario(store)
        finally:
            await store.close()

    asyncio.run(run())


def put(key: bytes, value: bytes | None, time: int = TIME) -> MergeRecords:
    return MergeRecords(1, [0], [written(key, value, 0, time, 7)])


def puts(count: int, value_bytes: int, time: int = TIME) -> MergeRecords:
    records = [written(b"%06d" % i, os.urandom(value_bytes), 0, time, 7) for i in range(count)]
    return MergeRecords(1, [0] * count, records)


async def row(store: Store, key: bytes) -> Row:
    return (await store.read(ReadRecords(1, [0], [key]))).rows[0]


async def refused(work: Awaitable[object]) -> StorageError:
    with pytest.raises(StorageError) as caught:
        await work
    return caught.value


def test_writer_syncs_every_commit_and_readers_cannot_write(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        for pragma, value in (("synchronous", 2), ("journal_mode", "wal"), ("page_size", 4096)):
            ask = f"PRAGMA {pragma}"
            assert await store._writer.run(lambda c, q=ask: c.execute(q).fetchone()) == (value,)
        for reader in store._readers:
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                await reader.run(lambda c: c.execute("DELETE FROM records"))

    with_store(tmp_path, scenario)


# --- the WAL ---------------------------------------------------------------------------------


def test_wal_starts_again_after_checkpoints_and_stays_small(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        for nth in range(60):  # 60 MB in all
            await store.commit([puts(100, 10_000, TIME + nth)])
        await store.figures()  # behind what still settles
        wal_bytes = (tmp_path / "dynakv.db-wal").stat().st_size
        assert limits.CHECKPOINT_BYTES // 2 < wal_bytes < 2 * limits.CHECKPOINT_BYTES

    with_store(tmp_path, scenario, log_bytes_max=1 << 20)


def test_wal_that_a_long_reader_let_grow_is_cut_once_it_ends(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([put(b"k", b"v")])
        long_reader = sqlite3.connect(tmp_path / "dynakv.db", isolation_level=None)
        long_reader.execute("BEGIN")
        long_reader.execute("SELECT * FROM records").fetchall()
        nth = 0
        wal = tmp_path / "dynakv.db-wal"
        while wal.stat().st_size < limits.WAL_BYTES_MAX:
            nth += 1
            await store.commit([puts(8, 1 << 20, TIME + nth)])
            await store.figures()  # behind what still settles
        long_reader.execute("COMMIT")
        long_reader.close()
        await store.commit([puts(8, 1 << 20, TIME + nth + 1)])
        await store.figures()  # behind the checkpoint
        assert wal.stat().st_size < 2 * limits.CHECKPOINT_BYTES

    with_store(tmp_path, scenario)


def test_wal_frames_are_those_that_sqlite_counts(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([puts(50, 1000)])
        await store.figures()  # lets it settle
        frames = store._writer.wal_frames()
        counted = await store._writer.run(
            lambda c: c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        )
        assert counted == (0, frames, frames)
        assert frames > 10

    with_store(tmp_path, scenario)


# --- a failing disk --------------------------------------------------------------------------


def test_full_database_stops_the_store_and_keeps_what_was_confirmed(tmp_path: Path) -> None:
    async def fill(store: Store) -> None:
        await store.commit([put(b"confirmed", b"v")])
        await store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 20").fetchone())
        await store.commit([puts(100, 1000)])
        failure = await refused(store.figures())
        assert str(failure) == (
            f"database {tmp_path / 'dynakv.db'} failed: database or disk is full (SQLITE_FULL)"
        )
        assert store.failure is failure
        assert await refused(store.commit([put(b"later", b"v")])) is failure
        assert await refused(store.read(ReadRecords(1, [0], [b"confirmed"]))) is failure
        assert await refused(store.scan(ScanRecords(1, [0], b"", None, None, 1, 1))) is failure

    async def after(store: Store) -> None:
        assert store.remembered.commit_sequence == 2
        assert await row(store, b"confirmed") is not None
        assert await row(store, b"000000") is not None
        assert await row(store, b"later") is None

    with_store(tmp_path, fill)
    assert (tmp_path / "dynakv.db-wal").exists()  # closing it wrote nothing more either
    with_store(tmp_path, after)


def test_commits_that_wait_for_a_writer_that_fails_end(tmp_path: Path) -> None:
    async def fill(store: Store) -> None:
        await store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 20").fetchone())
        commits = [store.commit([puts(100, 1000, TIME + nth)]) for nth in range(20)]
        outcomes = await asyncio.gather(*commits, return_exceptions=True)
        assert isinstance(outcomes[-1], StorageError)

    with_store(tmp_path, fill, log_bytes_max=50_000)


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let every write of this process beyond that size of a file fail, with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_write_error_stops_the_store(tmp_path: Path) -> None:
    async def fail(store: Store) -> None:
        await store.commit([put(b"confirmed", b"v")])
        with no_file_above(1 << 20):
            failure = await refused(store.commit([puts(20, 100_000)]))
        log = tmp_path / "batches-0000000000000000.log"
        assert str(failure) == f"batch log {log} failed: File too large"
        assert store.commit_sequence == 1
        assert await refused(store.commit([put(b"k", b"v")])) is failure

    async def after(store: Store) -> None:
        assert await row(store, b"confirmed") is not None
        assert await row(store, b"000000") is None

    with_store(tmp_path, fail)
    with_store(tmp_path, after)


def test_failed_checkpoint_stops_the_store_and_loses_nothing(tmp_path: Path) -> None:
    keys = [b"%06d" % nth for nth in range(50)]

    async def fail(store: Store) -> None:
        with no_file_above(12 << 20):  # room for the WAL, which starts again, not for the database
            confirmed = 0
            while store.failure is None:
                with suppress(StorageError):
                    await store.commit([put(keys[confirmed], bytes(1 << 20))])
                    confirmed += 1
        assert confirmed > 8
        del keys[confirmed:]
        assert "disk I/O error (SQLITE_IOERR_WRITE)" in str(store.failure)
        assert await refused(store.commit([put(b"k", b"v")])) is store.failure

    async def after(store: Store) -> None:
        assert store.remembered.commit_sequence >= len(keys)
        found = await store.read(ReadRecords(1, [0] * len(keys), keys))
        assert all(isinstance(row, Record) for row in found.rows)

    with_store(tmp_path, fail, log_bytes_max=1 << 20)
    with_store(tmp_path, after)


def test_mistake_of_our_own_stops_the_store_and_what_is_queued_behind_it(tmp_path: Path) -> None:
    async def fail(store: Store) -> None:
        wrong = MergeRecords(1, [0, 0], [written(b"k", b"v", 0, TIME, 7)])  # unequal columns
        outcomes = await asyncio.gather(
            store.commit([wrong]), store.commit([put(b"k", b"v")]), return_exceptions=True
        )
        assert store.failure is not None
        assert outcomes == [store.failure, store.failure]
        assert isinstance(store.failure.__cause__, ValueError)

    async def after(store: Store) -> None:
        assert await row(store, b"k") is None

    with_store(tmp_path, fail)
    with_store(tmp_path, after)
