"""The local disk as the driver sees it: batches in, replies back, or a failure that stops the node.

A thin shell around `core/table.py`. A commit is one transaction, one hop to the committer's thread,
one append to the batch log and one fdatasync; whoever calls collects what arrives meanwhile into
the next one. The database takes the rows later, on the writer's thread. Reads of rows that no cache
holds run beside both on threads of their own, and see what is only in the log as well.

Fail-stop: after the first error of the disk, of SQLite or of our own threads nothing more is read
or written, and every request, also those under way, ends in that StorageError. What was not
confirmed may or may not exist. No call blocks the event loop; run the process with
`sys.setswitchinterval(0.0001)`, or a busy loop starves the threads (see `rows.py`).
"""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from dynakv import limits
from dynakv.core import layout as layouts
from dynakv.core.layout import Layout
from dynakv.core.table import (
    CountRecords,
    FindStrays,
    Operation,
    Page,
    Read,
    ReadRecords,
    ReadReply,
    Remembered,
    Reply,
    Rows,
    ScanRecords,
)
from dynakv.errors import StorageError
from dynakv.node.figures import StoreFigures
from dynakv.storage import directory as directories
from dynakv.storage import identity, schema, settling
from dynakv.storage.committer import Committer
from dynakv.storage.connection import Reader, Writer
from dynakv.storage.directory import Directory
from dynakv.storage.measure import measure
from dynakv.storage.overlay import Overlay

T = TypeVar("T")
Done = Callable[[T | StorageError], None]


