"""A door without sockets, a node and a clock: everything happens when the test says so."""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import hiredis

from dynakv.core.layout import KeyspaceSettings, Layout, Member, NodeId, first_layout
from dynakv.core.record import Record, written
from dynakv.errors import Failure
from dynakv.node.messages import (
    KEEP_EXPIRY,
    ClientMessage,
    ClientReply,
    Expire,
    Expired,
    Found,
    Get,
    Header,
    List,
    Listed,
    MemberView,
    Put,
    Refused,
    Stored,
)
from dynakv.resp.connection import Connection
from dynakv.resp.door import Door

WALL_MS = 1_700_000_000_000
WRITER = 7


class FakeNode:
    """An inbox with a dict behind it. Messages wait until the test has them answered."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, bytes], Record] = {}
        self.waiting: deque[tuple[ClientMessage, Callable[[ClientReply], None]]] = deque()
        self.asked: list[Any] = []
        self.full = False
        self.page_keys = 256
        self.failing: Callable[[Any, int], Failure | None] = lambda message, entry: None
        self._time = WALL_MS << 16
        members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in (1, 2, 3)]
        cache = KeyspaceSettings("cache", groups=4, redis_number=1)
        keyspaces = [cache, KeyspaceSettings("default", groups=4)]
        self.the_layout = first_layout(members, keyspaces)

    # --- what doors call ---------------------------------------------------------------------

    def client(self, message: ClientMessage, answer: Callable[[ClientReply], None]) -> bool:
        if self.full:
            return False
        self.asked.append(message)
        self.waiting.append((message, answer))
        return True

    def layout(self) -> Layout:
        return self.the_layout

    def header(self) -> Header:
        return Header(1, "n1", self.the_layout.cluster_id, 77, 5, 1, self._time)

    def member_views(self) -> dict[str, MemberView]:
        return {"n1": MemberView(True, "", 0), "n2": MemberView(False, "", None)}

    # --- what tests call ---------------------------------------------------------------------

    def answer(self, place: int = 0) -> None:
        """Answer the message that waits at this place."""
        self.waiting.rotate(-place)
        message, answer = self.waiting.popleft()
        self.waiting.rotate(place)
        if isinstance(message, List):
            failure = self.failing(message, 0)
            answer(self._list(message) if failure is None else Refused([0], failure))
            return
        good = []
        for entry in range(len(message.keys)):
            failure = self.failing(message, entry)
            if failure is None:
                good.append(entry)
            else:
                answer(Refused([entry], failure))
        if good:
            answer(self._do(message, good))

    def _do(self, message: Put | Get | Expire, entries: list[int]) -> ClientReply:
        if isinstance(message, Get):
            return Found(entries, [self._find(message.keyspace, message.keys[i]) for i in entries])
        if isinstance(message, Expire):
            return Expired(entries, [self._expire(message, i) for i in entries])
        previous = [self._put(message, i) for i in entries]
        times = [self._time] * len(entries)
        writers = [WRITER] * len(entries)
        return Stored(entries, times, writers, previous if message.previous else None)

    def _find(self, keyspace: str, key: bytes) -> Record | None:
        return self.records.get((keyspace, key))

    def _put(self, put: Put, i: int) -> Record | None:
        key, value = put.keys[i], put.values[i]
        before = self._find(put.keyspace, key)
        self._time += 1
        expiry_ms = put.expiries_ms[i] if put.expiries_ms else 0
        if expiry_ms == KEEP_EXPIRY:
            expiry_ms = before.expiry_ms if before else 0
        if not expiry_ms and put.ttls_ms and put.ttls_ms[i]:
            expiry_ms = WALL_MS + put.ttls_ms[i]
        if 0 < expiry_ms <= WALL_MS:
            value, expiry_ms = None, 0
        self.records[put.keyspace, key] = written(key, value, expiry_ms, self._time, WRITER)
        return before if before is not None and before.value is not None else None

    def _expire(self, expire: Expire, i: int) -> bool:
        before = self._find(expire.keyspace, expire.keys[i])
        if before is None or before.value is None:
            return False
        expiry_ms = expire.expiries_ms[i] if expire.expiries_ms else 0
        if not expiry_ms and expire.ttls_ms:
            expiry_ms = WALL_MS + expire.ttls_ms[i]
        value = None if 0 < expiry_ms <= WALL_MS else before.value
        self.records[expire.keyspace, before.key] = written(
            before.key, value, expiry_ms, before.value_time, WRITER
        )
        return True

    def _list(self, message: List) -> Listed:
        rows = sorted(
            (key, record)
            for (keyspace, key), record in self.records.items()
            if keyspace == message.keyspace
            and key >= message.start
            and (message.end is None or key < message.end)
            and (message.after is None or key > message.after)
        )
        rows_max = min(message.limit or self.page_keys, self.page_keys)
        page = [record for _, record in rows[:rows_max]]
        more = len(rows) > rows_max
        live = [record for record in page if record.value is not None]
        return Listed([0], live, page[-1].key if more else None)


class FakeTransport:
    """Keeps what is written; a test may stop taking it."""

    def __init__(self) -> None:
        self.written = b""
        self.writes = 0
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data
        self.writes += bool(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return ("127.0.0.1", 5) if name == "peername" else None

    def set_write_buffer_limits(self, high: int) -> None:
        pass


class Client:
    """One connection, from the client's side."""

    def __init__(self, world: "World", connection: Connection) -> None:
        self._world = world
        self.connection = connection
        self.transport = FakeTransport()
        self._reader = hiredis.Reader(protocolError=AssertionError, replyError=Exception)
        connection.connection_made(self.transport)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        """Let bytes arrive, without anything else happening."""
        self.connection.data_received(data)

    def send_all(self, *commands: str | bytes | list[bytes]) -> None:
        """Let commands arrive in one chunk."""
        self.send(b"".join(map(encoded, commands)))

    def taken(self) -> bytes:
        """Return the bytes that came since the last look."""
        self._world.turns()
        data, self.transport.written = self.transport.written, b""
        return data

    def replies(self) -> list[Any]:
        """Return the replies that came since the last look; errors as exceptions."""
        self._reader.feed(self.taken())
        found = []
        while (reply := self._reader.gets()) is not False:
            found.append(reply)
        return found

    def say(self, command: str | bytes | list[bytes]) -> Any:
        """Send a command, let everything happen, return its only reply."""
        self.send_all(command)
        self._world.run()
        found = self.replies()
        assert len(found) == 1, found
        return found[0]

    def error(self, command: str | bytes | list[bytes]) -> str:
        """Return the text of the error that the command is answered with."""
        reply = self.say(command)
        assert isinstance(reply, Exception), reply
        return str(reply)


class World:
    """A door on a fake node."""

    def __init__(self, node: FakeNode | None = None, **settings: Any) -> None:
        self.node = node or FakeNode()
        self.now_ms = WALL_MS
        self._soon: deque[Callable[[], None]] = deque()
        self.door = Door(
            self.node,  # type: ignore[arg-type]
            wall_ms=lambda: self.now_ms,
            random=Random(1),
            soon=self._soon.append,
            **settings,
        )

    def client(self) -> Client:
        """Let a client connect."""
        return Client(self, self.door.connection())

    def turns(self) -> None:
        """Run what is due, without the node answering anything."""
        while self._soon:
            self._soon.popleft()()

    def run(self) -> None:
        """Run until nothing is left to do; the node answers at once."""
        self.turns()
        while self.node.waiting:
            self.node.answer()
            self.turns()

    def asked(self) -> list[Any]:
        """Return the messages that reached the node since the last look."""
        self.turns()
        asked, self.node.asked = self.node.asked, []
        return asked


def encoded(command: str | bytes | list[bytes]) -> bytes:
    """Return the request for words, split at spaces where it is a text."""
    if isinstance(command, bytes):
        return command
    words = command.encode().split(b" ") if isinstance(command, str) else command
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)
