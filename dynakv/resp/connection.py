"""One client's connection: requests in, replies out in the same order, and what may overtake what.

Every command takes a slot when it is accepted. Commands run side by side as far as nobody can see
their order; replies leave in the order of the slots. Two commands of one connection are ordered

* where a command's key has an earlier unanswered write (a write in the same column of the same turn
  needs no wait: entries of one message apply in order);
* where a write's key has earlier unanswered reads;
* on both sides of a command that names no keys (`Kind.BARRIER`).

The key includes the keyspace. What must wait keeps its slot, so the number of slots (`window.py`)
bounds memory: beyond it, requests wait in the backlog and the socket is not read. Nor is it while
the client does not take its replies.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, cast

from msgspec import Struct

from dynakv import limits
from dynakv.resp import replies
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, unknown, wrong_arity
from dynakv.resp.order import KeyOrder
from dynakv.resp.replies import CommandError
from dynakv.resp.requests import Request, RequestReader
from dynakv.resp.watched import Watched
from dynakv.resp.window import Window

if TYPE_CHECKING:
    from dynakv.resp.door import Door

_SENT: Final = b""  # in a slot whose reply has left: answered, and holding no memory


class _Waiting(Struct):
    """A command that may not run before its blockers are answered."""

    command: Command
    scope: Scope
    request: Request
    slot: Slot
    blockers: list[Slot]


class Connection(asyncio.Protocol):
    """Runs one client's commands."""

    def __init__(self, door: "Door", number: int) -> None:
        """Belong to `door`; `number` is what CLIENT ID says."""
        self.door = door
        self.turn = door.turn
        self.number = number
        self.scope = door.scope()
        self.protocol = 2
        self.null = replies.NULLS[2]
        self.name = b""
        self.client_info: dict[str, str] = {}
        self.database = 0
        self.since_ms = door.wall_ms()
        self.last_command = ""
        self.queued: list[Request] | None = None  # between MULTI and EXEC
        self.queued_bytes = 0
        self.aborted = False  # EXEC will refuse
        self.watched = Watched()
        self.dirty = False
        self.peer = ""
        self._reader = RequestReader()
        self._find = door.commands.get
        self._slots: deque[Slot] = deque()
        self._order = KeyOrder()  # of the selected keyspace
        self._orders = {self.scope.keyspace: self._order}
        self._waiting: list[_Waiting] = []
        self._backlog: deque[Request] = deque()
        self._barrier: Slot | None = None
        self._barrier_command: _Waiting | None = None
        self._window = Window()
        self._ending = False  # nothing more is read; closes with the last reply
        self._last_words = b""  # sent then
        self._unread = False  # the client does not take its replies
        self._reading = True
        self._transport: asyncio.Transport | None = None

    # --- the socket --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the client away."""
        transport = cast("asyncio.Transport", transport)  # uvloop's has its methods, not its class
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if peer else ""
        transport.set_write_buffer_limits(limits.RESP_OUTPUT_BYTES_MAX)
        _probe(transport)
        if not self.door.admit(self):
            self._last_words = replies.error("ERR max number of clients reached")
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; what the node still answers reaches nobody."""
        del exc
        self._transport = None
        self._ending = True
        for slot in self._slots:
            slot.link = None
        for order in self._orders.values():
            order.forget_all()
        self._slots.clear()
        self._waiting.clear()
        self._backlog.clear()
        self.door.leave(self)

    def data_received(self, data: bytes) -> None:
        """Run what is complete."""
        if self._ending:
            return
        reader = self._reader
        requests = reader.feed(data)
        self.door.received += len(requests)
        self._run(requests)
        if reader.error is not None and not self._ending:
            self.door.errors += 1
            self._last_words = replies.error(f"ERR Protocol error: {reader.error}")
            self.end()

    def eof_received(self) -> bool:
        """Answer what was asked, then close."""
        self.end()
        return True

    def pause_writing(self) -> None:
        """Hold replies back, and read nothing."""
        self._unread = True
        self._flow()

    def resume_writing(self) -> None:
        """Go on."""
        self._unread = False
        self.turn.answered(self)

    def end(self) -> None:
        """Read nothing more; close as soon as every reply has left."""
        self._ending = True
        self.turn.answered(self)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def closed(self) -> bool:
        """Whether the client is gone: long work for it may stop."""
        return self._transport is None

    @property
    def unanswered(self) -> int:
        """How many commands wait for their reply to leave."""
        return len(self._slots) + len(self._backlog)

    # --- replies -----------------------------------------------------------------------------

    def fill(self, slot: Slot, reply: bytes) -> None:
        """Answer a command."""
        slot.reply = reply
        if not self.dirty:
            self.turn.answered(self)

    def flush(self) -> None:
        """Send the replies that are complete and in order; start what waited for them."""
        self.dirty = False
        slots = self._slots
        if self._transport is None:
            return
        if not self._unread:
            out: list[bytes] = []
            while slots and (reply := slots[0].reply) is not None:
                slot = slots.popleft()
                slot.reply = _SENT
                slot.link = None  # slots are not seen by the collector: no cycles, no long chains
                out.append(reply)
            if out:
                whole = out[0] if len(out) == 1 else b"".join(out)
                self._transport.write(whole)
                self._window.sent(len(out), len(whole))
            for order in self._orders.values():
                if slots:
                    order.prune()
                else:
                    order.forget_all()
        if self._waiting:
            self._retry()
        if self._barrier_command is not None or self._backlog or not self._reading:
            self._go_on()
        if self._ending and not slots and not self._backlog:
            self._transport.write(self._last_words)
            self._transport.close()

    def _go_on(self) -> None:
        """Start the barrier when all before it is answered, then what came behind it."""
        waiting = self._barrier_command
        if waiting is not None and self._slots and self._slots[0] is waiting.slot:
            self._barrier_command = None
            self._start(waiting.command, waiting.scope, waiting.request, waiting.slot)
        if len(self._slots) <= self._window.slots // 2:
            self._drain()
        self._flow()

    def _drain(self) -> None:
        backlog = self._backlog
        while backlog and not self._held():
            self._accept(backlog.popleft())

    def _held(self) -> bool:
        """Say whether the next command must stay in the backlog."""
        if self._barrier is not None:
            if self._barrier.reply is None:
                return True
            self._barrier = None
        return len(self._slots) >= self._window.slots

    def _flow(self) -> None:
        """Read only while there is room for what comes."""
        reading = not self._backlog and not self._unread
        if reading is not self._reading and self._transport is not None:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- commands ----------------------------------------------------------------------------

    def _run(self, requests: Iterable[Request]) -> None:
        rest: Iterator[Request] = iter(requests)
        backlog = self._backlog
        if not backlog and not self._held():
            for request in rest:
                if self._ending:
                    return  # as after QUIT
                self._accept(request)
                if backlog or self._held():
                    break
        backlog.extend(rest)
        if backlog:
            self._drain()
            self._flow()

    def _accept(self, request: Request) -> None:
        """Give the command its slot, and run it now or when its turn comes."""
        if not request:
            return
        command = self._find(request[0]) or self._find(request[0].upper())
        if command is None:
            self._refuse(unknown(request))
        elif not command.fits(len(request)):
            self._refuse(wrong_arity(command.name))
        elif self.queued is not None and not command.immediate:
            self._queue(request)
        elif command.kind is Kind.KEYED:
            self.keyed(command, request)
        elif command.kind is Kind.LOCAL:
            self._local(command, request)
        else:
            self._all_or_nothing(command, request)

    def _refuse(self, complaint: CommandError) -> None:
        self.aborted = True
        self.door.errors += 1
        slot = Slot(None, self)
        self._slots.append(slot)
        self.fill(slot, replies.error(str(complaint)))

    def _queue(self, request: Request) -> None:
        """Keep a command for EXEC."""
        assert self.queued is not None
        self.queued_bytes += sum(map(len, request))
        if (
            len(self.queued) >= limits.RESP_QUEUED_MAX
            or self.queued_bytes > limits.RESP_QUEUED_BYTES_MAX
        ):
            most = f"{limits.RESP_QUEUED_MAX} commands of {limits.RESP_QUEUED_BYTES_MAX} bytes"
            self._refuse(CommandError(f"ERR a transaction holds at most {most} together"))
            return
        self.queued.append(request)
        slot = Slot(None, self)
        self._slots.append(slot)
        self.fill(slot, replies.QUEUED)

    def _local(self, command: Command, request: Request) -> None:
        slot = Slot(None, self)
        self._slots.append(slot)
        self.last_command = command.name
        assert command.local is not None
        try:
            reply = command.local(self, request)
        except CommandError as error:
            self.door.errors += 1
            reply = replies.error(str(error))
        self.fill(slot, reply)

    def _all_or_nothing(self, command: Command, request: Request) -> None:
        """Run a barrier at the head of the slots; whatever comes later waits in the backlog."""
        slot = Slot(None, self)
        self._slots.append(slot)
        self._barrier = slot
        if len(self._slots) == 1:
            self._start(command, self.scope, request, slot)
        else:
            self._barrier_command = _Waiting(command, self.scope, request, slot, [])

    def keyed(self, command: Command, request: Request) -> None:
        """Run a command when those before it have been answered that its keys must wait for."""
        slot = Slot(None, self)
        self._slots.append(slot)
        keys = command.keys(request)
        if len(self._slots) == 1:
            self._order.first(slot, keys, writes=command.writes)
            blockers = None
        elif command.writes:
            plain = command.name == "SET" and len(request) == 3
            joins = self.scope.puts if plain else None
            blockers = self._order.writing(slot, keys, joins)
        else:
            blockers = self._order.reading(slot, keys)
        if blockers:
            self._waiting.append(_Waiting(command, self.scope, request, slot, blockers))
        else:
            self._start(command, self.scope, request, slot)

    def _retry(self) -> None:
        """Start the commands whose blockers are all answered by now."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.blockers = [blocker for blocker in one.blockers if blocker.reply is None]
            if one.blockers:
                self._waiting.append(one)
            else:
                self._start(one.command, one.scope, one.request, one.slot)

    def _start(self, command: Command, scope: Scope, request: Request, slot: Slot) -> None:
        assert command.start is not None
        self.last_command = command.name
        try:
            command.start(self, scope, request, slot)
        except CommandError as error:
            self.door.errors += 1
            self.fill(slot, replies.error(str(error)))

    # --- what commands change ----------------------------------------------------------------

    def speak(self, protocol: int) -> None:
        """Change the protocol version; only from a barrier: earlier replies are out."""
        self.protocol = protocol
        self.null = replies.NULLS[protocol]

    def select(self, scope: Scope, database: int) -> None:
        """Let later commands work in another keyspace or at another level."""
        self.database = database
        self.scope = scope
        self._order = self._orders.setdefault(scope.keyspace, KeyOrder())

    def quit(self) -> None:
        """Read nothing more, run nothing more, close with the last reply."""
        self._backlog.clear()
        self.end()

    def execute(self, requests: list[Request]) -> None:
        """Run these before whatever else is waiting."""
        self._backlog.extendleft(reversed(requests))

    def reset(self) -> None:
        """Forget everything that a client may set, but its id."""
        self.speak(2)
        self.select(self.door.scope(), 0)
        self.name = b""
        self.watched.take()
        self.discard()

    def discard(self) -> None:
        """Forget a transaction."""
        self.queued = None
        self.queued_bytes = 0
        self.aborted = False


def _probe(transport: asyncio.Transport) -> None:
    """Let the kernel notice a client that vanished without a word; as tcp-keepalive of Redis."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.RESP_KEEPALIVE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.RESP_KEEPALIVE_S // 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
