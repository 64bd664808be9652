"""`dynakv demo attach`: the same prompt from another terminal, over a unix socket.

Every demo listens in a directory of its user, `$TMPDIR/dynakv-demo-UID/BASE.sock`, where BASE is
the base port and so the name of the demo. Only that user can enter the directory; one that belongs
to somebody else is not used. A socket that nobody listens on is what a killed demo left, and is
removed by whoever finds it. Requests and replies are JSON, one a line.
"""

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from dynakv.client import terminal
from dynakv.errors import RefusedError, UsageError
from dynakv.server import demo_plan, demo_prompt
from dynakv.server.demo_commands import LINE_BYTES_MAX
from dynakv.server.demo_control import Control, Reply
from dynakv.server.demo_plan import Plan

MESSAGE_BYTES_MAX: Final = 8 * LINE_BYTES_MAX  # a line as JSON: six characters for a control one
SUFFIX: Final = ".sock"
LOOK_S: Final = 1.0  # for a demo to take a connection
ANSWER_S: Final = 120.0  # of one command; restarting many nodes takes its time


class Request(Struct, frozen=True):
    """A line that was typed, as Latin-1 of its bytes: keys need not be UTF-8."""

    line: str


class Hello(Struct, frozen=True):
    """What a demo says of itself to whom connects."""

    pid: int
    nodes: list[str]
    endpoints: str


class EndedError(RefusedError):
    """The demo on the other side is gone."""


# --- the demo's side -------------------------------------------------------------------------


def directory() -> Path:
    """Return where the sockets of this user's demos are."""
    return Path(tempfile.gettempdir()) / f"dynakv-demo-{os.getuid()}"


@asynccontextmanager
async def listening(control: Control, plan: Plan) -> AsyncIterator[None]:
    """Let prompts attach while the block runs; where that is impossible say why and go on."""

    prompts: set[asyncio.Task[None]] = set()

    def attached(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_answer_all(control, plan, reader, writer))
        prompts.add(task)
        task.add_done_callback(prompts.discard)

    path = directory() / f"{plan.name}{SUFFIX}"
    try:
        _make_directory()
        path.unlink(missing_ok=True)  # the ports are ours, so it is of a demo that was killed
        server = await asyncio.start_unix_server(attached, path, limit=MESSAGE_BYTES_MAX)
    except (OSError, RefusedError) as error:
        terminal.say(f"'dynakv demo attach' will not find this demo: {path}: {error}")
        yield
        return
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        for prompt in list(prompts):
            prompt.cancel()
        await asyncio.gather(*prompts, return_exceptions=True)


async def _answer_all(
    control: Control, plan: Plan, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    nodes = [node.node_id for node in plan.nodes]
    try:
        writer.write(_line(Hello(os.getpid(), nodes, plan.endpoints())))
        while raw := await reader.readline():
            request = msgspec.json.decode(raw, type=Request)
            reply = await control.run(os.fsdecode(request.line.encode("latin-1")))
            writer.write(_line(reply))
            await writer.drain()
    except (OSError, ValueError):
        pass  # whoever breaks off or talks nonsense loses the connection, nothing else
    finally:
        writer.close()


def _make_directory() -> None:
    """Make the directory, or refuse the one that is there: /tmp is everybody's."""
    where = directory()
    where.mkdir(mode=0o700, exist_ok=True)
    found = where.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RefusedError("its directory is not yours alone; remove it, or set TMPDIR")


# --- the prompt's side -----------------------------------------------------------------------


class Session:
    """A connection to a running demo. Blocking."""

    def __init__(self, path: Path) -> None:
        """Connect. Raises EndedError where nobody listens, OSError where that cannot be tried."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(LOOK_S)
            self._socket.connect(os.fspath(path))
            self._file = self._socket.makefile("rwb")
            self.hello = msgspec.json.decode(self._next(), type=Hello)
            self._socket.settimeout(ANSWER_S)
        except (ConnectionError, FileNotFoundError):
            self._socket.close()
            raise EndedError(f"no demo listens on {path}") from None
        except BaseException:
            self._socket.close()
            raise

    def run(self, line: str) -> Reply:
        """Return the demo's answer to a line. Raises EndedError."""
        if len(os.fsencode(line)) > LINE_BYTES_MAX:
            return Reply(f"the line is too long: at most {LINE_BYTES_MAX} bytes", ok=False)
        try:
            self._file.write(_line(Request(os.fsencode(line).decode("latin-1"))))
            self._file.flush()
            return msgspec.json.decode(self._next(), type=Reply)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise EndedError(f"the demo did not answer within {ANSWER_S:.0f} s") from None
            raise EndedError("the demo has ended") from None

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def _next(self) -> bytes:
        raw = self._file.readline()
        if not raw:
            raise EndedError("the demo has ended")
        return raw


def attach(base_port: int | None, persist: Path | None) -> int:
    """Serve a prompt to a running demo until it is left; return the exit code.

    It is 1 where commands were piped in and one of them failed: a person has seen it.

    Raises UsageError where it is not clear which demo is meant, RefusedError where there is none.
    """
    running = _running()
    try:
        name = _meant(running, base_port, persist)
        session = running.pop(name)
    finally:
        for other in running.values():
            other.close()
    hello = session.hello
    terminal.say(f"attached to demo {name} (pid {hello.pid}, {', '.join(hello.nodes)})")
    terminal.say("'help' lists the commands; 'quit' leaves and stops nothing")
    try:
        is_well = demo_prompt.serve(session.run, demo_prompt.lines(hello.nodes))
    finally:
        session.close()
    return 0 if is_well or demo_prompt.asks_for_prompt() else 1


def _meant(running: Mapping[str, "Session"], base_port: int | None, persist: Path | None) -> str:
    """Return the name of the one demo that fits. Raises UsageError and RefusedError."""
    wanted = None if base_port is None else str(base_port)
    if persist is not None:
        plan = demo_plan.remembered(persist) if (persist / demo_plan.PLAN).exists() else None
        if plan is None:
            raise UsageError(
                f"{persist} is not the directory of a demo: it has no {demo_plan.PLAN}"
            )
        wanted = plan.name
    if not running:
        raise RefusedError("no demo is running for this user; start one with 'dynakv demo'")
    shown = "; ".join(
        f"--base-port {name} ({len(s.hello.nodes)} nodes, {s.hello.endpoints})"
        for name, s in running.items()
    )
    if wanted is None and len(running) > 1:
        raise UsageError(f"several demos are running, choose one: {shown}")
    if wanted is not None and wanted not in running:
        raise RefusedError(f"no such demo is running; there is {shown}")
    return wanted or next(iter(running))


def _running() -> dict[str, Session]:
    """Return a session with every demo that answers; sockets of dead ones are removed."""
    found: dict[str, Session] = {}
    where = directory()
    if not where.is_dir():
        return found
    if where.stat().st_uid != os.getuid():
        raise RefusedError(f"{where} belongs to somebody else; remove it, or set TMPDIR")
    for path in sorted(where.glob(f"*{SUFFIX}")):
        try:
            found[path.stem] = Session(path)
        except EndedError:
            path.unlink(missing_ok=True)
        except (OSError, msgspec.MsgspecError) as error:
            terminal.say(f"{path}: {error}")
    return found


def _line(message: Struct) -> bytes:
    return msgspec.json.encode(message) + b"\n"
