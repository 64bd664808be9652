"""Deleted and short-lived keys on three real nodes: they go, everywhere, and stay gone.

The ages are scaled down by the knobs that operators have. One node is killed in between; what was
deleted meanwhile waits for it.
"""

import asyncio
import time
from pathlib import Path

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import node_status_pb2
from tests.process.harness import ALL, QUORUM, Clients, bounded, eventually, planned
from tests.process.history import rows_on_disk

pytestmark = pytest.mark.slow

SCALED = {
    "DYNAKV__COLLECTION__CUT_AGE_MS": "3000",
    "DYNAKV__COLLECTION__EVERY_MS": "1000",
    "DYNAKV__COLLECTION__PAUSE_MS": "1",
}
KEYS = 200
LIVING = range(0, KEYS, 4)
DELETED = range(1, KEYS, 4)
SHORT = range(2, KEYS, 4)
DELETED_LATER = range(3, KEYS, 4)  # while a node is away
TTL_MS = 1_500
GONE_S = 90.0


def key(i: int) -> bytes:
    return b"key-%03d" % i


async def put_all(clients: Clients) -> None:
    for i in range(KEYS):
        ttl_ms = TTL_MS if i in SHORT else 0
        request = pb.PutRequest(key=key(i), value=b"v%d" % i, ttl_ms=ttl_ms, level=ALL)
        stub = clients[i % 3]
        await eventually(lambda stub=stub, request=request: stub.Put(request, timeout=5))


async def delete(clients: Clients, keys: range, places: tuple[int, ...]) -> None:
    for i in keys:
        request = pb.DeleteRequest(key=key(i), level=QUORUM)
        stub = clients[places[i % len(places)]]
        await eventually(lambda stub=stub, request=request: stub.Delete(request, timeout=5))


async def status_of(clients: Clients, place: int) -> node_status_pb2.GetNodeStatusResponse:
    request = node_status_pb2.GetNodeStatusRequest()
    answer: node_status_pb2.GetNodeStatusResponse = await clients[place].GetNodeStatus(
        request, timeout=10
    )
    return answer


async def until_quiet(clients: Clients) -> None:
    """Wait until the first two nodes have dropped all there is, and no node drops any more."""
    end = time.monotonic() + GONE_S
    before: list[int] = []
    while True:
        counters = [(await status_of(clients, place)).counters for place in range(3)]
        dropped = [int(counts["records_dropped"]) for counts in counters]
        enough = min(dropped[:2]) >= len(DELETED) + len(SHORT) + len(DELETED_LATER)
        if enough and dropped == before:
            return
        assert time.monotonic() < end, f"after {GONE_S} s only {dropped} were dropped"
        before = dropped
        await asyncio.sleep(3)


@bounded
async def test_deleted_and_expired_keys_leave_every_disk_and_never_come_back(
    tmp_path: Path,
) -> None:
    with planned(tmp_path) as cluster:
        for node in cluster.nodes:
            node.start(env=SCALED)
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_writable()
            await put_all(clients)
            await delete(clients, DELETED, (0, 1, 2))
            cluster[2].kill()
            await delete(clients, DELETED_LATER, (0, 1))
            await asyncio.sleep(6)  # twice the age: what waits for nobody would be gone
            seen = [await status_of(clients, place) for place in (0, 1)]
            assert all(not status.collection.waits_for.keys() - {"n3"} for status in seen)
            waiting = sum(status.collection.waiting["default"] for status in seen)
            assert waiting >= len(DELETED_LATER)
            cluster[2].start(env=SCALED)
            await cluster[2].ready()
            await until_quiet(clients)
            await clients.until_serving()
            for place in range(3):
                for i in range(KEYS):
                    request = pb.GetRequest(key=key(i), level=ALL)
                    answer = await clients[place].Get(request, timeout=5)
                    assert answer.found == (i in LIVING), key(i)
            cluster.kill()
        for node in cluster.nodes:
            rows = rows_on_disk(node.data_dir, tmp_path / f"copy-{node.node_id}")
            assert set(rows) == {key(i) for i in LIVING}
            assert all(row[2] is not None for row in rows.values())
