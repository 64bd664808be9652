"""Transactions: operations on keys of one shard group that take place together, or not at all."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from dynakv.client import arguments, commands, settings
from dynakv.client.blocks import AsyncBlock, Block, Deferred, Later
from dynakv.client.results import Entry, Stamp, Written
from dynakv.errors import UsageError
from dynakv.v1 import kvstore_pb2 as pb

Key = bytes | str
# Runs operations: (operations, shape, keyspace, timeout, previous=) -> results.
Run = Callable[..., Awaitable[Any]]


class Operations(Deferred):
    """What is written down before it runs; the same for both clients."""

    WHAT = "transaction"

    def __init__(self, run: Run, keyspace: str, timeout: float | timedelta | None) -> None:
        """Begin empty; `run` takes it to the cluster."""
        super().__init__()
        self._send = run
        self._keyspace = keyspace
        self._timeout = timeout
        self._operations: list[pb.Operation] = []
        self._shapes: list[Callable[[pb.OperationResult], Any]] = []

    def parameters(self) -> tuple[Run, str, float | timedelta | None]:
        """Return what another transaction like this one is made of."""
        return self._send, self._keyspace, self._timeout

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
        self._refuse_if_run()
        operation.key = arguments.key(key)
        if len(self._operations) >= settings.PIPELINE_KEYS_MAX:
            raise UsageError(
                f"the transaction has {len(self._operations)} operations: must have at most "
                f"{settings.PIPELINE_KEYS_MAX}"
            )
        self._operations.append(operation)
        self._shapes.append(shape)
        return self._later()

    async def _outcomes(self) -> list[Any]:
        keys = [operation.key for operation in self._operations]
        shape = commands.all_of(keys, self._shapes)
        results: list[Any] = await self._send(
            self._operations, shape, self._keyspace, self._timeout, previous=True
        )
        return results


class AsyncTransaction(AsyncBlock, Operations):
    """A transaction of an AsyncClient; leaving its `async with` block runs it."""

    async def execute(self) -> list[Any]:
        """Run it and return the results, in order. Raises ConditionError."""
        return await self.run()


class Transaction(Block, Operations):
    """A transaction of a Client; leaving its `with` block runs it."""

    def __init__(self, operations_of: AsyncTransaction, wait: Callable[[Any], Any]) -> None:
        """Run what `operations_of` would, with `wait` to wait for it."""
        super().__init__(*operations_of.parameters())
        self._wait = wait

    def execute(self) -> list[Any]:
        """Run it and return the results, in order. Raises ConditionError."""
        results: list[Any] = self._wait(self.run())
        return results
