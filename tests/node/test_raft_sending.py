"""Claims about `dynakv.node.raft_sending`: pages in order, each again if its answer was lost."""

from dynakv.node.raft_messages import FetchSnapshot, SnapshotPage
from dynakv.node.raft_offers import Offer
from dynakv.node.raft_sending import GONE
from tests.node.raft_nodes import RaftNodes


def offered() -> tuple[RaftNodes, str, str, FetchSnapshot]:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    leader, follower = nodes.leader(b"k"), nodes.others(b"k")[0]
    group = nodes.member(leader, b"k")
    member = next(m for m, node in group.nodes.items() if node == follower)
    group.offers[member] = Offer(group.state.applied, 0, nodes.now.mono_ms)
    return nodes, leader, follower, FetchSnapshot(*group.where, group.state.applied, 0)


def fetch(nodes: RaftNodes, at: str, sender: str, message: FetchSnapshot) -> object:
    replies: list[object] = []
    nodes.nodes[at].raft.asked(sender, message, replies.append)
    nodes.run()
    (reply,) = replies
    return reply


def test_pages_come_in_order_and_the_last_one_again() -> None:
    nodes, leader, follower, first = offered()
    page = fetch(nodes, leader, follower, first)
    assert isinstance(page, SnapshotPage)
    assert [record.key for record in page.records] == [b"k"]
    assert fetch(nodes, leader, follower, first) == page
    second = FetchSnapshot(first.keyspace, first.group, first.index, 1)
    last = fetch(nodes, leader, follower, second)
    assert isinstance(last, SnapshotPage)
    assert last.last
    assert len(last.sessions) == 1
    assert fetch(nodes, leader, follower, first) == GONE


def test_a_page_that_is_asked_for_twice_at_once_is_read_once() -> None:
    nodes, leader, follower, first = offered()
    fetch(nodes, leader, follower, first)
    sessions = FetchSnapshot(first.keyspace, first.group, first.index, 1)
    replies: list[object] = []
    nodes.put(b"k", b"w", at=leader)  # what was before is kept for the snapshot, and given once
    for _ in range(2):
        nodes.nodes[leader].raft.asked(follower, sessions, replies.append)
    nodes.run()
    assert len(replies) == 2
    assert replies[0] == replies[1]


def test_nobody_else_and_no_other_snapshot_is_served() -> None:
    nodes, leader, follower, first = offered()
    other = next(n for n in nodes.nodes if n not in (leader, follower))
    assert fetch(nodes, leader, other, first) == GONE
    assert fetch(nodes, leader, "n9", first) == GONE
    wrong = FetchSnapshot(first.keyspace, first.group, first.index + 1, 0)
    assert fetch(nodes, leader, follower, wrong) == GONE


def test_a_damaged_row_is_not_passed_on() -> None:
    nodes, leader, follower, first = offered()
    nodes.flip(leader, b"k")
    assert fetch(nodes, leader, follower, first) == GONE
    assert nodes.member(leader, b"k").offers == {}
    assert not nodes.member(leader, b"k").paused


def test_the_group_goes_on_after_a_page() -> None:
    nodes, leader, follower, first = offered()
    fetch(nodes, leader, follower, first)
    nodes.put(b"k", b"w", at=leader)
    assert nodes.value(b"k", at=follower) == b"w"
