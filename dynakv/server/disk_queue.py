"""What the node asks of its disk, gathered into transactions and reads.

One write transaction is in flight; what arrives meanwhile is the next one, up to its bounds: group
commit is the loop itself. Reads of keys that no cache holds go to the reader threads, grouped.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from dynakv import limits
from dynakv.core.table import (
    CountRecords,
    FindStrays,
    Operation,
    Read,
    ReadRecords,
    ReadReply,
    Reply,
    ScanRecords,
    bytes_in,
    rows_in,
)
from dynakv.errors import StorageError
from dynakv.node.figures import StoreFigures


class Disk(Protocol):
    """What the driver needs of the store (`storage/store.py`); callbacks come in the loop."""

    def commit_soon(
        self, operations: list[Operation], done: Callable[[list[Reply] | StorageError], None]
    ) -> None:
        """Apply and make durable in one transaction."""

    def read_soon(
        self, requests: list[Read], done: Callable[[list[ReadReply] | StorageError], None]
    ) -> None:
        """Read committed rows; one reply per request."""

    @property
    def commit_sequence(self) -> int:
        """Transactions committed so far."""

    def free_share(self) -> float:
        """Return the free share of the disk, 0 to 1."""

    async def figures(self) -> StoreFigures:
        """Return how much lies on disk. Raises StorageError."""


class DiskQueue:
    """Hands asks to the disk; `replied` gets (call, reply) pairs, `failed` what ends the node."""

    def __init__(
        self,
        disk: Disk,
        replied: Callable[[list[tuple[int, object]]], None],
        committed: Callable[[int], None],
        failed: Callable[[str], None],
    ) -> None:
        """`committed` gets the commit sequence before the replies of that transaction."""
        self._disk = disk
        self._replied = replied
        self._committed = committed
        self._failed = failed
        self._writes: deque[tuple[int, Operation]] = deque()
        self._reads: deque[tuple[int, Read]] = deque()
        self._writing = False
        self._reading = 0

    def append(self, call: int, message: object) -> None:
        """Queue an ask of the node; it leaves with the next `pump`."""
        if isinstance(message, Read):
            self._reads.append((call, message))
        else:
            self._writes.append((call, message))  # type: ignore[arg-type]

    def pump(self) -> None:
        """Hand over what may leave now."""
        if self._writes and not self._writing:
            self._write()
        while self._reads and self._reading < limits.READERS:
            self._read()

    def _write(self) -> None:
        calls: list[int] = []
        operations: list[Operation] = []
        rows = size = 0
        while self._writes:
            call, operation = self._writes[0]
            rows += rows_in(operation)
            size += bytes_in(operation)
            full = rows > limits.TRANSACTION_ROWS_MAX or size > limits.TRANSACTION_BYTES_MAX
            if full and operations:
                break
            self._writes.popleft()
            calls.append(call)
            operations.append(operation)
        self._writing = True

        def done(replies: list[Reply] | StorageError) -> None:
            self._writing = False
            if isinstance(replies, StorageError):
                self._failed(str(replies))
                return
            self._committed(self._disk.commit_sequence)
            self._replied(list(zip(calls, replies, strict=True)))
            self.pump()

        self._disk.commit_soon(operations, done)

    def _read(self) -> None:
        calls: list[int] = []
        requests: list[Read] = []
        keys = 0
        while self._reads and (not calls or keys < limits.READ_KEYS_MAX):
            call, request = self._reads.popleft()
            keys += _keys_in(request)
            calls.append(call)
            requests.append(request)
        self._reading += 1

        def done(replies: list[ReadReply] | StorageError) -> None:
            self._reading -= 1
            if isinstance(replies, StorageError):
                self._failed(str(replies))
                return
            self._replied(list(zip(calls, replies, strict=True)))
            self.pump()

        self._disk.read_soon(requests, done)


def _keys_in(request: Read) -> int:
    """Return how many keys a read weighs: what fills one task of a reader."""
    match request:
        case ReadRecords():
            return len(request.keys)
        case ScanRecords():
            return request.rows_max
        case FindStrays():
            return request.rows_max
        case CountRecords():
            return limits.READ_KEYS_MAX
