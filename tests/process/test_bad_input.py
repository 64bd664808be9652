"""What no client should send, sent to real nodes: exact status, exact sentence, nothing changed.

Single-key calls, lists and raw bytes are here, pipelines in test_bad_pipelines.py.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from tests.process.bad_input import assert_untouched, contents, served
from tests.process.harness import ALL, Clients, Cluster, refused, retry_of, told

pytestmark = pytest.mark.slow

MIB = 1 << 20
CENTURY_MS = 3_162_240_000_000
EXPIRY_MS_MAX = (1 << 47) - 1
UNKNOWN: Any = 99  # a level that no version has yet
K, V = b"known", b"value"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    yield from served(tmp_path_factory.mktemp("bad-input"))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def stamped(ahead_ms: int) -> pb.PutRequest:
    """Return a put with a client's stamp so far ahead of now."""
    stamp = pb.Stamp(time=(now_ms() + ahead_ms) << 16, writer=7)
    return pb.PutRequest(key=K, value=V, stamp=stamp)


@dataclass(frozen=True)
class Bad:
    """A request and the sentence that refuses it, as a regular expression of all of it."""

    name: str
    request: Any
    sentence: str
    method: str = ""

    def made(self) -> Any:
        """Return the request; one that depends on the time is made when it is sent."""
        return self.request() if callable(self.request) else self.request


EMPTY = r"key is empty: 1 to 4096 bytes are allowed"
LONG = r"key has 4097 bytes: at most 4096 are allowed"
ONE_EXPIRY = r"at most one of ttl_ms, expires_at_ms and keep_ttl may be given"
TTL = rf"ttl_ms is {{}}: 1 to {CENTURY_MS} is allowed, 0 means none"
EXPIRES = rf"expires_at_ms is {{}}: 1 to {EXPIRY_MS_MAX} is allowed, 0 means none"
NO_KEYSPACE = r"keyspace 'nowhere' does not exist; there are: default"
LEVEL = r"level is 99, which this node does not know; it knows 1 \(one\), 2 \(quorum\), 3 \(all\)"
COUNT = r"{} is {}: 1 to 3 is allowed \(keyspace default has n=3\)"
AHEAD = r"stamp stands {} ms ahead of this node's clock: at most 500 ms are allowed"
OLD = r"stamp is {} ms old: at most 60000 ms are allowed"
CURSOR = r"cursor: its {} bytes are none that a listing returned as next_cursor"
LIMIT = r"limit is {}: 1 to 1000 is allowed, 0 means as many as fit a page"
NEEDS = r"expire needs ttl_ms or expires_at_ms above 0; Persist removes both"

