"""SIGTERM drains, a second one does not wait; SIGSTOP is a node that answers nobody for a while."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.process.harness import (
    ALL,
    QUORUM,
    Clients,
    Cluster,
    NodeProcess,
    bounded,
    eventually,
    refused,
    retry_of,
    serving,
    told,
    until,
)
from tests.process.history import (
    WORKERS_PER_NODE,
    Load,
    failures,
    read_everything,
    violations,
)

pytestmark = pytest.mark.slow

KEY, VALUE = b"under way", b"held up"


async def held_put(cluster: Cluster, clients: Clients) -> "asyncio.Task[Any]":
    """Return a put at `all` that node 0 has and that waits for node 2, which is stopped."""
    cluster[2].send(signal.SIGSTOP)
    request = pb.PutRequest(key=KEY, value=VALUE, level=ALL)
    put: asyncio.Task[Any] = asyncio.ensure_future(clients[0].Put(request, timeout=20))
    # Once another replica has the value, the coordinator had the put.
    local = pb.GetRequest(key=KEY, level=ring_pb2.LEVEL_ONE)
    found = None
    while found is None or not found.found:
        found = await clients[1].Get(local, timeout=5)
    assert not put.done()
    return put


@bounded
async def test_sigterm_ends_a_node_after_its_calls_and_a_restart_serves(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        put = await held_put(cluster, clients)
        cluster[0].send(signal.SIGTERM)
        await until(lambda: "draining" in cluster[0].events(), "the node drains")
        assert not put.done()
        cluster[2].send(signal.SIGCONT)
        stamp = (await put).stamp
        assert await cluster[0].ended() == 0
        assert cluster[0].events()[-1] == "stopped"
        assert not (cluster[0].data_dir / "dynakv.db-wal").exists()
        late = await refused(clients[0].Put(pb.PutRequest(key=b"late", value=b"x"), timeout=5))
        assert late.code().name == "UNAVAILABLE"
        cluster[0].start()
        await clients.until_serving()
        found = await clients[0].Get(pb.GetRequest(key=KEY, level=ALL), timeout=5)
        assert (found.value, found.stamp) == (VALUE, stamp)
        assert not (await clients[1].Get(pb.GetRequest(key=b"late", level=ALL), timeout=5)).found


@bounded
async def test_a_second_sigterm_does_not_wait_for_the_calls(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        known = await clients[0].Put(pb.PutRequest(key=b"known", value=b"x", level=ALL), timeout=5)
        put = await held_put(cluster, clients)
        cluster[0].send(signal.SIGTERM)
        await until(lambda: "draining" in cluster[0].events(), "the node drains")
        assert not put.done()
        cluster[0].send(signal.SIGTERM)
        assert await cluster[0].ended() == 128 + signal.SIGTERM
        error = await refused(put)
        assert retry_of(error) is None, told(error)  # nobody could say: unknown to the client
        cluster[2].send(signal.SIGCONT)
        cluster[0].start()
        await clients.until_serving()
        found = await clients[0].Get(pb.GetRequest(key=b"known", level=ALL), timeout=5)
        assert found.stamp == known.stamp


@bounded
async def test_a_drain_under_load_ends_cleanly_and_fails_no_call_elsewhere(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        async with Load(clients, seed=3) as load:
            await load.until_acknowledged(300)
            signalled_at = time.monotonic()
            cluster[0].send(signal.SIGTERM)
            assert await cluster[0].ended() == 0
            await load.until_acknowledged(300)
        assert not {"halted"} & set(cluster[0].events()), "a drain is no failing disk"
        assert failures(load.history, lambda o: o.node != 0) == []
        assert failures(load.history, lambda o: o.ended < signalled_at) == []
        # What meets the closing door on its way is lost, at most one call a client; gRPC gives it
        # one of these codes, and neither comes with an ErrorInfo.
        lost = failures(load.history, lambda o: o.node == 0)
        assert len(lost) <= WORKERS_PER_NODE
        assert all("UNAVAILABLE" in line or "CANCELLED" in line for line in lost), lost
        cluster[0].start()
        await clients.until_serving()
        await read_everything(clients, load.history, ALL)
        assert violations(load.history) == []


def misses(node: NodeProcess, peer: NodeProcess) -> bool:
    """Say whether the node's latest word on the peer is that it is down."""
    words = [e["event"] for e in node.logged() if e.get("peer") == peer.node_id]
    return [word for word in words if word in ("peer_up", "peer_down")][-1:] == ["peer_down"]


@bounded
async def test_a_stopped_node_delays_the_others_calls_and_fails_none(tmp_path: Path) -> None:
    victim = 1
    others = [0, 2]
    async with serving(tmp_path) as (cluster, clients):
        async with Load(clients, seed=4, nodes=others) as load:
            await load.until_acknowledged(200)
            cluster[victim].send(signal.SIGSTOP)
            # At once, by hedged reads and by the two disks that do confirm ...
            await load.until_acknowledged(200)
            # ... and beyond the moment at which the others have noticed.
            await until(
                lambda: all(misses(cluster[place], cluster[victim]) for place in others),
                "the others miss the stopped node",
            )
            await load.until_acknowledged(200)
            needs_all = pb.PutRequest(key=b"all", value=b"x", level=ALL)
            error = await refused(clients[0].Put(needs_all, timeout=5))
            assert retry_of(error) == "safe", told(error)
            cluster[victim].send(signal.SIGCONT)
            await clients.until_serving()
            await load.until_acknowledged(200)
        assert failures(load.history, lambda _: True) == []
        assert cluster[victim].running
        await read_everything(clients, load.history, QUORUM)
        await read_everything(clients, load.history, ALL)
        assert violations(load.history) == []
        refused_one = pb.GetRequest(key=b"all", level=ALL)
        assert not (await eventually(lambda: clients[victim].Get(refused_one, timeout=5))).found
