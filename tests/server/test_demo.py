"""A whole demo in real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dynakv.server import demo_plan

pytestmark = pytest.mark.slow

WITHIN_S = 30


@contextmanager
def demo(*words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dynakv", "demo", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()  # killed, it would leave its directory behind
        try:
            process.communicate(timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def serving(process: "subprocess.Popen[str]") -> list[str]:
    """Return the lines up to the sample's read."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("get "):
            return lines
    raise AssertionError(f"ended early: {lines} {process.communicate()}")


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + WITHIN_S
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        # An orphan that nobody reaps yet is gone as well.
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_once_shows_the_cluster_and_leaves_nothing_behind() -> None:
    began = time.monotonic()
    with demo("--once", "--base-port", "0") as process:
        out, err = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 0, err
        assert time.monotonic() - began < WITHIN_S
    lines = out.splitlines()
    assert lines[0].startswith("3 nodes are serving; data and logs in ")
    assert lines[4].startswith("export DYNAKV_ENDPOINTS=127.0.0.1:")
    assert lines[5].startswith("put demo:hello world through n1: OK after ")
    assert sorted(lines[7].split("replicas ")[1].split(", ")) == ["n1", "n2", "n3"]
    assert lines[8] == "get demo:hello through n2: world, the same stamp"
    assert sum(line.startswith("UN  n") for line in lines) == 3
    assert not Path(lines[0].rpartition(" ")[2]).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_node_and_exits_0(number: signal.Signals) -> None:
    with demo("--base-port", "0", "--nodes", "1") as process:
        serving(process)
        nodes = children_of(process.pid)
        assert len(nodes) == 1
        process.send_signal(number)
        assert process.wait(WITHIN_S) == 0
        assert not any(alive(pid) for pid in nodes)


def test_nodes_stop_also_when_the_demo_is_killed() -> None:
    with demo("--base-port", "0") as process:
        directory = serving(process)[0].rpartition(" ")[2]
        nodes = children_of(process.pid)
        assert len(nodes) == 3
        process.kill()
        wait_until_gone(nodes)
        subprocess.run(["rm", "-r", directory], check=True)


def test_a_node_that_dies_is_named_with_the_end_of_its_log() -> None:
    with demo("--base-port", "0", "--nodes", "2") as process:
        serving(process)
        nodes = children_of(process.pid)
        os.kill(nodes[1], signal.SIGKILL)
        _, err = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 1
        assert f"dynakv: node n2 (process {nodes[1]}) ended: SIGKILL; the end of its log:" in err
        assert '"event":"ready"' in err
        assert not any(alive(pid) for pid in nodes)


def test_a_kept_cluster_comes_back_on_the_same_ports_with_its_data(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    words = ("--persist", str(directory), "--nodes", "2")
    with demo(*words, "--once", "--base-port", "0") as process:
        assert process.wait(WITHIN_S) == 0
    plan = demo_plan.plan(None, None, directory)
    with demo(*words) as process:
        assert f"export DYNAKV_ENDPOINTS={plan.endpoints()}" in serving(process)
        process.terminate()
        assert process.wait(WITHIN_S) == 0
    log = (directory / "n1.log").read_text()
    assert '"starts":2' in log


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with demo("--base-port", "0", "--nodes", "1") as first:
        export = next(line for line in serving(first) if line.startswith("export"))
        base = int(export.rpartition(":")[2]) - 1
        with demo("--base-port", str(base), "--nodes", "1") as second:
            _, err = second.communicate(timeout=WITHIN_S)
    assert second.returncode == 1
    assert f"dynakv: port {base + 1} (n1, clients) is already in use" in err
    assert "--base-port" in err