CASES = [
    Bad("put-empty-key", pb.PutRequest(value=V), EMPTY),
    Bad("get-empty-key", pb.GetRequest(), EMPTY),
    Bad("delete-empty-key", pb.DeleteRequest(), EMPTY),
    Bad("expire-empty-key", pb.ExpireRequest(ttl_ms=1000), EMPTY),
    Bad("persist-empty-key", pb.PersistRequest(), EMPTY),
    Bad("put-long-key", pb.PutRequest(key=bytes(4097), value=V), LONG),
    Bad("get-long-key", pb.GetRequest(key=bytes(4097)), LONG),
    Bad("delete-long-key", pb.DeleteRequest(key=bytes(4097)), LONG),
    Bad("expire-long-key", pb.ExpireRequest(key=bytes(4097), ttl_ms=1), LONG),
    Bad("persist-long-key", pb.PersistRequest(key=bytes(4097)), LONG),
    Bad(
        "put-large-value",
        pb.PutRequest(key=K, value=bytes(MIB + 1)),
        r"value has 1048577 bytes: at most 1048576 are allowed \(limits.value_bytes_max\)",
    ),
    Bad(
        "put-negative-ttl", pb.PutRequest(key=K, ttl_ms=-1), "ttl_ms is -1; it must not be negative"
    ),
    Bad("put-huge-ttl", pb.PutRequest(key=K, ttl_ms=(1 << 63) - 1), TTL.format((1 << 63) - 1)),
    Bad("put-century", pb.PutRequest(key=K, ttl_ms=CENTURY_MS + 1), TTL.format(CENTURY_MS + 1)),
    Bad(
        "put-negative-expiry",
        pb.PutRequest(key=K, expires_at_ms=-2),
        "expires_at_ms is -2; it must not be negative",
    ),
    Bad(
        "put-keep-expiry", pb.PutRequest(key=K, expires_at_ms=-1), "expires_at_ms is -1; .*negative"
    ),
    Bad(
        "put-huge-expiry",
        pb.PutRequest(key=K, expires_at_ms=EXPIRY_MS_MAX + 1),
        EXPIRES.format(EXPIRY_MS_MAX + 1),
    ),
    Bad("put-two-expiries", pb.PutRequest(key=K, ttl_ms=5, expires_at_ms=5), ONE_EXPIRY),
    Bad("put-ttl-and-keep", pb.PutRequest(key=K, ttl_ms=5, keep_ttl=True), ONE_EXPIRY),
    Bad("expire-nothing", pb.ExpireRequest(key=K), NEEDS),
    Bad("expire-both", pb.ExpireRequest(key=K, ttl_ms=5, expires_at_ms=5), ONE_EXPIRY),
    Bad("expire-negative-ttl", pb.ExpireRequest(key=K, ttl_ms=-5), "ttl_ms is -5; .*negative"),
    Bad("expire-huge-ttl", pb.ExpireRequest(key=K, ttl_ms=1 << 62), TTL.format(1 << 62)),
    Bad("expire-huge", pb.ExpireRequest(key=K, expires_at_ms=1 << 62), EXPIRES.format(1 << 62)),
    Bad("put-w-4", pb.PutRequest(key=K, value=V, w=4), COUNT.format("w", 4)),
    Bad("delete-w-4", pb.DeleteRequest(key=K, w=4), COUNT.format("w", 4)),
    Bad("expire-w-4", pb.ExpireRequest(key=K, ttl_ms=1, w=4), COUNT.format("w", 4)),
    Bad(
        "persist-w-max", pb.PersistRequest(key=K, w=(1 << 32) - 1), COUNT.format("w", "4294967295")
    ),
    Bad("get-r-2^31", pb.GetRequest(key=K, r=1 << 31), COUNT.format("r", 1 << 31)),
    Bad("put-keyspace", pb.PutRequest(key=K, value=V, keyspace="nowhere"), NO_KEYSPACE),
    Bad("get-keyspace", pb.GetRequest(key=K, keyspace="nowhere"), NO_KEYSPACE),
    Bad("delete-keyspace", pb.DeleteRequest(key=K, keyspace="nowhere"), NO_KEYSPACE),
    Bad("expire-keyspace", pb.ExpireRequest(key=K, ttl_ms=1, keyspace="nowhere"), NO_KEYSPACE),
    Bad("persist-keyspace", pb.PersistRequest(key=K, keyspace="nowhere"), NO_KEYSPACE),
    Bad("list-keyspace", pb.ListRequest(keyspace="nowhere"), NO_KEYSPACE),
    Bad(
        "put-nul-keyspace",
        pb.PutRequest(key=K, keyspace="a\0b"),
        r"keyspace 'a\\x00b' does not exist; there are: default",
    ),
    Bad("put-level", pb.PutRequest(key=K, value=V, level=UNKNOWN), LEVEL),
    Bad("get-level", pb.GetRequest(key=K, level=UNKNOWN), LEVEL),
    Bad("delete-level", pb.DeleteRequest(key=K, level=UNKNOWN), LEVEL),
    Bad("expire-level", pb.ExpireRequest(key=K, ttl_ms=1, level=UNKNOWN), LEVEL),
    Bad("persist-level", pb.PersistRequest(key=K, level=UNKNOWN), LEVEL),
    # A call takes some milliseconds; the distance told is that at its arrival.
    Bad("stamp-hour-ahead", lambda: stamped(3_600_000), AHEAD.format(r"3(600000|59\d{4})")),
    Bad("stamp-2s-ahead", lambda: stamped(2_500), AHEAD.format(r"\d{3,4}")),
    Bad("stamp-max", pb.PutRequest(key=K, stamp=pb.Stamp(time=2**64 - 1)), AHEAD.format(r"\d{15}")),
    Bad("stamp-old", lambda: stamped(-61_000), OLD.format(r"6\d{4}")),
    Bad("stamp-zero", pb.PutRequest(key=K, stamp=pb.Stamp()), OLD.format(r"\d{13}")),
    Bad(
        "delete-stamp-zero",
        pb.DeleteRequest(key=K, stamp=pb.Stamp(writer=1)),
        OLD.format(r"\d{13}"),
    ),
    Bad("list-limit", pb.ListRequest(limit=(1 << 31) - 1), LIMIT.format((1 << 31) - 1)),
    Bad("list-limit-1001", pb.ListRequest(limit=1001), LIMIT.format(1001)),
    Bad("list-limit-uint32", pb.ListRequest(limit=(1 << 32) - 1), LIMIT.format((1 << 32) - 1)),
    Bad("list-forged-cursor", pb.ListRequest(cursor=b"forged"), CURSOR.format(6)),
    Bad("list-long-cursor", pb.ListRequest(cursor=b"\x01" + bytes(4097)), CURSOR.format(4098)),
    Bad(
        "list-prefix-and-start",
        pb.ListRequest(prefix=b"a", start=b"b"),
        "prefix excludes start and end: give one or the other",
    ),
    Bad(
        "list-prefix",
        pb.ListRequest(prefix=bytes(4097)),
        "prefix has 4097 bytes: .* 4096 .*",
    ),
    Bad("list-start", pb.ListRequest(start=bytes(4097)), "start has 4097 bytes: .* 4096 .*"),
    Bad("list-end", pb.ListRequest(end=bytes(4097)), "end has 4097 bytes: .* 4096 .*"),
]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_a_bad_request_is_refused_with_its_reason_and_changes_nothing(
    cluster: Cluster, bad: Bad
) -> None:
    async def story() -> None:
        async with Clients(cluster) as clients:
            before = await contents(clients)
            for place in range(len(clients)):
                request = bad.made()
                method = type(request).__name__.removesuffix("Request")
                error = await refused(getattr(clients[place], method)(request, timeout=10))
                assert error.code().name == "INVALID_ARGUMENT", told(error)
                assert re.fullmatch(bad.sentence, error.details() or ""), told(error)
                assert retry_of(error) == "never"
            await assert_untouched(clients, before)

    with cluster.explained():
        asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "raw", "name"),
    [
        ("Put", b"\xff\xff\xff\xff", "PutRequest"),
        ("Put", b"\x0a\x02\xff\xfe\x12\x01k", "PutRequest"),  # a keyspace that is no UTF-8
        ("List", b"\x0a\x02\xff\xfe", "ListRequest"),
        ("Pipeline", b"\x2a\x7f", "PipelineRequest"),  # a step cut short
    ],
)
def test_bytes_that_are_no_request_are_refused(
    cluster: Cluster, method: str, raw: bytes, name: str
) -> None:
    async def story() -> None:
        async with Clients(cluster) as clients:
            before = await contents(clients)
            error = await refused(clients.raw(0, method, raw))
            assert error.code().name == "INVALID_ARGUMENT", told(error)
            expected = f"the {len(raw)} bytes of the request are no dynakv.v1.{name}"
            assert error.details() == expected
            assert retry_of(error) == "never"
            await assert_untouched(clients, before)

    with cluster.explained():
        asyncio.run(story())


