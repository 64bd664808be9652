"""Unary calls that only keyspaces in Raft mode serve, for the commands.

They carry no request id of ours: as everywhere in `connection.py` a call that has left is never
repeated, and the node's own retries have ids of its own.
"""

from msgspec import Struct

from dynakv.client.connection import Connection, Reach, Value, Version
from dynakv.v1 import kvstore_pb2 as pb


class Outcome(Struct, frozen=True):
    """What became of a write under a condition."""

    version: Version | None  # the version written; None: the condition does not hold
    found: Value  # what was there before, or is in the way


class AtomicConnection(Connection):
    """A connection that reads and writes in one step as well."""

    async def put_if(
        self,
        key: bytes,
        value: bytes,
        condition: pb.Condition,
        reach: Reach,
        *,
        ttl_ms: int = 0,
        keep_ttl: bool = False,
    ) -> Outcome:
        """Write a key where the condition holds."""
        request = pb.PutRequest(
            keyspace=reach.keyspace,
            key=key,
            value=value,
            ttl_ms=ttl_ms,
            keep_ttl=keep_ttl,
            condition=condition,
            previous=True,
        )
        reply: pb.PutResponse = await self._call("Put", request, reach, writes=True)
        return Outcome(_version(reply), _found(reply.previous))

    async def get_and_delete(self, key: bytes, reach: Reach) -> Value:
        """Delete a key and return what it had."""
        operation = pb.Operation(key=key, delete=pb.DeleteOperation())
        request = pb.ExecuteRequest(
            keyspace=reach.keyspace, batch=pb.Batch(operations=[operation]), previous=True
        )
        reply: pb.ExecuteResponse = await self._call("Execute", request, reach, writes=True)
        return _found(reply.result.results[0].previous)

    async def append(self, key: bytes, suffix: bytes, reach: Reach) -> int:
        """Put bytes behind a value and return its new length."""
        request = pb.AppendRequest(keyspace=reach.keyspace, key=key, suffix=suffix)
        reply: pb.AppendResponse = await self._call("Append", request, reach, writes=True)
        return reply.length

    async def increment(self, key: bytes, amount: int, reach: Reach) -> int:
        """Add to a number and return what it came to."""
        request = pb.IncrementRequest(keyspace=reach.keyspace, key=key, amount=amount)
        reply: pb.IncrementResponse = await self._call("Increment", request, reach, writes=True)
        return reply.number

    async def get_stale(self, key: bytes, max_age_ms: int, reach: Reach) -> Value:
        """Read a key as it was at most so long ago."""
        request = pb.GetRequest(keyspace=reach.keyspace, key=key, max_age_ms=max_age_ms)
        reply: pb.GetResponse = await self._call("Get", request, reach, writes=False)
        stamp = Version(reply.stamp.time, reply.stamp.writer) if reply.HasField("stamp") else None
        return Value(reply.value if reply.found else None, stamp, reply.expires_at_ms)


def _version(reply: pb.PutResponse) -> Version | None:
    return None if reply.unmet else Version(reply.stamp.time, reply.stamp.writer)


def _found(seen: pb.Observed) -> Value:
    if not seen.found:
        return Value(None, None, 0)
    return Value(seen.value, Version(seen.stamp.time, seen.stamp.writer), seen.expires_at_ms)
