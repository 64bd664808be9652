"""Shares: what each node should hold, and what it shall hold when something is placed already."""

from fractions import Fraction
from itertools import combinations

from hypothesis import given, settings

from dynakv.core.ring import propose
from dynakv.core.shares import Candidate, Placed, caps_of, shares_of, targets_of
from tests.core.test_ring import loads, nodes, rings


@given(rings())
def test_shares_add_up_to_n_and_no_node_has_more_than_every_group(
    ring: tuple[list[Candidate], int, int],
) -> None:
    candidates, _, n = ring
    shares = shares_of(candidates, n)
    assert sum(shares.values()) == n
    assert all(0 < share <= 1 for share in shares.values())
    for one, other in combinations(candidates, 2):
        if one.zone == other.zone and 0 < one.weight <= other.weight:
            assert shares[one.node_id] <= shares[other.node_id]


def test_shares_follow_weights_until_zones_forbid_it() -> None:
    even = shares_of(nodes(4), 3)
    assert set(even.values()) == {Fraction(3, 4)}
    heavy = shares_of([*nodes(4), Candidate("big", "z0", 2)], 2)
    assert heavy["big"] == 2 * heavy["node-0"] == Fraction(2, 3)
    lone = shares_of([*nodes(4, zones=2), Candidate("lone", "z2", 1)], 3)
    assert lone["lone"] == 1
    assert lone["node-0"] == Fraction(1, 2)


def test_the_cap_is_a_tenth_above_the_share_rounded_up() -> None:
    assert caps_of(nodes(5), 256, 3) == {f"node-{i}": 169 for i in range(5)}  # 168.96
    assert caps_of(nodes(3), 256, 3) == {f"node-{i}": 256 for i in range(3)}


def test_a_newcomer_shall_get_its_share_from_those_that_hold_most() -> None:
    before, held = nodes(3), [("node-0", "node-1"), ("node-0", "node-2")] * 6
    targets = targets_of(nodes(4), 12, 2, Placed(before, 2, held))
    assert targets == {"node-0": 6, "node-1": 6, "node-2": 6, "node-3": 6}


def test_who_held_little_before_is_not_brought_up_by_a_join() -> None:
    """Otherwise the first join after an uneven start would move several shares."""
    before = nodes(30)
    first = propose(before, 256, 3)
    held = loads(first)
    low = min(held, key=lambda node_id: held[node_id])
    targets = targets_of(nodes(31), 256, 3, Placed(before, 3, first))
    assert held[low] < Fraction(9, 10) * shares_of(before, 3)[low] * 256
    assert targets[low] == held[low]
    assert targets["node-30"] == 25  # 24.8


@given(rings(), rings())
@settings(max_examples=30)
def test_targets_add_up_and_stay_within_the_caps(
    ring: tuple[list[Candidate], int, int], other: tuple[list[Candidate], int, int]
) -> None:
    before, groups, n_before = ring
    changed, _, n = other
    first = propose(before, groups, n_before)
    targets = targets_of(changed, groups, n, Placed(before, n_before, first))
    assert sum(targets.values()) == groups * n
    caps = caps_of(changed, groups, n)
    assert targets.keys() == caps.keys()
    assert all(0 <= targets[node_id] <= caps[node_id] for node_id in caps)
