"""kill -9 under load: of one node, of all nodes at once."""

import asyncio
import time
from pathlib import Path

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from tests.process.harness import (
    ALL,
    QUORUM,
    Cluster,
    bounded,
    refused,
    retry_of,
    serving,
    told,
)
from tests.process.history import (
    WORKERS_PER_NODE,
    Load,
    Operation,
    Outcome,
    failures,
    missing_on_disks,
    read_everything,
    stamps_on_disk,
    violations,
)

pytestmark = pytest.mark.slow

WQ = 2  # of N=3
ROUNDS = 4


def assert_nothing_broken(found: list[str]) -> None:
    assert not found, f"{len(found)} violations, the first:\n" + "\n".join(found[:10])


@bounded
async def test_killing_one_node_loses_nothing_and_fails_only_what_was_under_way_there(
    tmp_path: Path,
) -> None:
    victim = 2
    async with serving(tmp_path) as (cluster, clients):
        history: list[Operation] = []
        async with Load(clients, seed=1) as load:
            history = load.history
            await load.until_acknowledged(300)
            killed_at = time.monotonic()
            cluster[victim].kill()
            await load.until_acknowledged(600)
            cluster[victim].start()
            await cluster[victim].ready()
            await load.until_acknowledged(300)
        # Every call to another node succeeded, before, during and after; every client of the
        # victim lost the one call that was under way (or was sent before it knew), no more.
        assert_nothing_broken(failures(history, lambda o: o.node != victim))
        assert_nothing_broken(failures(history, lambda o: o.ended < killed_at))
        assert 1 <= len(failures(history, lambda o: o.node == victim)) <= WORKERS_PER_NODE
        await clients.until_serving()
        async with Load(clients, seed=2) as load:
            await load.until_acknowledged(300)
        assert_nothing_broken(failures(load.history, lambda _: True))
        assert any(o.node == victim for o in load.history)
        history += load.history
        await read_everything(clients, history, QUORUM)
        await read_everything(clients, history, ALL)
        assert_nothing_broken(violations(history))


def assert_on_wq_disks(cluster: Cluster, history: list[Operation], scratch: Path) -> None:
    scratch.mkdir()
    disks = [stamps_on_disk(n.data_dir, scratch / n.node_id) for n in cluster.nodes]
    assert_nothing_broken(missing_on_disks(history, disks, WQ))


@bounded
async def test_killing_all_nodes_at_once_loses_nothing_acknowledged(tmp_path: Path) -> None:
    async with serving(tmp_path) as (cluster, clients):
        history: list[Operation] = []
        for turn in range(ROUNDS):
            async with Load(clients, seed=turn) as load:
                await load.until_acknowledged(300)
                cluster.kill()
                await load.until_over()
            history += load.history
            assert any(o.outcome is Outcome.UNKNOWN for o in load.history)
            assert_on_wq_disks(cluster, history, tmp_path / f"copies-{turn}")
            await cluster.start()
            await clients.until_serving(level=QUORUM)
            await read_everything(clients, history, QUORUM)
            assert_nothing_broken(violations(history))
        await clients.until_serving()
        await read_everything(clients, history, ALL)
        assert_nothing_broken(violations(history))


@bounded
async def test_writes_that_cannot_reach_all_are_decided_long_before_their_deadline(
    tmp_path: Path,
) -> None:
    deadline_s = 60
    async with serving(tmp_path) as (cluster, clients):
        cluster[2].kill()
        calls = []
        for number in range(20):
            request = pb.PutRequest(key=b"all-%d" % number, value=b"x", level=ALL)
            calls.append(refused(clients[number % 2].Put(request, timeout=deadline_s)))
        async with asyncio.timeout(deadline_s / 2):
            errors = await asyncio.gather(*calls)
        for error in errors:
            assert retry_of(error) in ("safe", "same-stamp"), told(error)
