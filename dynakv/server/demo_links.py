"""The network between the nodes of a demo, which can be cut and slowed while they run.

Every node dials every peer through a proxy of its own (`peers.via` of its configuration), so that
all that passes between two nodes passes here. What a node asks and what it is answered travel on
the connection that it dialed, what its peer asks on the peer's: a cut from A to B therefore stops
one direction of both, and a cut both ways stops all of it.

Nothing is lost that TCP would repeat: what meets a cut waits in order and goes on when the way is
open again. As with a pulled cable there is no reset and no refusal; the nodes notice by silence. A
delay shifts in time and does not narrow: what is under way is not counted.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Self, cast

from dynakv.core import address

HOST: Final = "127.0.0.1"
DELAY_MS_MAX: Final = 60_000  # beyond every deadline: a longer one is a cut
HELD_BYTES_MAX: Final = 4 << 20  # of one direction of one connection; then its sender has to wait


class Way:
    """What one node sends to another: the only two things that can be wrong with it."""

    def __init__(self) -> None:
        """Begin open and without delay."""
        self.is_cut = False
        self.delay_ms = 0
        self.ends: dict[_End, None] = {}  # whose bytes go this way, in the order they came

    def pump(self) -> None:
        """Let go on what may go on now."""
        for end in list(self.ends):
            end.pump()


class Links:
    """The proxies of a cluster. Create, use and close them in one event loop."""

    def __init__(self, peers: Mapping[str, str]) -> None:
        """Remember where NodeInternal of each node really listens: node id -> host:port."""
        self._peers = {node: address.parsed(where) for node, where in peers.items()}
        self._ways = {(a, b): Way() for a in peers for b in peers if a != b}
        self._slow_ms = dict.fromkeys(peers, 0)
        self._servers: dict[tuple[str, str], asyncio.Server] = {}

    async def __aenter__(self) -> Self:
        """Listen, on a free port for each directed pair of nodes."""
        loop = asyncio.get_running_loop()
        for dialer, dialed in self._ways:

            def accepted(dialer: str = dialer, dialed: str = dialed) -> asyncio.Protocol:
                ways = self._ways[dialer, dialed], self._ways[dialed, dialer]
                return _Connection(self._peers[dialed], *ways).near

            self._servers[dialer, dialed] = await loop.create_server(accepted, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and end all connections."""
        for server in self._servers.values():
            server.close()
        for way in self._ways.values():
            for end in list(way.ends):
                end.abort()
                end.other.abort()

    def via(self, node: str) -> dict[str, str]:
        """Return where a node finds its peers: node id -> host:port of its proxy."""
        return {
            dialed: address.joined(HOST, server.sockets[0].getsockname()[1])
            for (dialer, dialed), server in self._servers.items()
            if dialer == node
        }

    def cut(self, senders: Iterable[str], receivers: Iterable[str]) -> None:
        """Stop what any of the senders sends to any of the receivers."""
        into = list(receivers)
        for sender in senders:
            for receiver in into:
                self._ways[sender, receiver].is_cut = True

    def slow(self, node: str, delay_ms: int) -> None:
        """Delay all that a node sends and all that is sent to it; two slow nodes add up."""
        self._slow_ms[node] = delay_ms
        for (sender, receiver), way in self._ways.items():
            way.delay_ms = self._slow_ms[sender] + self._slow_ms[receiver]

    def heal(self) -> None:
        """Open all ways and take off all delays."""
        self._slow_ms = dict.fromkeys(self._slow_ms, 0)
        for way in self._ways.values():
            way.is_cut = False
            way.delay_ms = 0
        for way in self._ways.values():
            way.pump()

    def delay_ms(self, node: str) -> int:
        """Return what `slow` said last of a node."""
        return self._slow_ms[node]

    def is_cut(self, sender: str, receiver: str) -> bool:
        """Say whether what `sender` sends to `receiver` is stopped."""
        return self._ways[sender, receiver].is_cut

    def cuts(self) -> Iterator[str]:
        """Yield `n1 | n2` for a cut both ways and `n1 > n2` for one of one way."""
        for (a, b), way in self._ways.items():
            back = self._ways[b, a]
            if way.is_cut and not back.is_cut:
                yield f"{a} > {b}"
            elif way.is_cut and a < b:
                yield f"{a} | {b}"


class _Connection:
    """What a node dialed: its socket here, and ours to the node that it meant."""

    def __init__(self, target: tuple[str, int], forth: Way, back: Way) -> None:
        self.near = _End(self, forth)
        self.far = _End(self, back)
        self.near.other, self.far.other = self.far, self.near
        self._target = target
        self._ways = (forth, back)
        self._dialing: asyncio.Task[None] | None = None

    @property
    def is_dialed(self) -> bool:
        """Whether there was an attempt to reach the target."""
        return self._dialing is not None

    def dial(self) -> None:
        """Connect to the target once; a handshake needs both ways open."""
        if self._dialing is None and not any(way.is_cut for way in self._ways):
            self._dialing = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        host, port = self._target
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.far, host, port)
        except OSError:
            self.far.is_lost = True  # nobody listens: the dialer learns that as a broken connection
            self.near.abort()
            self.near.pump()
            self.far.pump()


class _End(asyncio.Protocol):
    """One socket of a connection; what it reads waits here until it may leave by the other.

    Invariant: registered with its way until nothing can come from here any more.
    """

    def __init__(self, connection: _Connection, way: Way) -> None:
        self.other: _End = self
        self.is_lost = False
        self.transport: asyncio.Transport | None = None
        self.is_full = False  # the socket takes no more for now
        self._connection = connection
        self._way = way
        self._held: deque[tuple[float, bytes]] = deque()  # when due; no bytes: the end
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        way.ends[self] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.pump()
        self.other.pump()

    def data_received(self, data: bytes) -> None:
        self._hold(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # that it is gone is all that the other side learns
        self.is_lost = True
        self._hold(b"")
        self.other.pump()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self.other.pump()

    def abort(self) -> None:
        """End the socket at once."""
        if self.transport is not None:
            self.transport.abort()

    def pump(self) -> None:
        """Hand on what is due, as far as the way is open and the other socket takes it."""
        if self.other.is_lost or (self.is_lost and not self._held):
            self.forget()
        elif self.other.transport is not None:
            self._hand_on(self.other.transport)
        elif self.is_lost and not self._connection.is_dialed:
            self.forget()  # nobody waits for it any more
            self.other.forget()
        else:
            self._connection.dial()

    def _hold(self, data: bytes) -> None:
        due_s = asyncio.get_running_loop().time() + self._way.delay_ms / 1000
        self._held.append((due_s, data))
        self._bytes += len(data)
        if self._bytes > HELD_BYTES_MAX and self.transport is not None:
            self.transport.pause_reading()
        self.pump()

    def _hand_on(self, out: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        while self._held and not self._way.is_cut and not self.other.is_full:
            due_s, data = self._held[0]
            if due_s > loop.time() + self._way.delay_ms / 1000:
                due_s = 0.0  # the delay was taken off since
            if due_s > loop.time():
                self._wake_at(due_s)
                return
            self._held.popleft()
            self._bytes -= len(data)
            if data:
                out.write(data)
            else:
                out.close()
        if self._bytes <= HELD_BYTES_MAX and self.transport is not None and not self.is_lost:
            with suppress(RuntimeError):  # it is closing
                self.transport.resume_reading()

    def _wake_at(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due_s, self.pump)

    def forget(self) -> None:
        """Drop what is held: nobody can get it any more."""
        self._held.clear()
        self._bytes = 0
        self._way.ends.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
