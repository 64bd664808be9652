"""Claims about `dynakv.node.raft_peers`: whoever lost its directory does not vote in its name."""

from dynakv.core.facts import RAFT_PEER
from dynakv.core.raft.messages import Kind, Message
from dynakv.node.raft_loading import member_id
from dynakv.node.raft_messages import RaftJoin, RaftStep
from tests.node.cluster import Disk
from tests.node.raft_nodes import RaftNodes


def test_peers_are_bound_durably() -> None:
    nodes = RaftNodes()
    for node_id, disk in nodes.disks.items():
        bound = [name for name in disk.facts if name.startswith(f"{RAFT_PEER}/")]
        assert len(bound) == len(nodes.nodes) - 1, node_id


def test_a_node_that_comes_back_empty_is_no_member_and_nothing_is_lost() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    nodes.disks["n3"] = Disk()
    nodes.incarnations["n3"] = 77
    nodes.hold("n1", RaftJoin)
    nodes.hold("n2", RaftJoin)  # so it stays out, for as long as this test takes
    nodes.restart("n3", starts=1)
    nodes.pass_ms(4_000)
    assert any(note.event == "raft_member_forgot" for note in nodes.notes)
    leader = nodes.leader(b"k")
    assert leader != "n3"
    assert nodes.value(b"k", at="n3") == b"v"
    nodes.put(b"k", b"w", at="n3")
    other = next(n for n in ("n1", "n2") if n != leader)
    nodes.cut_off(other)
    nodes.pass_ms(5_000)
    # The empty node does not stand in for the member that it was: no majority is left.
    assert not nodes.member(leader, b"k").leads
    where = (nodes.keyspace_id, nodes.group_of(b"k"))
    assert where in nodes.nodes["n3"].raft.consensus.stopped


def test_what_a_peer_says_before_it_is_bound_waits_for_that() -> None:
    nodes = RaftNodes()
    consensus = nodes.nodes["n1"].raft.consensus
    replies: list[object] = []
    sender = member_id(nodes.keyspace_id, "n2")
    message = Message(Kind.HEARTBEAT, sender=sender, term=9)
    step = RaftStep([nodes.keyspace_id], [0], [message], [], 5)
    consensus.step("n2", step, replies.append)
    assert len(replies) == 1
