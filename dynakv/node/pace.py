"""How fast the peers answer: when a read asks a second replica, and whom it asks last.

A read that waits for its answers asks the remaining replicas after MIN(p99, `hedge_ms`), where p99
is that of the loads of late. Chasing the percentile alone would chase a slow node (Cassandra's
speculative retry), and hedges for everybody double the load of those that are slow because of
their load (Dean and Barroso, "The tail at scale", 2013): at most a tenth of the reads is hedged,
counted in keys, with a burst for the moment in which a replica stops. A peer that leaves an ask
unanswered for SLOW_MS is asked after the others until it has answered or the ask is given up.
"""

from collections.abc import Iterable
from typing import Final

from dynakv import limits

_FEW: Final = 100  # loads: below, their 99th percentile says nothing


class Pace:
    """What one node knows of its peers' speed. Times in monotonic milliseconds."""

    __slots__ = ("_asked", "_counts", "_delay_ms", "_hedge_ms", "_noted", "_tenths")

    def __init__(self, peers: Iterable[str], hedge_ms: int) -> None:
        """Begin without knowledge; `hedge_ms` is the longest delay of a hedge."""
        self._hedge_ms = hedge_ms
        self._delay_ms = hedge_ms
        self._asked: dict[str, dict[int, int]] = {peer: {} for peer in peers}
        # Loads by their milliseconds, the last entry for all that took longer.
        self._counts = [0] * (hedge_ms + 1)
        self._noted = 0
        # Hedges that may be made, in tenths of a key. Invariant: 0 .. 10 * HEDGE_BURST_KEYS.
        self._tenths = 10 * limits.HEDGE_BURST_KEYS

    def asked(self, peer: str, call: int, now_ms: int) -> None:
        """Take note of an ask to a peer; STORE is none, and not looked at."""
        asked = self._asked.get(peer)
        if asked is not None:
            asked[call] = now_ms

    def ended(self, peer: str, call: int) -> None:
        """Take note that an ask was answered or given up."""
        asked = self._asked.get(peer)
        if asked is not None:
            asked.pop(call, None)

    def slow(self, peer: str, now_ms: int) -> bool:
        """Say whether the peer has left an ask unanswered for SLOW_MS."""
        oldest_ms = next(iter(self._asked.get(peer, {}).values()), None)
        return oldest_ms is not None and now_ms - oldest_ms >= limits.SLOW_MS

    def loaded(self, took_ms: int) -> None:
        """Take note how long a load of a peer took."""
        self._counts[min(took_ms, self._hedge_ms)] += 1
        self._noted += 1
        if self._noted % _FEW == 0:
            self._delay_ms = self._percentile_99()
        if self._noted >= 10 * _FEW:  # what was longer ago counts for less
            self._counts = [count // 2 for count in self._counts]
            self._noted = sum(self._counts)

    def hedge_after_ms(self) -> int:
        """Return after how long a read that begins now should be hedged."""
        return self._delay_ms

    def read(self, keys: int) -> None:
        """Take note that so many keys are read: a tenth of it may be hedged."""
        self._tenths = min(self._tenths + keys, 10 * limits.HEDGE_BURST_KEYS)

    def may_hedge(self, keys: int) -> bool:
        """Take so many keys from what may be hedged; False: nothing taken, try again later."""
        if self._tenths < 10 * keys:
            return False
        self._tenths -= 10 * keys
        return True

    def _percentile_99(self) -> int:
        left = self._noted // 100  # loads above it
        for took_ms in range(self._hedge_ms, 0, -1):
            left -= self._counts[took_ms]
            if left < 0:
                return took_ms
        return 1
