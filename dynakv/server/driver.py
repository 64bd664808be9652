"""The driver: the one task that owns the node, and everything that happens in its turns.

Doors and links submit messages with a callback (no future per request); what arrives meanwhile
forms the next turn. A turn takes a bounded share of every queue, in this order: STORE replies, peer
replies, heartbeats, peer requests, clients; then it performs the effects and yields to the event
loop. Full queues refuse at the door. What the node asks of its disk goes through `disk_queue.py`.

Runs in one event loop; nothing here is called from another thread.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import structlog

from dynakv import limits
from dynakv.core.layout import Layout
from dynakv.errors import Failure, Kind
from dynakv.node.figures import Figures, QueueFigures, StoreFigures
from dynakv.node.messages import (
    CONTROL,
    STORE,
    Answer,
    Ask,
    ClientMessage,
    ClientReply,
    Effect,
    Failed,
    Halt,
    Header,
    Load,
    MemberView,
    Note,
    Now,
    PeerMessage,
    PeerReply,
    Reason,
    Refused,
    Save,
    Scan,
    entries_in,
)
from dynakv.node.node import Node
from dynakv.node.raft_figures import RaftFigures
from dynakv.node.repair_messages import ScanLeaves
from dynakv.node.tasks import TaskFigures
from dynakv.server.clients import Clients, Waiting
from dynakv.server.disk_queue import Disk, DiskQueue

log = structlog.get_logger()


class Links(Protocol):
    """What the driver needs of the links to the peers (`rpc/peers.py`)."""

    def send(self, ask: Ask) -> None:
        """Hand over an ask; exactly one reply comes back through `Driver.replied`."""


def read_clocks() -> Now:
    """Read both clocks as one moment, whatever the scheduler does in between."""
    while True:
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < limits.CLOCK_PAIR_MS * 1_000_000:
            return Now(wall // 1_000_000, after // 1_000_000)


class Driver:
    """Runs a node in the event loop; implements `rpc.ports.Inbox`."""

    def __init__(self, node: Node, disk: Disk, clocks: Callable[[], Now] = read_clocks) -> None:
        """Own the node; `start` begins the first turn."""
        self._node = node
        self._disk = disk
        self._clocks = clocks
        self._began_ms = clocks().mono_ms
        self._loop = asyncio.get_running_loop()
        self._links: Links | None = None
        self._store_replies: deque[tuple[int, object]] = deque()
        self._peer_replies: deque[tuple[int, PeerReply]] = deque()
        self._beats: deque[Waiting] = deque()
        self._peer_asks: deque[Waiting] = deque()
        self._clients = Clients(self._began_ms)
        self._calls = 0
        self._answers: dict[int, Callable[[PeerReply], None]] = {}
        self._peer_keys = 0
        self._peer_call_keys: dict[int, int] = {}
        self._queue = DiskQueue(disk, self._stored, node.committed, self._halt)
        self._scheduled = False
        self._draining = False
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._hold: asyncio.TimerHandle | None = None  # until clients' messages may leave
        self.halted: asyncio.Future[str] = self._loop.create_future()

    def start(self, links: Links) -> None:
        """Begin to take turns."""
        self._links = links
        self._schedule()

    # --- Inbox -------------------------------------------------------------------------------

    def client(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> bool:
        """Queue a client's message; False if too many keys wait for their answer."""
        if self._draining:
            failure = Failure(Kind.UNAVAILABLE, "nothing was done: the node is shutting down")
            self._loop.call_soon(answer, Refused(list(range(entries_in(message))), failure))
            return True
        call = self._calls + 1
        if self.halted.done() or not self._clients.let_in(call, message, answer, self._loop.time()):
            return False
        self._calls = call
        self._schedule()
        return True

    def drain(self) -> None:
        """Refuse clients from now on; what they asked before, and peers, are served.

        Leadership of Raft groups goes to others, so that nobody has to find out by waiting.
        """
        self._draining = True
        self._node.resign(self._clocks())
        self._schedule()

    def peer(
        self,
        sender: str,
        message: PeerMessage,
        answer: Callable[[PeerReply], None],
        timeout_ms: int = 0,
    ) -> bool:
        """Queue a peer's ask; False if too much of the peers' work waits."""
        # A busy node is not a dead one: heartbeats neither fill the queue nor find it full.
        count = _keys_in(message)
        if self._flushing:
            return False
        if (count and self._peer_keys + count > limits.INBOX_PEER_KEYS_MAX) or self.halted.done():
            return False
        self._peer_keys += count
        self._calls = call = self._calls + 1
        self._answers[call] = answer
        self._peer_call_keys[call] = count
        end_s = self._loop.time() + timeout_ms / 1000 if timeout_ms else float("inf")
        queue = self._beats if isinstance(message, CONTROL) else self._peer_asks
        queue.append((call, message, sender, end_s))
        self._schedule()
        return True

    def heard(self, header: Header) -> bool:
        """Take note of a frame's header; False: use nothing of the frame."""
        return self._node.heard(header, self._clocks())

    def replied(self, call: int, reply: PeerReply) -> None:
        """Queue the reply to an ask."""
        self._peer_replies.append((call, reply))
        self._schedule()

    def header(self) -> Header:
        """Return the header of a frame that leaves now."""
        return self._node.header()

    def layout(self) -> Layout:
        """Return the layout in force."""
        return self._node.layout

    def member_views(self) -> dict[str, MemberView]:
        """Return what this node believes of each member, itself included."""
        return self._node.context.member_views()

    def tasks(self) -> tuple[list[TaskFigures], bool]:
        """Return what the node works on beside its requests, and whether repair is paused."""
        context = self._node.context
        return context.tasks.figures(self._clocks().mono_ms), context.repair_paused

    def repair(self, keyspace_id: int | None, group: int | None) -> list[int]:
        """Begin to compare with every peer; return the ids of the tasks."""
        tasks = self._node.repair(keyspace_id, group, self._clocks())
        self._schedule()
        return tasks

    def accept_loss(self, keyspace_id: int | None) -> int:
        """Let groups that recover answer with what they hold; return how many they are."""
        groups = self._node.recovery.accept_loss(keyspace_id)
        self._schedule()
        return groups

    def pause_repair(self, *, paused: bool) -> None:
        """Stop or resume what is compared in the background."""
        self._node.context.repair_paused = paused

    async def flush(self) -> None:
        """Refuse the peers, and make durable what spares the next start a rebuild of its trees.

        A node that cannot within FLUSH_MS rebuilds them.
        """
        self._flushing = True
        flushed: asyncio.Future[None] = self._loop.create_future()

        def done() -> None:
            if not flushed.done():
                flushed.set_result(None)

        self._node.drain(done, self._clocks())
        self._schedule()
        ends: list[asyncio.Future[Any]] = [flushed, self.halted]
        await asyncio.wait(
            ends, timeout=limits.FLUSH_MS / 1000, return_when=asyncio.FIRST_COMPLETED
        )
        flushed.cancel()

    def figures(self) -> Figures:
        """Return what the node knows of itself."""
        queues = QueueFigures(self.unanswered(), self._peer_keys, limits.INBOX_CLIENT_KEYS_MAX)
        return Figures(self._node.figures(), self._clocks().mono_ms - self._began_ms, queues)

    def raft_figures(self) -> list[RaftFigures]:
        """Return what the node knows of its Raft groups."""
        return self._node.raft_figures()

    def take_leadership(self, keyspace_id: int, group: int) -> str:
        """Ask for the leadership of a Raft group; return why that is not possible, or nothing."""
        why = self._node.take_leadership(keyspace_id, group, self._clocks())
        self._schedule()
        return why

    def rebalance_leaders(self, keyspace_id: int | None) -> int:
        """Hand over the Raft groups that others should lead; return how many."""
        groups = self._node.rebalance_leaders(keyspace_id, self._clocks())
        self._schedule()
        return groups

    async def store_figures(self) -> StoreFigures:
        """Return how much lies on disk. Raises StorageError."""
        return await self._disk.figures()

    def unanswered(self) -> int:
        """Return how many keys of clients wait for their answer; large values count as more."""
        return self._clients.unanswered()

    # --- turns -------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Take a turn; one that fails leaves the node in a state that nobody foresaw."""
        self._scheduled = False
        if self.halted.done():
            return
        whole = False
        try:
            self._take_turn()
            whole = True
        finally:
            if not whole:
                self._halt("a turn of the node failed: this is a defect of DynaKV, see the log")

    def _take_turn(self) -> None:
        """Take a share of every queue, then perform what the node wants done."""
        node = self._node
        now = self._clocks()
        wake_ms = node.wake_at()
        if wake_ms is not None and wake_ms <= now.mono_ms:
            node.disk_full(full=self._disk.free_share() < limits.DISK_RESERVE_SHARE)
            node.tick(now)
        end_ns = time.monotonic_ns() + limits.TURN_MS_MAX * 1_000_000
        for queue in (self._store_replies, self._peer_replies):
            if queue:
                for _ in range(min(len(queue), limits.TURN_MESSAGES_MAX)):
                    call, reply = queue.popleft()
                    node.answered(call, reply, now)
        for asks in (self._beats, self._peer_asks):
            if asks:
                self._take_asks(_taken(asks), now, end_ns)
        for wave in self._clients.leaving(self._loop.time()):
            self._take_asks(wave, now, end_ns)
        self._perform(node.take_effects())
        if self._store_replies or self._peer_replies or self._beats or self._peer_asks:
            self._schedule()
        self._wait_for_clients()
        self._arm(now)

    def _take_asks(self, asks: Iterator[Waiting], now: Now, end_ns: int) -> None:
        """Take a share of what waits; what is too late nobody waits for any more."""
        now_s = self._loop.time()
        for taken in range(limits.TURN_MESSAGES_MAX):
            if taken >= limits.TURN_MESSAGES_MIN and time.monotonic_ns() > end_ns:
                break
            waiting = next(asks, None)
            if waiting is None:
                break
            call, message, sender, until_s = waiting
            if until_s < now_s:
                self._answer(call, _too_late(message))
            else:
                self._node.asked(call, message, now, sender)

    def _wait_for_clients(self) -> None:
        """Take another turn when more of the clients' messages may leave."""
        held_s = self._clients.held_s(self._loop.time())
        if held_s == 0.0:
            self._schedule()
        elif held_s is not None and self._hold is None:
            self._hold = self._loop.call_later(held_s, self._release)

    def _release(self) -> None:
        self._hold = None
        self._schedule()

    def _arm(self, now: Now) -> None:
        """Wake up for the node's next timer."""
        wake_ms = self._node.wake_at()
        if wake_ms is None or (self._timer is not None and self._timer_ms == wake_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = wake_ms
        self._timer = self._loop.call_later(max(wake_ms - now.mono_ms, 0) / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._schedule()

    def _perform(self, effects: list[Effect]) -> None:
        assert self._links is not None
        for effect in effects:
            if isinstance(effect, Ask):
                if effect.to != STORE:
                    self._links.send(effect)
                else:
                    self._queue.append(effect.call, effect.message)
            elif isinstance(effect, Answer):
                self._answer(effect.call, effect.reply)
            elif isinstance(effect, Note):
                log.info(effect.event, **effect.fields)
            else:
                assert isinstance(effect, Halt)
                self._halt(effect.reason)
        self._queue.pump()

    def _stored(self, replies: list[tuple[int, object]]) -> None:
        self._store_replies.extend(replies)
        self._schedule()

    def _answer(self, call: int, reply: object) -> None:
        now_s = self._loop.time()
        if not self._clients.answer(call, reply, now_s):  # type: ignore[arg-type]
            self._peer_keys -= self._peer_call_keys.pop(call)
            self._answers.pop(call)(reply)  # type: ignore[arg-type]

    def _halt(self, reason: str) -> None:
        if not self.halted.done():
            log.critical("halted", reason=reason)
            self.halted.set_result(reason)


def _taken(queue: deque[Waiting]) -> Iterator[Waiting]:
    """Yield what waits, oldest first; what was yielded is gone."""
    while queue:
        yield queue.popleft()


def _too_late(message: ClientMessage | PeerMessage) -> ClientReply | PeerReply:
    """Return the refusal of a message that waited until its deadline; nothing was done for it."""
    if isinstance(message, ClientMessage):
        failure = Failure(Kind.EXHAUSTED, "overloaded: the request waited until its deadline")
        return Refused(list(range(entries_in(message))), failure)
    return Failed(Reason.OVERLOADED)


def _keys_in(message: PeerMessage) -> int:
    if isinstance(message, Save):
        return len(message.records)
    if isinstance(message, Load):
        return len(message.keys)
    return message.rows_max if isinstance(message, Scan | ScanLeaves) else 0
