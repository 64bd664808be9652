"""The systems that are compared: started on 127.0.0.1 and free ports, ended by process id.

Each has its data in a temporary folder of its own and makes every write durable before it answers:
DynaKV always does, redis-server with `--appendonly yes --appendfsync always`, etcd always does.
What the servers used comes from /proc: CPU time, and bytes that they caused to be written.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dynakv.server.ports import HOST, free_ports
from loadtest import links
from loadtest.plain import answered, clock

START_S: Final = 60.0
END_S: Final = 10.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


class NotThereError(Exception):
    """A system cannot be started here; says why."""


@dataclass(slots=True)
class System:
    """A running system. `pids[i]` serves `addresses[i]`; one not started here may have none."""

    name: str
    protocol: str  # resp or etcd
    addresses: list[str]
    pids: list[int] = field(default_factory=list)
    directory: Path | None = None
    down: int | None = None  # the place of the node that was ended
    version: str = ""
    clients: list[str] = field(default_factory=list)  # of DynaKV: where gRPC is spoken
    commands: list[list[str]] = field(default_factory=list)  # of DynaKV: what starts each node
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def serving(self) -> list[str]:
        """The addresses of the nodes that were not ended."""
        return [a for place, a in enumerate(self.addresses) if place != self.down]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a system's processes used since they began."""

    cpu_s: float = 0.0
    written_bytes: int = 0
    stored_bytes: int = 0


def usage(system: System) -> Usage:
    """Return the sums over a system's processes and files; ended processes count as zero."""
    cpu = written = 0
    for pid in system.pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            cpu += cpu_ticks(Path(f"/proc/{pid}/stat").read_text())
        with contextlib.suppress(OSError):
            written += written_bytes(Path(f"/proc/{pid}/io").read_text())
    return Usage(cpu / TICKS, written, stored_bytes(system.directory))


def resident_mb(system: System) -> float:
    """Return the memory that the largest of a system's processes holds, in MiB."""
    found = [0.0]
    for pid in system.pids:
        with contextlib.suppress(OSError):
            found.append(resident_kib(Path(f"/proc/{pid}/status").read_text()) / 1024)
    return max(found)


def resident_kib(status: str) -> int:
    """Return VmRSS of /proc/PID/status."""
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def cpu_ticks(stat: str) -> int:
    """Return user and system time of /proc/PID/stat, all threads of the process together."""
    after_name = stat.rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def written_bytes(io: str) -> int:
    """Return write_bytes of /proc/PID/io: what was sent, or will be, to a block device."""
    return next(int(line.split()[1]) for line in io.splitlines() if line.startswith("write_bytes"))


def stored_bytes(directory: Path | None) -> int:
    """Return what the files below a folder take on disk."""
    total = 0
    for path in directory.rglob("*") if directory else ():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


class Processes:
    """Processes that end with the block, however it ends."""

    def __init__(self, directory: Path) -> None:
        """Logs go to `directory`."""
        self._directory = directory
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Processes":
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all: politely, then at once. One that stands still is woken up first."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._started:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> int:
        """Start a process and return its id."""
        with (self._directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                cwd=self._directory,
            )
        self._started.append(process)
        return process.pid

    def ended(self) -> str:
        """Return the end of the log of a process that has ended, or nothing."""
        for process in self._started:
            if process.poll() is not None:
                logs = [log.read_text(errors="replace")[-500:] for log in self.logs()]
                return f"a process ended with {process.returncode}: " + "\n".join(logs)
        return ""

    def logs(self) -> list[Path]:
        """Return the log files."""
        return sorted(self._directory.glob("*.log"))

    def stop(self, pid: int) -> None:
        """Kill one of them and wait for its end."""
        process = next(p for p in self._started if p.pid == pid)
        process.kill()
        process.wait()


