"""Clients' requests of one kind on their way to the node: they leave in waves.

What a request costs is mostly what its messages cost: frames to the replicas and back, and on each
of them a transaction. A node that hands over each request as it comes pays that for a few keys at a
time. So while what left last is unanswered, requests wait, and leave together once it is: group
commit (DeWitt et al., "Implementation techniques for main memory database systems", 1984) for the
whole way, not for the disk alone, as Nagle's algorithm does it for TCP (RFC 896). A node with
nothing under way hands over at once; the slower it is, the more it hands over at a time.

Nothing waits longer for what left before it than requests of late took to be answered, and never
longer than WAVE_HOLD_MS_MAX: a replica that is slow to answer one request must not be slow for all.
A shorter wait would let waves fall apart where the answers come from several leaders, each of which
is done at another moment. And more than WAVE_KEYS_MIN keys need not wait, since a larger
wave is hardly cheaper per key: then several are under way.

Reads and writes wait apart. Who sends on one connection orders what must be ordered himself.
"""

from collections import deque
from typing import Generic, TypeVar

from dynakv import limits
from dynakv.server.admission import Admission

T = TypeVar("T")


class Waves(Generic[T]):
    """The requests of one kind: how many are let in, which of them wait, which are under way.

    Times are seconds of one monotonic clock. Invariant: `waiting_keys` is the sum over `queue`.
    """

    __slots__ = (
        "_hold_until_s",
        "_number",
        "_typical_s",
        "_under_way",
        "admission",
        "queue",
        "waiting_keys",
    )

    def __init__(self, now_ms: int) -> None:
        """Begin with nothing under way."""
        self.admission = Admission(now_ms)
        self.queue: deque[tuple[T, int]] = deque()  # with their keys
        self.waiting_keys = 0
        self._number = 0  # of the wave that left last
        self._under_way = 0  # its keys that are not answered yet
        self._hold_until_s = 0.0
        self._typical_s = 0.0  # how long keys took to be answered, of late

    def append(self, request: T, keys: int) -> None:
        """Let a request wait for the next wave."""
        self.queue.append((request, keys))
        self.waiting_keys += keys

    def held_s(self, now_s: float) -> float:
        """Return how long the next wave has to wait unless something is answered; 0: it may leave.

        Nothing else than a wait until then is needed where nothing is answered.
        """
        if not self._under_way or self.waiting_keys >= limits.WAVE_KEYS_MIN:
            return 0.0
        return max(self._hold_until_s - now_s, 0.0)

    def begin(self, now_s: float) -> int:
        """Begin a wave and return its number."""
        self._number += 1
        self._under_way = 0
        hold_ms = min(max(self._typical_s * 1000, limits.WAVE_HOLD_MS_MIN), limits.WAVE_HOLD_MS_MAX)
        self._hold_until_s = now_s + hold_ms / 1000
        return self._number

    def take(self) -> T:
        """Take the oldest request into the wave that began last."""
        request, keys = self.queue.popleft()
        self.waiting_keys -= keys
        self._under_way += keys
        return request

    def answered(self, number: int, keys: int, took_s: float) -> None:
        """Count keys of a wave as answered, so long after they had left."""
        weight = min(keys / limits.WAVE_TYPICAL_KEYS, 1.0)
        self._typical_s += (took_s - self._typical_s) * weight
        if number == self._number:
            self._under_way -= keys
