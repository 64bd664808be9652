"""The clocks of one simulated machine.

True time is the timeline's. A machine's oscillator drifts, which both of its clocks show; its wall
clock also stands off by an offset and may leap. The monotonic clock never jumps.
"""

from dynakv.node.messages import Now
from dynakv.sim.timeline import MS, Timeline

EPOCH_MS = 1_800_000_000_000  # where true wall-clock time stands when a run begins
_MONO_START_MS = 5_000
_MILLION = 1_000_000


def true_wall_ms(now_us: int) -> int:
    """Return the wall clock of a machine without any error."""
    return EPOCH_MS + now_us // MS


class MachineClock:
    """Wall and monotonic clock with their errors; `drift_ppm` in parts per million."""

    __slots__ = ("_timeline", "drift_ppm", "leap_ms", "offset_ms")

    def __init__(self, timeline: Timeline, offset_ms: int = 0, drift_ppm: int = 0) -> None:
        """Stand `offset_ms` ahead of true time and run `drift_ppm` too fast."""
        self._timeline = timeline
        self.offset_ms = offset_ms
        self.drift_ppm = drift_ppm
        self.leap_ms = 0

    def now(self) -> Now:
        """Read both clocks."""
        elapsed_ms = self._elapsed_us() // MS
        return Now(
            EPOCH_MS + elapsed_ms + self.offset_ms + self.leap_ms, _MONO_START_MS + elapsed_ms
        )

    def delay_until_us(self, mono_ms: int) -> int:
        """Return how long true time takes until the monotonic clock shows `mono_ms`; 0 if past."""
        missing_us = (mono_ms - _MONO_START_MS) * MS - self._elapsed_us()
        if missing_us <= 0:
            return 0
        return missing_us * _MILLION // (_MILLION + self.drift_ppm) + 1

    def set_right(self) -> None:
        """End every error of the wall clock that exists by now, as an operator would."""
        self.leap_ms = 0
        self.offset_ms = (self._timeline.now_us - self._elapsed_us()) // MS

    def _elapsed_us(self) -> int:
        now_us = self._timeline.now_us
        return now_us + now_us * self.drift_ppm // _MILLION
