"""Claims about `dynakv.node.heartbeat`: who counts as up, and who belongs to another cluster."""

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.node.messages import Beat, Beaten, Failed, Get, Header, Now, Put, Reason
from tests.node.cluster import START, Cluster, found_of, stored_of


def events(cluster: Cluster, name: str) -> list[str | int]:
    return [note.fields["peer"] for note in cluster.notes if note.event == name]


def up(cluster: Cluster, node: str = "n1") -> dict[str, bool]:
    return cluster.nodes[node].context.members.states()


def test_a_beat_of_another_cluster_or_layout_is_refused() -> None:
    cluster = Cluster()
    context = cluster.nodes["n1"].context
    right = Beat(context.layout.cluster_id, context.layout_digest, START.wall_ms)
    for wrong in (
        Beat(right.cluster_id + 1, right.layout_digest, START.wall_ms),
        Beat(right.cluster_id, right.layout_digest + 1, START.wall_ms),
    ):
        cluster.nodes["n1"].asked(901, wrong, cluster.now, "n2")
        cluster.run()
        assert cluster.parts(901) == [Failed(Reason.FOREIGN)]
        cluster.answers.clear()
    assert events(cluster, "peer_foreign") == ["n2"]  # said once


def test_a_foreign_peer_is_down_until_it_follows_the_same_layout() -> None:
    cluster = Cluster()
    node, context = cluster.nodes["n1"], cluster.nodes["n1"].context
    wrong = Beat(context.layout.cluster_id, 1, START.wall_ms)
    node.asked(901, wrong, cluster.now, "n2")
    assert not up(cluster)["n2"]
    node.heard(cluster.nodes["n2"].header(), cluster.now)
    assert not up(cluster)["n2"]
    cluster.pass_ms(1_200)  # its true beats arrive
    assert up(cluster)["n2"]


def test_a_peer_that_calls_this_node_foreign_is_foreign() -> None:
    cluster = Cluster()
    cluster.alter = lambda node, reply: (
        Failed(Reason.FOREIGN) if node == "n2" and isinstance(reply, Beaten) else reply
    )
    cluster.pass_ms(1_200)
    assert "n2" in events(cluster, "peer_foreign")


def test_a_frame_of_a_stranger_is_not_used() -> None:
    cluster = Cluster()
    node = cluster.nodes["n1"]
    good = cluster.nodes["n2"].header()
    for bad in (
        Header(1, "n9", good.cluster_id, 9, 0, 1, good.hlc),
        Header(1, "n2", good.cluster_id + 1, 9, 0, 1, good.hlc),
        Header(2, "n2", good.cluster_id, 9, 0, 1, good.hlc),
    ):
        assert not node.heard(bad, cluster.now)
    assert node.context.counters.foreign_frames == 3
    assert node.heard(good, cluster.now)


def test_a_frame_from_beyond_the_clock_bound_does_not_drag_the_clock_along() -> None:
    cluster = Cluster()
    node = cluster.nodes["n1"]
    good = cluster.nodes["n2"].header()
    before = node.header().hlc
    ahead = (START.wall_ms + 501) << 16
    assert node.heard(Header(1, "n2", good.cluster_id, 2000, 0, 1, ahead), cluster.now)
    assert node.header().hlc == before
    assert node.context.counters.refused_stamps == 1
    inside = (START.wall_ms + 500) << 16
    node.heard(Header(1, "n2", good.cluster_id, 2000, 0, 1, inside), cluster.now)
    assert node.header().hlc == inside


def test_peers_are_down_until_they_are_heard_from() -> None:
    cluster = Cluster(settled=False)
    assert up(cluster) == {"n2": False, "n3": False}
    cluster.run()
    assert up(cluster) == {"n2": True, "n3": True}


def test_any_good_answer_shows_that_a_peer_is_up_before_it_answers_a_heartbeat() -> None:
    cluster = Cluster()
    for node in ("n2", "n3"):
        cluster.hold(node, Beat)
        cluster.nodes["n1"].context.members.broken(node)
    found_of(cluster.ask(Get("default", [b"k"], Level.ALL)))
    assert up(cluster) == {"n2": True, "n3": True}
    stored_of(cluster.ask(Put("default", [b"k"], [b"v"], level=Level.ALL)))


def test_no_answer_makes_a_foreign_peer_count_as_up() -> None:
    cluster = Cluster()
    wrong = Beat(cluster.nodes["n1"].context.layout.cluster_id, 1, START.wall_ms)
    cluster.nodes["n1"].asked(901, wrong, cluster.now, "n2")
    cluster.hold("n2", Beat)
    cluster.ask(Get("default", [b"k"], Level.ALL))
    assert not up(cluster)["n2"]


def test_a_silent_peer_is_down_after_suspect_ms_and_not_before() -> None:
    cluster = Cluster()
    cluster.hold("n1")
    cluster.hold("n2")
    cluster.hold("n3")
    cluster.pass_ms(limits.SUSPECT_MS)
    assert up(cluster) == {"n2": True, "n3": True}
    cluster.pass_ms(200)
    assert up(cluster) == {"n2": False, "n3": False}
    assert events(cluster, "peer_down").count("n2") == 2  # n1 and n3 say so, each once


def test_a_peer_behind_a_cut_link_is_down_with_the_next_beat() -> None:
    cluster = Cluster()
    cluster.unreachable.add("n2")
    cluster.hold("n1")  # nor does n2 reach n1
    cluster.pass_ms(limits.HEARTBEAT_MS + 100)
    assert up(cluster) == {"n2": False, "n3": True}


def test_a_peer_is_up_again_with_its_first_sign_of_life() -> None:
    cluster = Cluster()
    cluster.unreachable.add("n2")
    cluster.pass_ms(3_000)
    cluster.unreachable.clear()
    cluster.pass_ms(300)  # a peer that is down is asked ten times as often
    assert up(cluster)["n2"]
    assert events(cluster, "peer_up").count("n2") > 1


def test_a_node_that_paused_itself_does_not_call_its_peers_silent() -> None:
    cluster = Cluster()
    for node in ("n1", "n2", "n3"):
        cluster.hold(node)
    cluster.now = Now(cluster.now.wall_ms + 20_000, cluster.now.mono_ms + 20_000)
    cluster.run()
    assert up(cluster) == {"n2": True, "n3": True}
    cluster.pass_ms(limits.SUSPECT_MS + 200)
    assert up(cluster) == {"n2": False, "n3": False}


def test_a_healthy_peer_is_asked_once_per_interval() -> None:
    cluster = Cluster()
    cluster.pass_ms(10_000)
    beats = cluster.asked(Beat)
    assert 9 <= beats.count(("n1", "n2")) <= 10


def test_a_node_that_doubts_its_clock_asks_ten_times_as_often() -> None:
    cluster = Cluster()
    cluster.skew_ms["n1"] = 3_600_000
    cluster.pass_ms(1_000)
    assert cluster.asked(Beat).count(("n1", "n2")) >= 8


def test_a_beat_is_answered_with_the_own_wall_clock() -> None:
    cluster = Cluster()
    cluster.skew_ms["n2"] = 120
    cluster.run()
    cluster.pass_ms(1_200)
    assert cluster.nodes["n1"].context.guard.offset_ms("n2") == 120
    assert cluster.nodes["n2"].context.guard.offset_ms("n1") == -120
