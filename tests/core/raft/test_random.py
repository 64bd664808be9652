"""Random runs of whole groups: no fault may break an invariant of `checks.py`."""

from collections import Counter

import pytest

from tests.core.raft.cluster import Cluster

STEPS = 3_000


def run(seed: int) -> Cluster:
    cluster = Cluster(seed)
    try:
        cluster.run(STEPS)
    except AssertionError as error:
        error.add_note(f"seed {seed}")
        raise
    return cluster


def test_nothing_breaks_a_group() -> None:
    total: Counter[str] = Counter()
    for seed in range(48):
        total.update(run(seed).checks.counts)
    # A run in which little happens proves little.
    assert total["elections"] > 100, total
    assert total["commits"] > 1_500, total
    assert total["changes"] > 40, total
    assert total["reads"] > 50, total
    assert total["snapshots"] > 15, total


def test_one_seed_is_one_run() -> None:
    first, second = run(3), run(3)
    assert first.states() == second.states()
    assert first.checks.counts == second.checks.counts


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1_000, 1_600, 50))
def test_hundreds_of_seeds_break_nothing(start: int) -> None:
    for seed in range(start, start + 50):
        run(seed)
