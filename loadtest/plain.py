"""One load over plain links: what is sent, when, and what came of it.

Closed loop: each connection sends a batch when the batch before is answered. Open loop: requests
are due at a fixed rate whatever became of the ones before, and latency counts from the moment that
one was due (no coordinated omission). One process, one thread, callbacks instead of tasks: 3 to 20
us of CPU a request, so that the servers are the limit. `Tally.generator_cpus` says if it is not so.
"""

import asyncio
import contextlib
import gc
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from loadtest.keys import Distribution, Keys, Sizes, Values, name

if TYPE_CHECKING:
    from loadtest.links import Link

clock = time.perf_counter
ANSWER_S: Final = 10.0  # for what is still open when a load ends
FILL_BATCH_BYTES: Final = 1 << 20
FILL_S: Final = 300.0
POOL: Final = 64  # different values
TICK_S: Final = 0.002  # of an open loop: at 5,000 a second ten requests fall due at once


@dataclass(frozen=True, slots=True)
class Shape:
    """What a load asks for."""

    read_share: float  # 0: only puts
    distribution: Distribution = Distribution.UNIFORM
    value_bytes: int = 100
    keys: int = 10_000
    connections: int = 50
    pipeline: int = 1
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """What came of it. Latencies in us, those of requests that were answered well only."""

    seconds: float = 0.0
    latencies: "array[int]" = field(default_factory=lambda: array("I"))
    missing: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    generator_cpus: float = 0.0

    @property
    def done(self) -> int:
        """How many requests were answered well within the window."""
        return len(self.latencies)

    def note(self, outcome: str, seconds: float) -> None:
        """Count a reply."""
        if outcome in ("", "missing"):
            self.latencies.append(min(int(seconds * 1e6), 0xFFFFFFFF))
            if outcome:
                self.missing += 1
        else:
            self.errors[outcome] += 1


def percentile_ms(latencies_us: Sequence[int], percent: float) -> float:
    """Return the smallest time that `percent` of all do not exceed; 0 where there is none."""
    if not len(latencies_us):
        return 0.0
    return float(np.percentile(latencies_us, percent, method="inverted_cdf")) / 1000


class Source:
    """An endless series of requests."""

    def __init__(self, shape: Shape) -> None:
        """Draw keys and values beforehand."""
        self._shape = shape
        self._keys = Keys(shape.distribution, shape.keys, shape.seed)
        values = Values(Sizes(shape.value_bytes, shape.value_bytes), shape.seed)
        self._values = [values.next() for _ in range(POOL)]
        self._count = 0
        self._reads = 0.0

    def take(self, count: int) -> list[tuple[str, bytes, bytes]]:
        """Return the next requests; puts and gets are mixed evenly."""
        made, keys, values = [], self._keys, self._values
        share = self._shape.read_share
        for _ in range(count):
            self._count += 1
            self._reads += share
            if self._reads >= 1.0:
                self._reads -= 1.0
                made.append(("get", keys.next(), b""))
            else:
                made.append(("put", keys.next(), values[self._count % POOL]))
        return made


async def closed(
    links: Sequence["Link"],
    shape: Shape,
    seconds: float,
    warmup_s: float,
    at_edge: Callable[[], Any] = lambda: None,
    answer_s: float = ANSWER_S,
) -> tuple[Tally, list[Any]]:
    """Run a closed loop; return what was counted, and what `at_edge` said at the window's edges."""
    loop = asyncio.get_running_loop()
    source, edges = Source(shape), list[Any]()
    cpu_s = 0.0

    def edge() -> None:
        nonlocal cpu_s
        edges.append(at_edge())
        cpu_s = time.process_time() - cpu_s

    gc.collect()
    gc.disable()
    try:
        running = _Closed(links, source, shape.pipeline, clock() + warmup_s, seconds)
        loop.call_later(warmup_s, edge)
        loop.call_later(warmup_s + seconds, edge)
        running.start()
        try:
            async with asyncio.timeout(warmup_s + seconds + answer_s):
                await running.finished.wait()
        except TimeoutError:
            running.tally.unanswered = running.under_way
    finally:
        gc.enable()
    while len(edges) < 2:  # every connection was lost
        edge()
    running.tally.generator_cpus = cpu_s / seconds
    return running.tally, edges


class _Closed:
    """The state of a closed loop; a tag is [when it was sent, how many of the batch are open]."""

    def __init__(
        self, links: Sequence["Link"], source: Source, pipeline: int, opens: float, seconds: float
    ) -> None:
        self.tally = Tally(seconds)
        self.finished = asyncio.Event()
        self.under_way = 0
        self._links = links
        self._source = source
        self._pipeline = pipeline
        self._opens, self._ends = opens, opens + seconds

    def start(self) -> None:
        for link in self._links:
            link.on_reply = partial(self._reply, link)
        for link in self._links:
            self._go(link)

    def _go(self, link: "Link") -> None:
        self.under_way += self._pipeline
        link.send(self._source.take(self._pipeline), [clock(), self._pipeline])

    def _reply(self, link: "Link", tag: list[Any], outcome: str, now: float) -> None:
        if self._opens <= now < self._ends:
            self.tally.note(outcome, now - tag[0])
        self.under_way -= 1
        tag[1] -= 1
        if not tag[1]:
            if now < self._ends and link.open:
                self._go(link)
            elif not self.under_way:
                self.finished.set()


