"""Raft groups as all nodes together see them; leaders move where they are told to."""

import json

import pytest

from dynakv.admin.main import app
from dynakv.admin.raft import as_json, as_table, views
from dynakv.client import terminal
from dynakv.v1 import raft_pb2 as pb
from tests.admin.nodes import cluster


def group(number: int = 0, role: str = "follower", **fields: object) -> pb.RaftGroup:
    counts = {"term": 3, "commit": 40, "applied": 39, "last": 41, "entries": 12, "log_bytes": 2048}
    told = {"keyspace": "accounts", "group": number, "role": role, "awake": True, **counts}
    return pb.RaftGroup(**{**told, **fields})  # type: ignore[arg-type]


def led(number: int, **fields: object) -> pb.RaftGroup:
    followers = [
        pb.RaftFollower(node_id="n2", match=41, flow="replicate"),
        pb.RaftFollower(node_id="n3", match=7, flow="snapshot", learner=True),
    ]
    return group(number, "leader", leader="n1", followers=followers, **fields)


def said(*groups: pb.RaftGroup) -> pb.ListRaftGroupsResponse:
    return pb.ListRaftGroupsResponse(groups=groups)


def test_a_group_is_shown_as_its_leader_sees_it() -> None:
    told = {"n1": said(led(0)), "n2": said(group(0)), "n3": "no connection"}
    summary, silent, _, head, row = as_table(views(told), told).splitlines()  # type: ignore[arg-type]
    assert summary == "1 group: n1 leads 1"
    assert silent == "n3: no connection"
    assert head.split()[:3] == ["KEYSPACE", "GROUP", "LEADER"]
    for words in ("accounts", "n1", "40", "39", "n2 0, n3 34 (learner, snapshot)", "12 (2.0 KiB)"):
        assert words in row


def test_of_two_leaders_the_one_of_the_higher_term_leads() -> None:
    told = {"n1": said(led(0)), "n2": said(group(0, "leader", term=4))}
    (view,) = views(told)  # type: ignore[arg-type]
    assert view.leader == "n2"


def test_groups_without_a_leader_and_members_that_stopped_are_told() -> None:
    told = {"n1": said(group(0), group(1, "stopped", why="its log was lost"))}
    text = as_table(views(told), told)  # type: ignore[arg-type]
    assert "2 groups: 2 without a leader that answers, 1 with a member that stopped" in text
    assert "n1 stopped: its log was lost" in text


def test_nothing_to_show_is_told_apart_from_nobody_who_answers() -> None:
    assert as_table([], {"n1": said(), "n2": "away"}) == "no keyspace is in Raft mode\nn2: away"
    assert as_table([], {"n1": "away"}) == "no node answered\nn1: away"


def test_json_holds_everything() -> None:
    told = {"n1": said(led(0)), "n2": said(group(0)), "n3": "away"}
    data = json.loads(as_json(views(told), told))  # type: ignore[arg-type]
    assert data["silent"] == {"n3": "away"}
    (shown,) = data["groups"]
    assert (shown["leader"], shown["term"], shown["log_bytes"]) == ("n1", 3, 2048)
    assert [one["lag"] for one in shown["followers"]] == [0, 34]


def command(*words: str) -> int:
    return terminal.exit_code("dynakv-admin", app, {}, ["raft", *words])


def test_status_asks_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(3) as nodes:
        nodes[0].raft_groups = [led(0)]
        nodes[1].raft_groups = [group(0)]
        address = nodes[0].address
        assert command("status", "-o", "json", "-e", address) == 0
        nodes[2].silent = True
        assert command("status", "-o", "json", "-e", address) == 2
        nodes[0].raft_groups = [group(0)]
        assert command("status", "-e", address) == 2
    first, second, *third = capsys.readouterr().out.splitlines()
    assert json.loads(first)["groups"][0]["leader"] == "n1"
    assert "no answer" in json.loads(second)["silent"]["n3"]
    assert third[0] == "1 group: 1 without a leader that answers"


def test_a_leader_is_moved_by_asking_who_shall_lead(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(3) as nodes:
        nodes[1].raft_groups = [group(5)]
        words = ["transfer-leader", "-k", "accounts", "-g", "5", "-e", nodes[0].address]
        assert command(*words, "--to", "n2") == 0
        assert nodes[1].taken == [("accounts", 5)]
        nodes[2].raft_groups = [group(5, leader="n1")]
        nodes[2].takes = False
        assert command(*words, "--to", "n3", "--timeout", "100ms") == 1
        assert command(*words, "--to", "n9") == 64
    shown = capsys.readouterr()
    assert shown.out == "n2 leads group 5 of keyspace accounts\n"
    late, unknown = shown.err.splitlines()
    assert "n3 does not lead group 5 of keyspace accounts after 0.1 s: n1 does" in late
    assert "no node is named 'n9'; there are: n1, n2, n3" in unknown


def test_rebalance_tells_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(3) as nodes:
        nodes[0].hands_over = 1
        assert command("rebalance", "-e", nodes[0].address) == 0
        nodes[2].silent = True
        assert command("rebalance", "-e", nodes[0].address) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[:2] == ["n1 hands over 1 group", "n2 hands over 0 groups"]
    assert "n3 was not told: no answer" in shown.err
