"""The configuration in force and who is known in it."""

from dynakv.core.raft.membership import Outcome
from dynakv.core.raft.messages import Membership
from dynakv.core.raft.quorum import VoteResult
from dynakv.core.raft.tracker import Tracker
from tests.core.raft.group import ids

ONE, TWO, THREE, FOUR = ids(1, 2, 3, 4)


def tracker(membership: Membership) -> Tracker:
    made = Tracker(4, 0)
    made.restore(membership, 10)
    return made


def test_who_stays_keeps_its_progress_and_who_is_fresh_begins_anew() -> None:
    t = tracker(Membership(ids(1, 2)))
    t.progress[ONE].match = t.progress[TWO].match = 7
    t.adopt(Outcome(Membership(ids(1, 2, 3)), ids(2, 3)), 12)
    assert [(m, p.match, p.recently_active) for m, p in t.progress.items()] == [
        (1, 7, True),
        (2, 0, True),
        (3, 0, True),
    ]
    assert t.progress[THREE].next == 12


def test_learners_neither_commit_nor_count_as_active() -> None:
    t = tracker(Membership(ids(1, 2, 3), (), ids(4)))
    for member in (ONE, FOUR):
        t.progress[member].match = 9
    assert t.committed() == 0
    for member, progress in t.progress.items():
        progress.recently_active = member in (ONE, FOUR)
    assert not t.quorum_active()


def test_the_first_vote_of_a_member_counts() -> None:
    t = tracker(Membership(ids(1, 2, 3)))
    t.record_vote(ONE, granted=True)
    t.record_vote(TWO, granted=False)
    t.record_vote(TWO, granted=True)
    assert t.vote_result() is VoteResult.PENDING


def test_both_halves_vote_and_only_a_lone_voter_decides_alone() -> None:
    t = tracker(Membership(ids(1), ids(1, 2)))
    assert t.voters() == [1, 2]
    assert not t.only_voter()
    assert tracker(Membership(ids(3))).only_voter()
