"""Rows of other keyspaces are found and removed, and the file becomes shorter."""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from dynakv.core import facts
from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import written
from dynakv.core.table import (
    FindStrays,
    MergeRecords,
    ReadRecords,
    Remember,
    RemoveRows,
    RowsRemoved,
    Strays,
)
from dynakv.storage.store import Store

LAYOUT = first_layout([Member(NodeId("n1"), "127.0.0.1:1")], [])
HIGH = (1 << 64) - 3  # negative in SQLite


def put(keyspace: int, count: int, value_bytes: int = 10) -> MergeRecords:
    records = [written(b"%04d" % i, b"v" * value_bytes, 0, 1 << 58, 7) for i in range(count)]
    return MergeRecords(keyspace, [i % 4 for i in range(count)], records)


async def strays(store: Store, kept: list[int], rows_max: int = 256) -> Strays:
    found: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    store.read_soon([FindStrays(kept, rows_max)], found.set_result)
    replies = await found
    assert isinstance(replies, list)
    (reply,) = replies
    assert isinstance(reply, Strays)
    return reply


def test_strays_are_found_keyspace_by_keyspace_and_others_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await Store.open(tmp_path, "n1", encode(LAYOUT))
        await store.commit([put(1, 3), put(5, 3), put(HIGH, 3), put(9, 2)])
        assert (await strays(store, [1, 5, 9, HIGH])).keys == []
        found = await strays(store, [1, 9])
        assert found.keyspace == HIGH
        assert sorted(zip(found.groups, found.keys, strict=True)) == [
            (i, b"%04d" % i) for i in range(3)
        ]
        assert len((await strays(store, [1, 9], rows_max=2)).keys) == 2
        replies = await store.commit([RemoveRows(HIGH, found.groups, found.keys)])
        assert replies == [RowsRemoved()]
        assert (await strays(store, [1, 9])).keyspace == 5
        rows = await store.read(ReadRecords(1, [0], [b"0000"]))
        assert rows.rows[0] is not None
        await store.close()

    asyncio.run(scenario())


def test_a_removed_row_is_gone_for_the_writer_as_well(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await Store.open(tmp_path, "n1", encode(LAYOUT))
        await store.commit([put(1, 1)])
        await store.commit([RemoveRows(1, [0], [b"0000"])])
        (merged,) = await store.commit([put(1, 1)])
        assert merged.before == [None]  # type: ignore[union-attr]
        await store.close()

    asyncio.run(scenario())


def test_a_kept_layout_is_what_the_next_start_remembers(tmp_path: Path) -> None:
    later = encode(replace(LAYOUT, epoch=2))

    async def scenario() -> None:
        store = await Store.open(tmp_path, "n1", encode(LAYOUT))
        await store.commit([Remember({facts.LAYOUT: later})])
        await store.close()
        store = await Store.open(tmp_path, "n1", encode(LAYOUT))
        assert store.remembered.layout == later
        assert store.remembered.facts == {}
        await store.close()

    asyncio.run(scenario())
