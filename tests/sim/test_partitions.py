"""Claims about `dynakv.sim.partitions`: who still hears whom."""

import pytest

from dynakv.sim import partitions
from dynakv.sim.partitions import Pairs


def heard_by(pairs: Pairs, count: int) -> list[set[int]]:
    """Return, for each process, whom it still exchanges messages with, itself included."""
    cut = set(pairs)
    assert all((b, a) in cut for a, b in cut), "both directions"
    names = [str(i) for i in range(count)]
    return [{j for j in range(count) if (names[i], names[j]) not in cut} for i in range(count)]


def names(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def test_two_halves_hear_only_themselves() -> None:
    assert heard_by(partitions.halves(names(5)), 5) == [{0, 1}, {0, 1}, *[{2, 3, 4}] * 3]


def test_one_that_is_isolated_hears_nobody() -> None:
    assert heard_by(partitions.isolate(names(3)), 3) == [{0}, {1, 2}, {1, 2}]


@pytest.mark.parametrize("count", [5, 7])
def test_in_a_ring_of_majorities_no_two_see_the_same(count: int) -> None:
    heard = heard_by(partitions.majorities_ring(names(count)), count)
    assert all(2 * len(seen) > count for seen in heard)
    assert len({tuple(sorted(seen)) for seen in heard}) == count


def test_the_bridge_alone_hears_both_halves() -> None:
    heard = heard_by(partitions.bridge(names(5)), 5)
    assert heard[0] == {0, 1, 2, 3, 4}
    assert heard[1] == {0, 1, 2}
    assert heard[4] == {0, 3, 4}
