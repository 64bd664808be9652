"""The prompt with commands piped in."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from dynakv.client import prompt, terminal
from dynakv.client.cli import EXIT_CODES, app
from tests.client.cli_store import CliStore, serving

STAMP = "2023-11-14T22:13:20.123Z+4@00000000000000ff"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliStore]:
    fake = CliStore()
    with serving(fake) as endpoint:
        monkeypatch.setenv("DYNAKV_ENDPOINTS", endpoint)
        yield fake


def run(monkeypatch: pytest.MonkeyPatch, text: str | bytes, *words: str) -> int:
    raw = text.encode() if isinstance(text, str) else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))
    return terminal.exit_code("dynakv-cli", app, EXIT_CODES, list(words))


def test_commands_run_one_by_one_without_any_argument(
    store: CliStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text = """
        put a "x y" 30s   # a comment
        get a
        expire a 1h
        persist a
        put 'b c' ''
        list
        delete a 'b c'
    """
    assert run(monkeypatch, text) == 0
    output = capfd.readouterr()
    assert output.err == ""
    assert output.out.splitlines() == [
        f"OK {STAMP}",
        "x y",
        "OK",
        "OK",
        f"OK {STAMP}",
        "KEY  EXPIRES                   VALUE",
        "a    -                         x y",
        "b c  -",
        f"OK {STAMP}",
        f"OK {STAMP}",
    ]
    assert store.requests[0].ttl_ms == 30_000
    assert store.values == {}


def test_a_command_that_failed_stops_nothing_and_its_code_is_the_end_s(
    store: CliStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "bogus\nget nobody\nput a 1\n", "shell") == 64
    output = capfd.readouterr()
    assert output.out == f"OK {STAMP}\n"
    assert output.err == (
        "dynakv-cli: no such command 'bogus'; help lists them all\n"
        "dynakv-cli: 'nobody' has no value\n"
    )


@pytest.mark.parametrize("word", ["exit", "quit"])
def test_exit_ends_it(store: CliStore, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    assert run(monkeypatch, f"{word}\nput a 1\n") == 0
    assert store.requests == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("put a", "usage: put KEY VALUE [TTL]"),
        ("get", "usage: get KEY"),
        ("put a b 30", "TTL = '30': must be a number and a unit"),
        ("put '' b", "KEY has 0 bytes: must have 1 to 4096"),
        ("list a 0", "LIMIT = '0': must be a whole number of at least 1"),
        ("put 'a b", "No closing quotation; words with spaces stand in quotes"),
        ("use nowhere", "keyspace 'nowhere' does not exist; there are default, ks"),
    ],
)
def test_a_wrong_line_is_one_line_of_complaint(
    store: CliStore,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    line: str,
    text: str,
) -> None:
    assert run(monkeypatch, f"{line}\n") == 64
    error = capfd.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_use_changes_the_keyspace(store: CliStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "use ks\nput a 1\n") == 0
    assert store.requests[-1].keyspace == "ks"
    assert run(monkeypatch, "get a\n", "shell", "-k", "ks") == 0
    assert store.requests[-1].keyspace == "ks"


def test_bytes_that_are_no_text_pass(store: CliStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, b"put \xff \xfe\n") == 0
    assert store.values == {b"\xff": b"\xfe"}


def test_help_names_every_command(
    store: CliStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "help\n") == 0
    text = capfd.readouterr().out
    known = prompt.Prompt(["127.0.0.1:1"], "", lambda _: 0).commands
    assert {"put", "list", "ring", "status", "exit"} <= set(known)
    assert all(word in text for word in known if word != "quit")


def test_a_read_goes_to_another_endpoint_when_a_node_went_away(
    store: CliStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store.values[b"a"] = b"here"
    dying = CliStore()
    dying.failures = [(grpc.StatusCode.UNAVAILABLE, None)]
    with serving(dying) as endpoint:
        assert run(monkeypatch, "get a\n", "shell", "-e", f"{endpoint},{store.endpoint}") == 0
    assert capfd.readouterr().out == "here\n"


def test_ring_is_the_admin_command_at_the_same_endpoints(
    store: CliStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DYNAKV_ENDPOINTS", "127.0.0.1:1")
    assert run(monkeypatch, "ring\n", "shell", "-e", store.endpoint, "-k", "nowhere") == 64
    line = "dynakv-admin: keyspace 'nowhere' does not exist; there are default, ks\n"
    assert capfd.readouterr().err == line


def test_the_history_is_kept_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with prompt._history(["put"]):
        pass
    path = tmp_path / "dynakv" / "history"
    assert path.stat().st_mode & 0o777 == 0o600