def nothing(second: int) -> None:
    """Do nothing when a second begins."""
    del second


@dataclass(slots=True)
class Second:
    """The requests that were due within one second of an open loop."""

    latencies: "array[int]" = field(default_factory=lambda: array("I"))
    errors: Counter[str] = field(default_factory=Counter)
    sent: int = 0


async def opened(
    links: Sequence["Link"],
    shape: Shape,
    rates: Sequence[float],
    at_second: Callable[[int], None] = nothing,
    answer_s: float = ANSWER_S,
) -> tuple[list[Second], float]:
    """Send `rates[i]` requests due in second i; return the seconds and the p99 of lateness in ms.

    `at_second` is called when a second begins. Puts and gets are told apart by nobody here: give a
    shape of one kind.
    """
    running = _Open(links, Source(shape), len(rates))
    dues, upcoming = _due(rates), list[float]()
    entered = -1
    while True:
        if not upcoming:
            upcoming = list(islice(dues, 1))
        if not upcoming:
            break
        await asyncio.sleep(max(running.began + upcoming[0] - clock(), TICK_S))
        now = clock() - running.began
        if entered < int(now) < len(rates):
            entered = int(now)
            at_second(entered)
        while upcoming and upcoming[0] <= now:
            running.send(upcoming[0], now)
            upcoming = list(islice(dues, 1))
    await running.answered(answer_s)
    return running.seconds, percentile_ms(running.late, 99)


class _Open:
    """The state of an open loop; a tag is the moment at which its request was due."""

    def __init__(self, links: Sequence["Link"], source: Source, seconds: int) -> None:
        self.seconds = [Second() for _ in range(seconds)]
        self.late = array("I")
        self._links = links
        self._source = source
        self._turn = 0
        self._waiting = 0
        self._all_sent = False
        self._finished = asyncio.Event()
        for link in links:
            link.on_reply = self._reply
        self.began = clock() + 0.05

    def send(self, due: float, now: float) -> None:
        """Send the next request on the next connection."""
        self._turn += 1
        self._waiting += 1
        self.seconds[int(due)].sent += 1
        self.late.append(int((now - due) * 1e6))
        link = self._links[self._turn % len(self._links)]
        if link.open:
            link.send(self._source.take(1), due)
        else:
            self._reply(due, "CLOSED", clock())

    def _reply(self, due: float, outcome: str, now: float) -> None:
        self._waiting -= 1
        second = self.seconds[int(due)]
        if outcome in ("", "missing"):
            second.latencies.append(int((now - self.began - due) * 1e6))
        else:
            second.errors[outcome] += 1
        if self._all_sent and not self._waiting:
            self._finished.set()

    async def answered(self, within_s: float) -> None:
        """Wait for the last replies; those that do not come are errors."""
        self._all_sent = True
        if self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._finished.wait(), within_s)
        for second in self.seconds:
            lost = second.sent - len(second.latencies) - sum(second.errors.values())
            if lost:
                second.errors["UNANSWERED"] += lost


def _due(rates: Sequence[float]) -> Iterator[float]:
    for second, rate in enumerate(rates):
        for number in range(round(rate)):
            yield second + number / rate


async def fill(links: Sequence["Link"], shape: Shape) -> None:
    """Write every key once. Raises ValueError where one is not taken within the bound."""
    values = Source(shape)
    batch = max(min(FILL_BATCH_BYTES // shape.value_bytes, 64), 1)
    firsts = iter(range(0, shape.keys, batch))
    end = clock() + FILL_S

    async def work(link: "Link") -> None:
        for first in firsts:
            keys = [name(i) for i in range(first, min(first + batch, shape.keys))]
            while True:
                puts = [
                    ("put", key, value)
                    for key, (_, _, value) in zip(keys, values.take(len(keys)), strict=True)
                ]
                outcomes = await answered(link, puts)
                failed = [o for o in outcomes if o]
                if not failed:
                    break
                if clock() > end or not link.open:
                    raise ValueError(f"keys could not be written: {Counter(failed)}")
                await asyncio.sleep(0.1)

    await asyncio.gather(*(work(link) for link in links[:16]))


async def answered(link: "Link", requests: Sequence[tuple[str, bytes, bytes]]) -> list[str]:
    """Send requests and return their outcomes."""
    done: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    outcomes: list[str] = []

    def reply(tag: Any, outcome: str, now: float) -> None:
        del tag, now
        outcomes.append(outcome)
        if len(outcomes) == len(requests) and not done.done():
            done.set_result(outcomes)

    link.on_reply = reply
    link.send(requests, None)
    return await asyncio.wait_for(done, FILL_S)
