"""Which term counts, and which machine a message goes to (section 3.3)."""

import pytest

from dynakv.core.raft.member import Role
from dynakv.core.raft.messages import Kind, Message
from tests.core.raft.group import group, ids, member

ONE, TWO, THREE = ids(1, 2, 3)


@pytest.mark.parametrize("kind", [Kind.APPEND, Kind.HEARTBEAT])
def test_whoever_leads_a_higher_term_is_followed(kind: Kind) -> None:
    node = group(1, 2, 3).nodes[1]
    node.step(Message(kind, ONE, TWO, term=9))
    assert (node.member.term, node.member.role, node.member.lead) == (9, Role.FOLLOWER, TWO)


def test_an_old_leader_learns_of_the_term_from_a_follower() -> None:
    node = member(2)
    node.step(Message(Kind.HEARTBEAT, TWO, ONE, term=5))
    node.ready()
    node.advance()
    node.step(Message(Kind.APPEND, TWO, THREE, term=3))
    (reply,) = node.ready().messages
    assert (reply.kind, reply.to, reply.term, reply.index) == (Kind.APPEND_REPLY, THREE, 5, 0)
    assert node.member.lead == ONE


def test_old_votes_and_answers_are_ignored() -> None:
    node = group(1, 2, 3).nodes[1]
    for kind in (Kind.VOTE, Kind.APPEND_REPLY, Kind.HEARTBEAT_REPLY, Kind.SNAPSHOT):
        node.step(Message(kind, ONE, TWO, term=1, index=99))
    assert not node.has_ready()


def test_an_old_pre_vote_is_refused_aloud() -> None:
    node = group(1, 2, 3).nodes[2]
    node.step(Message(Kind.PRE_VOTE, TWO, THREE, term=1))
    (reply,) = node.ready().messages
    assert (reply.kind, reply.reject, reply.term) == (Kind.PRE_VOTE_REPLY, True, 2)


def test_a_candidate_yields_to_the_leader_of_its_term() -> None:
    node = member(1, pre_vote=False)
    node.campaign()
    node.step(Message(Kind.APPEND, ONE, TWO, term=2, index=1, log_term=1))
    assert (node.member.role, node.member.lead) == (Role.FOLLOWER, TWO)


def test_ticks_lead_to_elections_and_heartbeats() -> None:
    node = member(1, (1,))
    for _ in range(20):
        node.tick()
        while node.has_ready():
            node.ready()
            node.advance()
    assert node.member.role is Role.LEADER
    g = group(1, 2)
    g.nodes[1].tick()
    g.settle()
    assert Kind.HEARTBEAT in g.kinds()


def test_a_forgotten_leader_no_longer_keeps_from_voting() -> None:
    node = group(1, 2, 3).nodes[2]
    assert node.member.in_lease
    node.forget_leader()
    assert not node.member.in_lease
