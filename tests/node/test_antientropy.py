"""Sessions run a few at a time and in order; each caller hears exactly once."""

from dynakv.node.repair_messages import Compare
from dynakv.node.session import Ending, Synced
from tests.node.cluster import Cluster


def keyspace_of(cluster: Cluster) -> int:
    return int(cluster.layout.keyspaces[0].keyspace_id)


def start(cluster: Cluster, group: int, peer: str = "n2") -> list[Synced]:
    ended: list[Synced] = []
    cluster.nodes["n1"].anti_entropy.sync(keyspace_of(cluster), group, peer, ended.append)  # type: ignore[arg-type]
    cluster.run()
    return ended


def test_few_sessions_run_at_a_time_and_all_of_them_in_the_end() -> None:
    cluster = Cluster(config={"repair_sessions": 2})
    cluster.hold("n2", Compare)
    ended = [start(cluster, group) for group in range(5)]
    assert len(cluster.held["n2"]) == 2
    cluster.release("n2")
    assert [len(each) for each in ended] == [1] * 5


def test_who_asks_for_what_waits_already_shares_it_but_not_what_has_begun() -> None:
    cluster = Cluster(config={"repair_sessions": 1})
    cluster.hold("n2", Compare)
    ended = [start(cluster, group) for group in (1, 2, 2, 1)]
    cluster.release("n2")
    assert [len(each) for each in ended] == [1] * 4
    assert len(cluster.asked(Compare)) == 3


def test_many_sessions_that_end_at_once_end() -> None:
    cluster = Cluster(config={"repair_sessions": 1})
    keyspace = keyspace_of(cluster)
    cluster.hold("n2", Compare)
    first = start(cluster, 0)
    for group in range(1, 64):
        cluster.nodes["n1"].context.trees.forget(keyspace, group)
    ended = [start(cluster, group) for group in range(1, 64)]
    cluster.release("n2")
    assert first[0].ending is Ending.DONE
    assert {each[0].ending for each in ended} == {Ending.NOT_READY}


def test_what_cannot_be_compared_fails_with_a_reason() -> None:
    cluster = Cluster(4)
    placement = cluster.nodes["n1"].context.by_id[keyspace_of(cluster)]
    strange = placement.held.index(False)
    shared = next(g for g, r in enumerate(placement.replicas) if {"n1", "n2"} <= set(r))
    assert "there is no group 64" in start(cluster, 64)[0].why
    assert "no replicas on both" in start(cluster, strange)[0].why
    assert "no replicas on both" in start(cluster, shared, "n1")[0].why
    cluster.nodes["n1"].context.members.broken("n2")
    assert start(cluster, shared)[0] == Synced(Ending.FAILED, "n2 is down")


def test_counters_say_what_was_compared_and_shipped() -> None:
    cluster = Cluster()
    start(cluster, 3)
    counters = cluster.nodes["n1"].context.counters
    assert (counters.groups_compared, counters.groups_differing) == (1, 0)
