"""A node is restored from its own snapshot: nothing is lost, and nothing deleted comes back."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import node_status_pb2, snapshots_pb2
from tests.process.harness import (
    ALL,
    CALL_S,
    QUORUM,
    WITHIN_S,
    Clients,
    bounded,
    eventually,
    serving,
)
from tests.process.history import Load, Operation, read_everything, until_equal, violations
from tests.process.test_kill import assert_nothing_broken

pytestmark = pytest.mark.slow

VICTIM = 2
# The clients here give no deadline beyond CALL_S, so that nothing of a former life outlasts that.
KNOBS = {
    "DYNAKV__TIMING__RECOVER_AFTER_MS": str(int(CALL_S * 1000) + 1_000),
    "DYNAKV__KEYSPACES": '[{"name": "default", "groups": 8}]',
}


async def snapshot(clients: Clients, name: str) -> str:
    """Let the victim make a snapshot, and return its path when it is complete."""
    await clients[VICTIM].CreateSnapshot(snapshots_pb2.CreateSnapshotRequest(name=name))

    async def complete() -> str:
        told = await clients[VICTIM].ListSnapshots(snapshots_pb2.ListSnapshotsRequest())
        (found,) = [s for s in told.snapshots if s.name == name]
        assert found.state != snapshots_pb2.SNAPSHOT_STATE_FAILED, found.error
        return found.path if found.state == snapshots_pb2.SNAPSHOT_STATE_COMPLETE else ""

    return await holds(complete, "the snapshot is complete")


async def holds(ask: Callable[[], Awaitable[str]], what: str) -> str:
    """Return the first answer that says something; fail after a bound."""
    end = time.monotonic() + 2 * WITHIN_S
    while not (said := await ask()):
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.1)
    return said


async def restored(data_dir: Path, path: str) -> tuple[int | None, str]:
    """Run `dynakv restore` on a directory; return its exit code and what it says."""
    words = ["-m", "dynakv", "restore", "--data-dir", str(data_dir), "--snapshot", path]
    running = await asyncio.create_subprocess_exec(
        sys.executable, *words, stderr=asyncio.subprocess.PIPE
    )
    _, said = await running.communicate()
    return running.returncode, said.decode()


async def recovering(clients: Clients) -> int:
    """Return how many groups of the victim recover."""
    status = await clients[VICTIM].GetNodeStatus(node_status_pb2.GetNodeStatusRequest())
    return int(status.recovering_groups)


@bounded
async def test_a_node_restored_from_a_snapshot_made_under_load_loses_nothing_and_revives_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, env=KNOBS) as (cluster, clients):
        history: list[Operation] = []
        async with Load(clients, seed=1) as load:
            history = load.history
            await load.until_acknowledged(300)
            path = await snapshot(clients, "early")
            await load.until_acknowledged(900)
            doomed = [b"doomed-%d" % i for i in range(50)]
            for key in doomed:
                await clients[0].Put(pb.PutRequest(key=key, value=b"v", level=ALL))
            later = await snapshot(clients, "later")
            assert later != path
            for key in doomed:
                await clients[1].Delete(pb.DeleteRequest(key=key))
            await load.until_acknowledged(1_200)
            cluster[VICTIM].kill()
        code, said = await restored(cluster[VICTIM].data_dir, later)
        assert code == 0
        assert "node n3 restored as of commit" in said
        cluster[VICTIM].start(env=KNOBS)
        await cluster[VICTIM].ready()
        assert await eventually(lambda: recovering(clients)) > 0
        # Reads through the node that has forgotten are right from its first answer on.
        await clients.until_serving([VICTIM], QUORUM)
        await read_everything(clients, history, QUORUM)
        assert_nothing_broken(violations(history))

        async def recovered() -> str:
            return "" if await recovering(clients) else "recovered"

        await holds(recovered, "all groups have recovered")
        await until_equal(cluster, tmp_path / "rows", WITHIN_S)
        await read_everything(clients, history, ALL)
        assert_nothing_broken(violations(history))
        for key in doomed:
            for place in range(3):
                answer = await clients[place].Get(pb.GetRequest(key=key, level=ALL))
                assert not answer.found, f"{key!r} is back"


@bounded
async def test_no_node_is_restored_while_it_runs_or_from_a_snapshot_of_another(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (cluster, clients):
        path = await snapshot(clients, "mine")
        for node in cluster.nodes:
            code, said = await restored(node.data_dir, path)
            assert code == 1
            assert "is in use by process" in said
        cluster[0].kill()
        code, said = await restored(cluster[0].data_dir, path)
        assert code == 64
        assert "is of node 'n3', data directory" in said
