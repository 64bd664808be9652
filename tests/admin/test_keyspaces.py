"""Keyspaces from the command line: what is asked for, what is shown, and how it fails."""

import json
from pathlib import Path

import grpc
import pytest

from dynakv.admin.keyspaces import EXIT_UNKNOWN
from dynakv.admin.main import app
from dynakv.client import terminal
from dynakv.v1 import keyspaces_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.admin.nodes import Node, cluster

CREATE = ("create", "k", "-n", "2", "--groups", "16", "--hash-tags", "--mode", "leaderless")


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, ["keyspace", *words])


def show_two(node: Node) -> None:
    default = ring_pb2.Keyspace(
        name="default",
        keyspace_id=7,
        mode=ring_pb2.MODE_LEADERLESS,
        n=2,
        rq=1,
        wq=2,
        replicas_wanted=3,
        group_count=256,
        default_level=ring_pb2.LEVEL_QUORUM,
        redis_number=0,
    )
    other = ring_pb2.Keyspace()
    other.CopyFrom(default)
    other.name, other.keyspace_id, other.default_ttl_ms = "sessions", 9, 60_000
    other.ClearField("redis_number")
    node.keyspaces.CopyFrom(
        pb.ListKeyspacesResponse(
            answered_by="n1", epoch=4, newest_epoch=4, keyspaces=[default, other]
        )
    )


def test_each_change_sends_what_the_options_say(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(1) as (node,):
        where = ("-e", node.address)
        options = ("--default-level", "all", "--default-ttl", "1m", "--redis-number", "3")
        assert run(*CREATE, *options, "--if-epoch", "4", *where) == 0
        assert run("create", "plain", *where) == 0
        assert run("alter", "k", "--default-ttl", "0", "--no-redis-number", *where) == 0
        assert run("drop", "k", "--yes", *where) == 0
        assert node.changes == [
            pb.CreateKeyspaceRequest(
                name="k",
                mode=ring_pb2.MODE_LEADERLESS,
                replicas=2,
                groups=16,
                hash_tags=True,
                default_level=ring_pb2.LEVEL_ALL,
                default_ttl_ms=60_000,
                redis_number=3,
                if_epoch=4,
            ),
            pb.CreateKeyspaceRequest(name="plain", mode=ring_pb2.MODE_LEADERLESS),
            pb.AlterKeyspaceRequest(name="k", default_ttl_ms=0, no_redis_number=True),
            pb.DropKeyspaceRequest(name="k"),
        ]
    assert capsys.readouterr().out.splitlines() == [
        "keyspace k created: layout epoch 5, id 00000000000000ab",
        "keyspace plain created: layout epoch 5, id 00000000000000ab",
        "keyspace k altered: layout epoch 5, id 00000000000000ab",
        "keyspace k dropped: layout epoch 5, id 00000000000000ab",
    ]


def test_drop_does_nothing_without_yes(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(1) as (node,):
        assert run("drop", "k", "-e", node.address) == 64
        assert node.changes == []
    said = capsys.readouterr().err
    assert "this removes keyspace k with everything in it, on every node" in said
    assert "nothing was removed: say --yes to do it" in said


def test_a_refusal_and_an_unknown_outcome_have_exit_codes_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster(1) as (node,):
        node.refusal = (grpc.StatusCode.FAILED_PRECONDITION, "keyspace 'k' exists already")
        assert run("create", "k", "-e", node.address) == 64
        node.refusal = (grpc.StatusCode.UNKNOWN, "it may have been made")
        assert run("create", "k", "-e", node.address) == EXIT_UNKNOWN
        node.refusal = None
        node.silent = True
        assert run("drop", "k", "--yes", "--timeout", "100ms", "-e", node.address) == EXIT_UNKNOWN
    said = capsys.readouterr().err
    assert "keyspace 'k' exists already" in said
    assert "it may have been made" in said


def test_nothing_was_done_where_no_node_answers() -> None:
    assert run("create", "k", "--timeout", "200ms", "-e", "127.0.0.1:1") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "k", "--groups", "5000"), "groups = 5000: must be an int from 1 to 4096"),
        (("create", "k", "-n", "17"), "replicas = 17: must be an int from 1 to 16"),
        (("create", "k", "--redis-number", "-1"), "redis_number = -1: must be an int from 1 to 63"),
        (("create", "k", "--default-ttl", "soon"), "--default-ttl = 'soon'"),
        (("create", "k", "--mode", "paxos"), "'paxos' is not one of 'leaderless', 'ordered'"),
        (("create", "x" * 65), "keyspace has 65 bytes: must have 1 to 64"),
        (("alter", "k", "--timeout", "0s"), "--timeout = '0s': must be between 1ms and 1m"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_limit(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "-e", "127.0.0.1:1") == 64
    assert said in capsys.readouterr().err


def test_list_and_show_as_tables_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(1) as (node,):
        show_two(node)
        assert run("list", "-e", node.address) == 0
        head, _, columns, first, second = capsys.readouterr().out.splitlines()
        assert head == "layout epoch 4, as n1 sees it; all members have it"
        assert columns.split() == [
            "NAME",
            "MODE",
            "REPLICAS",
            "GROUPS",
            "LEVEL",
            "TTL",
            "REDIS",
            "ID",
        ]
        assert first.split() == [
            "default",
            "leaderless",
            "3/2",
            "256",
            "quorum",
            "-",
            "0",
            "0000000000000007",
        ]
        assert second.split()[4:] == ["quorum", "60000", "ms", "-", "0000000000000009"]
        assert run("show", "sessions", "-e", node.address) == 0
        shown = capsys.readouterr().out
        assert "replicas       3 wanted (fixed), 2 in effect; rq 1, wq 2" in shown
        assert run("list", "-o", "json", "-e", node.address) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["epoch"], told["behind"]) == (4, [])
        assert [k["keyspace_id"] for k in told["keyspaces"]] == [f"{7:016x}", f"{9:016x}"]
        assert run("show", "sessions", "-o", "json", "-e", node.address) == 0
        assert json.loads(capsys.readouterr().out) == told["keyspaces"][1]
        assert run("show", "none", "-e", node.address) == 64
        assert "keyspace 'none' does not exist; there are: default, sessions" in (
            capsys.readouterr().err
        )


def test_the_list_says_who_is_behind_and_that_this_node_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cluster(1) as (node,):
        show_two(node)
        node.keyspaces.behind[:] = ["n2", "n3"]
        assert run("list", "-e", node.address) == 0
        assert "as n1 sees it; not confirmed by n2, n3" in capsys.readouterr().out
        node.keyspaces.newest_epoch = 6
        assert run("list", "-e", node.address) == 0
        assert "epoch 6 exists and is not in force there yet" in capsys.readouterr().out


def test_help_names_every_setting(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("create", "--help") == 0
    said = capsys.readouterr().out
    for option in ("replicas", "groups", "hash-tags", "mode", "default-level", "default-ttl"):
        assert f"--{option}" in said
