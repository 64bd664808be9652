"""Elections (dissertation, sections 3.4, 3.6.1, 4.2.3 and 9.6)."""

from dynakv.core.raft.member import Role
from dynakv.core.raft.messages import TRANSFER, Kind, MemberId, Message
from tests.core.raft.group import Group, group, ids, member

ONE, TWO, THREE = ids(1, 2, 3)


def ask(kind: Kind, term: int, index: int = 1, log_term: int = 1, **more: object) -> Message:
    return Message(kind, THREE, TWO, term=term, index=index, log_term=log_term, **more)


def answer(node, message: Message) -> Message:
    node.step(message)
    return node.ready().messages[-1]


def test_a_vote_is_given_once_a_term_and_repeated_to_the_same() -> None:
    node = member(3)
    assert not answer(node, ask(Kind.VOTE, 2)).reject
    node.advance()
    other = Message(Kind.VOTE, THREE, ONE, term=2, index=9, log_term=1)
    assert answer(node, other).reject
    node.advance()
    assert not answer(node, ask(Kind.VOTE, 2)).reject


def test_a_shorter_log_gets_no_vote() -> None:
    assert answer(member(3), ask(Kind.VOTE, 2, index=0, log_term=0)).reject


def test_a_pre_vote_changes_nothing_and_answers_in_the_asked_term() -> None:
    node = member(3)
    reply = answer(node, ask(Kind.PRE_VOTE, 5))
    assert (reply.kind, reply.term, reply.reject) == (Kind.PRE_VOTE_REPLY, 5, False)
    assert (node.member.term, node.member.vote) == (1, 0)


def test_a_member_that_hears_its_leader_votes_only_when_the_leader_asks_for_it() -> None:
    g = group(1, 2, 3)
    node, term = g.nodes[3], g.nodes[3].member.term
    node.step(ask(Kind.VOTE, term + 1, index=9, log_term=9))
    assert (node.member.term, node.has_ready()) == (term, False)
    assert not answer(node, ask(Kind.VOTE, term + 1, index=9, log_term=9, context=TRANSFER)).reject


def test_a_member_that_was_cut_off_does_not_raise_the_term() -> None:
    g = group(1, 2, 3)
    term = g.nodes[1].member.term
    g.away = {3}
    for _ in range(200):
        g.nodes[3].tick()
        g.settle()
    assert g.nodes[3].member.term == term
    g.away = set()
    g.settle()
    assert g.nodes[1].member.role is Role.LEADER


def test_a_leader_without_a_majority_steps_down() -> None:
    g = group(1, 2, 3)
    g.away = {2, 3}
    for _ in range(2 * g.nodes[1].member.config.election_ticks):
        g.nodes[1].tick()
    assert g.nodes[1].member.role is Role.FOLLOWER


def test_the_own_vote_counts_only_when_it_is_durable() -> None:
    node = member(1, (1,), pre_vote=False)
    node.campaign()
    assert node.member.role is Role.CANDIDATE
    ready = node.ready()
    assert ready.must_sync
    assert node.member.role is Role.CANDIDATE
    node.advance()
    assert node.member.role is Role.LEADER


def test_a_lost_election_ends_the_candidacy() -> None:
    node = member(1, pre_vote=False)
    node.campaign()
    node.ready()
    node.advance()
    for voter in (TWO, THREE):
        node.step(Message(Kind.VOTE_REPLY, ONE, voter, term=2, reject=True))
    assert node.member.role is Role.FOLLOWER


def test_neither_learners_nor_strangers_campaign() -> None:
    for node in (member(4, learners=(4,)), member(5)):
        node.campaign()
        assert node.member.role is Role.FOLLOWER


def test_leadership_is_handed_over_when_the_log_is_complete() -> None:
    g = group(1, 2, 3)
    g.nodes[2].transfer_leader(MemberId(3))  # through the leader
    g.settle()
    assert [n.member.role for n in g.nodes.values()] == [Role.FOLLOWER, Role.FOLLOWER, Role.LEADER]
    assert Kind.PRE_VOTE not in g.kinds()


def test_timeouts_differ_between_members() -> None:
    timeouts = {member(n).member.election_timeout for n in range(1, 20)}
    assert min(timeouts) >= 10
    assert max(timeouts) < 20
    assert len(timeouts) > 3
    assert isinstance(group(1, 2), Group)
