"""Listing keys: all pages, through whichever endpoint answers, in each form."""

import json
from collections.abc import Iterator

import grpc
import pytest

from dynakv.client import listing, terminal
from dynakv.client.cli import EXIT_CODES, app
from dynakv.v1 import kvstore_pb2 as pb
from tests.client.cli_store import CliStore, serving

KEYS = [b"user:%d" % i for i in range(8)]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliStore]:
    monkeypatch.setattr(listing, "PAUSE_MS", 0)
    fake = CliStore()
    fake.values = {key: b"v" + key[-1:] for key in KEYS}
    with serving(fake) as endpoint:
        monkeypatch.setenv("DYNAKV_ENDPOINTS", endpoint)
        yield fake


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-cli", app, EXIT_CODES, ["list", *words])


def raw_keys(capfdbinary: pytest.CaptureFixture[bytes], *words: str) -> list[bytes]:
    assert run("--keys-only", "-o", "raw", *words) == 0
    return capfdbinary.readouterr().out.splitlines()


def test_all_pages_are_followed(store: CliStore, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert raw_keys(capfdbinary) == KEYS
    cursors = [request.cursor for request in store.requests]
    assert cursors == [b"", b"user:2", b"user:5"]


@pytest.mark.parametrize("limit", [1, 3, 4, 8, 9, 2**31])
def test_a_limit_counts_keys_over_pages(
    store: CliStore, capfdbinary: pytest.CaptureFixture[bytes], limit: int
) -> None:
    assert raw_keys(capfdbinary, "--limit", str(limit)) == KEYS[:limit]
    assert all(request.limit <= 1_000 for request in store.requests)


def test_prefix_start_and_end_reach_the_node(
    store: CliStore, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    store.values[b"\xffx"] = b""
    assert raw_keys(capfdbinary, "\udcff") == [b"\xffx"]
    assert raw_keys(capfdbinary, "--start", "user:2", "--end", "user:4") == KEYS[2:4]
    assert run("-k", "ks", "--timeout", "3s") == 0
    assert store.requests[-1].keyspace == "ks"


def test_count_prints_a_number_and_fetches_no_values(
    store: CliStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--count") == 0
    assert capsys.readouterr().out == "8\n"
    assert all(request.keys_only for request in store.requests)


def test_nothing_found_prints_nothing_and_is_no_failure(
    store: CliStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("nobody") == 0
    assert capsys.readouterr().out == ""


def test_a_page_that_was_refused_is_asked_for_again(
    store: CliStore, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    store.failures = [(UNAVAILABLE, "safe"), (UNAVAILABLE, "safe")]
    assert raw_keys(capfdbinary) == KEYS


def test_when_a_node_goes_away_the_next_page_comes_from_another(
    store: CliStore, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    dying = CliStore()
    dying.values = store.values

    def die_after_a_page(request: pb.ListRequest, context: object) -> pb.ListResponse:
        if dying.requests:
            dying.failures = [(UNAVAILABLE, None)]
        return CliStore.List(dying, request, context)

    dying.List = die_after_a_page  # type: ignore[method-assign]
    with serving(dying) as endpoint:
        assert raw_keys(capfdbinary, "-e", f"{endpoint},{store.endpoint}") == KEYS
    assert [request.cursor for request in store.requests] == [b"user:2", b"user:5"]


def test_a_quorum_that_stays_away_is_exit_code_2(
    store: CliStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.failures = [(UNAVAILABLE, "safe")] * 10
    assert run() == 2
    assert capsys.readouterr().err == "dynakv-cli: as told\n"
    assert len(store.requests) == listing.TRIES


def test_a_table_has_one_head_and_cuts_long_values(
    store: CliStore, capfd: pytest.CaptureFixture[str]
) -> None:
    store.values[b"user:1"] = b"x" * 100
    store.values[b"user:2"] = b"a\nb\x1b[2J\xff"
    store.expiries[b"user:0"] = 1_700_000_060_000
    assert run("-o", "table") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "KEY     EXPIRES                   VALUE"
    assert lines[1] == "user:0  2023-11-14T22:14:20.000Z  v0"
    assert lines[2] == f"user:1  -                         {'x' * 59}…"
    assert lines[3] == "user:2  -                         a\\nb\\x1b[2J\\xff"
    assert len(lines) == 9


def test_json_is_an_object_a_line_and_loses_no_byte(
    store: CliStore, capfd: pytest.CaptureFixture[str]
) -> None:
    store.values = {b"k": "é\n".encode(), b"\xff": b"\x00\xff"}
    store.expiries[b"k"] = 5
    assert run("-o", "json") == 0
    first, second = map(json.loads, capfd.readouterr().out.splitlines())
    assert first == {
        "key": "k",
        "value": "é\n",
        "stamp": "2023-11-14T22:13:20.123Z+4@00000000000000ff",
        "expires_at_ms": 5,
    }
    assert (second["key_base64"], second["value_base64"]) == ("/w==", "AP8=")
    assert run("-o", "json", "--keys-only", "k") == 0
    assert "value" not in json.loads(capfd.readouterr().out)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a", "--start", "b"], "PREFIX excludes --start and --end"),
        (["--limit", "0"], "--limit = '0': must be a whole number of at least 1"),
        (["--limit", "-1"], "--limit = '-1': must be a whole number of at least 1"),
        (["--limit", "x"], "--limit = 'x': must be a whole number of at least 1"),
        (["--timeout", "61s"], "--timeout = '61s': must be between 1ms and 1m"),
        (["-o", "xml"], "'xml' is not one of 'table', 'json', 'raw'"),
    ],
)
def test_bad_words_are_usage_errors(
    words: list[str], text: str, store: CliStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert text in output.err
    assert not store.requests
