"""Who wants to join a Raft group, and what became of it, arrive as they were sent."""

import pytest

from dynakv.core.raft.messages import MemberId
from dynakv.core.raft_rows import Replacement
from dynakv.errors import PeerError
from dynakv.node.raft_messages import JoinOutcome, RaftJoin, RaftJoined, RaftStepped
from dynakv.rpc.raft_join_codec import (
    fill_join,
    fill_joined,
    fill_stepped,
    join_of,
    joined_of,
    stepped_of,
)
from dynakv.v1 import node_internal_pb2 as pb

JOIN = RaftJoin([7, 8], [0, 3], [MemberId(1 << 63), MemberId(5)], 77)
KNOWN = (Replacement(MemberId(9), "n2", 1 << 63), Replacement(MemberId(10), "n3", 4))
JOINED = RaftJoined([JoinOutcome(True, KNOWN), JoinOutcome(False, ())])


def test_both_arrive_as_they_were_sent() -> None:
    join, joined = pb.RaftJoin(), pb.RaftJoined()
    fill_join(join, JOIN)
    fill_joined(joined, JOINED)
    assert join_of(pb.RaftJoin.FromString(join.SerializeToString())) == JOIN
    assert joined_of(pb.RaftJoined.FromString(joined.SerializeToString())) == JOINED


def test_members_that_are_no_more_arrive_as_they_were_told() -> None:
    for stepped in (RaftStepped(), RaftStepped([(7, 0, MemberId(5)), (8, 2, MemberId(6))])):
        wire = pb.RaftStepped()
        fill_stepped(wire, stepped)
        assert stepped_of(pb.RaftStepped.FromString(wire.SerializeToString())) == stepped
    with pytest.raises(PeerError, match="2 keyspaces, 1 groups and 0 members"):
        stepped_of(pb.RaftStepped(keyspaces=[1, 2], groups=[1]))


def test_columns_that_do_not_fit_are_the_peers_fault() -> None:
    with pytest.raises(PeerError, match="2 keyspaces, 1 groups and 1 members"):
        join_of(pb.RaftJoin(keyspaces=[1, 2], groups=[1], members=[1]))
    outcome = pb.RaftJoinOutcome(members=[1], nodes=["n1"], incarnations=[])
    with pytest.raises(PeerError, match="1 members, 1 nodes and 0 incarnations"):
        joined_of(pb.RaftJoined(outcomes=[outcome]))
