"""Attached prompts, with a demo's commands but without its nodes."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dynakv.errors import RefusedError, UsageError
from dynakv.server import demo_attach, demo_commands, demo_plan
from dynakv.server.demo_attach import EndedError, Session
from dynakv.server.demo_control import Control
from dynakv.server.demo_nodes import Child
from dynakv.server.demo_plan import Plan

WITHIN_S = 10


@pytest.fixture(autouse=True)
def _own_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    tmp_path_factory.getbasetemp()  # made before the place of all of them moves
    # A short path: those of unix sockets have a limit of about 100 bytes.
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield


def planned(base: int, nodes: int = 2) -> Plan:
    return demo_plan.plan(nodes, base, None)


@contextmanager
def listening(*plans: Plan) -> Iterator[None]:
    """Run demos without processes in a loop of their own."""
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with asyncio.timeout(WITHIN_S):
            await nested(list(plans))

    async def nested(rest: list[Plan]) -> None:
        if not rest:
            started.set()
            await stop.wait()
            return
        plan = rest[0]
        children = [Child(n, plan, Path("/nowhere"), None, lambda _: None) for n in plan.nodes]
        async with demo_attach.listening(Control(children, None), plan):
            await nested(rest[1:])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(WITHIN_S)
        yield
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(WITHIN_S)


def path_of(plan: Plan) -> Path:
    return demo_attach.directory() / f"{plan.name}.sock"


def with_session(plan: Plan, use: Callable[[Session], None]) -> None:
    session = Session(path_of(plan))
    try:
        use(session)
    finally:
        session.close()


def test_a_session_gets_the_answer_to_each_line() -> None:
    plan = planned(41_000)

    def use(session: Session) -> None:
        assert session.hello.nodes == ["n1", "n2"]
        assert session.hello.pid == os.getpid()
        assert session.run("help").text == demo_commands.HELP
        assert session.run("kill 1").text == "n1 is killed, not running or paused"
        refused = session.run("bogus")
        assert (refused.ok, refused.text) == (False, "no such command: 'bogus'; 'help' lists all")
        assert session.run("get \udcff").text.startswith("no running node can be reached")
        assert session.run("x" * 70_000).text == "the line is too long: at most 65536 bytes"
        assert session.run("quit").leaves

    with listening(plan):
        with_session(plan, use)
    assert not path_of(plan).exists()


def test_several_sessions_are_served_at_once() -> None:
    plan = planned(41_000)

    def use(first: Session) -> None:
        def also(second: Session) -> None:
            assert second.run("help") == first.run("help")

        with_session(plan, also)
        assert first.run("heal").text.startswith("this demo has no links to cut or slow")

    with listening(plan):
        with_session(plan, use)


def test_a_session_learns_that_its_demo_has_ended() -> None:
    plan = planned(41_000)
    with listening(plan):
        session = Session(path_of(plan))
    with pytest.raises(EndedError, match="the demo has ended"):
        session.run("status")
    session.close()


def test_nonsense_costs_the_connection_and_nothing_else() -> None:
    plan = planned(41_000)
    with listening(plan):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(WITHIN_S)
            raw.connect(os.fspath(path_of(plan)))
            raw.sendall(b"nonsense\n")
            while raw.recv(4096):
                pass
        with_session(plan, lambda session: None)


def test_a_demo_is_found_by_itself_by_port_and_by_directory(tmp_path: Path) -> None:
    plan = planned(41_000)
    demo_plan.remember(plan, tmp_path)
    with listening(plan):
        running = demo_attach._running()
        assert demo_attach._meant(running, None, None) == "41000"
        assert demo_attach._meant(running, 41_000, None) == "41000"
        assert demo_attach._meant(running, None, tmp_path) == "41000"
        with pytest.raises(RefusedError, match="no such demo is running; there is --base-port 41"):
            demo_attach._meant(running, 42_000, None)
        running["41000"].close()


@pytest.mark.parametrize(
    ("typed", "code"), [("help\n", 0), ("", 0), ("bogus\nhelp\n", 1), ("bogus\nquit\n", 1)]
)
def test_the_exit_code_of_piped_commands_says_whether_one_failed(typed: str, code: int) -> None:
    script = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from dynakv.server.demo_attach import attach; sys.exit(attach(None, None))"
    )
    with listening(planned(41_000)):
        done = subprocess.run(
            [sys.executable, "-c", script, tempfile.gettempdir()],
            input=typed.encode(),
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
    assert done.returncode == code


def test_of_several_demos_one_must_be_chosen() -> None:
    with listening(planned(41_000), planned(42_000, 1)), pytest.raises(UsageError) as refusal:
        demo_attach.attach(None, None)
    assert str(refusal.value) == (
        "several demos are running, choose one: "
        "--base-port 41000 (2 nodes, 127.0.0.1:41001,127.0.0.1:41002); "
        "--base-port 42000 (1 nodes, 127.0.0.1:42001)"
    )


def test_without_a_demo_there_is_nothing_to_attach_to(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no demo is running for this user"):
        demo_attach.attach(None, None)
    with pytest.raises(UsageError, match=r"is not the directory of a demo: it has no demo\.json"):
        demo_attach.attach(None, tmp_path)


def test_what_a_killed_demo_left_is_removed() -> None:
    plan = planned(41_000)
    with listening(plan):
        pass
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path_of(plan)))
    assert path_of(plan).exists()
    with pytest.raises(RefusedError, match="no demo is running"):
        demo_attach.attach(None, None)
    assert not path_of(plan).exists()


def test_a_new_demo_takes_the_place_of_a_killed_one() -> None:
    plan = planned(41_000)
    with listening(plan):
        pass
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path_of(plan)))
    with listening(plan):
        with_session(plan, lambda session: None)


def test_a_directory_open_to_others_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    demo_attach.directory().mkdir(mode=0o755)
    demo_attach.directory().chmod(0o755)
    plan = planned(41_000)
    with listening(plan):
        assert not path_of(plan).exists()
    assert "'dynakv demo attach' will not find this demo" in capsys.readouterr().err
