"""Claims about `dynakv.node.raft_router`: a request finds the leader, or ends at its deadline."""

from dynakv.core.commands import Append
from dynakv.errors import Kind
from dynakv.node.messages import Failed, Put, Reason, Refused
from dynakv.node.raft_messages import Execute, Executed, Forward, Forwarded
from tests.node.raft_nodes import RaftNodes


def test_a_follower_forwards_in_one_ask() -> None:
    nodes = RaftNodes()
    follower = nodes.others(b"k")[0]
    nodes.sent.clear()
    nodes.put(b"k", b"v", at=follower)
    assert nodes.asked(Forward) == [(follower, nodes.leader(b"k"))]


def test_a_node_without_a_member_finds_the_leader_and_remembers_it() -> None:
    nodes = RaftNodes(nodes=4)
    key = nodes.key_on(absent=("n4",))
    call = nodes.submit(Put("default", [key], [b"v"]), "n4")
    nodes.pass_ms(500)
    assert len(nodes.parts(call)) == 1
    nodes.sent.clear()
    nodes.put(key, b"w", at="n4")
    holders = [n for n in ("n1", "n2", "n3") if nodes.member(n, key).leads]
    assert nodes.asked(Forward) == [("n4", holders[0])]


def test_a_request_waits_for_a_new_leader() -> None:
    nodes = RaftNodes()
    leader = nodes.leader(b"k")
    other = nodes.others(b"k")[0]
    nodes.cut_off(leader)
    execute = Execute("default", [(Append(b"k", b"x"),)], timeout_ms=10_000)
    call = nodes.submit(execute, other)
    nodes.pass_ms(6_000)
    (part,) = nodes.parts(call)
    assert isinstance(part, Executed)
    assert nodes.value(b"k", at=other) == b"x"


def test_nothing_was_done_where_no_leader_was_reached() -> None:
    nodes = RaftNodes()
    nodes.unreachable.update(("n2", "n3"))
    nodes.pass_ms(6_000)
    key = next(k for k in (b"a%d" % i for i in range(99)) if not nodes.member("n1", k).leads)
    call = nodes.submit(Put("default", [key], [b"v"]), "n1")
    nodes.pass_ms(2_500)
    (part,) = nodes.parts(call)
    assert isinstance(part, Refused)
    assert part.failure.kind is Kind.UNAVAILABLE


def test_an_ask_that_may_have_arrived_leaves_the_outcome_unknown() -> None:
    nodes = RaftNodes()
    leader, follower = nodes.leader(b"k"), nodes.others(b"k")[0]
    nodes.failing[leader, Forward] = Reason.BROKEN
    call = nodes.submit(Put("default", [b"k"], [b"v"]), follower)
    nodes.pass_ms(2_500)
    (part,) = nodes.parts(call)
    assert isinstance(part, Refused)
    assert part.failure.kind is Kind.UNKNOWN
    assert part.leader == leader


def test_an_answer_lost_on_its_way_is_asked_for_again_and_done_once() -> None:
    nodes = RaftNodes()
    leader, follower = nodes.leader(b"k"), nodes.others(b"k")[0]
    lost = [True]

    def lose(node_id: str, reply: object) -> object:
        if isinstance(reply, Forwarded) and lost and node_id == leader:
            lost.clear()
            return Failed(Reason.BROKEN)
        return reply

    nodes.alter = lose
    call = nodes.submit(Execute("default", [(Append(b"k", b"x"),)]), follower)
    nodes.pass_ms(1_000)
    (part,) = nodes.parts(call)
    assert isinstance(part, Executed)
    assert nodes.value(b"k") == b"x"
