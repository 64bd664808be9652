"""The verdict, and what each node's row says."""

import json

import pytest

from dynakv.admin.status import State, Status, view
from dynakv.admin.status_text import as_json, as_table
from dynakv.admin.survey import Reply, Survey
from dynakv.v1 import node_status_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.admin.nodes import healthy, state, status, survey_of

SILENT = Reply(error="no answer within 1.2 s")


def shown(**changes: Reply) -> Status:
    """Return the status of three healthy nodes, but for the changed ones."""
    replies = healthy()
    replies |= {f"{name}:1": reply for name, reply in changes.items()}
    return view(survey_of(replies))


def test_three_nodes_that_answer_alike_are_healthy() -> None:
    found = shown()
    assert found.verdict == "HEALTHY - 3 of 3 nodes up; all replicas of every key are up"
    assert found.agreement == "layout 1 agreed by 3/3"
    assert (found.state, found.exit_code, found.problems) == (State.HEALTHY, 0, [])


def test_a_silent_node_counts_as_down_whatever_the_others_believe() -> None:
    found = shown(n3=SILENT)
    assert found.verdict == "DEGRADED - 1 of 3 nodes down; every key still has a quorum"
    assert found.agreement == "layout 1 agreed by 2/3"
    assert found.exit_code == 2
    assert (found.nodes[2].state, found.nodes[2].error) == ("down", "no answer within 1.2 s")
    assert found.nodes[2].rows is None


def test_one_of_five_down_leaves_every_key_a_quorum() -> None:
    replies = healthy(5) | {"n4:1": SILENT}
    found = view(survey_of(replies))
    assert found.verdict == "DEGRADED - 1 of 5 nodes down; every key still has a quorum"


def test_lost_quorums_are_unavailable_and_their_share_is_told() -> None:
    found = shown(n2=SILENT, n3=SILENT)
    text = "UNAVAILABLE - 2 of 3 nodes down; 100 % of keys have no write quorum and no read quorum"
    assert found.verdict == text
    assert found.exit_code == 3


def test_nobody_who_answers_is_unknown() -> None:
    found = view(Survey(["a:1", "b:2"], {"a:1": SILENT, "b:2": SILENT}, 1_200))
    assert (found.state, found.exit_code) == (State.UNKNOWN, 4)
    assert found.verdict == (
        "UNKNOWN - none of the 2 endpoints answered within 1.2 s; tried a:1, b:2"
    )
    assert as_table(found, color=False) == found.verdict


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (status("n2", clock=pb.ClockStatus()), "doubts its clock and takes no requests"),
        (status("n2", disk_full=True), "has a full disk and saves nothing"),
        (status("n2", store=None), "has a disk that does not answer"),
        (
            status("n2", load=pb.LoadStatus(client_keys=15_000, client_keys_max=20_000)),
            "is loaded to 75 %",
        ),
    ],
)
def test_what_a_node_says_of_itself_degrades_the_cluster(
    reply: pb.GetNodeStatusResponse, problem: str
) -> None:
    found = shown(n2=Reply(state(3, "n2"), reply, 1.0))
    assert found.state is State.DEGRADED
    assert found.problems == [f"n2 {problem}"]
    verdict = f"3 of 3 nodes up; all replicas of every key are up; n2 {problem}"
    assert found.verdict.endswith(verdict)


def test_damage_that_was_met_is_a_note_and_no_verdict() -> None:
    found = shown(n2=Reply(state(3, "n2"), status("n2", counters={"damaged_rows": 7}), 1.0))
    assert (found.state, found.problems) == (State.HEALTHY, [])
    assert as_table(found, color=False).endswith("- n2 met damaged rows since its start: 7")


def kept(*hints: tuple[str, int]) -> list[pb.HintStatus]:
    return [pb.HintStatus(node_id=node, rows=rows, bytes=90 * rows) for node, rows in hints]


def test_hints_of_all_nodes_are_added_up_for_each_that_missed_writes() -> None:
    n1, n2 = status("n1"), status("n2")
    n1.hints.extend(kept(("n3", 1_000)))
    n2.hints.extend(kept(("n1", 1), ("n3", 284)))
    found = shown(n1=Reply(state(3, "n1"), n1, 1.0), n2=Reply(state(3, "n2"), n2, 1.0), n3=SILENT)
    assert found.verdict == (
        "DEGRADED - 1 of 3 nodes down; every key still has a quorum;"
        " 1 hint for n1, 1,284 hints for n3"
    )
    table = as_table(found, color=False)
    assert "- n1 keeps 1,000 hints for n3 (87.9 KiB)" in table
    assert "- n2 keeps 1 hint for n1 (90 B)" in table
    assert json.loads(as_json(found))["nodes"][0]["hints"] == [
        {"node": "n3", "rows": 1_000, "bytes": 90_000, "age_ms": None}
    ]


