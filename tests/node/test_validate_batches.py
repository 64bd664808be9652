"""Claims about `dynakv.node.validate_batches`: every limit, with the exact message."""

import pytest

from dynakv import limits
from dynakv.core.commands import Append, Expire, IfValue, Increment, Operation, Overwrite, Put
from dynakv.core.layout import Mode
from dynakv.errors import Failure, Kind
from dynakv.node.messages import ClientMessage, Get
from dynakv.node.messages import Put as PutMessage
from dynakv.node.raft_messages import Execute
from dynakv.node.validate import refusal
from dynakv.node.validate_batches import batches_bytes
from tests.node.cluster import Cluster

CONTEXT = Cluster(config={"value_bytes_max": 1000}, mode=Mode.RAFT).nodes["n1"].context
LEADERLESS = Cluster().nodes["n1"].context
P = Put(b"k", b"v")


def execute(*operations: Operation, **columns: object) -> Execute:
    return Execute("default", [tuple(operations)], **columns)  # type: ignore[arg-type]


REFUSED: list[tuple[Execute, str]] = [
    (Execute("default", []), "batch is empty: 1 operation at least is needed"),
    (Execute("default", [(P,), ()]), "batch is empty: 1 operation at least is needed"),
    (execute(*[P] * 1001), "a request has 1001 operations: 1 to 1000 are allowed"),
    (execute(Put(b"", b"")), "key has 0 bytes: 1 to 4096 are allowed"),
    (execute(Append(b"k" * 4097, b"")), "key has 4097 bytes: 1 to 4096 are allowed"),
    (
        execute(Append(b"k", b"x" * 1001)),
        "value has 1001 bytes: at most 1000 are allowed (limits.value_bytes_max)",
    ),
    (
        execute(Overwrite(b"k", 0, b"x" * 1001)),
        "value has 1001 bytes: at most 1000 are allowed (limits.value_bytes_max)",
    ),
    (
        execute(Put(b"k", b"", condition=IfValue(b"x" * 1001))),
        "value has 1001 bytes: at most 1000 are allowed (limits.value_bytes_max)",
    ),
    (
        execute(Increment(b"k", 1 << 63)),
        "increment is 9223372036854775808: -9223372036854775807 to 9223372036854775807 is allowed",
    ),
    (
        execute(Put(b"k", b"v", ttl_ms=-1)),
        f"ttl_ms is -1: 1 to {limits.TTL_MS_MAX} is allowed, 0 means none",
    ),
    (
        execute(Expire(b"k", expires_ms=-1)),
        f"expires_at_ms is -1: 1 to {limits.EXPIRY_MS_MAX} is allowed, 0 means none",
    ),
    (
        execute(P, clients=[1, 2], sequences=[1], issued_ms=[1]),
        "columns of the request differ in length from its 1 batches",
    ),
    (execute(P, clients=[1]), "request id: clients come with sequences and issued_ms"),
    (
        execute(P, clients=[1], sequences=[0], issued_ms=[1]),
        "request id: sequence is 0: 1 or more is allowed",
    ),
    (
        execute(P, clients=[1 << 64], sequences=[1], issued_ms=[1]),
        "request id: client, sequence and settled_below are 64-bit numbers",
    ),
    (
        execute(P, Put(b"other", b"v")),
        (
            "a batch spans shard groups: key b'k' is of group 42, key b'other' of group 29; give"
            " it keys of one group, or make a keyspace with hash tags"
        ),
    ),
]


@pytest.mark.parametrize(("message", "reason"), REFUSED)
def test_a_batch_beyond_a_limit_is_refused_by_name(message: Execute, reason: str) -> None:
    assert refusal(CONTEXT, message) == Failure(Kind.INVALID, reason)


def test_a_batch_at_its_limits_is_taken() -> None:
    batch = (P, Put(b"k", b"x" * 1000, ttl_ms=1), Increment(b"k", -((1 << 63) - 1)), Expire(b"k"))
    assert refusal(CONTEXT, execute(*batch)) is None
    assert refusal(CONTEXT, execute(P, clients=[7], sequences=[1], issued_ms=[1])) is None


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (execute(P), "conditions, appends, increments, batches and request ids need"),
        (Get("default", [b"k"], max_age_ms=5), "max_age_ms needs"),
    ],
)
def test_a_leaderless_keyspace_names_raft_mode(message: ClientMessage, what: str) -> None:
    reason = f"{what} a keyspace in Raft mode, default is leaderless"
    assert refusal(LEADERLESS, message) == Failure(Kind.PRECONDITION, reason)


def test_a_raft_keyspace_lets_nobody_choose_a_stamp_or_a_quorum() -> None:
    put = PutMessage("default", [b"k"], [b"v"], times=[1], writers=[1], w=1)
    failure = refusal(CONTEXT, put)
    assert failure is not None
    assert failure.kind is Kind.PRECONDITION
    assert failure.reason.startswith("w and stamp cannot be chosen: keyspace default is in Raft")


def test_the_age_of_a_stale_read_has_a_limit() -> None:
    failure = refusal(CONTEXT, Get("default", [b"k"], max_age_ms=limits.STALE_MS_MAX + 1))
    assert failure is not None
    assert failure.reason == "max_age_ms is 86400001: 0 to 86400000 is allowed"


def test_bytes_of_batches_count_keys_and_what_is_written() -> None:
    assert batches_bytes([(P, Append(b"ab", b"cd")), (Increment(b"n", 1),)]) == 2 + 4 + 1
