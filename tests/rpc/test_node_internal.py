"""The gRPC door for peers, over real gRPC and a fake inbox."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import pytest

from dynakv.core.record import written
from dynakv.node.messages import (
    FRAME_VERSION,
    Beat,
    Beaten,
    Failed,
    Header,
    Load,
    Loaded,
    Outcome,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
    Saved,
)
from dynakv.rpc import codec, node_internal
from dynakv.rpc.servers import serve_peers
from dynakv.v1 import node_internal_pb2 as pb
from dynakv.v1 import node_internal_pb2_grpc

Run = Callable[[Coroutine[Any, Any, None]], None]
HEADER = Header(FRAME_VERSION, "n2", 1, 2, 3, 4, 5)
SAVE = Save(1, 2, [written(b"k", b"v", 0, 3, 4)])
LOAD = Load(1, 2, [b"k"])
UNBOUNDED = (("grpc.max_receive_message_length", -1),)
METHOD = "/dynakv.v1.NodeInternal/Exchange"


@contextlib.asynccontextmanager
async def door(inbox: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield a stub and an open Exchange."""
    server = await serve_peers(inbox, "127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", UNBOUNDED) as channel:
        exchange = channel.stream_stream(METHOD)()
        hello = codec.decode_frame(await exchange.read())
        assert hello == codec.Frame(inbox.header(), [], [], [])
        yield node_internal_pb2_grpc.NodeInternalStub(channel), exchange
        exchange.cancel()
    await server.stop()


def asks(*messages: PeerMessage, header: Header = HEADER) -> bytes:
    """Return a frame with these asks, called 0, 1, ..."""
    return codec.frame(header, [codec.ask_part(i, 9, m) for i, m in enumerate(messages)])


async def replies(exchange: Any, count: int) -> dict[int, PeerReply]:
    found: dict[int, PeerReply] = {}
    while len(found) < count:
        found.update(codec.decode_frame(await exchange.read()).replies)
    return found


def test_every_method_of_the_service_is_served(inbox: Any) -> None:
    door = node_internal.NodeInternal(inbox)
    assert set(door.handlers()) == {method.name for method in node_internal.SERVICE.methods}
    assert f"/{node_internal.SERVICE.full_name}/Exchange" == METHOD


def test_replies_find_their_asks_in_any_order(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(SAVE, LOAD))
            await inbox.until(lambda: len(inbox.peer_answers) == 2)
            inbox.peer_answers[1](Loaded(None, [None]))
            assert await replies(exchange, 1) == {1: Loaded(None, [None])}
            inbox.peer_answers[0](Saved(None, None))
            assert await replies(exchange, 1) == {0: Saved(None, None)}

    run(scenario())
    assert inbox.peer_asked == [("n2", SAVE), ("n2", LOAD)]
    assert inbox.headers == [HEADER]


def test_replies_of_one_turn_leave_in_one_frame(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(*[SAVE] * 100))
            await inbox.until(lambda: len(inbox.peer_answers) == 100)
            for answer in inbox.peer_answers:
                answer(Saved(None, None))
            assert len(codec.decode_frame(await exchange.read()).replies) == 100

    run(scenario())


def test_a_kind_this_node_does_not_know_is_unsupported(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        unknown = pb.Frame(asks=[pb.Ask(call=7)]).SerializeToString()
        async with door(inbox) as (_, exchange):
            await exchange.write(codec.frame(HEADER, [unknown]))
            assert await replies(exchange, 1) == {7: Failed(Reason.UNSUPPORTED)}

    run(scenario())


def test_nothing_of_a_newer_version_is_used(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        header = Header(FRAME_VERSION + 1, "n2", 1, 2, 3, 4, 5)
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(SAVE, header=header))
            assert await replies(exchange, 1) == {0: Failed(Reason.UNSUPPORTED)}

    run(scenario())
    assert inbox.peer_asked == []
    assert inbox.headers == []


def test_nothing_of_a_stranger_is_used(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.known = False
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(SAVE, Beat(1, 2, 3)))
            foreign = Failed(Reason.FOREIGN)
            assert await replies(exchange, 2) == {0: foreign, 1: foreign}

    run(scenario())
    assert inbox.peer_asked == []


def test_a_full_inbox_is_overloaded(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.full = True
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(SAVE))
            assert await replies(exchange, 1) == {0: Failed(Reason.OVERLOADED)}

    run(scenario())


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"\xff\xff", "no frame"),
        (b"", "header"),
        (codec.frame(HEADER, [codec.reply_part(1, Saved(None, None))]), "replies"),
    ],
)
def test_a_malformed_frame_ends_its_stream_and_no_other(
    inbox: Any, run: Run, raw: bytes, names: str
) -> None:
    async def scenario() -> None:
        async with door(inbox) as (stub, exchange):
            await exchange.write(raw)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await exchange.read()
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert names in (caught.value.details() or "")
            await stub.GetRingState(node_internal.ring_pb2.GetRingStateRequest())

    run(scenario())


