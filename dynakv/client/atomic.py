"""The calls of `AsyncClient` that only keyspaces in Raft mode serve.

Each is done exactly once, however often it had to be tried: retries carry the id of the first
attempt. Elsewhere they raise UsageError.
"""

# The timeouts here are deadlines of retried requests, not of waiting alone.
# ruff: noqa: ASYNC109

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from dynakv.client import arguments, commands
from dynakv.client.calls import Calls, Key, Timeout
from dynakv.client.operation import Kind
from dynakv.client.results import Attempt, Stamp
from dynakv.client.transactions import AsyncTransaction
from dynakv.v1 import kvstore_pb2 as pb


class AtomicCalls(Calls):
    """Read-modify-write in one step."""

    async def append(
        self,
        key: Key,
        suffix: bytes | str,
        *,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> int:
        """Put bytes behind a value and return its new length; an absent key counts as empty."""
        operation = pb.Operation(append=arguments.value(suffix, "suffix"))
        length: int = await self._one(key, operation, commands.number, keyspace, timeout)
        return length

    async def increment(
        self,
        key: Key,
        amount: int = 1,
        *,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> int:
        """Add to a number in decimal digits and return what it came to; an absent key counts as 0.

        Raises UsageError where the value is no 64-bit integer, or would become none.
        """
        operation = pb.Operation(increment=arguments.amount(amount))
        found: int = await self._one(key, operation, commands.number, keyspace, timeout)
        return found

    async def compare_and_set(
        self,
        key: Key,
        expected: bytes | str | Stamp | None,
        value: bytes | str | None,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keep_ttl: bool = False,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Attempt:
        """Write a key, or with value None delete it, only where it is as expected.

        `expected` is its value, or its stamp (as of `get_entry`), or None: it has none. The result
        is true where the write was done, and shows what was there in any case.
        """
        operation = _written(value, ttl, expires_at, keep_ttl=keep_ttl)
        operation.condition.CopyFrom(commands.condition(arguments.expected(expected)))
        return await self._attempt(key, operation, keyspace, timeout)

    async def put_if_absent(
        self,
        key: Key,
        value: bytes | str,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Attempt:
        """Write a key only where it has no value; see `compare_and_set`."""
        operation = _written(value, ttl, expires_at)
        operation.condition.CopyFrom(commands.condition(None))
        return await self._attempt(key, operation, keyspace, timeout)

    async def get_and_delete(
        self, key: Key, *, keyspace: str | None = None, timeout: Timeout | None = None
    ) -> bytes | None:
        """Delete a key and return the value that it had, None where there was none."""
        operation = pb.Operation(delete=pb.DeleteOperation())
        value: bytes | None = await self._one(
            key, operation, commands.value, keyspace, timeout, previous=True
        )
        return value

    def transaction(
        self, *, keyspace: str | None = None, timeout: Timeout | None = None
    ) -> AsyncTransaction:
        """Return a transaction: operations that take place together, or not at all.

            async with client.transaction(keyspace="accounts") as change:
                change.check("{7}paid", None)
                change.put("{7}paid", "yes")
                balance = change.increment("{7}balance", -10)
            print(balance.result())

        All keys belong to one shard group; in a keyspace with hash tags those with the same tag
        do. Raises ConditionError where a check does not hold; nothing was done then.
        """
        terms = self._terms_of(keyspace, None, previous=True)
        return AsyncTransaction(self._batch, terms.keyspace, timeout)

    async def _attempt(
        self, key: Key, operation: pb.Operation, keyspace: str | None, timeout: Timeout | None
    ) -> Attempt:
        shape = partial(commands.attempt, arguments.key(key))
        found: Attempt = await self._one(key, operation, shape, keyspace, timeout, previous=True)
        return found

    async def _one(
        self,
        key: Key,
        operation: pb.Operation,
        shape: Callable[[pb.OperationResult], Any],
        keyspace: str | None,
        timeout: Timeout | None,
        *,
        previous: bool = False,
    ) -> Any:
        operation.key = arguments.key(key)
        return await self._batch(
            [operation], commands.one(shape), keyspace, timeout, previous=previous
        )

    async def _batch(
        self,
        operations: Sequence[pb.Operation],
        shape: commands.Shape,
        keyspace: str | None,
        timeout: Timeout | None,
        *,
        previous: bool,
    ) -> Any:
        """Run a batch and return what its shape makes of the results."""
        terms = self._terms_of(keyspace, None, previous=previous)
        op = await self._op(Kind.EXECUTE, operations[0].key, terms, timeout)
        op.operations = operations
        op.shape = shape
        op.size_bytes += sum(operation.ByteSize() for operation in operations)
        self._core.submit(op)
        return await op.done


def _written(
    value: bytes | str | None,
    ttl: timedelta | None,
    expires_at: datetime | None,
    *,
    keep_ttl: bool = False,
) -> pb.Operation:
    """Return a put, or with value None a delete, without its key."""
    ttl_ms, expires_at_ms = arguments.expiry(ttl, expires_at, keep_ttl=keep_ttl)
    if value is None:
        return pb.Operation(delete=pb.DeleteOperation())
    put = pb.PutOperation(
        value=arguments.value(value),
        ttl_ms=ttl_ms,
        expires_at_ms=expires_at_ms,
        keep_ttl=keep_ttl,
    )
    return pb.Operation(put=put)
