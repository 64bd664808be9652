"""How a failure shows on the wire: a gRPC status with google.rpc.ErrorInfo.

The status code says what went wrong in gRPC's words; the metadata `retry` of the ErrorInfo says
what the caller may do next, which the code alone does not: a client needs no table of ours.
"""

from collections.abc import Iterable
from typing import Final, Never

from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import ServicerContext

from dynakv.errors import Failure, Kind
from dynakv.v1 import kvstore_pb2 as pb

DOMAIN: Final = "dynakv"
DETAILS_KEY: Final = "grpc-status-details-bin"  # where grpc_status.rpc_status looks for it

CODES: Final[dict[Kind, StatusCode]] = {
    Kind.INVALID: StatusCode.INVALID_ARGUMENT,
    Kind.PRECONDITION: StatusCode.FAILED_PRECONDITION,
    Kind.UNAVAILABLE: StatusCode.UNAVAILABLE,
    Kind.EXHAUSTED: StatusCode.RESOURCE_EXHAUSTED,
    Kind.TIMEOUT: StatusCode.DEADLINE_EXCEEDED,
    Kind.UNKNOWN: StatusCode.UNKNOWN,
}

_NEVER, _SAFE, _SAME_STAMP = "never", "safe", "same-stamp"
_RETRIES: Final[dict[Kind, str]] = {
    Kind.INVALID: _NEVER,
    Kind.PRECONDITION: _NEVER,
    Kind.UNAVAILABLE: _SAFE,
    Kind.EXHAUSTED: _SAFE,
    Kind.TIMEOUT: _SAFE,
    Kind.UNKNOWN: _SAME_STAMP,
}
_RETRIES_OUT: Final = {
    _NEVER: pb.RETRY_NEVER,
    _SAFE: pb.RETRY_SAFE,
    _SAME_STAMP: pb.RETRY_SAME_STAMP,
}


def details_of(failure: Failure, leader: str = "") -> bytes:
    """Return the serialised google.rpc.Status of a failure; `leader` is the node to ask instead."""
    info = Any()
    metadata = {"retry": _RETRIES[failure.kind]}
    if leader:
        metadata["leader"] = leader
    info.Pack(
        ErrorInfo(
            reason=failure.kind.name,
            domain=DOMAIN,
            metadata=metadata,
        )
    )
    code = _number(CODES[failure.kind])
    raw: bytes = Status(code=code, message=failure.reason, details=[info]).SerializeToString()
    return raw


async def abort(
    context: ServicerContext,  # type: ignore[type-arg]
    failure: Failure,
    leader: str = "",
) -> Never:
    """End a call with a failure; raises what gRPC ends calls with."""
    details = ((DETAILS_KEY, details_of(failure, leader)),)
    await context.abort(CODES[failure.kind], failure.reason, details)


def entry_errors(entries: Iterable[int], failure: Failure, leader: str = "") -> pb.EntryErrors:
    """Return the failure of some entries of a step."""
    return pb.EntryErrors(
        entries=entries,
        code=_number(CODES[failure.kind]),
        reason=failure.kind.name,
        message=failure.reason,
        retry=_RETRIES_OUT[_RETRIES[failure.kind]],
        leader=leader,
    )


def _number(code: StatusCode) -> int:
    number: int = code.value[0]
    return number
