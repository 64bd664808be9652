"""Claims about `dynakv.node.raft_group`: who waits is told once, and what a write holds."""

from random import Random

import pytest

from dynakv.core.commands import Command, Put, Result
from dynakv.core.layout import NodeId
from dynakv.core.raft.config import Config
from dynakv.core.raft.messages import Kind, MemberId, Membership, Message
from dynakv.core.raft_rows import GroupState
from dynakv.core.raft_write import GroupWrite, GroupWritten
from dynakv.node.raft_group import Group
from dynakv.node.raft_messages import Verdict

ME, OTHER = MemberId(1), MemberId(2)


class Alone:
    """A group of some members, of which this test plays all but one."""

    def __init__(self, *voters: MemberId) -> None:
        state = GroupState(5, ME, 1, MemberId(0), 1, 1, 0, 1, 1, 1, Membership(voters or (ME,)), 0)
        nodes = {voter: NodeId(f"n{voter}") for voter in voters or (ME,)}
        config = Config(ME, forward_proposals=False)
        self.group = Group((7, 0), state, [], nodes, config, Random(1), lambda: 0)
        self.sent: list[Message] = []
        self.decided: list[tuple[Result, ...] | Verdict] = []

    def send(self, group: Group, messages: tuple[Message, ...]) -> None:
        assert group is self.group
        self.sent += messages

    def write(self) -> GroupWrite | None:
        self.group.begin_turn_end(100 << 16, 9)
        return self.group.next_ready(self.send)

    def settle(self) -> None:
        """Let the disk do everything until nothing is left."""
        while (write := self.write()) is not None:
            results: list[tuple[Result, ...]] = [() for _ in write.commands]
            self.group.written(GroupWritten(write.state, results, {}), self.send)

    def lead(self) -> None:
        self.group.raft.campaign()
        if OTHER in self.group.nodes:
            for kind in (Kind.PRE_VOTE_REPLY, Kind.VOTE_REPLY):
                self.settle()
                term = self.group.raft.member.term + (kind is Kind.PRE_VOTE_REPLY)
                self.group.raft.step(Message(kind, ME, OTHER, term))
        self.settle()
        assert self.group.leads


def command(sequence: int) -> Command:
    return Command(0, 0, (Put(b"k", b"v"),), 5, sequence)


def test_commands_of_one_turn_share_an_entry_and_carry_the_leaders_time() -> None:
    alone = Alone()
    alone.lead()
    for sequence in (1, 2):
        alone.group.propose(command(sequence), alone.decided.append)
    write = alone.write()
    assert write is not None
    assert len([entry for entry in write.entries if entry.data]) == 1
    alone.group.written(GroupWritten(write.state, [()] * len(write.commands), {}), alone.send)
    applied = alone.write()
    assert applied is not None
    assert [c.sequence for c in applied.commands] == [1, 2]
    assert {(c.time, c.writer) for c in applied.commands} == {(100 << 16, 9)}


def test_a_request_asked_twice_while_it_waits_is_proposed_once_and_answered_twice() -> None:
    alone = Alone()
    alone.lead()
    alone.group.propose(command(1), alone.decided.append)
    alone.group.propose(command(1), alone.decided.append)
    alone.settle()
    assert alone.decided == [(), ()]


def test_what_waits_is_lost_with_leadership() -> None:
    alone = Alone(ME, OTHER)
    alone.lead()
    alone.group.propose(command(1), alone.decided.append)
    reads: list[Verdict] = []
    alone.group.confirm(reads.append)
    alone.settle()
    assert alone.decided == []
    newer = alone.group.raft.member.term + 1
    alone.group.raft.step(Message(Kind.HEARTBEAT, ME, OTHER, newer, commit=1))
    alone.settle()
    assert alone.decided == [Verdict.LOST]
    assert reads == [Verdict.LOST]


def test_a_follower_takes_neither_commands_nor_reads() -> None:
    alone = Alone(ME, OTHER)
    reads: list[Verdict] = []
    alone.group.propose(command(1), alone.decided.append)
    alone.group.confirm(reads.append)
    alone.settle()
    assert alone.decided == [Verdict.NOT_LEADER]
    assert reads == [Verdict.NOT_LEADER]


def test_a_command_without_a_request_id_cannot_be_waited_for() -> None:
    alone = Alone()
    with pytest.raises(AssertionError):
        alone.group.propose(Command(0, 0, (Put(b"k", b"v"),)), alone.decided.append)


def test_group_time_passes_by_a_command_that_does_nothing_else() -> None:
    alone = Alone()
    alone.lead()
    verdicts: list[Verdict] = []
    alone.group.pass_time(5, verdicts.append)
    alone.write()
    assert verdicts == []
    alone.group.drop()
    assert verdicts == [Verdict.LOST]


def test_a_member_with_a_damaged_row_is_out_of_it() -> None:
    alone = Alone()
    alone.lead()
    alone.group.propose(command(1), alone.decided.append)
    write = alone.write()
    assert write is not None
    alone.group.written(GroupWritten(write.state, [], {}, b"k"), alone.send)
    assert alone.decided == [Verdict.LOST]
    assert not alone.group.leads
    assert alone.write() is None
