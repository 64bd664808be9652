"""A cluster with a Raft keyspace for the tests of the clients: real doors, no Raft.

Three nodes serve KVStore out of one set of `RaftGroups`, so commands and request ids mean what they
mean. A test may let the next messages go differently: `script` holds what each node's inbox answers
instead, whichever is asked first.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from msgspec.structs import replace

from dynakv import AsyncClient
from dynakv.core.layout import Layout
from dynakv.errors import Failure, Kind
from dynakv.node.messages import ClientMessage, ClientReply, Get, Refused
from dynakv.node.raft_messages import Execute, Executed
from dynakv.rpc.servers import Server, serve_clients
from tests.raft_groups import WALL_MS, RaftGroups, entries_of, raft_layout
from tests.rpc.conftest import FakeInbox

Script = Callable[["RaftWorld", ClientMessage], list[ClientReply] | None]


class RaftWorld:
    """Three doors to the same groups."""

    def __init__(self) -> None:
        self.layout = raft_layout("r")
        self.groups = RaftGroups(self.layout)
        self.script: deque[Script] = deque()
        self.asked: list[tuple[str, ClientMessage]] = []
        self.inboxes = {f"n{i}": FakeInbox(f"n{i}") for i in (1, 2, 3)}
        self.servers: list[Server] = []
        self._epoch = 1
        for node_id, inbox in self.inboxes.items():
            inbox.the_layout = self.layout
            inbox.up = {}
            inbox.client_reply = self._answering(node_id)

    @property
    def endpoints(self) -> list[str]:
        return [f"127.0.0.1:{server.port}" for server in self.servers]

    @property
    def ids(self) -> list[tuple[int, int]]:
        """The request ids of all batches that arrived, in order."""
        return [
            request_id
            for _, message in self.asked
            if isinstance(message, Execute)
            for request_id in zip(message.clients or (), message.sequences or (), strict=True)
        ]

    def renew(self, layout: Layout) -> None:
        """Let a layout come into force, and all groups begin anew."""
        self._epoch += 1
        self.groups = RaftGroups(replace(layout, epoch=self._epoch))
        for node_id, inbox in self.inboxes.items():
            inbox.the_layout = self.groups.layout
            inbox.epoch = self._epoch
            inbox.client_reply = self._answering(node_id)

    def _answering(self, node_id: str) -> Callable[[ClientMessage], list[ClientReply]]:
        def answer(message: ClientMessage) -> list[ClientReply]:
            self.asked.append((node_id, message))
            if self.script:
                found = self.script.popleft()(self, message)
                return [] if found is None else found
            return self.groups.answer(message)

        return answer


def refuses(kind: Kind, leader: str = "", *, done: bool = False) -> Script:
    """Refuse all entries; with `done` they are done all the same."""

    def script(world: RaftWorld, message: ClientMessage) -> list[ClientReply]:
        if done:
            world.groups.answer(message)
        entries = list(range(entries_of(message)))
        return [Refused(entries, Failure(kind, "as told"), leader)]

    return script


def refuses_first(kind: Kind) -> Script:
    """Refuse the first entry, which is not done, and serve the others."""

    def script(world: RaftWorld, message: ClientMessage) -> list[ClientReply]:
        assert isinstance(message, Execute)
        first = Refused([0], Failure(kind, "as told"))
        rest = Execute(message.keyspace, message.batches[1:])
        parts = world.groups.answer(rest)
        return [
            first,
            *(Executed([i + 1], part.results, part.leader) for i, part in enumerate(parts)),
        ]  # type: ignore[union-attr]

    return script


def is_silent() -> Script:
    """Do it and never answer."""

    def script(world: RaftWorld, message: ClientMessage) -> None:
        world.groups.answer(message)

    return script


def keeps(answers: list[Callable[[], None]]) -> Script:
    """Do it, and answer when the test calls what is put into `answers`."""

    def script(world: RaftWorld, message: ClientMessage) -> None:
        parts = world.groups.answer(message)
        take = next(
            inbox.answers[-1] for inbox in world.inboxes.values() if inbox.asked[-1:] == [message]
        )
        answers.append(lambda: [take(part) for part in parts] and None)

    return script


@asynccontextmanager
async def raft_world() -> AsyncIterator[RaftWorld]:
    """Yield three started doors."""
    world = RaftWorld()
    for inbox in world.inboxes.values():
        server = await serve_clients(inbox, "127.0.0.1:0", wall_ms=lambda: WALL_MS)  # type: ignore[arg-type]
        world.servers.append(server)
    try:
        yield world
    finally:
        for server in world.servers:
            await server.stop()


@contextmanager
def raft_world_beside() -> Iterator[RaftWorld]:
    """Yield three doors that live in a loop of another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = raft_world()
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run_raft(scenario: Callable[[RaftWorld, AsyncClient], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario with a client of keyspace `r`; ten seconds mean that something never came."""

    async def bounded() -> None:
        async with (
            asyncio.timeout(10),
            raft_world() as world,
            AsyncClient(world.endpoints, keyspace="r") as client,
        ):
            await scenario(world, client)

    asyncio.run(bounded())


def reads_of(world: RaftWorld) -> list[tuple[str, Get]]:
    """The reads that arrived."""
    return [(node, message) for node, message in world.asked if isinstance(message, Get)]
