"""Roles and what changes with them."""

import pytest

from dynakv.core.raft.member import TRANSITIONS, Role
from dynakv.core.raft.messages import NOBODY, Kind
from tests.core.raft.group import group, member


def test_every_role_has_its_row_and_only_candidates_become_leaders() -> None:
    assert set(TRANSITIONS) == set(Role)
    assert [r for r in Role if Role.LEADER in TRANSITIONS[r]] == [Role.CANDIDATE]


def test_a_leader_cannot_campaign_and_a_follower_cannot_lead() -> None:
    leader = group(1, 2, 3).nodes[1].member
    with pytest.raises(AssertionError):
        leader.become_candidate()
    with pytest.raises(AssertionError):
        member(1).member.become_leader()


def test_a_new_term_forgets_the_vote_and_the_same_term_keeps_it() -> None:
    m = member(1).member
    m.become_candidate()
    m.become_follower(m.term, NOBODY)
    assert m.vote == m.id
    m.become_follower(m.term + 1, NOBODY)
    assert m.vote == NOBODY
    with pytest.raises(AssertionError):
        m.become_follower(1, NOBODY)


def test_votes_name_their_term_and_nothing_goes_to_oneself() -> None:
    m = member(1).member
    with pytest.raises(AssertionError):
        m.send(Kind.VOTE, m.id)
    with pytest.raises(AssertionError):
        m.send(Kind.APPEND, m.id)
