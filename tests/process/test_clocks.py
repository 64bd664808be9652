"""One node's wall clock is wrong by an hour, by libfaketime; monotonic time is left alone.

The node must notice by itself, coordinate nothing until its clock is right again, and go on as a
replica; no stamp of the wrong hour may get into the cluster, where it would shadow later writes.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from tests.process.harness import (
    ALL,
    QUORUM,
    Clients,
    Cluster,
    bounded,
    planned,
    refused,
    retry_of,
    told,
    until,
)
from tests.process.history import (
    Load,
    Operation,
    Outcome,
    failures,
    perform,
    read_everything,
    violations,
)

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
CLOCK_BOUND_MS = 500
VICTIM, OTHERS = 2, [0, 1]
DEGRADED = 2  # exit code of status

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LIBRARY.exists(), reason=f"libfaketime is not installed: {LIBRARY}"),
]


class FakeClock:
    """The wall clock of one process, some seconds off."""

    def __init__(self, directory: Path) -> None:
        """Begin with the right time."""
        self._file = directory / "faketime"
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without it every look reads the file
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, off_s: int) -> None:
        """Let the clock leap to so many seconds off, within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{off_s:+d}\n")
        new.rename(self._file)


async def assert_refuses_to_coordinate(clients: Clients) -> None:
    put = pb.PutRequest(key=b"wrong hour", value=b"x")
    error = await refused(clients[VICTIM].Put(put, timeout=10))
    assert error.code().name == "UNAVAILABLE", told(error)
    assert "node n3 does not trust its clock" in (error.details() or "")
    assert retry_of(error) == "safe"
    error = await refused(clients[VICTIM].Get(pb.GetRequest(key=b"wrong hour"), timeout=10))
    assert error.code().name == "UNAVAILABLE", told(error)
    assert "node n3 does not trust its clock" in (error.details() or "")


def assert_status_tells(cluster: Cluster) -> None:
    """An operator who looks is told which node stepped aside, and why."""
    endpoints = ",".join(cluster[place].client for place in OTHERS)
    done = subprocess.run(
        [sys.executable, "-m", "dynakv.admin", "status", "-e", endpoints],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == DEGRADED, done.stdout + done.stderr
    assert done.stdout.startswith("DEGRADED"), done.stdout
    assert "n3 doubts its clock and takes no requests" in done.stdout, done.stdout


def assert_stamps_of_this_hour(history: Iterable[Operation], began_ms: int) -> None:
    latest_ms = time.time_ns() // 1_000_000 + CLOCK_BOUND_MS
    for operation in history:
        if operation.outcome is Outcome.OK and operation.stamp is not None:
            assert began_ms <= operation.stamp[0] >> 16 <= latest_ms, operation


@pytest.mark.parametrize("off_s", [3600, -3600], ids=["ahead", "behind"])
@bounded
async def test_a_leaping_clock_stops_its_node_from_coordinating_and_poisons_nothing(
    tmp_path: Path, off_s: int
) -> None:
    clock = FakeClock(tmp_path)
    with planned(tmp_path) as cluster:
        cluster[VICTIM].start(env=clock.env)
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_serving()
            began_ms = time.time_ns() // 1_000_000
            async with Load(clients, seed=6) as before:
                await before.until_acknowledged(200)
            async with Load(clients, seed=7, nodes=OTHERS) as load:
                await load.until_acknowledged(100)
                clock.set(off_s)
                await until(
                    lambda: "clock_leapt" in cluster[VICTIM].events(), "n3 says that it leapt"
                )
                for _ in range(20):
                    await assert_refuses_to_coordinate(clients)
                await asyncio.to_thread(assert_status_tells, cluster)
                await load.until_acknowledged(200)
            # As a replica it goes on, judging by the time it believed last. Few calls: gRPC's own
            # waits are confused by libfaketime and make the process slow.
            await clients.until_serving(OTHERS)
            for number in range(10):
                key, node = b"key-%03d" % number, OTHERS[number % 2]
                await perform(clients, load.history, "put", key, node, b"leapt %d" % number, ALL)
                await perform(clients, load.history, "get", key, node, level=ALL)
            await assert_refuses_to_coordinate(clients)
            clock.set(0)
            await clients.until_serving()
            history = before.history + load.history
            async with Load(clients, seed=8) as after:
                await after.until_acknowledged(200)
            history += after.history
            assert failures(history, lambda _: True) == []
            await read_everything(clients, history, QUORUM)
            await read_everything(clients, history, ALL)
            assert violations(history) == []
            assert_stamps_of_this_hour(history, began_ms)
            assert not (await clients[0].Get(pb.GetRequest(key=b"wrong hour", level=ALL))).found


@pytest.mark.parametrize("off_s", [3600, -3600], ids=["ahead", "behind"])
@bounded
async def test_a_node_that_starts_with_a_wrong_clock_waits_and_serves_when_it_is_right(
    tmp_path: Path, off_s: int
) -> None:
    clock = FakeClock(tmp_path)
    with planned(tmp_path) as cluster:
        began_ms = time.time_ns() // 1_000_000
        clock.set(off_s)
        cluster[VICTIM].start(env=clock.env)
        await cluster.start()
        async with Clients(cluster) as clients:
            await clients.until_serving(OTHERS)  # reads at `all`: as a replica n3 answers
            async with Load(clients, seed=9, nodes=OTHERS) as load:
                await load.until_acknowledged(200)
                for _ in range(20):
                    await assert_refuses_to_coordinate(clients)
            assert failures(load.history, lambda _: True) == []
            cluster[VICTIM].kill()
            clock.set(0)
            await cluster[VICTIM].start(env=clock.env).ready()
            await clients.until_serving()
            async with Load(clients, seed=10) as after:
                await after.until_acknowledged(200)
            history = load.history + after.history
            assert failures(history, lambda _: True) == []
            await read_everything(clients, history, ALL)
            assert violations(history) == []
            assert_stamps_of_this_hour(history, began_ms)
