"""`dynakv demo`: a whole cluster on this machine to play with, one process a node.

On a terminal it has a prompt that kills, pauses, cuts and slows nodes (`demo_commands.py` lists
what can be said), and `dynakv demo attach` opens the same prompt elsewhere. Without one it serves
until a signal comes.
"""

import asyncio
import contextlib
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from dynakv.client import terminal, texts
from dynakv.client.connection import Connection, Reach, Version
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError, UsageError
from dynakv.server import demo_attach, demo_load, demo_plan, demo_prompt
from dynakv.server.demo_control import Control, Reply, replicas_of
from dynakv.server.demo_links import Links
from dynakv.server.demo_nodes import Child, ChildDiedError
from dynakv.server.demo_plan import Plan
from dynakv.server.demo_screen import Screen

READY_MS: Final = 20_000  # until the sample is written; a loaded machine may be slow to start
RETRY_MS: Final = 25

_SAMPLE_KEY: Final = b"demo:hello"
_SAMPLE_VALUE: Final = b"world"


class Options(Struct, frozen=True):
    """What the flags say; None stands for one that was not given."""

    nodes: int | None = None
    persist: Path | None = None
    base_port: int | None = None
    once: bool = False  # show itself and end
    prompt: bool | None = None  # None: where stdin is a terminal
    links: bool | None = None  # None: with a prompt
    load: demo_load.Distribution | None = None
    load_rate: int | None = None  # operations a second; None: demo_load.RATE


def run_demo(options: Options) -> int:
    """Run the demo until a signal or the end of its prompt, or with `once` until it has shown
    itself; return 0.

    Raises UsageError and RefusedError before anything is started, ChildDiedError afterwards.
    """
    if options.load_rate is not None:
        demo_load.refuse_rate(options.load_rate)
        if options.load is None:
            text = "there is no load without --with-load uniform or zipf"
            raise UsageError(f"--load-rate = {options.load_rate}: {text}")
    if options.once and (options.load or options.prompt or options.links):
        raise UsageError("--once ends by itself: it excludes --prompt, --links and --with-load")
    plan = demo_plan.plan(options.nodes, options.base_port, options.persist)
    demo_plan.refuse_taken_ports(plan)
    with _directory(plan, options.persist) as directory, demo_prompt.restored_terminal():
        return asyncio.run(_run(options, plan, directory))


async def _run(options: Options, plan: Plan, directory: Path) -> int:
    return await _Demo(options, plan, directory).run()


