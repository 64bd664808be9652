"""Claims about real nodes with a keyspace in Raft mode: exactly once, through kills."""

import asyncio
import functools
import shutil
from pathlib import Path
from random import Random

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import raft_pb2
from tests.process.harness import Clients, bounded_by, eventually, planned
from tests.process.raft_nodes import configured

pytestmark = pytest.mark.slow
INCREMENTS = 60
CLIENTS = 4


def increment(key: bytes, client: int, sequence: int, issued_ms: int) -> pb.ExecuteRequest:
    request_id = pb.RequestId(
        client=client, sequence=sequence, settled_below=sequence, issued_ms=issued_ms
    )
    operation = pb.Operation(key=key, increment=1)
    batch = pb.Batch(operations=[operation], request_id=request_id)
    return pb.ExecuteRequest(keyspace="log", batch=batch)


async def leads_once_asked(clients: Clients, place: int) -> None:
    """Let a node take the leadership of group 0, and wait until every node says that it has it."""
    take = raft_pb2.TakeLeadershipRequest(keyspace="log", group=0)
    told = await eventually(functools.partial(clients[place].TakeLeadership, take, timeout=3))
    shown = raft_pb2.ListRaftGroupsRequest(keyspace="log")
    while True:
        lists = [await clients[i].ListRaftGroups(shown, timeout=3) for i in range(3)]
        leaders = {one.leader for each in lists for one in each.groups if one.group == 0}
        if leaders == {told.node_id}:
            return
        await asyncio.sleep(0.05)


@bounded_by(150)
async def test_every_increment_counts_once_though_nodes_are_killed(tmp_path: Path) -> None:
    random = Random(5)
    with planned(tmp_path) as cluster:
        configured(cluster, tmp_path)
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_serving()
            handshake = await clients[0].Handshake(pb.HandshakeRequest())
            issued_ms = handshake.wall_ms

            async def count(number: int) -> None:
                for sequence in range(1, INCREMENTS + 1):
                    request = increment(b"counter", number + 1, sequence, issued_ms)
                    await eventually(
                        lambda r=request: clients[random.randrange(3)].Execute(r, timeout=3)  # type: ignore[misc]
                    )

            async def trouble() -> None:
                for place in (0, 1, 2):
                    await asyncio.sleep(1.5)
                    cluster[place].kill()
                    await asyncio.sleep(0.5)
                    cluster[place].start()
                    await cluster[place].ready()

            await asyncio.gather(trouble(), *(count(number) for number in range(CLIENTS)))
            for place in range(3):
                request = pb.GetRequest(keyspace="log", key=b"counter")
                found = await eventually(functools.partial(clients[place].Get, request, timeout=3))
                assert found.value == b"%d" % (CLIENTS * INCREMENTS)
        cluster.kill()
        await cluster.start()
        async with Clients(cluster) as clients:
            request = pb.GetRequest(keyspace="log", key=b"counter")
            found = await eventually(functools.partial(clients[1].Get, request, timeout=3))
            assert found.value == b"%d" % (CLIENTS * INCREMENTS)
            for place in (2, 0, 1):
                await leads_once_asked(clients, place)
            found = await eventually(functools.partial(clients[0].Get, request, timeout=3))
            assert found.value == b"%d" % (CLIENTS * INCREMENTS)


async def whole(clients: Clients, place: int) -> None:
    """Wait until a node is a voter of all groups again, and knows of their leaders."""
    shown = raft_pb2.ListRaftGroupsRequest(keyspace="log")
    while True:
        told = await eventually(functools.partial(clients[place].ListRaftGroups, shown, timeout=3))
        if len(told.groups) == 4 and all(one.leader and not one.why for one in told.groups):
            return
        await asyncio.sleep(0.1)


@bounded_by(150)
async def test_a_node_that_lost_its_directory_is_a_voter_again_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    with planned(tmp_path) as cluster:
        configured(cluster, tmp_path)
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_serving()
            handshake = await clients[0].Handshake(pb.HandshakeRequest())
            done = 0

            async def count(times: int, places: tuple[int, ...]) -> None:
                nonlocal done
                for _ in range(times):
                    done += 1
                    request = increment(b"counter", 7, done, handshake.wall_ms)
                    place = places[done % len(places)]
                    await eventually(
                        lambda r=request, p=place: clients[p].Execute(r, timeout=3)  # type: ignore[misc]
                    )

            await count(20, (0, 1, 2))
            await asyncio.sleep(6)  # everybody has bound everybody's directory
            cluster[2].kill()
            shutil.rmtree(cluster[2].data_dir)
            await count(20, (0, 1))
            cluster[2].start()
            await cluster[2].ready()
            await count(20, (0, 1))
            await whole(clients, 2)
            # The one that came back makes a majority with either of the others.
            cluster[1].kill()
            await count(20, (0, 2))
            request = pb.GetRequest(keyspace="log", key=b"counter")
            for place in (0, 2):
                found = await eventually(functools.partial(clients[place].Get, request, timeout=3))
                assert found.value == b"%d" % done
