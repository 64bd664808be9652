"""A round ends its task well only where every group was compared and is equal."""

from dynakv import limits
from dynakv.node.figures import RoundFigures
from dynakv.node.messages import Reason, Save
from dynakv.node.repair_messages import Compare
from dynakv.node.tasks import TaskFigures
from tests.node.cluster import Cluster
from tests.node.repair import give, keys_of, keyspace_of, record

GROUP = 5


def pair() -> Cluster:
    return Cluster(2, replicas=2, config={"cache_bytes_max": 0})


def repaired(cluster: Cluster) -> TaskFigures:
    cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(3_000)
    (figures,) = cluster.nodes["n1"].context.tasks.figures(0)
    return figures


def test_a_peer_that_does_not_answer_fails_the_round() -> None:
    cluster = pair()
    cluster.failing["n2", Compare] = Reason.BROKEN
    figures = repaired(cluster)
    assert (figures.state, figures.done) == ("failed", 0)
    assert "broken" in figures.why


def test_a_tree_that_is_unknown_here_or_there_fails_the_round_but_not_the_others() -> None:
    for node in ("n1", "n2"):
        cluster = pair()
        trees = cluster.nodes[node].context.trees
        trees.forget(keyspace_of(cluster), GROUP)
        trees.take_lost()  # nobody rebuilds it
        figures = repaired(cluster)
        assert (figures.state, figures.done) == ("failed", 63)
        assert "1 groups are unknown" in figures.why


def test_a_group_that_stays_different_fails_the_round() -> None:
    cluster = pair()
    give(cluster, "n1", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.failing["n2", Save] = Reason.NO_SPACE
    figures = repaired(cluster)
    assert (figures.state, figures.done) == ("failed", 63)
    assert "no_space" in figures.why
    assert cluster.nodes["n1"].context.counters.repairs_failed == 1


def last(cluster: Cluster) -> RoundFigures | None:
    rounds = cluster.nodes["n1"].figures().rounds
    assert len(rounds) <= 1
    return rounds[0] if rounds else None


def test_a_complete_round_of_a_keyspace_is_told_with_age_and_duration() -> None:
    cluster = pair()
    assert last(cluster) is None
    keys = keys_of(cluster, GROUP, 2 * limits.REPAIR_PAGE_ROWS_MAX + 100)
    give(cluster, "n1", *(record(key) for key in keys))
    cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(3_000)
    told = last(cluster)
    assert told is not None
    assert (told.keyspace, told.node_id) == ("default", "n2")
    assert 20 <= told.took_ms <= 200  # three pages, with pauses of 10 ms
    assert told.took_ms + told.age_ms == 3_000


def test_a_round_that_left_a_group_different_is_not_complete() -> None:
    cluster = pair()
    give(cluster, "n1", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.failing["n2", Save] = Reason.NO_SPACE
    repaired(cluster)
    assert last(cluster) is None


def test_a_repair_of_one_group_says_nothing_of_the_keyspace() -> None:
    cluster = pair()
    cluster.nodes["n1"].rounds.repair(keyspace_of(cluster), GROUP)
    cluster.pass_ms(1_000)
    assert last(cluster) is None