class _Demo:
    """One run of a demo. Make it in the event loop that runs it."""

    def __init__(self, options: Options, plan: Plan, directory: Path) -> None:
        self._options = options
        self._plan = plan
        self._directory = directory
        prompts = demo_prompt.asks_for_prompt() if options.prompt is None else options.prompt
        self._has_prompt = prompts and not options.once
        self._has_links = self._has_prompt if options.links is None else options.links
        self._is_serving = False
        self._stop = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._children: list[Child] = []

    async def run(self) -> int:
        """Start everything, stay, and stop everything."""
        self._on_signals()
        async with AsyncExitStack() as ending:
            links = None
            if self._has_links:
                peers = {node.node_id: node.peer for node in self._plan.nodes}
                links = await ending.enter_async_context(Links(peers))
            await ending.enter_async_context(self._running(links))
            control = Control(self._children, links)
            await self._unless_stopped(self._show(control))
            self._is_serving = True
            if not self._options.once and not self._stop.is_set():
                await ending.enter_async_context(demo_attach.listening(control, self._plan))
                await ending.enter_async_context(self._load())
                self._serve_prompt(control)
                await self._unless_stopped(self._stop.wait())
            terminal.say("stopping")
        return 0

    async def _unless_stopped(self, work: Coroutine[Any, Any, object]) -> None:
        """Wait for some work, for the order to stop or for a child's death, which is raised."""
        task = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [task, stopped, self._failed]
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                future.result()
        finally:
            task.cancel()
            stopped.cancel()

    @asynccontextmanager
    async def _running(self, links: Links | None) -> AsyncIterator[None]:
        """Start all children; they are gone when the block ends."""
        self._children += [
            Child(node, self._plan, self._directory, links, self._died) for node in self._plan.nodes
        ]
        try:
            for child in self._children:
                await child.start()
            yield
        finally:
            await asyncio.gather(*(child.stop() for child in self._children))

    def _died(self, error: ChildDiedError) -> None:
        """A death ends a demo that nobody attends; at a prompt it is only said."""
        if self._has_prompt and self._is_serving:
            terminal.say(f"\n{error}\n'restart {error.node_id}' brings it back")
        elif not self._failed.done():
            self._failed.set_exception(error)

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            if self._stop.is_set():  # the second signal does not wait
                for child in self._children:
                    child.send(signal.SIGKILL)
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, on_signal)  # nohup has SIGHUP ignored

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        """Run and show the load that was asked for."""
        options = self._options
        if options.load is None:
            yield
            return
        endpoints = {node.node_id: node.client for node in self._plan.nodes}
        screen = Screen(beside_prompt=self._has_prompt and demo_prompt.is_edited())
        with screen:
            rate = options.load_rate or demo_load.RATE
            async with demo_load.Load(endpoints, options.load, rate) as load:
                showing = asyncio.create_task(demo_load.show(load, screen))
                try:
                    yield
                finally:
                    showing.cancel()

    def _serve_prompt(self, control: Control) -> None:
        """Serve the prompt in a thread; its end stops the demo.

        A daemon: a thread that waits for a line cannot be woken, and must not keep the process.
        """
        if not self._has_prompt:
            return
        loop = asyncio.get_running_loop()
        nodes = [node.node_id for node in self._plan.nodes]

        def run(line: str) -> Reply:
            return asyncio.run_coroutine_threadsafe(control.run(line), loop).result()

        def serve() -> None:
            try:
                demo_prompt.serve(run, demo_prompt.lines(nodes))
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended before
                    loop.call_soon_threadsafe(self._stop.set)

        threading.Thread(target=serve, daemon=True, name="prompt").start()

    # --- what it shows -----------------------------------------------------------------------

    async def _show(self, control: Control) -> None:
        """Write a key through one node, read it through another, say how to reach all of them."""
        began = time.monotonic()
        nodes = self._plan.nodes
        first, second = nodes[0], nodes[1 % len(nodes)]
        async with Connection([first.client]) as one, Connection([second.client]) as two:
            version = await _written(one, began)
            waited_ms = (time.monotonic() - began) * 1000
            found = await _read(two, began)
        views = await control.settled()
        view = views[first.node_id]
        print(f"{len(nodes)} nodes are serving; data and logs in {self._directory}")
        for node in nodes:
            redis = f"  redis {node.redis}" if node.redis is not None else ""
            print(f"  {node.node_id}  clients {node.client}  peers {node.peer}{redis}")
        print(f"export DYNAKV_ENDPOINTS={self._plan.endpoints()}")
        key, value = _SAMPLE_KEY.decode(), _SAMPLE_VALUE.decode()
        print(f"put {key} {value} through {first.node_id}: OK after {waited_ms:.0f} ms")
        print(f"  stamp {texts.stamp(version.time, version.writer)}")
        if view is not None:
            print(f"  replicas {', '.join(replicas_of(view, _SAMPLE_KEY))}")
        same = "the same stamp" if found == version else "a newer stamp"
        print(f"get {key} through {second.node_id}: {value}, {same}", flush=True)
        if self._options.once:
            print(f"\n{(await control.run('ring')).text}", flush=True)
        elif self._has_prompt:
            terminal.say("'help' lists what can be done to it; 'quit' or Ctrl-C stops the cluster")
        else:
            terminal.say("Ctrl-C stops the cluster")


@contextlib.contextmanager
def _directory(plan: Plan, persist: Path | None) -> Iterator[Path]:
    """Yield where data and logs go; removed at the end unless it was asked for."""
    if persist is not None:
        demo_plan.remember(plan, persist)
        yield persist.resolve()
        return
    directory = Path(tempfile.mkdtemp(prefix="dynakv-demo-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _written(connection: Connection, began: float) -> Version:
    """Return the stamp of the sample, written as soon as a quorum is there.

    Repeated while the cluster starts, also after an unknown outcome: every repetition writes the
    same value, and nobody else writes this key.
    """
    while True:
        try:
            return await connection.put(_SAMPLE_KEY, _SAMPLE_VALUE, Reach())
        except (RefusedError, UnknownOutcomeError) as error:
            await _again(error, began)


async def _read(connection: Connection, began: float) -> Version | None:
    while True:
        try:
            found = await connection.get(_SAMPLE_KEY, Reach())
        except RefusedError as error:
            await _again(error, began)
            continue
        if found.value != _SAMPLE_VALUE:
            raise RefusedError(f"read {found.value!r} where {_SAMPLE_VALUE!r} was written")
        return found.version


async def _again(error: DynaKVError, began: float) -> None:
    """Wait a moment before the next attempt, or raise the error when that took too long."""
    if (time.monotonic() - began) * 1000 > READY_MS:
        raise RefusedError(f"the cluster did not begin to serve in {READY_MS} ms: {error}")
    await asyncio.sleep(RETRY_MS / 1000)
