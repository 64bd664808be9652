"""Raft groups are shown as the node counts them; leaders move where keyspace and group exist."""

import asyncio

import pytest

from dynakv.core.layout import KeyspaceSettings, Member, Mode, NodeId, first_layout
from dynakv.errors import RefusedError, UsageError
from dynakv.node.raft_figures import FollowerFigures, RaftFigures
from dynakv.rpc.node_raft import NodeRaft
from dynakv.v1 import raft_pb2 as pb
from tests.rpc.conftest import FakeInbox

FOLLOWER = FollowerFigures("n2", 8, "replicate", learner=False)


class Inbox(FakeInbox):
    """A node with a group of each of two Raft keyspaces, which takes note of what is asked."""

    def __init__(self) -> None:
        super().__init__()
        members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in (1, 2, 3)]
        raft = [KeyspaceSettings(name, Mode.RAFT, groups=4) for name in ("a", "b")]
        self.the_layout = first_layout(members, [KeyspaceSettings("default", groups=4), *raft])
        self.taken: list[tuple[int, int]] = []
        self.why = ""
        self.rebalanced: list[int | None] = []

    def raft_figures(self) -> list[RaftFigures]:
        first = RaftFigures(
            "a", 1, "leader", 3, "n1", 7, 6, 9, 5, 99, awake=True, followers=(FOLLOWER,)
        )
        second = RaftFigures("b", 0, "stopped", 0, "", 0, 0, 0, 0, 0, awake=False, why="damaged")
        return [first, second]

    def take_leadership(self, keyspace_id: int, group: int) -> str:
        self.taken.append((keyspace_id, group))
        return self.why

    def rebalance_leaders(self, keyspace_id: int | None) -> int:
        self.rebalanced.append(keyspace_id)
        return 2


def test_every_group_is_shown_with_all_it_counts() -> None:
    raft = NodeRaft(Inbox())  # type: ignore[arg-type]
    told = asyncio.run(raft.list(pb.ListRaftGroupsRequest(), None))
    assert told.node_id == "n1"
    first, second = told.groups
    assert (first.keyspace, first.group, first.role, first.term) == ("a", 1, "leader", 3)
    assert (first.leader, first.commit, first.applied, first.last) == ("n1", 7, 6, 9)
    assert (first.entries, first.log_bytes, first.awake) == (5, 99, True)
    (follower,) = first.followers
    assert (follower.node_id, follower.match, follower.flow) == ("n2", 8, "replicate")
    assert (second.role, second.why) == ("stopped", "damaged")


def test_one_keyspace_of_groups() -> None:
    raft = NodeRaft(Inbox())  # type: ignore[arg-type]
    told = asyncio.run(raft.list(pb.ListRaftGroupsRequest(keyspace="b"), None))
    assert [one.keyspace for one in told.groups] == ["b"]


def test_leadership_is_taken_of_groups_that_exist_and_refusals_say_why() -> None:
    inbox = Inbox()
    raft = NodeRaft(inbox)  # type: ignore[arg-type]
    request = pb.TakeLeadershipRequest(keyspace="a", group=3)
    asyncio.run(raft.take(request, None))
    keyspace = inbox.the_layout.keyspace("a")
    assert keyspace is not None
    assert inbox.taken == [(int(keyspace.keyspace_id), 3)]
    inbox.why = "no leader is known that could hand over"
    with pytest.raises(RefusedError, match="n1 cannot lead group 3 of keyspace 'a': no leader"):
        asyncio.run(raft.take(request, None))
    for name, group, text in (
        ("", 0, "name the keyspace"),
        ("c", 0, "'c' does not exist"),
        ("a", 4, "no group 4: they are 0 to 3"),
        ("default", 0, "'default' is leaderless: only Raft keyspaces have leaders"),
    ):
        with pytest.raises(UsageError, match=text):
            asyncio.run(raft.take(pb.TakeLeadershipRequest(keyspace=name, group=group), None))


def test_leaders_of_all_or_of_one_keyspace_are_rebalanced() -> None:
    inbox = Inbox()
    raft = NodeRaft(inbox)  # type: ignore[arg-type]
    told = asyncio.run(raft.rebalance(pb.RebalanceLeadersRequest(), None))
    assert (told.node_id, told.groups) == ("n1", 2)
    asyncio.run(raft.rebalance(pb.RebalanceLeadersRequest(keyspace="b"), None))
    keyspace = inbox.the_layout.keyspace("b")
    assert keyspace is not None
    assert inbox.rebalanced == [None, int(keyspace.keyspace_id)]
