"""aiosqlite connections whose threads run whole jobs and call back.

aiosqlite gives each connection one thread and a queue, and one future per call. A node needs
neither a hop per statement (three calls cost 265 us for a lone write, one costs 144) nor a future
per transaction, so a job here is one function that runs on the thread from BEGIN to COMMIT, and its
outcome, a result or an exception, is handed to a function in the event loop.

This leans on how aiosqlite 0.22.1 runs its thread: an item of `_tx` is a pair of a future and a
function, and of the future the thread uses `get_loop`, and in the loop `done`, `set_result` and
`set_exception`. The version is pinned for that reason.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from struct import unpack
from typing import Final, Generic, TypeVar, cast

import aiosqlite

from dynakv import limits
from dynakv.core.table import (
    CountRecords,
    FindStrays,
    Read,
    ReadReply,
    Rows,
    ScanRecords,
)
from dynakv.errors import StorageError
from dynakv.storage import rows, settling, shrink, strays
from dynakv.storage.overlay import Generation, Overlay
from dynakv.storage.schema import PAGE_BYTES

_FRAME_BYTES: Final = PAGE_BYTES + 24
_WAL_INDEX_VERSION: Final = 3007000  # https://sqlite.org/walformat.html, section 2.1

T = TypeVar("T")


class _Callback(Generic[T]):
    """Stands where aiosqlite expects a future, and calls `deliver` in the loop instead."""

    __slots__ = ("deliver", "loop")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: Callable[[T | BaseException], None]
    ) -> None:
        self.loop = loop
        self.deliver = deliver

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self.loop

    def done(self) -> bool:
        return False

    def set_result(self, result: T) -> None:
        self.deliver(result)

    def set_exception(self, error: BaseException) -> None:
        self.deliver(error)


class Connection(aiosqlite.Connection):
    """A connection with one thread; jobs run in the order of `submit`."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=limits.PAGE_ROWS_MAX)
        # A thread that hangs in a failing disk must not keep a halting process alive.
        self._thread.daemon = True

    def submit(self, job: Callable[[], T], deliver: Callable[[T | BaseException], None]) -> None:
        """Run `job` on the thread, then `deliver` its result or exception in the running loop."""
        callback = _Callback(asyncio.get_running_loop(), deliver)
        self._tx.put_nowait((cast("asyncio.Future[T]", callback), job))

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `job` returns; it runs on the thread."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, partial(job, self._conn)))
        return await future

    async def close(self) -> None:
        """Close after all submitted jobs, and see the thread end. May be called again."""
        await super().close()
        # aiosqlite does not wait for it where opening failed: it would outlive the event loop.
        if self._thread.is_alive():
            self._thread.join()


class Reader(Connection):
    """Reads beside the writer, on a read-only connection; what has not settled is seen as well."""

    def __init__(self, database: Path, overlay: Overlay) -> None:
        super().__init__(partial(connect_reader, database))
        self._overlay = overlay

    def read(self, requests: Sequence[Read]) -> list[ReadReply]:
        """Return one reply per request. Runs on the thread; raises sqlite3.Error."""
        replies: list[ReadReply] = []
        for request in requests:
            if isinstance(request, ScanRecords):
                replies.append(rows.scan(self._conn, request, self._overlay.within(request)))
                continue
            # Whoever asks for these lets everything settle first: `Store.read_soon`.
            if isinstance(request, CountRecords):
                replies.append(rows.count(self._conn, request.keyspace))
                continue
            if isinstance(request, FindStrays):
                replies.append(strays.find(self._conn, request))
                continue
            keyspace = request.keyspace
            wanted = [
                (keyspace, group, key)
                for group, key in zip(request.groups, request.keys, strict=True)
            ]
            known, others = self._overlay.split(wanted)
            if known:
                known.update(zip(others, rows.fetch(self._conn, others), strict=True))
                replies.append(Rows([known[where] for where in wanted]))
            else:
                replies.append(Rows(rows.fetch(self._conn, wanted)))
        return replies


