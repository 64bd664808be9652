"""Members that forgot come back as new ones, step by step, and vote only once they know all."""

from dynakv.node.messages import Put, Reason
from dynakv.node.raft_messages import FetchSnapshot, RaftJoin
from tests.node.cluster import Disk
from tests.node.raft_nodes import RaftNodes

KEY = b"k"
BACK_MS = 60_000


def wipe(nodes: RaftNodes, node_id: str, incarnation: int = 77) -> None:
    nodes.disks[node_id] = Disk()
    nodes.incarnations[node_id] = incarnation
    nodes.restart(node_id, starts=1)


def voters(nodes: RaftNodes, at: str) -> dict[int, str]:
    group = nodes.member(at, KEY)
    assert not group.state.membership.joint
    return {member: group.nodes[member] for member in group.state.membership.voters}


def is_back(nodes: RaftNodes, node_id: str) -> bool:
    where = (nodes.keyspace_id, nodes.group_of(KEY))
    consensus = nodes.nodes[node_id].raft.consensus
    group = consensus.groups.get(where)
    if group is None or where in consensus.stopped:
        return False
    return group.raft.member.id in group.state.membership.voters


def until_back(nodes: RaftNodes, node_id: str) -> None:
    for _ in range(BACK_MS // 100):
        if is_back(nodes, node_id):
            return
        nodes.pass_ms(100)
    raise AssertionError(f"{node_id} is no voter again after {BACK_MS} ms")


def test_a_node_that_lost_its_directory_is_a_full_voter_again_under_another_id() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    before = voters(nodes, "n1")
    wipe(nodes, "n3")
    nodes.pass_ms(1_000)
    nodes.put(KEY, b"w", at="n1")
    until_back(nodes, "n3")
    nodes.pass_ms(2_000)
    after = voters(nodes, "n1")
    assert sorted(after.values()) == ["n1", "n2", "n3"]
    gone = before.keys() - after.keys()
    assert [before[member] for member in gone] == ["n3"]
    assert voters(nodes, "n3") == after
    # Now another one may be lost.
    nodes.cut_off("n2")
    nodes.pass_ms(5_000)
    assert nodes.value(KEY, at="n3") == b"w"
    nodes.put(KEY, b"x", at="n3")
    assert nodes.value(KEY) == b"x"


def test_a_damaged_member_comes_back_and_goes_on_after_a_restart() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    follower = nodes.others(KEY)[0]
    nodes.flip(follower, KEY)
    nodes.put(KEY, b"w", at=nodes.leader(KEY))
    nodes.pass_ms(300)
    assert not is_back(nodes, follower)
    until_back(nodes, follower)
    mine = nodes.member(follower, KEY).raft.member.id
    nodes.restart(follower)
    nodes.pass_ms(3_000)
    assert nodes.member(follower, KEY).raft.member.id == mine
    assert nodes.value(KEY, at=follower) == b"w"


def test_without_a_majority_nobody_is_admitted_and_nothing_is_removed() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    leader = nodes.leader(KEY)
    rest = nodes.others(KEY)
    nodes.flip(rest[0], KEY)
    rows = len(nodes.disks[rest[0]].rows)
    nodes.cut_off(rest[1])
    nodes.submit(Put("default", [KEY], [b"w"], timeout_ms=8_000), leader)
    nodes.pass_ms(20_000)
    assert not is_back(nodes, rest[0])
    assert len(nodes.disks[rest[0]].rows) >= rows
    nodes.join_again(rest[1])
    until_back(nodes, rest[0])


def test_a_node_that_ends_on_its_way_back_draws_another_id_and_leaves_no_learner() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    wipe(nodes, "n3")
    for other in ("n1", "n2"):
        nodes.hold(other, FetchSnapshot)
    groups = nodes.nodes["n3"].raft.consensus.groups
    for _ in range(3_000):
        blank = [group for group in groups.values() if group.state.blank]
        if blank:
            break
        nodes.pass_ms(10)
    else:
        raise AssertionError("it never began anew")
    group = blank[0]
    first = group.raft.member.id
    for other in ("n1", "n2"):
        nodes.fail_held(other, Reason.BROKEN)
    nodes.restart("n3")
    until_back(nodes, "n3")
    nodes.pass_ms(10_000)
    members = nodes.nodes["n1"].raft.consensus.groups[group.where].state.membership
    assert first not in members.voters
    assert members.learners == ()
    assert len(members.voters) == 3


def test_a_learner_that_restarts_goes_on_with_its_id() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    wipe(nodes, "n3")
    where = (nodes.keyspace_id, nodes.group_of(KEY))
    for _ in range(3_000):
        group = nodes.nodes["n3"].raft.consensus.groups.get(where)
        if group is not None and group.raft.member.id in group.state.membership.learners:
            break
        nodes.pass_ms(10)
    else:
        raise AssertionError("it never was a learner")
    first = group.raft.member.id
    nodes.restart("n3")
    until_back(nodes, "n3")
    assert nodes.member("n3", KEY).raft.member.id == first


def test_who_forgot_is_not_who_it_was_even_if_nobody_ever_admits_it() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    nodes.hold("n1", RaftJoin)
    nodes.hold("n2", RaftJoin)
    wipe(nodes, "n3")
    nodes.pass_ms(3_000)
    nodes.cut_off("n3")
    nodes.restart("n3")
    nodes.pass_ms(1_000)
    assert not is_back(nodes, "n3")
    own = nodes.nodes["n3"].raft.consensus
    assert not own.groups
    assert set(own.stopped.values()) == {"it had not caught up yet when its node ended"}


def test_only_a_node_of_the_group_is_admitted() -> None:
    nodes = RaftNodes()
    nodes.put(KEY, b"v")
    nodes.pass_ms(3_000)
    leader = nodes.leader(KEY)
    join = RaftJoin([nodes.keyspace_id], [nodes.group_of(KEY)], [99], 5)  # type: ignore[list-item]
    replies: list[object] = []
    nodes.nodes[leader].raft.asked("n9", join, replies.append)  # type: ignore[arg-type]
    nodes.run()
    nodes.pass_ms(500)
    assert 99 not in nodes.member(leader, KEY).state.membership.learners
    assert len(replies) == 1
