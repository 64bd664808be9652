"""Sends one kind of load from one process, and counts what comes of it.

Closed loop: each worker sends its next message when the one before is answered. It finds the most
that a system can do, and hides how long requests would have waited that were never sent.

Open loop: message i is due at i / rate, whatever became of the ones before, and its latency counts
from that moment, not from when a worker came to send it: no coordinated omission (Gil Tene, "How
NOT to Measure Latency"). At most `workers` messages are under way at once; a message that is due
while all are busy waits, and its waiting counts.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self

import grpc
import grpc.aio

from dynakv import limits
from dynakv.errors import RefusedError
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc
from loadtest import failures
from loadtest.histogram import Latencies
from loadtest.keys import Distribution, Keys, Sizes, Values, name

OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # a channel is a connection of its own
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
)
CALL_S: Final = 10.0  # for one message
CONNECT_S: Final = 5.0
LOAD_BYTES: Final = 1 << 20  # of one message while loading
LOAD_AT_ONCE: Final = 16
LOAD_S: Final = 30.0  # for one message to get through, however often it is sent
LOAD_PAUSE_S: Final = 0.1
FAILURE_PAUSE_S: Final = 0.01  # a refused call returns at once: do not spin on a dead node


@dataclass(frozen=True, slots=True)
class Load:
    """What one process is to send."""

    endpoints: tuple[str, ...]
    connections: int  # spread over the endpoints
    workers: int
    read_share: float  # 0: only puts, 1: only gets
    distribution: Distribution
    keys: int
    sizes: Sizes
    batch: int  # requests per message; 1: Put and Get, more: Pipeline
    level: int  # of dynakv.v1.Level
    seconds: float
    warmup_s: float
    seed: int
    interval_s: float = 0.0  # between messages; 0: closed loop
    offset_s: float = 0.0  # of this process's first message, so that processes take turns


@dataclass(slots=True)
class Tally:
    """What came of it, after the warm-up. Requests are keys, messages are calls."""

    done: int = 0  # requests completed inside the window: the throughput
    missing: int = 0  # gets that found nothing
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, class) -> requests
    unsent: int = 0  # requests due in the window that were given up unsent, long after its end
    latencies: dict[str, Latencies] = field(
        default_factory=lambda: {"put": Latencies(), "get": Latencies()}
    )  # of messages due in the window and not failed
    late: Latencies = field(default_factory=Latencies)  # open loop: from due to sent
    cpu_s: float = 0.0  # that this process itself used

    def add(self, other: Self) -> None:
        """Take in another process's part."""
        self.done += other.done
        self.missing += other.missing
        self.failed.update(other.failed)
        self.unsent += other.unsent
        for kind, latencies in other.latencies.items():
            self.latencies[kind].add(latencies)
        self.late.add(other.late)
        self.cpu_s += other.cpu_s


class Schedule:
    """When messages are due, in seconds of a monotonic clock."""

    def __init__(self, load: Load, began: float) -> None:
        """Begin at `began`; the window opens after the warm-up."""
        self.opens = began + load.warmup_s
        self.ends = self.opens + load.seconds
        self._first = began + load.offset_s
        self._interval = load.interval_s
        self._given = 0  # messages; counted, since adding up an interval adds up its rounding

    def next(self, now: float) -> float | None:
        """Return when the next message is due, which may be long ago; None when all were given."""
        due = now
        if self._interval:
            due = self._first + self._given * self._interval
            self._given += due < self.ends
        return due if due < self.ends else None

    def left(self) -> int:
        """Return how many messages of an open loop are still due before the end."""
        if not self._interval:
            return 0
        total = math.ceil((self.ends - self._first) / self._interval)
        return max(total - self._given, 0)

    def in_window(self, moment: float) -> bool:
        """Say whether a moment counts."""
        return self.opens <= moment < self.ends


