"""What a change of members would move, from the answer of a node."""

import json

import pytest

from dynakv.admin import ring_change
from dynakv.admin.ring_change import Wanted, changes_of, view
from dynakv.core import ring_plan
from dynakv.core.layout import Member, NodeId
from dynakv.errors import UsageError
from tests.admin.test_ring import FIVE, member, state_of

STATE = state_of([member(1, "a"), member(2, "b"), member(3, "c"), member(4, "a", weight=2)])


def test_the_command_line_becomes_changes_in_one_order() -> None:
    wanted = Wanted(
        join=["n7", "n8:b:3"],
        leave=["n1, n2"],
        replace=["n4=n9"],
        weight=["n3=5"],
        zone=["n3="],
    )
    assert changes_of(wanted, STATE) == [
        ring_plan.Leave(NodeId("n1")),
        ring_plan.Leave(NodeId("n2")),
        ring_plan.Replace(NodeId("n4"), Member(NodeId("n9"), "", "a", weight=2)),
        ring_plan.Join(Member(NodeId("n7"), "")),
        ring_plan.Join(Member(NodeId("n8"), "", "b", weight=3)),
        ring_plan.SetWeight(NodeId("n3"), 5),
        ring_plan.SetZone(NodeId("n3"), ""),
    ]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(join=[""]), "--join '': must be NODE"),
        (Wanted(join=["a:b:c:d"]), "--join 'a:b:c:d': must be NODE"),
        (Wanted(join=["a:b:x"]), "the weight 'x' is no whole number"),
        (Wanted(weight=["n1"]), "--set-weight 'n1': must be NODE=WEIGHT"),
        (Wanted(weight=["n1=-1"]), "the weight '-1' is no whole number"),
        (Wanted(zone=["=a"]), "--set-zone '=a': must be NODE=ZONE"),
        (Wanted(replace=["n1"]), "--replace 'n1': must be OLD=NODE"),
    ],
)
def test_a_text_that_says_no_change_is_a_usage_error(wanted: Wanted, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        changes_of(wanted, STATE)


def test_a_change_that_makes_no_layout_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'n1' is a member already"):
        view(STATE, changes_of(Wanted(join=["n1"]), STATE))


def test_a_join_shows_what_moves_for_every_keyspace_and_node() -> None:
    state = state_of(FIVE)
    shown = view(state, changes_of(Wanted(join=["n6"]), state))
    default, small = shown.keyspaces
    assert (default.keyspace, default.n, default.n_after) == ("default", 3, 3)
    assert (default.copies, default.replicas, default.ideal_copies) == (128, 768, 128.0)
    assert (small.copies, small.replicas) == (3, 16)
    new = shown.nodes[-1]
    assert (new.node, new.groups, new.groups_after, new.gains) == ("n6", 0, 131, 131)
    assert sum(n.gains for n in shown.nodes) == default.copies + small.copies
    assert shown.verdict.startswith("this copies 131 of 784 replicas of shard groups, 1.0")


def test_fewer_nodes_show_smaller_quorums_and_who_goes() -> None:
    state = state_of(FIVE[:3])
    shown = view(state, changes_of(Wanted(leave=["n3"]), state))
    lines = ring_change.as_table(shown).splitlines()
    assert lines[2].split() == ["KEYSPACE", "N", "RQ", "WQ", "COPIES", "OF", "IDEAL"]
    assert lines[3].split()[:7] == ["default", "3", "->", "2", "2", "->", "1"]
    assert lines[-1].split() == ["n3", "-", "1", "262", "0", "0.0", "0"]
    assert json.loads(ring_change.as_json(shown))["nodes"][2]["groups_after"] == 0
