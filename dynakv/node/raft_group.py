"""One member of one Raft group on its node: what it is asked, and what its Readies come to.

The core (`core/raft`) decides; this gives it commands and reads, turns a Ready into what is sent
and what is written, and tells whoever waits what became of it. Commands of one turn share one log
entry; each is still done by itself. Who waits is known by the request id of the command: whichever
entry carries it, and whoever leads when it is applied, it is answered once and for all.
"""

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.commands import Command, Result, decode_all, encode_all
from dynakv.core.layout import NodeId
from dynakv.core.raft.config import Config
from dynakv.core.raft.member import Role, SnapshotSource
from dynakv.core.raft.membership import InvalidChange, apply_change, decode_change
from dynakv.core.raft.messages import (
    EARLY_KINDS,
    NOBODY,
    Entry,
    EntryKind,
    HardState,
    MemberId,
    Membership,
    Message,
    Refusal,
)
from dynakv.core.raft.node import RaftNode, Ready, Remembered
from dynakv.core.raft_rows import GroupState
from dynakv.core.raft_write import GroupWrite, GroupWritten
from dynakv.node.raft_messages import Verdict

Where = tuple[int, int]  # keyspace id, group
Decided = Callable[[tuple[Result, ...] | Verdict], None]
Confirmed = Callable[[Verdict], None]  # DONE: what is applied now is current enough to be read

_REFUSED = {
    Refusal.TOO_MUCH_UNCOMMITTED: Verdict.BUSY,
    Refusal.TOO_MANY_READS: Verdict.BUSY,
}


