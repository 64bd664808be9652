"""Looking once, again and again, and until something is so; and the exit codes."""

import asyncio
import json
from collections.abc import Iterator, Sequence

import pytest

from dynakv.admin import status_command
from dynakv.admin.main import app
from dynakv.admin.status import State, Status
from dynakv.admin.status_command import Plan, repeat, with_interval
from dynakv.client import terminal
from dynakv.errors import UsageError
from tests.admin.nodes import cluster


def status(state: State) -> Status:
    return Status(state, f"{state.name} - as told", "", "", 1, [], [], [])


def looked(plan: Plan, states: Sequence[State]) -> tuple[int, int]:
    """Return the exit code and how often was looked; the last state stays."""
    looks = 0

    async def look() -> Status:
        nonlocal looks
        looks += 1
        return status(states[min(looks, len(states)) - 1])

    return asyncio.run(repeat(look, plan, color=False, clear=False)), looks


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_command, "AGAIN_MS", 1)


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.HEALTHY, 0), (State.DEGRADED, 2), (State.UNAVAILABLE, 3), (State.UNKNOWN, 4)],
)
def test_one_look_ends_with_the_code_of_what_it_saw(state: State, code: int) -> None:
    assert looked(Plan(None, None, None, json=False), [state]) == (code, 1)


def test_wait_for_looks_until_it_is_so_and_tells_changes_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = [State.UNKNOWN, State.UNKNOWN, State.DEGRADED, State.HEALTHY]
    assert looked(Plan(None, State.HEALTHY, None, json=False), states) == (0, 4)
    output = capsys.readouterr()
    assert output.out == "HEALTHY - as told\n"
    assert output.err == "UNKNOWN - as told\nDEGRADED - as told\n"


def test_better_than_what_was_waited_for_is_good_enough() -> None:
    assert looked(Plan(None, State.DEGRADED, None, json=False), [State.HEALTHY]) == (0, 1)
    assert looked(Plan(None, State.DEGRADED, None, json=False), [State.DEGRADED]) == (2, 1)


def test_wait_for_ends_at_its_timeout_with_what_it_saw_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, looks = looked(Plan(None, State.HEALTHY, "20ms", json=False), [State.DEGRADED])
    assert code == 2
    assert looks > 1
    output = capsys.readouterr()
    assert output.out == "DEGRADED - as told\n"
    assert output.err.endswith("dynakv-admin: not healthy within 20ms\n")


def test_watch_prints_every_look_and_json_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    states = [State.DEGRADED, State.DEGRADED, State.HEALTHY]
    assert looked(Plan("1ms", State.HEALTHY, None, json=True), states) == (0, 3)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["degraded", "degraded", "healthy"]


def test_watch_takes_an_interval_or_none() -> None:
    assert with_interval(["--watch"]) == ["--watch", "2"]
    assert with_interval(["--watch", "-o", "json"]) == ["--watch", "2", "-o", "json"]
    assert with_interval(["-e", "h:1", "--watch", "0.5"]) == ["-e", "h:1", "--watch", "0.5"]
    assert Plan("0.5", None, None, json=False).interval_ms == 500
    assert Plan("250ms", None, None, json=False).interval_ms == 250
    with pytest.raises(UsageError, match=r"--watch = '0s': must be between 1ms and 1h"):
        Plan("0", None, None, json=False)


# --- from the command line -------------------------------------------------------------------


@pytest.fixture
def endpoint() -> Iterator[str]:
    with cluster() as nodes:
        yield nodes[0].address


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, ["status", *words])


def test_a_healthy_cluster_is_told_in_the_first_sentence(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-e", endpoint) == 0
    output = capsys.readouterr()
    head = "HEALTHY - 3 of 3 nodes up; all replicas of every key are up\nlayout 1 agreed by 3/3; "
    assert output.out.startswith(head)
    assert "\x1b" not in output.out
    assert output.err == ""


def test_json_and_watch_go_together(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-e", endpoint, "-o", "json", "--watch", "--wait-for", "healthy") == 0
    assert json.loads(capsys.readouterr().out)["verdict"].startswith("HEALTHY")


def test_nobody_who_answers_is_exit_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-e", "127.0.0.1:1") == 4
    text = "UNKNOWN - the endpoint did not answer within 1.2 s; tried 127.0.0.1:1\n"
    assert capsys.readouterr() == (text, "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--timeout", "3s"], "--timeout is for --wait-for"),
        (["--wait-for", "healthy", "--timeout", "x"], "--timeout = 'x': must be a number and"),
        (["--wait-for", "perfect"], "'perfect' is not one of 'healthy', 'degraded'"),
        (["--watch", "0"], "--watch = '0s': must be between 1ms and 1h"),
        (["-o", "svg"], "'svg' is not one of 'table', 'json'"),
    ],
)
def test_bad_words_are_usage_errors(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert text in output.err
