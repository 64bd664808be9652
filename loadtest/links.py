"""Connections that speak the Redis protocol or etcd's v3 gRPC, as cheap as Python can make them.

A link takes puts and gets, writes each batch with one call, and hands every reply back with the
tag of its request. Both protocols cost the generator about the same, so that servers are compared
and not client libraries: RESP is parsed by hiredis; gRPC is HTTP/2 frames (RFC 9113) with one
constant header block a method and two hand-encoded protobuf messages, since grpcio takes ten times
the CPU of the request itself. Of HTTP/2 only what such a client needs is here: no TLS, no push, no
decoding of headers (an answer without a message is a failed one).
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import hiredis

from loadtest.plain import clock

PUT, GET = "put", "get"
OK, MISSING = "", "missing"  # any other outcome is the error's first word
Requests = Sequence[tuple[str, bytes, bytes]]  # kind, key, value
OnReply = Callable[[Any, str, float], None]  # tag, outcome, now


def _nobody_listens(tag: Any, outcome: str, now: float) -> None:
    del tag, outcome, now


class Link(asyncio.Protocol):
    """One connection. `on_reply` is called once per request, in the order of the replies."""

    def __init__(self) -> None:
        """Connect with `loop.create_connection`."""
        self.on_reply: OnReply = _nobody_listens
        self.open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is unanswered."""
        del exc
        self.open = False
        for tag in self._forgotten():
            self.on_reply(tag, "CLOSED", clock())

    def send(self, requests: Requests, tag: Any) -> None:
        """Send all of them with one write; each reply comes with the tag."""
        raise NotImplementedError

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _forgotten(self) -> list[Any]:
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


class RespLink(Link):
    """SET and GET."""

    def __init__(self) -> None:
        """Prepare the parser."""
        super().__init__()
        self._reader = hiredis.Reader()
        self._tags: deque[Any] = deque()

    def send(self, requests: Requests, tag: Any) -> None:
        """See Link."""
        self._tags.extend([tag] * len(requests))
        self._write(b"".join([resp(*request) for request in requests]))

    def data_received(self, data: bytes) -> None:
        """Hand on what is complete."""
        now, gets, tags = clock(), self._reader.gets, self._tags
        self._reader.feed(data)
        while (reply := gets()) is not False:
            if reply is None:
                outcome = MISSING
            elif isinstance(reply, hiredis.ReplyError):
                outcome = str(reply).partition(" ")[0] or "ERR"
            else:
                outcome = OK
            self.on_reply(tags.popleft(), outcome, now)

    def _forgotten(self) -> list[Any]:
        tags = list(self._tags)
        self._tags.clear()
        return tags


def resp(kind: str, key: bytes, value: bytes) -> bytes:
    """Return the bytes of one command."""
    if kind == GET:
        return b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)


# --- etcd ------------------------------------------------------------------------------------

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_HEADER_TABLE, _PUSH, _INITIAL_WINDOW = 1, 2, 4  # settings
_FRAME_BYTES: Final = 16_384  # nobody may refuse frames of this size
_WINDOW_BYTES: Final = 1 << 30  # what we let the server send ahead
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD_BYTES: Final = 96  # of a reply: enough to see whether a key was found


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return one HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(path: bytes) -> bytes:
    """Return the headers of a gRPC call, literal and never indexed (RFC 7541, section 6.2.2)."""

    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    return (
        b"\x83\x86"  # :method POST, :scheme http
        b"\x04"
        + text(path)
        + b"\x01"
        + text(b"etcd")
        + b"\x0f\x10"  # content-type
        + text(b"application/grpc")
        + b"\x00"
        + text(b"te")
        + text(b"trailers")
    )


def varint(number: int) -> bytes:
    """Return protobuf's form of a number that is not negative."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(key: bytes, value: bytes) -> bytes:
    """Return a PutRequest, or a RangeRequest where there is no value, with gRPC's prefix."""
    raw = b"\x0a" + varint(len(key)) + key
    if value:
        raw += b"\x12" + varint(len(value)) + value
    return b"\x00" + struct.pack(">I", len(raw)) + raw


def found(reply: bytes) -> bool:
    """Say whether the beginning of a RangeResponse (with gRPC's prefix) holds a key."""
    # Field 1 is the header, field 2 a key and its value.
    return len(reply) > 6 and reply[7 + reply[6] : 8 + reply[6]] == b"\x12"


_BLOCKS: Final = {
    PUT: header_block(b"/etcdserverpb.KV/Put"),
    GET: header_block(b"/etcdserverpb.KV/Range"),
}


