"""The commands for Raft keyspaces, against real doors and the real meaning of commands."""

import io
import sys
from collections.abc import Iterator

import pytest

from dynakv.client import prompt, terminal
from dynakv.client.cli import EXIT_CODES, app
from dynakv.node.messages import Get
from tests.client.raft_world import RaftWorld, raft_world_beside


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[RaftWorld]:
    with raft_world_beside() as made:
        monkeypatch.setenv("DYNAKV_ENDPOINTS", made.endpoints[0])
        yield made


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-cli", app, EXIT_CODES, list(words))


def raft(*words: str) -> int:
    return run(*words, "-k", "r")


Captured = pytest.CaptureFixture[str]


def test_append_and_incr_print_what_they_came_to(world: RaftWorld, capsys: Captured) -> None:
    assert raft("append", "a", "xy") == 0
    assert raft("append", "a", "z") == 0
    assert raft("incr", "n") == 0
    assert raft("incr", "n", "41") == 0
    assert run("incr", "-k", "r", "--", "n", "-2") == 0
    assert capsys.readouterr() == ("2\n3\n1\n42\n40\n", "")
    assert raft("incr", "a") == terminal.EXIT_USAGE
    assert "value is not an integer or out of range" in capsys.readouterr().err
    assert raft("incr", "n", "9223372036854775808") == terminal.EXIT_USAGE


def test_append_reads_stdin_where_the_value_is_left_out(
    world: RaftWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x00\n")))
    assert raft("append", "a") == 0
    assert world.groups.find("r", b"a").value == b"\x00\n"  # type: ignore[union-attr]


def test_put_takes_a_condition_and_says_where_it_does_not_hold(
    world: RaftWorld, capsys: Captured
) -> None:
    assert raft("put", "k", "1", "--if-present") == 1
    assert capsys.readouterr() == ("", "dynakv-cli: 'k' was not written: it has no value\n")
    assert raft("put", "k", "1", "--if-absent", "--ttl", "30s") == 0
    stamp = capsys.readouterr().out.split()[1]
    assert raft("put", "k", "2", "--if-absent") == 1
    expected = f"dynakv-cli: 'k' was not written: it has another value, stamp {stamp}\n"
    assert capsys.readouterr().err == expected
    assert raft("put", "k", "2", "--if-stamp", stamp, "--keep-ttl") == 0
    assert raft("put", "k", "3", "--if-stamp", stamp) == 1
    assert raft("put", "k", "4", "--if-present") == 0
    assert world.groups.find("r", b"k").value == b"4"  # type: ignore[union-attr]


def test_cas_writes_where_the_value_is_as_expected(world: RaftWorld, capsys: Captured) -> None:
    assert raft("put", "k", "1") == 0
    assert raft("cas", "k", "0", "2") == 1
    assert raft("cas", "k", "1", "2") == 0
    assert raft("cas", "none", "1", "2") == 1
    out, err = capsys.readouterr()
    assert out.count("OK ") == 2
    assert "another value" in err
    assert "no value" in err


def test_getdel_prints_the_value_that_it_deleted(world: RaftWorld, capsys: Captured) -> None:
    raft("put", "k", "v")
    capsys.readouterr()
    assert raft("getdel", "k") == 0
    assert raft("getdel", "k") == 1
    raft("put", "k", "v")
    assert raft("getdel", "k", "--raw") == 0
    out, err = capsys.readouterr()
    assert (out.startswith("v\nOK "), out.endswith("v")) == (True, True)
    assert err == "dynakv-cli: 'k' has no value\n"


def test_get_may_take_an_older_answer(world: RaftWorld, capsys: Captured) -> None:
    raft("put", "k", "v")
    capsys.readouterr()
    assert raft("get", "k", "--max-age", "1500ms") == 0
    assert capsys.readouterr().out == "v\n"
    message = world.asked[-1][1]
    assert isinstance(message, Get)
    assert message.max_age_ms == 1_500


@pytest.mark.parametrize(
    "words",
    [
        ("put", "k", "v", "--if-absent", "--if-present"),
        ("put", "k", "v", "--if-stamp", "yesterday"),
        ("put", "k", "v", "--if-stamp", "2026-13-21T07:30:00.123Z+4@00ff00ff00ff00ff"),
        ("put", "k", "v", "--if-absent", "--level", "one"),
        ("put", "k", "v", "--if-absent", "--w", "1"),
        ("cas", "k", "a", "b", "--ttl", "5s", "--keep-ttl"),
        ("get", "k", "--max-age", "5s", "--level", "one"),
        ("get", "k", "--max-age", "-5s"),
        ("append", "", "v"),
        ("incr", "k", "x"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DYNAKV_ENDPOINTS", "127.0.0.1:1")
    assert run(*words) == terminal.EXIT_USAGE


def test_leaderless_keyspaces_refuse_them(world: RaftWorld, capsys: Captured) -> None:
    for words in (("append", "k", "v"), ("incr", "k"), ("getdel", "k"), ("cas", "k", "a", "b")):
        assert run(*words) == terminal.EXIT_USAGE
        assert "keyspace default is leaderless" in capsys.readouterr().err


def test_the_prompt_has_them_too(
    world: RaftWorld, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        "append k xy",
        "incr n",
        "incr n 4",
        "incr n x",
        "cas k xy z",
        "cas k xy z",
        "cas none a b",
        "getdel k",
        "getdel k",
    ]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    assert prompt.run(world.endpoints, "r") == terminal.EXIT_USAGE
    out, err = capsys.readouterr()
    shown = out.splitlines()
    assert [*shown[:3], *shown[4:]] == ["2", "1", "5", "z"]
    assert shown[3].startswith("OK ")
    assert "BY = 'x': must be an integer" in err
    assert "'k' has another value" in err
    assert err.count("has no value") == 2
