"""The gRPC door for clients, over real gRPC and a fake inbox."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.core.record import Record, with_value, written
from dynakv.errors import Failure, Kind
from dynakv.node.messages import (
    KEEP_EXPIRY,
    ClientMessage,
    ClientReply,
    Expire,
    Expired,
    Found,
    Get,
    List,
    Listed,
    Put,
    Refused,
    Stored,
)
from dynakv.rpc import kvstore
from dynakv.rpc.servers import serve_clients
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc, ring_pb2
from tests.rpc.test_snapshots import Keeper

Run = Callable[[Coroutine[Any, Any, None]], None]
HLC = 1_000 << 16


@contextlib.asynccontextmanager
async def door(inbox: Any) -> AsyncIterator[tuple[Any, grpc.aio.Channel]]:
    server = await serve_clients(inbox, "127.0.0.1:0", wall_ms=lambda: 123)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield kvstore_pb2_grpc.KVStoreStub(channel), channel
    await server.stop()


def stored(message: ClientMessage) -> list[ClientReply]:
    return [
        Stored([0], [5], [6], [None] if isinstance(message, Put) and message.previous else None)
    ]


def error_info(error: grpc.aio.AioRpcError) -> ErrorInfo:
    trailing = error.trailing_metadata()
    assert trailing is not None
    status = Status.FromString(trailing["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info = ErrorInfo()
    status.details[0].Unpack(info)
    return info


def test_every_method_of_the_service_is_served(inbox: Any) -> None:
    store = kvstore.KVStore(inbox, snapshots=Keeper())
    assert set(store.handlers()) == {m.name for m in kvstore.SERVICE.methods}


def test_put_hands_all_its_options_to_the_node(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            stamp = pb.Stamp(time=1, writer=2)
            request = pb.PutRequest(
                keyspace="ks",
                key=b"\x00k",
                value=b"",
                ttl_ms=7,
                level=ring_pb2.LEVEL_ALL,
                w=3,
                previous=True,
                stamp=stamp,
            )
            reply = await stub.Put(request)
        assert reply == pb.PutResponse(
            hlc=HLC, stamp=pb.Stamp(time=5, writer=6), previous=pb.Observed()
        )

    run(scenario())
    assert inbox.asked == [
        Put("ks", [b"\x00k"], [b""], [7], None, [1], [2], Level.ALL, 3, previous=True)
    ]


def test_a_plain_put_leaves_everything_to_the_node(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            reply = await stub.Put(pb.PutRequest(key=b"k", value=b"v"))
        assert not reply.HasField("previous")

    run(scenario())
    assert inbox.asked == [Put("default", [b"k"], [b"v"])]


def test_the_largest_numbers_reach_the_node_as_they_are(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            await stub.Put(pb.PutRequest(key=b"k", ttl_ms=(1 << 63) - 1, w=(1 << 32) - 1))

    run(scenario())
    assert inbox.asked == [Put("default", [b"k"], [b""], [(1 << 63) - 1], w=(1 << 32) - 1)]


def test_keep_ttl_is_the_node_s_keep_expiry(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            await stub.Put(pb.PutRequest(key=b"k", value=b"v", keep_ttl=True))

    run(scenario())
    assert inbox.asked[0].expiries_ms == [KEEP_EXPIRY]


def test_delete_is_a_put_of_no_value(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            reply = await stub.Delete(pb.DeleteRequest(key=b"k", w=2))
        assert reply == pb.DeleteResponse(hlc=HLC, stamp=pb.Stamp(time=5, writer=6))

    run(scenario())
    assert inbox.asked == [Put("default", [b"k"], [None], w=2)]


STAMP = pb.Stamp(time=9 << 16, writer=2)


@pytest.mark.parametrize(
    ("record", "response"),
    [
        (None, pb.GetResponse(hlc=HLC)),
        (written(b"k", None, 0, 9 << 16, 2), pb.GetResponse(hlc=HLC, stamp=STAMP)),
        (
            written(b"k", b"v", 50, 9 << 16, 2),
            pb.GetResponse(hlc=HLC, found=True, value=b"v", stamp=STAMP, expires_at_ms=50),
        ),
        (
            with_value(b"k", b"", 9 << 16, 2),
            pb.GetResponse(hlc=HLC, found=True, stamp=STAMP),
        ),
        # Written after the deadline of its expiry register: that deadline is spent.
        (
            written(b"k", b"v", 8, 9 << 16, 2),
            pb.GetResponse(hlc=HLC, found=True, value=b"v", stamp=STAMP),
        ),
    ],
)
def test_get_answers_what_was_found(
    inbox: Any, run: Run, record: Record | None, response: pb.GetResponse
) -> None:
    async def scenario() -> None:
        inbox.client_reply = lambda message: [Found([0], [record])]
        async with door(inbox) as (stub, _):
            assert await stub.Get(pb.GetRequest(key=b"k", r=1)) == response

    run(scenario())
    assert inbox.asked == [Get("default", [b"k"], None, 1)]


def test_expire_and_persist_say_whether_they_applied(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = lambda message: [Expired([0], [message.ttls_ms is not None])]
        async with door(inbox) as (stub, _):
            assert (await stub.Expire(pb.ExpireRequest(key=b"k", ttl_ms=5))).applied
            assert not (await stub.Persist(pb.PersistRequest(key=b"k"))).applied

    run(scenario())
    assert inbox.asked == [Expire("default", [b"k"], [5]), Expire("default", [b"k"])]


def test_list_goes_on_where_its_cursor_says(inbox: Any, run: Run) -> None:
    pages = {None: b"b\xff", b"b\xff": None}

    async def scenario() -> None:
        inbox.client_reply = lambda message: [
            Listed([0], [written(b"b", b"v", 50, 9 << 16, 2)], pages[message.after])
        ]
        async with door(inbox) as (stub, _):
            request = pb.ListRequest(start=b"a", end=b"c", limit=1)
            first = await stub.List(request)
            request.cursor = first.next_cursor
            last = await stub.List(request)
        entry = pb.ListedEntry(key=b"b", value=b"v", stamp=STAMP, expires_at_ms=50)
        assert list(first.entries) == [entry]
        assert first.next_cursor
        assert last == pb.ListResponse(hlc=HLC, entries=[entry])

    run(scenario())
    assert inbox.asked == [
        List("default", b"a", b"c", None, 1),
        List("default", b"a", b"c", b"b\xff", 1),
    ]


@pytest.mark.parametrize(
    ("kind", "code", "retry"),
    [
        (Kind.INVALID, grpc.StatusCode.INVALID_ARGUMENT, "never"),
        (Kind.PRECONDITION, grpc.StatusCode.FAILED_PRECONDITION, "never"),
        (Kind.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE, "safe"),
        (Kind.EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED, "safe"),
        (Kind.TIMEOUT, grpc.StatusCode.DEADLINE_EXCEEDED, "safe"),
        (Kind.UNKNOWN, grpc.StatusCode.UNKNOWN, "same-stamp"),
    ],
)
def test_a_failure_shows_its_status_and_what_to_do_next(
    inbox: Any, run: Run, kind: Kind, code: grpc.StatusCode, retry: str
) -> None:
    async def scenario() -> None:
        inbox.client_reply = lambda message: [Refused([0], Failure(kind, "because ünd so"))]
        async with door(inbox) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Get(pb.GetRequest(key=b"k"))
        assert caught.value.code() == code
        assert caught.value.details() == "because ünd so"
        assert error_info(caught.value) == ErrorInfo(
            reason=kind.name, domain="dynakv", metadata={"retry": retry}
        )

    run(scenario())


@pytest.mark.parametrize(
    ("method", "request_", "names"),
    [
        ("Put", pb.PutRequest(key=b"k", level=99), "level is 99"),  # type: ignore[arg-type]
        ("Get", pb.GetRequest(key=b"k", level=-1), "level is -1"),  # type: ignore[arg-type]
        ("Put", pb.PutRequest(key=b"k", ttl_ms=-1), "ttl_ms is -1"),
        ("Put", pb.PutRequest(key=b"k", expires_at_ms=KEEP_EXPIRY), "expires_at_ms is -1"),
        ("Put", pb.PutRequest(key=b"k", ttl_ms=1, expires_at_ms=1), "at most one"),
        ("Put", pb.PutRequest(key=b"k", ttl_ms=1, keep_ttl=True), "at most one"),
        ("List", pb.ListRequest(prefix=b"a", start=b"b"), "prefix excludes"),
        ("List", pb.ListRequest(cursor=b"forged"), "cursor"),
        ("List", pb.ListRequest(cursor=b"\x01" + bytes(4097)), "4098 bytes"),
        ("Expire", pb.ExpireRequest(key=b"k"), "ttl_ms or expires_at_ms"),
        ("Expire", pb.ExpireRequest(key=b"k", ttl_ms=-5), "ttl_ms is -5"),
    ],
)
def test_what_only_protobuf_can_say_is_an_invalid_argument(
    inbox: Any, run: Run, method: str, request_: Any, names: str
) -> None:
    async def scenario() -> None:
        async with door(inbox) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(stub, method)(request_)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert names in (caught.value.details() or "")
        assert error_info(caught.value).metadata["retry"] == "never"

    run(scenario())
    assert inbox.asked == []


def test_bytes_that_are_no_request_are_an_invalid_argument(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/dynakv.v1.KVStore/Put")(b"\xff\xff")
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "dynakv.v1.PutRequest" in (caught.value.details() or "")

    run(scenario())


def test_an_oversize_message_is_refused_and_the_next_one_served(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Put(pb.PutRequest(key=b"k", value=bytes(limits.MESSAGE_BYTES_MAX)))
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            await stub.Put(pb.PutRequest(key=b"k", value=bytes(limits.VALUE_BYTES_HARD_MAX)))

    run(scenario())
    assert len(inbox.asked) == 1


def test_a_full_inbox_is_resource_exhausted(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.full = True
        async with door(inbox) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Get(pb.GetRequest(key=b"k"))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error_info(caught.value).metadata["retry"] == "safe"

    run(scenario())


def test_the_caller_s_deadline_is_the_operation_s(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = stored
        async with door(inbox) as (stub, _):
            await stub.Put(pb.PutRequest(key=b"k"), timeout=5)
            await stub.Put(pb.PutRequest(key=b"k"), timeout=3600)

    run(scenario())
    assert 4_000 < inbox.asked[0].timeout_ms < 5_100  # gRPC rounds it up on its way
    assert inbox.asked[1].timeout_ms == limits.DEADLINE_MS_MAX


def test_an_answer_to_a_caller_who_went_away_is_dropped(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        failures: list[dict[str, Any]] = []

        def failed(_: object, context: dict[str, Any]) -> None:
            # gRPC has one poller for all loops of a process: an event for the closed loop of an
            # earlier test may come up in this one, and is no failure of ours.
            if "PollerCompletionQueue" not in context["message"]:
                failures.append(context)

        loop.set_exception_handler(failed)
        async with door(inbox) as (stub, _):
            call = stub.Get(pb.GetRequest(key=b"gone"))
            await inbox.until(lambda: inbox.asked)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            inbox.client_reply = lambda message: [Found([0], [None])]
            await stub.Get(pb.GetRequest(key=b"k"))  # by now the server knows of the cancellation
            inbox.answers[0](Found([0], [None]))
        assert failures == []

    run(scenario())


def test_handshake_says_who_and_when(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (stub, _):
            assert await stub.Handshake(pb.HandshakeRequest()) == pb.HandshakeResponse(
                cluster_id=inbox.the_layout.cluster_id, node_id="n1", epoch=1, hlc=HLC, wall_ms=123
            )

    run(scenario())
