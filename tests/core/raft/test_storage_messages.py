"""Asynchronous storage; the scenarios of etcd and ours hold the rest."""

from dynakv.core.raft.member import Role
from dynakv.core.raft.messages import APPEND_THREAD, APPLY_THREAD, Kind
from tests.core.raft.group import member


def test_the_replies_of_storage_do_what_advance_does() -> None:
    node = member(1, (1,), pre_vote=False, async_storage=True)
    node.campaign()
    (order,) = node.ready().messages
    assert (order.kind, order.to, order.term, order.vote) == (
        Kind.STORAGE_APPEND,
        APPEND_THREAD,
        2,
        1,
    )
    for reply in order.replies:
        node.step(reply)
    assert node.member.role is Role.LEADER
    (order,) = node.ready().messages
    assert [r.kind for r in order.replies] == [Kind.APPEND_REPLY, Kind.STORAGE_APPEND_REPLY]
    for reply in order.replies:
        node.step(reply)
    work = node.ready().messages[-1]
    assert (work.kind, work.to, len(work.entries)) == (Kind.STORAGE_APPLY, APPLY_THREAD, 1)
    node.step(work.replies[0])
    assert node.member.log.applied == 2


def test_a_reply_of_an_older_term_proves_nothing() -> None:
    node = member(1, (1,), pre_vote=False, async_storage=True)
    node.campaign()
    for reply in node.ready().messages[0].replies:
        node.step(reply)
    late = node.ready().messages[0].replies[-1]
    node.member.become_follower(9, node.member.id)
    node.step(late)
    assert node.member.log.stable == 1
