"""The Redis door: listens, and holds what its connections share."""

import asyncio
import time
from collections.abc import Callable, Iterable
from random import Random

from dynakv import limits
from dynakv.core.address import joined, parsed
from dynakv.core.layout import DEFAULT_KEYSPACE, Level
from dynakv.errors import UsageError
from dynakv.resp import catalog
from dynakv.resp.columns import Scope, Turn
from dynakv.resp.command import Command
from dynakv.resp.connection import Connection
from dynakv.resp.cursors import Cursors
from dynakv.resp.modes import Modes
from dynakv.rpc.ports import Inbox


class Door:
    """Serves Redis clients out of one node's inbox; connections are made by `serve` or by tests."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        value_bytes_max: int = limits.VALUE_BYTES_MAX,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Random | None = None,
        soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """Prepare; `soon` runs a callback in the next turn, default: of the running event loop."""
        self.inbox = inbox
        self.modes = Modes(inbox)
        self.turn = Turn(inbox, soon or asyncio.get_running_loop().call_soon)
        self.catalog = catalog.CATALOG
        self.commands = catalog.lookup()
        self.cursors = Cursors()
        self._layout = inbox.layout()
        self._databases = self._layout.numbered()
        self.value_bytes_max = value_bytes_max
        self.wall_ms = wall_ms
        self.random = random or Random()  # noqa: S311 - a sample, not a secret
        self.since_ms = wall_ms()
        self.address = ""
        self.port = 0
        self.accepted = 0
        self.rejected = 0
        self.received = 0  # commands
        self.errors = 0  # commands that were wrong in themselves
        self._numbers = 0
        self._scopes: dict[tuple[str, Level | None], Scope] = {}
        self._connections: dict[int, Connection] = {}
        self._empty: asyncio.Future[None] | None = None

    def find(self, name: bytes) -> Command | None:
        """Return the command of that name, however it is written."""
        return self.commands.get(name) or self.commands.get(name.upper())

    def connection(self) -> Connection:
        """Return the protocol for the next client."""
        self._numbers += 1
        return Connection(self, self._numbers)

    @property
    def databases(self) -> dict[int, str]:
        """The keyspaces that have a number now, by it."""
        layout = self.inbox.layout()
        if layout is not self._layout:
            self._layout, self._databases = layout, layout.numbered()
            names = {keyspace.settings.name for keyspace in layout.keyspaces}
            # Connections that selected a keyspace which was dropped keep its scope, and are refused
            # until it is there again; nobody else needs it.
            self._scopes = {of: scope for of, scope in self._scopes.items() if of[0] in names}
        return self._databases

    def scope(self, keyspace: str = DEFAULT_KEYSPACE, level: Level | None = None) -> Scope:
        """Return the scope of a keyspace and level, the same for all connections."""
        which = (keyspace, level)
        scope = self._scopes.get(which)
        if scope is None:
            scope = self._scopes[which] = Scope(*which, self.turn)
        return scope

    def admit(self, connection: Connection) -> bool:
        """Count a new client; False where there are too many."""
        self.accepted += 1
        if len(self._connections) >= limits.RESP_CONNECTIONS_MAX:
            self.rejected += 1
            return False
        self._connections[connection.number] = connection
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a client."""
        self._connections.pop(connection.number, None)
        if not self._connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    @property
    def connected(self) -> int:
        """How many clients there are."""
        return len(self._connections)

    def connections(self) -> Iterable[Connection]:
        """Return all clients, oldest first."""
        return self._connections.values()

    def reset_figures(self) -> None:
        """Begin to count again."""
        self.accepted = self.rejected = self.received = self.errors = 0
        self.turn.reads = self.turn.misses = 0

    async def drain(self, grace_s: float) -> None:
        """Answer what was asked, then close all connections; those that linger are cut."""
        self._empty = asyncio.get_running_loop().create_future()
        for connection in list(self._connections.values()):
            connection.end()
        if self._connections:
            await asyncio.wait([self._empty], timeout=grace_s)
        for connection in list(self._connections.values()):
            connection.abort()


class Server:
    """A door that listens."""

    def __init__(self, door: Door, server: asyncio.Server) -> None:
        """Wrap what `serve` has opened."""
        self.door = door
        self._server = server
        self.port = door.port

    async def stop(self, grace_s: float = 0.0) -> None:
        """Take no more clients, give the present ones `grace_s` seconds for their replies."""
        self._server.close()
        await self.door.drain(grace_s)


async def serve(
    inbox: Inbox,
    address: str,
    *,
    value_bytes_max: int = limits.VALUE_BYTES_MAX,
) -> Server:
    """Serve Redis clients on `address` (host:port; port 0: any free).

    Raises UsageError where the address cannot be bound.
    """
    host, port = parsed(address)
    door = Door(inbox, value_bytes_max=value_bytes_max)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(door.connection, host, port, backlog=1_024)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {address} for Redis clients: {error.strerror or error}; choose"
            " another address"
        ) from error
    door.port = server.sockets[0].getsockname()[1]
    door.address = joined(host, door.port)
    return Server(door, server)