class Store:
    """An open data directory. Use only in the event loop that opened it.

    `remembered` is what the directory said when it was opened; `commit_sequence` counts durable
    transactions and has risen when their replies are delivered; `failure` is the error that ended
    all work, or None.
    """

    def __init__(self, directory: Directory, remembered: Remembered) -> None:
        """For `open` only."""
        self.remembered = remembered
        self.commit_sequence = remembered.commit_sequence
        self.failure: StorageError | None = None
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._writer: Writer
        self._committer: Committer
        self._overlay: Overlay
        self._readers: list[Reader] = []
        self._reading: list[int] = []  # requests under way, per reader
        self._closed: StorageError | None = None
        self._free_share = 1.0
        self._free_share_until = float("-inf")

    @classmethod
    async def open(
        cls,
        path: Path,
        node_id: str,
        layout: bytes,
        *,
        make: bool = True,
        log_bytes_max: int = limits.LOG_BYTES_MAX,
    ) -> "Store":
        """Return the store in the directory `path`, with one start more on its count.

        With `make` a directory that is missing or empty becomes one of node `node_id`, with a new
        incarnation; else it is refused. `layout` is `core.layout.encode` of what the configuration
        says. `log_bytes_max` bounds each of the two segments of the batch log that there may be; it
        is exceeded by one batch. Raises StorageError where the directory is in use, foreign, newer,
        damaged or failing.
        """
        given = layouts.decode(layout)
        directory = directories.claim(path, make=make)
        try:
            if not directory.database.exists():
                _make(directory, node_id, layout)
            directories.refuse_wrong_header(directory.database)
            return await cls._open_claimed(directory, node_id, given, log_bytes_max)
        except BaseException:
            directory.release()
            raise

    @classmethod
    async def _open_claimed(
        cls, directory: Directory, node_id: str, given: Layout, log_bytes_max: int
    ) -> "Store":
        database = directory.database
        store: Store | None = None
        overlay = Overlay()
        writer = Writer(database, overlay, lambda error: store.fail(error) if store else None)
        committer = Committer(database, overlay, writer.settle_soon, log_bytes_max)
        readers = [Reader(database, overlay) for _ in range(limits.READERS)]
        try:
            with _as_storage_error(database):
                await writer
                load = partial(_load, directory=directory, node_id=node_id, given=given)
                remembered, rows_written = await writer.run(load)
                writer.begin()
                await committer
                committer.begin(remembered, rows_written)
                await writer.run(partial(settling.mark, in_use=True))
                for reader in readers:
                    await reader
        except BaseException:
            for connection in (committer, *readers):
                await connection.close()
            await writer.finish(checkpoint=False)
            raise
        store = cls(directory, remembered)
        store._writer, store._committer, store._overlay = writer, committer, overlay
        store._readers, store._reading = readers, [0] * limits.READERS
        return store

    def commit_soon(self, operations: Sequence[Operation], done: Done[list[Reply]]) -> None:
        """Apply the operations in one durable transaction, then call `done` in the event loop.

        One reply per operation, in order; later operations see earlier ones. `done` is called
        exactly once, never before this returns. Transactions run one after the other.
        """
        refusal = self.failure or self._closed
        if refusal is not None:
            self._loop.call_soon(done, refusal)
            return
        committer = self._committer
        committer.submit(partial(committer.transact, operations), partial(self._committed, done))

    def read_soon(self, requests: Sequence[Read], done: Done[list[ReadReply]]) -> None:
        """Read rows in one hop, then call `done` in the event loop with one reply per request.

        Sees every transaction that was confirmed before the call, perhaps later ones too; each
        row is whole, different rows may be of different moments.
        """
        refusal = self.failure or self._closed
        if refusal is not None:
            self._loop.call_soon(done, refusal)
            return
        if any(isinstance(request, CountRecords | FindStrays) for request in requests):
            self.settle_soon(lambda: self._read_by(requests, done))
        else:
            self._read_by(requests, done)

    def settle_soon(self, then: Callable[[], None], job: Callable[[], None] | None = None) -> None:
        """Call `then` when all that is committed by now is in the database, or the store failed.

        A `job` runs before that on the writer's thread, when the database holds exactly that.
        """

        def settled(outcome: BaseException | None) -> None:
            if outcome is not None:
                self.fail(outcome)
            then()

        def frozen(outcome: BaseException | None) -> None:
            if outcome is not None:
                settled(outcome)
            else:
                self._writer.submit(
                    job or _nothing, settled
                )  # behind what the committer handed to it

        self._committer.submit(self._committer.freeze, frozen)

    async def _settled(self) -> None:
        """Return when all that is committed by now is in the database, or the store failed."""
        settled = asyncio.Event()
        self.settle_soon(settled.set)
        await settled.wait()

    def _read_by(self, requests: Sequence[Read], done: Done[list[ReadReply]]) -> None:
        refusal = self.failure or self._closed
        if refusal is not None:
            done(refusal)
            return
        nth = min(range(limits.READERS), key=self._reading.__getitem__)
        self._reading[nth] += 1
        reader = self._readers[nth]
        reader.submit(partial(reader.read, requests), partial(self._was_read, nth, done))

    async def commit(self, operations: Sequence[Operation]) -> list[Reply]:
        """Return the replies of `commit_soon`. Raises StorageError."""
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        self.commit_soon(operations, partial(_settle, future))
        return await future

    async def read(self, request: ReadRecords) -> Rows:
        """Return the reply of `read_soon` to one request. Raises StorageError."""
        reply = await self._read(request)
        assert isinstance(reply, Rows)
        return reply

    async def scan(self, request: ScanRecords) -> Page:
        """Return the reply of `read_soon` to one request. Raises StorageError."""
        reply = await self._read(request)
        assert isinstance(reply, Page)
        return reply

    async def _read(self, request: Read) -> ReadReply:
        future: asyncio.Future[list[ReadReply]] = self._loop.create_future()
        self.read_soon([request], partial(_settle, future))
        return (await future)[0]

    async def figures(self) -> StoreFigures:
        """Return how much lies in the database. Raises StorageError."""
        refusal = self.failure or self._closed
        if refusal is not None:
            raise refusal
        await self._settled()
        free_share = self.free_share()
        database = self._directory.database
        job = partial(measure, database=database, disk_free_share=free_share)
        if self.failure is not None:
            raise self.failure
        try:
            return await self._readers[0].run(job)
        except (OSError, sqlite3.Error) as error:
            raise self.fail(error) from error

    @property
    def database(self) -> Path:
        """Where the database is."""
        return self._directory.database

    def reads_long(self, *, reading: bool) -> None:
        """Say whether a reader stays for long, so that the writer need not wait for it."""
        self._writer.beside_long_reader = reading

    def free_share(self) -> float:
        """Return which part of the disk, 0 to 1, is free; looked up at most once a second.

        Below `limits.DISK_RESERVE_SHARE` writes must be refused: a full disk also refuses
        checkpoints and deletes. Where the disk does not even tell, the store fails, and it is 0.
        """
        now = time.monotonic()
        if now >= self._free_share_until:
            try:
                self._free_share = directories.free_share(self._directory.path)
            except OSError as error:
                self.fail(error)
                self._free_share = 0.0
            self._free_share_until = now + limits.FREE_SHARE_AGE_MS / 1000
        return self._free_share

    def fail(self, error: BaseException) -> StorageError:
        """Stop all work for good, and return the failure that every caller now gets."""
        if self.failure is None:
            self.failure = _storage_error(self._directory.database, error)
        return self.failure

    async def close(self) -> None:
        """Finish what was submitted, move log and WAL into the database, let go of the directory.

        May be called again. After a failure nothing more is written; it then still waits for the
        threads, so a process that must halt at once need not call it.
        """
        if self._closed is not None:
            return
        database = self._directory.database
        self._closed = StorageError(f"database {database} is closed")
        try:
            with _as_storage_error(database):
                if self.failure is None:
                    await self._settled()
                await self._committer.close()
                if self.failure is not None:
                    # SQLite checkpoints when the last connection closes, unless it cannot write.
                    await self._writer.finish(checkpoint=False)
                for reader in self._readers:
                    await reader.close()
                if self.failure is None:
                    await self._writer.finish(checkpoint=True)
                    self._overlay.growing.segment.discard()
                else:
                    self._overlay.growing.segment.close()
        finally:
            self._directory.release()

    def _committed(self, done: Done[list[Reply]], outcome: list[Reply] | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self.fail(outcome)
        else:
            self.commit_sequence += 1
        done(self._outcome(outcome))

    def _was_read(self, nth: int, done: Done[T], outcome: T | BaseException) -> None:
        self._reading[nth] -= 1
        if isinstance(outcome, BaseException):
            self.fail(outcome)
        done(self._outcome(outcome))

    def _outcome(self, outcome: T | BaseException) -> T | StorageError:
        if self.failure is not None:
            return self.failure
        assert not isinstance(outcome, BaseException)
        return outcome


def _make(directory: Directory, node_id: str, layout: bytes) -> None:
    database = directory.database
    try:
        directory.prepare()
        # Not 0: that stands for a register nobody wrote, and the incarnation is a writer.
        incarnation = secrets.randbits(64) or 1
        schema.make(directory.unfinished, node_id, incarnation, layout)
        directory.adopt()
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"database {database} cannot be made: {error}") from error


