"""The Hybrid Logical Clock: Kulkarni et al. (2014), and our bound and ceiling."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.core.hlc import COUNTER_MAX, HybridClock, reading, wall_ms_of

WALL_MS = 1_700_000_000_000


def clock(ceiling_ms: int = WALL_MS, *, raised_by_ms: int = 10_000) -> HybridClock:
    started = HybridClock(ceiling_ms)
    started.raise_ceiling(ceiling_ms + raised_by_ms)
    return started


def test_a_reading_is_48_bits_of_wall_clock_above_16_of_counter() -> None:
    assert reading(1, 2) == 0x1_0002
    assert wall_ms_of(reading(WALL_MS, COUNTER_MAX)) == WALL_MS


def test_it_follows_the_wall_clock_where_that_runs_ahead() -> None:
    assert clock().issue(WALL_MS + 7, 1) == reading(WALL_MS + 7)


def test_it_counts_where_the_wall_clock_stands_still_or_falls_back() -> None:
    hlc = clock()
    assert hlc.issue(WALL_MS + 7, 3) == reading(WALL_MS + 7, 0)
    assert hlc.issue(WALL_MS + 7, 1) == reading(WALL_MS + 7, 3)
    assert hlc.issue(WALL_MS, 1) == reading(WALL_MS + 7, 4)


def test_a_full_counter_carries_into_the_wall_clock() -> None:
    hlc = clock()
    hlc.issue(WALL_MS + 7, COUNTER_MAX + 1)
    assert hlc.issue(WALL_MS + 7, 1) == reading(WALL_MS + 8)


def test_it_goes_above_what_it_heard() -> None:
    hlc = clock()
    assert hlc.observe(reading(WALL_MS + 300, 9), WALL_MS)
    assert hlc.issue(WALL_MS, 1) == reading(WALL_MS + 300, 10)


def test_a_reading_beyond_the_bound_is_refused_and_not_followed() -> None:
    hlc = clock()
    latest = reading(WALL_MS + limits.CLOCK_BOUND_MS, COUNTER_MAX)
    assert not hlc.observe(latest + 1, WALL_MS)
    assert hlc.issue(WALL_MS + 1, 1) == reading(WALL_MS + 1)
    assert hlc.observe(latest, WALL_MS)


def test_it_issues_nothing_that_others_would_refuse() -> None:
    hlc = clock()
    assert hlc.observe(reading(WALL_MS + limits.CLOCK_BOUND_MS, COUNTER_MAX - 1), WALL_MS)
    assert hlc.issue(WALL_MS, 2) is None
    assert hlc.within_bound(WALL_MS)
    assert hlc.issue(WALL_MS, 1) is not None
    assert not hlc.within_bound(WALL_MS)
    assert hlc.issue(WALL_MS, 1) is None
    assert hlc.issue(WALL_MS + 1, 1) is not None


def test_it_issues_nothing_at_or_above_the_ceiling() -> None:
    hlc = HybridClock(WALL_MS)
    assert hlc.issue(WALL_MS, 1) is None
    hlc.raise_ceiling(WALL_MS + 1)
    assert hlc.issue(WALL_MS, COUNTER_MAX) == reading(WALL_MS, 1)
    assert hlc.issue(WALL_MS, 1) is None


def test_a_refused_issue_changes_nothing() -> None:
    hlc = HybridClock(WALL_MS)
    hlc.issue(WALL_MS + 50, 1)
    assert hlc.last == reading(WALL_MS)


def test_the_wanted_ceiling_lets_it_issue_but_runs_no_further_ahead_than_the_limit() -> None:
    hlc = HybridClock(WALL_MS)
    wanted_ms = hlc.wanted_ceiling_ms(WALL_MS + 5)
    assert wanted_ms == WALL_MS + 5 + limits.HLC_AHEAD_MS
    hlc.raise_ceiling(wanted_ms)
    assert hlc.issue(WALL_MS + 5, 1) is not None


def test_a_ceiling_never_sinks() -> None:
    hlc = clock(raised_by_ms=50)
    hlc.raise_ceiling(WALL_MS + 20)
    assert hlc.ceiling_ms == WALL_MS + 50


steps = st.lists(
    st.one_of(
        st.tuples(st.just("issue"), st.integers(1, 1000) | st.just(COUNTER_MAX + 1)),
        st.tuples(st.just("observe"), st.integers(-1000, 1000)),
        st.tuples(st.just("raise"), st.just(0)),
        st.tuples(st.just("crash"), st.just(0)),
    ),
    max_size=40,
)


@given(st.lists(st.integers(-700, 700), min_size=40, max_size=40), steps)
def test_readings_strictly_rise_through_clock_steps_and_crashes_and_stay_in_their_bounds(
    wall_steps_ms: list[int], todo: list[tuple[str, int]]
) -> None:
    wall_ms, durable_ms = WALL_MS, WALL_MS
    hlc = HybridClock(durable_ms)
    highest = 0
    for step_ms, (what, argument) in zip(wall_steps_ms, todo, strict=False):
        wall_ms += step_ms
        if what == "issue":
            first = hlc.issue(wall_ms, argument)
            if first is not None:
                assert first > highest
                highest = first + argument - 1
                assert highest < reading(durable_ms)
                assert highest <= hlc.latest_accepted(wall_ms)
        elif what == "observe":
            heard = reading(wall_ms + argument)
            if hlc.observe(heard, wall_ms):
                highest = max(highest, heard) if hlc.last == heard else highest
                assert argument <= limits.CLOCK_BOUND_MS
            else:
                assert argument > limits.CLOCK_BOUND_MS
        elif what == "raise":
            durable_ms = max(durable_ms, hlc.wanted_ceiling_ms(wall_ms))
            hlc.raise_ceiling(durable_ms)
        else:  # what was only heard may be forgotten, what was issued may not
            hlc = HybridClock(durable_ms)
            highest = min(highest, reading(durable_ms) - 1)
