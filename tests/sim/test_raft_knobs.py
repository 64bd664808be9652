"""Claims about `dynakv.sim.raft_knobs`: what a seed draws is always the same, and varies."""

from dynakv.sim.raft_knobs import FAULTS_LEFT_OUT, draw_raft


def test_a_seed_draws_the_same_and_seeds_differ() -> None:
    assert draw_raft(5, 60) == draw_raft(5, 60)
    drawn = [draw_raft(seed, 60) for seed in range(60)]
    assert {knobs.nodes for knobs in drawn} == {1, 3, 4, 5}
    assert {knobs.groups for knobs in drawn} == {1, 2}
    assert not any(fault in knobs.faults for knobs in drawn for fault in FAULTS_LEFT_OUT)
    assert draw_raft(5, 60, 3).nodes == 3
