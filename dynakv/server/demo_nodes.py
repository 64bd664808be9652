"""The processes of a demo: one a node, started, ended and stopped by hand.

A child gets a process group of its own, so that a terminal's Ctrl-C does not reach it and this
process stops all of them in order. Each holds the read end of a pipe as its stdin and stops when
the pipe closes: children also go when this process is killed and cannot say so. A paused one reads
no pipe; but its group, left by its parent, is orphaned then, and the kernel continues the stopped
members of such a group (POSIX: SIGHUP, then SIGCONT). That needs the parent's session, which is
why it has no session of its own.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from dynakv.errors import DynaKVError
from dynakv.server.demo_links import Links
from dynakv.server.demo_plan import DemoNode, Plan

STOP_MS: Final = 10_000  # for a child to drain; then it is killed
LOG_LINES: Final = 10  # of a child that died


class ChildDiedError(DynaKVError):
    """A node ended although nobody had asked it to."""

    def __init__(self, node_id: str, text: str) -> None:
        """Say which."""
        super().__init__(text)
        self.node_id = node_id


class State(Enum):
    """What a node's process does."""

    RUNNING = "running"
    PAUSED = "paused"  # by SIGSTOP: it is silent and forgets nothing
    KILLED = "killed"
    DIED = "died"  # of itself


class Child:
    """One node across its lives."""

    def __init__(
        self,
        node: DemoNode,
        plan: Plan,
        directory: Path,
        links: Links | None,
        died: Callable[[ChildDiedError], None],
    ) -> None:
        """Prepare it; nothing is started. `died` hears of an end that nobody had asked for."""
        self.node = node
        self.state = State.KILLED
        self._plan = plan
        self._directory = directory
        self._links = links
        self._died = died
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id of this life."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Begin a life on the same ports, with the data of the last one."""
        assert self.state in (State.KILLED, State.DIED)
        with self._log().open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dynakv", "start", "--until-stdin-closes"),
                *self._words(),
                stdin=PIPE,
                stdout=log,
                stderr=STDOUT,
                process_group=0,
            )
        self.state = State.RUNNING
        self._watch = asyncio.create_task(self._watched(self._process))

    async def kill(self) -> None:
        """End it without a word, as a power cut would."""
        self.state = State.KILLED
        self.send(signal.SIGKILL)
        await self.ended()

    def ask_to_stop(self) -> None:
        """Let it drain and end."""
        paused = self.state is State.PAUSED
        self.state = State.KILLED
        self.send(signal.SIGTERM)
        if paused:
            self.send(signal.SIGCONT)

    async def stop(self) -> None:
        """Let it drain, and return when it has ended; it is killed if it takes too long."""
        self.ask_to_stop()
        try:
            async with asyncio.timeout(STOP_MS / 1000):
                await self.ended()
        except TimeoutError:
            await self.kill()

    def pause(self) -> None:
        """Stop it where it stands."""
        self.state = State.PAUSED
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it stood."""
        self.state = State.RUNNING
        self.send(signal.SIGCONT)

    async def ended(self) -> None:
        """Wait until the process is gone."""
        if self._process is not None:
            await self._process.wait()
        if self._watch is not None:
            await self._watch

    def send(self, number: signal.Signals) -> None:
        """Send a signal to a process that is still there."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _words(self) -> list[str]:
        node = self.node
        words = ["--node-id", node.node_id, "--data-dir", str(self._directory / node.node_id)]
        words += ["--cluster", self._plan.members()]
        words += ["--listen-client", node.client, "--listen-peer", node.peer]
        if node.redis is not None:
            words += ["--listen-redis", node.redis]
        via = self._links.via(node.node_id) if self._links is not None else {}
        if via:
            words += ["--peer-via", ",".join(f"{n}={where}" for n, where in via.items())]
        return words

    async def _watched(self, process: Process) -> None:
        """Report an end that nobody had asked for."""
        code = await process.wait()
        if self.state is State.KILLED:
            return
        self.state = State.DIED
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        lines = self._log().read_text(errors="replace").splitlines()[-LOG_LINES:]
        self._died(
            ChildDiedError(
                self.node.node_id,
                f"node {self.node.node_id} (process {process.pid}) ended: {how}; "
                "the end of its log:\n" + "\n".join(f"  {line}" for line in lines),
            )
        )

    def _log(self) -> Path:
        return self._directory / f"{self.node.node_id}.log"
