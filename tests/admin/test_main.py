import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import grpc
import pytest

from dynakv.admin.main import app
from dynakv.client import terminal
from dynakv.v1 import kvstore_pb2_grpc, ring_pb2


class OneNode(kvstore_pb2_grpc.KVStoreServicer):
    """A cluster of one node with one keyspace of two groups."""

    def GetRingState(
        self, request: ring_pb2.GetRingStateRequest, context: Any
    ) -> ring_pb2.GetRingStateResponse:
        groups = [ring_pb2.ShardGroup(replicas=[0])] * 2
        member = ring_pb2.Member(node_id="n1", address="h:1", weight=1, state="MEMBER_STATE_UP")
        return ring_pb2.GetRingStateResponse(
            answered_by="n1",
            epoch=1,
            members=[member],
            keyspaces=[ring_pb2.Keyspace(name="default", n=1, rq=1, wq=1, groups=groups)],
        )


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    kvstore_pb2_grpc.add_KVStoreServicer_to_server(OneNode(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, list(words))


def test_the_ring_goes_to_stdout_and_nothing_else_does(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ring", "-e", endpoint) == 0
    output = capsys.readouterr()
    assert "UN  n1" in output.out
    assert "\x1b" not in output.out
    assert output.err == ""


def test_endpoints_may_come_from_the_environment(
    endpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAKV_ENDPOINTS", f"127.0.0.1:1,{endpoint}")
    assert run("ring", "-o", "json", "--groups") == 0
    assert '"groups": [' in capsys.readouterr().out


def test_an_unreachable_cluster_is_exit_code_1_and_names_what_was_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("ring", "-e", "127.0.0.1:1,127.0.0.1:2") == 1
    assert capsys.readouterr() == (
        "",
        (
            "dynakv-admin: no endpoint could be reached; tried 127.0.0.1:1, 127.0.0.1:2 "
            "(name others with --endpoints or DYNAKV_ENDPOINTS)\n"
        ),
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["ring", "-o", "xml"], "'xml' is not one of 'table', 'json'"),
        (["ring", "-e", "nonsense"], "--endpoints: 'nonsense' must be host:port"),
        (["ring", "--bogus"], "No such option: --bogus"),
        (["rings"], "No such command 'rings'"),
    ],
)
def test_bad_words_are_usage_errors(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    assert text in capsys.readouterr().err


def test_an_unknown_keyspace_is_a_usage_error(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ring", "-e", endpoint, "-k", "x") == 64
    line = "dynakv-admin: keyspace 'x' does not exist; there are default\n"
    assert capsys.readouterr().err == line


def test_the_ring_as_a_picture_is_svg(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ring", "-e", endpoint, "-o", "svg") == 0
    assert ET.fromstring(capsys.readouterr().out).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("command", [[], ["status"], ["ring"], ["key"], ["what-if"]])
def test_help_imports_neither_grpc_nor_asyncio(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from dynakv.admin.main import app\n"
        "from dynakv.client import terminal\n"
        f"code = terminal.exit_code('dynakv-admin', app, {{}}, {[*command, '--help']!r})\n"
        "sys.exit(code or ('grpc' in sys.modules) or ('asyncio' in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_is_the_command() -> None:
    words = [sys.executable, "-m", "dynakv.admin", "what-if"]
    done = subprocess.run(words, capture_output=True, check=False, text=True)
    assert done.returncode == 64
    assert done.stderr.startswith("dynakv-admin: name either nodes that are --down or a change")
