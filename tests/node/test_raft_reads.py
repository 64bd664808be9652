"""Claims about `dynakv.node.raft_reads`: what is read is confirmed, and expiry is group time's."""

from dynakv.core.raft_write import RaftWrite
from dynakv.core.table import ReadRecords
from dynakv.node.messages import STORE, Expire, Found, Get, Refused
from dynakv.node.raft_messages import ForwardRead, RaftStep
from tests.node.raft_nodes import RaftNodes


def test_a_leader_that_nobody_confirms_answers_no_read() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    leader = nodes.leader(b"k")
    for other in nodes.others(b"k"):
        nodes.hold(other)
    call = nodes.submit(Get("default", [b"k"]), leader)
    nodes.run()
    assert nodes.parts(call) == []


def test_reads_of_a_turn_share_one_round_and_one_look_at_the_disk() -> None:
    nodes = RaftNodes(config={"cache_bytes_max": 0})
    nodes.put(b"k", b"v")
    leader = nodes.leader(b"k")
    nodes.sent.clear()
    for _ in range(20):
        nodes.submit(Get("default", [b"k"]), leader)
    nodes.run()
    steps = [to for _, to in nodes.asked(RaftStep)]
    assert len(steps) == 4  # a heartbeat to each of the others, and their answers
    reads = [a for _, a in nodes.sent if a.to == STORE and isinstance(a.message, ReadRecords)]
    assert len(reads) == 1


def test_what_was_written_lately_is_read_from_memory() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    leader = nodes.leader(b"k")
    nodes.sent.clear()
    assert nodes.value(b"k", at=leader) == b"v"
    assert not [a for _, a in nodes.sent if isinstance(a.message, ReadRecords)]


def test_a_key_past_its_deadline_is_gone_once_group_time_says_so_and_for_good() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    nodes.ask(Expire("default", [b"k"], [500]))
    nodes.pass_ms(400)
    assert nodes.value(b"k") == b"v"
    nodes.pass_ms(200)
    nodes.sent.clear()
    assert nodes.value(b"k") is None
    assert [a for _, a in nodes.sent if isinstance(a.message, RaftWrite)]  # time went by the log
    for node_id in nodes.nodes:
        nodes.skew_ms[node_id] = -300  # nobody's clock can bring it back
    assert nodes.value(b"k") is None


def test_a_stale_read_is_served_by_any_replica_that_is_fresh_enough() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    follower = nodes.others(b"k")[0]
    nodes.pass_ms(200)
    nodes.sent.clear()
    (found,) = nodes.ask(Get("default", [b"k"], max_age_ms=2_000), follower)
    assert isinstance(found, Found)
    assert found.records[0] is not None
    assert nodes.asked(ForwardRead) == []


def test_a_replica_that_may_be_too_old_asks_the_leader() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    follower = nodes.others(b"k")[0]
    nodes.pass_ms(2_000)
    nodes.sent.clear()
    (found,) = nodes.ask(Get("default", [b"k"], max_age_ms=2_000), follower)
    assert isinstance(found, Found)
    assert nodes.asked(ForwardRead) == [(follower, nodes.leader(b"k"))]


def test_a_damaged_row_is_never_answered() -> None:
    nodes = RaftNodes(config={"cache_bytes_max": 0})
    nodes.put(b"k", b"v")
    leader = nodes.leader(b"k")
    nodes.flip(leader, b"k")
    call = nodes.submit(Get("default", [b"k"]), leader)
    nodes.pass_ms(2_500)
    (part,) = nodes.parts(call)
    assert isinstance(part, Refused)
