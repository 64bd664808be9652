"""One simulated process: the shell around a node, with a disk that takes time and may fail.

It does what the real shell does (`server/driver.py`): one write transaction in flight, and what
waits forms the next one; a peer's ask ends in exactly one reply, at the latest at its deadline;
what leaves in one turn to one peer is one frame. And it dies, stops and comes back.
"""

from collections.abc import Callable
from random import Random

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.core.record import Record
from dynakv.core.table import (
    MergeRecords,
    Operation,
    Page,
    Read,
    ReadRecords,
    Reply,
    Rows,
    ScanRecords,
    bytes_in,
    rows_in,
)
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
from dynakv.node.node import Config, Node
from dynakv.sim.callers import Caller
from dynakv.sim.clock import MachineClock
from dynakv.sim.disk import Disk
from dynakv.sim.knobs import Knobs
from dynakv.sim.network import Envelope, Network, through_codec
from dynakv.sim.timeline import MS, Timeline
from dynakv.sim.trace import Trace

Watch = Callable[[str, list[Record]], None]  # (node, records that it sends out to be saved)


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
        self.clock = clock
        self.network: Network | None = None
        self.node: Node | None = None
        self.life = 0
        self.paused = False
        self.pauses = 0
        self.slow_disk = 1
        self.writes_to_fail = 0
        self.syncs_to_fail = 0
        self.crash_after: int | None = None  # effects of a coming turn that still happen
        self.on_death: Callable[[Process], None] = lambda _: None
        self.notes: dict[str, int] = {}
        self._timeline = timeline
        self._random = random
        self._trace = trace
        self._knobs = knobs
        self._watch = watch
        self._begin_life()

    def _begin_life(self) -> None:
        self._deferred: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._waiting: list[tuple[int, Operation]] = []
        self._committing = False
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
        knobs = self._knobs
        config = Config(
            node_id=NodeId(self.name),
            cache_bytes_max=knobs.cache_bytes_max,
            attempt_ms=knobs.attempt_ms,
            hedge_ms=knobs.hedge_ms,
            heartbeat_ms=knobs.heartbeat_ms,
            suspect_ms=knobs.suspect_ms,
        )
        random = Random(self._random.getrandbits(64))  # noqa: S311 - a seed decides
        self.node = Node(self.disk.start(), config, random, self.clock.now())
        self._flush()

    def crash(self, why: str) -> None:
        """Die now: everything but the disk is gone, and of that what was not durable."""
        if self.node is None:
            return
        self._trace.add(f"{self.name} crash {why}")
        self.node = None
        self.paused = False
        self.crash_after = None
        self.disk.crash(survives=self._random.random() < 0.5)
        callers = self._callers
        self._begin_life()
        for caller in callers.values():
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
        """Go on, with everything that arrived meanwhile."""
        if not self.paused:
            return
        self._trace.add(f"{self.name} resume")
        self.paused = False
        deferred, self._deferred = self._deferred, []
        life = self.life
        for act, arguments in deferred:
            if self.life != life or self.node is None:
                return
            act(*arguments)

    # --- what comes in -----------------------------------------------------------------------

    def client(self, message: ClientMessage, caller: Caller) -> None:
        """Take a client's message; a dead process breaks the call."""
        if self.node is None:
            caller.broken()
        else:
            self._do(self._client, message, caller)

    def receive(self, envelope: Envelope) -> bool:
        """Take a frame; False where nobody listens."""
        if self.node is None:
            return False
        self._do(self._receive, envelope)
        return True

    def fail(self, calls: list[int], reason: Reason) -> None:
        """Learn from the transport that asks failed."""
        if self.node is not None:
            self._do(self._failed, calls, reason)

    def _do(self, act: Callable[..., None], *arguments: object) -> None:
        if self.paused:
            self._deferred.append((act, arguments))
        else:
            act(*arguments)

    def _client(self, message: ClientMessage, caller: Caller) -> None:
        self._calls += 1
        self._callers[self._calls] = caller
        self._node.asked(self._calls, message, self.clock.now(), None)
        self._flush()

    def _receive(self, envelope: Envelope) -> None:
        node, now = self._node, self.clock.now()
        if self._knobs.codec:
            envelope = through_codec(envelope)
        if not node.heard(envelope.header, now):
            self._trace.add(f"{self.name} foreign {envelope.sender}")
            return
        for call, message in envelope.asks:
            self._calls += 1
            self._callers[self._calls] = (envelope.sender, call)
            node.asked(self._calls, message, now, envelope.sender)
        for call, reply in envelope.replies:
            if call in self._asks:
                del self._asks[call]
                node.answered(call, reply, now)
        self._flush()

    def _failed(self, calls: list[int], reason: Reason) -> None:
        now = self.clock.now()
        for call in calls:
            if call in self._asks:
                del self._asks[call]
                self._node.answered(call, Failed(reason), now)
        self._flush()

    def _expire(self, life: int, deadline_ms: int) -> None:
        if life == self.life and self.node is not None:
            self._do(self._failed, self._deadlines.pop(deadline_ms), Reason.BROKEN)

    def _wake(self, life: int, wake_ms: int) -> None:
        if life == self.life and self.node is not None and wake_ms == self._wake_ms:
            self._wake_ms = None
            self._do(self._tick)

    def _tick(self) -> None:
        self._node.tick(self.clock.now())
        self._flush()

    @property
    def _node(self) -> Node:
        assert self.node is not None
        return self.node

    # --- what goes out -----------------------------------------------------------------------

    def _flush(self) -> None:
        """End a turn: do what the node wants done, up to the effect that kills it."""
        node = self._node
        effects = node.take_effects()
        fatal = self.crash_after is not None and len(effects) > self.crash_after
        if fatal:
            effects = effects[: self.crash_after]
        asks: dict[str, list[tuple[int, PeerMessage]]] = {}
        replies: dict[str, list[tuple[int, PeerReply]]] = {}
        halted = self._sort(effects, asks, replies)
        self._send(asks, replies)
        if fatal or halted is not None:
            self.crash(f"in turn {halted}")
        else:
            self._commit()
            self._plan_wake()

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
                    self._ask_store(effect)
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

    def _ask_store(self, ask: Ask) -> None:
        if isinstance(ask.message, ReadRecords | ScanRecords):
            self._read(ask.call, ask.message)
        else:
            self._waiting.append((ask.call, ask.message))  # type: ignore[arg-type]

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

    # --- disk --------------------------------------------------------------------------------

    def _read(self, call: int, message: Read) -> None:
        """Read now or at the end of the wait: writes may overtake a read either way."""
        life = self.life
        delay_us = self._latency_us(self._knobs.read_ms)
        if self._random.random() < 0.5:
            self._timeline.after(delay_us, self._has_read, life, call, self.disk.read(message))
        else:
            self._timeline.after(delay_us, self._read_late, life, call, message)

    def _read_late(self, life: int, call: int, message: Read) -> None:
        if life == self.life:
            self._has_read(life, call, self.disk.read(message))

    def _has_read(self, life: int, call: int, rows: Rows | Page) -> None:
        if life == self.life and self.node is not None:
            self._do(self._stored, [call], [rows])

    def _commit(self) -> None:
        """Begin the next transaction with what waits, up to the limits."""
        if self._committing or not self._waiting:
            return
        rows = count = size = 0
        for _, operation in self._waiting:
            rows += rows_in(operation)
            size += bytes_in(operation)
            too_much = rows > limits.TRANSACTION_ROWS_MAX or size > limits.TRANSACTION_BYTES_MAX
            if count and too_much:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if self.writes_to_fail:
            self.writes_to_fail -= 1
            self._timeline.after(MS, self._disk_failed, self.life, "write")
            self._committing = True
            return
        self._committing = True
        self.disk.begin([operation for _, operation in batch])
        calls = [call for call, _ in batch]
        delay_us = self._latency_us(self._knobs.commit_ms)
        self._timeline.after(delay_us, self._synced, self.life, calls)

    def _synced(self, life: int, calls: list[int]) -> None:
        if life != self.life or self.node is None:
            return
        if self.syncs_to_fail:
            self.syncs_to_fail -= 1
            self._disk_failed(life, "sync")
            return
        replies = self.disk.sync()
        self._trace.add(f"{self.name} commit {self.disk.commit_sequence} {len(calls)}")
        self._do(self._committed, calls, replies, self.disk.commit_sequence)

    def _committed(self, calls: list[int], replies: list[Reply], sequence: int) -> None:
        self._committing = False
        self._node.committed(sequence)
        self._stored(calls, replies)

    def _stored(self, calls: list[int], replies: list[Reply] | list[Rows | Page]) -> None:
        now = self.clock.now()
        for call, reply in zip(calls, replies, strict=True):
            self._node.answered(call, reply, now)
        self._flush()

    def _disk_failed(self, life: int, what: str) -> None:
        """Fail-stop: a disk that reported an error is not asked again in this life."""
        if life == self.life:
            self.crash(f"disk {what} error")

    def _latency_us(self, mean_ms: int) -> int:
        drawn_us = int(self._random.expovariate(1 / (mean_ms * MS)))
        return 100 + min(drawn_us, 20 * MS) * self.slow_disk
