"""A node that was killed gets what it missed from the others' hints, without a single read."""

import asyncio
import time
from pathlib import Path

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import node_status_pb2
from tests.process.harness import Clients, Cluster, bounded, serving
from tests.process.history import rows_on_disk

pytestmark = pytest.mark.slow

KEYS = 2_000
DRAINED_S = 30.0


async def write(clients: Clients, places: list[int], tag: bytes) -> None:
    """Put most keys and delete some, through all of these nodes."""
    for start in range(0, KEYS, 100):
        calls = []
        for number in range(start, start + 100):
            stub, key = clients[places[number % len(places)]], b"key-%05d" % number
            if number % 10 == 3:
                calls.append(stub.Delete(pb.DeleteRequest(key=key), timeout=10))
            else:
                request = pb.PutRequest(key=key, value=b"%b-%d" % (tag, number))
                calls.append(stub.Put(request, timeout=10))
        await asyncio.gather(*calls)


async def hints_of(clients: Clients, places: list[int]) -> tuple[int, int]:
    """Return how many hints these nodes keep, and how many they have delivered in this life."""
    request = node_status_pb2.GetNodeStatusRequest()
    answers = [await clients[place].GetNodeStatus(request, timeout=10) for place in places]
    kept = sum(hints.rows for answer in answers for hints in answer.hints)
    return kept, sum(answer.counters["hints_delivered"] for answer in answers)


async def kept(clients: Clients, places: list[int]) -> None:
    """Wait until these nodes have a hint for each key on disk: they come after the answers."""
    end = time.monotonic() + DRAINED_S
    while (await hints_of(clients, places))[0] < KEYS:
        assert time.monotonic() < end, f"{await hints_of(clients, places)} of {KEYS} hints"
        await asyncio.sleep(0.1)


async def drained(clients: Clients, places: list[int]) -> None:
    """Wait until these nodes have delivered a hint for each key and keep none."""
    end = time.monotonic() + DRAINED_S
    while True:
        left, delivered = await hints_of(clients, places)
        if delivered >= KEYS and not left:
            return
        told = f"after {DRAINED_S} s {left} hints are left, {delivered} were delivered"
        assert time.monotonic() < end, told
        await asyncio.sleep(0.1)


def assert_equal_rows(cluster: Cluster, scratch: Path) -> None:
    """Compare the killed nodes' disks row by row."""
    scratch.mkdir()
    disks = [rows_on_disk(node.data_dir, scratch / node.node_id) for node in cluster.nodes]
    assert len(disks[0]) >= KEYS
    assert disks[0] == disks[1] == disks[2]


@bounded
async def test_a_killed_node_gets_what_it_missed_when_it_is_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        await write(clients, [0, 1, 2], b"first")
        cluster[2].kill()
        await write(clients, [0, 1], b"second")
        await kept(clients, [0, 1])
        cluster[2].start()
        await cluster[2].ready()
        await drained(clients, [0, 1])
        cluster.kill()
        assert_equal_rows(cluster, tmp_path / "copies")


@bounded
async def test_hints_outlive_the_nodes_that_keep_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        cluster[2].kill()
        await write(clients, [0, 1], b"first")
        await kept(clients, [0, 1])
        cluster.kill()
        await cluster.start()
        await clients.until_serving()
        await drained(clients, [0, 1])
        cluster.kill()
        assert_equal_rows(cluster, tmp_path / "copies")
