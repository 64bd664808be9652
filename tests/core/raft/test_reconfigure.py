"""Memberships taken into force (sections 4.2.2 and 4.3)."""

from dynakv.core.raft.member import Role
from dynakv.core.raft.membership import Change
from dynakv.core.raft.messages import Refusal
from tests.core.raft.describe import parse_changes
from tests.core.raft.group import group, ids, member


def test_an_automatic_joint_change_is_left_by_the_leader() -> None:
    g = group(1, 2, 3)
    g.nodes[4] = member(4, ())
    g.nodes[1].propose_change(Change(parse_changes("v4 r3")))
    g.settle()
    for number in (1, 2, 4):
        assert g.nodes[number].member.tracker.membership.voters == ids(1, 2, 4)
    assert not g.nodes[1].member.tracker.membership.joint


def test_a_removed_leader_steps_down_or_takes_no_more_proposals() -> None:
    g = group(1, 2, 3)
    g.nodes[1].propose_change(Change(parse_changes("r1")))
    g.settle()
    assert g.nodes[1].member.role is Role.FOLLOWER
    g = group(1, 2, 3, step_down_on_removal=False)
    g.nodes[1].propose_change(Change(parse_changes("r1")))
    g.settle()
    assert g.nodes[1].member.role is Role.LEADER
    assert g.nodes[1].propose([b"x"]) is Refusal.NOT_A_MEMBER


def test_a_smaller_quorum_commits_what_waited_for_the_larger() -> None:
    g = group(1, 2)
    leader = g.nodes[1]
    leader.propose_change(Change(parse_changes("r2")))
    g.settle()
    g.away = {2}
    leader.propose([b"alone"])
    g.settle()
    assert g.applied[1][-1].data == b"alone"


def test_a_transfer_to_who_is_removed_is_given_up() -> None:
    g = group(1, 2, 3)
    leader = g.nodes[1]
    leader.member.transferee = ids(3)[0]
    leader.apply_change(Change(parse_changes("r3")))
    assert leader.member.transferee == 0
