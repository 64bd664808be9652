"""Reads and writes at once on one node's disk, as a node puts them to it.

`mixed`: many tasks, each with batches of which four fifths are gets; a batch is done when its gets
have their rows and its puts are on disk. Gets ask the record cache first and the disk for what it
does not hold; puts of all tasks meet in `server/disk_queue.py`, which makes them transactions.
`beside_gets`: one put after the other while gets never let the event loop rest.
"""

import asyncio
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from dynakv.core.cache import MISS, RecordCache
from dynakv.core.table import Merged, MergeRecords, ReadRecords, Rows
from dynakv.server.disk_queue import DiskQueue
from dynakv.storage.store import Store
from loadtest.plain import percentile_ms

READ_SHARE: Final = 0.8
TASKS: Final = 35
GETS_A_TURN: Final = 256
MADE_PER_S: Final = 400_000  # requests
CACHE_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Mix:
    """What came of a mixed load."""

    per_second: float
    p50_ms: float
    p99_ms: float
    rows_a_commit: float


class Disk:
    """A store behind the queue that nodes use, with futures for the tasks here."""

    def __init__(self, store: Store, cache: RecordCache) -> None:
        """Nothing is asked yet."""
        self.cache = cache
        self.commits = self.rows = 0
        self._calls = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._queue = DiskQueue(store, self._replied, self._committed, self._failed)
        self._loop = asyncio.get_running_loop()
        self._pumping = False

    def ask(self, message: MergeRecords | ReadRecords) -> "asyncio.Future[Any]":
        """Return the future reply; asks of one turn leave together."""
        self._calls += 1
        future = self._waiting[self._calls] = self._loop.create_future()
        self._queue.append(self._calls, message)
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)
        return future

    def _pump(self) -> None:
        self._pumping = False
        self._queue.pump()

    def _replied(self, replies: list[tuple[int, object]]) -> None:
        for call, reply in replies:
            if isinstance(reply, Merged):
                self.rows += len(reply.after)
            self._waiting.pop(call).set_result(reply)

    def _committed(self, sequence: int) -> None:
        del sequence
        self.commits += 1

    def _failed(self, why: str) -> None:
        for future in self._waiting.values():
            future.set_exception(RuntimeError(why))


def split(batch: int, random: Random) -> tuple[int, int]:
    """Return how many of a batch are gets and puts; what is left over falls to either at random."""
    gets, rest = divmod(batch * READ_SHARE, 1)
    count = int(gets) + (random.random() < rest)
    return count, batch - count


async def mixed(
    store: Store,
    read: Callable[[int], ReadRecords],
    write: Callable[[int], MergeRecords],
    batch: int,
    seconds: float,
    *,
    cached: bool,
) -> Mix:
    """Return what `TASKS` tasks reach with batches of this size; making them is not timed.

    A cache begins with every key that is asked for. Ends early where all batches that were made
    are done, at MADE_PER_S a second.
    """
    disk, random = Disk(store, RecordCache(CACHE_BYTES if cached else 0)), Random(5)
    splits = [split(batch, random) for _ in range(int(seconds * MADE_PER_S / batch) or 1)]
    made = [(read(gets) if gets else None, write(puts) if puts else None) for gets, puts in splits]
    if cached:
        for asked, _ in made:
            if asked is not None:
                await _get(disk, asked)
    times, batches = array("I"), iter(made)
    began = time.perf_counter()
    ends = began + seconds

    async def work() -> None:
        for asked, put in batches:
            if (start := time.perf_counter()) > ends:
                return
            written = _put(disk, put) if put is not None else None
            if asked is not None:
                await _get(disk, asked)
            if written is not None:
                await written
            times.append(int((time.perf_counter() - start) * 1e6))
            await asyncio.sleep(0)  # cached gets alone would never let anybody else run

    await asyncio.gather(*(work() for _ in range(TASKS)))
    took = time.perf_counter() - began
    rows = disk.rows / max(disk.commits, 1)
    return Mix(len(times) * batch / took, percentile_ms(times, 50), percentile_ms(times, 99), rows)


def _put(disk: Disk, message: MergeRecords) -> "asyncio.Future[Any]":
    future = disk.ask(message)

    def stored(done: "asyncio.Future[Any]") -> None:
        if done.exception() is None:
            disk.cache.stored_all(message.keyspace, done.result().after)

    future.add_done_callback(stored)
    return future


async def _get(disk: Disk, message: ReadRecords) -> None:
    keyspace = message.keyspace
    cached, missed = disk.cache.get_all(keyspace, message.keys)
    if not missed:
        return
    missing = [i for i, row in enumerate(cached) if row is MISS]
    keys = [message.keys[i] for i in missing]
    ticket = disk.cache.begin_read()
    rows = await disk.ask(ReadRecords(keyspace, [message.groups[i] for i in missing], keys))
    assert isinstance(rows, Rows)
    for key, row in zip(keys, rows.rows, strict=True):
        disk.cache.fill(ticket, keyspace, key, row)
    disk.cache.end_read(ticket)


async def beside_gets(
    store: Store,
    read: Callable[[int], ReadRecords],
    write: Callable[[int], MergeRecords],
    rows: int,
    seconds: float,
) -> tuple[Mix, float]:
    """Return commits of `rows` rows, one after the other, and the cached gets a second beside."""
    loop = asyncio.get_running_loop()
    cache = RecordCache(CACHE_BYTES)
    message = read(GETS_A_TURN)
    found = await store.read(message)
    ticket = cache.begin_read()
    for key, row in zip(message.keys, found.rows, strict=True):
        cache.fill(ticket, message.keyspace, key, row)
    cache.end_read(ticket)
    count, going = 0, True

    def gets() -> None:
        nonlocal count
        for key in message.keys:
            cache.get(message.keyspace, key)
        count += GETS_A_TURN
        if going:
            loop.call_soon(gets)

    times, began = array("I"), time.perf_counter()
    loop.call_soon(gets)
    while (now := time.perf_counter()) < began + seconds:
        await store.commit([write(rows)])
        times.append(int((time.perf_counter() - now) * 1e6))
    going = False
    took = time.perf_counter() - began
    await asyncio.sleep(0)
    p50, p99 = percentile_ms(times, 50), percentile_ms(times, 99)
    return Mix(len(times) * rows / took, p50, p99, float(rows)), count / took
