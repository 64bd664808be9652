"""Popularity, names and sizes of what a load asks for."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from loadtest.keys import THETA, Distribution, Keys, Sizes, Values, name, shares

DRAWS = 100_000


def drawn(distribution: Distribution, count: int, seed: int = 1) -> Counter[bytes]:
    keys = Keys(distribution, count, seed)
    return Counter(keys.next() for _ in range(DRAWS))


def test_zipfian_shares_are_those_of_the_plain_formula() -> None:
    weights = [1 / rank**THETA for rank in range(1, 1001)]
    cumulated, total = 0.0, sum(weights)
    for weight, share in zip(weights, shares(1000), strict=True):
        cumulated += weight
        assert share == pytest.approx(cumulated / total)


def test_every_draw_falls_below_the_last_share() -> None:
    assert all(shares(count)[-1] == 1.0 for count in (1, 2, 3, 10, 100_003))


def test_zipfian_draws_follow_their_shares() -> None:
    counts = [count for _, count in drawn(Distribution.ZIPFIAN, 1000).most_common()]
    expected = shares(1000)
    for ranks in (1, 10, 100):
        assert sum(counts[:ranks]) / DRAWS == pytest.approx(expected[ranks - 1], rel=0.03)


def test_popular_keys_are_no_neighbours() -> None:
    popular = [int(key[5:]) for key, _ in drawn(Distribution.ZIPFIAN, 1000).most_common(20)]
    gaps = [abs(a - b) for a, b in pairwise(popular)]
    assert sum(gap > 10 for gap in gaps) >= 15


def test_processes_with_other_seeds_agree_on_the_popular_keys() -> None:
    one, other = (dict(drawn(Distribution.ZIPFIAN, 1000, s).most_common(3)) for s in (1, 2))
    assert one.keys() == other.keys()


def test_uniform_draws_reach_every_key_alike() -> None:
    counts = drawn(Distribution.UNIFORM, 100)
    assert set(counts) == {name(i) for i in range(100)}
    assert max(counts.values()) < 1.2 * DRAWS / 100


@pytest.mark.parametrize("distribution", Distribution)
def test_the_seed_decides_the_series(distribution: Distribution) -> None:
    assert drawn(distribution, 50, 3) == drawn(distribution, 50, 3)
    assert drawn(distribution, 50, 3) != drawn(distribution, 50, 4)


@pytest.mark.parametrize("count", [0, -1, 10**9])
def test_a_number_of_keys_beyond_the_limits_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=str(count)):
        Keys(Distribution.UNIFORM, count, 1)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("100", 100, 100),
        ("1k", 1024, 1024),
        ("1KB-1MB", 1024, 1 << 20),
        ("0-10", 0, 10),
        ("8m", 8 << 20, 8 << 20),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, least: int, most: int) -> None:
    sizes = Sizes.parsed(text)
    assert (sizes.least, sizes.most) == (least, most)
    again = Sizes.parsed(str(sizes))
    assert (again.least, again.most) == (least, most)


@pytest.mark.parametrize("text", ["", "x", "-1", "1g", "10-5", "9m", "1k-", "1.5k"])
def test_other_sizes_are_refused_with_their_text(text: str) -> None:
    with pytest.raises(ValueError, match="value bytes"):
        Sizes.parsed(text)


def test_sizes_of_a_range_are_as_frequent_in_every_doubling() -> None:
    sizes, random = Sizes(1024, 1 << 20), Random(1)
    counts = Counter(sizes.draw(random).bit_length() for _ in range(20_000))
    assert set(counts) - {21} == set(range(11, 21))
    assert all(counts[bits] == pytest.approx(2_000, rel=0.15) for bits in range(11, 21))


def test_sizes_reach_both_ends_and_nothing_beyond() -> None:
    random = Random(1)
    assert {Sizes(0, 3).draw(random) for _ in range(1000)} == {0, 1, 2, 3}


def test_values_have_the_sizes_asked_for_and_differ() -> None:
    values = Values(Sizes(1000, 1000), 1)
    some = [values.next() for _ in range(100)]
    assert {len(value) for value in some} == {1000}
    assert len(set(some)) > 90
