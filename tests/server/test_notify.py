"""The service manager hears when the node serves and when it ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dynakv.server import demo_plan, notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Yield a socket bound where a manager would be."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.settimeout(30)
        made.bind(str(tmp_path / "notify"))
        yield made


def test_the_manager_hears_ready_and_stopping(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    notify.ready()
    notify.stopping()
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_an_abstract_socket_is_reached_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"dynakv-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.settimeout(30)
        made.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notify.ready()
        assert made.recv(100) == b"READY=1"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_manager_nothing_is_sent(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if value is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", value)
    with capture_logs() as logs:
        notify.ready()
    assert not logs


def test_a_manager_that_is_gone_is_logged_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    with capture_logs() as logs:
        notify.ready()
    assert [entry["event"] for entry in logs] == ["notify_failed"]


@pytest.mark.slow
def test_a_node_says_ready_when_it_serves_and_stopping_when_it_drains(
    manager: socket.socket, tmp_path: Path
) -> None:
    node = demo_plan.plan(1, 0, None).nodes[0]
    command = [sys.executable, "-m", "dynakv", "start", "--data-dir", str(tmp_path / "n1")]
    command += ["--listen-client", node.client, "--listen-peer", node.peer]
    running = subprocess.Popen(
        command, env={**os.environ, "NOTIFY_SOCKET": manager.getsockname()}, stderr=subprocess.PIPE
    )
    try:
        assert manager.recv(100) == b"READY=1"
        with socket.create_connection(("127.0.0.1", node.client_port), timeout=5):
            pass
        running.send_signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.communicate()
