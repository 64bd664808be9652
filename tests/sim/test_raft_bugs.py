"""The simulator finds every planted bug of Raft mode, and nothing where none is planted."""

from functools import cache
from itertools import chain

import pytest

from dynakv.sim.raft_cluster import simulate_raft
from dynakv.sim.raft_knobs import draw_raft
from tests.sim.raft_bugs import BUGS

SECONDS = 20
# Where each was found first, of the seeds from 1 on; looked for there first, then up to SEEDS_MAX.
FOUND = {"lost_means_nothing_done": 15, "stale_of_any_age": 10}
SEEDS_MAX = 200


@cache
def clean(seed: int) -> str:
    """Return what the unpatched code breaks on this seed: nothing."""
    return simulate_raft(draw_raft(seed, SECONDS)).violation


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    for seed in chain([FOUND.get(name, 1)], range(1, SEEDS_MAX + 1)):
        with BUGS[name]():
            result = simulate_raft(draw_raft(seed, SECONDS))
        if result.rule not in {"", "load"}:
            print(f"{name}: seed {seed} after {result.virtual_s:.0f} virtual s: {result.rule}")
            assert clean(seed) == ""
            return
    pytest.fail(f"{name} was not found in {SEEDS_MAX} seeds")


def test_only_bugs_have_a_seed() -> None:
    assert FOUND.keys() <= BUGS.keys()


def test_a_gross_bug_is_found_at_once() -> None:
    with BUGS["answers_before_durable"]():
        result = simulate_raft(draw_raft(1, 3))
    assert result.rule == "raft persisted before sent"
