"""The random runs are not blind: every planted bug is found, and its seed is clean without it."""

import pytest

from tests.core.raft.bugs import BUGS
from tests.core.raft.test_random import STEPS, run

SEEDS = 200


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_every_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = None
    with monkeypatch.context() as patch:
        make = BUGS[name](patch)
        for seed in range(1, SEEDS + 1):
            try:
                make(seed).run(STEPS)
            except AssertionError as error:
                found = seed, f"{type(error).__name__}: {str(error)[:120]}"
                break
    assert found, f"{name} was not found in {SEEDS} seeds"
    print(f"\n{name}: seed {found[0]}, {found[1]}")
    for seed in range(1, found[0] + 1):
        run(seed)
