"""Claims about `dynakv.sim.knobs`: times that belong together stay so, whatever a run's length."""

from dynakv.sim.knobs import DAMAGES, FAULTS, HORIZON_MS, draw

SEEDS = range(1, 60)


def test_in_long_runs_the_horizon_and_what_goes_with_it_are_five_times_as_long() -> None:
    assert HORIZON_MS == 12_000
    for seed in SEEDS:
        short, long = draw(seed, 60), draw(seed, 300)
        assert (short.away_ms, long.away_ms) == (12_000, 60_000)
        for name in ("horizon_ms", "cut_age_ms", "hint_age_ms", "stamp_age_ms"):
            assert getattr(long, name) == 5 * getattr(short, name)
        assert long.heartbeat_ms == short.heartbeat_ms


def test_half_of_the_runs_damage_nothing_and_have_a_horizon_that_nodes_are_away_for() -> None:
    damaging = [set(DAMAGES) & set(draw(seed, 60).faults) != set() for seed in SEEDS]
    assert 0.3 < sum(damaging) / len(damaging) < 0.6
    for seed, damages in zip(SEEDS, damaging, strict=True):
        assert draw(seed, 60).horizon_ms == (120_000 if damages else 12_000)


def test_every_kind_of_fault_is_drawn_by_some_seed() -> None:
    assert {fault for seed in SEEDS for fault in draw(seed, 60).faults} == set(FAULTS)