@contextlib.contextmanager
def dynakv(
    nodes: int = 3, groups: int | None = None, *, raft: bool = False, serves: bool = True
) -> Iterator[tuple[System, Processes]]:
    """Run DynaKV nodes with a Redis door, else as they are without any settings.

    With `raft` the default keyspace is in Raft mode; without `serves` the block begins at once.
    """
    with _folder("dynakv") as folder, Processes(folder) as processes:
        ports = free_ports(3 * nodes)
        members = ",".join(f"n{i}={HOST}:{ports[3 * i]}" for i in range(nodes))
        keyspace: dict[str, object] = {"name": "default"}
        if raft:
            keyspace["mode"] = "raft"
        if groups is not None:
            keyspace["groups"] = groups
        system = System("DynaKV Raft" if raft else "DynaKV", "resp", [], directory=folder)
        system.environment = {"DYNAKV__KEYSPACES": json.dumps([keyspace])}
        for i in range(nodes):
            words = ["start", "--node-id", f"n{i}", "--data-dir", str(folder / f"n{i}")]
            words += ["--cluster", members, "--listen-client", f"{HOST}:{ports[3 * i + 1]}"]
            words += ["--listen-redis", f"{HOST}:{ports[3 * i + 2]}"]
            system.commands.append([sys.executable, "-m", "dynakv", *words])
            system.addresses.append(f"{HOST}:{ports[3 * i + 2]}")
            system.clients.append(f"{HOST}:{ports[3 * i + 1]}")
        for i in range(nodes):
            system.pids.append(processes.start(f"n{i}", system.commands[i], system.environment))
        if serves:
            asyncio.run(until_writable(system, processes))
        system.version = "this revision"
        yield system, processes


@contextlib.contextmanager
def redis() -> Iterator[tuple[System, Processes]]:
    """Run one redis-server, without a replica."""
    program = _program("redis-server")
    with _folder("redis") as folder, Processes(folder) as processes:
        (port,) = free_ports(1)
        words = ["--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", "always"]
        pid = processes.start("redis", [program, *words], {})
        system = System("Redis", "resp", [f"{HOST}:{port}"], [pid], folder)
        system.version = _version([program, "--version"])
        asyncio.run(until_writable(system, processes))
        yield system, processes


@contextlib.contextmanager
def etcd(nodes: int = 3) -> Iterator[tuple[System, Processes]]:
    """Run an etcd cluster."""
    program = _program("etcd")
    with _folder("etcd") as folder, Processes(folder) as processes:
        ports = free_ports(2 * nodes)
        peers = ",".join(f"e{i}=http://{HOST}:{ports[2 * i]}" for i in range(nodes))
        system = System("etcd", "etcd", [], directory=folder)
        for i in range(nodes):
            peer, client = (f"http://{HOST}:{port}" for port in ports[2 * i : 2 * i + 2])
            words = ["--name", f"e{i}", "--data-dir", str(folder / f"e{i}")]
            words += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            words += ["--listen-client-urls", client, "--advertise-client-urls", client]
            words += ["--initial-cluster", peers, "--quota-backend-bytes", str(8 << 30)]
            words += ["--logger", "zap", "--log-level", "error"]
            system.pids.append(processes.start(f"e{i}", [program, *words], {}))
            system.addresses.append(f"{HOST}:{ports[2 * i + 1]}")
        system.version = _version([program, "--version"])
        asyncio.run(until_writable(system, processes))
        yield system, processes


def external(text: str) -> System:
    """Return the RESP system of `NAME=HOST:PORT[,HOST:PORT...][@PID[,PID...]]`, which runs already.

    Without process ids there are no figures of CPU and disk. Raises ValueError.
    """
    name, equals, rest = text.partition("=")
    places, _, pids = rest.partition("@")
    addresses = places.split(",")
    if not equals or not name or not all(a.rpartition(":")[2].isdigit() for a in addresses):
        raise ValueError(f"{text!r} is not NAME=HOST:PORT[,HOST:PORT...][@PID,...]")
    return System(name, "resp", addresses, [int(p) for p in pids.split(",") if p], version="?")


async def until_writable(system: System, processes: Processes | None = None) -> None:
    """Wait until every node takes a write three times in a row. Raises NotThereError."""
    end = clock() + START_S
    for address in system.serving:
        good, said = 0, "nothing"
        while good < 3:
            ended = processes.ended() if processes and system.down is None else ""
            if ended or clock() > end:
                raise NotThereError(f"{system.name} does not serve at {address}: {ended or said}")
            try:
                async with (
                    links.connected(system.protocol, [address], 1) as (link,),
                    asyncio.timeout(5),
                ):
                    (said,) = await answered(link, [("put", b"load:probe", b"x")])
                good = 0 if said else good + 1
            except (OSError, TimeoutError) as error:
                good, said = 0, str(error)
            await asyncio.sleep(0.1)


def take_down(system: System, processes: Processes) -> None:
    """Kill a system's last node and wait until the others serve. Raises NotThereError."""
    system.down = len(system.addresses) - 1
    processes.stop(system.pids[system.down])
    asyncio.run(until_writable(system, processes))


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotThereError(f"{name} is not installed")
    return found


def _version(command: Sequence[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    words = said.split()
    return next((w.removeprefix("v=") for w in words if w.removeprefix("v=")[:1].isdigit()), "?")