def test_an_answer_after_its_stream_has_ended_is_dropped(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
        async with door(inbox) as (stub, exchange):
            await exchange.write(asks(SAVE))
            await inbox.until(lambda: inbox.peer_answers)
            exchange.cancel()
            await stub.GetRingState(node_internal.ring_pb2.GetRingStateRequest())
            inbox.peer_answers[0](Saved(None, None))
        inbox.peer_answers[0](Saved(None, None))
        assert failures == []

    run(scenario())


def test_a_connection_lost_in_the_middle_of_a_reply_leaves_no_error(
    inbox: Any, proxy: Any, run: Run
) -> None:
    async def scenario() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
        big = Loaded(None, [written(b"k", bytes(8 << 20), 0, 1, 2)])
        inbox.peer_reply = lambda message: big
        server = await serve_peers(inbox, "127.0.0.1:0")
        async with (
            proxy.before(server.port) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}", UNBOUNDED) as channel,
        ):
            exchange = channel.stream_stream(METHOD)()
            await exchange.write(asks(*[LOAD] * 5))
            await exchange.read()
            await exchange.read()
            proxy.cut()
            with pytest.raises(grpc.aio.AioRpcError):
                await exchange.read()
        await server.stop()
        assert failures == []

    run(scenario())


def test_a_reply_too_large_for_a_message_is_broken(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        big = written(b"k", bytes(8 << 20), 0, 1, 2)
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(Load(1, 2, [b"k"] * 4)))
            await inbox.until(lambda: inbox.peer_answers)
            inbox.peer_answers[0](Loaded(None, [big] * 4))
            assert await replies(exchange, 1) == {0: Failed(Reason.BROKEN)}

    run(scenario())


def test_a_peer_that_reads_no_replies_is_heard_no_further(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        big = Loaded(None, [written(b"k", bytes(8 << 20), 0, 1, 2)])
        inbox.peer_reply = lambda message: big if isinstance(message, Load) else Beaten(1, 2, 3)
        async with door(inbox) as (stub, exchange):
            for call in range(10):
                part = codec.ask_part(call, 9, LOAD)
                await exchange.write(codec.frame(HEADER, [part]))
            await inbox.until(lambda: len(inbox.peer_asked) >= 3)
            for _ in range(20):
                request = pb.HeartbeatRequest(header=codec.to_header(HEADER))
                await stub.Heartbeat(request)
            assert len([m for _, m in inbox.peer_asked if isinstance(m, Load)]) < 10
            assert len(await replies(exchange, 10)) == 10

    run(scenario())


def test_replicate_saves_one_message(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.peer_reply = lambda message: Saved([Outcome.AHEAD], [None])
        ask = pb.Frame.FromString(codec.ask_part(1, 2, SAVE)).asks[0]
        request = pb.ReplicateRequest(header=codec.to_header(HEADER), save=ask.save)
        async with door(inbox) as (stub, _):
            reply = await stub.Replicate(request)
            assert list(reply.saved.outcomes) == [pb.OUTCOME_AHEAD]
            assert list(reply.saved.before.absent) == [0]
            assert reply.header.node_id == "n1"
            inbox.known = False
            assert (await stub.Replicate(request)).failed.reason == pb.REASON_FOREIGN
            inbox.known, inbox.full = True, True
            assert (await stub.Replicate(request)).failed.reason == pb.REASON_OVERLOADED

    run(scenario())
    assert inbox.peer_asked == [("n2", SAVE)]


def test_heartbeat_answers_with_the_node_s_own_view(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.peer_reply = lambda message: Beaten(4, 5, 6, epoch=8)
        beat = pb.Beat(cluster_id=1, layout_digest=2, wall_ms=3, epoch=7)
        async with door(inbox) as (stub, _):
            request = pb.HeartbeatRequest(header=codec.to_header(HEADER), beat=beat)
            reply = await stub.Heartbeat(request)
        assert reply.beaten == pb.Beaten(cluster_id=4, layout_digest=5, wall_ms=6, epoch=8)

    run(scenario())
    assert inbox.peer_asked == [("n2", Beat(1, 2, 3, epoch=7))]


def test_a_unary_request_without_a_header_is_an_invalid_argument(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Heartbeat(pb.HeartbeatRequest())
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT

    run(scenario())


def test_add_node_is_refused_with_a_sentence(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.AddNode(pb.AddNodeRequest(node_id="n9"))
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert "'n9' was not added" in (caught.value.details() or "")

    run(scenario())


def test_an_ask_brings_along_how_long_its_sender_waits(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as (_, exchange):
            await exchange.write(asks(SAVE))
            await inbox.until(lambda: inbox.timeouts_ms)

    run(scenario())
    assert inbox.timeouts_ms == [9]
