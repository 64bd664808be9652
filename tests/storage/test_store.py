"""The store against its pure twin, across restarts, and when the disk fails."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dynakv.core import table
from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import Record, with_expiry, with_value, written
from dynakv.core.table import (
    DAMAGED,
    CeilingRaised,
    Merged,
    MergeRecords,
    Operation,
    RaiseCeiling,
    ReadRecords,
    Reply,
    Row,
    RowKey,
    Rows,
    ScanRecords,
)
from dynakv.errors import StorageError
from dynakv.storage.store import Store

LAYOUT = encode(first_layout([Member(NodeId("n1"), "127.0.0.1:1")], []))
KEYSPACES = (1, (1 << 64) - 1)
TIME = 1 << 58


def with_store(path: Path, scenario: Callable[[Store], Awaitable[None]]) -> None:
    """Run a scenario on an open store, and close it."""

    async def run() -> None:
        store = await Store.open(path, "n1", LAYOUT)
        try:
            await scenario(store)
        finally:
            await store.close()

    asyncio.run(run())


def put(key: bytes, value: bytes | None, time: int = TIME, keyspace: int = 1) -> MergeRecords:
    return MergeRecords(keyspace, [0], [written(key, value, 0, time, 7)])


def puts(count: int, value_bytes: int, time: int = TIME) -> MergeRecords:
    records = [written(b"%06d" % i, os.urandom(value_bytes), 0, time, 7) for i in range(count)]
    return MergeRecords(1, [0] * count, records)


async def row(store: Store, key: bytes, keyspace: int = 1) -> Row:
    return (await store.read(ReadRecords(keyspace, [0], [key]))).rows[0]


async def refused(work: Awaitable[object]) -> StorageError:
    with pytest.raises(StorageError) as caught:
        await work
    return caught.value


class Twin:
    """The storage rule over a dict: what the simulator's disk is."""

    def __init__(self) -> None:
        self.rows: dict[RowKey, Row] = {}

    def commit(self, operations: list[Operation]) -> list[Reply]:
        found = {where: self.rows.get(where) for where in table.read_set(operations)}
        writes, replies = table.apply(operations, found)
        self.rows.update(writes)
        return replies

    def read(self, request: ReadRecords) -> Rows:
        wanted = zip(request.groups, request.keys, strict=True)
        return Rows([self.rows.get((request.keyspace, group, key)) for group, key in wanted])


def some_record(dice: random.Random) -> Record:
    key = b"k%d" % dice.randrange(40)
    time, writer = dice.randrange(1, 1 << 64), dice.getrandbits(64)
    value = dice.choice([None, b"", b"v", dice.randbytes(dice.choice([3, 100, 5000]))])
    match dice.randrange(4):
        case 0:
            return with_value(key, value, time, writer)
        case 1:
            return with_expiry(key, dice.randrange(1 << 47), time, writer)
        case _:
            return written(key, value, dice.choice([0, 99]), time, writer)


def some_operation(dice: random.Random) -> Operation:
    if dice.random() < 0.2:
        return RaiseCeiling(dice.randrange(1 << 47))
    records = [some_record(dice) for _ in range(dice.choice([1, 2, 7, 64, 300]))]
    return MergeRecords(dice.choice(KEYSPACES), [dice.choice([0, 4095]) for _ in records], records)


@pytest.mark.parametrize("seed", range(10))
def test_same_batches_give_the_twins_replies_and_rows(tmp_path: Path, seed: int) -> None:
    dice, twin = random.Random(seed), Twin()
    everything = [
        ReadRecords(keyspace, [group] * 40, [b"k%d" % i for i in range(40)])
        for keyspace in KEYSPACES
        for group in (0, 4095)
    ]

    async def life(store: Store) -> None:
        for _ in range(8):
            batch = [some_operation(dice) for _ in range(dice.randrange(1, 5))]
            assert await store.commit(batch) == twin.commit(batch)
        for request in everything:
            assert await store.read(request) == twin.read(request)

    with_store(tmp_path, life)
    with_store(tmp_path, life)  # the second life starts from what the first left


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    async def first(store: Store) -> None:
        assert store.remembered.empty
        assert await store.commit([RaiseCeiling(1234)]) == [CeilingRaised(1234)]
        await store.commit([RaiseCeiling(1000)])  # a bound never falls
        await store.commit([put(b"k", b"v")])
        assert store.commit_sequence == 3

    async def second(store: Store) -> None:
        assert store.remembered.ceiling_ms == 1234
        assert store.remembered.commit_sequence == store.commit_sequence == 3
        assert store.remembered.starts == 2
        assert not store.remembered.empty
        assert await row(store, b"k") == written(b"k", b"v", 0, TIME, 7)

    with_store(tmp_path, first)
    with_store(tmp_path, second)


def test_ceiling_alone_leaves_the_directory_empty(tmp_path: Path) -> None:
    async def first(store: Store) -> None:
        await store.commit([RaiseCeiling(5)])

    async def second(store: Store) -> None:
        assert store.remembered.empty
        assert store.remembered.commit_sequence == 1

    with_store(tmp_path, first)
    with_store(tmp_path, second)


