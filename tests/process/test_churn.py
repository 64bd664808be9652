"""Nodes that die again and again under a mixed load: puts, deletes, and values with a short life.

Nothing acknowledged may be lost, nothing deleted or expired may come back, and when the killing
ends the replicas become equal by themselves, row by row, with the settings that a user has.
"""

from pathlib import Path
from random import Random

import pytest

from tests.process.harness import QUORUM, Clients, Cluster, bounded_by, serving
from tests.process.history import (
    Load,
    Operation,
    missing_on_disks,
    read_everything,
    stamps_on_disk,
    until_equal,
    violations,
)

pytestmark = pytest.mark.slow

WQ = 2  # of N=3
CONVERGED_S = 30
TTLS_MS = (0, 0, 0, 500, 3000)
KILLS_OF_ONE, KILLS_PER_LOAD = 50, 10
KILLS_OF_ALL = 10


def assert_nothing_broken(found: list[str]) -> None:
    assert not found, f"{len(found)} violations, the first:\n" + "\n".join(found[:10])


async def assert_equal_and_right(
    cluster: Cluster, clients: Clients, history: list[Operation], scratch: Path
) -> None:
    """Nobody reads before the rows are equal: what heals them is the nodes' own work."""
    await until_equal(cluster, scratch, CONVERGED_S)
    await read_everything(clients, history, QUORUM)
    assert_nothing_broken(violations(history))


@bounded_by(600)
async def test_one_node_killed_fifty_times_loses_nothing_and_the_replicas_become_equal(
    tmp_path: Path,
) -> None:
    random = Random(5)
    async with serving(tmp_path) as (cluster, clients):
        history: list[Operation] = []
        for turn in range(KILLS_OF_ONE // KILLS_PER_LOAD):
            async with Load(clients, seed=10 + turn, ttls_ms=TTLS_MS) as load:
                for _ in range(KILLS_PER_LOAD):
                    victim = random.randrange(3)
                    await load.until_acknowledged(40)
                    cluster[victim].kill()
                    await load.until_acknowledged(40)
                    await cluster[victim].start().ready()
                    await clients.until_writable()  # else the next kill would take a majority
            history += load.history
        await assert_equal_and_right(cluster, clients, history, tmp_path)


@bounded_by(600)
async def test_all_nodes_killed_ten_times_lose_nothing_and_become_equal(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        history: list[Operation] = []
        for turn in range(KILLS_OF_ALL):
            async with Load(clients, seed=30 + turn, ttls_ms=TTLS_MS) as load:
                await load.until_acknowledged(150)
                cluster.kill()
                await load.until_over()
            history += load.history
            copies = tmp_path / f"copies-{turn}"
            copies.mkdir()
            disks = [stamps_on_disk(n.data_dir, copies / n.node_id) for n in cluster.nodes]
            assert_nothing_broken(missing_on_disks(history, disks, WQ))
            await cluster.start()
            await clients.until_serving(level=QUORUM)
            await clients.until_writable()
        await assert_equal_and_right(cluster, clients, history, tmp_path)
