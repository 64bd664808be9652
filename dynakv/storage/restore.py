"""Puts a snapshot in the place of a node's database, while the node does not run.

The node comes back as one that has forgotten: whatever it acknowledged after the snapshot is not
there, and what was deleted since may be. So every shard group of every keyspace is marked as
recovering (`core/facts.py`): it answers nothing until it has merged enough other replicas. A new
incarnation is drawn, because it is the writer in this node's stamps and part of its call ids, and
the former life has issued stamps that nobody here remembers; the clock's ceiling is put above
everything that snapshot, old directory and wall clock say. Of the two layouts the newer is kept,
and that the node may have had a still newer one in force is remembered (`facts.RESTORED`).
What the snapshot remembers of hash trees and of peers is dropped: they have changed since. In the
groups of keyspaces in Raft mode another incarnation takes no part (`node/raft_loading.py`).

Everything is done to a copy under another name. The old database goes aside with its log, in a
folder of its own, before the copy takes its place; a restore that was interrupted in between leaves
a directory that no node starts on, and is simply repeated.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from dynakv import limits
from dynakv.core import facts
from dynakv.core import layout as layouts
from dynakv.core.layout import Layout
from dynakv.errors import StorageError, UsageError
from dynakv.storage import batchlog, schema, snapshot
from dynakv.storage import directory as directories
from dynakv.storage.directory import REPLACED, Directory

WHY: Final = "restored from a snapshot"
_LAYOUT: Final = "SELECT fact FROM facts WHERE name = ?"


class Restored(Struct, frozen=True):
    """What a restore came to."""

    node_id: str
    commit_sequence: int  # of the snapshot
    rows: int
    groups: int  # that recover
    incarnation: int
    kept: Path | None  # where the old database is


class _Former(Struct, frozen=True):
    """What a database says of its node."""

    node_id: str
    incarnation: int
    starts: int
    ceiling_ms: int
    commit_sequence: int
    layout: Layout


def restore(data_dir: Path, source: Path, *, discard: bool = False) -> Restored:
    """Put the snapshot `source` in place in `data_dir`, which is made where it does not exist.

    The old database stays in a folder beside it unless `discard`. Raises UsageError for a file that
    is no snapshot or one of another node, StorageError where the directory is in use, foreign or
    failing. Nothing has changed in either case, or the old database lies in its folder.
    """
    rows = _checked(source)
    directory = directories.claim(data_dir, make=True, restores=True)
    try:
        return _restore(directory, source.absolute(), rows, discard=discard)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"data directory {directory.path}: restore failed: {error}") from error
    finally:
        directory.release()


def _checked(source: Path) -> int:
    """Return how many records a snapshot holds. Raises UsageError where it is none."""
    if not source.is_file():
        raise UsageError(f"snapshot {source} does not exist, or is no file")
    beside = Path(f"{source}-wal")
    if beside.exists():
        raise UsageError(f"{source} is no snapshot: {beside.name} beside it belongs to a database")
    try:
        rows = snapshot.verify(source)
        connection = snapshot.opened(source)
        try:
            in_use = connection.execute("SELECT in_use FROM batch_log").fetchone()
        finally:
            connection.close()
    except StorageError as error:
        raise UsageError(str(error)) from None
    except sqlite3.Error as error:
        raise UsageError(f"snapshot {source} cannot be read: {error}") from None
    if in_use == (1,):
        raise UsageError(
            f"{source} is no snapshot but a running node's database, which is not whole without its"
            " batch log: make one with `dynakv-admin snapshot create`"
        )
    return rows


def _restore(directory: Directory, source: Path, rows: int, *, discard: bool) -> Restored:
    new = _former_in(source)
    old = _old(directory)
    if old is not None:
        _refuse_foreign(directory.path, source, new, old)
    layout = new.layout if old is None or old.layout.epoch < new.layout.epoch else old.layout
    incarnation = secrets.randbits(64) or 1
    ceiling_ms = max(
        time.time_ns() // 1_000_000, new.ceiling_ms, 0 if old is None else old.ceiling_ms
    )
    starts = max(new.starts, 0 if old is None else old.starts)
    _refuse_without_room(directory.path, source)
    directory.prepare()
    shutil.copyfile(source, directory.unfinished)
    marks = facts.of_restored(layout, new.node_id, WHY)
    _rewrite(directory.unfinished, layout, marks, (incarnation, starts, ceiling_ms))
    kept = _put_aside(directory)
    directory.adopt()
    if discard and kept is not None:
        shutil.rmtree(kept)
        kept = None
    groups = sum(1 for _ in facts.about_groups(marks, facts.RECOVERING))
    return Restored(new.node_id, new.commit_sequence, rows, groups, incarnation, kept)


def _former_in(path: Path) -> _Former:
    """Return what the database at `path` says. Raises StorageError, sqlite3.Error."""
    connection = snapshot.opened(path)
    try:
        found = connection.execute(
            "SELECT node_id, incarnation, starts, ceiling_ms, commit_sequence, layout "
            "FROM identity, node_state"
        ).fetchone()
        later = connection.execute(_LAYOUT, (facts.LAYOUT,)).fetchone()
    finally:
        connection.close()
    if found is None:
        raise StorageError(f"database {path} is damaged: it does not know its node")
    node_id, incarnation, starts, ceiling_ms, commit_sequence, layout = found
    try:
        known = layouts.decode(layout if later is None else later[0])
    except msgspec.DecodeError as error:
        raise StorageError(f"database {path} is damaged: its layout: {error}") from error
    return _Former(
        node_id, schema.unsigned(incarnation), starts, ceiling_ms, commit_sequence, known
    )


def _old(directory: Directory) -> _Former | None:
    """Return what the database that is to be replaced says; None where it cannot be read.

    It is damaged perhaps, which is why somebody restores. What lies in its logs is younger.
    """
    if not directory.database.exists():
        return None
    try:
        directories.refuse_wrong_header(directory.database)
        former = _former_in(directory.database)
    except (StorageError, sqlite3.Error):
        return None
    with contextlib.suppress(StorageError, msgspec.DecodeError):
        batches = batchlog.read(directory.path, former.incarnation)
        if batches:
            ceiling_ms = max(former.ceiling_ms, batches[-1].ceiling_ms)
            later = batchlog.newest(batches)[1].get(facts.LAYOUT)
            layout = former.layout if later is None else layouts.decode(later)
            former = msgspec.structs.replace(former, ceiling_ms=ceiling_ms, layout=layout)
    return former


def _refuse_foreign(path: Path, source: Path, new: _Former, old: _Former) -> None:
    if new.node_id != old.node_id:
        raise UsageError(
            f"snapshot {source} is of node {new.node_id!r}, data directory {path} belongs to node "
            f"{old.node_id!r}: a node is restored from its own snapshots only"
        )
    if new.layout.cluster_id != old.layout.cluster_id:
        raise UsageError(
            f"snapshot {source} is of cluster {new.layout.cluster_id:016x}, data directory {path} "
            f"belongs to cluster {old.layout.cluster_id:016x}"
        )


def _refuse_without_room(path: Path, source: Path) -> None:
    free, whole = directories.free_bytes(path)
    room = max(0, free - int(whole * limits.DISK_RESERVE_SHARE))
    size = source.stat().st_size
    if size > room:
        raise StorageError(
            f"data directory {path} has no room: the snapshot has {size:,} bytes, {room:,} are "
            "free above the reserve, and the old database stays until the new one is in place"
        )


def _rewrite(
    path: Path, layout: Layout, marks: dict[str, bytes], life: tuple[int, int, int]
) -> None:
    """Make the copy a database to start on, durably.

    `life`: incarnation, starts so far, and the clock's ceiling in ms.
    """
    incarnation, starts, ceiling_ms = life
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        schema.upgrade(connection)
        execute = connection.execute
        execute("BEGIN IMMEDIATE")
        execute("UPDATE identity SET incarnation = ?", (schema.signed(incarnation),))
        execute("UPDATE identity SET starts = ?, layout = ?", (starts, layouts.encode(layout)))
        execute("UPDATE node_state SET ceiling_ms = ?", (ceiling_ms,))
        for stale in (facts.CLEAN, facts.PEER):
            execute("DELETE FROM facts WHERE name GLOB ?", (f"{stale}/*",))
        execute("DELETE FROM facts WHERE name = ?", (facts.LAYOUT,))
        for name, fact in marks.items():
            execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, fact))
        execute("COMMIT")
    finally:
        connection.close()  # the last connection checkpoints, syncs, and removes the WAL
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the copy itself, not only the pages that SQLite wrote
    finally:
        os.close(descriptor)


def _put_aside(directory: Directory) -> Path | None:
    """Move the old database and all that belongs to it into a folder; None where there is none."""
    database = directory.database
    files = [Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm")]
    files = [f for f in (*files, *batchlog.segments_in(directory.path)) if f.exists()]
    if not files:
        return None
    stem = directory.path / time.strftime(f"{REPLACED}%Y%m%dT%H%M%SZ", time.gmtime())
    folder, number = stem, 1
    while folder.exists():
        number += 1
        folder = Path(f"{stem}-{number}")
    folder.mkdir(mode=0o700)
    # The database last: without it, what is left of it makes no node start.
    for file in reversed(files):
        file.rename(folder / file.name)
    directories.sync(folder)
    directories.sync(directory.path)
    return folder
