"""Claims about `dynakv.node.raft_figures`: who leads what, and which members are out of it."""

from tests.node.raft_nodes import RaftNodes


def test_every_group_is_shown_with_its_leader_and_how_far_it_is() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    shown = {node_id: node.raft_figures() for node_id, node in nodes.nodes.items()}
    number = nodes.group_of(b"k")
    for node_id, figures in shown.items():
        assert [one.group for one in figures] == list(range(64))
        mine = figures[number]
        assert mine.leader == nodes.leader(b"k")
        assert (mine.role == "leader") == (mine.leader == node_id)
        assert mine.keyspace == "default"
        assert mine.awake
        assert 1 < mine.applied <= mine.commit <= mine.last


def test_a_stopped_member_says_why() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    follower = nodes.others(b"k")[0]
    nodes.pass_ms(200)  # applied there, too
    nodes.flip(follower, b"k")
    nodes.put(b"k", b"w", at=nodes.leader(b"k"))
    nodes.pass_ms(500)
    mine = nodes.nodes[follower].raft_figures()[nodes.group_of(b"k")]
    assert (mine.role, mine.why) == ("stopped", "the row of key b'k' is damaged")
