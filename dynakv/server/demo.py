"""`dynakv demo`: a whole cluster on this machine, one process a node.

The nodes are children that a terminal's Ctrl-C does not reach (a session of their own), so that
this process stops them in order. Each holds the read end of a pipe as its stdin and stops when the
pipe closes: they also go when this process is killed and cannot say so.
"""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from dynakv.client import terminal, texts
from dynakv.client.connection import Connection, Reach, Version
from dynakv.core.layout import DEFAULT_KEYSPACE, group_shift, token_of
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError
from dynakv.server import demo_plan
from dynakv.server.demo_plan import DemoNode, Plan
from dynakv.v1.ring_pb2 import MEMBER_STATE_UP, GetRingStateResponse

READY_MS: Final = 20_000  # until the sample is written; a loaded machine may be slow to start
RETRY_MS: Final = 25
STOP_MS: Final = 10_000  # for a child to drain; then it is killed
LOG_LINES: Final = 10  # of a child that died

_SAMPLE_KEY: Final = b"demo:hello"
_SAMPLE_VALUE: Final = b"world"


class ChildDiedError(DynaKVError):
    """A node ended although nobody had asked it to."""


def run_demo(nodes: int | None, persist: Path | None, base_port: int | None, *, once: bool) -> int:
    """Run the demo until a signal, or with `once` until it has shown itself; return 0.

    Raises UsageError and RefusedError before anything is started, ChildDiedError afterwards.
    """
    plan = demo_plan.plan(nodes, base_port, persist)
    demo_plan.refuse_taken_ports(plan)
    with _directory(plan, persist) as directory:
        return asyncio.run(_run(plan, directory, once=once))


async def _run(plan: Plan, directory: Path, *, once: bool) -> int:
    stop = asyncio.Event()
    children: dict[str, Process] = {}

    def on_signal() -> None:
        if stop.is_set():  # the second signal does not wait
            _kill(children.values())
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, on_signal)  # nohup has SIGHUP ignored
    tasks: list[asyncio.Task[object]] = []
    try:
        for node in plan.nodes:
            children[node.node_id] = child = await _start(node, plan, directory)
            tasks.append(asyncio.create_task(_died(node, child, directory)))
        tasks.append(asyncio.create_task(stop.wait()))
        tasks.append(asyncio.create_task(_show(plan, directory, once=once)))
        await _first(tasks)
        if not once and not stop.is_set():
            await _first(tasks[:-1])
        terminal.say("stopping")
    finally:
        for task in tasks:
            task.cancel()
        await _stop(list(children.values()))
    return 0


async def _first(tasks: Sequence["asyncio.Task[object]"]) -> None:
    """Wait for the first task that ends, and raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


# --- the children ----------------------------------------------------------------------------


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


async def _start(node: DemoNode, plan: Plan, directory: Path) -> Process:
    with _log(node, directory).open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "dynakv", "start", "--until-stdin-closes"),
            *("--node-id", node.node_id),
            *("--data-dir", str(directory / node.node_id)),
            *("--cluster", plan.members()),
            *("--listen-client", node.client),
            *("--listen-peer", node.peer),
            stdin=PIPE,
            stdout=log,
            stderr=STDOUT,
            start_new_session=True,
        )


async def _stop(children: Sequence[Process]) -> None:
    """Ask all to drain, wait for them, kill who does not listen."""
    for child in children:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
    try:
        async with asyncio.timeout(STOP_MS / 1000):
            for child in children:
                await child.wait()
    except TimeoutError:
        _kill(children)
        for child in children:
            await child.wait()


def _kill(children: Iterable[Process]) -> None:
    for child in children:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()


async def _died(node: DemoNode, child: Process, directory: Path) -> None:
    """Wait for the end of a child that should not end. Raises ChildDiedError."""
    code = await child.wait()
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    log = _log(node, directory)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    raise ChildDiedError(
        f"node {node.node_id} (process {child.pid}) ended: {how}; the end of its log:\n"
        + "\n".join(f"  {line}" for line in lines)
    )


def _log(node: DemoNode, directory: Path) -> Path:
    return directory / f"{node.node_id}.log"


# --- what it shows ---------------------------------------------------------------------------


async def _show(plan: Plan, directory: Path, *, once: bool) -> None:
    """Write a key through one node, read it through another, print how to reach all of them."""
    began = time.monotonic()
    first, second = plan.nodes[0], plan.nodes[1 % len(plan.nodes)]
    async with Connection([first.client]) as one, Connection([second.client]) as two:
        version = await _written(one, began)
        waited_ms = (time.monotonic() - began) * 1000
        found = await _read(two, began)
        state = await _all_up(one, began)
        print(f"{len(plan.nodes)} nodes are serving; data and logs in {directory}")
        for node in plan.nodes:
            print(f"  {node.node_id}  clients {node.client}  peers {node.peer}")
        print(f"export DYNAKV_ENDPOINTS={plan.endpoints()}")
        key, value = _SAMPLE_KEY.decode(), _SAMPLE_VALUE.decode()
        print(f"put {key} {value} through {first.node_id}: OK after {waited_ms:.0f} ms")
        print(f"  stamp {texts.stamp(version.time, version.writer)}")
        print(f"  replicas {', '.join(_replicas(state, _SAMPLE_KEY))}")
        same = "the same stamp" if found == version else "a newer stamp"
        print(f"get {key} through {second.node_id}: {value}, {same}", flush=True)
        if once:
            from dynakv.admin import ring

            print(f"\n{ring.as_table(ring.view(state, DEFAULT_KEYSPACE), color=False)}", flush=True)
        else:
            terminal.say("Ctrl-C stops the cluster")


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


async def _all_up(connection: Connection, began: float) -> GetRingStateResponse:
    """Return the ring as soon as the node sees all members up; a quorum did not need them all."""
    while True:
        state = await connection.ring_state()
        late = [m.node_id for m in state.members if m.state != MEMBER_STATE_UP]
        if not late:
            return state
        await _again(RefusedError(f"{', '.join(late)} not up"), began)


async def _again(error: DynaKVError, began: float) -> None:
    """Wait a moment before the next attempt, or raise the error when that took too long."""
    if (time.monotonic() - began) * 1000 > READY_MS:
        raise RefusedError(f"the cluster did not begin to serve in {READY_MS} ms: {error}")
    await asyncio.sleep(RETRY_MS / 1000)


def _replicas(state: GetRingStateResponse, key: bytes) -> list[str]:
    keyspace = next(k for k in state.keyspaces if k.name == DEFAULT_KEYSPACE)
    group = token_of(key, hash_tags=keyspace.hash_tags) >> group_shift(len(keyspace.groups))
    return [state.members[i].node_id for i in keyspace.groups[group].replicas]
