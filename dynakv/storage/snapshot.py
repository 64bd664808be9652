"""Snapshots of one node while it serves: a second database file, whole, consistent and verified.

`VACUUM INTO` on a read-only connection and thread of its own: neither the event loop nor commits
wait for it. (SQLite's paced backup API begins anew at every write of another connection and never
ends beside a busy writer.) First everything committed moves from the batch log into the database;
the writer then stands still, for milliseconds, until the snapshot's read transaction has begun. So
a snapshot is the database as of one commit, and holds all that was acknowledged when it was asked
for. It has no batch log beside it.

While it is made, SQLite's write-ahead log cannot start again from its beginning and grows by all
that is written. That is bounded: beyond SNAPSHOT_WAL_BYTES_MAX, or where the disk comes near its
reserve, the snapshot is given up and the node goes on. A snapshot gets its name only when it is
durable and was read back, so a file with the suffix `.db` is complete. What an interrupted one left
behind is removed when the next begins.
"""

import asyncio
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from dynakv import limits
from dynakv.errors import RefusedError, StorageError, UsageError
from dynakv.node.figures import SnapshotFigures, SnapshotState
from dynakv.storage import schema, settling
from dynakv.storage.connection import Connection, connect_reader
from dynakv.storage.directory import (
    SNAPSHOTS,
    free_bytes,
    free_share,
    refuse_wrong_header,
    sync,
)

SUFFIX: Final = ".db"
_UNFINISHED: Final = ".unfinished"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Source(Protocol):
    """What a snapshot needs of the store (`store.py`)."""

    @property
    def database(self) -> Path:
        """Where the database is."""

    def settle_soon(self, then: Callable[[], None], job: Callable[[], None] | None = None) -> None:
        """Let everything settle, run `job` on the writer's thread, then call `then`."""

    def reads_long(self, *, reading: bool) -> None:
        """Take note that a reader stays for long."""