class EtcdLink(Link):
    """Put and Range (linearizable, as is the default), each a stream of one connection."""

    def __init__(self) -> None:
        """Begin with stream 1."""
        super().__init__()
        self._stream = -1
        self._asked: dict[int, tuple[Any, str]] = {}
        self._heads: dict[int, bytes] = {}
        self._in = bytearray()
        self._taken = 0  # bytes received that the server was not told of
        self._left = 65_535  # what the server lets us send
        self._stream_window = 65_535
        self._stream_left = 65_535  # on the stream at the head of the queue
        self._queue: deque[tuple[int, bytes]] = deque()
        self._sent = 0  # of the first message in the queue

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello: no header compression, and windows that never close."""
        super().connection_made(transport)
        settings = struct.pack(
            ">HIHIHI", _HEADER_TABLE, 0, _PUSH, 0, _INITIAL_WINDOW, _WINDOW_BYTES
        )
        opened = struct.pack(">I", _WINDOW_BYTES - 65_535)
        hello = _PREFACE + frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW, 0, 0, opened)
        self._write(hello)

    def send(self, requests: Requests, tag: Any) -> None:
        """See Link."""
        out: list[bytes] = []
        for kind, key, value in requests:
            self._stream += 2
            self._asked[self._stream] = tag, kind
            out.append(frame(_HEADERS, _END_HEADERS, self._stream, _BLOCKS[kind]))
            self._queue.append((self._stream, message(key, value if kind == PUT else b"")))
            self._pump(out)
        self._write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        """Hand on what is complete."""
        now, buffer = clock(), self._in
        buffer += data
        at, end, out = 0, len(buffer), list[bytes]()
        while end - at >= 9:
            size = int.from_bytes(buffer[at : at + 3])
            if end - at < 9 + size:
                break
            kind, flags, stream = struct.unpack_from(">BBI", buffer, at + 3)
            self._take(kind, flags, stream, bytes(buffer[at + 9 : at + 9 + size]), now, out)
            at += 9 + size
        del buffer[:at]
        if self._taken > _WINDOW_BYTES >> 4:
            out.append(frame(_WINDOW, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0
        self._pump(out)
        if out and self.open:
            self._write(b"".join(out))

    def _take(
        self, kind: int, flags: int, stream: int, payload: bytes, now: float, out: list[bytes]
    ) -> None:
        if kind == _DATA:
            self._taken += len(payload)
            head = self._heads.get(stream, b"")
            if len(head) < _HEAD_BYTES:
                self._heads[stream] = head + payload[:_HEAD_BYTES]
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            self._answer(stream, now)
        elif kind == _RESET:
            self._heads.pop(stream, None)
            self._answer(stream, now)
        else:
            self._control(kind, flags, stream, payload, out)

    def _control(
        self, kind: int, flags: int, stream: int, payload: bytes, out: list[bytes]
    ) -> None:
        if kind == _PING and not flags & _ACK:
            out.append(frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            for at in range(0, len(payload), 6):
                which, value = struct.unpack_from(">HI", payload, at)
                if which == _INITIAL_WINDOW:
                    self._stream_left += value - self._stream_window
                    self._stream_window = value
            out.append(frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _WINDOW:
            self._widen(stream, int.from_bytes(payload) & 0x7FFFFFFF)
        elif kind == _GOAWAY:
            self.close()

    def _widen(self, stream: int, more: int) -> None:
        if stream == 0:
            self._left += more
        elif self._queue and stream == self._queue[0][0]:
            self._stream_left += more

    def _answer(self, stream: int, now: float) -> None:
        head = self._heads.pop(stream, b"")
        asked = self._asked.pop(stream, None)
        if asked is None:
            return
        tag, kind = asked
        if not head:
            self.on_reply(tag, "FAILED", now)
        else:
            self.on_reply(tag, OK if kind == PUT or found(head) else MISSING, now)

    def _pump(self, out: list[bytes]) -> None:
        """Send of the queue what both windows allow; only its head has sent anything."""
        while self._queue:
            stream, raw = self._queue[0]
            room = min(self._left, self._stream_left, _FRAME_BYTES, len(raw) - self._sent)
            if room <= 0:
                return
            part = raw[self._sent : self._sent + room]
            self._sent += room
            self._left -= room
            self._stream_left -= room
            last = self._sent == len(raw)
            out.append(frame(_DATA, _END_STREAM if last else 0, stream, part))
            if last:
                self._queue.popleft()
                self._sent, self._stream_left = 0, self._stream_window

    def _forgotten(self) -> list[Any]:
        tags = [tag for tag, _ in self._asked.values()]
        self._asked.clear()
        self._queue.clear()
        return tags


KINDS: Final = {"resp": RespLink, "etcd": EtcdLink}


@asynccontextmanager
async def connected(kind: str, addresses: Sequence[str], count: int) -> AsyncIterator[list[Link]]:
    """Open `count` links, spread over the addresses in turn, and drop them. Raises OSError."""
    loop = asyncio.get_running_loop()
    links: list[Link] = []
    make: type[Link] = KINDS[kind]
    try:
        for number in range(count):
            host, _, port = addresses[number % len(addresses)].rpartition(":")
            _, link = await loop.create_connection(make, host, int(port))
            links.append(link)
        yield links
    finally:
        for link in links:
            link.close()
        await asyncio.sleep(0)  # the loop closes a dropped connection in its next round
