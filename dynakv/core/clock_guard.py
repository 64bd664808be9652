"""Whether this node's wall clock may be believed.

A clock that leapt poisons everything it stamps, so the guard compares it in two ways. Against the
monotonic clock: the difference of the two must not change by more than `leap_ms` between two
looks. Against the peers: it must stand within `bound_ms` of a majority of the members (itself
included). Trust is lost by a leap or by a majority that disagrees, and won only by a majority that
agrees; it is kept when nobody answers. A node starts without trust, because a clock may have been
set while the process was down. A cluster of one has nobody to ask and trusts itself.

While trust is missing the believed time goes on from the last trusted reading by the monotonic
clock, so that a replica goes on judging the stamps it receives as before.
"""

from dynakv import limits


class ClockGuard:
    """Decides trust from looks at the own clocks and samples of the peers' clocks."""

    __slots__ = (
        "_bound_ms",
        "_leap_ms",
        "_majority",
        "_offset_ms",
        "_raw_offset_ms",
        "_samples_ms",
        "leaps",
        "trusted",
    )

    def __init__(
        self,
        wall_ms: int,
        mono_ms: int,
        members: int,
        bound_ms: int,
        leap_ms: int = limits.CLOCK_LEAP_MS,
    ) -> None:
        """Begin at this pair of readings, one of `members` nodes."""
        self._offset_ms = wall_ms - mono_ms  # believed
        self._raw_offset_ms = self._offset_ms  # at the last look
        self._majority = members // 2 + 1
        self._bound_ms = bound_ms
        self._leap_ms = leap_ms
        # Peer -> its clock minus ours, and when that was measured (monotonic).
        self._samples_ms: dict[str, tuple[int, int]] = {}
        self.trusted = members == 1
        self.leaps = 0

    def look(self, wall_ms: int, mono_ms: int) -> bool:
        """Compare the two clocks; True if trust was lost just now by a leap. O(1), often called."""
        raw_offset_ms = wall_ms - mono_ms
        moved_ms = raw_offset_ms - self._raw_offset_ms
        self._raw_offset_ms = raw_offset_ms
        if -self._leap_ms <= moved_ms <= self._leap_ms:
            if self.trusted:
                self._offset_ms = raw_offset_ms
            return False
        self.leaps += 1
        self._samples_ms.clear()
        if self._majority == 1:
            self._offset_ms = raw_offset_ms
            return False
        was_trusted, self.trusted = self.trusted, False
        return was_trusted

    def sample(self, peer: str, peer_wall_ms: int, asked_mono_ms: int, now_mono_ms: int) -> bool:
        """Take a peer's clock, read between the two moments; True if trust changed by it.

        A sample that was under way for longer than the bound says nothing and is dropped; one of
        long ago counts no more.
        """
        way_ms = now_mono_ms - asked_mono_ms
        if way_ms > self._bound_ms:
            return False
        own_wall_ms = asked_mono_ms + way_ms // 2 + self._raw_offset_ms
        self._samples_ms[peer] = (peer_wall_ms - own_wall_ms, now_mono_ms)
        oldest_ms = now_mono_ms - limits.CLOCK_SAMPLE_AGE_MS
        fresh = [ms for ms, taken_ms in self._samples_ms.values() if taken_ms >= oldest_ms]
        agreeing = 1 + sum(abs(ms) <= self._bound_ms for ms in fresh)
        disagreeing = len(fresh) + 1 - agreeing
        was_trusted = self.trusted
        if agreeing >= self._majority:
            self.trusted = True
            self._offset_ms = self._raw_offset_ms
        elif disagreeing >= self._majority:
            self.trusted = False
        return self.trusted != was_trusted

    def believed_ms(self, mono_ms: int) -> int:
        """Return the wall clock to judge by at this monotonic moment."""
        return mono_ms + self._offset_ms

    def offset_ms(self, peer: str) -> int | None:
        """Return how far the peer's clock stood ahead of ours, or None before a sample."""
        sample = self._samples_ms.get(peer)
        return None if sample is None else sample[0]
