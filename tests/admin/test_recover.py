"""Whoever accepts a loss is told what it is, and nothing happens without --yes."""

import pytest

from dynakv.admin.main import app
from dynakv.client import terminal
from tests.admin.nodes import cluster


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, ["recover", *words])


def test_a_loss_is_stated_and_accepted_on_that_node_only_with_yes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster(3) as nodes:
        words = ["--accept-loss", "--node", "n2", "-k", "default", "-e", nodes[0].address]
        assert run(*words) == 64
        said = capsys.readouterr().err
        assert "Node n2 has forgotten what it had acknowledged in keyspace default" in said
        assert "writes may be lost" in said
        assert "nothing was done: say --yes to accept that" in said
        assert nodes[1].accepted == []
        assert run(*words, "--yes") == 0
        assert [node.accepted for node in nodes] == [[], ["default"], []]
    assert "n2: 37 shard groups answer with what they hold" in capsys.readouterr().err


def test_recover_alone_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--node", "n2") == 64
    assert "a node recovers by itself" in capsys.readouterr().err


def test_an_unknown_node_and_a_silent_one_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(2) as nodes:
        words = ["--accept-loss", "--yes", "-e", nodes[0].address]
        assert run(*words, "--node", "n9") == 64
        nodes[0].ring.members[1].client_address = ""
        assert run(*words, "--node", "n2") == 1
    said = capsys.readouterr().err
    assert "no node is named 'n9'; there are: n1, n2" in said
    assert "n2 did not answer: its client address is not known" in said
