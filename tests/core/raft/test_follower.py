"""The follower's side of replication."""

from dynakv.core.raft.messages import Entry, Kind, Membership, Message, Snapshot
from dynakv.core.raft.node import RaftNode
from tests.core.raft.group import ids, member

ONE, TWO, THREE = ids(1, 2, 3)


def reply_to(node: RaftNode, kind: Kind, **fields: object) -> Message:
    node.step(Message(kind, TWO, ONE, term=2, **fields))
    reply = node.ready().messages[-1]
    node.advance()
    return reply


def test_a_gap_is_rejected_with_a_hint() -> None:
    reply = reply_to(member(2), Kind.APPEND, index=7, log_term=2)
    assert (reply.kind, reply.reject, reply.index) == (Kind.APPEND_REPLY, True, 7)
    assert (reply.hint, reply.log_term) == (1, 1)


def test_an_append_below_the_commit_is_answered_with_the_commit() -> None:
    node = member(2)
    node.member.log.committed = 1
    assert reply_to(node, Kind.APPEND, index=0).index == 1


def test_a_heartbeat_brings_the_commit_and_takes_the_round_back() -> None:
    node = member(2)
    reply_to(node, Kind.APPEND, index=1, log_term=1, entries=(Entry(2, 2),))
    reply = reply_to(node, Kind.HEARTBEAT, commit=2, read_round=7)
    assert (reply.read_round, node.member.log.committed) == (7, 2)


def test_a_snapshot_replaces_log_and_membership() -> None:
    node = member(2)
    wanted = Membership(ids(2, 4), (), ids(1))
    reply = reply_to(node, Kind.SNAPSHOT, snapshot=Snapshot(9, 2, wanted))
    assert (reply.index, node.member.log.offset) == (9, 9)
    assert node.member.tracker.membership == wanted
    assert node.member.log.applied == 9


def test_a_snapshot_that_is_old_or_for_others_is_ignored() -> None:
    for snapshot in (Snapshot(1, 1, Membership(ids(2))), Snapshot(9, 2, Membership(ids(1, 3)))):
        node = member(2)
        assert reply_to(node, Kind.SNAPSHOT, snapshot=snapshot).index == 1
        assert node.member.log.offset == 1


def test_a_snapshot_of_what_is_in_the_log_only_moves_the_commit() -> None:
    node = member(2)
    reply_to(node, Kind.APPEND, index=1, log_term=1, entries=(Entry(2, 2), Entry(2, 3)))
    reply_to(node, Kind.SNAPSHOT, snapshot=Snapshot(2, 2, Membership(ids(1, 2, 3))))
    assert (node.member.log.committed, node.member.log.last) == (2, 3)
