"""Plans: what members who come, go or differ make of a layout."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dynakv import limits
from dynakv.core import ring_plan
from dynakv.core.layout import (
    Keyspace,
    KeyspaceSettings,
    Layout,
    Member,
    NodeId,
    first_layout,
    quorums_of,
)
from dynakv.core.ring_plan import (
    Change,
    Join,
    Leave,
    Plan,
    Refused,
    Replace,
    SetWeight,
    SetZone,
    copies,
    ideal_copies,
    ideal_loads,
    loads,
    moves,
    plan,
)


def member(number: int, zone: str = "z0", weight: int = 1) -> Member:
    return Member(NodeId(f"n{number}"), f"127.0.0.1:{50150 + number}", zone, weight=weight)


def layout(count: int, zones: int = 1, groups: int = 64) -> Layout:
    members = [member(i, f"z{i % zones}") for i in range(count)]
    return first_layout(members, [KeyspaceSettings("default", groups=groups)])


def planned(before: Layout, *changes: Change) -> Plan:
    found = plan(before, changes)
    assert isinstance(found, Plan), found
    return found


def default(of: Layout) -> Keyspace:
    return of.keyspaces[0]


def test_effective_n_and_quorums_follow_the_members_from_1_to_3_to_5_to_3() -> None:
    at = layout(1)
    seen = [(default(at).n, default(at).rq, default(at).wq)]
    steps: list[list[Change]] = [
        [Join(member(1))],
        [Join(member(2))],
        [Join(member(3)), Join(member(4))],
        [Leave(NodeId("n0")), Leave(NodeId("n1"))],
        [Leave(NodeId("n2"))],
    ]
    for changes in steps:
        at = planned(at, *changes).after
        keyspace = default(at)
        assert all(len(set(replicas)) == keyspace.n for replicas in keyspace.placement)
        seen.append((keyspace.n, keyspace.rq, keyspace.wq))
    assert seen == [(1, 1, 1), (2, 1, 2), (3, 2, 2), (3, 2, 2), (3, 2, 2), (2, 1, 2)]
    assert [m.node_id for m in at.members] == ["n3", "n4"]


@pytest.mark.parametrize("n", range(1, limits.REPLICAS_MAX + 1))
def test_a_read_quorum_meets_every_write_quorum(n: int) -> None:
    rq, wq = quorums_of(n)
    assert rq + wq == n + 1
    assert 2 * wq > n  # two writes meet, too


def test_a_join_is_one_epoch_later_and_moves_the_share_of_who_comes() -> None:
    change = planned(layout(4), Join(member(4)))
    before, after = default(change.before), default(change.after)
    assert change.after.epoch == after.epoch == change.before.epoch + 1 == 2
    assert ideal_copies(change, "default") == Fraction(3 * 64, 5)
    assert copies(before, after) == loads(after)[NodeId("n4")] == 38
    assert sum(len(m.lost) for m in moves(before, after)) == 38
    assert ideal_loads(change.after.members, after)[NodeId("n4")] == Fraction(3 * 64, 5)


def test_a_leave_moves_what_the_leaver_held_and_nothing_else() -> None:
    change = planned(layout(5), Leave(NodeId("n2")))
    before, after = default(change.before), default(change.after)
    assert copies(before, after) == loads(before)[NodeId("n2")]
    assert "n2" not in loads(after)
    assert all(move.lost == ("n2",) for move in moves(before, after))


def test_a_replacement_takes_exactly_the_groups_of_whom_it_replaces() -> None:
    change = planned(layout(6, zones=3), Replace(NodeId("n2"), member(9, "z2")))
    expected = [
        tuple("n9" if r == "n2" else r for r in replicas)
        for replicas in default(change.before).placement
    ]
    assert list(default(change.after).placement) == expected
    # Of chained replacements only the last one counts.
    chained = planned(
        layout(6, zones=3),
        Replace(NodeId("n2"), member(8, "z2")),
        Replace(NodeId("n8"), member(9, "z2")),
    )
    assert chained.after == change.after


def test_a_weight_and_a_zone_move_shares() -> None:
    at = layout(6, zones=2)
    heavy = planned(at, SetWeight(NodeId("n0"), 2))
    assert loads(default(heavy.after))[NodeId("n0")] > loads(default(at))[NodeId("n0")]
    none = planned(at, SetWeight(NodeId("n0"), 0))
    assert "n0" not in loads(default(none.after))
    assert len(none.after.members) == 6
    zoned = planned(at, SetZone(NodeId("n0"), "z9"))
    assert loads(default(zoned.after))[NodeId("n0")] == 64  # one replica of each group
    assert zoned.after.members[0].zone == "z9"


def test_a_keyspace_that_does_not_change_keeps_its_epoch() -> None:
    change = planned(layout(3), Join(member(3, weight=0)))
    assert default(change.after) == default(change.before)
    assert change.after.epoch == 2


def test_changes_in_one_plan_move_less_than_one_after_the_other() -> None:
    at = layout(5, groups=256)
    together = planned(at, Leave(NodeId("n0")), Join(member(7)))
    first = planned(at, Leave(NodeId("n0")))
    second = planned(first.after, Join(member(7)))
    apart = sum(copies(default(c.before), default(c.after)) for c in (first, second))
    assert copies(default(together.before), default(together.after)) < apart


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Join(member(1)), "'n1' is a member already, or is being replaced"),
        (Leave(NodeId("n7")), "'n7' is no member; members are n0, n1, n2"),
        (SetWeight(NodeId("n1"), 65), "'n1': weight 65 is not from 0 to 64"),
        (SetWeight(NodeId("n1"), -1), "'n1': weight -1 is not from 0 to 64"),
        (SetZone(NodeId("n1"), "z" * 65), "'n1': a zone of 65 bytes exceeds 64"),
        (SetZone(NodeId("n9"), ""), "'n9' is no member; members are n0, n1, n2"),
        (Replace(NodeId("n9"), member(4)), "'n9' is no member; members are n0, n1, n2"),
        (Replace(NodeId("n0"), member(1)), "'n1' is a member already, or is being replaced"),
        (Join(Member(NodeId(""), "h:1")), "a node id must not be empty"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(change: Change, why: str) -> None:
    assert plan(layout(3), [change]) == Refused(why)


def test_a_cluster_keeps_a_member_that_holds_data_and_has_an_end() -> None:
    gone = [Leave(NodeId(f"n{i}")) for i in range(3)]
    assert plan(layout(3), gone) == Refused("no member with a weight would be left to hold data")
    many = [Join(member(i)) for i in range(3, limits.MEMBERS_MAX + 1)]
    assert plan(layout(3), many) == Refused("257 members are more than 256")
    there_and_back = [Replace(NodeId("n0"), member(9)), Replace(NodeId("n9"), member(0))]
    assert plan(layout(3), there_and_back) == Refused(
        "'n0' is a member already, or is being replaced"
    )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 3), st.data())
@settings(max_examples=30)
def test_any_series_of_plans_keeps_the_rules_of_a_layout(
    kinds: list[int], zones: int, data: st.DataObject
) -> None:
    at = layout(3, zones, groups=16)
    for number, kind in enumerate(kinds):
        name = data.draw(st.sampled_from([m.node_id for m in at.members]))
        fresh = member(10 + number, f"z{number % 3}")
        change: Change = (
            Join(fresh),
            Join(replace(fresh, weight=3)),
            Leave(name),
            Replace(name, fresh),
            SetWeight(name, number % 3),
            SetZone(name, f"z{number % 3}"),
        )[kind]
        found = plan(at, [change])
        if isinstance(found, Refused):
            continue
        at = found.after
        keyspace = default(at)
        weighted = [m.node_id for m in at.members if m.weight]
        assert keyspace.n == min(3, len(weighted))
        assert (keyspace.rq, keyspace.wq) == quorums_of(keyspace.n)
        for replicas in keyspace.placement:
            assert len(set(replicas)) == len(replicas) == keyspace.n
            assert set(replicas) <= set(weighted)
        caps = ring_plan.ideal_loads(at.members, keyspace)
        held = loads(keyspace)
        assert all(held.get(k, 0) <= -(-ideal * 110 // 100) for k, ideal in caps.items())
