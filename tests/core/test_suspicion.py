"""Claims, suspicions and local health: SWIM (2002) section 4.2, Lifeguard (2018) section III."""

import math
from itertools import product

import pytest

from dynakv import limits
from dynakv.core.suspicion import (
    TRANSITIONS,
    Claim,
    Health,
    State,
    Suspicion,
    beats,
)

CLAIMS = [Claim(state, counter) for state in State for counter in range(3)]
RANK = {state: rank for rank, state in enumerate(State)}


def test_the_table_names_every_pair_of_states() -> None:
    assert set(TRANSITIONS) == set(product(State, State))


@pytest.mark.parametrize("held", CLAIMS, ids=str)
def test_a_higher_counter_wins_and_of_equal_ones_the_later_state(held: Claim) -> None:
    """So claims are totally ordered: all members that heard the same ones believe the same."""
    for heard in CLAIMS:
        later = (heard.counter, RANK[heard.state]) > (held.counter, RANK[held.state])
        assert beats(heard, held) is later


def test_only_a_higher_counter_takes_an_accusation_back() -> None:
    for state in (State.SUSPECT, State.DEAD, State.LEFT):
        assert beats(Claim(state, 4), Claim(State.ALIVE, 4))
        assert not beats(Claim(State.ALIVE, 4), Claim(state, 4))
        assert beats(Claim(State.ALIVE, 5), Claim(state, 4))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_confirmations_shorten_a_suspicion_as_lifeguard_says(k: int) -> None:
    suspicion = Suspicion("a0", k, 1_000, (4_000, 12_000))
    for confirmations in range(k + 1):
        expected_ms = 12_000 - 8_000 * math.log(confirmations + 1) / math.log(k + 1)
        assert abs(suspicion.ends_ms - 1_000 - expected_ms) <= 8
        assert not suspicion.confirm("a0")  # the same one again
        assert suspicion.confirm(f"a{confirmations + 1}") is (confirmations < k)


def test_where_nobody_else_could_confirm_a_suspicion_is_short() -> None:
    assert Suspicion("a", 0, 0, (4_000, 12_000)).ends_ms == 4_000
    assert Suspicion("a", -1, 0, (4_000, 12_000)).ends_ms == 4_000
    assert Suspicion("a", 100, 0, (4_000, 12_000)).ends_ms == 12_000


def test_time_in_which_nobody_listened_does_not_count() -> None:
    suspicion = Suspicion("a", 0, 0, (4_000, 12_000))
    suspicion.forgive(30_000)
    assert suspicion.ends_ms == 34_000


def test_health_is_bounded_on_both_sides_and_stretches_times() -> None:
    health = Health()
    health.better()
    assert (health.score, health.scaled(500)) == (0, 500)
    health.worse(2)
    assert health.scaled(500) == 1_500
    health.worse(1_000)
    assert health.score == limits.HEALTH_MAX
    health.better()
    assert health.score == limits.HEALTH_MAX - 1