def test_the_age_of_hints_is_told_where_it_is_known() -> None:
    n1 = status("n1")
    n1.hints.extend(kept(("n3", 5)))
    n1.hints[0].age_ms = 125_000
    found = shown(n1=Reply(state(3, "n1"), n1, 1.0))
    assert found.nodes[0].notes == ["keeps 5 hints for n3 (450 B, up to 2m05s old)"]


def test_a_silent_node_is_told_when_it_has_to_rebuild() -> None:
    n1, n2 = status("n1", horizon_ms=864_000_000), status("n2", horizon_ms=864_000_000)
    n1.peers.append(pb.PeerStatus(node_id="n3", silent_ms=90_000))
    n2.peers.append(pb.PeerStatus(node_id="n3", silent_ms=60_000))
    found = shown(n1=Reply(state(3, "n1"), n1, 1.0), n2=Reply(state(3, "n2"), n2, 1.0), n3=SILENT)
    note = "- n3 has been silent for 1m00s; after 10d00h it rebuilds its groups"
    assert as_table(found, color=False).endswith(note)


def test_a_node_that_is_not_alive_to_all_by_gossip_is_a_note() -> None:
    first, second = state(3, "n1"), state(3, "n2")
    first.members[2].gossip = ring_pb2.GOSSIP_STATE_SUSPECT
    found = shown(n1=Reply(first, status("n1"), 1.0), n2=Reply(second, status("n2"), 1.0))
    assert found.nodes[2].notes == ["is by gossip suspect to n1, alive to n2"]
    assert found.nodes[0].notes == []


def test_hash_trees_that_drifted_are_a_note() -> None:
    found = shown(n2=Reply(state(3, "n2"), status("n2", tree_drifts=2), 1.0))
    assert found.nodes[1].notes == ["had hash trees unlike its rows since its start: 2"]


def test_old_versions_that_hardly_any_replica_holds_are_a_note() -> None:
    counters = {"old_minorities": 1_234}
    found = shown(n2=Reply(state(3, "n2"), status("n2", counters=counters), 1.0))
    (note,) = found.nodes[1].notes
    assert note.startswith("found 1,234 versions older than the horizon on fewer than a write")


def test_hints_alone_are_no_fault_they_are_on_their_way() -> None:
    n1 = status("n1")
    n1.hints.extend(kept(("n3", 5)))
    found = shown(n1=Reply(state(3, "n1"), n1, 1.0))
    assert (found.state, found.exit_code) == (State.HEALTHY, 0)
    assert found.verdict.endswith("; 5 hints for n3")


def test_it_is_told_how_many_tombstones_wait_and_for_whom() -> None:
    n1, n2 = status("n1"), status("n2")
    n1.collection.waiting["default"] = 1_000
    n1.collection.waits_for["n3"] = 2
    n2.collection.waiting["default"] = 5  # its groups lack nobody
    found = shown(n1=Reply(state(3, "n1"), n1, 1.0), n2=Reply(state(3, "n2"), n2, 1.0), n3=SILENT)
    assert found.verdict.endswith("; 1,000 tombstones wait for n3")
    table = as_table(found, color=False)
    assert "- n1 cannot drop 1,000 deleted or expired records without n3" in table
    shown_n1 = json.loads(as_json(found))["nodes"][0]
    assert shown_n1["tombstones_waiting"] == {"default": 1_000}
    assert shown_n1["collection_waits_for"] == {"n3": 2}


def test_hints_that_found_no_room_are_a_note() -> None:
    counters = {"hints_dropped_for_space": 7}
    found = shown(n2=Reply(state(3, "n2"), status("n2", counters=counters), 1.0))
    assert as_table(found, color=False).endswith(
        "- n2 had no room for hints since its start: 7, left to anti-entropy"
    )


def test_a_full_disk_beside_a_dead_node_costs_the_write_quorum() -> None:
    found = shown(n2=Reply(state(3, "n2"), status("n2", disk_full=True), 1.0), n3=SILENT)
    assert found.state is State.UNAVAILABLE
    assert "100 % of keys have no write quorum;" in found.verdict


