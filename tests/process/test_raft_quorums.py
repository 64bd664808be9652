"""Claims about real nodes in Raft mode without all of them: with a majority on, else refused."""

import functools
from pathlib import Path

import pytest

from dynakv import AsyncClient
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import raft_pb2
from tests.process.harness import Clients, bounded_by, eventually, planned, refused, told
from tests.process.raft_nodes import KEYSPACE, configured, links_of

pytestmark = pytest.mark.slow
DEADLINE_S = 2.0
GET = pb.GetRequest(keyspace=KEYSPACE, key=b"counter")


async def leader_of(clients: Clients, key_group: int, places: list[int]) -> int:
    """Return the place of the node that these say leads a group, once they say one."""
    shown = raft_pb2.ListRaftGroupsRequest(keyspace=KEYSPACE)

    async def look() -> int:
        lists = [await clients[p].ListRaftGroups(shown, timeout=3) for p in places]
        (leader,) = {o.leader for each in lists for o in each.groups if o.group == key_group}
        return int(leader.removeprefix("n")) - 1

    while True:
        try:
            return await look()
        except ValueError:
            continue


@bounded_by(150)
async def test_five_nodes_go_on_without_two_and_refuse_without_three(tmp_path: Path) -> None:
    with planned(tmp_path, 5) as cluster:
        configured(cluster, tmp_path, groups=1, replicas=5)
        await cluster.start()
        everywhere = [node.client for node in cluster.nodes]
        async with (
            Clients(cluster) as clients,
            AsyncClient(everywhere, keyspace=KEYSPACE, timeout=20) as kv,
        ):
            await clients.until_serving()
            for _ in range(20):
                await kv.increment("counter")
            first = await leader_of(clients, 0, [0, 1, 2, 3, 4])
            gone = [first, (first + 1) % 5]
            for place in gone:
                cluster[place].kill()
            left = [place for place in range(5) if place not in gone]
            for _ in range(20):
                await kv.increment("counter")
            for place in left:
                found = await eventually(functools.partial(clients[place].Get, GET, timeout=3))
                assert found.value == b"40"
            cluster[left.pop()].kill()
            for place in left:
                await is_refused(clients, place)
            cluster[gone[0]].start()
            await cluster[gone[0]].ready()
            assert await kv.increment("counter") == 41


@bounded_by(150)
async def test_the_minority_side_refuses_within_the_deadline_and_the_majority_goes_on(
    tmp_path: Path,
) -> None:
    with planned(tmp_path) as cluster:
        async with links_of(cluster) as links, Clients(cluster) as clients:
            configured(cluster, tmp_path, groups=1, links=links)
            await cluster.start()
            await clients.until_serving()
            everywhere = [node.client for node in cluster.nodes]
            async with AsyncClient(everywhere, keyspace=KEYSPACE, timeout=20) as kv:
                await kv.increment("counter")
                alone = await leader_of(clients, 0, [0, 1, 2])
            others = [place for place in range(3) if place != alone]
            names = [cluster[place].node_id for place in others]
            links.cut([cluster[alone].node_id], names)
            links.cut(names, [cluster[alone].node_id])
            await is_refused(clients, alone)
            there = [cluster[place].client for place in others]
            async with AsyncClient(there, keyspace=KEYSPACE, timeout=20) as kv:
                assert await kv.increment("counter") == 2
            await is_refused(clients, alone)
            links.heal()
            found = await eventually(functools.partial(clients[alone].Get, GET, timeout=3))
            assert found.value == b"2"


async def is_refused(clients: Clients, place: int) -> None:
    """Check that a node takes no write and answers no linearizable read, and says so in time."""
    put = pb.PutRequest(keyspace=KEYSPACE, key=b"refused", value=b"x")
    for call in (
        clients[place].Put(put, timeout=DEADLINE_S),
        clients[place].Get(GET, timeout=DEADLINE_S),
    ):
        error = await refused(call)
        assert "group 0 of keyspace log" in told(error)  # the node's words, not the caller's clock
