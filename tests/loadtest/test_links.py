"""Both protocols, byte by byte, against servers that answer what the test says."""

import asyncio
import struct
from collections.abc import Awaitable, Callable

import hiredis
import pytest

from loadtest import links
from loadtest.links import GET, PUT, EtcdLink, Link, RespLink
from loadtest.plain import answered, clock

BOUND_S = 20


class FakeRedis(asyncio.Protocol):
    """SET and GET in a dict; a key `bad` is refused, `cut` ends the connection."""

    def __init__(self, data: dict[bytes, bytes]) -> None:
        self.data = data
        self._reader = hiredis.Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        out = []
        while (command := self._reader.gets()) is not False:
            name, key = command[0], command[1]
            if key == b"cut":
                self.transport.abort()  # type: ignore[attr-defined]
                return
            if key == b"bad":
                out.append(b"-OVERLOADED the queue is full\r\n")
            elif name == b"SET":
                self.data[key] = command[2]
                out.append(b"+OK\r\n")
            else:
                value = self.data.get(key)
                out.append(b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value))
        self.transport.write(b"".join(out))  # type: ignore[attr-defined]


def served(
    make: Callable[[], asyncio.Protocol], kind: str, use: Callable[[Link], Awaitable[None]]
) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(make, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            async with links.connected(kind, [address], 1) as (link,), asyncio.timeout(BOUND_S):
                await use(link)
        finally:
            server.close()
            await server.wait_closed()

    asyncio.run(run())


def test_the_redis_protocol_is_spoken_and_every_reply_is_told_apart() -> None:
    data: dict[bytes, bytes] = {}

    async def use(link: Link) -> None:
        assert await answered(
            link, [(PUT, b"a", b"1\r\n"), (GET, b"a", b""), (GET, b"b", b"")]
        ) == [
            "",
            "",
            "missing",
        ]
        assert await answered(link, [(PUT, b"bad", b"1"), (GET, b"a", b"")]) == ["OVERLOADED", ""]

    served(lambda: FakeRedis(data), "resp", use)
    assert data == {b"a": b"1\r\n"}


def test_what_is_unanswered_when_a_connection_ends_has_failed() -> None:
    async def use(link: Link) -> None:
        outcomes = await answered(link, [(PUT, b"a", b"1"), (GET, b"cut", b""), (GET, b"a", b"")])
        assert outcomes[-2:] == ["CLOSED", "CLOSED"]
        assert not link.open

    served(lambda: FakeRedis({}), "resp", use)


def test_a_batch_is_one_write() -> None:
    class Wire:
        def __init__(self) -> None:
            self.writes: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.writes.append(data)

    link, wire = RespLink(), Wire()
    link.connection_made(wire)  # type: ignore[arg-type]
    link.send([(PUT, b"k", b"v"), (GET, b"k", b"")], clock())
    assert wire.writes == [
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    ]


# --- HTTP/2 ----------------------------------------------------------------------------------


class FakeEtcd(asyncio.Protocol):
    """Reads frames, holds the client to its windows, and answers calls that are complete.

    The windows are tiny; each is opened again only when it is used up.
    """

    WINDOW = 65_535

    def __init__(self, data: dict[bytes, bytes]) -> None:
        self.data = data
        self._in = b""
        self._greeted = False
        self._calls: dict[int, bytes] = {}
        self._paths: dict[int, bytes] = {}
        self._used = 0
        self._stream_used: dict[int, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send(4, 0, 0, b"")
        self._send(6, 0, 0, b"12345678")

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.transport.write(links.frame(kind, flags, stream, payload))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._in += data
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        if not self._greeted and len(self._in) >= len(preface):
            assert self._in.startswith(preface)
            self._in, self._greeted = self._in[len(preface) :], True
        while len(self._in) >= 9 and len(self._in) >= 9 + int.from_bytes(self._in[:3]):
            size = int.from_bytes(self._in[:3])
            kind, flags, stream = struct.unpack_from(">BBI", self._in, 3)
            payload, self._in = self._in[9 : 9 + size], self._in[9 + size :]
            self._take(kind, flags, stream, payload)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == 6:
            assert (flags, payload) == (1, b"12345678")
        elif kind == 1:
            self._paths[stream] = payload
            self._calls[stream] = b""
        elif kind == 0:
            self._calls[stream] += payload
            self._used += len(payload)
            self._stream_used[stream] = self._stream_used.get(stream, 0) + len(payload)
            assert self._used <= self.WINDOW
            assert self._stream_used[stream] <= self.WINDOW
            if self._used == self.WINDOW or self._stream_used[stream] == self.WINDOW:
                more = struct.pack(">I", self._used)
                self._send(8, 0, 0, more)
                self._send(8, 0, stream, struct.pack(">I", self._stream_used[stream]))
                self._used, self._stream_used[stream] = 0, 0
            if flags & 1:
                self._call(stream, self._calls.pop(stream))

    def _call(self, stream: int, raw: bytes) -> None:
        assert int.from_bytes(raw[1:5]) == len(raw) - 5
        key, value = fields(raw[5:])
        if key == b"bad":
            self._send(1, 5, stream, b"\x88")  # trailers only: an error
            return
        header = b"\x0a\x03\x08\x01\x10"
        if b"/Put" in self._paths[stream]:
            self.data[key] = value
            reply = header
        else:
            found = self.data.get(key)
            reply = header if found is None else header + b"\x12\x01\x00"
        self._send(1, 4, stream, b"\x88")
        whole = b"\x00" + struct.pack(">I", len(reply)) + reply
        self._send(0, 0, stream, whole[:6])  # a reply may come in pieces
        self._send(0, 0, stream, whole[6:])
        self._send(1, 5, stream, b"\x88")


def fields(raw: bytes) -> tuple[bytes, bytes]:
    found = {1: b"", 2: b""}
    while raw:
        number, at, size, shift = raw[0] >> 3, 1, 0, 0
        while True:
            size |= (raw[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if raw[at - 1] < 0x80:
                break
        found[number], raw = raw[at : at + size], raw[at + size :]
    return found[1], found[2]


def test_etcds_protocol_is_spoken_within_its_windows() -> None:
    data: dict[bytes, bytes] = {}
    large = bytes(range(256)) * 2_000

    async def use(link: Link) -> None:
        puts = [(PUT, b"a", b"1"), (PUT, b"large", large), (PUT, b"c", b"3")]
        assert await answered(link, puts) == ["", "", ""]
        gets = [(GET, b"a", b""), (GET, b"nothing", b""), (PUT, b"bad", b"x")]
        assert await answered(link, gets) == ["", "missing", "FAILED"]

    served(lambda: FakeEtcd(data), "etcd", use)
    assert data == {b"a": b"1", b"large": large, b"c": b"3"}


def test_calls_of_a_lost_connection_have_failed() -> None:
    link = EtcdLink()
    seen: list[tuple[object, str]] = []
    link.on_reply = lambda tag, outcome, now: seen.append((tag, outcome))

    class Wire:
        def write(self, data: bytes) -> None:
            pass

    link.connection_made(Wire())  # type: ignore[arg-type]
    link.send([(PUT, b"k", b"v"), (GET, b"k", b"")], 7)
    link.connection_lost(None)
    assert seen == [(7, "CLOSED"), (7, "CLOSED")]


@pytest.mark.parametrize(
    ("number", "raw"),
    [(0, b"\x00"), (127, b"\x7f"), (300, b"\xac\x02"), (1 << 20, b"\x80\x80\x40")],
)
def test_numbers_are_written_as_protobuf_writes_them(number: int, raw: bytes) -> None:
    assert links.varint(number) == raw


def test_etcds_messages_are_those_of_protobuf() -> None:
    assert links.message(b"k", b"v") == b"\x00\x00\x00\x00\x06\x0a\x01k\x12\x01v"
    assert links.message(b"k", b"") == b"\x00\x00\x00\x00\x03\x0a\x01k"
