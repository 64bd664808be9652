"""Claims about `dynakv.sim.clock`: walls leap and drift, the monotonic clock does neither alone."""

import pytest

from dynakv.sim.clock import MachineClock, true_wall_ms
from dynakv.sim.timeline import SECOND, Timeline


def test_a_leap_moves_the_wall_clock_only() -> None:
    clock = MachineClock(Timeline(), offset_ms=40)
    before = clock.now()
    clock.leap_ms = -3_600_000
    after = clock.now()
    assert after.mono_ms == before.mono_ms
    assert after.wall_ms == before.wall_ms - 3_600_000


def test_drift_shows_in_both_clocks() -> None:
    timeline = Timeline()
    clock = MachineClock(timeline, drift_ppm=500)
    before = clock.now()
    timeline.run_until(100 * SECOND)
    after = clock.now()
    assert after.mono_ms - before.mono_ms == 100_050
    assert after.wall_ms - before.wall_ms == 100_050


@pytest.mark.parametrize("drift_ppm", [-500, 0, 333, 500])
def test_a_wait_until_a_monotonic_moment_ends_there(drift_ppm: int) -> None:
    timeline = Timeline()
    clock = MachineClock(timeline, drift_ppm=drift_ppm)
    timeline.run_until(12_345_678)
    wanted_ms = clock.now().mono_ms + 777
    timeline.run_until(timeline.now_us + clock.delay_until_us(wanted_ms))
    assert wanted_ms <= clock.now().mono_ms <= wanted_ms + 1
    assert clock.delay_until_us(wanted_ms) == 0


def test_setting_a_clock_right_ends_every_error() -> None:
    timeline = Timeline()
    clock = MachineClock(timeline, offset_ms=200, drift_ppm=500)
    clock.leap_ms = 10_000
    timeline.run_until(60 * SECOND)
    clock.set_right()
    assert abs(clock.now().wall_ms - true_wall_ms(timeline.now_us)) <= 1
