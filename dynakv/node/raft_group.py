"""One member of one Raft group on its node: what it is asked, and what its Readies come to.

The core (`core/raft`) decides; this gives it commands and reads, turns a Ready into what is sent
and what is written, and tells whoever waits what became of it. Commands of one turn share one log
entry; each is still done by itself. Who waits is known by the request id of the command: whichever
entry carries it, and whoever leads when it is applied, it is answered once and for all.
"""

from collections.abc import Callable, Iterable
from random import Random

from dynakv import limits
from dynakv.core.commands import Command, Result, encode_all
from dynakv.core.layout import NodeId
from dynakv.core.raft.config import Config
from dynakv.core.raft.member import Role
from dynakv.core.raft.membership import decode_change
from dynakv.core.raft.messages import (
    EARLY_KINDS,
    NOBODY,
    Entry,
    EntryKind,
    HardState,
    Kind,
    MemberId,
    Message,
    Refusal,
    Snapshot,
)
from dynakv.core.raft.node import RaftNode, Ready, Remembered
from dynakv.core.raft_rows import GroupState, Replacement
from dynakv.core.raft_write import GroupWrite, GroupWritten
from dynakv.node.raft_entries import chunks, nodes_of, stamped, write_of
from dynakv.node.raft_messages import Verdict
from dynakv.node.raft_offers import Offer
from dynakv.node.raft_snapshot import snapshot_of, state_after

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
        "_applied",
        "_asked_reads",
        "_confirmed",
        "_in_flight",
        "_late",
        "_led",
        "_mono_ms",
        "_pending",
        "_quiet",
        "_rounds",
        "_timed",
        "_turns",
        "_waiting",
        "_wants_offer",
        "broken",
        "founders",
        "idle_ticks",
        "incarnations",
        "nodes",
        "offers",
        "paused",
        "raft",
        "staged",
        "state",
        "uncached",
        "where",
    )

    def __init__(
        self,
        where: Where,
        state: GroupState,
        entries: list[Entry],
        founders: dict[MemberId, NodeId],
        config: Config,
        random: Random,
        mono_ms: Callable[[], int],
    ) -> None:
        """Begin a life on what the disk says; `founders` are the nodes of the first members."""
        self.where = where
        # Invariant: what is durable. The core's own numbers may be ahead of it.
        self.state = state
        self.founders = founders
        self.nodes: dict[MemberId, NodeId] = {}  # of all members
        self.incarnations: dict[MemberId, int] = {}  # of those that replaced others
        self.know(state.replacements)
        hard_state = HardState(state.term, state.vote, state.commit)
        remembered = Remembered(
            hard_state, state.membership, state.applied, state.offset, state.offset_term, entries
        )
        self.raft = RaftNode(config, remembered, random, self._snapshot)
        self.broken = False  # a row that it needs is damaged: it takes part in nothing any more
        self.paused = False  # a page of its snapshot is being read: no Ready meanwhile
        self.offers: dict[MemberId, Offer] = {}  # snapshots that followers are fetching
        self.staged: Snapshot | None = None  # received, and about to become the state
        self._mono_ms = mono_ms
        self._wants_offer = False  # a follower needs a snapshot, and none could be made just then
        self._quiet: list[Callable[[], None]] = []  # to call, paused, when no write is under way
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
        self._applied: tuple[Command, ...] = ()  # by the write under way

    def know(self, replacements: Iterable[Replacement]) -> None:
        """Take note of which nodes have the members; a blank member is told by its leader."""
        self.incarnations = {one.member: one.incarnation for one in replacements}
        self.nodes = nodes_of(self.state.membership, self.founders, replacements)

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

    @property
    def reads_wait(self) -> bool:
        """Whether reads can be asked about; those that come during a round are the next one."""
        return bool(self._asked_reads) and not self._rounds

    @property
    def _may_propose(self) -> bool:
        """Whether what is pending need not wait for what was proposed before it.

        Commands that come while others are undecided become one entry: what an entry costs, here
        and on its way, hardly depends on how many commands are in it.
        """
        proposed = len(self._waiting) - len(self._pending)
        return proposed <= 0 or len(self._pending) >= limits.RAFT_PENDING_MIN or not self.leads

    def propose(self, command: Command, then: Decided) -> None:
        """Run a command with a request id; asked for twice, it is proposed once while it waits."""
        assert command.client, "only a command with a request id can be waited for"
        if self.broken:
            then(Verdict.LOST)
            return
        name = (command.client, command.sequence)
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.append(then)
            return
        self._waiting[name] = [then]
        self._pending.append(command)

    def confirm(self, then: Confirmed) -> None:
        """Learn when what is applied here includes all that was committed before now."""
        if self.broken:
            then(Verdict.LOST)
        else:
            self._asked_reads.append(then)

    def pass_time(self, time: int, then: Confirmed) -> None:
        """Let group time reach `time`: a command that does nothing else carries it."""
        if self.state.time >= time or self.broken:
            then(Verdict.LOST if self.broken else Verdict.DONE)
            return
        if not any(wanted >= time for wanted, _ in self._timed):
            self._pending.append(Command(time + 1, 0, ()))
        self._timed.append((time, then))

    def begin_turn_end(self, time: int, writer: int) -> None:
        """Hand what the turn gathered to the core. `time`: the leader's HLC, 0 if doubted."""
        if self._pending or self._asked_reads:
            self.idle_ticks = 0
        if self._pending and self._may_propose:
            pending, self._pending = self._pending, []
            self._propose([stamped(command, time, writer) for command in pending])
        if self.reads_wait:
            reads, self._asked_reads = self._asked_reads, []
            self._ask_round(reads)

    def _propose(self, commands: list[Command]) -> None:
        verdict: Verdict | None = None if self.leads else Verdict.NOT_LEADER
        for chunk in chunks(commands):
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
        if self._quiet and not (self._in_flight or self.paused):
            self.paused = True
            self._quiet.pop(0)()
        while not (self._in_flight or self.paused or self.broken) and self.raft.has_ready():
            ready = self.raft.ready()
            self._see_roles()
            for message in ready.messages:
                if message.kind is Kind.SNAPSHOT and message.snapshot is not None:
                    self._offer(message.to, message.snapshot.index)
            for state in ready.read_states:
                reads = self._rounds.pop(state.context, None)
                if reads is not None:
                    self._confirmed.append((state.index, reads))
            write = self._write_of(ready)
            early = tuple(m for m in ready.messages if m.kind in EARLY_KINDS)
            late = tuple(m for m in ready.messages if m.kind not in EARLY_KINDS)
            send(self, early)
            if write is not None:
                self._in_flight, self._late, self._applied = ready, late, write.commands
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
        changes = [entry for entry in ready.committed if entry.kind is not EntryKind.NORMAL]
        if changes or ready.snapshot is not None:
            self.know(self.state.replacements)
        for entry in changes:
            self.raft.apply_change(decode_change(entry.data))
        late, self._late = self._late, ()
        send(self, late)
        self.raft.advance()
        self._keep_for_offers(outcome)
        applied, self._applied = self._applied, ()
        if self._waiting:
            for command, results in zip(applied, outcome.results, strict=True):
                self._settle(command, results)
        for time, then in [t for t in self._timed if t[0] <= self.state.time]:
            self._timed.remove((time, then))
            then(Verdict.DONE)
        self._serve_confirmed()

    def _write_of(self, ready: Ready) -> GroupWrite | None:
        if not (ready.hard_state or ready.entries or ready.committed or ready.snapshot):
            return None
        begun = None if ready.snapshot is None else self._after_snapshot(ready.snapshot)
        log = self.raft.member.log
        return write_of(self.where, self.state, begun, ready, log, shows_before=bool(self.offers))

    # --- snapshots ---------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot | None:
        """Return one of what is applied, if that is exactly what is on disk."""
        if self._in_flight is not None:
            self._wants_offer = True
            return None
        term = self.raft.member.log.term(self.state.applied)
        return None if term is None else snapshot_of(self.state, term)

    def _offer(self, to: MemberId, index: int) -> None:
        known = self.offers.get(to)
        if known is None or known.index != index:
            self.offers[to] = Offer(index, self.state.generation, self._mono_ms())

    def _after_snapshot(self, snapshot: Snapshot) -> GroupState:
        """Return the state that a received snapshot makes; its rows lie in the next generation."""
        assert self.staged is snapshot, "a snapshot whose rows were not fetched"
        self.staged = None
        self.uncached = True
        return state_after(self.state, snapshot)

    def when_quiet(self, then: Callable[[], None]) -> None:
        """Call `then` when no write is under way, with `paused` set, which it has to end."""
        self._quiet.append(then)

    def end_offer(self, member: MemberId, *, failed: bool) -> None:
        """Forget the snapshot that a follower was offered."""
        if self.offers.pop(member, None) is not None and failed:
            self.raft.report_snapshot(member, failed=True)

    def end_old_offers(self, before_ms: int) -> None:
        """Forget snapshots for which nobody has asked since then, or that hold too much."""
        for member, offer in list(self.offers.items()):
            if offer.used_ms < before_ms or offer.too_large:
                self.end_offer(member, failed=True)

    def _keep_for_offers(self, outcome: GroupWritten) -> None:
        for offer in self.offers.values():
            offer.changed(outcome.rows_before, outcome.sessions_before)
        if self._wants_offer:
            self._wants_offer = False
            self.raft.offer_snapshots()

    # --- who waits ---------------------------------------------------------------------------

    def _see_roles(self) -> None:
        """Tell those who wait for what is lost with leadership."""
        leads = self.raft.member.role is Role.LEADER
        if self._led and not leads:
            self._lose(Verdict.LOST)
        self._led = leads

    def _lose(self, verdict: Verdict) -> None:
        pending, self._pending = self._pending, []
        for command in pending:
            self._settle(command, Verdict.NOT_LEADER)
        waiting, self._waiting = self._waiting, {}
        for thens in waiting.values():
            for decided in thens:
                decided(verdict)
        self.offers = {}
        rounds, self._rounds = self._rounds, {}
        for reads in rounds.values():
            for then in reads:
                then(verdict)
        self._end_timed(verdict)

    def drop(self) -> None:
        """Tell whoever waits that the group is no more: its keyspace was dropped."""
        self.broken = True
        self._lose(Verdict.LOST)
        quiet, self._quiet = self._quiet, []
        for gone in quiet:
            gone()

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
