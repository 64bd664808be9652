"""The leader's side: appends, snapshots, heartbeats, reads (dissertation, 3.5, 3.10, 6.4)."""

from dynakv.core.raft.member import Role
from dynakv.core.raft.membership import Change, ChangeKind, MemberChange
from dynakv.core.raft.messages import Kind, MemberId, Message, ReadState, Refusal, Snapshot
from dynakv.core.raft.progress import Flow
from tests.core.raft.group import group, ids, member

ONE, TWO, THREE = ids(1, 2, 3)


def data_of(entries) -> list[bytes]:
    return [e.data for e in entries if e.data]


def test_followers_learn_what_is_committed_with_the_next_message_unless_told_at_once() -> None:
    g = group(1, 2, 3)
    g.nodes[1].propose([b"a"])
    g.settle()
    assert g.kinds() == [Kind.APPEND] * 2 + [Kind.APPEND_REPLY] * 2
    assert data_of(g.applied[1]) == [b"a"]
    assert data_of(g.applied[2]) == []
    g.nodes[1].propose([b"b"])
    g.settle()
    assert data_of(g.applied[2]) == [b"a"]
    g.nodes[1].tick()
    g.settle()
    assert data_of(g.applied[2]) == data_of(g.applied[3]) == [b"a", b"b"]
    eager = group(1, 2, 3, eager_commits=True)
    eager.nodes[1].propose([b"a"])
    eager.settle()
    assert data_of(eager.applied[2]) == data_of(eager.applied[3]) == [b"a"]


def test_a_change_of_members_is_told_at_once() -> None:
    g = group(1, 2, 3)
    assert g.nodes[1].propose_change(Change((MemberChange(ChangeKind.REMOVE, THREE),))) is None
    g.settle()
    assert 3 not in g.nodes[3].member.tracker.membership.voters


def test_what_is_proposed_is_applied_everywhere_in_one_order() -> None:
    g = group(1, 2, 3)
    assert g.nodes[1].propose([b"a", b"b"]) is None
    assert g.nodes[3].propose([b"c"]) is None  # passed on
    g.settle()
    g.nodes[1].tick()
    g.settle()
    assert {tuple(data_of(applied)) for applied in g.applied.values()} == {(b"a", b"b", b"c")}


def test_a_follower_that_was_away_catches_up_from_the_log() -> None:
    g = group(1, 2, 3, message_bytes_max=100, inflight_messages_max=2)
    g.away = {3}
    for i in range(20):
        g.nodes[1].propose([bytes([i]) * 60])
    g.settle()
    assert g.nodes[1].member.tracker.progress[THREE].inflights.full
    g.away = set()
    for _ in range(3):
        g.nodes[1].tick()
        g.settle()
    assert g.applied[3] == g.applied[1]
    appends = [m for m in g.sent if m.kind is Kind.APPEND and m.to == 3]
    assert max(len(m.entries) for m in appends) == 1


def test_a_follower_behind_the_kept_log_gets_a_snapshot() -> None:
    g = group(1, 2, 3)
    leader = g.nodes[1]
    g.away = {3}
    leader.propose([b"a"])
    g.settle()
    last = leader.member.log.last
    leader.compact(last)
    term, voters = leader.member.term, leader.member.tracker.membership
    leader.member.snapshot_source = lambda: _snapshot(last, term, voters)
    g.away = set()
    for _ in range(2):
        leader.tick()
        g.settle()
    assert Kind.SNAPSHOT in g.kinds()
    assert g.nodes[3].member.log.offset == last
    assert leader.member.tracker.progress[THREE].flow is Flow.REPLICATE


def _snapshot(index, term, membership):
    return Snapshot(index, term, membership)


def test_a_failed_snapshot_is_tried_again_after_a_heartbeat() -> None:
    g = group(1, 2, 3)
    progress = g.nodes[1].member.tracker.progress[THREE]
    progress.become_snapshot(40)
    g.nodes[1].report_snapshot(THREE, failed=True)
    assert (progress.flow, progress.paused) == (Flow.PROBE, True)
    assert progress.next == progress.match + 1
    progress.become_snapshot(40)
    g.nodes[1].report_snapshot(THREE, failed=False)
    assert progress.next == 41


def test_an_unreachable_follower_is_probed() -> None:
    g = group(1, 2, 3)
    g.nodes[1].report_unreachable(THREE)
    assert g.nodes[1].member.tracker.progress[THREE].flow is Flow.PROBE


def test_heartbeats_name_no_commit_beyond_what_is_known_to_match() -> None:
    g = group(1, 2, 3)
    leader = g.nodes[1]
    leader.member.tracker.progress[THREE].match = 1
    leader.tick()
    commits = {m.to: m.commit for m in leader.ready().messages if m.kind is Kind.HEARTBEAT}
    assert commits == {2: leader.member.log.committed, 3: 1}


def test_a_read_waits_for_a_majority() -> None:
    g = group(1, 2, 3)
    g.away = {2, 3}
    g.nodes[1].read_index(b"r")
    g.settle()
    assert not g.reads[1]
    g.away = set()
    g.nodes[1].tick()
    g.settle()
    assert g.reads[1] == [ReadState(g.nodes[1].member.log.committed, b"r")]


def test_a_follower_reads_through_the_leader_and_reads_of_a_turn_share_a_round() -> None:
    g = group(1, 2, 3)
    for context in (b"x", b"y", b"x"):
        g.nodes[2].read_index(context)
    g.settle()
    assert [r.context for r in g.reads[2]] == [b"x", b"y", b"x"]
    assert g.kinds().count(Kind.HEARTBEAT) == 2


def test_a_new_leader_reads_only_after_its_first_commit() -> None:
    node = member(1, (1,), pre_vote=False)
    node.campaign()
    node.ready()
    node.advance()
    assert node.member.role is Role.LEADER
    node.read_index(b"r")
    assert not node.ready().read_states
    node.advance()
    assert node.ready().read_states == (ReadState(2, b"r"),)


def test_reads_beyond_the_bound_are_refused() -> None:
    g = group(1, 2, 3, reads_max=1)
    assert g.nodes[1].read_index(b"1") is None
    assert g.nodes[1].read_index(b"2") is Refusal.TOO_MANY_READS


def test_leases_answer_at_once_where_they_are_wanted() -> None:
    g = group(1, 2, 3, read_leases=True)
    g.nodes[1].read_index(b"r")
    assert g.nodes[1].ready().read_states


def test_who_holds_more_than_its_leader_is_our_own_mistake() -> None:
    g = group(1, 2, 3)
    leader = g.nodes[1]
    reply = Message(Kind.APPEND_REPLY, ONE, TWO, term=leader.member.term, index=99)
    try:
        leader.step(reply)
    except AssertionError:
        return
    raise AssertionError("an impossible acknowledgement was taken")


def test_transfers_to_learners_and_to_oneself_are_ignored() -> None:
    node = group(1, 2, 3).nodes[1]
    node.transfer_leader(MemberId(1))
    assert node.member.transferee == 0
    node.member.tracker.progress[TWO].learner = True
    node.transfer_leader(TWO)
    assert node.member.transferee == 0
