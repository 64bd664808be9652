"""Claims about `dynakv.server.waves`: what leaves together, what waits, and how long at most."""

from dynakv import limits
from dynakv.server.waves import Waves

HOLD_S = limits.WAVE_HOLD_MS_MIN / 1000


def leave(waves: Waves[str], now_s: float) -> tuple[int, list[str]]:
    """Begin a wave of all that waits."""
    number = waves.begin(now_s)
    return number, [waves.take() for _ in range(len(waves.queue))]


def test_with_nothing_under_way_a_request_leaves_at_once() -> None:
    waves: Waves[str] = Waves(0)
    waves.append("a", 1)
    assert waves.held_s(1.0) == 0.0


def test_what_comes_while_a_wave_is_unanswered_leaves_together_once_it_is() -> None:
    waves: Waves[str] = Waves(0)
    waves.append("a", 3)
    number, _ = leave(waves, 1.0)
    waves.append("b", 1)
    waves.append("c", 1)
    waves.answered(number, 2, 0.001)
    assert waves.held_s(1.0) > 0
    waves.answered(number, 1, 0.001)
    assert waves.held_s(1.0) == 0.0
    assert leave(waves, 1.0)[1] == ["b", "c"]


def test_nothing_waits_longer_than_the_hold_for_what_left_before_it() -> None:
    waves: Waves[str] = Waves(0)
    waves.append("slow", 1)
    leave(waves, 1.0)
    waves.append("b", 1)
    assert 0 < waves.held_s(1.0) <= HOLD_S
    assert waves.held_s(1.0 + HOLD_S) == 0.0


def test_a_request_of_an_older_wave_holds_nothing_however_late_it_is_answered() -> None:
    waves: Waves[str] = Waves(0)
    waves.append("slow", 1)
    slow, _ = leave(waves, 1.0)
    waves.append("b", 1)
    number, _ = leave(waves, 1.0 + HOLD_S)
    waves.answered(number, 1, 0.001)
    waves.append("c", 1)
    assert waves.held_s(1.0 + HOLD_S) == 0.0
    waves.answered(slow, 1, 0.001)
    assert waves.held_s(1.0 + HOLD_S) == 0.0


def test_many_keys_need_not_wait() -> None:
    waves: Waves[str] = Waves(0)
    waves.append("a", 1)
    leave(waves, 1.0)
    waves.append("b", limits.WAVE_KEYS_MIN - 1)
    assert waves.held_s(1.0) > 0
    waves.append("c", 1)
    assert waves.held_s(1.0) == 0.0


def test_what_a_turn_has_no_time_for_waits_for_the_next_wave() -> None:
    waves: Waves[str] = Waves(0)
    waves.append("a", 1)
    waves.append("b", 2)
    number = waves.begin(1.0)
    assert waves.take() == "a"
    assert waves.waiting_keys == 2
    waves.answered(number, 1, 0.001)
    assert waves.held_s(1.0) == 0.0
    assert leave(waves, 1.0)[1] == ["b"]


def test_a_node_that_takes_longer_holds_longer_up_to_a_bound() -> None:
    waves: Waves[str] = Waves(0)
    for took_s, least_ms, most_ms in ((0.02, 19, 21), (3.0, 50, 50), (0.001, 5, 6)):
        for _ in range(30):
            waves.append("a", limits.WAVE_KEYS_MIN)
            number, _ = leave(waves, 1.0)
            waves.answered(number, limits.WAVE_KEYS_MIN, took_s)
        waves.append("b", 1)
        leave(waves, 1.0)
        waves.append("c", 1)
        assert least_ms <= round(waves.held_s(1.0) * 1000, 3) <= most_ms
        leave(waves, 2.0)
