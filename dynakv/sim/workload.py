"""Clients: calls with many keys to any node, retries with the same stamp, and follow-up reads.

A client learns of a call what a real one would: parts of an answer, a broken connection, or
nothing. What it then knows goes to the checker. `stories.py` adds scripts that lead single keys
into known corners; both begin here, in one stream of arrivals.
"""

from collections.abc import Callable, Sequence
from random import Random

from dynakv import limits
from dynakv.core.hlc import reading
from dynakv.core.layout import Level
from dynakv.errors import Kind
from dynakv.node.messages import (
    KEEP_EXPIRY,
    Expire,
    Expired,
    Found,
    Get,
    List,
    Listed,
    Put,
    Refused,
    Stored,
)
from dynakv.sim import stories
from dynakv.sim.calls import Asked, Call, Keyed
from dynakv.sim.checkers import Checker
from dynakv.sim.clock import true_wall_ms
from dynakv.sim.history import Stamp, Write
from dynakv.sim.knobs import Knobs
from dynakv.sim.process import Process
from dynakv.sim.timeline import MS, SECOND, Timeline
from dynakv.sim.trace import Trace

_CLIENTS = 8
_RETRIES_MAX = 3
_AHEAD_SHARE = 0.01  # of client-stamped calls: they must be refused
_STAMPED_SHARE = 0.2  # of puts: the client chose the stamp
_TIE_SHARE = 0.3  # of client stamps: their counter is 0, so that clients meet in one reading


