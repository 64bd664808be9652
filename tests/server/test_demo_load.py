from collections import Counter
from random import Random

import pytest

from dynakv.errors import UsageError
from dynakv.server import demo_load
from dynakv.server.demo_load import Distribution, chooser, percentile


def test_zipf_draws_each_key_by_its_rank_to_the_power_of_theta() -> None:
    draws = 200_000
    choose = chooser(Distribution.ZIPF, Random(1), keys=1_000)
    drawn = Counter(choose() for _ in range(draws))
    weights = [1 / k**demo_load.ZIPF_THETA for k in range(1, 1_001)]
    for rank in (0, 1, 9, 99):
        expected = draws * weights[rank] / sum(weights)
        assert drawn[rank] == pytest.approx(expected, rel=0.15)
    assert set(drawn) <= set(range(1_000))


def test_the_last_sum_of_zipf_is_a_key_too() -> None:
    class Highest(Random):
        def random(self) -> float:
            return 1.0  # what rounding may come to

    assert chooser(Distribution.ZIPF, Highest(), keys=10)() == 9


def test_uniform_draws_all_keys_alike() -> None:
    choose = chooser(Distribution.UNIFORM, Random(1), keys=10)
    drawn = Counter(choose() for _ in range(20_000))
    assert sorted(drawn) == list(range(10))
    assert min(drawn.values()) > 1_800


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.5, 7.0),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([float(i) for i in range(1, 101)], 0.99, 99.0),
        ([float(i) for i in range(1, 201)], 0.99, 198.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected


def test_the_line_counts_one_look_and_sums_up_errors() -> None:
    load = demo_load.Load({}, Distribution.ZIPF, 500)
    load._second.latencies_ms += [3.0, 1.0, 2.0, 10.0]
    load._second.failed["UNAVAILABLE"] += 2
    assert load.line(2.0) == (
        "load zipf  2 ops/s  p50 2.0 ms  p99 10.0 ms  errors 2 (since the start 2 UNAVAILABLE)"
    )
    load._second.failed["UNKNOWN"] += 3
    load._second.held_back = 1
    assert load.line(1.0) == (
        "load zipf  0 ops/s  errors 3 (since the start 3 UNKNOWN, 2 UNAVAILABLE)  held back 1"
    )
    assert load.line(1.0).endswith("errors 0 (since the start 3 UNKNOWN, 2 UNAVAILABLE)")


@pytest.mark.parametrize("rate", [0, -1, 5_001])
def test_a_rate_outside_its_limits_is_a_usage_error(rate: int) -> None:
    with pytest.raises(UsageError, match=rf"--load-rate = {rate}: must be between 1 and 5000"):
        demo_load.refuse_rate(rate)
