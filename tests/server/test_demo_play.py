"""A demo in real processes, played with through its prompt and from a second one."""

import contextlib
import fcntl
import os
import pty
import queue
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WITHIN_S = 40


class Prompt:
    """A process that reads commands from a pipe."""

    def __init__(self, *words: str, tmp: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dynakv", "demo", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": tmp},
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._remarks = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, pattern: str) -> list[str]:
        """Return the lines before the one that matches."""
        found: list[str] = []
        end = time.monotonic() + WITHIN_S
        while True:
            line = self._lines.get(timeout=max(end - time.monotonic(), 0.001))
            assert line is not None, f"ended before {pattern!r}: {self.said}"
            if re.match(pattern, line):
                return found
            found.append(line)

    def ask(self, line: str) -> str:
        """Return the answer to a command: what comes before the remark behind it is read."""
        self._remarks += 1
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n# {self._remarks}\n")
        self.process.stdin.flush()
        lines = self.until(f"dynakv> # {self._remarks}$")
        return "\n".join(x for x in lines if not x.startswith(("dynakv> ", "load ")))

    def ask_until(self, line: str, fits: Callable[[str], bool]) -> str:
        """Repeat a command until its answer fits."""
        end = time.monotonic() + WITHIN_S
        while not fits(answer := self.ask(line)):
            assert time.monotonic() < end, answer
        return answer

    def end(self) -> int:
        """Close stdin and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(WITHIN_S)

    def close(self) -> None:
        """Stop it and let nothing of it stay."""
        self.process.terminate()
        try:
            self.process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line.rstrip("\n"))
                self._lines.put(self.said[-1])
        self._lines.put(None)


@pytest.fixture
def tmp() -> Iterator[str]:
    """Yield a place for sockets and data whose path is short, as unix sockets need it."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp", ignore_cleanup_errors=True) as where:
        yield where


@contextmanager
def playing(tmp: str, *words: str) -> Iterator[Prompt]:
    """Yield the prompt of a demo that serves; it and its nodes are gone when the block ends."""
    with closing(Prompt("--prompt", "--base-port", "0", *words, tmp=tmp)) as prompt:
        prompt.until("'help' lists")
        yield prompt


def pids(status: str) -> dict[str, int]:
    return {name: int(pid) for name, pid in re.findall(r"(n\d) .*\(pid (\d+)\)", status)}


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_all_nodes_see_each_other_at_once_and_the_end_of_stdin_stops_them(tmp: str) -> None:
    with playing(tmp) as prompt:
        status = prompt.ask("status")
        assert status.startswith("OK: all 3 nodes serve")
        assert status.count("n1 n2 n3") == 3
        assert "DN" not in prompt.ask("ring")
        nodes = pids(status)
        assert len(nodes) == 3
        assert prompt.end() == 0
        assert not any(alive(pid) for pid in nodes.values())


def test_a_killed_node_is_done_without_and_returns_with_its_data(tmp: str) -> None:
    with playing(tmp) as prompt:
        first = pids(prompt.ask("status"))
        assert prompt.ask("put before 1").startswith("OK through n1, replicas n")
        assert prompt.ask("kill 2").startswith(f"n2 (pid {first['n2']}) is killed")
        assert not alive(first["n2"])
        status = prompt.ask("status")
        assert status.startswith("DEGRADED: n2 killed; every key has a quorum through n1, n3")
        assert prompt.ask("put during 2 via 3").startswith("OK through n3")
        assert prompt.ask("get during via 1").startswith("2\n")
        assert prompt.ask("kill 2") == "n2 is killed, not running or paused"
        assert prompt.ask("get during via 2") == "n2 is killed, not running"
        assert re.match(r"n2 \(pid \d+\) serves again after \d+ ms", prompt.ask("restart 2"))
        assert prompt.ask("status").startswith("OK: all 3 nodes serve")
        assert prompt.ask("get before via 2").startswith("1\n")
        assert prompt.ask("kill 1,3").count("is killed") == 2
        assert prompt.ask("status").startswith("UNAVAILABLE: n1 killed; n3 killed; no key has")
        assert prompt.ask("put after 3").startswith(("refused: ", "unknown outcome: "))
        assert prompt.end() == 0


def test_a_partition_leaves_the_majority_alone_and_healing_ends_it(tmp: str) -> None:
    with playing(tmp) as prompt:
        assert prompt.ask("partition n1 | n2,n3").startswith("cut: n1 | n2, n3; nothing passes.")
        status = prompt.ask("status")
        assert status.startswith(
            "DEGRADED: cut n1 | n2, n1 | n3; every key has a quorum through n2, n3"
        )
        assert prompt.ask("put k minority via 1").startswith(("refused: ", "unknown outcome: "))
        assert prompt.ask("get k via 1").startswith("refused: ")
        assert prompt.ask("put k majority via 2").startswith("OK through n2")
        assert prompt.ask("get k via 3").startswith("majority\n")
        # Once it has noticed it refuses before anything is sent.
        prompt.ask_until("put k again via 1", lambda answer: answer.startswith("refused: "))
        assert prompt.ask("heal").startswith("all links are open and fast again")
        prompt.ask_until("get k via 1", lambda answer: answer.startswith("majority\n"))
        prompt.ask_until("put k healed via 1", lambda answer: answer.startswith("OK through n1"))
        assert prompt.ask("status").startswith("OK: all 3 nodes serve")


