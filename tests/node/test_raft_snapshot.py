"""Claims about `dynakv.node.raft_snapshot`: what a snapshot names is what its receiver becomes."""

from msgspec.structs import replace

from dynakv.core.raft.messages import MemberId, Membership, Snapshot
from dynakv.core.raft_rows import GroupState
from dynakv.node.raft_snapshot import snapshot_of, state_after, time_of

STATE = GroupState(
    1, MemberId(2), 7, MemberId(2), 90, 88, 1 << 60, 40, 5, 95, Membership((MemberId(2),)), 3
)


def test_a_receiver_stands_where_the_sender_stood_and_keeps_its_own_name_and_vote() -> None:
    snapshot = snapshot_of(STATE, 6)
    assert time_of(snapshot) == STATE.time
    mine = replace(STATE, member_id=MemberId(9), applied=3, commit=3, last=4, time=1, generation=0)
    after = state_after(mine, snapshot)
    assert (after.applied, after.commit, after.last, after.offset) == (88, 88, 88, 88)
    assert (after.offset_term, after.time, after.generation) == (6, STATE.time, 1)
    assert (after.member_id, after.term, after.vote) == (9, 7, 2)


def test_what_is_none_of_ours_has_no_time() -> None:
    assert time_of(Snapshot(1, 1, Membership(), b"\xc1")) is None