def test_a_cluster_where_no_clock_is_trusted_takes_no_requests() -> None:
    doubting = {
        f"n{i}": Reply(state(3, f"n{i}"), status(f"n{i}", clock=pb.ClockStatus()), 1.0)
        for i in (1, 2, 3)
    }
    found = shown(**doubting)
    assert found.state is State.UNAVAILABLE
    assert found.problems[0] == "no node trusts its clock, so none takes requests"
    assert found.verdict.endswith("; and 1 more")


def test_the_clock_offset_is_the_median_of_what_the_others_measured() -> None:
    found = shown(
        n1=Reply(state(3, "n1"), status("n1", offsets={"n2": 150, "n3": -20}), 1.0),
        n2=Reply(state(3, "n2"), status("n2", offsets={"n1": 4, "n3": -30}), 1.0),
        n3=Reply(state(3, "n3"), status("n3", offsets={"n1": 6, "n2": 170}), 1.0),
    )
    assert [node.clock_offset_ms for node in found.nodes] == [5, 160, -25]
    assert found.problems == ["n2 has a clock +160 ms off"]


def test_a_node_that_others_do_not_reach_is_named_with_them() -> None:
    found = shown(n1=Reply(state(3, "n1", down=["n3"]), status("n1"), 1.0))
    assert found.state is State.DEGRADED
    assert found.problems == ["n3 is not reached by n1"]


def test_another_layout_is_told_and_does_not_count_as_agreement() -> None:
    found = shown(n3=Reply(state(3, "n3", epoch=2, digest=0xAB), status("n3"), 1.0))
    assert found.agreement == "layout 1 agreed by 2/3"
    assert found.problems == ["n3 has another layout (epoch 2, digest 00000000000000ab)"]


def test_an_older_node_is_up_without_figures() -> None:
    old = Reply(state(3, "n2"), error="its version does not tell")
    found = shown(n2=old)
    assert (found.nodes[1].state, found.nodes[1].rows) == ("up", None)
    assert found.problems == ["n2 does not tell its figures: its version does not tell"]


def test_a_member_that_no_node_has_heard_from_has_no_address() -> None:
    replies = healthy()
    del replies["n3:1"]
    for reply in replies.values():
        assert reply.state is not None
        reply.state.members[2].client_address = ""
    found = view(survey_of(replies))
    assert found.nodes[2].error == "no node knows its client address"
    assert found.nodes[2].address == ""


def test_a_node_found_under_two_addresses_counts_once() -> None:
    replies = healthy() | {"localhost:1": Reply(state(3, "n1"), error="no answer within 1.2 s")}
    assert view(survey_of(replies)).exit_code == 0


def test_the_table_of_a_degraded_cluster() -> None:
    found = shown(
        n2=SILENT,
        n3=Reply(state(3, "n3"), status("n3", clock=pb.ClockStatus()), 12.3),
    )
    assert (
        as_table(found, color=False)
        == f"""{found.verdict}
layout 1 agreed by 2/3; cluster {found.cluster_id}

ST  NODE  ADDRESS    PROBE   ROWS     SIZE      CLOCK  WAITING  CACHE HITS  UPTIME  STARTS  VERSION
UN  n1    n1:1      1.2 ms  1,234  3.0 MiB          -        0      75.0 %   3m12s       1  0.1.0
DN  n2    n2:1     no answer within 1.2 s
UN  n3    n3:1     12.3 ms  1,234  3.0 MiB  - doubted        0      75.0 %   3m12s       1  0.1.0

KEYSPACE  PAIRS COMPARED  ALL SINCE  SLOWEST  TO DROP  WAITS FOR
default   0 of 3           none yet        -        0  -

! n3 doubts its clock and takes no requests"""
    )


def test_color_marks_the_verdict_and_the_states_only() -> None:
    found = shown(n2=SILENT)
    plain, colored = as_table(found, color=False), as_table(found, color=True)
    assert "\x1b" not in plain
    assert colored.startswith("\x1b[33mDEGRADED\x1b[0m - ")
    assert "\x1b[31mDN\x1b[0m" in colored
    for mark in ("\x1b[33m", "\x1b[32m", "\x1b[31m", "\x1b[0m"):
        colored = colored.replace(mark, "")
    assert colored == plain


def test_json_has_all_figures_also_the_empty_ones() -> None:
    found = json.loads(as_json(shown(n2=SILENT)))
    assert found["state"] == "degraded"
    assert found["nodes"][0]["counters"] == {"puts": 5}
    assert found["nodes"][1]["rows"] is None
    assert found["keyspaces"][0]["short"] == 256
    assert "\n" not in as_json(shown(), indent=None)
