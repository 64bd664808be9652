"""One real node in its own process: how it starts, refuses to start, and ends."""

import asyncio
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pytest

from dynakv.client.connection import Connection, Reach, Version
from dynakv.errors import DynaKVError, UnknownOutcomeError
from dynakv.server import demo_plan
from dynakv.server.demo_plan import DemoNode

pytestmark = pytest.mark.slow

WITHIN_S = 20


class RunningNode:
    """A `dynakv start` with its log."""

    def __init__(
        self, directory: Path, words: Sequence[str], ports: DemoNode, file_bytes_max: int | None
    ) -> None:
        self.endpoint = ports.client
        self.log = directory.parent / f"{directory.name}.{ports.client_port}.log"
        command = [sys.executable, "-m", "dynakv", "start", "--data-dir", str(directory)]
        command += ["--listen-client", ports.client, "--listen-peer", ports.peer, *words]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        if file_bytes_max is not None:
            # From outside: a function run between fork and exec would meet gRPC's fork handlers.
            bounds = (file_bytes_max, file_bytes_max)
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, bounds)

    def events(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [orjson.loads(line)["event"] for line in lines if line.startswith("{")]

    def until_ready(self) -> "RunningNode":
        end = time.monotonic() + WITHIN_S
        while "ready" not in self.events():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)
        return self

    def ended(self) -> int:
        return self.process.wait(WITHIN_S)


@contextmanager
def node(
    directory: Path,
    *words: str,
    ports: DemoNode | None = None,
    file_bytes_max: int | None = None,
) -> Iterator[RunningNode]:
    """Yield a node on its own or on free ports; it is gone when the block ends."""
    ports = ports or demo_plan.plan(1, 0, None).nodes[0]
    running = RunningNode(directory, words, ports, file_bytes_max)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        assert running.process.stdin is not None
        running.process.stdin.close()


def cli(endpoint: str, *words: str, value: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    script = "from dynakv.client.cli import main; main()"
    command = [sys.executable, "-c", script, *words, "-e", endpoint]
    return subprocess.run(command, input=value, capture_output=True, timeout=WITHIN_S, check=False)


@contextmanager
def two_nodes(tmp_path: Path) -> Iterator[list[RunningNode]]:
    """Yield the nodes of a cluster in which a write needs both."""
    plan = demo_plan.plan(2, 0, None)
    with ExitStack() as stack:
        nodes = []
        for n in plan.nodes:
            words = ("--node-id", n.node_id, "--cluster", plan.members())
            nodes.append(stack.enter_context(node(tmp_path / n.node_id, *words, ports=n)))
        yield [running.until_ready() for running in nodes]


async def outcome_of_put_under_way(
    nodes: list[RunningNode], then: Callable[[], Awaitable[None]]
) -> BaseException | Version:
    """Return what becomes of a put that waits for a stopped peer while `then` happens."""
    async with Connection([nodes[0].endpoint]) as connection:
        async with asyncio.timeout(WITHIN_S):
            while isinstance(await settled(connection), DynaKVError):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        nodes[1].process.send_signal(signal.SIGSTOP)
        put = asyncio.create_task(settled(connection))
        await asyncio.sleep(0)  # it is sent
        await connection.ring_state()  # was sent later, so the node has the put
        await then()
        return await put


async def settled(connection: Connection) -> BaseException | Version:
    try:
        return await connection.put(b"k", b"v", Reach())
    except DynaKVError as error:
        return error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_the_node_and_a_restart_finds_its_data(
    tmp_path: Path, number: signal.Signals
) -> None:
    with node(tmp_path / "n1") as first:
        first.until_ready()
        assert cli(first.endpoint, "put", "k", "v").returncode == 0
        first.process.send_signal(number)
        assert first.ended() == 0
        assert first.events()[-2:] == ["draining", "stopped"]
    assert not (tmp_path / "n1" / "dynakv.db-wal").exists()


def test_a_call_under_way_is_answered_before_a_drained_node_ends(tmp_path: Path) -> None:
    with two_nodes(tmp_path) as nodes:

        async def terminate() -> None:
            nodes[0].process.terminate()

        outcome = asyncio.run(outcome_of_put_under_way(nodes, terminate))
        assert isinstance(outcome, UnknownOutcomeError)
        assert "fewer than w=2 of 2 replicas" in str(outcome)  # said by the node
        assert nodes[0].ended() == 0


def test_the_second_signal_ends_a_node_at_once(tmp_path: Path) -> None:
    with two_nodes(tmp_path) as nodes:

        async def terminate_twice() -> None:
            nodes[0].process.terminate()
            while "draining" not in nodes[0].events():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            nodes[0].process.terminate()

        outcome = asyncio.run(outcome_of_put_under_way(nodes, terminate_twice))
        assert isinstance(outcome, UnknownOutcomeError)
        assert "Socket closed" in str(outcome)
        assert nodes[0].ended() == 128 + signal.SIGTERM


def test_a_killed_node_has_what_it_acknowledged(tmp_path: Path) -> None:
    ports = demo_plan.plan(1, 0, None).nodes[0]
    with node(tmp_path / "n1", ports=ports) as first:
        first.until_ready()
        assert cli(ports.client, "put", "k", "v").returncode == 0
        first.process.kill()
        assert first.ended() == -signal.SIGKILL
    with node(tmp_path / "n1", ports=ports) as second:
        second.until_ready()
        assert cli(ports.client, "get", "k").stdout == b"v\n"


def test_a_node_stops_when_its_stdin_closes_where_it_was_told_to(tmp_path: Path) -> None:
    with node(tmp_path / "n1", "--until-stdin-closes") as running:
        running.until_ready()
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.ended() == 0


def test_a_disk_that_fails_halts_the_node_with_exit_code_70(tmp_path: Path) -> None:
    with node(tmp_path / "n1", file_bytes_max=1 << 20) as running:
        running.until_ready()
        failed = cli(running.endpoint, "put", "k", value=bytes(1 << 20))
        assert failed.returncode == 3, failed.stderr
        assert running.ended() == 70
        assert running.events()[-1] == "halted"


@pytest.mark.parametrize("flag", ["--listen-client", "--listen-peer"])
def test_a_port_in_use_is_exit_code_1_and_one_line(tmp_path: Path, flag: str) -> None:
    with node(tmp_path / "n1") as first:
        first.until_ready()
        with node(tmp_path / "n2", flag, first.endpoint) as second:
            assert second.ended() == 1
            (line,) = second.log.read_text().splitlines()
            assert line.startswith(f"dynakv: cannot listen on {first.endpoint} for ")


def test_a_directory_in_use_or_of_another_node_is_exit_code_1_and_one_line(tmp_path: Path) -> None:
    with node(tmp_path / "n1") as first:
        first.until_ready()
        with node(tmp_path / "n1") as second:
            assert second.ended() == 1
            (line,) = second.log.read_text().splitlines()
            assert "is in use by process" in line
        first.process.terminate()
        assert first.ended() == 0
    with node(tmp_path / "n1", "--node-id", "n9") as third:
        assert third.ended() == 1
        (line,) = third.log.read_text().splitlines()
        assert "belongs to node 'n1', not 'n9'" in line


def test_a_changed_address_is_refused_with_both(tmp_path: Path) -> None:
    with node(tmp_path / "n1") as first:
        first.until_ready()
        first.process.terminate()
        assert first.ended() == 0
    with node(tmp_path / "n1") as second:  # other ports
        assert second.ended() == 1
        (line,) = second.log.read_text().splitlines()
        assert line.startswith("dynakv: node n1 cannot start: ")
        assert "address of member 'n1' is '127.0.0.1:" in line
