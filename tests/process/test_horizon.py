"""A node that the others ran without for longer than the horizon rebuilds before it answers."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import node_status_pb2
from tests.process.harness import (
    ALL,
    QUORUM,
    Clients,
    Cluster,
    bounded,
    eventually,
    planned,
    refused,
    told,
    until,
)
from tests.process.history import until_equal
from tests.process.test_repair import admin

pytestmark = pytest.mark.slow

AWAY = 2
HORIZON_MS = 2_000
GROUPS = 8
# No hints and no rounds of their own: whatever is made equal here, recovery made equal.
KNOBS = {
    "DYNAKV__HINTS__BYTES_MAX": "0",
    "DYNAKV__REPAIR__ENABLED": "false",
    "DYNAKV__KEYSPACES": f'[{{"name": "default", "groups": {GROUPS}}}]',
}
# Only the node that was away judges by a short horizon, in its second life: a machine that is busy
# makes others late, too. There it has to wait for ten minutes, in its third life hardly at all.
STRICT = {
    **KNOBS,
    "DYNAKV__TIMING__HORIZON_MS": str(HORIZON_MS),
    "DYNAKV__TIMING__RECOVER_AFTER_MS": "600000",
}
SOON = {**KNOBS, "DYNAKV__TIMING__RECOVER_AFTER_MS": "3000"}


async def recovering(clients: Clients) -> int:
    """Return how many groups of the node that was away recover."""
    request = node_status_pb2.GetNodeStatusRequest()
    status = await eventually(lambda: clients[AWAY].GetNodeStatus(request, timeout=2))
    return int(status.recovering_groups)


def noted(cluster: Cluster, event: str) -> list[dict[str, Any]]:
    """Return what the life of the node that was away has logged under this name."""
    return [entry for entry in cluster[AWAY].logged() if entry["event"] == event]


@bounded
async def test_a_node_that_was_away_past_the_horizon_answers_when_it_merged_the_others(
    tmp_path: Path,
) -> None:
    with planned(tmp_path) as cluster:
        await cluster.start(KNOBS)
        async with Clients(cluster) as clients:
            await clients.until_writable()
            keys = [b"key-%d" % i for i in range(40)]
            for key in keys:
                await clients[0].Put(pb.PutRequest(key=key, value=b"old", level=ALL))
            cluster[AWAY].send(signal.SIGTERM)
            await cluster[AWAY].ended()
            gone = time.monotonic()
            for key in keys[:20]:
                put = pb.PutRequest(key=key, value=b"new", level=QUORUM)
                await eventually(lambda put=put: clients[0].Put(put, timeout=2))  # type: ignore[misc]
            for key in keys[20:]:
                delete = pb.DeleteRequest(key=key, level=QUORUM)
                await eventually(
                    lambda delete=delete: clients[1].Delete(delete, timeout=2)  # type: ignore[misc]
                )
            lasts_s = HORIZON_MS / 1000 + 1  # its clock's ceiling stands a little ahead
            await until(lambda: time.monotonic() > gone + lasts_s, "the horizon is over")

            cluster[AWAY].start(env=STRICT)
            await until(lambda: bool(noted(cluster, "recovering")), "it knows that it forgot")
            (note,) = noted(cluster, "recovering")
            assert note["groups"] == GROUPS
            assert f"the horizon is {HORIZON_MS}" in note["why"]
            assert "dynakv-admin recover --accept-loss" in note["what_to_do"]
            assert await recovering(clients) == GROUPS
            code, said = await admin("status", cluster=cluster)
            assert f"n3 recovers {GROUPS} shard groups; its answers do not count there" in said
            assert code != 0
            await clients.until_serving([AWAY], QUORUM)
            for place in range(3):
                await expect(clients, place, keys)
            cluster[0].kill()
            get = pb.GetRequest(key=keys[0], level=QUORUM)
            error = await refused(clients[1].Get(get, timeout=5))
            assert error.code() is grpc.StatusCode.UNAVAILABLE, told(error)

            # The mark outlasts this life; with both others there the next one recovers.
            cluster[AWAY].kill()
            cluster[AWAY].start(env=SOON)
            await cluster.start(KNOBS)
            assert noted(cluster, "recovering")[0]["groups"] == GROUPS
            await until(lambda: bool(noted(cluster, "recovered")), "it has recovered")
            assert await recovering(clients) == 0
            await until_equal(cluster, tmp_path / "rows", 30)
            await clients.until_serving()
            for place in range(3):
                await expect(clients, place, keys)
            cluster[0].kill()
            await asyncio.gather(*(expect(clients, place, keys) for place in (1, AWAY)))


async def expect(clients: Clients, place: int, keys: list[bytes]) -> None:
    """Read every key at quorum through a node: half were overwritten, half deleted."""
    for number, key in enumerate(keys):
        get = pb.GetRequest(key=key, level=QUORUM)
        answer = await eventually(lambda get=get: clients[place].Get(get, timeout=2))  # type: ignore[misc]
        assert answer.found == (number < 20), key
        assert not answer.found or answer.value == b"new", key
