"""Gossip among many members: detection, false positives, pauses, partitions, and its bytes."""

import pytest

from dynakv import limits
from dynakv.core.suspicion import State
from dynakv.sim import gossip
from dynakv.sim.gossip import World
from dynakv.sim.knobs import draw

DETECTED_MS = limits.SUSPICION_MS_MAX + 10_000


def dead(world: World) -> list[tuple[str, str]]:
    return [(v.by, v.of) for v in world.verdicts if v.state is State.DEAD and v.wrong]


@pytest.mark.parametrize(("count", "seed"), [(3, 1), (3, 2), (10, 3), (25, 4)])
def test_all_members_learn_of_a_death_and_of_the_return(count: int, seed: int) -> None:
    world = World(count, seed)
    world.run(5_000)
    world.kill("m1")
    world.run(DETECTED_MS)
    assert world.states_of("m1") == [State.DEAD] * (count - 1)
    world.start("m1")
    world.run(15_000)
    assert world.states_of("m1") == [State.ALIVE] * (count - 1)
    assert dead(world) == []


@pytest.mark.parametrize(("count", "seed"), [(3, 1), (10, 2), (25, 3)])
def test_nobody_that_is_up_is_declared_dead_for_lost_messages(count: int, seed: int) -> None:
    world = World(count, seed)
    world.run(45_000)
    assert dead(world) == []


def test_a_long_pause_kills_who_paused_in_the_eyes_of_others_only_and_only_until_it_ends() -> None:
    world = World(8, 5)
    world.run(5_000)
    world.pause("m3", 30_000)
    world.run(28_000)
    assert world.states_of("m3") == [State.DEAD] * 7
    world.run(12_000)
    assert world.states_of("m3") == [State.ALIVE] * 7
    assert [v for v in world.verdicts if v.by == "m3" and v.state is State.DEAD] == []


def test_a_partition_heals_although_both_sides_took_each_other_for_dead() -> None:
    world = World(9, 6)
    world.run(5_000)
    world.split(["m0", "m1", "m2", "m3"])
    world.run(40_000)
    assert world.states_of("m0") == [State.ALIVE] * 3 + [State.DEAD] * 5
    assert world.states_of("m8") == [State.DEAD] * 4 + [State.ALIVE] * 4
    world.split([])
    world.run(20_000)
    for name in world.names:
        assert world.states_of(name) == [State.ALIVE] * 8
    assert dead(world) == []


def test_a_member_started_for_another_cluster_is_dead_here() -> None:
    world = World(5, 7)
    world.run(3_000)
    world.kill("m2")
    world.start("m2", cluster_id=8)
    world.run(DETECTED_MS)
    others = [p.gossip.states()["m2"] for n, p in world.processes.items() if n != "m2"]
    assert others == [State.DEAD] * 4


def test_bytes_per_member_do_not_grow_with_the_members_without_the_syncs() -> None:
    small, large = (gossip.measure(count, 8, quiet_s=15, deaths=0) for count in (10, 60))
    assert large.bytes_s < 1.5 * small.bytes_s


def test_nodes_gossip_in_every_fourth_universe_of_the_simulator() -> None:
    assert [draw(seed, 1).gossip for seed in range(1, 9)] == [False, False, False, True] * 2


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[gossip.Verdict]:
        world = World(6, 9, loss_percent=20)
        world.run(20_000)
        return world.verdicts

    assert run() == run() != []


def test_the_command_prints_a_row_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    gossip.main(["--members", "3", "--quiet-s", "5", "--deaths", "1"])
    head, _, row = capsys.readouterr().out.splitlines()
    assert head.startswith("| members | deaths seen by all |")
    assert row.startswith("| 3 | 1 | ")
