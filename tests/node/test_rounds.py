"""Replicas become equal by themselves: after a start, a return, a mark, at every interval."""

from dynakv import limits
from dynakv.node.repair_messages import Compare
from tests.node.cluster import Cluster
from tests.node.repair import give, keys_of, keyspace_of, record, rows

GROUP = 5
CONFIG: dict[str, object] = {"repair": True, "repair_interval_ms": 20_000, "cache_bytes_max": 0}


def pair(**config: object) -> Cluster:
    cluster = Cluster(2, replicas=2, config={**CONFIG, **config})
    cluster.pass_ms(1_500)
    cluster.sent.clear()
    return cluster


def equal(cluster: Cluster) -> bool:
    first, *others = (rows(cluster, node, GROUP) for node in cluster.nodes)
    return all(other == first for other in others)


def test_routine_rounds_come_every_interval_and_from_the_smaller_id() -> None:
    cluster = pair()
    give(cluster, "n2", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.pass_ms(10_000)
    assert not equal(cluster)
    cluster.pass_ms(12_000)
    assert equal(cluster)
    assert {sender for sender, _ in cluster.asked(Compare)} == {"n1"}


def test_equal_replicas_exchange_one_message_per_round() -> None:
    cluster = pair()
    cluster.pass_ms(61_000)
    assert 3 <= len(cluster.asked(Compare)) <= 4


def test_a_node_that_was_started_compares_itself_at_once() -> None:
    cluster = pair()
    give(cluster, "n2", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.nodes["n1"].drain(lambda: None, cluster.now)
    cluster.restart("n1")
    cluster.pass_ms(2_000)
    assert equal(cluster)


def test_a_node_that_crashed_compares_itself_when_its_trees_are_known() -> None:
    cluster = pair()
    give(cluster, "n1", record(keys_of(cluster, GROUP, 2)[0]))
    give(cluster, "n2", record(keys_of(cluster, GROUP, 2)[1]))
    cluster.restart("n1")
    assert not cluster.nodes["n1"].context.trees.known(keyspace_of(cluster), GROUP)
    cluster.pass_ms(6_000)
    assert equal(cluster)


def test_a_peer_that_was_cut_off_is_compared_soon_and_by_one_side_only() -> None:
    cluster = pair()
    give(cluster, "n2", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.unreachable = {"n1", "n2"}
    cluster.pass_ms(7_000)
    cluster.unreachable = set()
    cluster.sent.clear()
    cluster.pass_ms(3_000)
    assert equal(cluster)
    rounds = [
        sender
        for sender, ask in cluster.sent
        if isinstance(ask.message, Compare) and len(ask.message.groups) > 1
    ]
    assert rounds == ["n1"]


def test_a_marked_group_is_compared_soon() -> None:
    cluster = pair()
    give(cluster, "n1", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.nodes["n1"].context.repair_wanted.add(keyspace_of(cluster), GROUP, "n2")  # type: ignore[arg-type]
    cluster.pass_ms(1_500)
    assert equal(cluster)


def test_a_mark_waits_for_its_peer() -> None:
    cluster = pair(repair_interval_ms=10**9)
    give(cluster, "n1", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.unreachable = {"n2"}
    cluster.pass_ms(2_000)
    mark = (keyspace_of(cluster), GROUP, "n2")
    cluster.nodes["n1"].context.repair_wanted.add(*mark)  # type: ignore[arg-type]
    cluster.pass_ms(2_000)
    assert mark in cluster.nodes["n1"].context.repair_wanted
    cluster.unreachable = set()
    cluster.pass_ms(3_000)
    assert equal(cluster)


def test_nothing_is_compared_while_repair_is_paused_but_for_an_operator() -> None:
    cluster = pair(repair=False)
    give(cluster, "n2", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.pass_ms(30_000)
    assert not equal(cluster)
    (task,) = cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(2_000)
    assert equal(cluster)
    (figures,) = cluster.nodes["n1"].context.tasks.figures(0)
    assert (figures.task_id, figures.kind, figures.state) == (task, "repair", "done")
    assert (figures.done, figures.total) == (64, 64)
    assert figures.bytes > 0


def test_an_operator_chooses_a_keyspace_or_a_group() -> None:
    cluster = Cluster(4)
    rounds = cluster.nodes["n1"].rounds
    placement = cluster.nodes["n1"].context.by_id[keyspace_of(cluster)]
    group = placement.held.index(True)
    assert len(rounds.repair(keyspace_of(cluster))) == 3
    assert len(rounds.repair(keyspace_of(cluster), group)) == 2
    assert rounds.repair(keyspace_of(cluster), placement.held.index(False)) == []
    assert rounds.repair(keyspace_of(cluster) + 1) == []


def test_many_groups_that_differ_are_all_made_equal() -> None:
    cluster = pair(repair=False)
    given = 0
    for group in range(0, 64, 2):
        for node, key in zip(("n1", "n2"), keys_of(cluster, group, 2), strict=True):
            give(cluster, node, record(key))
            given += 1
    assert given > 2 * limits.COMPARED_LEAVES_MAX
    cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(6_000)
    for group in range(64):
        assert rows(cluster, "n1", group) == rows(cluster, "n2", group)
    (figures,) = cluster.nodes["n1"].context.tasks.figures(0)
    assert (figures.done, figures.state) == (64, "done")