class Group:
    """A member and what waits for it."""

    __slots__ = (
        "_asked_reads",
        "_confirmed",
        "_in_flight",
        "_late",
        "_led",
        "_pending",
        "_rounds",
        "_timed",
        "_turns",
        "_waiting",
        "broken",
        "idle_ticks",
        "nodes",
        "paused",
        "raft",
        "state",
        "uncached",
        "where",
    )

    def __init__(
        self,
        where: Where,
        state: GroupState,
        entries: list[Entry],
        nodes: dict[MemberId, NodeId],
        config: Config,
        random: Random,
        snapshot_source: SnapshotSource,
    ) -> None:
        """Begin a life on what the disk says; `nodes` are those of all members."""
        self.where = where
        # Invariant: what is durable. The core's own numbers may be ahead of it.
        self.state = state
        self.nodes = nodes
        hard_state = HardState(state.term, state.vote, state.commit)
        remembered = Remembered(
            hard_state, state.membership, state.applied, state.offset, state.offset_term, entries
        )
        self.raft = RaftNode(config, remembered, random, snapshot_source)
        self.broken = False  # a row that it needs is damaged: it takes part in nothing any more
        self.paused = False  # a page of its snapshot is being read: no Ready meanwhile
        self.uncached = False  # a generation of rows was left behind: entries of it may be cached
        self.idle_ticks = 0
        self._led = False
        self._pending: list[Command] = []
        self._asked_reads: list[Confirmed] = []
        self._rounds: dict[bytes, list[Confirmed]] = {}
        self._turns = 0
        self._confirmed: list[tuple[int, list[Confirmed]]] = []  # index to apply first, rising
        self._timed: list[tuple[int, Confirmed]] = []  # group time to reach
        self._waiting: dict[tuple[int, int], list[Decided]] = {}  # by request id
        self._in_flight: Ready | None = None
        self._late: tuple[Message, ...] = ()

    # --- facts -------------------------------------------------------------------------------

    @property
    def leads(self) -> bool:
        """Whether this member believes that it leads, and nobody else may soon."""
        member = self.raft.member
        return member.role is Role.LEADER and not self.broken and member.transferee == NOBODY

    @property
    def leader(self) -> NodeId | None:
        """The node that leads, as far as this member knows."""
        return self.nodes.get(self.raft.member.lead)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything of this group."""
        return not (
            self._waiting or self._rounds or self._confirmed or self._timed or self._in_flight
        )

    # --- in ----------------------------------------------------------------------------------

    def propose(self, command: Command, then: Decided) -> None:
        """Run a command with a request id; asked for twice, it is proposed once while it waits."""
        assert command.client, "only a command with a request id can be waited for"
        name = (command.client, command.sequence)
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.append(then)
            return
        self._waiting[name] = [then]
        self._pending.append(command)

    def confirm(self, then: Confirmed) -> None:
        """Learn when what is applied here includes all that was committed before now."""
        self._asked_reads.append(then)

    def pass_time(self, time: int, then: Confirmed) -> None:
        """Let group time reach `time`: a command that does nothing else carries it."""
        if self.state.time >= time:
            then(Verdict.DONE)
            return
        if not any(wanted >= time for wanted, _ in self._timed):
            self._pending.append(Command(time + 1, 0, ()))
        self._timed.append((time, then))

    def begin_turn_end(self, time: int, writer: int) -> None:
        """Hand what the turn gathered to the core. `time`: the leader's HLC, 0 if doubted."""
        pending, self._pending = self._pending, []
        if pending or self._asked_reads:
            self.idle_ticks = 0
        if pending:
            self._propose([_stamped(command, time, writer) for command in pending])
        reads, self._asked_reads = self._asked_reads, []
        if reads:
            self._ask_round(reads)

    def _propose(self, commands: list[Command]) -> None:
        verdict: Verdict | None = None if self.leads else Verdict.NOT_LEADER
        for chunk in _chunks(commands):
            if verdict is None:
                refusal = self.raft.propose([encode_all(chunk)])
                if refusal is None:
                    continue
                verdict = _REFUSED.get(refusal, Verdict.NOT_LEADER)
            for command in chunk:
                self._settle(command, verdict)
            self._end_timed(verdict)

    def _ask_round(self, reads: list[Confirmed]) -> None:
        self._turns += 1
        context = b"%d" % self._turns
        refusal = self.raft.read_index(context) if self.leads else Refusal.NO_LEADER
        if refusal is None:
            self._rounds[context] = reads
            return
        verdict = _REFUSED.get(refusal, Verdict.NOT_LEADER)
        for then in reads:
            then(verdict)

    # --- out ---------------------------------------------------------------------------------

    def next_ready(self, send: Callable[["Group", tuple[Message, ...]], None]) -> GroupWrite | None:
        """Take Readies until one needs the disk; return what it writes, None if none does.

        While a write is under way, or a page of a snapshot is read, nothing is taken.
        """
        while not (self._in_flight or self.paused or self.broken) and self.raft.has_ready():
            ready = self.raft.ready()
            self._see_roles()
            for state in ready.read_states:
                reads = self._rounds.pop(state.context, None)
                if reads is not None:
                    self._confirmed.append((state.index, reads))
            write = self._write_of(ready)
            early = tuple(m for m in ready.messages if m.kind in EARLY_KINDS)
            late = tuple(m for m in ready.messages if m.kind not in EARLY_KINDS)
            send(self, early)
            if write is not None:
                self._in_flight, self._late = ready, late
                return write
            send(self, late)
            self.raft.advance()
            self._serve_confirmed()
        return None

    def written(
        self, outcome: GroupWritten, send: Callable[["Group", tuple[Message, ...]], None]
    ) -> None:
        """Take note that the write is durable: send the rest, answer whoever waits."""
        ready, self._in_flight = self._in_flight, None
        assert ready is not None
        if outcome.damaged is not None:
            self.broken = True
            self._lose(Verdict.LOST)
            return
        self.state = outcome.state
        for entry in ready.committed:
            if entry.kind is not EntryKind.NORMAL:
                self.raft.apply_change(decode_change(entry.data))
        late, self._late = self._late, ()
        send(self, late)
        self.raft.advance()
        commands = (c for entry in ready.committed for c in _commands_of(entry))
        for command, results in zip(commands, outcome.results, strict=True):
            self._settle(command, results)
        for time, then in [t for t in self._timed if t[0] <= self.state.time]:
            self._timed.remove((time, then))
            then(Verdict.DONE)
        self._serve_confirmed()

    def _write_of(self, ready: Ready) -> GroupWrite | None:
        if not (ready.hard_state or ready.entries or ready.committed or ready.snapshot):
            return None
        assert ready.snapshot is None, "received snapshots are taken by `raft_snapshots.py`"
        state, removed = self.state, []
        hard = ready.hard_state or HardState(state.term, state.vote, state.commit)
        last = state.last
        if ready.entries:
            last = ready.entries[-1].index
            if last < state.last:
                removed.append((last + 1, state.last))
        member = self.raft.member
        offset, offset_term = member.log.offset, member.log.offset_term
        if offset > state.offset:
            removed.append((state.offset + 1, offset))
        applied = ready.committed[-1].index if ready.committed else state.applied
        return GroupWrite(
            *self.where,
            replace(
                state,
                term=hard.term,
                vote=hard.vote,
                commit=hard.commit,
                applied=applied,
                offset=offset,
                offset_term=offset_term,
                last=last,
                membership=_membership_after(state.membership, ready.committed),
            ),
            ready.entries,
            tuple(removed),
            tuple(c for entry in ready.committed for c in _commands_of(entry)),
        )

    # --- who waits ---------------------------------------------------------------------------

    def _see_roles(self) -> None:
        """Tell those who wait for what is lost with leadership."""
        leads = self.raft.member.role is Role.LEADER
        if self._led and not leads:
            self._lose(Verdict.LOST)
        self._led = leads

    def _lose(self, verdict: Verdict) -> None:
        waiting, self._waiting = self._waiting, {}
        for thens in waiting.values():
            for decided in thens:
                decided(verdict)
        rounds, self._rounds = self._rounds, {}
        for reads in rounds.values():
            for then in reads:
                then(verdict)
        self._end_timed(verdict)

    def drop(self) -> None:
        """Tell whoever waits that the group is no more: its keyspace was dropped."""
        self.broken = True
        self._lose(Verdict.LOST)

    def _end_timed(self, verdict: Verdict) -> None:
        timed, self._timed = self._timed, []
        for _, then in timed:
            then(verdict)

    def _settle(self, command: Command, outcome: tuple[Result, ...] | Verdict) -> None:
        for then in self._waiting.pop((command.client, command.sequence), ()):
            then(outcome)

    def _serve_confirmed(self) -> None:
        while self._confirmed and self._confirmed[0][0] <= self.state.applied:
            _, reads = self._confirmed.pop(0)
            for then in reads:
                then(Verdict.DONE)


def _stamped(command: Command, time: int, writer: int) -> Command:
    return replace(command, time=max(command.time, time), writer=writer)


def _commands_of(entry: Entry) -> tuple[Command, ...]:
    if entry.kind is not EntryKind.NORMAL or not entry.data:
        return ()
    return decode_all(entry.data)


def _membership_after(membership: Membership, committed: tuple[Entry, ...]) -> Membership:
    for entry in committed:
        if entry.kind is not EntryKind.NORMAL:
            outcome = apply_change(membership, decode_change(entry.data))
            assert not isinstance(outcome, InvalidChange), outcome
            membership = outcome.membership
    return membership


def _chunks(commands: list[Command]) -> list[list[Command]]:
    """Return the commands in pieces of one log entry each."""
    chunks: list[list[Command]] = [[]]
    size = 0
    for command in commands:
        weight = sum(len(op.key) + limits.RAFT_OPERATION_BYTES for op in command.operations)
        weight += sum(len(getattr(op, "value", b"")) for op in command.operations)
        if chunks[-1] and size + weight > limits.RAFT_MESSAGE_BYTES_MAX:
            chunks.append([])
            size = 0
        chunks[-1].append(command)
        size += weight
    return chunks
