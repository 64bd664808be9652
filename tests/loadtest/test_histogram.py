"""Latencies: percentiles against a sorted list."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.histogram import SPAN_US, Latencies

times_us = st.lists(st.integers(1, 100_000_000), min_size=1, max_size=200)


def recorded(microseconds: list[int]) -> Latencies:
    latencies = Latencies()
    for us in microseconds:
        latencies.record(us / 1e6)
    return latencies


@given(times_us, st.sampled_from([0.1, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_percentiles_are_those_of_a_sorted_list_to_three_digits(
    microseconds: list[int], percentile: float
) -> None:
    rank = max(math.floor(percentile / 100 * len(microseconds) + 0.5), 1)
    expected = sorted(microseconds)[rank - 1]
    assert recorded(microseconds).ms(percentile) == pytest.approx(expected / 1000, rel=2e-3)


@settings(max_examples=20)
@given(times_us, times_us)
def test_histograms_add_up_to_that_of_all_times(one: list[int], other: list[int]) -> None:
    total = recorded(one)
    total.add(recorded(other))
    assert total.count == len(one) + len(other)
    assert total.curve() == recorded(one + other).curve()


@settings(max_examples=20)
@given(times_us)
def test_another_process_decodes_the_same(microseconds: list[int]) -> None:
    sent = recorded(microseconds)
    came = Latencies.decoded(sent.encoded())
    assert (came.count, came.curve(), came.max_ms) == (sent.count, sent.curve(), sent.max_ms)


def test_times_outside_the_span_count_as_its_ends() -> None:
    latencies = Latencies()
    latencies.record(0.0)
    latencies.record(1e6)
    assert latencies.count == 2
    assert latencies.ms(1) == SPAN_US[0] / 1000
    assert latencies.max_ms == pytest.approx(SPAN_US[1] / 1000, rel=2e-3)


def test_without_times_there_are_no_figures() -> None:
    nothing = Latencies()
    assert (nothing.count, nothing.ms(50), nothing.mean_ms, nothing.max_ms) == (0, 0, 0, 0)


def test_a_curve_ends_where_there_are_too_few_times_to_say_more() -> None:
    assert max(p for p, _ in recorded([1] * 100).curve()) <= 99
    assert max(p for p, _ in recorded([1] * 100_000).curve()) > 99.99