class Workload:
    """All clients of one run."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        trace: Trace,
        knobs: Knobs,
        checker: Checker,
        processes: Sequence[Process],
        quorums: tuple[int, int, int],
    ) -> None:
        """Send to `processes`; `quorums` are n, rq and wq of the keyspace."""
        self.timeline = timeline
        self.random = random
        self.trace = trace
        self.knobs = knobs
        self.checker = checker
        self.processes = processes
        self.n, self.rq, self.wq = quorums
        self.counts: dict[str, int] = {}
        self.calm = False  # the network to the clients is whole
        # Says whether a stamp of a key is as old as what was collected in its group.
        self.collected: Callable[[bytes, int], bool] = lambda *_: False
        self._until_us = 0
        self._values = 0
        self._stories = 0
        # A story makes about six calls, and reads that follow up are followed up themselves.
        calls_per_arrival = (1 + 5 * knobs.story_share) / (1 - knobs.follow_share)
        self._arrivals_per_s = knobs.calls_per_s / calls_per_arrival
        self._kinds = ["put"] * knobs.put_weight
        self._kinds += ["get"] * knobs.get_weight + ["expire"] * knobs.expire_weight
        self._kinds += ["list"] * knobs.list_weight

    def run(self, until_us: int) -> None:
        """Let calls arrive until that moment."""
        self._until_us = until_us
        self._arrive()

    def _arrive(self) -> None:
        if self.timeline.now_us >= self._until_us:
            return
        pause_us = int(self.random.expovariate(self._arrivals_per_s / SECOND))
        self.timeline.after(pause_us, self._arrive)
        if self.random.random() < self.knobs.story_share:
            self._stories += 1
            story = self.random.choice(stories.STORIES)
            stories.tell(story(self, b"story-%d" % self._stories), self)
            return
        match self.random.choice(self._kinds):
            case "put":
                self._some_put()
            case "get":
                level, r = self._some_level()
                self.get(self._some_keys(), level, r)
            case "list":
                self.list_keys(1 + int(self.random.random() * 60))
            case _:
                self._some_expire()

    # --- random calls ------------------------------------------------------------------------

    def _some_keys(self) -> list[bytes]:
        random, knobs = self.random, self.knobs
        count = 1 + int(random.random() * knobs.keys_per_call_max)
        return [b"key-%d" % int(random.random() * knobs.keys) for _ in range(count)]

    def _some_level(self) -> tuple[Level | None, int]:
        """Return a level, or None and an explicit number of replicas."""
        random = self.random
        if random.random() >= self.knobs.weak_share:
            return (Level.ALL if random.random() < 0.05 else Level.QUORUM), 0
        if random.random() < 0.5:
            return Level.ONE, 0
        return None, 1 + random.randrange(self.n)

    def _some_put(self) -> None:
        random = self.random
        writes = [self._some_write(key) for key in self._some_keys()]
        if random.random() < _STAMPED_SHARE:
            beyond = random.random() < _AHEAD_SHARE
            self.stamp(writes, beyond=beyond)
        level, w = self._some_level()
        self.put(writes, level, w, previous=random.random() < 0.1)

    def _some_write(self, key: bytes) -> Write:
        random = self.random
        dice = random.random()
        if dice < 0.15:
            return Write(key)
        write = Write(key, self.value())
        if dice < 0.3:
            write.keeps = True
        elif dice < 0.4:
            write.ttl_ms = 1 + int(random.random() * 3_000)
        elif dice < 0.45:
            write.expiry_ms = self.wall_ms() + int(random.random() * 3_000) - 500
        return write

    def _some_expire(self) -> None:
        random = self.random
        writes = []
        for key in self._some_keys():
            write = Write(key, changes="expire")
            dice = random.random()
            if dice < 0.4:
                write.ttl_ms = 1 + int(random.random() * 5_000)
            elif dice < 0.6:
                write.expiry_ms = self.wall_ms() + int(random.random() * 5_000) - 200
            writes.append(write)
        level, w = self._some_level()
        self.expire(writes, level, w)

    def wall_ms(self) -> int:
        """Return true wall-clock time."""
        return true_wall_ms(self.timeline.now_us)

    def value(self) -> bytes:
        """Return a value that was never written before."""
        self._values += 1
        size = int(self.random.random() ** 3 * self.knobs.value_bytes_max)
        return b"v%d." % self._values + b"x" * size

    def stamp(self, writes: Sequence[Write], *, beyond: bool = False) -> None:
        """Give writes the stamps of a client, each its own; `beyond` what clocks may accept."""
        random = self.random
        writer = 1 + int(random.random() * _CLIENTS)
        error_ms = self.knobs.clock_error_ms
        wall_ms = self.wall_ms() + int((2 * random.random() - 1) * min(error_ms, 100))
        if beyond:
            far_ms = int(random.choice((300, 5_000, 3_600_000)) * random.random())
            wall_ms = self.wall_ms() + limits.CLOCK_BOUND_MS + 2 * error_ms + 300 + far_ms
        counter = 0 if random.random() < _TIE_SHARE else 1 + int(random.random() * 1_000)
        for i, write in enumerate(writes):
            stamp = (reading(wall_ms, counter) + i, writer)
            while not self.checker.reserve(stamp):
                stamp = (stamp[0], stamp[1] + _CLIENTS)
            write.stamp = stamp

    # --- calls -------------------------------------------------------------------------------

    def get(
        self,
        keys: list[bytes],
        level: Level | None = None,
        r: int = 0,
        node: int | None = None,
        then: Callable[[Call], None] | None = None,
    ) -> None:
        """Read keys at a node (None: any)."""
        strong = r >= self.rq if r else level is not Level.ONE
        raises = strong and not r
        now_us = self.timeline.now_us
        begin = self.checker.begin_read
        reads = [begin(key, now_us, strong=strong, raises=raises) for key in keys]
        message = Get("default", keys, level, r, self._timeout_ms())
        asked = Asked("get", message, reads=reads, strong=strong, then=then)
        self._send(asked, node)

    def put(
        self,
        writes: list[Write],
        level: Level | None = None,
        w: int = 0,
        node: int | None = None,
        then: Callable[[Call], None] | None = None,
        *,
        previous: bool = False,
        attempt: int = 1,
    ) -> None:
        """Write or delete keys at a node."""
        stamps = [write.stamp for write in writes if write.stamp is not None]
        assert len(stamps) in {0, len(writes)}
        ttls_ms = [write.ttl_ms for write in writes]
        expiries_ms = [KEEP_EXPIRY if write.keeps else write.expiry_ms for write in writes]
        message = Put(
            "default",
            [write.key for write in writes],
            [write.value for write in writes],
            ttls_ms if any(ttls_ms) else None,
            expiries_ms if any(expiries_ms) else None,
            [time for time, _ in stamps] if stamps else None,
            [writer for _, writer in stamps] if stamps else None,
            level,
            w,
            previous,
            self._timeout_ms(),
        )
        asked = Asked("put", message, writes=writes, strong=self._strong(level, w), then=then)
        asked.attempt = attempt
        asked.retried = bool(stamps)
        self._send(asked, node)

    def expire(
        self,
        writes: list[Write],
        level: Level | None = None,
        w: int = 0,
        node: int | None = None,
        then: Callable[[Call], None] | None = None,
    ) -> None:
        """Change or remove the expiry of keys at a node."""
        strong = self._strong(level, w)
        now_us = self.timeline.now_us
        begin = self.checker.begin_read
        reads = [begin(write.key, now_us, strong=True, raises=strong) for write in writes]
        ttls_ms = [write.ttl_ms for write in writes]
        expiries_ms = [write.expiry_ms for write in writes]
        message = Expire(
            "default",
            [write.key for write in writes],
            ttls_ms if any(ttls_ms) else None,
            expiries_ms if any(expiries_ms) else None,
            level,
            w,
            self._timeout_ms(),
        )
        asked = Asked("expire", message, writes=writes, reads=reads, strong=strong, then=then)
        self._send(asked, node)

    def list_keys(self, limit: int, after: bytes | None = None) -> None:
        """List a page of the shared keys at any node, and go on behind it."""
        now_us, checker = self.timeline.now_us, self.checker
        keys = sorted(k for k in checker.keys if k.startswith(b"key-") and k > (after or b""))
        reads = [checker.begin_read(key, now_us, strong=True, raises=False) for key in keys]
        message = List("default", b"key-", b"key.", after, limit, timeout_ms=self._timeout_ms())
        self._send(Asked("list", message, reads=reads, strong=False, then=None), None)

    def _learn_listed(self, asked: Asked, listed: Listed) -> None:
        assert isinstance(asked.message, List)
        now_us = self.timeline.now_us
        self.checker.listed(asked.reads, listed.records, listed.next, now_us)
        if listed.next is not None:
            self.timeline.after(self.way_us(), self.list_keys, asked.message.limit, listed.next)

    def _timeout_ms(self) -> int:
        if self.calm or self.random.random() >= self.knobs.hurry_share:
            return 0
        return 1 + int(self.random.random() * self.knobs.attempt_ms)

    def _strong(self, level: Level | None, w: int) -> bool:
        return w >= self.wq if w else level is not Level.ONE

    def _send(self, asked: Asked, node: int | None) -> None:
        index = self.random.randrange(len(self.processes)) if node is None else node
        call = Call(self, asked, self.processes[index % len(self.processes)])
        self.count("calls")
        for write in asked.writes:
            self.checker.attempt(write, self.timeline.now_us)
        self.trace.add(f"client > {call.process.name} {_sketch(asked.message)}")
        lost = not self.calm and self.random.random() < self.knobs.answer_loss_share / 2
        if not lost:
            self.timeline.after(self.way_us(), call.arrive)
        wait_ms = self.knobs.attempt_ms + 2_500
        self.timeline.after(wait_ms * MS, call.give_up)

    def way_us(self) -> int:
        """Return how long a message between a client and a node travels."""
        return MS + int(self.random.random() * 4 * MS)

    def count(self, what: str, by: int = 1) -> None:
        """Count something for the summary."""
        self.counts[what] = self.counts.get(what, 0) + by

    # --- what clients learn ------------------------------------------------------------------

    def learn(self, asked: Asked, reply: object) -> None:
        """Judge one part of an answer that reached its client."""
        now_us, checker = self.timeline.now_us, self.checker
        match reply:
            case Stored(entries):
                self._learn_stored(asked, reply)
                self._succeeded(asked, entries)
            case Found(entries, records):
                for i, record in zip(entries, records, strict=True):
                    asked.found[i] = record
                    checker.found(asked.reads[i], record, now_us)
                self._succeeded(asked, entries)
            case Expired(entries, applied):
                for i, done in zip(entries, applied, strict=True):
                    asked.applied[i] = done
                    checker.expired(asked.writes[i], asked.reads[i], now_us, applied=done)
                self._succeeded(asked, entries)
            case Listed(entries):
                self._learn_listed(asked, reply)
                self._succeeded(asked, entries)
            case Refused(entries, failure):
                self.count(f"failed {failure.kind.value}", len(entries))
                self.trace.add(f"client refused {failure.kind.value} {entries}")
                if asked.writes:
                    self.ended(asked, entries, sure=failure.kind is not Kind.UNKNOWN)
            case _:
                raise AssertionError(f"no answer to a client: {reply}")

    def _learn_stored(self, asked: Asked, stored: Stored) -> None:
        now_us, checker = self.timeline.now_us, self.checker
        for i, time, writer in zip(stored.entries, stored.times, stored.writers, strict=True):
            stamp: Stamp = (time, writer)
            checker.acknowledged(asked.writes[i], stamp, now_us, strong=asked.strong)
        for record in stored.previous or ():
            if record is not None:
                checker.observe(record, now_us)

    def _succeeded(self, asked: Asked, entries: Sequence[int]) -> None:
        self.count("ok", len(entries))
        asked.succeeded += len(entries)
        if asked.strong and self.random.random() < self.knobs.follow_share:
            keys = [asked.keys[i] for i in entries]
            self.timeline.after(self.way_us(), self.get, keys)

    def ended(self, asked: Asked, entries: Sequence[int], *, sure: bool) -> None:
        """Writes were refused (`sure`), or their outcome stays unknown; retry what has a stamp."""
        now_us = self.timeline.now_us
        for i in entries:
            if sure:
                self.checker.refused(asked.writes[i], now_us)
            else:
                self.checker.unknown(asked.writes[i], now_us)
        if asked.retried and not sure and asked.attempt < _RETRIES_MAX and not self.calm:
            again = [asked.writes[i] for i in entries]
            self.count("retries")
            delay_us = int(self.random.random() * SECOND)
            self.timeline.after(delay_us, self._retry, again, asked.attempt + 1)

    def _retry(self, writes: list[Write], attempt: int) -> None:
        self.put(writes, Level.QUORUM, attempt=attempt)


def _sketch(message: Keyed | List) -> str:
    if isinstance(message, List):
        return f"List {message.after!r} {message.limit}"
    stamps = message.times if isinstance(message, Put) else None
    return f"{type(message).__name__} {message.keys} {message.level} {stamps}"