def test_closed_directory_holds_one_database_and_the_lock(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([put(b"k", b"v")])

    with_store(tmp_path, scenario)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dynakv.db", "lock"]


def test_second_store_on_the_directory_is_refused(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        error = await refused(Store.open(tmp_path, "n1", LAYOUT))
        assert "is in use by process" in str(error)

    with_store(tmp_path, scenario)


def test_refused_open_leaves_the_directory_free(tmp_path: Path) -> None:
    async def nothing(store: Store) -> None:
        pass

    async def wrong() -> None:
        await refused(Store.open(tmp_path, "n2", LAYOUT))

    with_store(tmp_path, nothing)
    asyncio.run(wrong())
    with_store(tmp_path, nothing)


def test_callbacks_come_in_order_and_never_before_the_call_returns(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        came: list[int] = []
        end = asyncio.get_running_loop().create_future()
        for nth in range(20):
            store.commit_soon([put(b"k", b"%d" % nth, TIME + nth)], lambda _, n=nth: came.append(n))
        assert came == []
        store.commit_soon([], end.set_result)
        assert await end == []
        assert came == list(range(20))

    with_store(tmp_path, scenario)


def test_one_hop_reads_many_requests(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        for keyspace in KEYSPACES:
            await store.commit([put(b"k", b"%d" % keyspace, keyspace=keyspace)])
        end = asyncio.get_running_loop().create_future()
        store.read_soon([ReadRecords(k, [0, 1], [b"k", b"k"]) for k in KEYSPACES], end.set_result)
        replies = await end
        found = [[r and r.value for r in reply.rows] for reply in replies]
        assert found == [[b"%d" % keyspace, None] for keyspace in KEYSPACES]

    with_store(tmp_path, scenario)


def test_reader_sees_every_confirmed_commit(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        for nth in range(50):
            await store.commit([put(b"k", b"%d" % nth, TIME + nth)])
            found = await asyncio.gather(*[row(store, b"k") for _ in range(4)])
            assert [r.value for r in found if isinstance(r, Record)] == [b"%d" % nth] * 4

    with_store(tmp_path, scenario)


def test_large_value_is_whole_beside_a_writer(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([put(b"k", bytes(8 << 20))])
        for nth in range(1, 20):
            writing = asyncio.ensure_future(store.commit([put(b"k", bytes(9000), TIME + nth)]))
            assert isinstance(await row(store, b"k"), Record)
            await writing

    with_store(tmp_path, scenario)


def test_flipped_bit_in_a_value_is_damaged_until_it_is_healed(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        await store.commit([put(b"k", b"precious content")])

    async def repair(store: Store) -> None:
        assert await row(store, b"k") is DAMAGED
        newer = put(b"k", b"newer", TIME + 1)
        assert await store.commit([newer]) == [Merged([DAMAGED], [DAMAGED])]
        whole = put(b"k", b"precious content")
        healing = MergeRecords(1, [0], whole.records, heals=True)
        assert await store.commit([healing]) == [Merged([DAMAGED], whole.records)]
        assert await row(store, b"k") == whole.records[0]

    with_store(tmp_path, write)
    database = tmp_path / "dynakv.db"
    content = bytearray(database.read_bytes())
    content[content.index(b"precious content")] ^= 4
    database.write_bytes(content)
    with_store(tmp_path, repair)


def test_scan_sees_what_was_committed(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.commit([puts(600, 10)])
        page = await store.scan(ScanRecords(1, [0], b"", None, None, 256, 1 << 20))
        assert page.keys == [b"%06d" % i for i in range(256)]
        page = await store.scan(ScanRecords(1, [0], b"", page.next, None, 1000, 1 << 20))
        assert page.keys == [b"%06d" % i for i in range(256, 600)]
        assert page.next is None

    with_store(tmp_path, scenario)


def test_closed_store_refuses_and_closes_twice(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.close()
        expected = f"database {tmp_path / 'dynakv.db'} is closed"
        assert str(await refused(store.commit([put(b"k", b"v")]))) == expected
        assert str(await refused(store.read(ReadRecords(1, [0], [b"k"])))) == expected
        assert store.failure is None

    with_store(tmp_path, scenario)


def test_close_finishes_what_was_submitted(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        commits = [
            asyncio.ensure_future(store.commit([put(b"k", b"%d" % n, TIME + n)])) for n in range(5)
        ]
        await asyncio.sleep(0)
        await store.close()
        assert all(commit.done() for commit in commits)
        assert [len(await commit) for commit in commits] == [1] * 5

    with_store(tmp_path, scenario)


def test_free_share_is_looked_up_once_a_second(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        share = store.free_share()
        assert 0.0 < share < 1.0
        (tmp_path / "filler").write_bytes(bytes(4 << 20))
        assert store.free_share() == share

    with_store(tmp_path, scenario)


def test_disk_that_cannot_tell_its_room_stops_the_store(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        (tmp_path / "node").rename(tmp_path / "gone")
        assert store.free_share() == 0.0
        assert "No such file or directory" in str(store.failure)

    with_store(tmp_path / "node", scenario)
