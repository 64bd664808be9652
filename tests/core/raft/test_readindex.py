"""Rounds of reads (section 6.4)."""

from dynakv.core.raft.messages import Kind, Message
from dynakv.core.raft.readindex import ReadIndex
from tests.core.raft.group import ids

ONE, TWO = ids(1, 2)


def read(context: bytes) -> Message:
    return Message(Kind.READ_INDEX, context=context)


def test_reads_join_a_round_until_its_heartbeats_left() -> None:
    reads = ReadIndex()
    assert reads.add(read(b"a"), 5, ONE)
    assert not reads.add(read(b"b"), 6, ONE)
    reads.heartbeats_left()
    assert reads.add(read(b"c"), 7, ONE)
    assert [r.round for r in reads.waiting] == [1, 1, 2]
    assert reads.newest_waiting() == 2


def test_a_confirmed_round_confirms_all_before_it_and_none_after() -> None:
    reads = ReadIndex()
    for context in (b"a", b"b", b"c"):
        reads.add(read(context), 5, ONE)
        reads.heartbeats_left()
    assert [r.message.context for r in reads.confirm(2)] == [b"a", b"b"]
    assert len(reads) == 1
    assert reads.confirm(2) == []


def test_answers_never_go_back() -> None:
    reads = ReadIndex()
    reads.acknowledge(TWO, 5)
    assert reads.acknowledge(TWO, 3) == {TWO: 5}
