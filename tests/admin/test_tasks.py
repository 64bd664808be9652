"""The tasks of all nodes as a table and as data; a silent node hides no other."""

import json

import pytest

from dynakv.admin.main import app
from dynakv.admin.tasks import as_json, as_table
from dynakv.client import terminal
from dynakv.v1 import tasks_pb2 as pb
from tests.admin.nodes import cluster


def task(number: int = 1, **fields: object) -> pb.Task:
    told = {"kind": "anti-entropy", "about": "with n2", "state": pb.TASK_STATE_RUNNING}
    counts = {"done": 64, "total": 256, "bytes": 3 << 20, "age_ms": 4_000, "left_ms": 12_000}
    return pb.Task(task_id=number, **{**told, **counts, **fields})  # type: ignore[arg-type]


def test_a_table_shows_progress_and_what_failed() -> None:
    failed = task(2, state=pb.TASK_STATE_FAILED, took_ms=1_500, left_ms=0, why="n2 is down")
    table = as_table({"n1": pb.ListTasksResponse(tasks=[failed, task()])})
    head, first, second = table.splitlines()
    assert head.split()[:3] == ["NODE", "ID", "TASK"]
    assert first.endswith("n2 is down")
    assert "failed" in first
    for words in ("n1", "with n2", "running", "64/256", "3.0 MiB", "4s", "12s"):
        assert words in second.replace(" s", "s")


def test_no_tasks_silent_nodes_and_paused_ones_are_told() -> None:
    told = {"n1": pb.ListTasksResponse(repair_paused=True), "n2": "no connection"}
    assert as_table(told).splitlines() == [  # type: ignore[arg-type]
        "no tasks",
        "repair is paused on n1",
        "n2: no connection",
    ]


def test_json_holds_everything() -> None:
    data = json.loads(as_json({"n1": pb.ListTasksResponse(tasks=[task()]), "n2": "away"}))
    first, second = data["nodes"]
    assert second == {"node": "n2", "error": "away"}
    (shown,) = first["tasks"]
    assert (shown["id"], shown["kind"], shown["state"]) == (1, "anti-entropy", "running")
    assert (shown["done"], shown["total"], shown["left_ms"]) == (64, 256, 12_000)


def test_the_command_asks_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(3) as nodes:
        nodes[1].looks = [[task()]]
        nodes[2].silent = True
        words = ["tasks", "-o", "json", "-e", nodes[0].address]
        assert terminal.exit_code("dynakv-admin", app, {}, words) == 0
    told = json.loads(capsys.readouterr().out)["nodes"]
    assert [len(node.get("tasks", [])) for node in told] == [0, 1, 0]
    assert "no answer" in told[2]["error"]
