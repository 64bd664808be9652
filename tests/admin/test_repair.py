"""Repair begins on the chosen nodes; waiting ends when all of them are done, or time is over."""

import asyncio

import pytest

from dynakv.admin import main, repair, tasks
from dynakv.admin.repair import Plan
from dynakv.errors import UsageError
from dynakv.v1 import tasks_pb2 as pb
from tests.admin.nodes import Node, cluster

DONE, FAILED, RUNNING = pb.TASK_STATE_DONE, pb.TASK_STATE_FAILED, pb.TASK_STATE_RUNNING


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "AGAIN_MS", 1)
    monkeypatch.setattr(repair, "SAY_MS", 0)
    monkeypatch.setattr(tasks, "WITHIN_MS", 500)


def task(state: int, done: int = 0, why: str = "") -> list[pb.Task]:
    return [pb.Task(task_id=7, state=state, done=done, total=9, why=why, about="with n2")]  # type: ignore[arg-type]


def run(nodes: list[Node], plan: Plan) -> int:
    return asyncio.run(repair.run([nodes[0].address], plan))


def test_repair_begins_on_all_nodes_or_on_the_chosen_ones() -> None:
    with cluster(3) as nodes:
        assert run(nodes, Plan("default", 3)) == 0
        assert [[(r.keyspace, r.group) for r in n.repairs] for n in nodes] == [[("default", 3)]] * 3
        assert run(nodes, Plan(nodes=("n2",))) == 0
        assert [len(node.repairs) for node in nodes] == [1, 2, 1]
        assert not nodes[1].repairs[1].HasField("group")
        with pytest.raises(UsageError, match="no node is named 'n9'; there are: n1, n2, n3"):
            run(nodes, Plan(nodes=("n9",)))


def test_waiting_ends_when_every_node_is_done_and_shows_progress_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster(2) as nodes:
        nodes[0].looks = [task(RUNNING, 3), task(DONE, 9)]
        nodes[1].looks = [task(DONE, 9)]
        assert run(nodes, Plan(wait=True)) == 0
    said = capsys.readouterr().err
    assert "12 of 18 groups compared" in said
    assert said.endswith("all replicas are equal, 0 B shipped\n")


def test_a_node_that_failed_begins_again() -> None:
    with cluster(2) as nodes:
        nodes[0].looks = [task(FAILED, 3, "n2 is down"), task(DONE, 9)]
        nodes[1].looks = [task(DONE, 9)]
        assert run(nodes, Plan(wait=True)) == 0
        assert [len(node.repairs) for node in nodes] == [2, 1]


def test_time_that_is_over_is_told_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(2) as nodes:
        nodes[0].looks = [task(FAILED, 3, "n2 is down")]
        nodes[1].looks = [task(DONE, 9)]
        assert run(nodes, Plan(wait=True, timeout_ms=100)) == 1
    said = capsys.readouterr().err
    assert "not equal within 100 ms: n1: n1 with n2: n2 is down" in said.replace("100ms", "100 ms")


def test_a_node_that_does_not_begin_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(2) as nodes:
        nodes[1].silent = True
        assert run(nodes, Plan()) == 1
    assert "n2 did not begin: no answer within 0.5 s" in capsys.readouterr().err


def test_repair_is_paused_and_resumed_on_all_nodes_or_on_the_chosen_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster(2) as nodes:
        assert asyncio.run(repair.pause([nodes[0].address], (), paused=True)) == 0
        assert asyncio.run(repair.pause([nodes[0].address], ("n2",), paused=False)) == 0
        assert [node.paused for node in nodes] == [[True], [True, False]]
    said = capsys.readouterr().err.splitlines()
    assert said == ["repair is paused: 2 of 2 nodes", "repair goes on: 1 of 1 nodes"]


def test_a_node_that_could_not_be_told_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(2) as nodes:
        nodes[1].silent = True
        assert asyncio.run(repair.pause([nodes[0].address], (), paused=True)) == 1
    said = capsys.readouterr().err
    assert "n2 was not reached: no answer within 0.5 s" in said
    assert said.endswith("repair is paused: 1 of 2 nodes\n")


@pytest.mark.parametrize(
    "words",
    [
        ["--pause", "--resume"],
        ["--pause", "--wait"],
        ["--resume", "--keyspace", "default"],
    ],
)
def test_what_makes_no_sense_together_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        main.app(["repair", *words], standalone_mode=False)
