"""Claims about `dynakv.node.consensus`: one transaction and one message a peer for all groups."""

from dynakv import limits
from dynakv.core.raft_write import RaftWrite
from dynakv.node.messages import STORE, Put, Reason
from dynakv.node.raft_messages import RaftStep
from tests.node.raft_nodes import RaftNodes

KEYS = [b"key%d" % i for i in range(40)]


def test_all_busy_groups_of_a_turn_share_one_transaction_and_one_frame_a_peer() -> None:
    nodes = RaftNodes()
    nodes.sent.clear()
    nodes.submit(Put("default", KEYS, [b"v"] * len(KEYS)), "n1")
    effects = nodes.nodes["n1"].take_effects()
    asks = [effect for effect in effects if hasattr(effect, "to")]
    writes = [ask.message for ask in asks if ask.to == STORE]
    assert len([write for write in writes if isinstance(write, RaftWrite)]) == 1
    led = {where for where, group in nodes.nodes["n1"].raft.consensus.groups.items() if group.leads}
    touched = {(nodes.keyspace_id, nodes.group_of(key)) for key in KEYS} & led
    (write,) = [w for w in writes if isinstance(w, RaftWrite)]
    assert {(one.keyspace, one.group) for one in write.writes} == touched
    for peer in ("n2", "n3"):
        steps = [a.message for a in asks if a.to == peer and isinstance(a.message, RaftStep)]
        assert len(steps) == 1
        assert len(steps[0].messages) == len(touched)


def test_an_answer_of_a_follower_waits_for_its_disk() -> None:
    nodes = RaftNodes()
    leader = nodes.leader(b"k")
    follower, other = nodes.others(b"k")
    nodes.hold_disk(follower)
    nodes.hold(other)
    call = nodes.submit(Put("default", [b"k"], [b"v"]), leader)
    nodes.run()
    assert nodes.parts(call) == []
    nodes.release_disk(follower)
    assert nodes.parts(call) != []


def test_a_leader_does_not_count_its_own_copy_before_it_is_durable() -> None:
    nodes = RaftNodes()
    leader = nodes.leader(b"k")
    nodes.hold_disk(leader)
    call = nodes.submit(Put("default", [b"k"], [b"v"]), leader)
    nodes.run()
    assert nodes.parts(call) == []
    nodes.release_disk(leader)
    nodes.run()
    assert len(nodes.parts(call)) == 1


def test_groups_sleep_when_nothing_goes_on_and_wake_for_a_request() -> None:
    nodes = RaftNodes()
    nodes.pass_ms(limits.RAFT_IDLE_TICKS * limits.RAFT_TICK_MS + 8_000)
    where = (nodes.keyspace_id, nodes.group_of(b"k"))
    assert all(node.raft.consensus.asleep(where) for node in nodes.nodes.values())
    nodes.sent.clear()
    nodes.pass_ms(1_000)
    assert nodes.asked(RaftStep) == []
    nodes.put(b"k", b"v", at="n2")
    assert nodes.value(b"k", at="n3") == b"v"
    leader = nodes.leader(b"k")
    assert not nodes.nodes[leader].raft.consensus.asleep(where)


def test_a_sleeping_group_finds_a_new_leader_when_its_leader_is_lost() -> None:
    nodes = RaftNodes(config={"raft_balance_ms": 60_000})
    nodes.pass_ms(limits.RAFT_IDLE_TICKS * limits.RAFT_TICK_MS + 6_000)
    leader = nodes.leader(b"k")
    nodes.cut_off(leader)
    nodes.pass_ms(limits.SUSPECT_MS + 2_500)
    assert nodes.leader(b"k") != leader


def test_a_request_to_a_sleeping_group_need_not_wait_until_its_leader_counts_as_lost() -> None:
    nodes = RaftNodes(config={"raft_balance_ms": 60_000, "suspect_ms": 60_000})
    nodes.pass_ms(limits.RAFT_IDLE_TICKS * limits.RAFT_TICK_MS + 8_000)
    leader, (follower, _) = nodes.leader(b"k"), nodes.others(b"k")
    assert nodes.nodes[follower].raft.consensus.asleep((nodes.keyspace_id, nodes.group_of(b"k")))
    nodes.hold(leader)
    nodes.put(b"k", b"v", at=follower, timeout_ms=5_000)
    for _ in range(4):
        nodes.pass_ms(700)
        nodes.fail_held(leader, Reason.BROKEN)
        nodes.hold(leader)
    assert nodes.nodes[follower].context.members.up(leader)
    assert nodes.member(follower, b"k").leader not in {None, leader}


def test_a_new_keyspace_is_led_evenly_and_at_once() -> None:
    nodes = RaftNodes()
    led = [
        sum(group.leads for group in node.raft.consensus.groups.values())
        for node in nodes.nodes.values()
    ]
    assert sorted(led) == [21, 21, 22]


def test_leadership_comes_back_to_whose_turn_it_is() -> None:
    nodes = RaftNodes(config={"raft_balance_ms": 500})
    leader = nodes.leader(b"k")
    nodes.cut_off(leader)
    nodes.pass_ms(5_000)
    assert nodes.leader(b"k") != leader
    nodes.join_again(leader)
    nodes.pass_ms(6_000)
    assert nodes.leader(b"k") == leader


def test_a_member_whose_row_is_damaged_takes_part_in_nothing_any_more() -> None:
    nodes = RaftNodes()
    nodes.put(b"k", b"v")
    leader = nodes.leader(b"k")
    follower, other = nodes.others(b"k")
    nodes.pass_ms(200)  # applied there, too
    nodes.flip(follower, b"k")
    nodes.put(b"k", b"w", at=leader)
    nodes.pass_ms(500)
    where = (nodes.keyspace_id, nodes.group_of(b"k"))
    assert where in nodes.nodes[follower].raft.consensus.stopped
    assert any(note.event == "raft_group_stopped" for note in nodes.notes)
    assert nodes.value(b"k", at=other) == b"w"
    assert nodes.value(b"k", at=follower) == b"w"


def test_a_node_that_will_stop_lets_others_lead_at_once() -> None:
    nodes = RaftNodes()
    nodes.nodes["n1"].resign(nodes.clock_of("n1"))
    nodes.run()
    led = [
        sum(group.leads for group in node.raft.consensus.groups.values())
        for node in nodes.nodes.values()
    ]
    assert led[0] == 0
    assert sum(led) == 64
    nodes.put(b"k", b"v", at="n1")
    assert nodes.value(b"k", at="n2") == b"v"
