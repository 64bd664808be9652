"""What all nodes together tell of comparisons, by keyspace."""

import json

from dynakv.admin.status import Status, view
from dynakv.admin.status_repair import Repair
from dynakv.admin.status_text import as_json, as_table
from dynakv.admin.survey import Reply
from dynakv.v1 import node_status_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.admin.nodes import state, status, survey_of

MINUTE = 60_000


def told(rounds: dict[str, list[tuple[str, int, int]]], keyspaces: int = 1) -> Status:
    """Return the status of three nodes of which each began these rounds: peer, age, duration."""
    replies = {}
    for name in ("n1", "n2", "n3"):
        said = status(name)
        said.rounds.extend(
            pb.RoundStatus(keyspace="default", node_id=peer, age_ms=age_ms, took_ms=took_ms)
            for peer, age_ms, took_ms in rounds.get(name, [])
        )
        replies[f"{name}:1"] = Reply(state(3, name, keyspaces=keyspaces), said, 1.0)
    return view(survey_of(replies))


def test_the_oldest_pair_dates_a_keyspace_and_the_younger_report_a_pair() -> None:
    found = told(
        {
            "n1": [("n2", 9 * MINUTE, 100), ("n3", 3 * MINUTE, 730)],
            "n2": [("n1", 2 * MINUTE, 50), ("n3", 4 * MINUTE, 200)],
        }
    )
    assert found.repairs == [Repair("default", 3, 3, 4 * MINUTE, 730, 0, [])]
    row = "default   3 of 3          4m00s ago    730ms        0  -"
    assert row in as_table(found, color=False)


def test_a_pair_that_was_not_compared_leaves_the_keyspace_undated() -> None:
    found = told({"n1": [("n2", MINUTE, 100), ("n3", MINUTE, 100)]})
    assert found.repairs == [Repair("default", 3, 2, None, 100, 0, [])]
    assert "2 of 3          not all yet" in as_table(found, color=False)
    assert json.loads(as_json(found))["repairs"][0]["oldest_ms"] is None


def test_a_round_with_who_shares_nothing_or_is_no_member_counts_nothing() -> None:
    assert told({"n1": [("n1", 1, 1), ("n9", 1, 1)]}).repairs[0].compared == 0


def test_records_that_wait_to_be_dropped_stand_with_whom_they_wait_for() -> None:
    n1, n2 = status("n1"), status("n2")
    n1.collection.waiting["default"] = 1_000
    n1.collection.waits_for["n3"] = 2
    n2.collection.waiting["default"] = 5
    replies = {"n1:1": Reply(state(3, "n1"), n1, 1.0), "n2:1": Reply(state(3, "n2"), n2, 1.0)}
    found = view(survey_of(replies))
    assert found.repairs[0].to_drop == 1_005
    assert found.repairs[0].waits_for == ["n3"]
    assert "-    1,005  n3" in as_table(found, color=False)


def test_a_keyspace_in_raft_mode_has_nothing_to_compare() -> None:
    rings = {name: state(3, name, keyspaces=2) for name in ("n1", "n2", "n3")}
    for ring in rings.values():
        ring.keyspaces[0].mode = ring_pb2.MODE_RAFT
    replies = {f"{name}:1": Reply(ring, status(name), 1.0) for name, ring in rings.items()}
    assert "default" not in [repair.keyspace for repair in view(survey_of(replies)).repairs]


def test_a_single_node_has_no_pairs_and_no_table() -> None:
    found = view(survey_of({"n1:1": Reply(state(1, "n1"), status("n1"), 1.0)}))
    assert found.repairs[0].pairs == 0
    assert "PAIRS" not in as_table(found, color=False)
