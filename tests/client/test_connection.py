import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
import pytest

from dynakv.client.connection import Connection, Reach, UnreachableError, Value, Version
from dynakv.core.layout import Level
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError, UsageError
from dynakv.v1 import ring_pb2
from tests.client.conftest import STAMP, FakeStore

T = TypeVar("T")
NOBODY = "127.0.0.1:1"
VERSION = Version(STAMP.time, STAMP.writer)


def run(endpoints: list[str], use: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with Connection(endpoints) as connection:
            return await use(connection)

    return asyncio.run(connected())


def test_a_value_is_written_read_and_deleted(store: FakeStore) -> None:
    async def use(connection: Connection) -> list[object]:
        return [
            await connection.put(b"k", b"v", Reach()),
            await connection.get(b"k", Reach()),
            await connection.expire(b"k", 5, Reach()),
            await connection.persist(b"k", Reach()),
            await connection.delete(b"k", Reach()),
            await connection.get(b"k", Reach()),
            await connection.persist(b"k", Reach()),
            (await connection.ring_state()).answered_by,
        ]

    found = Value(b"v", VERSION, 1_700_000_060_000)
    nothing = Value(None, None, 0)
    expected = [VERSION, found, True, True, VERSION, nothing, False, "n1"]
    assert run([store.endpoint], use) == expected


def test_level_replicas_keyspace_and_ttl_reach_the_node(store: FakeStore) -> None:
    reach = Reach("ks", None, 2)
    run([store.endpoint], lambda c: c.put(b"k", b"v", reach, ttl_ms=7))
    run([store.endpoint], lambda c: c.get(b"k", Reach("ks", Level.ALL)))
    put, get = store.requests
    assert (put.keyspace, put.w, put.ttl_ms, put.level) == ("ks", 2, 7, ring_pb2.LEVEL_UNSPECIFIED)
    assert (get.keyspace, get.r, get.level) == ("ks", 0, ring_pb2.LEVEL_ALL)


def test_endpoints_are_tried_in_order_until_one_connects(store: FakeStore) -> None:
    async def use(connection: Connection) -> str:
        await connection.get(b"k", Reach())
        return connection.endpoint

    assert run([NOBODY, store.endpoint], use) == store.endpoint


def test_an_error_names_all_endpoints_that_were_tried() -> None:
    with pytest.raises(UnreachableError, match=r"tried 127\.0\.0\.1:1, 127\.0\.0\.1:2 "):
        run([NOBODY, "127.0.0.1:2"], lambda c: c.get(b"k", Reach()))


def test_a_call_that_failed_is_never_repeated_at_another_endpoint(store: FakeStore) -> None:
    store.failure = (grpc.StatusCode.UNAVAILABLE, None)
    with pytest.raises(UnknownOutcomeError):
        run([store.endpoint, store.endpoint], lambda c: c.put(b"k", b"v", Reach()))
    assert len(store.requests) == 1


CODES = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "retry", "of_put", "of_get"),
    [
        (CODES.INVALID_ARGUMENT, "never", UsageError, UsageError),
        (CODES.UNAVAILABLE, "safe", RefusedError, RefusedError),
        (CODES.RESOURCE_EXHAUSTED, "safe", RefusedError, RefusedError),
        (CODES.UNKNOWN, "same-stamp", UnknownOutcomeError, UnknownOutcomeError),
        # Without a word about retries only the kind of call tells what may have happened.
        (CODES.UNAVAILABLE, None, UnknownOutcomeError, RefusedError),
        (CODES.DEADLINE_EXCEEDED, None, UnknownOutcomeError, RefusedError),
        (CODES.INTERNAL, None, UnknownOutcomeError, RefusedError),
        (CODES.UNIMPLEMENTED, None, UsageError, UsageError),
        (CODES.RESOURCE_EXHAUSTED, None, RefusedError, RefusedError),
    ],
)
def test_a_status_becomes_what_the_caller_may_do_next(
    store: FakeStore,
    code: grpc.StatusCode,
    retry: str | None,
    of_put: type[DynaKVError],
    of_get: type[DynaKVError],
) -> None:
    store.failure = (code, retry)
    with pytest.raises(of_put, match="as told"):
        run([store.endpoint], lambda c: c.put(b"k", b"v", Reach()))
    with pytest.raises(of_get, match="as told"):
        run([store.endpoint], lambda c: c.get(b"k", Reach()))


def test_a_refused_connection_is_given_up_at_once() -> None:
    async def use() -> None:
        async with asyncio.timeout(10), Connection([NOBODY], connect_ms=3_600_000) as connection:
            await connection.get(b"k", Reach())

    with pytest.raises(UnreachableError):
        asyncio.run(use())


def test_an_endpoint_that_never_answers_does_not_hide_the_next(store: FakeStore) -> None:
    async def use(silent: str) -> str:
        async with Connection([silent, store.endpoint], connect_ms=50) as connection:
            await connection.get(b"k", Reach())
            return connection.endpoint

    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = f"127.0.0.1:{listener.getsockname()[1]}"
        assert asyncio.run(use(silent)) == store.endpoint


def test_after_a_lost_call_the_next_one_goes_to_another_endpoint(store: FakeStore) -> None:
    async def use(connection: Connection) -> list[str]:
        await connection.get(b"k", Reach())
        visited = [connection.endpoint]
        store.failure = (CODES.UNAVAILABLE, None)
        with pytest.raises(RefusedError):
            await connection.get(b"k", Reach())
        store.failure = None
        await connection.get(b"k", Reach())
        return [*visited, connection.endpoint]

    alias = store.endpoint.replace("127.0.0.1", "localhost")
    assert run([store.endpoint, alias], use) == [store.endpoint, alias]


def test_a_refusal_by_a_node_keeps_the_connection(store: FakeStore) -> None:
    async def use(connection: Connection) -> str:
        store.failure = (CODES.UNAVAILABLE, "safe")
        with pytest.raises(RefusedError):
            await connection.get(b"k", Reach())
        store.failure = None
        await connection.get(b"k", Reach())
        return connection.endpoint

    alias = store.endpoint.replace("127.0.0.1", "localhost")
    assert run([store.endpoint, alias], use) == store.endpoint
