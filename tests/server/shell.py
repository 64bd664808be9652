"""A driver over fakes: a loop whose time jumps, a disk and links that wait for the test."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from dynakv.core import table
from dynakv.core.record import written
from dynakv.core.table import MergeRecords, ReadRecords, Rows
from dynakv.node.messages import STORE, Ask, Effect, Get, Header, Now
from dynakv.server.driver import Driver

WALL_MS = 1_700_000_000_000
HEADER = Header(1, "n2", 1, 2, 3, 4, 5)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever nothing is left to run."""

    seconds = 1_000.0

    def time(self) -> float:
        return self.seconds

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.seconds = max(self.seconds, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]

    def now(self) -> Now:
        ms = round(self.seconds * 1000)
        return Now(WALL_MS + ms, ms)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = FastLoop()
    try:
        loop.run_until_complete(test())
    finally:
        loop.close()


def clocks() -> Now:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FastLoop)
    return loop.now()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class FakeDisk:
    """A dict behind the storage rule; what it was handed waits until the test finishes it."""

    def __init__(self) -> None:
        self.rows: dict[table.RowKey, table.Row] = {}
        self.commits: deque[tuple[list[Any], Callable[[Any], None]]] = deque()
        self.reads: deque[tuple[list[Any], Callable[[Any], None]]] = deque()
        self.commit_sequence = 0
        self.free = 1.0

    def commit_soon(self, operations: list[Any], done: Callable[[Any], None]) -> None:
        self.commits.append((operations, done))

    def read_soon(self, requests: list[Any], done: Callable[[Any], None]) -> None:
        self.reads.append((requests, done))

    def free_share(self) -> float:
        return self.free

    def commit(self) -> list[Any]:
        """Finish the oldest transaction; return its operations."""
        operations, done = self.commits.popleft()
        writes, replies = table.apply(operations, self.rows)
        self.rows.update(writes)
        self.commit_sequence += 1
        done(replies)
        return operations

    def read(self) -> list[Any]:
        """Finish the oldest read; return its requests."""
        requests, done = self.reads.popleft()
        found = [
            [self.rows.get((r.keyspace, g, k)) for g, k in zip(r.groups, r.keys, strict=True)]
            for r in requests
        ]
        done([Rows(rows) for rows in found])
        return requests


class FakeLinks:
    def __init__(self) -> None:
        self.sent: list[Ask] = []

    def send(self, ask: Ask) -> None:
        self.sent.append(ask)


class FakeNode:
    """Writes down what it is told, and wants done what the test put into `effects`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.effects: list[Effect] = []
        self.turns = 0
        self.wake_ms: int | None = None

    def resign(self, now: Now) -> None:
        self.told.append(("resign", now))

    def heard(self, header: Header, now: Now) -> bool:
        self.told.append(("heard", header))
        return header is HEADER

    def asked(self, call: int, message: object, now: Now, sender: str | None = None) -> None:
        self.told.append((sender or "client", message))

    def answered(self, call: int, reply: object, now: Now) -> None:
        self.told.append((f"reply to {call}", reply))

    def disk_full(self, *, full: bool) -> None:
        self.told.append(("disk full", full))

    def committed(self, sequence: int) -> None:
        self.told.append(("committed", sequence))

    def tick(self, now: Now) -> None:
        self.told.append(("tick", now.mono_ms))

    def wake_at(self) -> int | None:
        return self.wake_ms

    def take_effects(self) -> list[Effect]:
        self.turns += 1
        effects, self.effects = self.effects, []
        return effects


class Shell:
    """A driver over fakes."""

    def __init__(self, node: object | None = None) -> None:
        self.fake = FakeNode()
        self.disk, self.links = FakeDisk(), FakeLinks()
        self.driver = Driver(node or self.fake, self.disk, clocks)  # type: ignore[arg-type]
        self.driver.start(self.links)

    async def wants(self, *effects: Effect) -> None:
        """Let the node want these things done in a turn."""
        self.fake.effects += effects
        self.driver._schedule()
        await turns(2)


def get(keys: int = 1) -> Get:
    return Get("default", [b"k"] * keys)


def merge(call: int, rows: int = 1, value: bytes = b"v") -> Ask:
    records = [written(b"%d" % i, value, 0, 1, 1) for i in range(rows)]
    return Ask(call, STORE, MergeRecords(1, [0] * rows, records), 0)


def read(call: int, keys: int) -> Ask:
    return Ask(call, STORE, ReadRecords(1, [0] * keys, [b"k"] * keys), 0)


def ignore(_: object) -> None:
    pass
