"""Real nodes that are killed or paused, and come back, under a client with default settings."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dynakv import AsyncClient
from dynakv.server import demo_plan
from dynakv.server.demo_plan import DemoNode, Plan

pytestmark = pytest.mark.slow

CALLERS = 16
PUTS_PER_PHASE = 20  # each caller makes at least so many between two events


class Cluster:
    """Three processes of `dynakv start`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plan: Plan = demo_plan.plan(3, 0, None)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, node: DemoNode) -> None:
        command = [sys.executable, "-m", "dynakv", "start", "--node-id", node.node_id]
        command += ["--data-dir", str(self.directory / node.node_id)]
        command += ["--listen-client", node.client, "--cluster", self.plan.members()]
        with (self.directory / f"{node.node_id}.log").open("ab") as log:
            self.running[node.node_id] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log
            )

    def signal(self, node: DemoNode, number: signal.Signals) -> None:
        self.running[node.node_id].send_signal(number)

    def kill(self, node: DemoNode) -> None:
        process = self.running.pop(node.node_id)
        process.kill()
        process.wait()


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    made = Cluster(directory)
    try:
        for node in made.plan.nodes:
            made.start(node)
        yield made
    finally:
        for node in made.plan.nodes:
            if node.node_id in made.running:
                made.kill(node)


class Caller:
    """Writes rising numbers to a key of its own and reads them back."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self.client = client
        self.key = name
        self.acknowledged = 0
        self.goal = 0
        self.is_there = asyncio.Event()
        self.errors: list[str] = []
        self.is_over = False

    async def run(self) -> None:
        while not self.is_over:
            number = self.acknowledged + 1
            try:
                await self.client.put(self.key, str(number))
                self.acknowledged = number
                found = await self.client.get(self.key)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                self._end(f"{type(error).__name__}: {error}")
                return
            if found != str(number).encode():
                self._end(f"{self.key}: read {found!r} after {number} was acknowledged")
                return
            if self.acknowledged >= self.goal:
                self.is_there.set()

    def _end(self, error: str) -> None:
        self.errors.append(error)
        self.is_over = True
        self.is_there.set()

    async def progress(self) -> None:
        """Return when so many more puts are acknowledged, or it has failed."""
        self.goal = self.acknowledged + PUTS_PER_PHASE
        if not self.is_over:
            self.is_there.clear()
        await self.is_there.wait()


async def serves(node: DemoNode) -> None:
    """Return once a node takes part again: it can coordinate, and all replicas save."""
    async with AsyncClient(node.client, timeout=30) as client:
        await client.put(f"probe of {node.node_id}", "v", level="all")


Event = Callable[[Cluster, DemoNode], None]


def pause(nodes: Cluster, node: DemoNode) -> None:
    nodes.signal(node, signal.SIGSTOP)


def resume(nodes: Cluster, node: DemoNode) -> None:
    nodes.signal(node, signal.SIGCONT)


@pytest.mark.parametrize(
    ("stop", "go_on", "coalesce"),
    [
        (Cluster.kill, Cluster.start, True),
        (Cluster.kill, Cluster.start, False),
        (pause, resume, True),
    ],
    ids=["kill -9", "kill -9, one by one", "pause"],
)
def test_losing_each_node_in_turn_shows_no_error_and_no_older_value(
    tmp_path: Path, stop: Event, go_on: Event, coalesce: bool
) -> None:
    async def scenario(nodes: Cluster) -> None:
        endpoints = nodes.plan.endpoints()
        for node in nodes.plan.nodes:
            await serves(node)
        async with AsyncClient(endpoints, coalesce=coalesce) as client:
            callers = [Caller(client, f"caller {i}") for i in range(CALLERS)]
            tasks = [asyncio.create_task(caller.run()) for caller in callers]

            async def progress() -> None:
                await asyncio.gather(*(caller.progress() for caller in callers))

            for node in nodes.plan.nodes:
                await progress()
                await asyncio.to_thread(stop, nodes, node)
                await progress()
                go_on(nodes, node)
                await serves(node)
            await progress()
            for caller in callers:
                caller.is_over = True
            await asyncio.gather(*tasks)
            assert not [error for caller in callers for error in caller.errors]
            for caller in callers:
                found = await client.get(caller.key, level="all")
                assert found == str(caller.acknowledged).encode()

    async def bounded() -> None:
        async with asyncio.timeout(120):
            await scenario(nodes)

    with cluster(tmp_path) as nodes:
        asyncio.run(bounded())
