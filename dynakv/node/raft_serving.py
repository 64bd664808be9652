"""What other nodes ask of the groups that this node leads: to run, to read, to scan."""

from collections.abc import Callable
from functools import partial

from dynakv.core.commands import Command, Result
from dynakv.core.record import Record
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.messages import Failed, PeerReply, Reason
from dynakv.node.raft_group import Group
from dynakv.node.raft_messages import (
    Forward,
    Forwarded,
    ForwardRead,
    ForwardScan,
    ReadForwarded,
    ScanForwarded,
    Verdict,
)
from dynakv.node.raft_reads import RaftReads, ScanRange

Reply = Callable[[PeerReply], None]


class RaftServing:
    """Serves peers; a group that is led elsewhere is answered with who leads it."""

    def __init__(self, ctx: Context, consensus: Consensus, reads: RaftReads) -> None:
        """Serve for the node of this context."""
        self._ctx = ctx
        self._consensus = consensus
        self._reads = reads

    def forward(self, message: Forward, reply: Reply) -> None:
        """Run commands; answered when the last one is decided."""
        group = self._led(message, reply)
        if isinstance(group, str):
            count = len(message.commands)
            reply(Forwarded([Verdict.NOT_LEADER] * count, [()] * count, group))
        elif group is not None:
            _Running(group, message.commands, self._own_name, reply).start()
            self._consensus.busy(group.where)

    def read(self, message: ForwardRead, reply: Reply) -> None:
        """Read keys."""
        group = self._led(message, reply)
        if isinstance(group, str):
            reply(ReadForwarded(Verdict.NOT_LEADER, [], group))
        elif group is not None:
            self._reads.read(group, message.keys, partial(self._found, group, reply))

    def scan(self, message: ForwardScan, reply: Reply) -> None:
        """Read a page of a range."""
        group = self._led(message, reply)
        if isinstance(group, str):
            reply(ScanForwarded(Verdict.NOT_LEADER, [], None, group))
        elif group is not None:
            wanted = ScanRange(
                message.start, message.after, message.end, message.rows_max, message.keys_only
            )
            self._reads.scan(group, wanted, partial(self._listed, group, reply))

    def _led(
        self, message: Forward | ForwardRead | ForwardScan, reply: Reply
    ) -> Group | str | None:
        """Return the group, or who leads it; None: the ask was refused as a whole."""
        placement = self._consensus.placement(message.keyspace)
        if placement is None:
            reply(Failed(Reason.UNKNOWN_KEYSPACE))
            return None
        if placement.epoch != message.epoch:
            reply(Failed(Reason.WRONG_EPOCH))
            return None
        group = self._consensus.groups.get((message.keyspace, message.group))
        if group is None:
            return ""
        if not group.leads:
            leader = group.leader or ""
            return "" if leader == self._ctx.node_id else leader
        if isinstance(message, Forward) and self._ctx.disk_full:
            reply(Failed(Reason.NO_SPACE))
            return None
        return group

    def _own_name(self, group: Group) -> str:
        leader = group.leader or ""
        return str(leader)

    def _found(
        self, group: Group, reply: Reply, verdict: Verdict, records: list[Record | None]
    ) -> None:
        reply(ReadForwarded(verdict, records, self._own_name(group)))

    def _listed(
        self,
        group: Group,
        reply: Reply,
        verdict: Verdict,
        records: list[Record],
        further: bytes | None,
    ) -> None:
        reply(ScanForwarded(verdict, records, further, self._own_name(group)))


class _Running:
    """The commands of one Forward."""

    def __init__(
        self,
        group: Group,
        commands: list[Command],
        leader: Callable[[Group], str],
        reply: Reply,
    ) -> None:
        self._group = group
        self._commands = commands
        self._leader = leader
        self._reply = reply
        self._left = len(commands)
        self._verdicts = [Verdict.LOST] * len(commands)
        self._results: list[tuple[Result, ...]] = [()] * len(commands)

    def start(self) -> None:
        if not self._commands:
            self._reply(Forwarded([], [], self._leader(self._group)))
        for i, command in enumerate(self._commands):
            self._group.propose(command, partial(self._decided, i))

    def _decided(self, i: int, outcome: tuple[Result, ...] | Verdict) -> None:
        if isinstance(outcome, Verdict):
            self._verdicts[i] = outcome
        else:
            self._verdicts[i] = Verdict.DONE
            self._results[i] = outcome
        self._left -= 1
        if not self._left:
            leader = self._leader(self._group)
            self._reply(Forwarded(self._verdicts, self._results, leader))
