"""Claims about `dynakv.node.figures`: they are the node's own state, complete and in order."""

from dynakv.node.context import Counters
from dynakv.node.figures import node_figures
from tests.node.cluster import Cluster


def test_every_counter_of_the_node_has_its_figure() -> None:
    ctx = Cluster().nodes["n1"].context
    for i, name in enumerate(Counters.__slots__, 1):
        setattr(ctx.counters, name, i)
    counters = node_figures(ctx, 0).counters
    assert list(counters) == sorted(Counters.__slots__)
    assert all(counters[name] == i for i, name in enumerate(Counters.__slots__, 1))


def test_figures_are_those_of_the_state_they_are_read_from() -> None:
    node = Cluster().nodes["n1"]
    ctx = node.context
    ctx.cache.hits, ctx.cache.misses = 7, 5
    ctx.members.broken("n2")
    ctx.guard.leaps = 3
    ctx.disk_full = True
    node.committed(99)
    figures = node.figures()
    assert (figures.cache_hits, figures.cache_misses) == (7, 5)
    assert figures.cache_bytes_max == ctx.cache.bytes_max
    assert [(p.node_id, p.up) for p in figures.peers] == [("n2", False), ("n3", True)]
    assert (figures.clock_leaps, figures.disk_full, figures.commit_sequence) == (3, True, 99)
    assert figures.layout_digest == node.layout.digest()
    assert figures.starts == ctx.remembered.starts


def test_a_clock_that_nobody_sampled_has_no_offset() -> None:
    ctx = Cluster().nodes["n1"].context
    ctx.guard.trusted = False
    ctx.guard._samples_ms.clear()
    figures = node_figures(ctx, 0)
    assert [peer.clock_offset_ms for peer in figures.peers] == [None, None]
    assert not figures.clock_trusted


def test_it_is_told_for_how_long_a_peer_has_been_silent_and_how_long_it_may_be() -> None:
    cluster = Cluster(config={"horizon_ms": 60_000})
    cluster.unreachable.add("n2")
    cluster.hold("n1")
    cluster.pass_ms(4_000)
    figures = cluster.nodes["n1"].figures()
    silent_ms = {peer.node_id: peer.silent_ms for peer in figures.peers}
    assert 3_900 <= silent_ms["n2"] <= 4_000
    assert silent_ms["n3"] <= 1_100
    assert figures.horizon_ms == 60_000


def test_trees_that_drifted_are_counted() -> None:
    ctx = Cluster().nodes["n1"].context
    ctx.trees.drifts = 3
    assert node_figures(ctx, 0).tree_drifts == 3
