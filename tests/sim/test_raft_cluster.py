"""Claims about whole runs in Raft mode: no violation, enough load, the same trace every time."""

import pytest

from dynakv.sim.__main__ import main
from dynakv.sim.knobs import draw
from dynakv.sim.raft_cluster import simulate_raft
from dynakv.sim.raft_knobs import draw_raft

SEEDS = range(1, 7)
SECONDS = 10
LONG_SEEDS = range(101, 104)


def explain(seed: int, seconds: int) -> str:
    result = simulate_raft(draw_raft(seed, seconds))
    return "\n".join([result.violation, *result.last_lines]) if result.violation else ""


@pytest.mark.parametrize("seed", SEEDS)
def test_no_invariant_breaks(seed: int) -> None:
    assert explain(seed, SECONDS) == ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_no_invariant_breaks_in_half_a_minute(seed: int) -> None:
    assert explain(seed, 30) == ""


def test_one_seed_is_one_universe() -> None:
    first, second = (simulate_raft(draw_raft(3, 4)) for _ in range(2))
    assert first.trace_hash == second.trace_hash
    assert first.counts == second.counts


def test_a_run_judges_what_it_says_that_it_judges() -> None:
    result = simulate_raft(draw_raft(4, 6))
    assert result.violation == ""
    assert result.counts["elections"] > 0
    assert result.counts["equal states"] > 100
    assert result.counts["messages judged"] > 100


def test_the_command_line_runs_raft_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--raft", "--seed", "4", "--minutes", "0.05", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("seed 4: ok, ")


def test_the_other_modes_draw_what_they_drew() -> None:
    assert draw(7, 60).raft_tick_ms == 100
