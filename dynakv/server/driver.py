"""The driver: the one task that owns the node, and everything that happens in its turns.

Doors and links submit messages with a callback (no future per request); what arrives meanwhile
forms the next turn. A turn takes a bounded share of every queue, in this order: STORE replies, peer
replies, heartbeats, peer requests, clients; then it performs the effects and yields to the event
loop. One write transaction is in flight; what arrives meanwhile is the next one, so group commit is
the loop itself. Full queues refuse at the door.

Runs in one event loop; nothing here is called from another thread.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from dynakv import limits
from dynakv.core.layout import Layout
from dynakv.core.table import (
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
from dynakv.errors import Failure, Kind, StorageError
from dynakv.node.messages import (
    STORE,
    Answer,
    Ask,
    Beat,
    ClientMessage,
    ClientReply,
    Effect,
    Expire,
    Failed,
    Get,
    Halt,
    Header,
    List,
    Load,
    MemberView,
    Note,
    Now,
    PeerMessage,
    PeerReply,
    Put,
    Reason,
    Refused,
    Save,
    Scan,
)
from dynakv.node.node import Node

log = structlog.get_logger()

_READS_IN_FLIGHT_MAX = 2  # one per reader thread of the store
# Call, message, sender (None: a client), and when, by the loop's clock, it is too late.
_Waiting = tuple[int, ClientMessage | PeerMessage, str | None, float]
_PAIR_MS_MAX = 5  # a pair of clock readings further apart than this is taken again


class Disk(Protocol):
    """What the driver needs of the store (`storage/store.py`); callbacks come in the loop."""

    def commit_soon(
        self, operations: list[Operation], done: Callable[[list[Reply] | StorageError], None]
    ) -> None:
        """Apply and make durable in one transaction."""

    def read_soon(
        self, requests: list[Read], done: Callable[[list[Rows | Page] | StorageError], None]
    ) -> None:
        """Read committed rows; one reply per request."""

    @property
    def commit_sequence(self) -> int:
        """Transactions committed so far."""

    def free_share(self) -> float:
        """Return the free share of the disk, 0 to 1."""


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
        if after - before < _PAIR_MS_MAX * 1_000_000:
            return Now(wall // 1_000_000, after // 1_000_000)


class Driver:
    """Runs a node in the event loop; implements `rpc.ports.Inbox`."""

    def __init__(self, node: Node, disk: Disk, clocks: Callable[[], Now] = read_clocks) -> None:
        """Own the node; `start` begins the first turn."""
        self._node = node
        self._disk = disk
        self._clocks = clocks
        self._loop = asyncio.get_running_loop()
        self._links: Links | None = None
        self._store_replies: deque[tuple[int, object]] = deque()
        self._peer_replies: deque[tuple[int, PeerReply]] = deque()
        self._beats: deque[_Waiting] = deque()
        self._peer_asks: deque[_Waiting] = deque()
        self._clients: deque[_Waiting] = deque()
        self._calls = 0
        self._answers: dict[int, Callable[[PeerReply], None]] = {}
        self._callers: dict[int, list[object]] = {}  # call -> [callback, entries unanswered]
        self._client_keys = 0  # keys of clients that are not answered yet
        self._peer_keys = 0
        self._peer_call_keys: dict[int, int] = {}
        self._writes: deque[tuple[int, Operation]] = deque()
        self._reads: deque[tuple[int, Read]] = deque()
        self._writing = False
        self._reading = 0
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self.halted: asyncio.Future[str] = self._loop.create_future()

    def start(self, links: Links) -> None:
        """Begin to take turns."""
        self._links = links
        self._schedule()

    # --- Inbox -------------------------------------------------------------------------------

    def client(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> bool:
        """Queue a client's message; False if too many keys wait for their answer."""
        count = _entries_in(message)
        if self._client_keys + count > limits.INBOX_CLIENT_KEYS_MAX or self.halted.done():
            return False
        self._client_keys += count
        self._calls = call = self._calls + 1
        self._callers[call] = [answer, count]
        end_s = self._loop.time() + (message.timeout_ms or limits.ATTEMPT_MS) / 1000
        self._clients.append((call, message, None, end_s))
        self._schedule()
        return True

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
        if (count and self._peer_keys + count > limits.INBOX_PEER_KEYS_MAX) or self.halted.done():
            return False
        self._peer_keys += count
        self._calls = call = self._calls + 1
        self._answers[call] = answer
        self._peer_call_keys[call] = count
        end_s = self._loop.time() + timeout_ms / 1000 if timeout_ms else float("inf")
        queue = self._beats if isinstance(message, Beat) else self._peer_asks
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

    def unanswered(self) -> int:
        """Return how many keys of clients wait for their answer."""
        return self._client_keys

    # --- turns -------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Take a share of every queue, then perform what the node wants done."""
        self._scheduled = False
        if self.halted.done():
            return
        node = self._node
        now = self._clocks()
        wake_ms = node.wake_at()
        if wake_ms is not None and wake_ms <= now.mono_ms:
            node.disk_full(full=self._disk.free_share() < limits.DISK_RESERVE_SHARE)
            node.tick(now)
        now_s = self._loop.time()
        end_ns = time.monotonic_ns() + limits.TURN_MS_MAX * 1_000_000
        for queue in (self._store_replies, self._peer_replies):
            for _ in range(min(len(queue), limits.TURN_MESSAGES_MAX)):
                call, reply = queue.popleft()
                node.answered(call, reply, now)
        for asks in (self._beats, self._peer_asks, self._clients):
            share = limits.TURN_MESSAGES_MAX // 8  # taken even when time is up already
            for taken in range(min(len(asks), limits.TURN_MESSAGES_MAX)):
                if taken >= share and time.monotonic_ns() > end_ns:
                    break
                call, message, sender, until_s = asks.popleft()
                if until_s < now_s:
                    # Nobody waits any more for what would be done now.
                    self._answer(call, _too_late(message))
                else:
                    node.asked(call, message, now, sender)
        self._perform(node.take_effects())
        if (
            self._store_replies
            or self._peer_replies
            or self._beats
            or self._peer_asks
            or self._clients
        ):
            self._schedule()
        self._arm(now)

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
                elif isinstance(effect.message, ReadRecords | ScanRecords):
                    self._reads.append((effect.call, effect.message))
                else:
                    self._writes.append((effect.call, effect.message))  # type: ignore[arg-type]
            elif isinstance(effect, Answer):
                self._answer(effect.call, effect.reply)
            elif isinstance(effect, Note):
                log.info(effect.event, **effect.fields)
            else:
                assert isinstance(effect, Halt)
                self._halt(effect.reason)
        self._write()
        self._read()

    def _answer(self, call: int, reply: object) -> None:
        caller = self._callers.get(call)
        if caller is None:
            self._peer_keys -= self._peer_call_keys.pop(call)
            self._answers.pop(call)(reply)  # type: ignore[arg-type]
            return
        callback, left = caller
        count = len(reply.entries)  # type: ignore[attr-defined]
        self._client_keys -= count
        if left == count:
            del self._callers[call]
        else:
            caller[1] = left - count  # type: ignore[operator]
        callback(reply)  # type: ignore[operator]

    # --- STORE -------------------------------------------------------------------------------

    def _write(self) -> None:
        """Hand the waiting writes to the disk as one transaction, if none is in flight."""
        if self._writing or not self._writes:
            return
        calls: list[int] = []
        operations: list[Operation] = []
        rows = size = 0
        while self._writes:
            call, operation = self._writes[0]
            rows += rows_in(operation)
            size += bytes_in(operation)
            full = rows > limits.TRANSACTION_ROWS_MAX or size > limits.TRANSACTION_BYTES_MAX
            if full and operations:
                break
            self._writes.popleft()
            calls.append(call)
            operations.append(operation)
        self._writing = True

        def done(replies: list[Reply] | StorageError) -> None:
            self._writing = False
            if isinstance(replies, StorageError):
                self._halt(str(replies))
                return
            self._node.committed(self._disk.commit_sequence)
            self._store_replies.extend(zip(calls, replies, strict=True))
            self._write()
            self._schedule()

        self._disk.commit_soon(operations, done)

    def _read(self) -> None:
        """Hand the waiting reads to the readers, grouped."""
        while self._reads and self._reading < _READS_IN_FLIGHT_MAX:
            calls: list[int] = []
            requests: list[Read] = []
            keys = 0
            while self._reads and (not calls or keys < limits.READ_KEYS_MAX):
                call, request = self._reads.popleft()
                keys += _rows_read_by(request)
                calls.append(call)
                requests.append(request)
            self._reading += 1
            self._disk.read_soon(requests, self._read_done(calls))

    def _read_done(self, calls: list[int]) -> Callable[[list[Rows | Page] | StorageError], None]:
        def done(replies: list[Rows | Page] | StorageError) -> None:
            self._reading -= 1
            if isinstance(replies, StorageError):
                self._halt(str(replies))
                return
            self._store_replies.extend(zip(calls, replies, strict=True))
            self._read()
            self._schedule()

        return done

    def _halt(self, reason: str) -> None:
        if not self.halted.done():
            log.critical("halted", reason=reason)
            self.halted.set_result(reason)


def _too_late(message: ClientMessage | PeerMessage) -> ClientReply | PeerReply:
    """Return the refusal of a message that waited until its deadline; nothing was done for it."""
    if isinstance(message, Put | Get | Expire | List):
        failure = Failure(Kind.EXHAUSTED, "overloaded: the request waited until its deadline")
        return Refused(list(range(_entries_in(message))), failure)
    return Failed(Reason.OVERLOADED)


def _rows_read_by(request: Read) -> int:
    return len(request.keys) if isinstance(request, ReadRecords) else request.rows_max


def _entries_in(message: ClientMessage) -> int:
    return 1 if isinstance(message, List) else max(len(message.keys), 1)


def _keys_in(message: PeerMessage) -> int:
    if isinstance(message, Save):
        return len(message.records)
    if isinstance(message, Load):
        return len(message.keys)
    return message.rows_max if isinstance(message, Scan) else 0
