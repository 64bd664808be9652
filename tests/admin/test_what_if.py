"""What would be lost without some nodes, from the command line."""

import json
from collections.abc import Iterator

import pytest

from dynakv.admin.main import app
from dynakv.client import terminal
from tests.admin.nodes import cluster


@pytest.fixture
def endpoint() -> Iterator[str]:
    with cluster() as nodes:
        yield nodes[0].address


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, ["what-if", *words])


def test_one_node_of_three_may_go(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-e", endpoint, "--down", "n2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "without n2 every key still has a quorum"
    assert lines[2].split("  ")[0] == "KEYSPACE"
    assert lines[3].split() == ["default", "3", "2", "2", "100", "%", "0", "%", "0", "%", "0", "%"]


def test_two_of_three_may_not(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-e", endpoint, "--down", "n2,n3", "-o", "json") == 3
    found = json.loads(capsys.readouterr().out)
    assert found["down"] == ["n2", "n3"]
    keyspace = found["keyspaces"][0]
    assert (keyspace["groups"], keyspace["no_read"], keyspace["no_write"]) == (256, 256, 256)


def test_a_stranger_is_a_usage_error(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-e", endpoint, "--down", "n9") == 64
    line = "dynakv-admin: --down: 'n9' is no member; members are n1, n2, n3\n"
    assert capsys.readouterr().err == line
    for words in ([], ["--down", "n1", "--join", "n4"]):
        assert run("-e", endpoint, *words) == 64
        assert "name either nodes that are --down or a change" in capsys.readouterr().err


def test_a_change_is_computed_and_nothing_is_lost(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-e", endpoint, "--join", "n4", "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["keyspaces"][0]["copies"] == found["nodes"][3]["groups_after"] == 192
    assert run("-e", endpoint, "--leave", "n3", "--set-weight", "n1=2") == 0
    assert capsys.readouterr().out.startswith("this copies 0 of 512 replicas of shard groups")
    assert run("-e", endpoint, "--leave", "n9") == 64
    assert "'n9' is no member; members are n1, n2, n3" in capsys.readouterr().err
