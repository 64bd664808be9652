"""A round ends its task well only where every group was compared and is equal."""

from dynakv import limits
from dynakv.node.figures import RoundFigures
from dynakv.node.messages import Reason, Save
from dynakv.node.repair_messages import Compare, ScanLeaves
from dynakv.node.tasks import TaskFigures
from tests.node.cluster import Cluster
from tests.node.repair import give, keys_of, keyspace_of, record, rows

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
    # Three pages, with pauses of 10 ms, after a second in which what is under way arrives.
    assert 1_020 <= told.took_ms <= 1_200
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


def test_what_is_still_on_its_way_is_not_listed() -> None:
    cluster = pair()
    one, other = keys_of(cluster, GROUP, 2)
    give(cluster, "n1", record(one))
    cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(500)
    give(cluster, "n2", record(one))  # it arrives
    give(cluster, "n2", record(other))  # and another one is on its way, to the other side
    cluster.pass_ms(3_000)
    assert not cluster.asked(ScanLeaves)
    (figures,) = cluster.nodes["n1"].context.tasks.figures(0)
    assert (figures.state, figures.done) == ("done", 64)
    assert last(cluster) is not None


def test_what_differs_at_both_looks_is_made_equal() -> None:
    cluster = pair()
    first, second = keys_of(cluster, GROUP, 2)
    give(cluster, "n1", record(first))
    cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(500)
    give(cluster, "n2", record(second))  # of another leaf: for the next round
    cluster.pass_ms(3_000)
    assert [set(rows(cluster, n, GROUP)) for n in ("n1", "n2")] == [{first}, {first, second}]


def test_without_time_to_settle_the_first_look_decides() -> None:
    cluster = Cluster(2, replicas=2, config={"cache_bytes_max": 0, "repair_settle_ms": 0})
    (key,) = keys_of(cluster, GROUP, 1)
    give(cluster, "n1", record(key))
    cluster.nodes["n1"].rounds.repair()
    cluster.pass_ms(50)
    assert set(rows(cluster, "n2", GROUP)) == {key}