def _load(
    connection: sqlite3.Connection, directory: Directory, node_id: str, given: Layout
) -> tuple[Remembered, int]:
    """Return what the directory remembers once its log is replayed, and the rows ever written."""
    schema.upgrade(connection)
    reason = schema.fault(connection)
    if reason is not None:
        raise StorageError(f"database {directory.database} {reason}")
    settling.replay(connection, directory.path)
    remembered = identity.start(connection, directory.path, node_id, given)
    (rows_written,) = connection.execute("SELECT rows_written FROM node_state").fetchone()
    return remembered, rows_written


def _nothing() -> None:
    """Be a job that ends when all before it have ended."""


def _settle(future: asyncio.Future[T], outcome: T | StorageError) -> None:
    if future.done():
        return  # whoever awaited was cancelled
    if isinstance(outcome, StorageError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


@contextmanager
def _as_storage_error(database: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise _storage_error(database, error) from error


def _storage_error(database: Path, error: BaseException) -> StorageError:
    """Return what happened as the StorageError that names the file, with the cause attached."""
    if isinstance(error, StorageError):
        return error
    code = getattr(error, "sqlite_errorname", type(error).__name__)
    failure = StorageError(f"database {database} failed: {error} ({code})")
    failure.__cause__ = error
    return failure
