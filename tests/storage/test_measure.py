"""Claims about `dynakv.storage.measure`: the figures are those of the database."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import written
from dynakv.core.table import MergeRecords
from dynakv.errors import StorageError
from dynakv.storage.store import Store

LAYOUT = encode(first_layout([Member(NodeId("n1"), "127.0.0.1:1")], []))


def with_store(path: Path, scenario: Callable[[Store], Awaitable[None]]) -> None:
    async def run() -> None:
        store = await Store.open(path, "n1", LAYOUT)
        try:
            await scenario(store)
        finally:
            await store.close()

    asyncio.run(run())


def puts(count: int, time: int) -> MergeRecords:
    records = [written(b"%06d" % i, b"v" * 100, 0, time, 7) for i in range(count)]
    return MergeRecords(1, [0] * count, records)


def test_rows_count_keys_and_rows_written_count_writes(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        assert (await store.figures()).rows == 0
        await store.commit([puts(300, 1 << 58)])
        await store.commit([puts(200, 1 << 59)])  # again: no new rows
        await store.commit([puts(301, 1 << 60)])
        figures = await store.figures()
        assert (figures.rows, figures.rows_written) == (301, 801)

    with_store(tmp_path / "d", scenario)


def test_bytes_are_those_of_the_files(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        empty = await store.figures()
        await store.commit([puts(1_000, 1 << 58)])
        figures = await store.figures()
        assert figures.database_bytes > empty.database_bytes + 100_000
        assert figures.database_bytes % 4096 == 0
        assert figures.wal_bytes == (tmp_path / "d" / "dynakv.db-wal").stat().st_size > 100_000
        assert 0 <= figures.disk_free_share <= 1

    with_store(tmp_path / "d", scenario)


def test_a_store_that_failed_tells_its_failure(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        store.fail(OSError("gone"))
        with pytest.raises(StorageError, match="gone"):
            await store.figures()

    with_store(tmp_path / "d", scenario)


def test_a_closed_store_measures_nothing(tmp_path: Path) -> None:
    stores: list[Store] = []

    async def scenario(store: Store) -> None:
        stores.append(store)

    with_store(tmp_path / "d", scenario)
    with pytest.raises(StorageError, match="is closed"):
        asyncio.run(stores[0].figures())
