import io
import os
import subprocess
import sys

import grpc
import pytest

from dynakv.client import terminal
from dynakv.client.cli import EXIT_CODES, app
from tests.client.conftest import FakeStore

STAMP = "2023-11-14T22:13:20.123Z+4@00000000000000ff"


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-cli", app, EXIT_CODES, list(words))


@pytest.fixture(autouse=True)
def _endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the command at the fake where a test has one, else at nobody."""
    fake: FakeStore | None = None
    if "store" in request.fixturenames:
        fake = request.getfixturevalue("store")
    monkeypatch.setenv("DYNAKV_ENDPOINTS", fake.endpoint if fake else "127.0.0.1:1")


def test_put_prints_the_stamp_and_get_the_bare_value(
    store: FakeStore, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run("put", "k", "v", "--ttl", "30s") == 0
    assert store.requests[-1].ttl_ms == 30_000
    assert run("get", "k") == 0
    assert capsysbinary.readouterr() == (f"OK {STAMP}\nv\n".encode(), b"")


def test_raw_prints_the_bytes_alone(
    store: FakeStore, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    store.values[b"k"] = b"\x00\xff"
    assert run("get", "k", "--raw") == 0
    assert capsysbinary.readouterr().out == b"\x00\xff"


def test_stamp_and_deadline_go_to_stderr(
    store: FakeStore, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    store.values[b"k"] = b"v"
    assert run("get", "k", "--stamp") == 0
    expected = f"stamp {STAMP}\nexpires 2023-11-14T22:14:20.000Z\n".encode()
    assert capsysbinary.readouterr() == (b"v\n", expected)


def test_put_reads_stdin_where_the_value_is_left_out(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x00\nv")))
    assert run("put", "k") == 0
    assert store.values == {b"k": b"\x00\nv"}


def test_put_does_not_take_an_empty_stdin_for_an_empty_value(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert run("put", "k") == 64
    assert 'VALUE is missing and stdin is empty; an empty value is given as ""' in (
        capsys.readouterr().err
    )
    assert not store.requests
    assert run("put", "k", "") == 0
    assert store.values == {b"k": b""}


def test_a_key_may_be_any_bytes(store: FakeStore) -> None:
    assert run("put", "\udcff", "") == 0
    assert store.values == {b"\xff": b""}


def test_delete_prints_a_stamp_for_each_key(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.values = {b"a": b"1", b"b": b"2"}
    assert run("delete", "a", "b", "c") == 0
    assert capsys.readouterr().out == f"OK {STAMP}\n" * 3
    assert store.values == {}


def test_expire_and_persist_say_whether_there_was_a_value(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.values[b"k"] = b"v"
    assert run("expire", "k", "5m") == 0
    assert run("persist", "k") == 0
    assert capsys.readouterr() == ("OK\nOK\n", "")
    assert run("expire", "x", "5m") == 1
    assert run("persist", "x") == 1
    assert capsys.readouterr() == ("", "dynakv-cli: 'x' has no value\n" * 2)


def test_a_missing_key_is_exit_code_1_and_says_so(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("get", "x") == 1
    assert capsys.readouterr() == ("", "dynakv-cli: 'x' has no value\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["put", "", "v"], "KEY has 0 bytes: must have 1 to 4096"),
        (["put", "k" * 4097, "v"], "KEY has 4097 bytes: must have 1 to 4096"),
        (["put", "k", "v", "--ttl", "0s"], "--ttl = '0s': must be between 1ms and 36600d"),
        (["put", "k", "v", "--ttl", "-1s"], "--ttl = '-1s': must be between 1ms and 36600d"),
        (["put", "k", "v", "--ttl", "9" * 15 + "d"], "must be between 1ms and 36600d"),
        (
            ["put", "k", "v", "--ttl", "30"],
            "--ttl = '30': must be a number and a unit (ms, s, m, h, d, w), such as 30s",
        ),
        (["put", "k", "v", "--ttl", "1s", "--keep-ttl"], "--ttl and --keep-ttl exclude each other"),
        (["put", "k", "v", "--w", "0"], "--w = 0: must be between 1 and 16"),
        (["get", "k", "--r", "17"], "--r = 17: must be between 1 and 16"),
        (["get", "k", "--r", "1", "--level", "one"], "--r and --level exclude each other"),
        (["get", "k", "--level", "two"], "'two' is not one of 'one', 'quorum', 'all'"),
        (["get", "k", "--timeout", "61s"], "--timeout = '61s': must be between 1ms and 1m"),
        (["get", "k", "-e", "x"], "--endpoints: 'x' must be host:port"),
        (["expire", "k", "0s"], "TIME = '0s': must be between 1ms and 36600d"),
        (["delete"], "Missing argument 'KEY...'"),
    ],
)
def test_bad_words_are_usage_errors_that_name_field_value_and_limit(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    output = capsys.readouterr()
    assert output.out == ""
    assert line in output.err
    assert output.err.count("\n") == 1


def test_an_oversized_value_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(8388609))))
    assert run("put", "k") == 64
    line = "dynakv-cli: VALUE has more than 8388608 bytes, the most that any node accepts\n"
    assert capsys.readouterr().err == line


def test_nobody_there_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("get", "k") == 2
    assert "no endpoint could be reached; tried 127.0.0.1:1 " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("retry", "code"), [("never", 64), ("safe", 2), ("same-stamp", 3), (None, 3)]
)
def test_the_exit_code_of_a_failed_put_says_what_to_do_next(
    store: FakeStore, retry: str | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store.failure = (grpc.StatusCode.UNKNOWN, retry)
    assert run("put", "k", "v") == code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["put"], ["get"], ["list"], ["batch"], ["shell"]])
def test_help_imports_neither_grpc_nor_asyncio(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from dynakv.client.cli import app\n"
        "from dynakv.client import terminal\n"
        f"code = terminal.exit_code('dynakv-cli', app, {{}}, {[*command, '--help']!r})\n"
        "sys.exit(code or ('grpc' in sys.modules) or ('asyncio' in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shell_completes_commands() -> None:
    code = "from dynakv.client.cli import main; main()"
    words = {"_DYNAKV_CLI_COMPLETE": "complete_bash", "COMP_WORDS": "dynakv-cli pe"}
    environment = {**os.environ, **words, "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    )
    assert (done.stdout, done.stderr) == (b"persist\n", b"")
