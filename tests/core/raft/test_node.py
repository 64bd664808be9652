"""What a turn hands out and what it waits for."""

import pytest

from dynakv.core.raft.messages import EARLY_KINDS, Kind, Message, Refusal
from tests.core.raft.group import group, ids, member

ONE, TWO, NINE = ids(1, 2, 9)


def test_an_idle_member_has_nothing_to_hand_out() -> None:
    g = group(1, 2, 3)
    assert not any(node.has_ready() for node in g.nodes.values())


def test_one_ready_is_in_flight() -> None:
    node = member(1, pre_vote=False)
    node.campaign()
    node.ready()
    with pytest.raises(AssertionError):
        node.ready()
    node.advance()
    with pytest.raises(AssertionError):
        node.advance()


def test_a_leaders_own_copy_counts_when_it_is_durable() -> None:
    g = group(1, 2, 3)
    leader = g.nodes[1]
    own = leader.member.tracker.progress[ONE]
    match = own.match
    leader.propose([b"x"])
    ready = leader.ready()
    assert all(m.kind in EARLY_KINDS for m in ready.messages)
    assert own.match == match
    leader.advance()
    assert own.match == match + 1


def test_votes_and_followers_answers_wait_for_the_disk() -> None:
    late = {Kind.VOTE, Kind.PRE_VOTE, Kind.VOTE_REPLY, Kind.PRE_VOTE_REPLY, Kind.APPEND_REPLY}
    assert not late & EARLY_KINDS
    assert Kind.HEARTBEAT_REPLY not in EARLY_KINDS


def test_what_can_be_learnt_again_needs_no_sync() -> None:
    g = group(1, 2, 3)
    g.nodes[1].propose([b"x"])
    first = g.nodes[1].ready()
    g.nodes[1].advance()
    assert first.must_sync
    last = g.nodes[1].member.log.last
    term = g.nodes[1].member.term
    g.nodes[1].step(Message(Kind.APPEND_REPLY, ONE, TWO, term=term, index=last))
    second = g.nodes[1].ready()
    assert [e.data for e in second.committed] == [b"x"]
    assert not second.must_sync


def test_strangers_and_false_locals_are_refused() -> None:
    node = group(1, 2, 3).nodes[1]
    term = node.member.term
    assert node.step(Message(Kind.APPEND_REPLY, ONE, NINE, term=term)) is Refusal.UNKNOWN_PEER
    assert node.step(Message(Kind.CHECK_QUORUM, ONE, TWO)) is Refusal.LOCAL_MESSAGE


def test_compaction_reaches_only_what_is_applied() -> None:
    node = group(1, 2, 3).nodes[1]
    node.propose([b"x"])
    applied = node.member.log.applied
    node.compact(99)
    assert node.member.log.offset == applied


def test_a_group_may_sleep_when_everybody_has_applied_everything() -> None:
    g = group(1, 2, 3)
    g.nodes[1].tick()  # its heartbeat says what is committed
    g.settle()
    assert all(node.may_sleep() for node in g.nodes.values())
    g.away = {3}
    g.nodes[1].propose([b"x"])
    assert not g.nodes[1].may_sleep()
    g.settle()
    assert not g.nodes[1].may_sleep()
    g.away = set()
    for _ in range(2):
        g.nodes[1].tick()
        g.settle()
    assert g.nodes[1].may_sleep()
    assert not member(1).may_sleep()


def test_who_wakes_keeps_no_lease_and_a_leader_is_not_deposed_by_its_sleep() -> None:
    g = group(1, 2, 3)
    for node in g.nodes.values():
        for _ in range(3):
            node.tick()
        node.wake()
    assert not g.nodes[2].member.in_lease
    g.settle()
    for _ in range(30):
        for node in g.nodes.values():
            node.tick()
        g.settle()
    assert g.nodes[1].member.lead == g.nodes[2].member.lead == ONE
    assert g.nodes[1].member.term == 2
