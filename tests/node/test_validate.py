"""Claims about `dynakv.node.validate`: every limit, with the exact message."""

import pytest

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.errors import Failure, Kind
from dynakv.node.messages import ClientMessage, Expire, Found, Get, Put, Stored
from dynakv.node.validate import refusal, replicas_wanted
from tests.node.cluster import START, Cluster

CLUSTER = Cluster(config={"value_bytes_max": 1000})
CONTEXT = CLUSTER.nodes["n1"].context
K, V, NOW = b"k", b"v", START.wall_ms << 16
MIB = b"x" * (1 << 20)


def put(**columns: object) -> Put:
    return Put("default", [K], [V], **columns)  # type: ignore[arg-type]


REFUSED: list[tuple[ClientMessage, str]] = [
    (Get("nope", [K]), "keyspace 'nope' does not exist; there are: default"),
    (Get("", [K]), "keyspace '' does not exist; there are: default"),
    (Get("default", []), "a request has 0 keys: 1 to 1000 are allowed"),
    (Put("default", [], []), "a request has 0 keys: 1 to 1000 are allowed"),
    (Expire("default", []), "a request has 0 keys: 1 to 1000 are allowed"),
    (Get("default", [K] * 1001), "a request has 1001 keys: 1 to 1000 are allowed"),
    (Get("default", [K, b""]), "key is empty: 1 to 4096 bytes are allowed"),
    (Get("default", [K, b"k" * 4097]), "key has 4097 bytes: at most 4096 are allowed"),
    (Get("default", [K], timeout_ms=-1), "timeout is -1 ms: 1 to 60000 is allowed"),
    (Get("default", [K], timeout_ms=60_001), "timeout is 60001 ms: 1 to 60000 is allowed"),
    (Get("default", [K], r=4), "r is 4: 1 to 3 is allowed (keyspace default has n=3)"),
    (Get("default", [K], r=-1), "r is -1: 1 to 3 is allowed (keyspace default has n=3)"),
    (put(w=4), "w is 4: 1 to 3 is allowed (keyspace default has n=3)"),
    (Expire("default", [K], w=4), "w is 4: 1 to 3 is allowed (keyspace default has n=3)"),
    (put(ttls_ms=[-1]), f"ttl_ms is -1: 1 to {limits.TTL_MS_MAX} is allowed, 0 means none"),
    (
        put(ttls_ms=[limits.TTL_MS_MAX + 1]),
        "ttl_ms is 3162240000001: 1 to 3162240000000 is allowed, 0 means none",
    ),
    (
        Expire("default", [K], [-5]),
        "ttl_ms is -5: 1 to 3162240000000 is allowed, 0 means none",
    ),
    (
        put(expiries_ms=[-2]),
        "expires_at_ms is -2: 1 to 140737488355327 is allowed, 0 means none",
    ),
    (
        put(expiries_ms=[1 << 47]),
        "expires_at_ms is 140737488355328: 1 to 140737488355327 is allowed, 0 means none",
    ),
    (
        Expire("default", [K], expiries_ms=[-1]),
        "expires_at_ms is -1: 1 to 140737488355327 is allowed, 0 means none",
    ),
    (put(ttls_ms=[]), "columns of the request differ in length from its 1 keys"),
    (put(expiries_ms=[1, 2]), "columns of the request differ in length from its 1 keys"),
    (Put("default", [K, K], [V]), "columns of the request differ in length from its 2 keys"),
    (put(times=[NOW, NOW], writers=[1]), "columns of the request differ in length from its 1 keys"),
    (put(times=[NOW]), "stamp: times and writers come together or not at all"),
    (put(writers=[7]), "stamp: times and writers come together or not at all"),
    (
        Put("default", [K], [b"v" * 1001]),
        "value has 1001 bytes: at most 1000 are allowed (limits.value_bytes_max)",
    ),
    (
        put(times=[(START.wall_ms + 501) << 16], writers=[7]),
        "stamp stands 501 ms ahead of this node's clock: at most 500 ms are allowed",
    ),
    (
        put(times=[(START.wall_ms - 60_001) << 16], writers=[7]),
        "stamp is 60001 ms old: at most 60000 ms are allowed",
    ),
]

TAKEN: list[Put | Get] = [
    Get("default", [b"k" * 4096] * 1000, r=3, timeout_ms=60_000),
    Put("default", [b"\0", b"\xff\xfe"], [b"", b"v" * 1000]),
    put(w=3, ttls_ms=[limits.TTL_MS_MAX]),
    put(ttls_ms=[0], expiries_ms=[0]),
    put(expiries_ms=[limits.EXPIRY_MS_MAX]),
    put(expiries_ms=[-1]),
    put(times=[((START.wall_ms + 500) << 16) + 65535], writers=[(1 << 64) - 1]),
    put(times=[(START.wall_ms - 60_000) << 16], writers=[0]),
    Put("default", [K], [None]),
]


@pytest.mark.parametrize(("message", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_the_refusal_names_field_value_and_limit(message: ClientMessage, reason: str) -> None:
    assert refusal(CONTEXT, message) == Failure(Kind.INVALID, reason)


@pytest.mark.parametrize("message", TAKEN)
def test_what_stands_at_a_limit_is_taken_and_served(message: Put | Get) -> None:
    assert refusal(CONTEXT, message) is None
    parts = Cluster(config={"value_bytes_max": 1000}).ask(message)
    entries = [i for part in parts if isinstance(part, Stored | Found) for i in part.entries]
    assert sorted(entries) == list(range(len(message.keys)))


def test_values_are_bounded_together() -> None:
    cluster = Cluster()
    context = cluster.nodes["n1"].context
    assert refusal(context, Put("default", [K] * 16, [MIB] * 16)) is None
    failure = refusal(context, Put("default", [K] * 17, [MIB] * 17))
    assert failure is not None
    assert failure.reason == (
        "values of the request have 17825792 bytes together: at most 16777216 are allowed"
    )


def test_a_refused_message_is_answered_with_all_its_entries() -> None:
    cluster = Cluster()
    (refused,) = cluster.ask(Get("nope", [K, K, K]))
    assert refused.entries == [0, 1, 2]  # type: ignore[attr-defined]
    (refused,) = cluster.ask(Get("default", []))
    assert refused.entries == [0]  # type: ignore[attr-defined]


def test_an_explicit_number_overrides_the_level_and_the_level_the_default() -> None:
    one = Cluster(default_level=Level.ONE).nodes["n1"].context.by_name["default"]
    assert replicas_wanted(one, None, 0, 2) == 1
    assert replicas_wanted(one, Level.QUORUM, 0, 2) == 2
    assert replicas_wanted(one, Level.ALL, 0, 2) == 3
    assert replicas_wanted(one, Level.ALL, 1, 2) == 1


def test_the_bounds_for_the_last_column_entry_hold_as_for_the_first() -> None:
    message = Put("default", [K, K], [V, V], ttls_ms=[5, -1])
    failure = refusal(CONTEXT, message)
    assert failure is not None
    assert failure.reason.startswith("ttl_ms is -1")
