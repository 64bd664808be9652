"""A disk that fails under a running node, by strace: the node halts, the others go on."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.harness import ALL, QUORUM, NodeProcess, bounded, serving
from tests.process.history import (
    WORKERS_PER_NODE,
    Load,
    failures,
    read_everything,
    violations,
)

pytestmark = pytest.mark.slow

EXIT_SOFTWARE = 70


@contextmanager
def injecting(pid: int, fault: str, log: Path) -> Iterator[None]:
    """Let system calls of a process fail as strace's --inject says, until the block ends."""
    command = ["strace", "-f", "-qq", "-p", str(pid), "-o", str(log), "-e", f"inject={fault}"]
    command += ["-e", f"trace={fault.partition(':')[0]}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as strace:
        try:
            yield
        finally:
            strace.terminate()


def skip_without_strace(tmp_path: Path) -> None:
    """Skip where strace is missing or may not trace, or knows no injection."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    command = [
        "strace",
        "-f",
        "-o",
        str(tmp_path / "probe"),
        "-e",
        "inject=fsync:error=EIO",
        "true",
    ]
    probe = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")


def assert_halted(node: NodeProcess, strace_log: Path) -> None:
    (halt,) = [entry for entry in node.logged() if entry["event"] == "halted"]
    assert halt["level"] == "critical"
    assert str(node.data_dir) in halt["reason"], halt
    assert "(INJECTED)" in strace_log.read_text(), "the fault never happened"
    assert "Traceback" not in node.output()


@pytest.mark.parametrize(
    "fault",
    ["fsync,fdatasync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"],
    ids=["failed-sync", "failed-write", "full-disk"],
)
@bounded
async def test_a_node_halts_at_the_first_error_of_its_disk_and_the_others_go_on(
    tmp_path: Path, fault: str
) -> None:
    skip_without_strace(tmp_path)
    victim = 2
    strace_log = tmp_path / "strace.log"
    async with serving(tmp_path) as (cluster, clients):
        async with Load(clients, seed=5) as load:
            await load.until_acknowledged(200)
            with injecting(cluster[victim].pid, fault, strace_log):
                assert await cluster[victim].ended() == EXIT_SOFTWARE
            await load.until_acknowledged(200)
        assert_halted(cluster[victim], strace_log)
        assert failures(load.history, lambda o: o.node != victim) == []
        assert len(failures(load.history, lambda o: o.node == victim)) <= WORKERS_PER_NODE
        # What was acknowledged is there without the node ...
        await read_everything(clients, load.history, QUORUM, nodes=[0, 1])
        assert violations(load.history) == []
        # ... and with it, once its disk works again.
        cluster[victim].start()
        await clients.until_serving()
        await read_everything(clients, load.history, QUORUM)
        await read_everything(clients, load.history, ALL)
        assert violations(load.history) == []
