"""Placement: Karger et al. (1997), with the bounded loads of Mirrokni et al. (2016)."""

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import ceil

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.ring import (
    Candidate,
    _Placement,
    caps_of,
    propose,
    shares_of,
    vnodes_of,
)

Placement = list[tuple[str, ...]]


def nodes(count: int, zones: int = 1, weight: int = 1, name: str = "node") -> list[Candidate]:
    return [Candidate(f"{name}-{i}", f"z{i % zones}", weight) for i in range(count)]


@st.composite
def rings(draw: st.DrawFn) -> tuple[list[Candidate], int, int]:
    """Draw candidates (some without weight), a number of groups, and a possible N."""
    drawn = draw(
        st.lists(
            st.tuples(st.integers(0, 500), st.integers(0, 3), st.sampled_from([0, 1, 1, 2, 5])),
            min_size=1,
            max_size=9,
            unique_by=lambda one: one[0],
        )
    )
    candidates = [Candidate(f"n{number}", f"z{zone}", weight) for number, zone, weight in drawn]
    holders = sum(c.weight > 0 for c in candidates)
    assume(holders)
    n = draw(st.integers(1, min(holders, 6)))
    return candidates, 1 << draw(st.integers(0, 6)), n


def loads(placement: Placement) -> Counter[str]:
    return Counter(node_id for replicas in placement for node_id in replicas)


def moved(before: Placement, after: Placement) -> int:
    """Return how many replicas of groups have to be copied to a node that did not hold them."""
    return sum(len(set(new) - set(old)) for old, new in zip(before, after, strict=True))


@given(rings())
def test_every_group_gets_n_distinct_nodes_with_weight(
    ring: tuple[list[Candidate], int, int],
) -> None:
    candidates, groups, n = ring
    weighted = {c.node_id for c in candidates if c.weight}
    placement = propose(candidates, groups, n)
    assert len(placement) == groups
    assert all(len(replicas) == len(set(replicas)) == n for replicas in placement)
    assert all(weighted.issuperset(replicas) for replicas in placement)


@given(rings())
def test_no_node_is_above_its_cap(ring: tuple[list[Candidate], int, int]) -> None:
    candidates, groups, n = ring
    caps = caps_of(candidates, groups, n)
    shares = shares_of(candidates, n)
    for node_id, load in loads(propose(candidates, groups, n)).items():
        assert load <= caps[node_id] <= ceil(Fraction(110, 100) * shares[node_id] * groups)


@given(rings())
def test_the_replicas_of_a_group_are_spread_over_the_zones_as_evenly_as_possible(
    ring: tuple[list[Candidate], int, int],
) -> None:
    candidates, groups, n = ring
    zone_of = {c.node_id: c.zone for c in candidates}
    sizes = Counter(c.zone for c in candidates if c.weight)
    for replicas in propose(candidates, groups, n):
        held = Counter(zone_of[node_id] for node_id in replicas)
        assert len(held) == min(n, len(sizes))
        for one in sizes:  # a zone holds two more than another only if that one has no more nodes
            for other in sizes:
                assert held[one] <= held[other] + 1 or held[other] == sizes[other]


@given(rings())
def test_the_order_of_the_candidates_does_not_matter(
    ring: tuple[list[Candidate], int, int],
) -> None:
    candidates, groups, n = ring
    assert propose(candidates[::-1], groups, n) == propose(candidates, groups, n)
    assert propose(sorted(candidates, key=lambda c: c.zone), groups, n) == propose(
        candidates, groups, n
    )


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


def naive(candidates: list[Candidate], groups: int) -> Placement:
    """Return the placement of one replica, by a scan of all vnodes for every group."""
    caps = caps_of(candidates, groups, 1)
    points = [(token, c.node_id) for c in candidates for token in vnodes_of(c.node_id, c.weight)]
    held: Counter[str] = Counter()
    placement: Placement = []
    for group in range(groups):
        start = 2**64 // groups * group
        _, node_id = min(
            ((token - start) % 2**64, node_id)
            for token, node_id in points
            if held[node_id] < caps[node_id]
        )
        held[node_id] += 1
        placement.append((node_id,))
    return placement


