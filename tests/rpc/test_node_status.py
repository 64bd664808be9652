"""GetNodeStatus and InspectKey over real gRPC and a fake inbox."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import grpc
import pytest

from dynakv import __version__
from dynakv.core.layout import token_of
from dynakv.core.record import with_expiry, written
from dynakv.errors import StorageError
from dynakv.node.figures import (
    Figures,
    HintFigures,
    NodeFigures,
    PeerFigures,
    QueueFigures,
    RoundFigures,
    StoreFigures,
)
from dynakv.node.messages import Failed, Load, Loaded, Outcome, PeerReply, Reason
from dynakv.rpc.node_status import NodeStatus
from dynakv.rpc.servers import serve_clients
from dynakv.v1 import kvstore_pb2_grpc
from dynakv.v1 import node_status_pb2 as pb
from tests.rpc.conftest import FakeInbox

Run = Callable[[Coroutine[Any, Any, None]], None]
NOW_MS = 50_000
FIGURES = Figures(
    NodeFigures(
        starts=4,
        commit_sequence=9,
        layout_digest=(1 << 64) - 1,
        newest_epoch=1,
        clock_trusted=True,
        clock_leaps=1,
        disk_full=True,
        peers=[PeerFigures("n2", True, -3), PeerFigures("n3", False, None, 4_000)],
        cache_bytes=1,
        cache_bytes_max=2,
        cache_entries=3,
        cache_hits=4,
        cache_misses=5,
        counters={"puts": 6, "gets": 7},
        hints=[HintFigures("n2", 1, 70), HintFigures("n3", 1_284, 99_000, 5_000)],
        tombstones_waiting={"default": 31},
        collection_waits_for={"n3": 2},
        rounds=[RoundFigures("default", "n2", 61_000, 730)],
        tree_drifts=13,
        horizon_ms=14,
    ),
    uptime_ms=8,
    queues=QueueFigures(10, 11, 12),
)


class Inbox(FakeInbox):
    """Also has figures."""

    def __init__(self) -> None:
        super().__init__()
        self.store: Callable[[], Awaitable[StoreFigures]] = self._measured

    def figures(self) -> Figures:
        return FIGURES

    async def store_figures(self) -> StoreFigures:
        return await self.store()

    async def _measured(self) -> StoreFigures:
        return StoreFigures(20, 21, 22, 23, 0.25)


@contextlib.asynccontextmanager
async def door(inbox: Any) -> AsyncIterator[Any]:
    server = await serve_clients(inbox, "127.0.0.1:0", wall_ms=lambda: NOW_MS)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield kvstore_pb2_grpc.KVStoreStub(channel)  # type: ignore[no-untyped-call]
    await server.stop()


def status_of(inbox: Inbox, run: Run) -> pb.GetNodeStatusResponse:
    found: list[pb.GetNodeStatusResponse] = []

    async def scenario() -> None:
        async with door(inbox) as stub:
            found.append(await stub.GetNodeStatus(pb.GetNodeStatusRequest()))

    run(scenario())
    return found[0]


def test_all_figures_reach_the_caller(run: Run) -> None:
    inbox = Inbox()
    header = inbox.header()
    assert status_of(inbox, run) == pb.GetNodeStatusResponse(
        node_id="n1",
        version=__version__,
        cluster_id=header.cluster_id,
        epoch=1,
        layout_digest=(1 << 64) - 1,
        hlc=header.hlc,
        wall_ms=NOW_MS,
        incarnation=77,
        starts=4,
        uptime_ms=8,
        commit_sequence=9,
        clock=pb.ClockStatus(trusted=True, leaps=1),
        peers=[
            pb.PeerStatus(node_id="n2", up=True, clock_offset_ms=-3),
            pb.PeerStatus(node_id="n3", up=False, silent_ms=4_000),
        ],
        load=pb.LoadStatus(client_keys=10, peer_keys=11, client_keys_max=12),
        cache=pb.CacheStatus(bytes=1, bytes_max=2, entries=3, hits=4, misses=5),
        store=pb.StoreStatus(
            rows=20, rows_written=21, database_bytes=22, wal_bytes=23, disk_free_share=0.25
        ),
        counters={"puts": 6, "gets": 7},
        hints=[
            pb.HintStatus(node_id="n2", rows=1, bytes=70),
            pb.HintStatus(node_id="n3", rows=1_284, bytes=99_000, age_ms=5_000),
        ],
        rounds=[pb.RoundStatus(keyspace="default", node_id="n2", age_ms=61_000, took_ms=730)],
        tree_drifts=13,
        horizon_ms=14,
        collection=pb.CollectionStatus(waiting={"default": 31}, waits_for={"n3": 2}),
        disk_full=True,
    )


def test_a_disk_that_failed_leaves_only_its_own_part_out(run: Run) -> None:
    async def failed() -> StoreFigures:
        raise StorageError("gone")

    inbox = Inbox()
    inbox.store = failed
    reply = status_of(inbox, run)
    assert not reply.HasField("store")
    assert reply.starts == 4


def test_a_disk_that_hangs_leaves_only_its_own_part_out(run: Run) -> None:
    async def hanging() -> StoreFigures:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        inbox = Inbox()
        inbox.store = hanging
        status = NodeStatus(inbox, lambda: NOW_MS, disk_ms=1)
        reply = await status.get(pb.GetNodeStatusRequest(), None)
        assert not reply.HasField("store")
        assert reply.counters["puts"] == 6

    run(scenario())


def inspected(inbox: Inbox, run: Run, reply: PeerReply, key: bytes = b"k") -> pb.InspectKeyResponse:
    found: list[pb.InspectKeyResponse] = []
    inbox.peer_reply = lambda message: reply

    async def scenario() -> None:
        async with door(inbox) as stub:
            found.append(await stub.InspectKey(pb.InspectKeyRequest(key=key), timeout=8))

    run(scenario())
    return found[0]


def test_inspect_asks_the_node_s_own_replica_and_nobody_else(run: Run) -> None:
    inbox = Inbox()
    record = written(b"k", b"value", 60_000, 5 << 16, 6)
    found = inspected(inbox, run, Loaded(None, [record]))
    keyspace = inbox.the_layout.keyspaces[0]
    assert inbox.peer_asked == [("n1", Load(keyspace.keyspace_id, 1, [b"k"]))]
    assert inbox.asked == []
    # The caller's own deadline of 8 s; on the wire gRPC rounds it up by up to a hundredth.
    assert 0 < inbox.timeouts_ms[0] <= 8_080
    token = token_of(b"k", hash_tags=False)
    assert (found.node_id, found.token, found.group) == ("n1", token, token >> 62)
    assert found.replica  # three members, three replicas
    assert found.held == pb.HELD_VALUE
    assert (found.value_time, found.value_writer, found.value_bytes) == (5 << 16, 6, 5)
    assert (found.expires_at_ms, found.expiry_time) == (60_000, 5 << 16)
    assert found.checksum == record.checksum


@pytest.mark.parametrize(
    ("reply", "held"),
    [
        (Loaded(None, [None]), pb.HELD_NOTHING),
        (Loaded(None, [written(b"k", None, 0, 5, 6)]), pb.HELD_TOMBSTONE),
        (Loaded(None, [with_expiry(b"k", 60_000, 5, 6)]), pb.HELD_TOMBSTONE),
        (Loaded(None, [written(b"k", b"", NOW_MS, 5, 6)]), pb.HELD_EXPIRED),
        (Loaded(None, [written(b"k", b"", NOW_MS + 1, 5, 6)]), pb.HELD_VALUE),
        (Loaded([Outcome.DAMAGED], [None]), pb.HELD_DAMAGED),
        (Loaded([Outcome.HEALABLE], [None]), pb.HELD_DAMAGED),
    ],
)
def test_what_is_held_is_told_apart(run: Run, reply: PeerReply, held: int) -> None:
    assert inspected(Inbox(), run, reply).held == held


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (pb.InspectKeyRequest(), "INVALID_ARGUMENT", "key has 0 bytes: 1 to 4096"),
        (pb.InspectKeyRequest(key=b"k" * 4097), "INVALID_ARGUMENT", "key has 4097 bytes"),
        (
            pb.InspectKeyRequest(keyspace="x", key=b"k"),
            "INVALID_ARGUMENT",
            "keyspace 'x' does not exist; there are: default",
        ),
    ],
)
def test_bad_questions_name_field_value_and_limit(
    run: Run, request_: pb.InspectKeyRequest, code: str, text: str
) -> None:
    async def scenario() -> None:
        async with door(Inbox()) as stub:
            with pytest.raises(grpc.aio.AioRpcError, match=text) as caught:
                await stub.InspectKey(request_)
            assert caught.value.code().name == code

    run(scenario())


def test_a_replica_that_is_full_or_refuses_is_no_internal_error(run: Run) -> None:
    async def scenario() -> None:
        inbox = Inbox()
        async with door(inbox) as stub:
            inbox.full = True
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.InspectKey(pb.InspectKeyRequest(key=b"k"))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            inbox.full = False
            inbox.peer_reply = lambda message: Failed(Reason.WRONG_EPOCH)
            with pytest.raises(grpc.aio.AioRpcError, match="WRONG_EPOCH") as caught:
                await stub.InspectKey(pb.InspectKeyRequest(key=b"k"))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    run(scenario())
