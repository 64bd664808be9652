"""Who was away for longer than the horizon rebuilds; time in which nobody ran does not count."""

import pytest

from dynakv import limits
from dynakv.node.messages import Now, Reason
from dynakv.node.repair_messages import Compare
from tests.node.cluster import Cluster, stored_of, warmed

HORIZON_MS = 20_000
CONFIG: dict[str, object] = {"horizon_ms": HORIZON_MS, "recover_after_ms": 0}


def let_run(cluster: Cluster, node: str, ms: int) -> None:
    """Let time pass while a node is off."""
    away = cluster.nodes.pop(node)
    cluster.unreachable.add(node)
    cluster.pass_ms(ms)
    cluster.unreachable.discard(node)
    cluster.nodes[node] = away
    cluster.restart(node)


def told(cluster: Cluster) -> list[str]:
    return [str(note.fields["why"]) for note in cluster.notes if note.event == "recovering"]


def test_a_node_that_the_others_ran_without_for_too_long_rebuilds_and_then_answers() -> None:
    cluster = warmed(config=CONFIG)
    stored_of(cluster.put(b"k", b"v", w=3))
    cluster.pass_ms(1_000)
    let_run(cluster, "n2", HORIZON_MS + 2_000)
    cluster.pass_ms(200)
    assert cluster.nodes["n2"].context.recovering
    (why, *_) = told(cluster)
    assert why.startswith("the others ran 2")
    assert why.endswith(f"ms without it, the horizon is {HORIZON_MS}")
    cluster.pass_ms(20_000)
    assert not cluster.nodes["n2"].context.recovering


@pytest.mark.parametrize("lives", [1, 3])
def test_the_peers_former_lives_count(lives: int) -> None:
    cluster = warmed(config=CONFIG)
    cluster.pass_ms(1_000)
    away = cluster.nodes.pop("n2")
    cluster.unreachable.add("n2")
    for life in range(lives):
        cluster.pass_ms(HORIZON_MS // lives + 1_500)
        for node in ("n1", "n3"):
            cluster.restart(node, starts=life + 2)
    cluster.unreachable.discard("n2")
    cluster.nodes["n2"] = away
    cluster.restart("n2")
    cluster.pass_ms(200)
    assert told(cluster)


def test_a_shorter_absence_is_no_reason_however_long_all_ran_before() -> None:
    cluster = warmed(config=CONFIG)
    cluster.pass_ms(2 * HORIZON_MS)
    let_run(cluster, "n2", HORIZON_MS // 2)
    cluster.pass_ms(2_000)
    assert told(cluster) == []


def test_a_cluster_that_was_switched_off_as_a_whole_goes_on() -> None:
    cluster = warmed(config=CONFIG)
    stored_of(cluster.put(b"k", b"v", w=3))
    cluster.now = Now(cluster.now.wall_ms + 100 * HORIZON_MS, cluster.now.mono_ms + 10)
    for node in ("n1", "n2", "n3"):
        cluster.nodes[node] = cluster.start(node, starts=2)
    cluster.pass_ms(3_000)
    assert told(cluster) == []
    record = cluster.get(b"k")
    assert record is not None
    assert record.value == b"v"


def test_one_long_runner_is_not_enough_to_rebuild_from() -> None:
    cluster = warmed(config=CONFIG)
    cluster.pass_ms(1_000)
    for node in ("n2", "n3"):
        cluster.nodes.pop(node)
        cluster.unreachable.add(node)
    cluster.pass_ms(HORIZON_MS + 2_000)
    for node in ("n2", "n3"):
        cluster.unreachable.discard(node)
        cluster.restart(node)
    cluster.pass_ms(2_000)
    assert told(cluster) == []


def test_nobody_rebuilds_from_a_node_that_rebuilds_itself() -> None:
    cluster = warmed(config=CONFIG)
    cluster.pass_ms(1_000)
    cluster.failing["n3", Compare] = Reason.OVERLOADED
    let_run(cluster, "n2", HORIZON_MS + 2_000)
    let_run(cluster, "n1", HORIZON_MS + 2_000)
    cluster.pass_ms(1_000)
    assert cluster.nodes["n2"].context.recovering
    assert not cluster.nodes["n1"].context.recovering


def test_an_idle_node_keeps_its_mark_young() -> None:
    cluster = warmed(config=CONFIG)
    cluster.pass_ms(30_000)
    for disk in cluster.disks.values():
        age_ms = cluster.now.wall_ms - disk.ceiling_ms
        assert age_ms < HORIZON_MS / 10
    marks_per_s = 1_000 / (HORIZON_MS / limits.HORIZON_MARKS)
    cluster.sent.clear()
    cluster.pass_ms(10_000)
    raised = [ask for _, ask in cluster.sent if type(ask.message).__name__ == "RaiseCeiling"]
    assert len(raised) <= 3 * 10 * marks_per_s


def test_a_new_node_was_never_away() -> None:
    cluster = Cluster(config=CONFIG)
    cluster.pass_ms(HORIZON_MS + 2_000)
    cluster.nodes["n2"] = cluster.start("n2")
    cluster.disks["n2"].ceiling_ms = 0
    cluster.restart("n2", starts=1)
    cluster.pass_ms(2_000)
    assert told(cluster) == []
