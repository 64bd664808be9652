"""Snapshots of a store that is being written: whole, consistent, bounded, one at a time."""

import sqlite3
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.core.table import MergeRecords, Remember
from dynakv.errors import RefusedError, StorageError, UsageError
from dynakv.node.figures import SnapshotFigures, SnapshotState
from dynakv.storage import snapshot
from dynakv.storage.snapshot import Snapshots
from dynakv.storage.store import Store
from tests.storage.test_store import put, puts, with_store


async def finished(snapshots: Snapshots) -> SnapshotFigures:
    """Return the snapshot that is being made, once it is not any more."""
    await snapshots.wait()
    return (await snapshots.listed())[-1]


def contents(path: Path) -> tuple[list[bytes], int, dict[str, bytes]]:
    """Return the keys, the commit sequence and the facts in a snapshot."""
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        keys = [key for (key,) in connection.execute("SELECT key FROM records ORDER BY key")]
        (sequence,) = connection.execute("SELECT commit_sequence FROM node_state").fetchone()
        return keys, sequence, dict(connection.execute("SELECT name, fact FROM facts"))
    finally:
        connection.close()


def test_a_snapshot_holds_what_was_committed_when_it_began_and_no_part_of_later_transactions(
    tmp_path: Path,
) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        await store.commit([puts(500, 2_000), Remember({"cut/1/0": b"fact"})])
        begun = snapshots.begin("one")
        assert begun.state is SnapshotState.RUNNING
        later = 0
        while snapshots.running() is not None:
            # Both keys of a transaction, or none.
            first, second = put(b"x%06d" % later, b"v"), put(b"y%06d" % later, b"v")
            await store.commit([first, second])
            later += 1
        done = await finished(snapshots)
        assert (done.name, done.state, done.error) == ("one", SnapshotState.COMPLETE, "")
        path = tmp_path / "snapshots" / "one.db"
        assert str(path) == done.path
        keys, sequence, facts = contents(path)
        extra = len(keys) - 500  # of the transactions that came before it began
        assert extra % 2 == 0
        assert 0 <= extra <= 2 * later
        assert {b"%06d" % i for i in range(500)} <= set(keys)
        assert sequence == done.commit_sequence == 1 + extra // 2
        assert facts == {"cut/1/0": b"fact"}
        assert done.bytes_done == path.stat().st_size
        assert snapshot.verify(path) == len(keys)

    with_store(tmp_path, scenario)


def test_one_snapshot_is_made_at_a_time_and_names_are_given_once(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        await store.commit([puts(10, 10)])
        snapshots.begin("a")
        with pytest.raises(RefusedError, match="snapshot 'a' is being made: one at a time"):
            snapshots.begin("b")
        await finished(snapshots)
        with pytest.raises(UsageError, match="snapshot 'a' exists already"):
            snapshots.begin("a")
        given = snapshots.begin("").name
        await finished(snapshots)
        assert [s.name for s in await snapshots.listed()] == ["a", given]

    with_store(tmp_path, scenario)


@pytest.mark.parametrize("name", ["../a", ".a", "a/b", "a b", "x" * 65, "ü"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        with pytest.raises(UsageError, match="must be 1 to 64 letters, digits"):
            snapshots.begin(name)
        with pytest.raises(UsageError, match="must be 1 to 64 letters, digits"):
            await snapshots.delete(name)

    with_store(tmp_path, scenario)


def test_a_snapshot_that_lets_the_log_grow_too_far_is_given_up_and_the_store_goes_on(
    tmp_path: Path,
) -> None:
    async def scenario(store: Store) -> None:
        # Large enough that it is not done before the first look.
        for i in range(25):
            await store.commit([puts(500, 4_000, time=(1 << 58) + i)])
        snapshots = Snapshots(store, wal_bytes_max=-1, watch_ms=0)
        snapshots.begin("a")
        failed = await finished(snapshots)
        assert failed.state is SnapshotState.FAILED
        assert "the write-ahead log grew by" in failed.error
        assert list((tmp_path / "snapshots").iterdir()) == []
        await store.commit([put(b"k", b"v")])

    with_store(tmp_path, scenario)


def test_the_writer_does_not_wait_for_the_reader_of_a_snapshot(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        await store.commit([puts(10, 10)])
        snapshots.begin("a")
        assert store._writer.beside_long_reader
        await finished(snapshots)
        assert not store._writer.beside_long_reader

    with_store(tmp_path, scenario)


def test_what_an_interrupted_snapshot_left_behind_is_no_snapshot_and_goes_with_the_next(
    tmp_path: Path,
) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        folder = tmp_path / "snapshots"
        folder.mkdir()
        (folder / "old.db.unfinished").write_bytes(b"half")
        assert await snapshots.listed() == []
        snapshots.begin("new")
        await finished(snapshots)
        assert [path.name for path in folder.iterdir()] == ["new.db"]

    with_store(tmp_path, scenario)


def test_stopping_gives_up_what_is_being_made(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        for i in range(10):
            await store.commit([puts(500, 4_000, time=(1 << 58) + i)])
        snapshots.begin("a")
        await snapshots.stop()

    with_store(tmp_path, scenario)
    assert [path.suffix for path in (tmp_path / "snapshots").iterdir()] in ([], [".db"])


def test_a_deleted_snapshot_is_gone_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        snapshots.begin("a")
        await finished(snapshots)
        await snapshots.delete("a")
        assert await snapshots.listed() == []
        with pytest.raises(UsageError, match="snapshot 'a' does not exist in"):
            await snapshots.delete("a")

    with_store(tmp_path, scenario)


def test_a_damaged_snapshot_is_listed_as_such(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        snapshots.begin("a")
        await finished(snapshots)
        (tmp_path / "snapshots" / "a.db").write_bytes(b"nothing")
        (found,) = await snapshots.listed()
        assert found.state is SnapshotState.FAILED
        assert "is damaged" in found.error

    with_store(tmp_path, scenario)


def test_no_snapshot_begins_where_the_disk_has_no_room(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store, reserve_share=1.0)
        with pytest.raises(RefusedError, match="no room for a snapshot in"):
            snapshots.begin("a")

    with_store(tmp_path, scenario)


def test_verification_finds_rows_that_the_index_lacks(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        snapshots = Snapshots(store)
        record = puts(50, 10)
        await store.commit([MergeRecords(1, record.groups, record.records)])
        snapshots.begin("a")
        await finished(snapshots)

    with_store(tmp_path, scenario)
    path = tmp_path / "snapshots" / "a.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'node_state'"
    ).fetchone()
    connection.execute(
        "UPDATE sqlite_schema SET rootpage = ? WHERE name = 'records_by_key'", (root,)
    )
    connection.close()
    with pytest.raises((StorageError, sqlite3.Error)):
        snapshot.verify(path)


def test_the_bounds_fit_each_other() -> None:
    assert limits.SNAPSHOT_WAL_BYTES_MAX > limits.WAL_BYTES_MAX
