"""Restoring a node: it comes back as one that has forgotten, and nothing old is lost."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs

from dynakv.core import facts
from dynakv.core.keyspaces import CreateKeyspace, changed
from dynakv.core.layout import (
    KeyspaceId,
    KeyspaceSettings,
    Layout,
    Member,
    NodeId,
    decode,
    encode,
    first_layout,
)
from dynakv.core.table import MergeRecords, RaiseCeiling, ReadRecords, Remember
from dynakv.errors import StorageError, UsageError
from dynakv.storage.directory import claim
from dynakv.storage.restore import restore
from dynakv.storage.snapshot import Snapshots
from dynakv.storage.store import Store
from tests.storage.test_store import put

MEMBERS = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in range(1, 5)]
LAYOUT = first_layout(MEMBERS, [KeyspaceSettings("default", groups=16)])
KEYSPACE = int(LAYOUT.keyspaces[0].keyspace_id)
HELD = [g for g, replicas in enumerate(LAYOUT.keyspaces[0].placement) if "n1" in replicas]
FAR_MS = 1 << 42  # beyond any wall clock of this century


def with_store(
    path: Path, scenario: Callable[[Store], Awaitable[None]], node_id: str = "n1"
) -> Store:
    async def run() -> Store:
        store = await Store.open(path, node_id, encode(LAYOUT))
        try:
            await scenario(store)
        finally:
            await store.close()
        return store

    return asyncio.run(run())


def snapshot_of(path: Path, node_id: str = "n1") -> Path:
    """Make a node with one key and facts, and return its snapshot."""

    async def scenario(store: Store) -> None:
        kept: dict[str, bytes | None] = {
            facts.group_name(facts.CLEAN, KEYSPACE, 0): b"leaves",
            facts.group_name(facts.CUT, KEYSPACE, 0): b"cut",
            facts.peer_name(facts.PEER, "n2"): b"sequence",
        }
        await store.commit([put(b"k", b"old"), Remember(kept), RaiseCeiling(1_000)])
        snapshots = Snapshots(store)
        snapshots.begin("s")
        await snapshots.wait()

    with_store(path, scenario, node_id)
    return path / "snapshots" / "s.db"


async def _nothing(store: Store) -> None:
    pass


def test_a_restored_node_has_the_rows_of_the_snapshot_and_all_its_groups_recover(
    tmp_path: Path,
) -> None:
    source = snapshot_of(tmp_path / "d")

    async def later(store: Store) -> None:
        await store.commit([put(b"k", b"new", time=1 << 59), put(b"more", b"v")])

    former = with_store(tmp_path / "d", later)
    done = restore(tmp_path / "d", source)
    assert (done.node_id, done.rows, done.groups) == ("n1", 1, len(HELD))
    assert 0 < len(HELD) < 16

    async def look(store: Store) -> None:
        found = (await store.read(ReadRecords(1, [0, 0], [b"k", b"more"]))).rows
        assert [r and r.value for r in found] == [b"old", None]  # type: ignore[union-attr]

    store = with_store(tmp_path / "d", look)
    marked = [(k, g) for k, g, _ in facts.about_groups(store.remembered.facts, facts.RECOVERING)]
    assert sorted(marked) == [(KEYSPACE, group) for group in HELD]
    assert store.remembered.incarnation == done.incarnation
    assert store.remembered.incarnation != former.remembered.incarnation
    assert store.remembered.starts > former.remembered.starts
    assert not store.remembered.empty


def test_what_the_snapshot_says_of_trees_and_peers_is_dropped_and_cuts_stay(
    tmp_path: Path,
) -> None:
    source = snapshot_of(tmp_path / "d")
    restore(tmp_path / "d", source)
    kinds = {n.split("/")[0] for n in with_store(tmp_path / "d", _nothing).remembered.facts}
    assert kinds == {facts.CUT, facts.RECOVERING, facts.RESTORED}


@pytest.mark.parametrize("settled", [True, False])
def test_the_clock_goes_on_above_snapshot_old_directory_and_wall_clock(
    tmp_path: Path, settled: bool
) -> None:
    source = snapshot_of(tmp_path / "d")
    if settled:

        async def raised(store: Store) -> None:
            await store.commit([RaiseCeiling(FAR_MS)])

        with_store(tmp_path / "d", raised)
    else:  # the ceiling lies in the batch log only: the node was killed

        async def killed() -> None:
            store = await Store.open(tmp_path / "d", "n1", encode(LAYOUT))
            await store.commit([RaiseCeiling(FAR_MS)])
            store.fail(OSError("killed"))
            await store.close()

        asyncio.run(killed())
    restore(tmp_path / "d", source)
    assert with_store(tmp_path / "d", _nothing).remembered.ceiling_ms == FAR_MS


def test_the_clock_is_above_the_wall_clock_where_nothing_old_can_be_read(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    restore(tmp_path / "elsewhere", source)
    store = with_store(tmp_path / "elsewhere", _nothing)
    assert store.remembered.ceiling_ms > 1_700_000_000_000


def test_the_old_database_is_kept_with_its_log_unless_it_is_to_go(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")

    async def killed() -> None:
        store = await Store.open(tmp_path / "d", "n1", encode(LAYOUT))
        await store.commit([put(b"only in the log", b"v")])
        store.fail(OSError("killed"))
        await store.close()

    asyncio.run(killed())
    kept = restore(tmp_path / "d", source).kept
    assert kept is not None
    assert kept.parent == tmp_path / "d"

    async def look(store: Store) -> None:
        (row,) = (await store.read(ReadRecords(1, [0], [b"only in the log"]))).rows
        assert row is not None

    with_store(kept, look)
    assert restore(tmp_path / "d", source, discard=True).kept is None
    assert [p.name for p in (tmp_path / "d").glob("dynakv.db.replaced-*")] == [kept.name]


def test_a_directory_that_lost_its_database_starts_only_after_a_restore(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    (tmp_path / "d" / "dynakv.db").unlink()
    with pytest.raises(StorageError, match="put one of them in place with `dynakv restore`"):
        with_store(tmp_path / "d", _nothing)
    restore(tmp_path / "d", source)
    with_store(tmp_path / "d", _nothing)


def test_no_node_starts_on_a_directory_whose_restore_was_interrupted(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    kept = restore(tmp_path / "d", source).kept
    assert kept is not None
    (tmp_path / "d" / "dynakv.db").unlink()
    with pytest.raises(StorageError, match="a restore was interrupted; repeat it"):
        with_store(tmp_path / "d", _nothing)
    restore(tmp_path / "d", source)
    with_store(tmp_path / "d", _nothing)


def test_a_damaged_database_can_be_replaced(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    (tmp_path / "d" / "dynakv.db").write_bytes(b"nothing of ours")
    restore(tmp_path / "d", source)
    with_store(tmp_path / "d", _nothing)


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    held = claim(tmp_path / "d", make=False)
    try:
        with pytest.raises(StorageError, match="is in use by process"):
            restore(tmp_path / "d", source)
    finally:
        held.release()


def test_a_snapshot_of_another_node_is_refused(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d2", "n2")
    snapshot_of(tmp_path / "d")
    before = sorted(p.name for p in (tmp_path / "d").iterdir())
    with pytest.raises(UsageError, match="is of node 'n2', data directory"):
        restore(tmp_path / "d", source)
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == before


def test_a_snapshot_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    connection = sqlite3.connect(source)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match="has format 99, and this version of DynaKV reads up to"):
        restore(tmp_path / "d", source)


def test_what_is_no_snapshot_is_refused_in_words(tmp_path: Path) -> None:
    source = snapshot_of(tmp_path / "d")
    with pytest.raises(UsageError, match="does not exist, or is no file"):
        restore(tmp_path / "d", tmp_path)
    (tmp_path / "text").write_text("text")
    with pytest.raises(UsageError, match="is damaged: its first 100 bytes"):
        restore(tmp_path / "d", tmp_path / "text")
    (tmp_path / "d" / "snapshots" / "s.db-wal").write_bytes(b"")
    with pytest.raises(UsageError, match=r"is no snapshot: s\.db-wal beside it"):
        restore(tmp_path / "d", source)


def test_a_running_nodes_database_is_no_snapshot(tmp_path: Path) -> None:
    snapshot_of(tmp_path / "d")

    async def scenario(store: Store) -> None:
        await store.commit([MergeRecords(1, [], [])])
        content = (tmp_path / "d" / "dynakv.db").read_bytes()
        (tmp_path / "copy.db").write_bytes(content)

    with_store(tmp_path / "d", scenario)
    connection = sqlite3.connect(tmp_path / "copy.db")
    connection.execute("INSERT OR REPLACE INTO batch_log VALUES (1, 1)")
    connection.commit()
    connection.close()
    with pytest.raises(UsageError, match="is no snapshot but a running node's database"):
        restore(tmp_path / "d", tmp_path / "copy.db")


def later_layout(epoch: int, name: str) -> Layout:
    """Return a layout of the same members with one keyspace more."""
    created = CreateKeyspace(KeyspaceSettings(name, groups=4))
    return structs.replace(changed(LAYOUT, created, KeyspaceId(77)), epoch=epoch)


@pytest.mark.parametrize("settled", [True, False])
def test_the_newer_layout_of_snapshot_and_old_directory_is_kept_and_all_its_groups_recover(
    tmp_path: Path, settled: bool
) -> None:
    source = snapshot_of(tmp_path / "d")
    layout = later_layout(5, "x")

    async def adopted() -> None:
        store = await Store.open(tmp_path / "d", "n1", encode(LAYOUT))
        await store.commit([Remember({facts.LAYOUT: encode(layout)})])
        if not settled:  # it lies in the batch log only: the node was killed
            store.fail(OSError("killed"))
        await store.close()

    asyncio.run(adopted())
    restore(tmp_path / "d", source)
    store = with_store(tmp_path / "d", _nothing)
    assert decode(store.remembered.layout) == layout
    marked = {k for k, _, _ in facts.about_groups(store.remembered.facts, facts.RECOVERING)}
    assert marked == {int(keyspace.keyspace_id) for keyspace in layout.keyspaces}


def test_a_snapshot_whose_old_disk_is_lost_brings_its_own_layout(tmp_path: Path) -> None:
    layout = later_layout(3, "x")

    async def scenario(store: Store) -> None:
        await store.commit([Remember({facts.LAYOUT: encode(layout)})])
        snapshots = Snapshots(store)
        snapshots.begin("s")
        await snapshots.wait()

    with_store(tmp_path / "d", scenario)
    restore(tmp_path / "new", tmp_path / "d" / "snapshots" / "s.db")
    store = with_store(tmp_path / "new", _nothing)
    assert decode(store.remembered.layout) == layout
    assert store.remembered.facts[facts.RESTORED]
    groups = {(k, g) for k, g, _ in facts.about_groups(store.remembered.facts, facts.RECOVERING)}
    assert {g for k, g in groups if k == 77} <= set(range(4))
    assert {k for k, _ in groups} == {KEYSPACE, 77}
