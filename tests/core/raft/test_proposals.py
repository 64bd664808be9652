"""Proposals, their quota, and which membership changes may enter the log (section 4.1)."""

from dynakv.core.raft.member import Role
from dynakv.core.raft.membership import Change, Transition
from dynakv.core.raft.messages import Refusal
from tests.core.raft.describe import parse_changes
from tests.core.raft.group import group, ids, member

ADD = Change(parse_changes("v4"))


def test_the_quota_bounds_the_uncommitted_tail_but_never_the_first_proposal() -> None:
    g = group(1, 2, 3, uncommitted_bytes_max=100)
    node = g.nodes[1]
    assert node.propose([bytes(200)]) is None
    assert node.propose([b"x"]) is Refusal.TOO_MUCH_UNCOMMITTED
    assert node.propose([b""]) is None
    g.settle()
    assert node.member.uncommitted_bytes == 0
    assert node.propose([b"x"]) is None


def test_one_change_is_pending_at_a_time() -> None:
    g = group(1, 2, 3)
    node = g.nodes[1]
    assert node.propose_change(ADD) is None
    assert node.propose_change(Change(parse_changes("v5"))) is Refusal.CHANGE_REFUSED
    g.nodes[4] = member(4, ())
    g.settle()
    assert node.member.tracker.membership.voters == ids(1, 2, 3, 4)


def test_no_change_before_a_commit_in_the_own_term() -> None:
    node = member(1, (1,), pre_vote=False)
    node.campaign()
    node.ready()
    node.advance()
    assert node.member.role is Role.LEADER
    assert node.propose_change(ADD) is Refusal.CHANGE_REFUSED


def test_a_change_must_fit_whether_the_configuration_is_joint() -> None:
    g = group(1, 2, 3)
    node = g.nodes[1]
    assert node.propose_change(Change()) is Refusal.CHANGE_REFUSED
    g.settle()
    node.propose_change(Change(parse_changes("l3"), Transition.JOINT_EXPLICIT))
    g.settle()
    assert node.member.tracker.membership.joint
    assert node.propose_change(ADD) is Refusal.CHANGE_REFUSED
    g.settle()
    assert node.propose_change(Change()) is None
    g.settle()
    assert node.member.tracker.membership.learners == ids(3)


def test_who_leads_nobody_knows_refuses() -> None:
    assert member(1).propose([b"x"]) is Refusal.NO_LEADER
    g = group(1, 2, 3, forward_proposals=False)
    assert g.nodes[2].propose([b"x"]) is Refusal.FORWARDING_DISABLED
    g.nodes[1].member.transferee = ids(2)[0]
    assert g.nodes[1].propose([b"x"]) is Refusal.TRANSFERRING