class Generator:
    """The workers of one process."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare keys and values; `run` sends."""
        self.load = load
        self._clock = clock
        self.tally = Tally()
        self._random = random.Random(load.seed)
        self._keys = Keys(load.distribution, load.keys, load.seed)
        self._values = Values(load.sizes, load.seed)

    async def run(self, stubs: list[Any]) -> Tally:
        """Send until the window has ended and every message is answered."""
        cpu_s = time.process_time()
        schedule = Schedule(self.load, self._clock())
        workers = [
            self._work(stubs[i % len(stubs)], schedule) for i in range(max(self.load.workers, 1))
        ]
        await asyncio.gather(*workers)
        self.tally.unsent = schedule.left() * self.load.batch
        self.tally.cpu_s = time.process_time() - cpu_s
        return self.tally

    async def _work(self, stub: Any, schedule: Schedule) -> None:
        paced = self.load.interval_s > 0
        while self._clock() < schedule.ends + CALL_S:
            due = schedule.next(self._clock())
            if due is None:
                return
            if paced:
                wait_s = due - self._clock()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                if schedule.in_window(due):
                    self.tally.late.record(self._clock() - due)
            await self._send(stub, due, schedule)

    async def _send(self, stub: Any, due: float, schedule: Schedule) -> None:
        kind = "get" if self._random.random() < self.load.read_share else "put"
        method, request = self._request(stub, kind)
        counts = schedule.in_window(due)
        try:
            reply = await method(request, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            if counts:
                said = failures.of_call(error, writes=kind == "put")
                self.tally.failed[kind, said] += self.load.batch
            await asyncio.sleep(FAILURE_PAUSE_S)
            return
        now = self._clock()
        bad = self._note_entries(kind, reply, counts=counts)
        if schedule.in_window(now):
            self.tally.done += self.load.batch - bad
        if counts:
            self.tally.latencies[kind].record(now - due)

    def _request(self, stub: Any, kind: str) -> tuple[Any, Any]:
        batch, level = self.load.batch, self.load.level
        if batch == 1:
            if kind == "get":
                return stub.Get, pb.GetRequest(key=self._keys.next(), level=level)  # type: ignore[arg-type]
            value = self._values.next()
            return stub.Put, pb.PutRequest(key=self._keys.next(), value=value, level=level)  # type: ignore[arg-type]
        keys = [self._keys.next() for _ in range(batch)]
        if kind == "get":
            step = pb.Step(get=pb.GetStep(keys=keys))
        else:
            step = pb.Step(put=pb.PutStep(keys=keys, values=[self._values.next() for _ in keys]))
        return stub.Pipeline, pb.PipelineRequest(level=level, steps=[step])  # type: ignore[arg-type]

    def _note_entries(self, kind: str, reply: Any, *, counts: bool) -> int:
        """Count entries of an answered message that failed or found nothing; return the failed."""
        if self.load.batch == 1:
            if counts and kind == "get" and not reply.found:
                self.tally.missing += 1
            return 0
        bad = 0
        for result in reply.results:
            here = 0
            for errors in result.errors:
                here += len(errors.entries)
                if counts:
                    self.tally.failed[kind, failures.of_entries(errors)] += len(errors.entries)
            bad += here
            if counts and kind == "get":
                found = result.found.found
                self.tally.missing += len(found) - sum(found) - here
        return bad


async def connected(load: Load) -> tuple[list[grpc.aio.Channel], list[Any]]:
    """Return channels that are connected, and their stubs. Raises RefusedError."""
    channels = [
        grpc.aio.insecure_channel(load.endpoints[i % len(load.endpoints)], options=OPTIONS)
        for i in range(load.connections)
    ]
    stubs = [kvstore_pb2_grpc.KVStoreStub(c) for c in channels]  # type: ignore[no-untyped-call]
    hello = pb.HandshakeRequest()
    for i, stub in enumerate(stubs):
        try:
            await stub.Handshake(hello, wait_for_ready=True, timeout=CONNECT_S)
        except grpc.aio.AioRpcError as error:
            endpoint = load.endpoints[i % len(load.endpoints)]
            raise RefusedError(
                f"{endpoint} did not answer within {CONNECT_S:.0f} s: {error.code().name}"
            ) from None
    return channels, stubs


async def fill(load: Load) -> None:
    """Write every key once, several messages at a time. Raises RefusedError if one cannot be.

    A message that fails is sent again, whatever became of it: nodes that have just started refuse
    writes for a moment, and nobody else writes these keys yet.
    """
    channels, stubs = await connected(load)
    values = Values(load.sizes, load.seed)
    batch = max(min(LOAD_BYTES // max(load.sizes.most, 1), 500), 1)
    firsts = iter(range(0, load.keys, batch))

    async def worker(stub: Any) -> None:
        for first in firsts:
            keys = [name(i) for i in range(first, min(first + batch, load.keys))]
            step = pb.Step(put=pb.PutStep(keys=keys, values=[values.next() for _ in keys]))
            await _written(stub, pb.PipelineRequest(steps=[step]))

    await asyncio.gather(*(worker(stubs[i % len(stubs)]) for i in range(LOAD_AT_ONCE)))
    for channel in channels:
        await channel.close()


async def _written(stub: Any, request: pb.PipelineRequest) -> None:
    """Send until nothing of it failed. Raises RefusedError with what failed last, after LOAD_S."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LOAD_S
    while True:
        try:
            reply = await stub.Pipeline(request, timeout=CALL_S)
            why = "; ".join(errors.message for errors in reply.results[0].errors)
        except grpc.aio.AioRpcError as error:
            why = failures.of_call(error, writes=True)
        if not why:
            return
        if loop.time() > end:
            raise RefusedError(f"the keys could not be loaded within {LOAD_S:.0f} s: {why}")
        await asyncio.sleep(LOAD_PAUSE_S)
