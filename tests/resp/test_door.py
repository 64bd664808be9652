import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dynakv import limits
from dynakv.errors import UsageError
from dynakv.resp import door
from tests.resp.harness import FakeNode, World, encoded

Scenario = Callable[[door.Server, FakeNode], Awaitable[None]]


def run(scenario: Scenario) -> None:
    async def bounded() -> None:
        node = FakeNode()
        async with asyncio.timeout(10):
            server = await door.serve(node, "127.0.0.1:0")  # type: ignore[arg-type]
            try:
                await scenario(server, node)
            finally:
                await server.stop()

    asyncio.run(bounded())


async def asked(node: FakeNode) -> None:
    """Wait until the door has handed a message to the node."""
    while not node.waiting:  # noqa: ASYNC110 - the fake has no event, and time is not waited for
        await asyncio.sleep(0)


def test_a_client_is_served_over_a_socket() -> None:
    async def scenario(server: door.Server, node: FakeNode) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(encoded("SET a 1") + b"GET a\r\n")
        await asked(node)
        node.answer()
        assert await reader.readline() == b"+OK\r\n"
        await asked(node)
        node.answer()
        assert await reader.readexactly(7) == b"$1\r\n1\r\n"
        writer.close()

    run(scenario)


def test_stopping_answers_what_was_asked_and_takes_nobody_new() -> None:
    async def scenario(server: door.Server, node: FakeNode) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(encoded("SET a 1"))
        await asked(node)
        stopping = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0)
        node.answer()
        assert await reader.read() == b"+OK\r\n"
        await stopping
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()

    run(scenario)


def test_a_taken_port_is_named() -> None:
    async def scenario(server: door.Server, node: FakeNode) -> None:
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{server.port} for Redis"):
            await door.serve(node, f"127.0.0.1:{server.port}")  # type: ignore[arg-type]

    run(scenario)


def test_too_many_clients_are_turned_away_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESP_CONNECTIONS_MAX", 2)
    world = World()
    first, _, third = world.client(), world.client(), world.client()
    assert third.taken() == b"-ERR max number of clients reached\r\n"
    assert third.transport.closed
    assert (world.door.connected, world.door.rejected) == (2, 1)
    first.connection.connection_lost(None)
    assert world.client().say("PING") == b"PONG"


def test_the_default_keyspace_is_number_0() -> None:
    world = World()
    assert world.door.databases == {0: "default", 1: "cache"}