def test_what_no_node_takes_at_all_ends_in_grpcs_own_words(cluster: Cluster) -> None:
    async def story() -> None:
        async with Clients(cluster) as clients:
            before = await contents(clients)
            huge = pb.PutRequest(key=K, value=bytes(33 * MIB))
            error = await refused(clients[0].Put(huge, timeout=30))
            assert error.code().name == "RESOURCE_EXHAUSTED", told(error)
            assert "33554432" in (error.details() or ""), told(error)  # the limit
            error = await refused(clients.raw(0, "Levitate", b""))
            assert error.code().name == "UNIMPLEMENTED", told(error)
            await assert_untouched(clients, before)

    with cluster.explained():
        asyncio.run(story())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"k" * 4096, b"x"),
        (b"largest", bytes(range(256)) * 4096),  # 1 MiB
        (b"K" * 4096, b"v" * MIB),
        (b"\x00", b"\x00"),
        (b"a\x00b\x00", b"\x00\x00"),
        (b"\xff\xfe\x80", b"\xc3\x28"),  # no UTF-8
        (b"\xff" * 4096, b""),
        (b"'; DROP TABLE records; --", b"%s"),
    ],
    ids=["key", "value", "both", "nul", "nuls", "no-utf8", "ff", "sql"],
)
def test_the_largest_and_strangest_bytes_are_kept_as_they_are(
    cluster: Cluster, key: bytes, value: bytes
) -> None:
    async def story() -> None:
        async with Clients(cluster) as clients:
            written = await clients[0].Put(pb.PutRequest(key=key, value=value, level=ALL))
            for place in range(len(clients)):
                found = await clients[place].Get(pb.GetRequest(key=key, level=ALL))
                assert (found.found, found.value) == (True, value)
                assert found.stamp == written.stamp
                page = await clients[place].List(pb.ListRequest(prefix=key))
                assert [(e.key, e.value) for e in page.entries][:1] == [(key, value)]
            await clients[0].Delete(pb.DeleteRequest(key=key, level=ALL))

    with cluster.explained():
        asyncio.run(story())


