"""Requests to the node that are rarer than GET, SET and DEL: messages of their own.

Each ends in one callback, with one result per key or with the Failure of the worst key. A command
with more keys than one message may hold becomes several messages; they are not atomic together,
as no messages are.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from dynakv import limits
from dynakv.core.commands import Operation
from dynakv.core.record import Record
from dynakv.errors import Failure, Kind
from dynakv.node.messages import (
    ClientReply,
    Expire,
    Expired,
    Found,
    Get,
    List,
    Listed,
    Put,
    Refused,
    Stored,
)
from dynakv.resp.columns import FULL, Executing, Scope, Turn

Records = list[Record | None]
Applied = Callable[[list[bool] | Failure], None]
T = TypeVar("T")


def read(
    turn: Turn, scope: Scope, keys: Sequence[bytes], then: Callable[[Records | Failure], None]
) -> None:
    """Read keys of checked lengths; `then` gets what is visible, None where nothing is."""
    parts = _parts([len(key) for key in keys])
    gathering: _Gathering[Record | None] = _Gathering(len(keys), None, then)
    for start, end in parts:
        message = Get(scope.keyspace, list(keys[start:end]), scope.level)
        gathering.ask(turn, message, start, end - start)


def write(
    turn: Turn,
    scope: Scope,
    keys: Sequence[bytes],
    values: Sequence[bytes | None],
    then: Callable[[Records | Failure], None],
    *,
    previous: bool = False,
) -> None:
    """Write or delete (value None) keys of checked lengths, in order.

    `then` gets the records as observed before, None where there was no value or none was wanted.
    """
    sizes = [len(key) + len(value or b"") for key, value in zip(keys, values, strict=True)]
    gathering: _Gathering[Record | None] = _Gathering(len(keys), None, then)
    for start, end in _parts(sizes):
        message = Put(
            scope.keyspace,
            list(keys[start:end]),
            list(values[start:end]),
            level=scope.level,
            previous=previous,
        )
        gathering.ask(turn, message, start, end - start)


def expire(
    turn: Turn,
    scope: Scope,
    key: bytes,
    ttl_ms: int,
    expiry_ms: int,
    then: Applied,
) -> None:
    """Set a key's deadline, or with two zeros remove it; `then` gets whether there was a value."""
    gathering: _Gathering[bool] = _Gathering(1, False, then)
    message = Expire(
        scope.keyspace,
        [key],
        [ttl_ms] if ttl_ms else None,
        [expiry_ms] if expiry_ms else None,
        scope.level,
    )
    gathering.ask(turn, message, 0, 1)


def execute(
    scope: Scope, operations: Sequence[Operation], then: Executing, *, previous: bool = False
) -> None:
    """Run operations on keys of one shard group as a whole; `then` gets a result for each.

    With `previous` the results show the records that were there before, or are in the way.
    """
    column = scope.executing(previous=previous)
    if not column.fits(operations):
        column.close()
        column = scope.executing(previous=previous)
    column.run(operations, then)


def page(turn: Turn, message: List, then: Callable[[Listed | Failure], None]) -> None:
    """List one page."""

    def take(part: ClientReply) -> None:
        if isinstance(part, Refused):
            then(part.failure)
        else:
            assert isinstance(part, Listed)
            then(part)

    if not turn.submit(message, take):
        then(FULL)


class _Gathering(Generic[T]):
    """Collects the parts of the answers to the messages of one command."""

    __slots__ = ("_failed", "_failure", "_missing", "_results", "_then")

    def __init__(self, entries: int, nothing: T, then: Callable[[list[T] | Failure], None]) -> None:
        """Wait for so many entries; at least one."""
        assert entries > 0
        self._results: list[T] = [nothing] * entries
        self._missing = entries
        self._failed = 0
        self._failure: Failure | None = None
        self._then = then

    def ask(self, turn: Turn, message: Get | Put | Expire, start: int, entries: int) -> None:
        """Submit a message that holds the entries from `start` on."""

        def take(part: ClientReply) -> None:
            self._take(part, start)

        if not turn.submit(message, take):
            self._take(Refused(list(range(entries)), FULL), start)

    def _take(self, part: ClientReply, start: int) -> None:
        results: Sequence[object]
        match part:
            case Found():
                results = part.records
            case Stored():
                results = part.previous or ()
            case Expired():
                results = part.applied
            case Refused():
                results = ()
                self._failed += len(part.entries)
                if self._failure is None or part.failure.kind is Kind.UNKNOWN:
                    self._failure = part.failure
            case _:
                raise AssertionError(part)
        for i, result in zip(part.entries, results, strict=False):
            self._results[start + i] = cast("T", result)
        self._missing -= len(part.entries)
        if not self._missing:
            self._then(self._verdict())

    def _verdict(self) -> list[T] | Failure:
        failure, entries = self._failure, len(self._results)
        if failure is None or entries == 1:
            return failure or self._results
        reason = f"{self._failed} of {entries} keys failed, the others did not: {failure.reason}"
        return Failure(failure.kind, reason if self._failed < entries else failure.reason)


def _parts(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Cut entries of these sizes into ranges that fit a message each."""
    parts: list[tuple[int, int]] = []
    start = held = 0
    for i, size in enumerate(sizes):
        full = held + size > limits.RESP_COLUMN_BYTES_MAX or i - start == limits.REQUEST_KEYS_MAX
        if full and i > start:
            parts.append((start, i))
            start, held = i, 0
        held += size
    return [*parts, (start, len(sizes))]