def naive_replicas(candidates: list[Candidate], groups: int, n: int) -> Placement | None:
    """Return the placement without zones; None where a group finds too few nodes with room."""
    caps = caps_of(candidates, groups, n)
    points = [(token, c.node_id) for c in candidates for token in vnodes_of(c.node_id, c.weight)]
    held: Counter[str] = Counter()
    placement: Placement = []
    for group in range(groups):
        start = 2**64 // groups * group
        replicas: list[str] = []
        for _, node_id in sorted(((token - start) % 2**64, node_id) for token, node_id in points):
            if node_id not in replicas and held[node_id] < caps[node_id] and len(replicas) < n:
                replicas.append(node_id)
        if len(replicas) < n:
            return None
        held.update(replicas)
        placement.append(tuple(replicas))
    return placement


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("weight", [1, 2])
def test_one_replica_is_where_a_scan_of_all_vnodes_puts_it(count: int, weight: int) -> None:
    candidates = [*nodes(count, weight=weight), Candidate("other", "z0", 1)]
    assert propose(candidates, 64, 1) == naive(candidates, 64)


@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize("n", [2, 3])
def test_replicas_are_where_a_scan_of_all_vnodes_puts_them(count: int, n: int) -> None:
    expected = naive_replicas(nodes(count), 32, n)
    assert expected is not None
    assert propose(nodes(count), 32, n) == expected


@pytest.mark.parametrize(
    ("seed", "weights", "groups", "n"),
    [
        (2, (1, 1, 1), 4, 2),
        (9, (1, 1, 1), 16, 2),
        (2, (5, 1, 1, 1), 8, 3),
        (1, (5, 2, 1, 1), 32, 2),
        (4, (5, 2, 1, 1), 16, 3),
    ],
)
def test_groups_left_short_by_the_walk_are_completed_within_the_caps(
    seed: int, weights: tuple[int, ...], groups: int, n: int
) -> None:
    candidates = [Candidate(f"{seed}-{i}", "", weight) for i, weight in enumerate(weights)]
    assert naive_replicas(candidates, groups, n) is None
    run = _Placement(candidates, groups, n)
    placement = run.placed()
    assert all(len(set(replicas)) == n for replicas in placement)
    held = loads(placement)
    assert run.room == {
        node_id: cap - held[node_id] for node_id, cap in caps_of(candidates, groups, n).items()
    }
    assert min(run.room.values()) >= 0


MOVEMENT_MAX = 1.3


@pytest.mark.parametrize("zones", [1, 3])
@pytest.mark.parametrize("count", [3, 4, 5, 6, 8, 11])
def test_a_join_and_a_leave_move_at_most_1_3_times_the_ideal_share(count: int, zones: int) -> None:
    for name in ("a", "node", "kv.example.org"):
        large = nodes(count + 1, zones, name=name)
        before, after = propose(large[:-1], 256, 3), propose(large, 256, 3)
        ideal = shares_of(large, 3)[large[-1].node_id] * 256
        assert moved(before, after) <= MOVEMENT_MAX * ideal
        assert moved(after, before) <= MOVEMENT_MAX * ideal


@given(st.integers(3, 9), st.integers(0, 2**32))
@settings(max_examples=20)
def test_joins_move_on_average_no_more_than_a_tenth_above_the_ideal(count: int, seed: int) -> None:
    ratios = []
    for i in range(8):
        large = nodes(count + 1, name=f"{seed}-{i}")
        ideal = shares_of(large, 3)[large[-1].node_id] * 256
        ratios.append(moved(propose(large[:-1], 256, 3), propose(large, 256, 3)) / ideal)
    assert sum(ratios) / len(ratios) <= 1.1


def test_a_change_of_address_book_order_or_a_node_without_weight_moves_nothing() -> None:
    candidates = nodes(5)
    idle = [*candidates, Candidate("idle", "z9", 0)]
    assert propose(idle, 256, 3) == propose(candidates, 256, 3)


def test_vnodes_are_in_proportion_to_weight_and_the_first_ones_stay() -> None:
    assert len(vnodes_of("n1", 1)) == limits.VNODES_PER_WEIGHT
    assert vnodes_of("n1", 3)[: limits.VNODES_PER_WEIGHT] == vnodes_of("n1", 1)
    assert vnodes_of("n1", 0) == []
    points = [p for i in range(50) for p in vnodes_of(f"n{i}", 2)]
    assert len(set(points)) == len(points)
    assert all(0 <= p < 2**64 for p in points)


def test_more_replicas_than_nodes_with_weight_are_our_mistake() -> None:
    with pytest.raises(AssertionError):
        propose([*nodes(2), Candidate("idle", "", 0)], 4, 3)
    with pytest.raises(AssertionError):
        propose([*nodes(2), replace(nodes(1)[0], zone="again")], 4, 1)
