"""Majorities and pairs of them (dissertation, section 4.3)."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.raft.quorum import (
    NO_LIMIT,
    VoteResult,
    joint_committed,
    joint_vote,
    majority_committed,
    majority_vote,
)
from tests.core.raft.group import ids

SOME = st.sets(st.integers(1, 7)).map(lambda numbers: ids(*sorted(numbers)))
ACKED = st.dictionaries(st.integers(1, 7).map(lambda n: ids(n)[0]), st.integers(0, 5))


@given(SOME, ACKED)
def test_the_committed_index_is_the_largest_that_a_majority_has(voters, acked) -> None:
    index = majority_committed(voters, acked)
    if not voters:
        assert index == NO_LIMIT
        return
    holding = [sum(acked.get(v, 0) >= i for v in voters) * 2 > len(voters) for i in range(7)]
    assert holding[index]
    assert not any(holding[index + 1 :])


@given(SOME, SOME, ACKED)
def test_a_joint_quorum_needs_both_halves(new, old, acked) -> None:
    expected = min(majority_committed(new, acked), majority_committed(old, acked))
    assert joint_committed(new, old, acked) == joint_committed(old, new, acked) == expected


@given(SOME, SOME, st.dictionaries(st.integers(1, 7).map(lambda n: ids(n)[0]), st.booleans()))
def test_a_vote_is_decided_when_no_further_vote_can_change_it(new, old, votes) -> None:
    result = joint_vote(new, old, votes)
    everyone = {*new, *old}
    ends = {
        joint_vote(new, old, {**dict.fromkeys(everyone, last), **votes}) for last in (True, False)
    }
    assert (result is VoteResult.PENDING) == (len(ends) == 2)
    assert result is VoteResult.PENDING or ends == {result}


def test_half_of_the_votes_is_no_majority() -> None:
    assert majority_vote(ids(1, 2, 3, 4), {ids(1)[0]: True, ids(2)[0]: True}) is VoteResult.PENDING
