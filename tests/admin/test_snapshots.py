"""Snapshots of nodes from the command line: begun, waited for, listed, removed on demand only."""

import json

import pytest

from dynakv.admin.main import app
from dynakv.admin.snapshots import as_json, as_table
from dynakv.client import terminal
from dynakv.v1 import snapshots_pb2 as pb
from tests.admin.nodes import cluster


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, ["snapshot", *words])


def snapshot(**fields: object) -> pb.Snapshot:
    told = {"name": "daily", "path": "/d/daily.db", "state": pb.SNAPSHOT_STATE_COMPLETE}
    counts = {"bytes_done": 3 << 20, "bytes_estimated": 3 << 20, "began_ms": 4_000, "rows": 1_234}
    return pb.Snapshot(**{**told, **counts, "commit_sequence": 99, **fields})  # type: ignore[arg-type]


def test_a_table_shows_size_age_and_commit_and_how_far_a_running_one_is() -> None:
    running = snapshot(
        name="now", state=pb.SNAPSHOT_STATE_RUNNING, bytes_done=1 << 20, took_ms=2_000
    )
    said = pb.ListSnapshotsResponse(wall_ms=64_000, snapshots=[snapshot(), running])
    head, first, second, silent = as_table({"n1": said, "n2": "no connection"}).splitlines()
    assert head.split()[:3] == ["NODE", "NAME", "STATE"]
    for words in ("n1", "daily", "complete", "3.0 MiB", "1m00s", "99", "1,234", "/d/daily.db"):
        assert words in first
    assert "1.0 MiB of 3.0 MiB" in second
    assert silent == "n2: no connection"


def test_a_failed_one_shows_why() -> None:
    failed = snapshot(state=pb.SNAPSHOT_STATE_FAILED, error="given up: no room")
    said = pb.ListSnapshotsResponse(wall_ms=64_000, snapshots=[failed])
    assert as_table({"n1": said}).endswith("given up: no room")
    (node,) = json.loads(as_json({"n1": said}))["nodes"]
    assert node["snapshots"][0]["error"] == "given up: no room"


def test_create_asks_the_answering_node_unless_told_and_may_wait(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster(3) as nodes:
        assert run("create", "--name", "a", "--wait", "-e", nodes[0].address) == 0
        assert [len(node.snapshots) for node in nodes] == [1, 0, 0]
        assert run("create", "--node", "all", "-e", nodes[0].address) == 0
        assert [len(node.snapshots) for node in nodes] == [2, 1, 1]
        assert run("create", "--node", "n9", "-e", nodes[0].address) == 64
    said = capsys.readouterr().err
    assert "n1: a begun, /p" in said
    assert "n1: a complete" in said
    assert "no node is named 'n9'; there are: n1, n2, n3" in said


def test_create_fails_where_a_node_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(2) as nodes:
        nodes[1].ring.Clear()
        nodes[0].ring.members[1].client_address = ""
        assert run("create", "--node", "all", "-e", nodes[0].address) == 1
    assert "n2 did not begin: its client address is not known" in capsys.readouterr().err


def test_delete_does_nothing_without_yes(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(1) as nodes:
        nodes[0].snapshots = [snapshot()]
        assert run("delete", "daily", "-e", nodes[0].address) == 64
        assert len(nodes[0].snapshots) == 1
        assert run("delete", "daily", "--yes", "-e", nodes[0].address) == 0
        assert nodes[0].snapshots == []
        assert run("delete", "daily", "--yes", "-e", nodes[0].address) == 1
    said = capsys.readouterr().err
    assert "nothing was removed: say --yes to do it" in said
    assert "n1 did not remove it" in said


def test_list_shows_all_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(2) as nodes:
        nodes[1].snapshots = [snapshot()]
        assert run("list", "-o", "json", "-e", nodes[0].address) == 0
    told = json.loads(capsys.readouterr().out)["nodes"]
    assert [[s["name"] for s in node["snapshots"]] for node in told] == [[], ["daily"]]
    assert told[1]["snapshots"][0]["age_ms"] == 6_000
