"""One simulated process: the shell around a node, with a disk that takes time and may fail.

It does what the real shell does (`server/driver.py`): a turn lets due timers run first, then takes
what came in, STORE replies before frames before clients, and ends with the effects of all of it; a
peer's ask ends in exactly one reply, at the latest at its deadline; what leaves in one turn to one
peer is one frame. In part of the runs a turn waits for a few milliseconds, so that much comes
together; in the others each message is a turn of its own.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from operator import itemgetter
from random import Random

from dynakv.core.record import Record
from dynakv.core.table import MergeRecords, ReadReply, Reply
from dynakv.node.messages import (
    STORE,
    Answer,
    Ask,
    ClientMessage,
    Effect,
    Failed,
    Halt,
    Note,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
)
from dynakv.node.node import Node
from dynakv.sim.callers import Caller
from dynakv.sim.clock import MachineClock
from dynakv.sim.disk import Disk
from dynakv.sim.holding import Hold, left_of, saves_in
from dynakv.sim.knobs import Knobs
from dynakv.sim.network import Envelope, Network, through_codec
from dynakv.sim.store import Store
from dynakv.sim.timeline import MS, Timeline
from dynakv.sim.trace import Trace

Watch = Callable[[str, list[Record]], None]  # (node, records that it sends out to be saved)
_Act = tuple["Rank", Callable[..., None], tuple[object, ...]]


class Rank(IntEnum):
    """In which order a turn takes what came in."""

    STORE = 0
    FRAME = 1
    CLIENT = 2


class Process:
    """A machine with its disk and clock, and the node that runs on it now and then."""

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        random: Random,
        trace: Trace,
        knobs: Knobs,
        disk: Disk,
        clock: MachineClock,
        watch: Watch,
    ) -> None:
        """Begin switched off. `watch` sees every batch of records that leaves to be saved."""
        self.name = name
        self.disk = disk
        self.store = Store(timeline, random, knobs, disk, self._stored, self.crash)
        self.clock = clock
        self.network: Network | None = None
        self.node: Node | None = None
        self.life = 0
        self.paused = False
        self.pauses = 0
        self.crash_after: int | None = None  # effects of a coming turn that still happen
        self.hold: Hold | None = None  # a pause in the middle of a coming turn
        self.on_late: Callable[[Save], None] = lambda _: None  # of a client, held up by a pause
        self.on_death: Callable[[Process], None] = lambda _: None
        self.on_start: Callable[[Process], None] = lambda _: None
        self.on_turn: Callable[[Process], None] = lambda _: None  # after what it sent is on its way
        self.notes: dict[str, int] = {}
        self.gathered = 0  # turns in which several clients' messages came together
        self._timeline = timeline
        self._random = random
        self._trace = trace
        self._knobs = knobs
        self._watch = watch
        self._begin_life()

    def _begin_life(self) -> None:
        self.store.begin_life()
        self._inbox: list[_Act] = []
        self._undone: list[Effect] = []  # of the turn in whose middle the process was paused
        self._turn_planned = False
        self._asks: dict[int, None] = {}  # of this node to peers, unanswered
        self._deadlines: dict[int, list[int]] = {}
        self._callers: dict[int, Caller | tuple[str, int]] = {}
        self._calls = 0
        self._wake_ms: int | None = None

    # --- life and death ----------------------------------------------------------------------

    def start(self) -> None:
        """Start the node on what the disk remembers."""
        assert self.node is None
        self.life += 1
        self._begin_life()
        self._trace.add(f"{self.name} start {self.life}")
        random = Random(self._random.getrandbits(64))  # noqa: S311 - a seed decides
        config = self._knobs.config(self.name)
        self.node = Node(self.disk.start(), config, random, self.clock.now())
        self.on_start(self)
        self._flush()

    def crash(self, why: str) -> None:
        """Die now: everything but the disk is gone, and of that what was not durable."""
        if self.node is None:
            return
        self._trace.add(f"{self.name} crash {why}")
        self.node = None
        self.paused = False
        self.crash_after = self.hold = None
        self.disk.crash(survives=self._random.random() < 0.5)
        callers = list(self._callers.values())
        callers += [act[2][1] for act in self._inbox if act[0] is Rank.CLIENT]  # type: ignore[misc]
        self._begin_life()
        for caller in callers:
            if not isinstance(caller, tuple):
                caller.broken()
        self.on_death(self)

    def pause(self) -> None:
        """Stop the process without its noticing; what arrives waits."""
        if self.node is not None and not self.paused:
            self._trace.add(f"{self.name} pause")
            self.paused = True
            self.pauses += 1

    def resume(self) -> None:
        """Go on, with what was left of the turn, and everything that arrived meanwhile."""
        if not self.paused:
            return
        self._trace.add(f"{self.name} resume")
        self.paused = False
        effects, self._undone = self._undone, []
        for save in saves_in(effects):
            self.on_late(save)
        self._do(effects, fatal=False)
        self._turns(self.life)

    # --- what comes in -----------------------------------------------------------------------

    def client(self, message: ClientMessage, caller: Caller) -> None:
        """Take a client's message; a dead process breaks the call."""
        if self.node is None:
            caller.broken()
        else:
            self._soon(Rank.CLIENT, self._client, message, caller)

    def receive(self, envelope: Envelope) -> bool:
        """Take a frame; False where nobody listens."""
        if self.node is None:
            return False
        self._soon(Rank.FRAME, self._receive, envelope)
        return True

    def fail(self, calls: list[int], reason: Reason) -> None:
        """Learn from the transport that asks failed."""
        if self.node is not None:
            self._soon(Rank.FRAME, self._failed, calls, reason)

    def _soon(self, rank: Rank, act: Callable[..., None], *arguments: object) -> None:
        """Leave something for the coming turn."""
        self._inbox.append((rank, act, arguments))
        self._plan_turn()

    def _plan_turn(self) -> None:
        if self.paused or self._turn_planned:
            return
        if not self._knobs.turn_ms:
            self._turns(self.life)
            return
        self._turn_planned = True
        delay_us = int(self._random.random() * self._knobs.turn_ms * MS)
        self._timeline.after(delay_us, self._turns, self.life)

    def _turns(self, life: int) -> None:
        """Take what came in: all in one turn, or each in a turn of its own."""
        if life != self.life or self.node is None or self.paused:
            return
        self._turn_planned = False
        inbox, self._inbox = self._inbox, []
        if self._knobs.turn_ms or not inbox:
            self._turn(inbox)
            return
        pauses = self.pauses
        for i, act in enumerate(inbox):
            if self.pauses != pauses:
                self._inbox = inbox[i:] + self._inbox
                return
            if life == self.life and self.node is not None:
                self._turn([act])
            elif act[0] is Rank.CLIENT:  # it had arrived when the process died
                act[2][1].broken()  # type: ignore[attr-defined]

    def _turn(self, acts: list[_Act]) -> None:
        node, now = self._node, self.clock.now()
        wake_ms = node.wake_at()
        if wake_ms is not None and wake_ms <= now.mono_ms:
            node.disk_full(full=self.store.full)
            node.tick(now)
        acts.sort(key=itemgetter(0))
        for _, act, arguments in acts:
            act(*arguments)
        self.gathered += sum(act[0] is Rank.CLIENT for act in acts) > 1
        self._flush()

    def _client(self, message: ClientMessage, caller: Caller) -> None:
        self._calls += 1
        self._callers[self._calls] = caller
        self._node.asked(self._calls, message, self.clock.now(), None)

    def _receive(self, envelope: Envelope) -> None:
        node, now = self._node, self.clock.now()
        if self._knobs.codec:
            envelope = through_codec(envelope)
        if not node.heard(envelope.header, now):
            self._trace.add(f"{self.name} foreign {envelope.sender}")
            return
        for call, reply in envelope.replies:
            if call in self._asks:
                del self._asks[call]
                node.answered(call, reply, now)
        for call, message in envelope.asks:
            self._calls += 1
            self._callers[self._calls] = (envelope.sender, call)
            node.asked(self._calls, message, now, envelope.sender)

    def _failed(self, calls: list[int], reason: Reason) -> None:
        now = self.clock.now()
        for call in calls:
            if call in self._asks:
                del self._asks[call]
                self._node.answered(call, Failed(reason), now)

    def _expire(self, life: int, deadline_ms: int) -> None:
        if life == self.life and self.node is not None:
            self.fail(self._deadlines.pop(deadline_ms), Reason.BROKEN)

    def _wake(self, life: int, wake_ms: int) -> None:
        if life == self.life and self.node is not None and wake_ms == self._wake_ms:
            self._wake_ms = None
            self._plan_turn()

    def _stored(
        self, calls: list[int], replies: Sequence[Reply | ReadReply], sequence: int | None
    ) -> None:
        """Hear from STORE; a commit sequence comes with the replies of a transaction."""
        if sequence is not None:
            self._trace.add(f"{self.name} commit {sequence} {len(calls)}")
        self._soon(Rank.STORE, self._take_stored, calls, replies, sequence)

    def _take_stored(
        self, calls: list[int], replies: Sequence[Reply | ReadReply], sequence: int | None
    ) -> None:
        node, now = self._node, self.clock.now()
        if sequence is not None:
            self.store.committed()
            node.committed(sequence)
        for call, reply in zip(calls, replies, strict=True):
            node.answered(call, reply, now)

    @property
    def _node(self) -> Node:
        assert self.node is not None
        return self.node

    # --- what goes out -----------------------------------------------------------------------

    def _flush(self) -> None:
        """End a turn: do what the node wants done, up to the effect that kills or pauses it."""
        effects = self._node.take_effects()
        fatal = self.crash_after is not None and len(effects) > self.crash_after
        if fatal:
            effects = effects[: self.crash_after]
        left = None if fatal or self.hold is None else left_of(effects, self.hold)
        if left is not None and self.hold is not None:
            effects, self._undone = effects[:left], effects[left:]
            self._timeline.after(self.hold.span_us, self.resume)
            self.hold = None
            self.pause()
        self._do(effects, fatal=fatal)

    def _do(self, effects: list[Effect], *, fatal: bool) -> None:
        asks: dict[str, list[tuple[int, PeerMessage]]] = {}
        replies: dict[str, list[tuple[int, PeerReply]]] = {}
        halted = self._sort(effects, asks, replies)
        self._send(asks, replies)
        if fatal or halted is not None:
            self.crash(f"in turn {halted}")
        else:
            self.store.commit()
            self._plan_wake()
            self.on_turn(self)

    def _sort(
        self,
        effects: list[Effect],
        asks: dict[str, list[tuple[int, PeerMessage]]],
        replies: dict[str, list[tuple[int, PeerReply]]],
    ) -> str | None:
        """Hand effects to disk and clients, gather those for peers; the reason of a Halt."""
        fresh: list[Record] = []
        for effect in effects:
            if isinstance(effect, Ask):
                if isinstance(effect.message, Save | MergeRecords):
                    fresh += effect.message.records
                if effect.to == STORE:
                    self.store.ask(effect.call, effect.message)
                else:
                    asks.setdefault(effect.to, []).append((effect.call, effect.message))  # type: ignore[arg-type]
                    self._await(effect)
            elif isinstance(effect, Answer):
                self._answer(effect, replies)
            elif isinstance(effect, Note):
                self.notes[effect.event] = self.notes.get(effect.event, 0) + 1
                self._trace.add(f"{self.name} note {effect.event} {effect.fields}")
            elif isinstance(effect, Halt):
                return effect.reason
        if fresh:
            self._watch(self.name, fresh)
        return None

    def _await(self, ask: Ask) -> None:
        self._asks[ask.call] = None
        calls = self._deadlines.get(ask.deadline_ms)
        if calls is not None:
            calls.append(ask.call)
            return
        self._deadlines[ask.deadline_ms] = [ask.call]
        delay_us = self.clock.delay_until_us(ask.deadline_ms)
        self._timeline.after(delay_us, self._expire, self.life, ask.deadline_ms)

    def _answer(self, answer: Answer, replies: dict[str, list[tuple[int, PeerReply]]]) -> None:
        caller = self._callers.get(answer.call)
        assert caller is not None, f"{self.name} answers call {answer.call} once too often"
        if isinstance(caller, tuple):
            del self._callers[answer.call]
            sender, call = caller
            replies.setdefault(sender, []).append((call, answer.reply))  # type: ignore[arg-type]
        elif caller.answered(answer.reply):
            del self._callers[answer.call]

    def _send(
        self,
        asks: dict[str, list[tuple[int, PeerMessage]]],
        replies: dict[str, list[tuple[int, PeerReply]]],
    ) -> None:
        if not asks and not replies:
            return
        header = self._node.header()
        assert self.network is not None
        for peer in asks | replies:
            mine, answers = asks.get(peer, []), replies.get(peer, [])
            self._trace.add(
                f"{self.name} > {peer} {[(c, type(m).__name__) for c, m in mine]}"
                f" {[(c, type(r).__name__) for c, r in answers]}"
            )
            self.network.send(Envelope(self.name, peer, header, mine, answers))

    def _plan_wake(self) -> None:
        wake_ms = self._node.wake_at()
        if wake_ms is not None and (self._wake_ms is None or wake_ms < self._wake_ms):
            self._wake_ms = wake_ms
            delay_us = self.clock.delay_until_us(wake_ms)
            self._timeline.after(delay_us, self._wake, self.life, wake_ms)