class Snapshots:
    """The snapshots of an open store; at most one is being made. Use it in the store's loop."""

    def __init__(
        self,
        source: Source,
        folder: Path | None = None,
        *,
        wal_bytes_max: int = limits.SNAPSHOT_WAL_BYTES_MAX,
        reserve_share: float = limits.DISK_RESERVE_SHARE,
        watch_ms: int = limits.SNAPSHOT_WATCH_MS,
    ) -> None:
        """Keep them in `folder`; None: in the data directory.

        `reserve_share` of the disk stays free, which is looked at every `watch_ms`.
        """
        self._source = source
        self._database = source.database
        self._folder = folder or self._database.parent / SNAPSHOTS
        self._wal_bytes_max = wal_bytes_max
        self._reserve_share = reserve_share
        self._watch_ms = watch_ms
        self._too_costly = ""  # why the one being made is given up
        self._task: asyncio.Task[None] | None = None
        self._latest: SnapshotFigures | None = None  # running, or failed
        self._began_s = 0.0
        self._wal_base_bytes = 0

    def begin(self, name: str) -> SnapshotFigures:
        """Begin to make the snapshot `name` ("": one is given); return how it stands.

        Raises UsageError for a bad name or one that is taken, RefusedError while another is being
        made or where the disk has no room, StorageError where the folder cannot be used.
        """
        running = self.running()
        if running is not None:
            raise RefusedError(f"snapshot {running.name!r} is being made: one at a time")
        name = name or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = self._path(name)
        try:
            estimate = self._prepare(target)
        except OSError as error:
            raise StorageError(
                f"snapshot folder {self._folder} cannot be written: {error.strerror}"
            ) from error
        self._began_s = time.monotonic()
        self._wal_base_bytes = _bytes(_wal(self._database))
        self._latest = SnapshotFigures(
            name, str(target), SnapshotState.RUNNING, 0, estimate, int(time.time() * 1000)
        )
        self._source.reads_long(reading=True)
        self._task = asyncio.get_running_loop().create_task(self._make(self._latest, target))
        return self._latest

    def running(self) -> SnapshotFigures | None:
        """Return the one that is being made, as far as it is, or None."""
        latest = self._latest
        if latest is None or latest.state is not SnapshotState.RUNNING:
            return None
        return self._progress(latest)

    async def listed(self) -> list[SnapshotFigures]:
        """Return all that are complete, oldest first, then the one being made or the last failed.

        Raises StorageError.
        """
        found = await asyncio.to_thread(self._complete)
        latest = self.running() or self._latest
        if latest is not None and latest.state is not SnapshotState.COMPLETE:
            found.append(latest)
        return found

    async def delete(self, name: str) -> None:
        """Remove a complete snapshot. Raises UsageError where there is none, StorageError."""
        path = self._path(name)
        try:
            await asyncio.to_thread(path.unlink)
        except FileNotFoundError:
            raise UsageError(f"snapshot {name!r} does not exist in {self._folder}") from None
        except OSError as error:
            raise StorageError(f"snapshot {path} cannot be removed: {error.strerror}") from error

    async def wait(self) -> None:
        """Return when none is being made."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def stop(self) -> None:
        """Give up what is being made, and see its thread end."""
        if self._task is not None:
            self._task.cancel()
            await self.wait()
            self._task = None

    def _path(self, name: str) -> Path:
        if len(name) > limits.SNAPSHOT_NAME_BYTES_MAX or not _NAME.fullmatch(name):
            raise UsageError(
                f"snapshot name {name!r}: must be 1 to {limits.SNAPSHOT_NAME_BYTES_MAX} letters, "
                "digits, '.', '_' and '-', the first a letter or digit"
            )
        return self._folder / f"{name}{SUFFIX}"

    def _prepare(self, target: Path) -> int:
        """Make the folder and room in it; return how large the snapshot will be, about."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.glob(f"*{_UNFINISHED}*"):
            left.unlink(missing_ok=True)
        if target.exists():
            raise UsageError(f"snapshot {target.name.removesuffix(SUFFIX)!r} exists already")
        # What the log holds beyond the file is mostly newer versions of pages in it.
        estimate = self._database.stat().st_size
        free, whole = free_bytes(self._folder)
        room = free - int(whole * self._reserve_share)
        if estimate > room:
            raise RefusedError(
                f"no room for a snapshot in {self._folder}: it needs about {estimate:,} bytes, and "
                f"{max(room, 0):,} are free above the reserve"
            )
        return estimate

    async def _make(self, begun: SnapshotFigures, target: Path) -> None:
        unfinished = Path(f"{target}{_UNFINISHED}")
        reader = Connection(partial(connect_reader, self._database))
        held = _Held(self._source)
        watch: asyncio.Task[None] | None = None
        self._too_costly = why = ""
        try:
            await reader
            watch = asyncio.get_running_loop().create_task(self._watch(reader))
            await held.begin()
            await reader.run(partial(_vacuum, target=unfinished, begun=held.end))
            await reader.run(lambda _: _complete_alone(unfinished, self._too_costly))
            await reader.run(lambda _: verify(unfinished))
            size = await reader.run(lambda _: _publish(unfinished, target))
            self._latest = replaced(self._progress(begun), SnapshotState.COMPLETE, size)
        except (OSError, sqlite3.Error, StorageError) as error:
            why = self._too_costly or str(error)
        except asyncio.CancelledError:
            await reader.interrupt()
            why = "the node stopped"
            raise
        finally:
            if watch is not None:
                watch.cancel()
            held.end()
            await reader.close()
            self._source.reads_long(reading=False)
            if why:
                _remove(unfinished)
                self._latest = replaced(self._progress(begun), SnapshotState.FAILED, error=why)

    async def _watch(self, reader: Connection) -> None:
        """Interrupt the snapshot where it costs too much, for as long as it takes."""
        while True:
            await asyncio.sleep(self._watch_ms / 1000)
            grown = _bytes(_wal(self._database)) - self._wal_base_bytes
            if grown > self._wal_bytes_max:
                self._too_costly = (
                    f"given up: the write-ahead log grew by {grown:,} bytes meanwhile, "
                    f"{self._wal_bytes_max:,} are allowed; try again while less is written"
                )
            elif free_share(self._folder) < self._reserve_share:
                self._too_costly = (
                    f"given up: less than {self._reserve_share:.0%} of the disk is free"
                )
            if self._too_costly:
                await reader.interrupt()

    def _progress(self, begun: SnapshotFigures) -> SnapshotFigures:
        took_ms = int((time.monotonic() - self._began_s) * 1000)
        done = _bytes(Path(f"{begun.path}{_UNFINISHED}"))
        return SnapshotFigures(
            begun.name,
            begun.path,
            begun.state,
            done,
            max(begun.bytes_estimated, done),
            begun.began_ms,
            took_ms=took_ms,
        )

    def _complete(self) -> list[SnapshotFigures]:
        found: list[SnapshotFigures] = []
        try:
            paths = sorted(self._folder.glob(f"*{SUFFIX}"), key=lambda p: (p.stat().st_mtime, p))
            for path in paths[-limits.SNAPSHOTS_LISTED_MAX :]:
                stat = path.stat()
                sequence, rows, error = 0, 0, ""
                try:
                    sequence, rows = _about(path)
                except (sqlite3.Error, StorageError) as broken:
                    error = str(broken)
                found.append(
                    SnapshotFigures(
                        path.name.removesuffix(SUFFIX),
                        str(path),
                        SnapshotState.FAILED if error else SnapshotState.COMPLETE,
                        stat.st_size,
                        stat.st_size,
                        int(stat.st_mtime * 1000),
                        commit_sequence=sequence,
                        rows=rows,
                        error=error,
                    )
                )
        except OSError as error:
            raise StorageError(
                f"snapshot folder {self._folder} cannot be read: {error.strerror}"
            ) from error
        return found


