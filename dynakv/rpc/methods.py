"""One way to serve a unary method: what is wrong with a call becomes its status, no stack trace.

A method returns its response or why there is none (a Failure, or the node's Refused), or raises
UsageError for a request that contradicts itself, PeerError for one that no member of a cluster
sends. Bytes that are no request at all are
refused here as well: left to gRPC they would become UNKNOWN, which tells a writer that the write
may have happened.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, cast

from google.protobuf.message import DecodeError, Message
from grpc import RpcMethodHandler, unary_unary_rpc_method_handler
from grpc.aio import ServicerContext

from dynakv import limits
from dynakv.errors import Failure, Kind, PeerError, UsageError
from dynakv.node.messages import Refused
from dynakv.rpc import status

Context = ServicerContext[Any, Any]
Method: TypeAlias = "RpcMethodHandler[Any, Any]"  # generic for the type checker only
Request = TypeVar("Request", bound=Message)
Refusal = Failure | Refused


def unary(
    method: Callable[[Request, Context], Awaitable[Message | Refusal]], request_type: type[Request]
) -> Method:
    """Return the gRPC handler that serves `method`."""

    async def serve(raw: bytes, context: Context) -> bytes:
        try:
            request = request_type.FromString(raw)
        except DecodeError:
            name = request_type.DESCRIPTOR.full_name
            reason = f"the {len(raw)} bytes of the request are no {name}"
            await status.abort(context, Failure(Kind.INVALID, reason))
        try:
            response = await method(request, context)
        except (UsageError, PeerError) as error:
            response = Failure(Kind.INVALID, str(error))
        if isinstance(response, Refused):
            await status.abort(context, response.failure, response.leader)
        if isinstance(response, Failure):
            await status.abort(context, response)
        return response.SerializeToString()

    return unary_unary_rpc_method_handler(serve)


def timeout_ms(context: Context) -> int:
    """Return how long the node may take, at most DEADLINE_MS_MAX; 0 where the caller sets no end.

    It is a little less than what is left of the caller's deadline, so that the caller is told what
    was wrong and whether anything was done: its own end of waiting says neither.
    """
    left = cast("float | None", context.time_remaining())  # the published type forgets None
    if left is None:
        return 0
    left_ms = int(left * 1000)
    left_ms -= min(limits.ANSWER_MS, left_ms // 4)
    return min(max(1, left_ms), limits.DEADLINE_MS_MAX)
