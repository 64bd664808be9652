"""The methods that only Raft keyspaces serve: conditions, request ids, Append, Increment, Execute.

Each is one batch of one operation or, for Execute, of many.
"""

from collections.abc import Callable
from typing import TypeVar

from dynakv.core.commands import (
    Append,
    Delete,
    Done,
    Expire,
    Forgotten,
    Increment,
    Operation,
    Unmet,
    Wrong,
)
from dynakv.core.layout import DEFAULT_KEYSPACE
from dynakv.errors import Failure, Kind, UsageError
from dynakv.node.messages import Refused
from dynakv.node.raft_messages import Execute, Executed
from dynakv.rpc import commands
from dynakv.rpc.collector import FULL, submit
from dynakv.rpc.fields import observed
from dynakv.rpc.methods import Context, Method, Refusal, timeout_ms, unary
from dynakv.rpc.ports import Inbox
from dynakv.v1 import kvstore_pb2 as pb

_FORGOTTEN = Failure(
    Kind.UNKNOWN,
    "the request id is older than what is remembered: it may have been run, and is not again",
)

_Written = TypeVar("_Written", pb.PutResponse, pb.DeleteResponse)
_Applied = TypeVar("_Applied", pb.ExpireResponse, pb.PersistResponse)


class CommandMethods:
    """Serves single commands and batches out of one node's inbox."""

    def __init__(self, inbox: Inbox, hlc: Callable[[], int]) -> None:
        """Serve `inbox`; `hlc` reads the node's clock."""
        self._inbox = inbox
        self._hlc = hlc

    def handlers(self) -> dict[str, Method]:
        """Return the handlers of the methods that have no other use."""
        return {
            "Append": unary(self.append, pb.AppendRequest),
            "Increment": unary(self.increment, pb.IncrementRequest),
            "Execute": unary(self.execute, pb.ExecuteRequest),
        }

    async def put(self, request: pb.PutRequest, context: Context) -> pb.PutResponse | Refusal:
        """Write one key under a condition or a request id."""
        _check_plain("put", request)
        keyspace = request.keyspace or DEFAULT_KEYSPACE
        operation = commands.put_of(
            "put",
            request.key,
            request.value,
            (request.ttl_ms, request.expires_at_ms),
            commands.default_ttl_ms(self._inbox, keyspace),
            commands.condition_of("put", request),
            keep=request.keep_ttl,
        )
        return await self._written(request, operation, context, pb.PutResponse)

    async def delete(
        self, request: pb.DeleteRequest, context: Context
    ) -> pb.DeleteResponse | Refusal:
        """Delete one key under a condition or a request id."""
        _check_plain("delete", request)
        operation = Delete(request.key, commands.condition_of("delete", request))
        return await self._written(request, operation, context, pb.DeleteResponse)

    async def expire(
        self, request: pb.ExpireRequest, context: Context
    ) -> pb.ExpireResponse | Refusal:
        """Change a deadline where it meets an option, or under a request id."""
        _check_plain("expire", request)
        times_ms = (request.ttl_ms, request.expires_at_ms)
        operation = commands.expire_of("expire", request.key, times_ms, request.when)
        return await self._applied(request, operation, context, pb.ExpireResponse)

    async def persist(
        self, request: pb.PersistRequest, context: Context
    ) -> pb.PersistResponse | Refusal:
        """Take a deadline off under a request id."""
        _check_plain("persist", request)
        return await self._applied(request, Expire(request.key), context, pb.PersistResponse)

    async def append(
        self, request: pb.AppendRequest, context: Context
    ) -> pb.AppendResponse | Refusal:
        """Add to the end of a value."""
        found = await self._one(request, Append(request.key, request.suffix), context)
        if isinstance(found, Refusal):
            return found
        result, leader = found
        assert isinstance(result, Done)
        stamp = pb.Stamp(time=result.time, writer=result.writer)
        return pb.AppendResponse(hlc=self._hlc(), stamp=stamp, length=result.number, leader=leader)

    async def increment(
        self, request: pb.IncrementRequest, context: Context
    ) -> pb.IncrementResponse | Refusal:
        """Add to a number."""
        found = await self._one(request, Increment(request.key, request.amount), context)
        if isinstance(found, Refusal):
            return found
        result, leader = found
        assert isinstance(result, Done)
        stamp = pb.Stamp(time=result.time, writer=result.writer)
        return pb.IncrementResponse(
            hlc=self._hlc(), stamp=stamp, number=result.number, leader=leader
        )

    async def execute(
        self, request: pb.ExecuteRequest, context: Context
    ) -> pb.ExecuteResponse | Refusal:
        """Run a batch."""
        message = commands.execute_of(
            self._inbox,
            "batch",
            request.keyspace,
            [request.batch],
            previous=request.previous,
            timeout_ms=timeout_ms(context),
        )
        part = await self._run(message)
        if isinstance(part, Refusal):
            return part
        return pb.ExecuteResponse(
            hlc=self._hlc(),
            result=commands.result_of(part.results[0], previous=request.previous),
            leader=part.leader,
        )

    async def _written(
        self,
        request: pb.PutRequest | pb.DeleteRequest,
        operation: Operation,
        context: Context,
        response: Callable[..., _Written],
    ) -> _Written | Refusal:
        found = await self._one(request, operation, context, previous=request.previous)
        if isinstance(found, Refusal):
            return found
        result, leader = found
        said = response(hlc=self._hlc(), leader=leader)
        if isinstance(result, Unmet):
            said.unmet = True
            seen = result.found
        else:
            said.stamp.time = result.time
            said.stamp.writer = result.writer
            seen = result.before
        if request.previous:
            said.previous.CopyFrom(observed(seen))
        return said

    async def _applied(
        self,
        request: pb.ExpireRequest | pb.PersistRequest,
        operation: Operation,
        context: Context,
        response: Callable[..., _Applied],
    ) -> _Applied | Refusal:
        found = await self._one(request, operation, context)
        if isinstance(found, Refusal):
            return found
        result, leader = found
        applied = isinstance(result, Done) and result.applied
        return response(hlc=self._hlc(), applied=applied, leader=leader)

    async def _one(
        self,
        request: pb.PutRequest
        | pb.DeleteRequest
        | pb.ExpireRequest
        | pb.PersistRequest
        | pb.AppendRequest
        | pb.IncrementRequest,
        operation: Operation,
        context: Context,
        *,
        previous: bool = False,
    ) -> tuple[Done | Unmet, str] | Refusal:
        """Return what became of the one operation, and the leader; else why nothing did."""
        request_id = request.request_id
        message = Execute(
            request.keyspace or DEFAULT_KEYSPACE,
            [(operation,)],
            [request_id.client],
            [request_id.sequence],
            [request_id.settled_below],
            [request_id.issued_ms],
            previous,
            timeout_ms(context),
        )
        part = await self._run(message)
        if isinstance(part, Refusal):
            return part
        result = part.results[0][0]
        match result:
            case Done() | Unmet():
                return result, part.leader
            case Wrong():
                return Refused([0], Failure(Kind.PRECONDITION, result.reason), part.leader)
            case Forgotten():
                return Refused([0], _FORGOTTEN, part.leader)
            case _:
                raise AssertionError(result)

    async def _run(self, message: Execute) -> Executed | Refusal:
        collector = submit(self._inbox, message)
        if collector is None:
            return FULL
        part = (await collector.parts())[0]
        assert isinstance(part, Executed | Refused)
        return part


def _check_plain(
    name: str,
    request: pb.PutRequest | pb.DeleteRequest | pb.ExpireRequest | pb.PersistRequest,
) -> None:
    """Raise UsageError for what only leaderless keyspaces know."""
    chosen = [field for field in ("level", "w") if getattr(request, field)]
    if isinstance(request, pb.PutRequest | pb.DeleteRequest) and request.HasField("stamp"):
        chosen.append("stamp")
    if chosen:
        raise UsageError(
            f"{name}: {' and '.join(chosen)} cannot be chosen together with a condition, an option"
            " or a request id, which need a keyspace in Raft mode"
        )
