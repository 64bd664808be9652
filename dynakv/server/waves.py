"""Clients' requests of one kind on their way to the node: they leave in waves.

What a request costs is mostly what its messages cost: frames to the replicas and back, and on each
of them a transaction. A node that hands over each request as it comes pays that for a few keys at a
time. So while what left last is unanswered, requests wait, and leave together once it is: group
commit (DeWitt et al., "Implementation techniques for main memory database systems", 1984) for the
whole way, not for the disk alone, as Nagle's algorithm does it for TCP (RFC 896). A node with
nothing under way hands over at once; the slower it is, the more it hands over at a time.

Nothing waits longer than WAVE_HOLD_MS for what left before it: a replica that is slow to answer one
request must not be slow for all. And more than WAVE_KEYS_MIN keys need not wait, since a larger
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

    __slots__ = ("_hold_until_s", "_number", "_under_way", "admission", "queue", "waiting_keys")

    def __init__(self, now_ms: int) -> None:
        """Begin with nothing under way."""
        self.admission = Admission(now_ms)
        self.queue: deque[tuple[T, int]] = deque()  # with their keys
        self.waiting_keys = 0
        self._number = 0  # of the wave that left last
        self._under_way = 0  # its keys that are not answered yet
        self._hold_until_s = 0.0

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
        self._hold_until_s = now_s + limits.WAVE_HOLD_MS / 1000
        return self._number

    def take(self) -> T:
        """Take the oldest request into the wave that began last."""
        request, keys = self.queue.popleft()
        self.waiting_keys -= keys
        self._under_way += keys
        return request

    def answered(self, number: int, keys: int) -> None:
        """Count keys of a wave as answered."""
        if number == self._number:
            self._under_way -= keys
