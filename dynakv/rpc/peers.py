"""The links to the peers: asks go out in frames, each ends in exactly one reply.

Every peer has three lanes, each an Exchange stream on a connection of its own: control for
heartbeats, data for frames up to FRAME_BYTES_MAX, bulk for larger messages. On one connection an
8 MiB value would delay every heartbeat behind it by more than 100 ms.

Nothing here makes the node wait. An ask is appended to its lane and leaves with all others of the
turn; one that cannot leave fails at once, and how it failed says what may have happened:
UNREACHABLE and OVERLOADED before it was handed to gRPC, BROKEN after. What is unanswered is bounded
per peer, so a slow peer costs a fixed amount of memory and is noticed as refusals.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sized
from random import SystemRandom
from typing import Final, TypeAlias

import grpc.aio

from dynakv import limits
from dynakv.errors import PeerError
from dynakv.node.layout_messages import (
    AdoptLayout,
    ChangeKeyspaces,
    FetchLayout,
    KeyspacesChanged,
    LayoutAdopted,
    LayoutFetched,
)
from dynakv.node.messages import (
    CONTROL,
    FRAME_VERSION,
    Ask,
    Beat,
    Beaten,
    Failed,
    Load,
    Loaded,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
    Saved,
    Scan,
    Scanned,
)
from dynakv.node.raft_messages import RaftStep
from dynakv.rpc import codec
from dynakv.rpc.gossip_codec import fits_gossip
from dynakv.rpc.ports import Inbox
from dynakv.rpc.raft_codec import fits_raft
from dynakv.rpc.repair_codec import fits_repair
from dynakv.rpc.tasks import start

_METHOD: Final = "/dynakv.v1.NodeInternal/Exchange"
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # else the lanes would share one connection
    ("grpc.enable_http_proxy", 0),  # a proxy of the environment is not for peers
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", limits.KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
    # A keepalive may ride on a ping sent for another purpose, which has a timeout of its own.
    ("grpc.http2.ping_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", limits.RECONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", limits.RECONNECT_MS_MAX),
    ("grpc.min_reconnect_backoff_ms", limits.CONNECT_MS_MAX),
)
_Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"  # generic for the type checker only


class Counters:
    """What happened on all links together; plain integers for the metrics."""

    __slots__ = ("frames_sent", "late_replies", "overloaded", "peer_errors", "streams_broken")

    def __init__(self) -> None:
        """Begin at zero."""
        self.frames_sent = 0
        self.late_replies = 0  # came after their ask was given up
        self.overloaded = 0  # asks refused because too much was unanswered
        self.peer_errors = 0  # streams ended because the peer broke the protocol
        self.streams_broken = 0  # open streams that ended otherwise


class Peers:
    """All links of one node. Create and use it in the event loop of the node's driver."""

    def __init__(
        self,
        inbox: Inbox,
        addresses: Mapping[str, str],
        *,
        mono_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        """Begin to connect to each peer: node id -> host:port of its NodeInternal.

        `mono_ms` is the clock of the asks' deadlines.
        """
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()
        self.counters = Counters()
        bodies = _Bodies()
        self._links = {
            node_id: _Link(inbox, node_id, address, mono_ms, self.counters, bodies)
            for node_id, address in addresses.items()
        }

    def send(self, ask: Ask) -> None:
        """Take an ask to a peer; its one reply comes by `inbox.replied`, never from in here."""
        link = self._links.get(ask.to)
        reason = Reason.UNREACHABLE if link is None else link.send(ask)
        if reason is not None:
            self._loop.call_soon(self._inbox.replied, ask.call, Failed(reason))

    async def close(self) -> None:
        """End all links; what is unanswered fails as if its stream had broken."""
        await asyncio.gather(*(link.close() for link in self._links.values()))


class _Bodies:
    """The bytes of the message sent last: a write sends one and the same to all its replicas."""

    __slots__ = ("_body", "_message")

    def __init__(self) -> None:
        self._message: PeerMessage | None = None
        self._body = b""

    def of(self, message: PeerMessage) -> bytes:
        if message is not self._message:
            self._message, self._body = message, codec.ask_body(message)
        return self._body


class _Link:
    """The lanes to one peer and what they may have outstanding together.

    Invariant: `asks` and `bytes` count what stands in the lanes' `waiting`.
    """

    def __init__(
        self,
        inbox: Inbox,
        node_id: str,
        address: str,
        mono_ms: Callable[[], int],
        counters: Counters,
        bodies: _Bodies,
    ) -> None:
        self._bodies = bodies
        self.inbox = inbox
        self.node_id = node_id
        self.counters = counters
        self._mono_ms = mono_ms
        self._calls = 0  # numbers given to asks on the wire
        self._asks = 0
        self._bytes = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._control = _Lane(self, address)
        self._data = _Lane(self, address)
        self._bulk = _Lane(self, address)

    def send(self, ask: Ask) -> Reason | None:
        """Append an ask to its lane, or return why not."""
        timeout_ms = ask.deadline_ms - self._mono_ms()
        message = ask.message
        assert isinstance(message, PeerMessage)
        lane = self._control if _is_control(message) else self._data
        # A peer counts as up by its heartbeats: none before everything else can reach it, too.
        is_open = self._control.is_open and self._data.is_open and self._bulk.is_open
        if timeout_ms <= 0 or not is_open:
            return Reason.UNREACHABLE
        self._calls += 1
        part = codec.ask_part_of(self._calls, timeout_ms, self._bodies.of(message))
        size = len(part)
        if size > limits.FRAME_BYTES_MAX:
            lane = self._bulk
        if lane is self._control:
            size = 0  # a busy peer is not a dead one: heartbeats neither fill nor find it full
        elif not self._has_room(size):
            self.counters.overloaded += 1
            return Reason.OVERLOADED
        self._asks += 1
        self._bytes += size
        lane.append(self._calls, part, ask, size)
        if self._sweeping is None:
            self._sweep_later()
        return None

    def release(self, size: int) -> None:
        """Take note that an ask of this size is no longer outstanding."""
        self._asks -= 1
        self._bytes -= size

    async def close(self) -> None:
        """End the lanes."""
        await asyncio.gather(*(lane.close() for lane in self._lanes()))
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _has_room(self, size: int) -> bool:
        if not self._bytes:
            # Else the largest request, which is as large as the bound, could never be sent.
            return size <= limits.PART_BYTES_MAX
        return (
            self._asks < limits.OUTSTANDING_ASKS_MAX
            and self._bytes + size <= limits.OUTSTANDING_BYTES_MAX
        )

    def _lanes(self) -> tuple["_Lane", ...]:
        return (self._control, self._data, self._bulk)

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(limits.SWEEP_MS / 1000, self._sweep)

    def _sweep(self) -> None:
        """Give up asks past their deadline. O(unanswered), every SWEEP_MS while there are any."""
        self._sweeping = None
        now_ms = self._mono_ms()
        for lane in self._lanes():
            lane.fail([call for call, (ask, _) in lane.waiting.items() if ask.deadline_ms < now_ms])
        if self._asks and self._sweeping is None:
            self._sweep_later()


class _Lane:
    """One stream to a peer, opened again whenever it breaks."""

    def __init__(self, link: _Link, address: str) -> None:
        self._link = link
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._exchange: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = (
            self._channel.stream_stream(_METHOD)
        )
        self._jitter = SystemRandom()
        self._written = 0  # the last number handed to gRPC; a lane's numbers rise
        self._pending: deque[tuple[int, bytes]] = deque()
        self._filled = asyncio.Event()
        self.waiting: dict[int, tuple[Ask, int]] = {}  # unanswered asks with their sizes
        self.is_open = False
        self._task = start(self._run())

    def append(self, wire_call: int, part: bytes, ask: Ask, size: int) -> None:
        """Let an ask leave with the next frame; `size` is what it counts for."""
        self.waiting[wire_call] = (ask, size)
        self._pending.append((wire_call, part))
        self._filled.set()

    def fail(self, wire_calls: Iterable[int]) -> None:
        """Give asks up and report them: anything may have become of those handed over."""
        for wire_call in wire_calls:
            ask, size = self.waiting.pop(wire_call)
            self._link.release(size)
            written = wire_call <= self._written
            reason = Reason.BROKEN if written else Reason.UNREACHABLE
            self._link.inbox.replied(ask.call, Failed(reason))

    async def close(self) -> None:
        """End the stream and fail what is unanswered."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._channel.close()

    async def _run(self) -> None:
        wait_ms = limits.RECONNECT_MS
        counters = self._link.counters
        while True:
            was_open = False
            try:
                was_open = await self._serve_stream()
            except PeerError:
                counters.peer_errors += 1
            if was_open:
                counters.streams_broken += 1
                wait_ms = limits.RECONNECT_MS
            # Peers that lost the same node must not return to it in step.
            await asyncio.sleep(wait_ms * self._jitter.uniform(0.5, 1.5) / 1000)
            wait_ms = min(2 * wait_ms, limits.RECONNECT_MS_MAX)

    async def _serve_stream(self) -> bool:
        """Open a stream and stay until it ends; say whether it was open.

        Raises PeerError where the peer broke the protocol or is another node than the address
        promised.
        """
        # Waiting for the connection leaves its retries, fast at first, to gRPC.
        call = self._exchange(wait_for_ready=True)
        writer: asyncio.Task[None] | None = None
        try:
            while (raw := await call.read()) is not grpc.aio.EOF:
                assert isinstance(raw, bytes)
                self._take(codec.decode_frame(raw))
                if writer is None:
                    self.is_open = True
                    writer = start(self._write(call))
        except grpc.aio.AioRpcError:
            pass  # how it ended matters to nobody: the asks fail, the stream is opened again
        finally:
            self.is_open = False
            call.cancel()
            self._pending.clear()
            self.fail(list(self.waiting))
            if writer is not None:
                writer.cancel()
        return writer is not None

    async def _write(self, call: _Call) -> None:
        """Send what is appended, all of a turn of the loop in as few frames as it fits in."""
        try:
            while True:
                # Setting the event resumes this in the loop's next turn: by then the asks of the
                # current one are all there.
                await self._filled.wait()
                self._filled.clear()
                while parts := self._gather():
                    self._link.counters.frames_sent += 1
                    await call.write(codec.frame(self._link.inbox.header(), parts))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the stream has ended: its reader learns that as well and fails the asks

    def _gather(self) -> list[bytes]:
        parts: list[bytes] = []
        size = 0
        while self._pending:
            wire_call, part = self._pending[0]
            if parts and size + len(part) > limits.FRAME_BYTES_MAX:
                break
            self._pending.popleft()
            if wire_call in self.waiting:  # else its deadline passed before it could leave
                self._written = wire_call
                parts.append(part)
                size += len(part)
        return parts

    def _take(self, frame: codec.Frame) -> None:
        header = frame.header
        if header.node_id != self._link.node_id:
            raise PeerError(
                f"the address of {self._link.node_id} leads to {header.node_id}: "
                "the member lists of the two differ"
            )
        if frame.asks:
            raise PeerError(f"{header.node_id} sent asks on a stream that carries its replies")
        heard = header.version <= FRAME_VERSION and self._link.inbox.heard(header)
        for wire_call, reply in frame.replies:
            self._replied(wire_call, reply, heard=heard)

    def _replied(self, wire_call: int, reply: PeerReply, *, heard: bool) -> None:
        if wire_call not in self.waiting:
            self._link.counters.late_replies += 1
            return
        ask, size = self.waiting[wire_call]
        if not _fits(ask.message, reply):
            raise PeerError(f"{self._link.node_id} answered {ask.message!r:.40} with {reply!r:.40}")
        del self.waiting[wire_call]
        self._link.release(size)
        if not heard and not isinstance(reply, Failed):
            reply = Failed(Reason.BROKEN)  # a stranger has it: that is no replica's answer
        self._link.inbox.replied(ask.call, reply)


def _is_control(message: object) -> bool:
    """Say whether a message must not wait behind data: a sign of life, votes, Raft's heartbeats."""
    if isinstance(message, RaftStep):
        return not any(one.entries for one in message.messages)
    return isinstance(message, CONTROL)


def _fits(message: object, reply: PeerReply) -> bool:
    """Say whether the reply is of the ask's kind and has as many entries as it."""
    match message, reply:
        case Save(), Saved():
            count = len(message.records)
            return _parallel(reply.outcomes, count) and _parallel(reply.before, count)
        case Load(), Loaded():
            count = len(message.keys)
            return _parallel(reply.outcomes, count) and len(reply.records) == count
        case (Scan(), Scanned()) | (Beat(), Beaten()) | (_, Failed()):
            return True
        case (ChangeKeyspaces(), KeyspacesChanged()) | (AdoptLayout(), LayoutAdopted()):
            return True
        case FetchLayout(), LayoutFetched():
            return True
        case _:
            return any(fits(message, reply) for fits in (fits_repair, fits_raft, fits_gossip))


def _parallel(column: Sized | None, count: int) -> bool:
    return column is None or len(column) == count