class Writer(Connection):
    """The one connection that writes and checkpoints: it takes what the batch log holds.

    SQLite before 3.51.3 can corrupt a database when two connections write and checkpoint at once.
    """

    def __init__(
        self, database: Path, overlay: Overlay, failed: Callable[[BaseException], object]
    ) -> None:
        """`failed` is called in the loop when settling fails."""
        super().__init__(partial(_connect_writer, database))
        self._overlay = overlay
        self._failed = failed
        self._wal_index_path = Path(f"{database}-shm")
        self._wal_index = -1
        self._frames_seen = 0  # in the WAL after the last checkpoint
        self._broken = False  # a job failed: nothing may be written any more
        self.beside_long_reader = False  # which keeps the WAL: waiting for it is in vain
        self._loop = asyncio.get_running_loop()
        self._shrinking: asyncio.TimerHandle | None = None
        self._closing = False

    def begin(self) -> None:
        """Find the WAL's index, once SQLite has made it. Raises OSError, StorageError."""
        self._wal_index = os.open(self._wal_index_path, os.O_RDONLY)
        (version,) = unpack("=I", os.pread(self._wal_index, 4, 0))
        if version != _WAL_INDEX_VERSION:
            raise StorageError(
                f"SQLite {sqlite3.sqlite_version} writes WAL index version {version}, "
                f"DynaKV knows {_WAL_INDEX_VERSION}"
            )

    def settle_soon(self, generation: Generation) -> None:
        """Move a frozen generation into the database. May be called on any thread."""
        callback = _Callback(self._loop, self._ended)
        job = partial(self._settle, generation)
        self._tx.put_nowait((cast("asyncio.Future[None]", callback), job))

    def _settle(self, generation: Generation) -> None:
        if self._broken:
            return
        self._broken = True
        whole = False
        try:
            if generation.last is not None:
                for _ in settling.settle(
                    self._conn, generation.rows, generation.facts, generation.last
                ):
                    if self._growth() * _FRAME_BYTES >= limits.CHECKPOINT_BYTES:
                        self._checkpoint()
            generation.segment.discard()
            whole = True
        finally:
            if not whole:
                self._overlay.fail()
        self._overlay.settled()
        self._broken = False
        if shrink.wanted(self._conn):
            self._loop.call_soon_threadsafe(self._shrink_later)

    def _shrink_later(self) -> None:
        if self._shrinking is None and not self._closing:
            pause_s = limits.SHRINK_PAUSE_MS / 1_000
            self._shrinking = self._loop.call_later(
                pause_s, lambda: self.submit(self._shrink, self._shrunk)
            )

    def _shrink(self) -> bool:
        """Give some free pages back; say whether there are more. Runs on the thread."""
        if self._broken or self.beside_long_reader:
            return self.beside_long_reader  # every page moved would stay in the WAL
        more = shrink.step(self._conn)
        if not more or self._growth() * _FRAME_BYTES >= limits.CHECKPOINT_BYTES:
            self._checkpoint()
        return more

    def _shrunk(self, more: bool | BaseException) -> None:
        self._shrinking = None
        if isinstance(more, BaseException):
            self._failed(more)
        elif more:
            self._shrink_later()

    def _checkpoint(self) -> None:
        """Copy the WAL into the database as far as readers allow.

        The WAL starts again from its beginning only when all of it is copied and no reader uses
        it. Where readers prevented that for long, wait for them and cut the file, unless one is
        known to stay.
        """
        execute = self._conn.execute
        if self.beside_long_reader or self.wal_frames() * _FRAME_BYTES < limits.WAL_BYTES_MAX:
            _, frames, _ = execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        else:
            execute(f"PRAGMA busy_timeout = {limits.RESTART_WAIT_MS}")
            _, frames, _ = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            execute(f"PRAGMA busy_timeout = {limits.BUSY_MS}")
        self._frames_seen = frames

    def wal_frames(self) -> int:
        """Return how many pages the WAL holds: `mxFrame` of its index.

        Read from the shared-memory file, since SQLite tells only in exchange for a checkpoint, and
        the size of the WAL says nothing once it is used again from its beginning.
        """
        (frames,) = unpack("=I", os.pread(self._wal_index, 4, 16))
        return int(frames)

    async def finish(self, *, checkpoint: bool) -> None:
        """Close, after a last checkpoint if that is wanted. Raises sqlite3.Error."""
        self._closing = True
        if self._shrinking is not None:
            self._shrinking.cancel()
        try:
            if checkpoint and not self._broken:
                await self.run(partial(settling.mark, in_use=False))
                await self.run(_truncate)
        finally:
            try:
                await self.close()
            finally:
                # Only now: closing any descriptor of a file drops SQLite's locks on it.
                if self._wal_index >= 0:
                    os.close(self._wal_index)
                    self._wal_index = -1

    def _growth(self) -> int:
        frames = self.wal_frames()
        if frames < self._frames_seen:
            self._frames_seen = 0  # it started again from its beginning
        return frames - self._frames_seen

    def _ended(self, outcome: BaseException | None) -> None:
        if outcome is not None:
            self._failed(outcome)


def _connect_writer(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{database.as_uri()}?mode=rw",  # never make it here
        uri=True,
        isolation_level=None,
        timeout=limits.BUSY_MS / 1000,
        cached_statements=limits.STATEMENTS_MAX,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{limits.WRITER_CACHE_BYTES >> 10}")
    return connection


def connect_reader(database: Path) -> sqlite3.Connection:
    """Return a connection that cannot write. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"{database.as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=limits.BUSY_MS / 1000,
        cached_statements=limits.STATEMENTS_MAX,
    )
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{limits.READER_CACHE_BYTES >> 10}")
    return connection


def _truncate(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