def test_a_cut_of_one_way_costs_both_nodes_each_other(tmp: str) -> None:
    with playing(tmp, "--nodes", "2") as prompt:
        prompt.ask("partition 1 > 2")
        assert "cut n1 > n2" in prompt.ask("status")
        assert prompt.ask("put k v via 1").startswith(("refused: ", "unknown outcome: "))
        assert prompt.ask("put k v via 2").startswith(("refused: ", "unknown outcome: "))
        prompt.ask("heal")
        prompt.ask_until("put k v via 2", lambda answer: answer.startswith("OK through n2"))


def test_a_slow_node_makes_a_quorum_that_needs_it_slow(tmp: str) -> None:
    with playing(tmp, "--nodes", "2") as prompt:
        assert "a round trip 300 ms" in prompt.ask("slow 2 150")
        assert "slow: n2 +150 ms" in prompt.ask("status")
        began = time.monotonic()
        assert prompt.ask("put k v via 1").startswith("OK through n1")
        assert time.monotonic() - began >= 0.3


def test_a_paused_node_goes_on_and_never_outlives_a_killed_demo(tmp: str) -> None:
    with playing(tmp) as prompt:
        nodes = pids(prompt.ask("status"))
        assert prompt.ask("pause 2").startswith("n2 is paused")
        assert ") T " in Path(f"/proc/{nodes['n2']}/stat").read_text()
        assert prompt.ask("put k v").startswith("OK through n1")
        assert prompt.ask("resume 2") == "n2 goes on"
        prompt.ask("pause 2")
        prompt.process.kill()
        end = time.monotonic() + WITHIN_S
        while any(alive(pid) for pid in nodes.values()):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_node_that_dies_is_said_at_the_prompt_and_can_be_restarted(tmp: str) -> None:
    with playing(tmp) as prompt:
        nodes = pids(prompt.ask("status"))
        os.kill(nodes["n3"], signal.SIGKILL)
        prompt.until(rf"node n3 \(process {nodes['n3']}\) ended: SIGKILL; the end of its log:")
        prompt.until("'restart n3' brings it back")
        assert "n3 died" in prompt.ask("status")
        assert "serves again" in prompt.ask("restart 3")
        assert prompt.end() == 0


def test_a_second_prompt_attaches_and_leaves_without_stopping_anything(tmp: str) -> None:
    with ExitStack() as stack, playing(tmp) as prompt:
        second, third = (stack.enter_context(closing(Prompt("attach", tmp=tmp))) for _ in range(2))
        for attached in (second, third):
            attached.until("'help' lists the commands")
        assert "is killed" in second.ask("kill 3")
        assert third.ask("status").startswith("DEGRADED: n3 killed")
        assert prompt.ask("put k 'from the first'").startswith("OK")
        assert third.ask("get k").startswith("from the first\n")
        assert second.end() == 0
        assert "serves again" in prompt.ask("restart 3")
        assert prompt.end() == 0
        assert third.end() == 0
    with closing(Prompt("attach", tmp=tmp)) as late:
        late.until("dynakv: no demo is running for this user")
        assert late.process.wait(WITHIN_S) == 1


def test_without_a_terminal_there_are_no_links_and_attaching_works(tmp: str) -> None:
    with closing(Prompt("--base-port", "0", "--nodes", "1", tmp=tmp)) as demo:
        demo.until("Ctrl-C stops the cluster")
        with closing(Prompt("attach", tmp=tmp)) as attached:
            attached.until("'help' lists the commands")
            assert attached.ask("heal").startswith("this demo has no links to cut or slow")
            assert attached.ask("put k v").startswith("OK through n1")
            assert attached.end() == 1  # heal was refused
        demo.process.terminate()
        assert demo.process.wait(WITHIN_S) == 0


def test_ctrl_c_at_a_terminal_stops_the_nodes_and_restores_it(tmp: str) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-m", "dynakv", "demo", "--base-port", "0", "--nodes", "1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TMPDIR": tmp, "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no lock taken
    )
    shown = b""

    def until(text: bytes) -> None:
        nonlocal shown
        end = time.monotonic() + WITHIN_S
        while text not in shown:
            assert time.monotonic() < end, shown
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 4096)
        shown = shown.partition(text)[2]

    try:
        until(b"dynakv> ")
        os.write(ours, b"sta\t\n")
        until(b"OK: all 1 nodes serve")
        until(b"dynakv> ")
        os.write(ours, b"half a comm\x03")
        until(b"stopping")
        assert process.wait(WITHIN_S) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_a_load_shows_its_figures_every_second_while_a_node_dies(tmp: str) -> None:
    with playing(tmp, "--with-load", "zipf", "--load-rate", "50") as prompt:
        line = r"load zipf  [1-9]\d* ops/s  p50 [0-9.]+ ms  p99 [0-9.]+ ms  errors "
        prompt.until(line)
        prompt.ask("kill 2")
        prompt.until(r".*errors [1-9]\d* \(since the start \d+ UNAVAILABLE")
        prompt.until(line)
        assert prompt.end() == 0
