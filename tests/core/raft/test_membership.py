"""Membership changes as arithmetic; the confchange scenarios hold the rest."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.raft import membership
from dynakv.core.raft.membership import (
    LEAVE_JOINT,
    Change,
    ChangeKind,
    InvalidChange,
    MemberChange,
    Outcome,
    Transition,
    decode_change,
    encode_change,
)
from dynakv.core.raft.messages import MemberId, Membership
from tests.core.raft.describe import parse_changes
from tests.core.raft.group import ids

CHANGES = st.lists(
    st.builds(MemberChange, st.sampled_from(ChangeKind), st.integers(1, 5).map(MemberId)),
    max_size=4,
).map(tuple)


@given(st.lists(st.tuples(CHANGES, st.sampled_from(Transition)), max_size=8))
def test_every_change_keeps_the_invariant_of_memberships(made) -> None:
    now = Membership(ids(1))
    for changes, transition in made:
        outcome = membership.apply_change(now, Change(changes, transition))
        if isinstance(outcome, InvalidChange):
            continue
        before, now = now, outcome.membership
        assert now.voters
        assert not {*now.learners} & {*now.voters, *now.voters_outgoing}
        assert {*now.learners_next} <= {*now.voters_outgoing}
        assert now.joint or not (now.learners_next or now.auto_leave)
        if not (now.joint or before.joint):
            assert len({*now.voters} ^ {*before.voters}) <= 1  # their majorities overlap


def test_a_demoted_voter_waits_until_joint_ends() -> None:
    entered = membership.enter_joint(Membership(ids(1, 2)), parse_changes("l2 v3"), auto_leave=True)
    assert isinstance(entered, Outcome)
    joint = Membership(ids(1, 3), ids(1, 2), (), ids(2), auto_leave=True)
    assert entered == Outcome(joint, ids(3))
    assert membership.leave_joint(joint) == Outcome(Membership(ids(1, 3), (), ids(2)), ())


def test_who_is_removed_and_added_at_once_is_fresh() -> None:
    outcome = membership.simple(Membership(ids(1, 2)), parse_changes("r2 v2"))
    assert outcome == Outcome(Membership(ids(1, 2)), ids(2))


def test_a_change_survives_the_log() -> None:
    change = Change(parse_changes("v1 l2"), Transition.JOINT_EXPLICIT, b"why")
    assert decode_change(encode_change(change)) == change
    assert encode_change(LEAVE_JOINT) == b""
    assert decode_change(b"") == LEAVE_JOINT
