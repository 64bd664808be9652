"""Transactions: operations on keys of one shard group that take place together, or not at all."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from dynakv.client import arguments, commands, settings
from dynakv.client.pipelines import Later
from dynakv.client.results import Entry, Stamp, Written
from dynakv.errors import DynaKVError, UsageError
from dynakv.v1 import kvstore_pb2 as pb

Key = bytes | str
# Runs operations: (operations, shape, keyspace, timeout, previous=) -> results.
Run = Callable[..., Awaitable[Any]]


class Operations:
    """What is written down before it runs; the same for both clients."""

    def __init__(self, run: Run, keyspace: str, timeout: float | timedelta | None) -> None:
        """Begin empty; `run` takes it to the cluster."""
        self._send = run
        self._keyspace = keyspace
        self._timeout = timeout
        self._operations: list[pb.Operation] = []
        self._shapes: list[Callable[[pb.OperationResult], Any]] = []
        self._laters: list[Later[Any]] = []
        self._is_run = False

    def parameters(self) -> tuple[Run, str, float | timedelta | None]:
        """Return what another transaction like this one is made of."""
        return self._send, self._keyspace, self._timeout

    def __len__(self) -> int:
        return len(self._operations)

    def get(self, key: Key) -> Later[bytes | None]:
        """Read a value as the transaction finds it; None where there is none."""
        return self._add(key, pb.Operation(read=pb.ReadOperation()), commands.value)

    def get_entry(self, key: Key) -> Later[Entry]:
        """Read value, stamp and deadline."""
        shape = partial(commands.entry, arguments.key(key))
        return self._add(key, pb.Operation(read=pb.ReadOperation()), shape)

    def check(self, key: Key, expected: bytes | str | Stamp | None) -> None:
        """Hold the transaction to a key's value or stamp, or (None) to its having no value."""
        condition = commands.condition(arguments.expected(expected))
        operation = pb.Operation(read=pb.ReadOperation(), condition=condition)
        self._add(key, operation, commands.nothing)

    def put(
        self,
        key: Key,
        value: bytes | str,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keep_ttl: bool = False,
    ) -> Later[Written]:
        """Write a key, as `put` of the client does; the result shows what was there before."""
        ttl_ms, expires_at_ms = arguments.expiry(ttl, expires_at, keep_ttl=keep_ttl)
        put = pb.PutOperation(
            value=arguments.value(value),
            ttl_ms=ttl_ms,
            expires_at_ms=expires_at_ms,
            keep_ttl=keep_ttl,
        )
        shape = partial(commands.written, arguments.key(key), previous=True)
        return self._add(key, pb.Operation(put=put), shape)

    def delete(self, key: Key) -> Later[Written]:
        """Delete a key; the result shows what was there before."""
        shape = partial(commands.written, arguments.key(key), previous=True)
        return self._add(key, pb.Operation(delete=pb.DeleteOperation()), shape)

    def append(self, key: Key, suffix: bytes | str) -> Later[int]:
        """Put bytes behind a value; the result is its new length."""
        operation = pb.Operation(append=arguments.value(suffix, "suffix"))
        return self._add(key, operation, commands.number)

    def increment(self, key: Key, amount: int = 1) -> Later[int]:
        """Add to a number in decimal digits; the result is what it came to."""
        operation = pb.Operation(increment=arguments.amount(amount))
        return self._add(key, operation, commands.number)

    def expire(
        self, key: Key, ttl: timedelta | None = None, *, expires_at: datetime | None = None
    ) -> Later[bool]:
        """Set the deadline of an existing key; False where it is absent."""
        ttl_ms, expires_at_ms = arguments.needed_expiry(ttl, expires_at)
        expire = pb.ExpireOperation(ttl_ms=ttl_ms, expires_at_ms=expires_at_ms)
        return self._add(key, pb.Operation(expire=expire), commands.applied)

    def persist(self, key: Key) -> Later[bool]:
        """Take the deadline off a key; False where it has none."""
        return self._add(key, pb.Operation(expire=pb.ExpireOperation()), commands.applied)

    def _add(
        self, key: Key, operation: pb.Operation, shape: Callable[[pb.OperationResult], Any]
    ) -> Later[Any]:
        if self._is_run:
            raise UsageError("this transaction has been run: begin a new one")
        operation.key = arguments.key(key)
        if len(self._operations) >= settings.PIPELINE_KEYS_MAX:
            raise UsageError(
                f"the transaction has {len(self._operations)} operations: must have at most "
                f"{settings.PIPELINE_KEYS_MAX}"
            )
        later: Later[Any] = Later()
        self._operations.append(operation)
        self._shapes.append(shape)
        self._laters.append(later)
        return later

    async def run(self) -> list[Any]:
        """Run all of it and return the results, in order.

        Raises ConditionError where a check did not hold, and the client's other errors.
        """
        if self._is_run:
            raise UsageError("this transaction has been run: begin a new one")
        self._is_run = True
        if not self._operations:
            return []
        keys = [operation.key for operation in self._operations]
        shape = commands.all_of(keys, self._shapes)
        try:
            results: list[Any] = await self._send(
                self._operations, shape, self._keyspace, self._timeout, previous=True
            )
        except DynaKVError as error:
            for later in self._laters:
                later.settle(error)
            raise
        for later, result in zip(self._laters, results, strict=True):
            later.settle(result)
        return results


class AsyncTransaction(Operations):
    """A transaction of an AsyncClient; leaving its `async with` block runs it."""

    async def execute(self) -> list[Any]:
        """Run it and return the results, in order. Raises ConditionError."""
        return await self.run()

    async def __aenter__(self) -> Self:
        """Return the transaction, to be filled."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run it, unless the block raised."""
        if kind is None and not self._is_run:
            await self.run()


class Transaction(Operations):
    """A transaction of a Client; leaving its `with` block runs it."""

    def __init__(self, operations_of: AsyncTransaction, wait: Callable[[Any], Any]) -> None:
        """Run what `operations_of` would, with `wait` to wait for it."""
        super().__init__(*operations_of.parameters())
        self._wait = wait

    def execute(self) -> list[Any]:
        """Run it and return the results, in order. Raises ConditionError."""
        results: list[Any] = self._wait(self.run())
        return results

    def __enter__(self) -> Self:
        """Return the transaction, to be filled."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run it, unless the block raised."""
        if kind is None and not self._is_run:
            self.execute()
