"""The client's Hybrid Logical Clock: stamps its writes by the servers' time, not by its own.

A handshake says what time it is at a node; the distance to this machine's monotonic clock is kept
for each node, and the median of them decides, so that one bad clock among three misleads nobody.
The wall clock of this machine is never asked. Every reply carries the node's clock and is
followed: what this client writes stands above all it has seen.

A distance is taken at the middle of the handshake's round trip (Cristian, "Probabilistic clock
synchronization", 1989): wrong by at most half of it.
"""

from statistics import median_low
from typing import Final

from dynakv.core.hlc import COUNTER_BITS, HybridClock

_NO_CEILING_MS: Final = 1 << (64 - COUNTER_BITS)  # a writer lives as long as its client: no restart


class ClientClock:
    """Issues stamps once it has learned the time."""

    def __init__(self, writer: int) -> None:
        """Stamp as `writer`, 64 random bits that no other client has."""
        self.writer = writer
        self._clock = HybridClock(0)
        self._clock.raise_ceiling(_NO_CEILING_MS)
        self._distances_ms: dict[str, int] = {}  # wall clock minus our monotonic one, by endpoint
        self._distance_ms: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether the time is known."""
        return self._distance_ms is not None

    def learn(self, endpoint: str, wall_ms: int, hlc: int, sent_ms: int, received_ms: int) -> None:
        """Take a handshake in; the last two are our monotonic clock before and after it."""
        self._distances_ms[endpoint] = wall_ms - (sent_ms + received_ms) // 2
        self._distance_ms = median_low(self._distances_ms.values())
        self.hear(hlc, received_ms)

    def forget(self, endpoint: str) -> None:
        """Let a node that went away no longer have a say, unless it is the only one."""
        if len(self._distances_ms) > 1 and self._distances_ms.pop(endpoint, None) is not None:
            self._distance_ms = median_low(self._distances_ms.values())

    def hear(self, hlc: int, mono_ms: int) -> bool:
        """Follow the clock of a reply; False where it stands beyond the bound: ask for the time."""
        if self._distance_ms is None:
            return False
        return self._clock.observe(hlc, mono_ms + self._distance_ms)

    def wall_ms(self, mono_ms: int) -> int:
        """Return the cluster's time as far as it is known, Unix time in ms; 0 while it is not."""
        return 0 if self._distance_ms is None else mono_ms + self._distance_ms

    def issue(self, mono_ms: int) -> int | None:
        """Return the time of a new stamp, above all issued and heard before.

        None while the time is unknown, or lies further behind what was issued than nodes accept.
        """
        if self._distance_ms is None:
            return None
        return self._clock.issue(mono_ms + self._distance_ms, 1)