def test_zero_means_not_given_and_the_past_means_deleted(cluster: Cluster) -> None:
    async def story() -> None:
        async with Clients(cluster) as clients:
            key = b"zero"
            zeros = pb.PutRequest(key=key, value=V, ttl_ms=0, expires_at_ms=0, w=0)
            await clients[0].Put(zeros)
            found = await clients[1].Get(pb.GetRequest(key=key, r=0))
            assert (found.value, found.expires_at_ms) == (V, 0)
            for longest in (
                pb.PutRequest(key=key, value=V, ttl_ms=CENTURY_MS),
                pb.PutRequest(key=key, value=V, expires_at_ms=EXPIRY_MS_MAX),
            ):
                await clients[1].Put(longest)
                found = await clients[2].Get(pb.GetRequest(key=key))
                assert found.value == V
                assert found.expires_at_ms >= now_ms() + CENTURY_MS - 60_000
            for past in (1, now_ms() - 1):
                await clients[0].Put(pb.PutRequest(key=key, value=V))
                gone = await clients[2].Put(pb.PutRequest(key=key, value=V, expires_at_ms=past))
                found = await clients[1].Get(pb.GetRequest(key=key))
                assert (found.found, found.value, found.stamp) == (False, b"", gone.stamp)
            await clients[0].Put(pb.PutRequest(key=key, value=V))
            applied = await clients[1].Expire(pb.ExpireRequest(key=key, expires_at_ms=1))
            assert applied.applied
            assert not (await clients[2].Get(pb.GetRequest(key=key))).found
            late = await clients[2].Expire(pb.ExpireRequest(key=key, ttl_ms=1000))
            assert not late.applied

    with cluster.explained():
        asyncio.run(story())


def test_a_cursor_from_elsewhere_shows_nothing_outside_the_range(cluster: Cluster) -> None:
    async def story() -> None:
        async with Clients(cluster) as clients:
            for cursor in (b"\x01", b"\x01a", b"\x01" + bytes(4096), b"\x01known"):
                page = await clients[0].List(pb.ListRequest(start=b"kz", end=b"l", cursor=cursor))
                assert not page.entries
                assert not page.next_cursor
            page = await clients[0].List(pb.ListRequest(start=K, end=K + b"\0", cursor=b"\x01a"))
            assert [e.key for e in page.entries] == [K]

    with cluster.explained():
        asyncio.run(story())
