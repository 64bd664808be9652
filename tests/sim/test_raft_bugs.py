"""The simulator finds every planted bug of Raft mode, and nothing where none is planted."""

from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

import pytest

from dynakv.sim.knobs import Knobs
from dynakv.sim.raft_cluster import simulate_raft
from dynakv.sim.raft_knobs import draw_raft
from tests.sim.raft_bugs import BUGS

SECONDS = 20
# Where each was found first, of the seeds from 1 on; looked for there first, then up to SEEDS_MAX.
FOUND = {
    "lost_means_nothing_done": 15,
    "stale_of_any_age": 10,
    "read_without_quorum": 18,
    "leads_without_quorum": 2,
    "wiped_member_votes": 7,
}
SEEDS_MAX = 200
# What needs a rare story: these knobs make it frequent, the seed decides all others.
_ONE_GROUP: dict[str, Any] = {"nodes": 3, "replicas": 3, "groups": 1}
_CUT_OFF: dict[str, Any] = {
    **_ONE_GROUP,
    "faults": ("isolate", "one_way", "pause"),
    "faults_per_s": 1.0,
    "turn_ms": 0,
}
FOCUS: dict[str, dict[str, Any]] = {
    "wiped_member_votes": {
        **_ONE_GROUP,
        "faults": ("wipe", "isolate", "isolate", "crash"),
        "faults_per_s": 1.0,
    },
    "read_without_quorum": _CUT_OFF,
    "leads_without_quorum": _CUT_OFF,
}


def knobs(seed: int, name: str) -> Knobs:
    """Return the universe in which a bug is looked for."""
    return replace(draw_raft(seed, SECONDS), **FOCUS.get(name, {}))


@cache
def clean(seed: int, name: str) -> str:
    """Return what the unpatched code breaks on this seed: nothing."""
    return simulate_raft(knobs(seed, name)).violation


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    for seed in chain([FOUND.get(name, 1)], range(1, SEEDS_MAX + 1)):
        with BUGS[name]():
            result = simulate_raft(knobs(seed, name))
        if result.rule not in {"", "load"}:
            print(f"{name}: seed {seed} after {result.virtual_s:.0f} virtual s: {result.rule}")
            assert clean(seed, name if name in FOCUS else "") == ""
            return
    pytest.fail(f"{name} was not found in {SEEDS_MAX} seeds")


def test_only_bugs_have_a_seed() -> None:
    assert FOUND.keys() | FOCUS.keys() <= BUGS.keys()


def test_a_gross_bug_is_found_at_once() -> None:
    with BUGS["answers_before_durable"]():
        result = simulate_raft(draw_raft(1, 3))
    assert result.rule == "raft persisted before sent"
