"""Gossip inside nodes: what they come to believe of each other, and what does not disturb them."""

from dynakv.core.gossip import Times
from dynakv.core.gossip_messages import Probe, Probed, Sync, Vitals
from dynakv.core.rumors import Rumor
from dynakv.core.suspicion import Claim, State
from dynakv.node.gossip import scaled
from dynakv.node.messages import CONTROL, Ask, Failed, Reason
from tests.node.cluster import Cluster


def beliefs(cluster: Cluster, node: str) -> dict[str, State]:
    views = cluster.nodes[node].context.member_views()
    return {name: view.gossip for name, view in views.items()}


def probe(cluster: Cluster, cluster_id: int | None = None, *rumors: Rumor) -> Probe:
    own = cluster.nodes["n1"].layout.cluster_id
    return Probe(own if cluster_id is None else cluster_id, Vitals(), rumors)


def test_nodes_that_answer_each_other_are_alive() -> None:
    cluster = Cluster()
    cluster.pass_ms(8_000)
    for node in cluster.nodes:
        assert set(beliefs(cluster, node).values()) == {State.ALIVE}


def test_a_rumour_is_believed_noted_and_refuted_by_who_it_is_about() -> None:
    cluster = Cluster()
    cluster.pass_ms(100)
    lie = Rumor("n2", Claim(State.DEAD, 0), "n3")
    cluster.nodes["n1"].asked(901, probe(cluster, None, lie), cluster.now, "n3")
    cluster.run()
    assert beliefs(cluster, "n1")["n2"] is State.DEAD
    cluster.pass_ms(4_000)
    assert beliefs(cluster, "n1")["n2"] is State.ALIVE
    seen = [note.event for note in cluster.notes if note.fields.get("why") == "gossip"]
    assert seen[0] == "peer_dead"
    assert "peer_alive" in seen


def test_what_is_believed_of_a_peer_does_not_say_whether_it_is_up() -> None:
    cluster = Cluster()
    cluster.pass_ms(1_500)
    lie = Rumor("n2", Claim(State.DEAD, 0), "n3")
    cluster.nodes["n1"].asked(901, probe(cluster, None, lie), cluster.now, "n3")
    assert beliefs(cluster, "n1")["n2"] is State.DEAD
    assert cluster.nodes["n1"].context.members.up("n2")


def test_members_of_another_cluster_and_strangers_are_refused() -> None:
    cluster = Cluster()
    own = cluster.nodes["n1"].layout.cluster_id
    for call, (cluster_id, sender) in enumerate([(own + 1, "n2"), (own, "n9")], 901):
        cluster.nodes["n1"].asked(call, probe(cluster, cluster_id), cluster.now, sender)
        cluster.run()
        assert cluster.parts(call) == [Failed(Reason.FOREIGN)]


def test_every_probe_and_sync_is_answered_by_its_kind() -> None:
    cluster = Cluster()
    node = cluster.nodes["n1"]
    node.asked(901, probe(cluster), cluster.now, "n2")
    node.asked(902, Sync(node.layout.cluster_id, ()), cluster.now, "n2")
    cluster.run()
    (probed,) = cluster.parts(901)
    (synced,) = cluster.parts(902)
    assert isinstance(probed, Probed)
    assert probed.vitals.version != ""
    assert isinstance(synced, Sync)
    assert sorted(name for name, _, _ in synced.members) == ["n1", "n2", "n3"]


def test_a_slow_answer_to_gossip_makes_no_peer_slow() -> None:
    """A helper answers only when it has tried."""
    cluster = Cluster()
    node, context = cluster.nodes["n1"], cluster.nodes["n1"].context
    context.ask("n2", probe(cluster), cluster.now.mono_ms + 500, lambda reply: None, paced=False)
    (ask,) = [e for e in node.take_effects() if isinstance(e, Ask) and e.to == "n2"][-1:]
    assert isinstance(ask.message, CONTROL)
    assert not context.pace.slow("n2", cluster.now.mono_ms + 400)


def test_other_heartbeats_scale_all_times_but_that_of_a_pause() -> None:
    assert scaled(1_000) == Times()
    assert scaled(100) == Times(
        probe=100,
        timeout=50,
        suspicion_min=400,
        suspicion_max=1_200,
        tell=20,
        sync=3_000,
    )
