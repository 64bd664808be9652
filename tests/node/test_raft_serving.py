"""Claims about `dynakv.node.raft_serving`: only a leader serves, and the others name it."""

from dynakv.core.commands import Command, Done, Put
from dynakv.node.messages import Failed, Reason
from dynakv.node.raft_messages import (
    Forward,
    Forwarded,
    ForwardRead,
    ForwardScan,
    ReadForwarded,
    ScanForwarded,
    Verdict,
)
from tests.node.raft_nodes import RaftNodes


def served(nodes: RaftNodes, at: str, message: object) -> object:
    replies: list[object] = []
    nodes.nodes[at].raft.asked("n9", message, replies.append)  # type: ignore[arg-type]
    nodes.run()
    (reply,) = replies
    return reply


def test_whoever_does_not_lead_names_who_does() -> None:
    nodes = RaftNodes()
    keyspace, group = nodes.keyspace_id, nodes.group_of(b"k")
    leader, follower = nodes.leader(b"k"), nodes.others(b"k")[0]
    command = Command(0, 0, (Put(b"k", b"v"),), 1, 1)
    assert served(nodes, follower, Forward(keyspace, 1, group, [command])) == Forwarded(
        [Verdict.NOT_LEADER], [()], leader
    )
    assert served(nodes, follower, ForwardRead(keyspace, 1, group, [b"k"])) == ReadForwarded(
        Verdict.NOT_LEADER, [], leader
    )
    scan = ForwardScan(keyspace, 1, group, b"", None, None, 10, False)
    assert served(nodes, follower, scan) == ScanForwarded(Verdict.NOT_LEADER, [], None, leader)


def test_a_leader_runs_reads_and_scans() -> None:
    nodes = RaftNodes()
    keyspace, group, leader = nodes.keyspace_id, nodes.group_of(b"k"), nodes.leader(b"k")
    command = Command(0, 0, (Put(b"k", b"v"),), 1, 1, 0, nodes.now.wall_ms)
    ran = served(nodes, leader, Forward(keyspace, 1, group, [command, command]))
    assert isinstance(ran, Forwarded)
    assert ran.verdicts == [Verdict.DONE] * 2
    assert isinstance(ran.results[0][0], Done)
    assert ran.results[0] == ran.results[1]
    found = served(nodes, leader, ForwardRead(keyspace, 1, group, [b"k", b"none"]))
    assert isinstance(found, ReadForwarded)
    assert [r and r.value for r in found.records] == [b"v", None]
    listed = served(nodes, leader, ForwardScan(keyspace, 1, group, b"", None, None, 10, False))
    assert isinstance(listed, ScanForwarded)
    assert [r.key for r in listed.records] == [b"k"]


def test_strangers_to_the_layout_are_refused() -> None:
    nodes = RaftNodes()
    keyspace, group, leader = nodes.keyspace_id, nodes.group_of(b"k"), nodes.leader(b"k")
    assert served(nodes, leader, ForwardRead(5, 1, group, [b"k"])) == Failed(
        Reason.UNKNOWN_KEYSPACE
    )
    assert served(nodes, leader, ForwardRead(keyspace, 9, group, [b"k"])) == Failed(
        Reason.WRONG_EPOCH
    )
    assert served(nodes, leader, Forward(keyspace, 1, group, [])) == Forwarded([], [], leader)


def test_a_full_disk_takes_no_commands() -> None:
    nodes = RaftNodes()
    leader = nodes.leader(b"k")
    nodes.nodes[leader].disk_full(full=True)
    command = Command(0, 0, (Put(b"k", b"v"),), 1, 1)
    forward = Forward(nodes.keyspace_id, 1, nodes.group_of(b"k"), [command])
    assert served(nodes, leader, forward) == Failed(Reason.NO_SPACE)
