"""A few members whose Readies are done at once, for examples that need no faults."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from dynakv.core.raft.config import Config
from dynakv.core.raft.membership import decode_change
from dynakv.core.raft.messages import (
    Entry,
    EntryKind,
    HardState,
    Kind,
    MemberId,
    Membership,
    Message,
    ReadState,
    Snapshot,
)
from dynakv.core.raft.node import RaftNode, Remembered


def ids(*numbers: int) -> tuple[MemberId, ...]:
    return tuple(MemberId(n) for n in numbers)


def member(
    number: int, voters: Sequence[int] = (1, 2, 3), learners: Sequence[int] = (), **knobs: object
) -> RaftNode:
    """Return a member of a group that begins behind entry 1 of term 1."""
    membership = Membership(ids(*voters), (), ids(*learners))
    begun = Remembered(HardState(1, commit=1), membership, 1, 1, 1)
    remembered = begun if voters else Remembered()  # a newcomer is blank
    config = Config(member_id=MemberId(number), **knobs)  # type: ignore[arg-type]
    node: RaftNode

    def newest() -> Snapshot:
        m = node.member
        return Snapshot(m.log.applied, m.log.term(m.log.applied) or 0, m.tracker.membership)

    node = RaftNode(config, remembered, Random(number), newest)
    return node


@dataclass
class Group:
    """Members by id; `applied` and `reads` are what each was told to apply and to serve."""

    nodes: dict[int, RaftNode]
    applied: dict[int, list[Entry]] = field(default_factory=dict)
    reads: dict[int, list[ReadState]] = field(default_factory=dict)
    away: set[int] = field(default_factory=set)
    sent: list[Message] = field(default_factory=list)

    def settle(self) -> None:
        """Do all Readies and deliver all messages until nothing is left."""
        for _ in range(1_000):
            messages: list[Message] = []
            for number, node in self.nodes.items():
                while node.has_ready():
                    messages += self._ready(number, node)
            if not messages:
                return
            for message in messages:
                if message.to not in self.away and message.sender not in self.away:
                    self.nodes[message.to].step(message)
        raise AssertionError("the group never settles")

    def _ready(self, number: int, node: RaftNode) -> Sequence[Message]:
        ready = node.ready()
        for entry in ready.committed:
            if entry.kind is not EntryKind.NORMAL:
                node.apply_change(decode_change(entry.data))
        self.applied.setdefault(number, []).extend(ready.committed)
        self.reads.setdefault(number, []).extend(ready.read_states)
        self.sent += ready.messages
        node.advance()
        return ready.messages

    def kinds(self) -> list[Kind]:
        """Return what was sent since the last look."""
        sent, self.sent = self.sent, []
        return [m.kind for m in sent]


def group(*numbers: int, leader: int = 1, **knobs: object) -> Group:
    """Return a settled group of voters with a leader."""
    made = Group({n: member(n, numbers, **knobs) for n in numbers})
    made.nodes[leader].campaign()
    made.settle()
    made.sent.clear()
    return made
