"""Keyspaces of real nodes: killed in the middle of a change, away, restarted, cleared."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from dynakv.v1 import keyspaces_pb2, node_status_pb2, ring_pb2
from dynakv.v1 import kvstore_pb2 as pb
from tests.process.harness import (
    ALL,
    CALL_S,
    WITHIN_S,
    Clients,
    Cluster,
    bounded,
    eventually,
    planned,
    refused,
    retry_of,
    serving,
    told,
    until,
)

pytestmark = pytest.mark.slow

# A member that stands still counts as up until the test is done with it.
KNOBS = {"DYNAKV__TIMING__SUSPECT_MS": "120000"}
MAKER = 0  # the place of the member with the smallest id


async def start(cluster: Cluster, *places: int) -> None:
    for place in places:
        cluster[place].start(env=KNOBS)
    for place in places:
        await cluster[place].ready()


async def keyspaces(clients: Clients, place: int) -> Any:
    return await clients[place].ListKeyspaces(keyspaces_pb2.ListKeyspacesRequest(), timeout=2)


async def becomes(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until a question is answered with yes."""
    end = time.monotonic() + WITHIN_S
    while not await true():
        assert time.monotonic() < end, f"not within {WITHIN_S} s: {what}"
        await asyncio.sleep(0.05)


async def until_epoch(clients: Clients, epoch: int, *places: int) -> list[list[tuple[str, int]]]:
    """Wait until nodes have the layout of that epoch; return names and ids of their keyspaces."""
    found = []
    for place in places:

        async def has_it(place: int = place) -> bool:
            return int((await eventually(lambda: keyspaces(clients, place))).epoch) >= epoch

        await becomes(has_it, f"{place} has epoch {epoch}")
        seen = await keyspaces(clients, place)
        assert seen.epoch == epoch
        found.append([(k.name, k.keyspace_id) for k in seen.keyspaces])
    return found


async def serves(clients: Clients, keyspace: str) -> None:
    """Write through each node at `all`, and read it through the next."""
    for place in range(len(clients)):
        put = pb.PutRequest(keyspace=keyspace, key=b"k%d" % place, value=b"v", level=ALL)
        await eventually(lambda: clients[place].Put(put, timeout=5))  # noqa: B023
        get = pb.GetRequest(keyspace=keyspace, key=b"k%d" % place)
        reader = clients[(place + 1) % len(clients)]
        assert (await eventually(lambda: reader.Get(get, timeout=5))).value == b"v"  # noqa: B023


@bounded
async def test_a_change_is_finished_on_return_when_its_maker_was_killed_in_the_middle(
    tmp_path: Path,
) -> None:
    with planned(tmp_path) as cluster:
        await start(cluster, 0, 1, 2)
        async with Clients(cluster) as clients:
            await clients.until_serving()
            await clients.until_writable()
            for place in (1, 2):  # they hear nothing of the change
                cluster[place].send(signal.SIGSTOP)
            request = keyspaces_pb2.CreateKeyspaceRequest(name="k", groups=8)
            call = asyncio.ensure_future(refused(clients[MAKER].CreateKeyspace(request)))
            await until(lambda: "layout_adopted" in cluster[MAKER].events(), "n1 has the layout")
            cluster.kill()
            error = await call
            assert retry_of(error) is None, told(error)  # nobody says that nothing was done
            await start(cluster, 1, 2)
            for place in (1, 2):
                assert (await eventually(lambda: keyspaces(clients, place))).epoch == 1  # noqa: B023
            await start(cluster, MAKER)
            first, *others = await until_epoch(clients, 2, 0, 1, 2)
            assert [name for name, _ in first] == ["default", "k"]
            assert others == [first, first]
            await serves(clients, "k")
            made = await eventually(
                lambda: clients[2].CreateKeyspace(
                    keyspaces_pb2.CreateKeyspaceRequest(name="k2", groups=8), timeout=CALL_S
                )
            )
            assert made.epoch == 3


@bounded
async def test_keyspaces_outlive_their_nodes_and_nothing_is_left_of_dropped_ones(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (cluster, clients):
        create = keyspaces_pb2.CreateKeyspaceRequest(name="k", groups=8)
        await clients[1].CreateKeyspace(create, timeout=CALL_S)
        await clients[2].CreateKeyspace(
            keyspaces_pb2.CreateKeyspaceRequest(name="stays", groups=8), timeout=CALL_S
        )
        await serves(clients, "k")
        await serves(clients, "stays")
        drop = keyspaces_pb2.DropKeyspaceRequest(name="k")
        for number in (signal.SIGKILL, signal.SIGTERM):
            cluster[2].send(number)
            await cluster[2].ended()
            await becomes(lambda: sees_down(clients, MAKER, "n3"), "n1 sees that n3 is down")
            down = await refused(clients[1].DropKeyspace(drop, timeout=CALL_S))
            assert down.code() is grpc.StatusCode.UNAVAILABLE
            assert "nothing was done: member n3 is down" in told(down)
            assert retry_of(down) == "safe"
            cluster[2].start()
            await cluster[2].ready()
            (seen,) = await until_epoch(clients, 3, 2)
            assert [name for name, _ in seen] == ["default", "k", "stays"]
            await serves(clients, "k")
        dropped = await eventually(lambda: clients[1].DropKeyspace(drop, timeout=CALL_S))
        assert dropped.epoch == 4
        gone = await refused(clients[0].Get(pb.GetRequest(keyspace="k", key=b"k0"), timeout=5))
        assert "keyspace 'k' does not exist; there are: default, stays" in told(gone)
        again = await clients[0].CreateKeyspace(create, timeout=CALL_S)
        assert again.keyspace_id != dropped.keyspace_id
        assert not (await clients[1].Get(pb.GetRequest(keyspace="k", key=b"k0"), timeout=5)).found
        await serves(clients, "k")
        await clients[2].DropKeyspace(drop, timeout=CALL_S)
        kept = {k.keyspace_id for k in (await keyspaces(clients, 0)).keyspaces}
        assert len(kept) == 2
        for place in range(3):

            async def cleared(place: int = place) -> bool:
                return await keyspaces_on_disk(cluster, clients, place) <= kept

            await becomes(cleared, f"{place} has rows of {kept} only")
        await serves(clients, "stays")


async def sees_down(clients: Clients, place: int, node_id: str) -> bool:
    ring = await clients[place].GetRingState(ring_pb2.GetRingStateRequest(), timeout=5)
    (state,) = (member.state for member in ring.members if member.node_id == node_id)
    return bool(state == ring_pb2.MEMBER_STATE_DOWN)


async def keyspaces_on_disk(cluster: Cluster, clients: Clients, place: int) -> set[int]:
    """Return the ids of the keyspaces, hidden ones too, of which a node's database has rows."""
    request = node_status_pb2.GetNodeStatusRequest()  # counts rows, and so moves all of them there
    await eventually(lambda: clients[place].GetNodeStatus(request, timeout=5))
    database = cluster[place].data_dir / "dynakv.db"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        found = connection.execute("SELECT DISTINCT keyspace FROM records").fetchall()
    finally:
        connection.close()
    return {keyspace % (1 << 64) for (keyspace,) in found}