def replaced(
    figures: SnapshotFigures, state: SnapshotState, size: int | None = None, error: str = ""
) -> SnapshotFigures:
    """Return the figures with another state, and a size where it is known."""
    size = figures.bytes_done if size is None else size
    return SnapshotFigures(
        figures.name,
        figures.path,
        state,
        size,
        max(size, figures.bytes_estimated) if state is SnapshotState.FAILED else size,
        figures.began_ms,
        took_ms=figures.took_ms,
        error=error,
    )


def opened(path: Path) -> sqlite3.Connection:
    """Return a connection that reads a complete snapshot, which nobody writes."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def verify(path: Path) -> int:
    """Return how many records a snapshot holds, after reading it back.

    It must start like one of our databases, have a format that this version knows and all tables,
    and its table of records must hold as many rows as the index says. Raises StorageError,
    sqlite3.Error. O(rows).
    """
    refuse_wrong_header(path)
    connection = opened(path)
    try:
        reason = schema.fault(connection)
        if reason is not None:
            raise StorageError(f"snapshot {path} {reason}")
        (indexed,) = connection.execute("SELECT count(*) FROM records").fetchone()
        (rows,) = connection.execute("SELECT count(*) FROM records NOT INDEXED").fetchone()
        if indexed != rows:
            raise StorageError(f"snapshot {path} is damaged: {rows} rows, {indexed} in its index")
    finally:
        connection.close()
    return int(rows)


def _about(path: Path) -> tuple[int, int]:
    """Return commit sequence and rows (the highest row id) of a complete snapshot."""
    refuse_wrong_header(path)
    connection = opened(path)
    try:
        (sequence,) = connection.execute("SELECT commit_sequence FROM node_state").fetchone()
        (rows,) = connection.execute("SELECT ifnull(max(id), 0) FROM records").fetchone()
    finally:
        connection.close()
    return int(sequence), int(rows)


class _Held:
    """The store's writer, standing still between `begin` and `end`, when everything has settled."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._over = threading.Event()

    async def begin(self) -> None:
        """Return when it stands still, or when the store has failed."""
        loop, still = asyncio.get_running_loop(), asyncio.Event()

        def stand() -> None:
            loop.call_soon_threadsafe(still.set)
            self._over.wait()

        self._source.settle_soon(still.set, stand)
        await still.wait()

    def end(self) -> None:
        """Let it go on. On any thread; may be called again."""
        self._over.set()


def _vacuum(connection: sqlite3.Connection, target: Path, begun: Callable[[], None]) -> None:
    """Write the copy; `begun` is called when its read transaction has begun, or is over."""

    def step() -> int:
        begun()
        return 0

    # Attaching the new file takes a few dozen steps of SQLite's machine; then the transaction
    # begins and the copying, which takes some for each row.
    connection.set_progress_handler(step, limits.SNAPSHOT_BEGUN_STEPS)
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    finally:
        begun()


def _complete_alone(unfinished: Path, given_up: str) -> None:
    """Say in a snapshot that no batch log belongs to it, unlike to the database it was made of."""
    if given_up:  # between two statements an interruption ended nothing
        raise StorageError(given_up)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        settling.mark(connection, in_use=False)
    finally:
        connection.close()


def _publish(unfinished: Path, target: Path) -> int:
    """Make the file durable and give it its name; return its size."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    unfinished.rename(target)
    sync(target.parent)
    return size


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _wal(database: Path) -> Path:
    return Path(f"{database}-wal")


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
