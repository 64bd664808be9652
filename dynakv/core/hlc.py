"""The Hybrid Logical Clock that stamps writes.

A reading is a uint64: 48 bits of wall-clock milliseconds above a 16-bit counter. It follows the
wall clock where it can, and counts where the wall clock stands still or lags behind what was heard,
so that a stamp is always above every stamp seen before. Kulkarni et al., "Logical Physical Clocks"
(2014), with the counter folded into the low bits as section 6.2 there describes.

Two rules are ours. A reading more than the clock bound ahead of the wall clock is refused, never
followed: one bad clock must not drag the others along. And a reading is issued only below a
ceiling that the caller has made durable: after a crash the clock goes on above the ceiling, so that
no stamp is issued twice whatever the wall clock did meanwhile.
"""

from dynakv import limits

COUNTER_BITS = 16
COUNTER_MAX = (1 << COUNTER_BITS) - 1


def reading(wall_ms: int, counter: int = 0) -> int:
    """Return the uint64 of a wall clock in milliseconds and a counter."""
    return wall_ms << COUNTER_BITS | counter


def wall_ms_of(time: int) -> int:
    """Return the wall-clock milliseconds of a reading."""
    return time >> COUNTER_BITS


class HybridClock:
    """Issues readings that strictly rise; see the module for the two rules.

    Invariant: last < reading(ceiling_ms) for every reading issued here.
    """

    __slots__ = ("bound_ms", "ceiling_ms", "last")

    def __init__(self, ceiling_ms: int, bound_ms: int = limits.CLOCK_BOUND_MS) -> None:
        """Go on above `ceiling_ms`, the durable upper bound of every former life."""
        self.last = reading(ceiling_ms)  # readings of former lives are all below
        self.ceiling_ms = ceiling_ms
        self.bound_ms = bound_ms

    def issue(self, wall_ms: int, count: int) -> int | None:
        """Return the first of `count` consecutive readings, or None at the ceiling or the bound.

        None means: nothing was issued; raise the ceiling to `wanted_ceiling_ms` durably first. It
        is also None while the clock stands further ahead of the wall than the bound.
        """
        first = max(self.last + 1, wall_ms << COUNTER_BITS)
        last = first + count - 1
        if last >= self.ceiling_ms << COUNTER_BITS or last > self.latest_accepted(wall_ms):
            return None
        self.last = last
        return first

    def observe(self, time: int, wall_ms: int) -> bool:
        """Follow a reading heard from elsewhere; False (and not followed) beyond the bound."""
        if time > self.latest_accepted(wall_ms):
            return False
        self.last = max(self.last, time)
        return True

    def latest_accepted(self, wall_ms: int) -> int:
        """Return the greatest reading that a receiver with this wall clock accepts."""
        return (wall_ms + self.bound_ms) << COUNTER_BITS | COUNTER_MAX

    def within_bound(self, wall_ms: int) -> bool:
        """Say whether the next reading would be accepted by a node with this wall clock."""
        return self.last < self.latest_accepted(wall_ms)

    def wanted_ceiling_ms(self, wall_ms: int) -> int:
        """Return the ceiling to make durable now."""
        return max(wall_ms, wall_ms_of(self.last) + 1) + limits.HLC_AHEAD_MS

    def raise_ceiling(self, ceiling_ms: int) -> None:
        """Take note that `ceiling_ms` is durable."""
        self.ceiling_ms = max(self.ceiling_ms, ceiling_ms)
