"""A modest load on a demo, so that one sees what a fault costs while it lasts.

Half reads, half writes, at quorum, spread over the nodes at a fixed rate: requests are sent when
they are due, whether or not earlier ones are answered, so that a slow node shows as waiting time
and not as a lower rate. Like any client it leaves a node that failed it alone for a moment. It is a
picture, not a benchmark: one process on the machine of all nodes, one call a key.

Keys are uniform, or Zipf-distributed with theta 0.99 as in YCSB (Cooper et al., 2010, section 5.3):
the weight of the k-th key is 1 / k ** theta.
"""

import asyncio
import bisect
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from random import Random
from typing import Any, Final, Self

import grpc
import grpc.aio
from msgspec import Struct, field

from dynakv.errors import UsageError
from dynakv.server.demo_screen import Screen
from dynakv.v1 import kvstore_pb2, kvstore_pb2_grpc

KEYS: Final = 10_000
VALUE_BYTES: Final = 100
ZIPF_THETA: Final = 0.99
RATE: Final = 500  # operations a second
RATE_MAX: Final = 5_000  # more would measure this process
TICK_S: Final = 0.01
CALL_S: Final = 1.0
WAITING_MAX: Final = 2_000  # unanswered calls; what is due beyond them is counted as held back
AVOID_S: Final = 0.5  # after a failure, so that a node that is down gets two tries a second
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class Distribution(Enum):
    """Which keys are asked for."""

    UNIFORM = "uniform"
    ZIPF = "zipf"


class Second(Struct):
    """What was finished since the last look."""

    latencies_ms: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    held_back: int = 0


def refuse_rate(rate: int) -> None:
    """Raise UsageError for a rate outside its limits."""
    if not 1 <= rate <= RATE_MAX:
        raise UsageError(f"--load-rate = {rate}: must be between 1 and {RATE_MAX} operations/s")


def chooser(distribution: Distribution, random: Random, keys: int = KEYS) -> Callable[[], int]:
    """Return what draws the number of a key, 0 to keys - 1; 0 is the most frequent one of zipf.

    O(log keys) a draw.
    """
    if distribution is Distribution.UNIFORM:
        return lambda: random.randrange(keys)
    sums = list(itertools.accumulate(1 / k**ZIPF_THETA for k in range(1, keys + 1)))
    total = sums[-1]
    return lambda: min(bisect.bisect_right(sums, random.random() * total), keys - 1)


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    assert sorted_values
    place = -int(-share * len(sorted_values) // 1) - 1
    return sorted_values[max(place, 0)]


class Load:
    """The running load. Use it with `async with`; it ends with the block."""

    def __init__(self, endpoints: dict[str, str], distribution: Distribution, rate: int) -> None:
        """Prepare it: node id -> address for clients."""
        self._targets = [_Target(node, endpoint) for node, endpoint in endpoints.items()]
        self._random = Random()  # noqa: S311 - spreads load, hides nothing
        self._choose = chooser(distribution, self._random)
        self._name = f"load {distribution.value}"
        self._rate = rate
        self._calls: set[asyncio.Task[None]] = set()
        self._second = Second()
        self._failed: Counter[str] = Counter()  # since the start
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to send."""
        self._task = asyncio.get_running_loop().create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, without waiting for answers."""
        assert self._task is not None
        self._task.cancel()
        pending = [self._task, *self._calls]
        for call in pending:
            call.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for target in self._targets:
            await target.channel.close()

    def line(self, seconds: float) -> str:
        """Return what happened in the last `seconds`, which end now, in one line."""
        second, self._second = self._second, Second()
        self._failed.update(second.failed)
        latencies = sorted(second.latencies_ms)
        parts = [self._name, f"{len(latencies) / seconds:.0f} ops/s"]
        if latencies:
            p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
            parts += [f"p50 {p50:.1f} ms", f"p99 {p99:.1f} ms"]
        errors = f"errors {second.failed.total()}"
        if self._failed:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self._failed.most_common())
            errors += f" (since the start {kinds})"
        parts.append(errors)
        if second.held_back:
            parts.append(f"held back {second.held_back}")
        return "  ".join(parts)

    async def _send(self) -> None:
        sent = 0
        began = time.monotonic()
        while True:
            due = int((time.monotonic() - began) * self._rate)
            # After a pause of this process nothing is caught up: that would be a burst.
            sent = max(sent, due - self._rate)
            for _ in range(due - sent):
                self._begin()
            sent = due
            await asyncio.sleep(TICK_S)

    def _begin(self) -> None:
        if len(self._calls) >= WAITING_MAX:
            self._second.held_back += 1
            return
        call = asyncio.get_running_loop().create_task(self._call())
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self) -> None:
        target = self._target()
        key = b"load:%05d" % self._choose()
        began = time.monotonic()
        try:
            if self._random.random() < 0.5:
                await target.stub.Get(kvstore_pb2.GetRequest(key=key), timeout=CALL_S)
            else:
                value = self._random.randbytes(VALUE_BYTES)
                request = kvstore_pb2.PutRequest(key=key, value=value)
                await target.stub.Put(request, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            self._second.failed[error.code().name] += 1
            target.avoid_until = time.monotonic() + AVOID_S
        else:
            self._second.latencies_ms.append((time.monotonic() - began) * 1000)

    def _target(self) -> "_Target":
        """Return any node that did not just fail; else the one that failed longest ago."""
        now = time.monotonic()
        willing = [t for t in self._targets if t.avoid_until <= now]
        if willing:
            return self._random.choice(willing)
        return min(self._targets, key=lambda t: t.avoid_until)


class _Target:
    """One node and whether it is left alone."""

    def __init__(self, node: str, endpoint: str) -> None:
        self.node = node
        self.avoid_until = 0.0  # monotonic seconds
        self.channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        self.stub: Any = kvstore_pb2_grpc.KVStoreStub(self.channel)  # type: ignore[no-untyped-call]


async def show(load: Load, screen: Screen) -> None:
    """Show a line a second for ever."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(1)
        now = time.monotonic()
        screen.show(load.line(now - last))
        last = now
