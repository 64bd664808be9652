"""The classes that failures are counted by."""

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from dynakv.v1 import kvstore_pb2 as pb
from loadtest.failures import of_call, of_entries

Code = grpc.StatusCode


class FakeError(grpc.RpcError):
    def __init__(self, code: Code, retry: str | None) -> None:
        self._code = code
        self._metadata: list[tuple[str, bytes | str]] = [("other", "x")]
        if retry is not None:
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.ErrorInfo(domain="dynakv", metadata={"retry": retry}))
            raw = status_pb2.Status(details=[detail]).SerializeToString()
            self._metadata.append(("grpc-status-details-bin", raw))

    def code(self) -> Code:
        return self._code

    def trailing_metadata(self) -> list[tuple[str, bytes | str]]:
        return self._metadata


@pytest.mark.parametrize(
    ("code", "retry", "writes", "expected"),
    [
        (Code.UNAVAILABLE, "safe", True, "refused UNAVAILABLE"),
        (Code.UNKNOWN, "same-stamp", True, "unknown UNKNOWN"),
        (Code.INVALID_ARGUMENT, "never", False, "usage INVALID_ARGUMENT"),
        (Code.UNAVAILABLE, None, True, "unknown UNAVAILABLE (transport)"),
        (Code.UNAVAILABLE, None, False, "refused UNAVAILABLE (transport)"),
        (Code.UNIMPLEMENTED, None, True, "usage UNIMPLEMENTED (transport)"),
    ],
)
def test_what_the_node_says_decides_and_else_whether_it_was_a_write(
    code: Code, retry: str | None, writes: bool, expected: str
) -> None:
    assert of_call(FakeError(code, retry), writes=writes) == expected


def test_entries_of_a_pipeline_have_the_same_classes() -> None:
    safe = pb.EntryErrors(code=code_pb2.UNAVAILABLE, retry=pb.RETRY_SAFE)
    assert of_entries(safe) == "refused UNAVAILABLE"
    unknown = pb.EntryErrors(code=code_pb2.UNKNOWN, retry=pb.RETRY_SAME_STAMP)
    assert of_entries(unknown) == "unknown UNKNOWN"
