"""A round ends its task well only where every group was compared and is equal."""

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
