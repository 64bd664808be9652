"""What a failed request means for its caller, in words few enough to count by.

The classes are those of `dynakv.errors`: usage (change the request), refused (nothing was done),
unknown (a write that may have happened). What the node says in its ErrorInfo decides; where a call
failed on the way, a read was refused and a write is unknown.
"""

from typing import Any, Final

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from dynakv.v1 import kvstore_pb2 as pb

_OF_RETRY: Final = {"never": "usage", "safe": "refused", "same-stamp": "unknown"}
_OF_ENTRY: Final = {
    pb.RETRY_NEVER: "usage",
    pb.RETRY_SAFE: "refused",
    pb.RETRY_SAME_STAMP: "unknown",
}
_USAGE: Final = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
)


def of_call(error: grpc.RpcError, *, writes: bool) -> str:
    """Return the class and the status of a call that failed, such as `refused UNAVAILABLE`."""
    code: grpc.StatusCode = error.code()
    said = _OF_RETRY.get(_retry_of(error))
    if said is None:
        said = "usage" if code in _USAGE else "unknown" if writes else "refused"
        return f"{said} {code.name} (transport)"
    return f"{said} {code.name}"


def of_entries(errors: pb.EntryErrors) -> str:
    """Return the same for entries of a pipeline."""
    code = code_pb2.Code.Name(errors.code)
    return f"{_OF_ENTRY.get(errors.retry, 'unknown')} {code}"


def _retry_of(error: grpc.RpcError) -> str:
    """Return `retry` of the status's ErrorInfo, empty where there is none."""
    metadata: Any = error.trailing_metadata() or ()  # of the async and the blocking API alike
    for name, raw in metadata:
        if name == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(bytes(raw)).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.metadata.get("retry", ""))
    return ""
