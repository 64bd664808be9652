"""Real nodes in processes of their own, and clients of them, for tests that kill, stop and starve.

A test says what must become true and waits for that with a generous bound; nothing here sleeps for
a fixed time and hopes. Every process started is killed when its cluster's block ends, also a
stopped one, and a failure carries the end of every node's log.
"""

import asyncio
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, ParamSpec

import grpc
import grpc.aio
import orjson
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from dynakv.server.ports import HOST, free_ports
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc, ring_pb2

WITHIN_S: Final = 30.0  # for one condition; a loaded machine may be slow
TEST_S: Final = 150.0  # for one test
CALL_S: Final = 10.0  # for one call of a client
LOG_LINES: Final = 40  # of each life, in the report of a failure

ONE, QUORUM, ALL = ring_pb2.LEVEL_ONE, ring_pb2.LEVEL_QUORUM, ring_pb2.LEVEL_ALL

_CHANNEL: Final = (
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)

P = ParamSpec("P")


def bounded_by(seconds: float) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, None]]:
    """Turn async tests into ones that pytest runs, ended after so many seconds."""

    def decorate(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            async def limited() -> None:
                async with asyncio.timeout(seconds):
                    await test(*args, **kwargs)

            asyncio.run(limited())

        return run

    return decorate


bounded: Final = bounded_by(TEST_S)


async def until(true: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    """Wait until a condition holds; fail with `what` after the bound."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)


# --- nodes -----------------------------------------------------------------------------------


class NodeProcess:
    """One node across its lives: the same name, ports and directory, a log per life."""

    def __init__(self, node_id: str, directory: Path) -> None:
        """Choose ports; nothing is started."""
        client_port, peer_port = free_ports(2)
        self.node_id = node_id
        self.client = f"{HOST}:{client_port}"
        self.peer = f"{HOST}:{peer_port}"
        self.data_dir = directory / node_id
        self.words: Sequence[str] = ()
        self.program: Sequence[str] = ("-m", "dynakv")
        self._directory = directory
        self._lives: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        *more: str,
        env: Mapping[str, str] | None = None,
        words: Sequence[str] | None = None,
        prefix: Sequence[str] = (),
    ) -> "NodeProcess":
        """Begin a life; `words` replace the usual arguments, `more` are added.

        `prefix` is a command that runs the node in its own place (with exec).
        """
        assert not self.running, f"{self.node_id} runs already"
        command = [*prefix, sys.executable, *self.program, "start"]
        command += self.words if words is None else words
        with self._log(len(self._lives)).open("wb") as log:
            self._lives.append(
                subprocess.Popen(
                    [*command, *more],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **(env or {})},
                )
            )
        return self

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return bool(self._lives) and self._lives[-1].poll() is None

    @property
    def pid(self) -> int:
        """The process id of this life."""
        return self._lives[-1].pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._lives[-1].send_signal(number)

    def kill(self) -> None:
        """End the process with SIGKILL and wait for it; may be called again."""
        if self._lives:
            self._lives[-1].kill()
            self._lives[-1].wait()

    async def ended(self) -> int:
        """Return the exit code once the process has ended."""
        life = self._lives[-1]
        await until(lambda: life.poll() is not None, f"{self.node_id} ends")
        return int(life.returncode)

    async def ready(self) -> None:
        """Wait until this life has said that it is ready."""

        def said() -> bool:
            assert self.running, f"{self.node_id} ended while it started: {self.output()}"
            return "ready" in self.events()

        await until(said, f"{self.node_id} is ready")

    def output(self) -> str:
        """Return what this life wrote to stdout and stderr."""
        return self._log(len(self._lives) - 1).read_text(errors="replace")

    def logged(self) -> list[dict[str, Any]]:
        """Return the log of this life so far."""
        lines = self.output().split("\n")[:-1]
        return [orjson.loads(line) for line in lines if line.startswith("{")]

    def events(self) -> list[str]:
        """Return what happened in this life so far."""
        return [str(entry["event"]) for entry in self.logged()]

    def report(self) -> str:
        """Return the end of the log of every life."""
        parts = []
        for life, process in enumerate(self._lives):
            code = process.poll()
            state = "running" if code is None else f"ended with {code}"
            lines = self._log(life).read_text(errors="replace").splitlines()[-LOG_LINES:]
            parts.append(f"--- {self.node_id}, life {life + 1} (pid {process.pid}, {state}):")
            parts += [f"    {line}" for line in lines]
        return "\n".join(parts)

    def _log(self, life: int) -> Path:
        return self._directory / f"{self.node_id}.{life + 1}.log"


class Cluster:
    """Some nodes that know each other."""

    def __init__(self, directory: Path, count: int = 3) -> None:
        """Plan the nodes n1, n2, ...; nothing is started."""
        self.nodes = [NodeProcess(f"n{i + 1}", directory) for i in range(count)]
        for node in self.nodes:
            node.words = self.words_of(node)

    def __getitem__(self, place: int) -> NodeProcess:
        """Return a node by its place."""
        return self.nodes[place]

    def members(self) -> str:
        """Return the member list as --cluster takes it."""
        return ",".join(f"{node.node_id}={node.peer}" for node in self.nodes)

    def words_of(self, node: NodeProcess, members: str | None = None) -> list[str]:
        """Return the arguments of `dynakv start` for a node."""
        words = ["--node-id", node.node_id, "--data-dir", str(node.data_dir)]
        words += ["--listen-client", node.client, "--listen-peer", node.peer]
        return [*words, "--cluster", members or self.members()]

    async def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start all nodes that do not run, and wait until they are ready."""
        for node in self.nodes:
            if not node.running:
                node.start(env=env)
        for node in self.nodes:
            await node.ready()

    def kill(self) -> None:
        """SIGKILL all nodes, as nearly at once as signals go, and wait for their ends."""
        for node in self.nodes:
            if node.running:
                node.send(signal.SIGKILL)
        for node in self.nodes:
            node.kill()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add the nodes' logs to whatever fails in this block."""
        try:
            yield
        except BaseException as error:
            error.add_note("\n".join(node.report() for node in self.nodes))
            raise


@contextmanager
def planned(directory: Path, count: int = 3) -> Iterator[Cluster]:
    """Yield a cluster that is not started; whatever runs at the end of the block is killed."""
    cluster = Cluster(directory, count)
    try:
        with cluster.explained():
            yield cluster
    finally:
        cluster.kill()


@asynccontextmanager
async def serving(
    directory: Path, count: int = 3, env: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Cluster, "Clients"]]:
    """Yield a cluster in which every node serves, and clients of all nodes."""
    with planned(directory, count) as cluster:
        await cluster.start(env)
        async with Clients(cluster) as clients:
            await clients.until_serving()
            await clients.until_writable()
            yield cluster, clients


# --- clients ---------------------------------------------------------------------------------


class Clients:
    """A raw stub for each node; by place as `clients[i]`. Use it with `async with`."""

    def __init__(self, cluster: Cluster) -> None:
        """Remember the addresses."""
        self._cluster = cluster
        self._channels: list[grpc.aio.Channel] = []
        self._stubs: list[Any] = []

    async def __aenter__(self) -> "Clients":
        """Open a channel to each node."""
        for node in self._cluster.nodes:
            self._channels.append(grpc.aio.insecure_channel(node.client, options=_CHANNEL))
        self._stubs = [_stub(channel) for channel in self._channels]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self._stubs)

    def __getitem__(self, place: int) -> Any:
        """Return the stub of a node."""
        return self._stubs[place]

    async def raw(self, place: int, method: str, request: bytes) -> bytes:
        """Send bytes that need not be a request."""
        call: Any = self._channels[place].unary_unary(f"/dynakv.v1.KVStore/{method}")
        answer: bytes = await call(request, timeout=CALL_S)
        return answer

    async def until_serving(
        self, places: Sequence[int] | None = None, level: ring_pb2.Level = ALL
    ) -> None:
        """Wait until reads at `level` succeed through each of these nodes (default: all)."""
        request = pb.GetRequest(key=b"harness:probe", level=level)
        for place in range(len(self)) if places is None else places:
            stub = self[place]
            await eventually(functools.partial(stub.Get, request, timeout=2))

    async def until_writable(self) -> None:
        """Wait until every node takes writes at `all`: until each believes all others up."""
        delete = pb.DeleteRequest(key=b"harness:probe", level=ALL)
        for place in range(len(self)):
            await eventually(functools.partial(self[place].Delete, delete, timeout=2))


def _stub(channel: grpc.aio.Channel) -> Any:
    make: Any = kvstore_pb2_grpc.KVStoreStub
    return make(channel)


async def eventually(call: Callable[[], Awaitable[Any]], within_s: float = WITHIN_S) -> Any:
    """Return the first answer of a call that is repeated while it fails."""
    end = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if time.monotonic() > end:
                raise AssertionError(f"still failing after {within_s} s: {told(error)}") from error
        await asyncio.sleep(0.02)


async def refused(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """Return the error of a call that must fail."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"answered instead of refused: {answer!r:.200}")


def told(error: grpc.aio.AioRpcError) -> str:
    """Return status and message of a call's error."""
    return f"{error.code().name}: {error.details()}"


def retry_of(error: grpc.aio.AioRpcError) -> str | None:
    """Return what the node says about a retry; None where it was not the node that spoke."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = Status.FromString(value)
            assert status.code == error.code().value[0]
            info = ErrorInfo()
            for detail in status.details:
                if detail.Unpack(info):
                    return str(info.metadata["retry"])
    return None
