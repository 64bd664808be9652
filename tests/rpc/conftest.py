"""A node's inbox without a node, shared by the tests of doors and links."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from dynakv.core.layout import KeyspaceSettings, Layout, Member, NodeId, first_layout
from dynakv.node.messages import (
    ClientMessage,
    ClientReply,
    Failed,
    Header,
    MemberView,
    PeerMessage,
    PeerReply,
    Reason,
)


class FakeInbox:
    """Records what enters; answers by the functions that a test puts in."""

    def __init__(self, node_id: str = "n1") -> None:
        self.node_id = node_id
        self.full = False
        self.known = True  # what `heard` says
        self.version = 1
        self.epoch = 1
        self.asked: list[ClientMessage] = []
        self.answers: list[Callable[[ClientReply], None]] = []
        self.client_reply: Callable[[ClientMessage], list[ClientReply]] = lambda message: []
        self.peer_asked: list[tuple[str, PeerMessage]] = []
        self.peer_answers: list[Callable[[PeerReply], None]] = []
        self.peer_reply: Callable[[PeerMessage], PeerReply | None] = lambda message: None
        self.headers: list[Header] = []
        self.replies: dict[int, PeerReply] = {}
        self.up = {"n1": True, "n2": False}
        members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}", zone=f"z{i}") for i in (1, 2, 3)]
        self.the_layout = first_layout(members, [KeyspaceSettings("default", groups=4)])
        self.timeouts_ms: list[int] = []
        self._changed = asyncio.Event()

    def client(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> bool:
        if self.full:
            return False
        self.asked.append(message)
        self.answers.append(answer)
        self._changed.set()
        loop = asyncio.get_running_loop()
        for part in self.client_reply(message):
            loop.call_soon(answer, part)
        return True

    def peer(
        self,
        sender: str,
        message: PeerMessage,
        answer: Callable[[PeerReply], None],
        timeout_ms: int = 0,
    ) -> bool:
        self.timeouts_ms.append(timeout_ms)
        if self.full:
            return False
        self.peer_asked.append((sender, message))
        self.peer_answers.append(answer)
        self._changed.set()
        reply = self.peer_reply(message)
        if reply is not None:
            asyncio.get_running_loop().call_soon(answer, reply)
        return True

    def heard(self, header: Header) -> bool:
        self.headers.append(header)
        self._changed.set()
        return self.known

    def replied(self, call: int, reply: PeerReply) -> None:
        assert call not in self.replies, "an ask has exactly one reply"
        self.replies[call] = reply
        self._changed.set()

    def reason(self, call: int) -> Reason:
        reply = self.replies[call]
        assert isinstance(reply, Failed)
        return reply.reason

    def header(self) -> Header:
        cluster_id = self.the_layout.cluster_id
        return Header(self.version, self.node_id, cluster_id, 77, 5, self.epoch, 1_000 << 16)

    def layout(self) -> Layout:
        return self.the_layout

    def member_views(self) -> dict[str, MemberView]:
        return {
            node_id: MemberView(up, f"{node_id}:1" if up else "", None)
            for node_id, up in self.up.items()
        }

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition on what was recorded here."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Proxy:
    """A cable between two ports that a test can cut, with or without a word."""

    def __init__(self) -> None:
        self.silent = False
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def before(self, port: int) -> AsyncIterator[int]:
        """Yield the port that leads to `port`."""

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            self._writers += [writer, far_writer]
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

        server = await asyncio.start_server(forward, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                if not self.silent:
                    writer.write(chunk)
                    await writer.drain()
        writer.close()


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
def inbox() -> FakeInbox:
    return FakeInbox()


@pytest.fixture
def peer_inbox() -> FakeInbox:
    """The inbox of the node at the other end of a link."""
    return FakeInbox("n2")


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a scenario in a loop of its own; ten seconds mean that something never came."""

    def run_bounded(scenario: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(10):
                await scenario

        asyncio.run(bounded())

    return run_bounded
