"""Claims about `dynakv.node.raft_receiving`: a follower far behind becomes equal, in one step."""

from dynakv.core.raft.messages import Kind, Message, Snapshot
from dynakv.core.raft_rows import data_keyspace, state_of, state_row
from dynakv.core.record import Record
from dynakv.node.messages import Put
from dynakv.node.raft_messages import FetchSnapshot
from dynakv.node.raft_snapshot import snapshot_of
from tests.node.raft_nodes import RaftNodes

SMALL = {"raft_log_entries_max": 10, "raft_log_entries_kept": 2, "raft_page_rows": 256}
KEYS = [b"{k}%03d" % i for i in range(600)]


def behind() -> tuple[RaftNodes, str, str]:
    """Return nodes of which one follower of b"k" lacks what was compacted meanwhile."""
    nodes = RaftNodes(config=SMALL)
    leader = nodes.leader(b"k")
    follower = nodes.others(b"k")[0]
    nodes.put(b"k", b"old")
    nodes.pass_ms(200)  # applied there, too
    nodes.cut_off(follower)
    for i in range(40):
        nodes.put(b"k", b"%d" % i, at=leader)
    return nodes, leader, follower


def values(nodes: RaftNodes, node_id: str) -> dict[bytes, bytes | None]:
    group = nodes.member(node_id, b"k")
    place = data_keyspace(nodes.keyspace_id, group.state.generation)
    return {
        key: row.value
        for (keyspace, number, key), row in nodes.disks[node_id].rows.items()
        if keyspace == place and number == group.where[1] and isinstance(row, Record)
    }


def test_a_follower_behind_the_log_receives_what_the_others_have() -> None:
    nodes, leader, follower = behind()
    nodes.join_again(follower)
    nodes.pass_ms(3_000)
    assert nodes.asked(FetchSnapshot)
    assert values(nodes, follower) == values(nodes, leader)
    mine, theirs = nodes.member(follower, b"k").state, nodes.member(leader, b"k").state
    assert (mine.applied, mine.time) == (theirs.applied, theirs.time)
    assert mine.generation == 1
    assert any(note.event == "raft_snapshot_received" for note in nodes.notes)
    nodes.put(b"k", b"after", at=follower)
    assert nodes.value(b"k", at=follower) == b"after"


def test_the_log_is_bounded_in_bytes_too() -> None:
    nodes = RaftNodes(config={"raft_log_bytes_max": 10_000})
    for i in range(60):
        nodes.put(b"k", b"x" * 1_000)
        nodes.put(b"k", b"%d" % i)
    for node_id in nodes.nodes:
        log = nodes.member(node_id, b"k").raft.member.log
        assert 5_000 < log.bytes <= 12_000
        assert log.offset > 80
    assert nodes.value(b"k") == b"59"


def test_the_generation_before_is_removed() -> None:
    nodes, _, follower = behind()
    group = nodes.group_of(b"k")
    nodes.join_again(follower)
    nodes.pass_ms(3_000)
    left = [w for w in nodes.disks[follower].rows if w[:2] == (nodes.keyspace_id, group)]
    assert left == []


def test_a_member_that_dies_while_it_receives_is_as_it_was() -> None:
    nodes, leader, follower = behind()
    before = nodes.member(follower, b"k").state
    nodes.hold(leader, FetchSnapshot)
    nodes.join_again(follower)
    nodes.pass_ms(1_000)
    assert nodes.held[leader]
    nodes.cut_off(follower)
    nodes.restart(follower)
    after = nodes.member(follower, b"k").state
    assert (after.applied, after.generation) == (before.applied, before.generation)
    nodes.held.pop(leader)
    nodes.held_kinds.pop(leader)
    nodes.join_again(follower)
    nodes.pass_ms(16_000)
    assert values(nodes, follower) == values(nodes, leader)


def test_a_snapshot_of_many_pages_is_one_moment_while_writes_go_on() -> None:
    nodes, leader, follower = behind()
    group = nodes.group_of(b"k")
    mine = [k for k in (b"key%d" % i for i in range(60_000)) if nodes.group_of(k) == group][:700]
    for start in range(0, len(mine), 100):
        part = mine[start : start + 100]
        nodes.ask(Put("default", part, [b"v"] * len(part)), leader)
    nodes.join_again(follower)
    for i in range(300):
        nodes.pass_ms(10)
        nodes.put(mine[i], b"new%d" % i, at=leader)
    nodes.pass_ms(2_000)
    assert len([1 for _, to in nodes.asked(FetchSnapshot) if to == leader]) >= 3
    assert values(nodes, follower) == values(nodes, leader)


def test_states_as_rows_are_what_they_were() -> None:
    nodes = RaftNodes()
    state = nodes.member("n1", b"k").state
    assert state_of(state_row(state)) == state


def test_an_offer_is_ignored_while_another_one_becomes_the_state() -> None:
    nodes = RaftNodes()
    leader, follower = nodes.leader(b"k"), nodes.others(b"k")[0]
    group = nodes.member(follower, b"k")
    member = group.raft.member
    data = snapshot_of(group.state, 1).data
    index = group.state.applied + 50
    member.log.snapshot = Snapshot(index, member.term, group.state.membership, data)
    newer = Snapshot(index + 9, member.term, group.state.membership, data)
    message = Message(Kind.SNAPSHOT, member.id, member.lead, member.term, snapshot=newer)
    node = nodes.nodes[follower]
    node.raft.consensus.on_snapshot(leader, group, message)
    assert node.take_effects() == []
    member.log.snapshot = None
    node.raft.consensus.on_snapshot(leader, group, message)
    assert node.take_effects() != []
