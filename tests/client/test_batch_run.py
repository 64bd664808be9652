"""`dynakv-cli batch` from the command line."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dynakv.client import batch, terminal
from dynakv.client.batch import Fate, Outcome, Totals
from dynakv.client.batch_run import PROGRESS_FILE_S, PROGRESS_S, Progress
from dynakv.client.cli import EXIT_CODES, app
from dynakv.v1 import kvstore_pb2 as pb
from tests.client.cli_store import CliStore, serving


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliStore]:
    monkeypatch.setattr(batch, "PAUSE_MS", 0)
    fake = CliStore()
    with serving(fake) as endpoint:
        monkeypatch.setenv("DYNAKV_ENDPOINTS", endpoint)
        yield fake


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-cli", app, EXIT_CODES, ["batch", *words])


def jsonl(path: Path, *lines: object) -> str:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(path)


def test_a_file_is_written_and_summed_up_on_stderr(
    store: CliStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = jsonl(tmp_path / "b.jsonl", {"key": "a", "value": "1"}, {"key": "b", "value": "2"})
    assert run(file, "--w", "2", "-k", "ks") == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("2 done in ")
    assert store.values == {b"a": b"1", b"b": b"2"}
    assert (store.pipelines()[0].keyspace, store.pipelines()[0].w) == ("ks", 2)


def test_csv_comes_from_stdin_where_it_says_so(
    store: CliStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO(b"\xef\xbb\xbfkey,value\n\xff,x\n")  # a byte order mark, and no UTF-8
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
    assert run("-", "--format", "csv") == 0
    assert store.values == {b"\xff": b"x"}


@pytest.mark.parametrize(
    ("retry", "code"),
    [(pb.RETRY_NEVER, 1), (pb.RETRY_SAFE, 2), (pb.RETRY_SAME_STAMP, 3)],
)
def test_the_exit_code_is_that_of_the_worst_line(
    store: CliStore, tmp_path: Path, retry: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store.judge = lambda key, value: (retry, "as told") if key == b"b" else None
    file = jsonl(tmp_path / "b", {"key": "a", "value": ""}, {"key": "b", "value": ""}, ["x"])
    assert run(file) == code
    error = capsys.readouterr().err
    assert "line 2: " in error
    assert "as told\n" in error
    assert "line 3: must be an object" in error


def test_lines_that_fail_alike_are_told_together(
    store: CliStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.judge = lambda key, value: (pb.RETRY_SAFE, "too few replicas")
    file = jsonl(tmp_path / "b", *({"key": f"k{i}", "value": ""} for i in range(300)))
    assert run(file) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "lines 1 to 200: refused, nothing was done: too few replicas"
    assert lines[1].startswith("0 done, 200 refused in ")
    assert lines[2].startswith("dynakv-cli: stopped behind line 200, ")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere.jsonl"], "FILE = 'nowhere.jsonl': cannot be read: No such file or directory"),
        (["."], "FILE = '.': cannot be read: Is a directory"),
        (["-", "--format", "xml"], "'xml' is not one of 'json', 'csv'"),
        ([], "Missing argument 'FILE'"),
    ],
)
def test_bad_words_are_usage_errors(
    words: list[str], text: str, store: CliStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-k", "x"], "dynakv-cli: keyspace 'x' does not exist; there are default, ks\n"),
        (["--w", "4"], "--w = 4: must be between 1 and 3, the replicas of keyspace default\n"),
    ],
)
def test_what_would_fail_every_line_is_refused_before_the_first(
    words: list[str],
    line: str,
    store: CliStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(jsonl(tmp_path / "b", {"key": "a", "value": ""}), *words) == 64
    assert line in capsys.readouterr().err
    assert not store.pipelines()


def test_an_interrupted_batch_says_how_far_it_came(
    store: CliStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [b'{"key": "k%d", "value": ""}\n' % i for i in range(batch.MESSAGE_ENTRIES + 1)]

    class Keyboard(io.RawIOBase):
        """A pipe on which somebody types a few lines and then Ctrl-C."""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not typed:
                raise KeyboardInterrupt
            line = typed.pop(0)
            buffer[: len(line)] = line
            return len(line)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Keyboard())))
    assert run("-") == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{batch.MESSAGE_ENTRIES} done in ")
    assert lines[1].startswith("dynakv-cli: interrupted; ")
    assert len(store.values) == batch.MESSAGE_ENTRIES


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_rewrites_one_line_on_a_terminal_and_adds_lines_to_a_file() -> None:
    now = [0.0]
    for stream, pause, start in ((Screen(), PROGRESS_S, "\r"), (io.StringIO(), 10.0, "")):
        totals = Totals()
        now[0] = 0.0
        progress = Progress(totals, lambda: now[0], stream)
        totals.add(Fate.DONE, 1_000)
        now[0] = pause / 2
        progress.report([])
        assert stream.getvalue() == ""
        now[0] = pause
        progress.report([Outcome(7, Fate.UNKNOWN, "late")])
        text = stream.getvalue()
        assert "line 7: unknown outcome: late\n" in text
        assert "1,000 done in " in text
        assert text.startswith(start)
        assert text.endswith("\n") is (start == "")
    assert PROGRESS_FILE_S == 10.0
