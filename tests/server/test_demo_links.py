"""The proxies between the nodes of a demo, with sockets of this process."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import ParamSpec

from dynakv.server import demo_links
from dynakv.server.demo_links import Links

WITHIN_S = 10
DELAY_MS = 40
P = ParamSpec("P")


def bounded(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async test, ended after WITHIN_S."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(WITHIN_S):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


class Listener:
    """What a node's peer port is here: it keeps what it accepts."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(self) -> str:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            self.accepted.put_nowait((reader, writer))

        self._server = await asyncio.start_server(accept, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Links, Listener, "Dialed"]]:
    """Yield the links of a and b, what stands for b, and what a has dialed."""
    listener = Listener()
    async with Links({"a": "127.0.0.1:1", "b": await listener.listen()}) as links:
        host, _, port = links.via("a")["b"].rpartition(":")
        dialed = Dialed(host, int(port))
        try:
            yield links, listener, dialed
        finally:
            dialed.close()
            listener.close()
    await turns()


class Dialed:
    """Connections from a to its proxy of b."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self._where)
        self._writers.append(writer)
        return reader, writer

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


async def nothing_from(reader: asyncio.StreamReader) -> bool:
    """Say whether nothing has arrived once everything due has been moved."""
    await turns()
    return not reader._buffer and not reader.at_eof()


async def turns() -> None:
    """Let the loop run: what passes between sockets of one machine needs a few turns."""
    for _ in range(50):
        await asyncio.sleep(0.001)


def ends(links: Links) -> int:
    return sum(len(way.ends) for way in links._ways.values())


@bounded
async def test_bytes_pass_both_ways_and_an_end_is_passed_on() -> None:
    async with linked() as (links, listener, dial):
        reader, writer = await dial()
        writer.write(b"ask")
        far_reader, far_writer = await listener.accepted.get()
        assert await far_reader.readexactly(3) == b"ask"
        far_writer.write(b"reply")
        assert await reader.readexactly(5) == b"reply"
        far_writer.close()
        assert await reader.read() == b""
        writer.close()
        while ends(links):  # noqa: ASYNC110 - bounded by the test
            await asyncio.sleep(0)


@bounded
async def test_a_cut_holds_bytes_back_and_healing_delivers_them_in_order() -> None:
    async with linked() as (links, listener, dial):
        reader, writer = await dial()
        writer.write(b"1")
        far_reader, far_writer = await listener.accepted.get()
        assert await far_reader.readexactly(1) == b"1"
        links.cut(["a"], ["b"])
        links.cut(["b"], ["a"])
        writer.write(b"2")
        far_writer.write(b"x")
        await writer.drain()
        assert await nothing_from(far_reader)
        assert await nothing_from(reader)
        writer.write(b"3")
        links.heal()
        assert await far_reader.readexactly(2) == b"23"
        assert await reader.readexactly(1) == b"x"


@bounded
async def test_a_cut_of_one_way_leaves_the_other_open() -> None:
    async with linked() as (links, listener, dial):
        reader, writer = await dial()
        writer.write(b"1")
        far_reader, far_writer = await listener.accepted.get()
        assert await far_reader.readexactly(1) == b"1"
        links.cut(["a"], ["b"])
        writer.write(b"2")
        far_writer.write(b"reply")
        assert await reader.readexactly(5) == b"reply"
        assert await nothing_from(far_reader)
        assert list(links.cuts()) == ["a > b"]


@bounded
async def test_an_end_does_not_pass_a_cut_either() -> None:
    async with linked() as (links, listener, dial):
        _, writer = await dial()
        writer.write(b"1")
        far_reader, _ = await listener.accepted.get()
        assert await far_reader.readexactly(1) == b"1"
        links.cut(["a"], ["b"])
        writer.close()
        assert await nothing_from(far_reader)
        links.heal()
        assert await far_reader.read() == b""


@bounded
async def test_nothing_is_dialed_while_either_way_is_cut() -> None:
    for sender, receiver in (("a", "b"), ("b", "a")):
        async with linked() as (links, listener, dial):
            links.cut([sender], [receiver])
            reader, writer = await dial()
            writer.write(b"early")
            assert await nothing_from(reader)
            assert listener.accepted.empty()
            links.heal()
            far_reader, _ = await listener.accepted.get()
            assert await far_reader.readexactly(5) == b"early"


@bounded
async def test_connections_given_up_during_a_cut_leave_nothing_behind() -> None:
    async with linked() as (links, listener, dial):
        links.cut(["a"], ["b"])
        for _ in range(10):
            _, writer = await dial()
            writer.write(b"hello")
            writer.close()
            await writer.wait_closed()
        while ends(links):  # noqa: ASYNC110 - bounded by the test
            await asyncio.sleep(0)
        links.heal()
        assert listener.accepted.empty()


@bounded
async def test_a_peer_that_does_not_listen_is_a_broken_connection() -> None:
    async with linked() as (links, listener, dial):
        listener.close()
        reader, _ = await dial()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        while ends(links):  # noqa: ASYNC110 - bounded by the test
            await asyncio.sleep(0)


@bounded
async def test_slowness_delays_each_way_and_does_not_narrow_it() -> None:
    async with linked() as (links, listener, dial):
        reader, writer = await dial()
        writer.write(b"1")
        far_reader, far_writer = await listener.accepted.get()
        assert await far_reader.readexactly(1) == b"1"
        links.slow("a", DELAY_MS)
        began = time.monotonic()
        for i in range(10):  # each takes the delay, all together do as well
            writer.write(b"%d" % i)
            await asyncio.sleep(0)
        assert await far_reader.readexactly(10) == b"0123456789"
        far_writer.write(b"r")
        assert await reader.readexactly(1) == b"r"
        took_ms = (time.monotonic() - began) * 1000
        assert took_ms >= 2 * DELAY_MS
        assert took_ms < 10 * DELAY_MS


@bounded
async def test_healing_takes_off_delays_of_what_waits_already() -> None:
    async with linked() as (links, listener, dial):
        _, writer = await dial()
        writer.write(b"1")
        far_reader, _ = await listener.accepted.get()
        assert await far_reader.readexactly(1) == b"1"
        links.slow("b", demo_links.DELAY_MS_MAX)
        assert links.delay_ms("b") == demo_links.DELAY_MS_MAX
        writer.write(b"2")
        assert await nothing_from(far_reader)
        links.heal()
        assert await far_reader.readexactly(1) == b"2"
        assert links.delay_ms("b") == 0


@bounded
async def test_much_data_passes_whole_though_the_reader_is_slow() -> None:
    async with linked() as (links, listener, dial):
        _, writer = await dial()
        data = bytes(range(256)) * (1 << 16)  # 16 MiB: more than is held
        writer.write(data)
        far_reader, _ = await listener.accepted.get()
        assert await nothing_from(asyncio.StreamReader())
        held = [end._bytes for way in links._ways.values() for end in way.ends]
        assert max(held) <= demo_links.HELD_BYTES_MAX + (1 << 20)
        assert await far_reader.readexactly(len(data)) == data


def test_cuts_are_named_once_for_both_ways() -> None:
    links = Links(dict.fromkeys("abc", "127.0.0.1:1"))
    links.cut(["a"], ["b", "c"])
    links.cut(["b"], ["a"])
    assert list(links.cuts()) == ["a | b", "a > c"]
    assert links.is_cut("a", "c")
    assert not links.is_cut("c", "a")
    links.heal()
    assert list(links.cuts()) == []


def test_two_slow_nodes_add_up() -> None:
    links = Links(dict.fromkeys("abc", "127.0.0.1:1"))
    links.slow("a", 10)
    links.slow("b", 5)
    delays = {pair: way.delay_ms for pair, way in links._ways.items()}
    assert delays["a", "b"] == delays["b", "a"] == 15
    assert delays["a", "c"] == delays["c", "a"] == 10
    assert delays["b", "c"] == 5
