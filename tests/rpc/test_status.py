"""Failures on the wire."""

import pytest
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from dynakv.errors import Failure, Kind
from dynakv.rpc import status
from dynakv.v1 import kvstore_pb2 as pb

TABLE = [
    (Kind.INVALID, "INVALID_ARGUMENT", "never", pb.RETRY_NEVER),
    (Kind.PRECONDITION, "FAILED_PRECONDITION", "never", pb.RETRY_NEVER),
    (Kind.UNAVAILABLE, "UNAVAILABLE", "safe", pb.RETRY_SAFE),
    (Kind.EXHAUSTED, "RESOURCE_EXHAUSTED", "safe", pb.RETRY_SAFE),
    (Kind.TIMEOUT, "DEADLINE_EXCEEDED", "safe", pb.RETRY_SAFE),
    (Kind.UNKNOWN, "UNKNOWN", "same-stamp", pb.RETRY_SAME_STAMP),
]


def test_every_kind_is_in_the_table() -> None:
    assert [kind for kind, *_ in TABLE] == list(Kind)


@pytest.mark.parametrize(("kind", "code", "word", "retry"), TABLE)
def test_details_and_entry_errors_say_the_same(
    kind: Kind, code: str, word: str, retry: pb.Retry
) -> None:
    failure = Failure(kind, "why")
    details = Status.FromString(status.details_of(failure))
    info = ErrorInfo()
    details.details[0].Unpack(info)
    assert (details.code, details.message) == (Code.Value(code), "why")
    assert info == ErrorInfo(reason=kind.name, domain="dynakv", metadata={"retry": word})
    assert status.entry_errors([3, 1], failure) == pb.EntryErrors(
        entries=[3, 1], code=Code.Value(code), reason=kind.name, message="why", retry=retry
    )
