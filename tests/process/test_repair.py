"""A node that was away becomes equal to the others, row by row, though no client reads anything."""

import asyncio
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import node_status_pb2
from tests.process.harness import QUORUM, Clients, Cluster, bounded, eventually, planned
from tests.process.history import Load

pytestmark = pytest.mark.slow

AWAY = 2  # the place of the node that goes
# No hints, and rounds only when a node starts: nothing seen here comes from anything else.
KNOBS = {
    "DYNAKV__HINTS__BYTES_MAX": "0",
    "DYNAKV__REPAIR__INTERVAL_MS": "3600000",
    "DYNAKV__REPAIR__CLEAN_AFTER_MS": "3600000",
}


def rows_of(data_dir: Path, scratch: Path) -> dict[bytes, tuple[Any, ...]]:
    """Return every row of the directory of a node that does not run, by its key."""
    scratch.mkdir()
    for name in ("dynakv.db", "dynakv.db-wal"):
        if (data_dir / name).exists():
            (scratch / name).write_bytes((data_dir / name).read_bytes())
    connection = sqlite3.connect(scratch / "dynakv.db")
    try:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(records)")]
        wanted = [name for name in columns if name not in {"id", "rowid"}]
        place = wanted.index("key")
        rows = connection.execute(f"SELECT {', '.join(wanted)} FROM records").fetchall()
    finally:
        connection.close()
    return {row[place]: row for row in rows}


async def start(cluster: Cluster, place: int) -> None:
    cluster[place].start(env=KNOBS)
    await cluster[place].ready()


async def counters(clients: Clients, place: int) -> dict[str, int]:
    request = node_status_pb2.GetNodeStatusRequest()
    status = await eventually(lambda: clients[place].GetNodeStatus(request, timeout=2))
    return dict(status.counters)


async def arrived(clients: Clients) -> int:
    """Return how many records came to the node that was away, whichever side brought them."""
    fetched = (await counters(clients, AWAY))["repair_records_in"]
    brought = [(await counters(clients, place))["repair_records_out"] for place in (0, 1)]
    return fetched + sum(brought)


async def admin(*words: str, cluster: Cluster) -> tuple[int, str]:
    """Run dynakv-admin; return its exit code and what it said."""
    command = [sys.executable, "-m", "dynakv.admin", *words, "-e", cluster[0].client]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@bounded
async def test_a_node_that_was_away_under_writes_becomes_equal_without_reads(
    tmp_path: Path, number: signal.Signals
) -> None:
    with planned(tmp_path) as cluster:
        for place in range(3):
            cluster[place].start(env=KNOBS)
        for node in cluster.nodes:
            await node.ready()
        async with Clients(cluster) as clients:
            await clients.until_writable()
            async with Load(clients, seed=1, nodes=[0, 1]) as load:
                await load.until_acknowledged(300)
                cluster[AWAY].send(number)
                await cluster[AWAY].ended()
                await load.until_acknowledged(600)
            await start(cluster, AWAY)
            await clients.until_serving([AWAY], QUORUM)
            code, said = await admin("repair", "--wait", "--timeout", "60s", cluster=cluster)
            assert code == 0, said
            seen = await counters(clients, AWAY)
            if number is signal.SIGTERM:
                assert (seen["rebuilds"], seen["rebuilt_rows"]) == (0, 0)
            else:
                assert seen["rebuilds"] > 0
            code, said = await admin("tasks", cluster=cluster)
            assert code == 0
            assert "repair" in said
        for node in cluster.nodes:
            node.send(signal.SIGTERM)
            await node.ended()
        first, *others = (
            rows_of(n.data_dir, tmp_path / f"{n.node_id}.rows") for n in cluster.nodes
        )
        assert len(first) > 50
        assert all(other == first for other in others)


@bounded
async def test_a_node_that_was_away_becomes_equal_by_itself(tmp_path: Path) -> None:
    with planned(tmp_path) as cluster:
        for place in range(3):
            cluster[place].start(env=KNOBS)
        for node in cluster.nodes:
            await node.ready()
        async with Clients(cluster) as clients:
            await clients.until_writable()
            cluster[AWAY].send(signal.SIGTERM)
            await cluster[AWAY].ended()
            for i in range(200):
                put = pb.PutRequest(key=b"k%d" % i, value=b"v", level=QUORUM)
                await eventually(lambda put=put: clients[0].Put(put, timeout=2))  # type: ignore[misc]
            await start(cluster, AWAY)

            end = time.monotonic() + 60
            while await arrived(clients) < 200:
                assert time.monotonic() < end
                await asyncio.sleep(0.1)
        for node in cluster.nodes:
            node.send(signal.SIGTERM)
            await node.ended()
        first, *others = (
            rows_of(n.data_dir, tmp_path / f"{n.node_id}.rows") for n in cluster.nodes
        )
        assert all(other == first for other in others)
