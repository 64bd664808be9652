"""Latencies in a High Dynamic Range histogram (Gil Tene): 1 us to 10 min, three digits exact.

Histograms of several processes add up without loss, which lists of percentiles do not.
"""

from typing import Final, Self

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

SPAN_US: Final = (1, 600_000_000)
DIGITS: Final = 3
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)
# Where curves are drawn: each step of the axis halves what lies above.
CURVE: Final = tuple(100.0 * (1 - 0.5 ** (step / 4)) for step in range(4 * 17))


class Latencies:
    """Recorded times."""

    def __init__(self) -> None:
        """Begin empty."""
        self._counts = HdrHistogram(*SPAN_US, DIGITS)

    def record(self, seconds: float) -> None:
        """Add a time; what lies outside the span counts as its nearest end."""
        least, most = SPAN_US
        self._counts.record_value(min(max(round(seconds * 1e6), least), most))

    def add(self, other: Self) -> None:
        """Take in another histogram's times."""
        self._counts.add(other._counts)

    @property
    def count(self) -> int:
        """How many times were recorded."""
        return int(self._counts.get_total_count())

    def ms(self, percentile: float) -> float:
        """Return the time that this percentage of all times does not exceed; 0 if there is none."""
        return int(self._counts.get_value_at_percentile(percentile)) / 1000 if self.count else 0.0

    @property
    def mean_ms(self) -> float:
        """The arithmetic mean; 0 if nothing was recorded."""
        return float(self._counts.get_mean_value()) / 1000 if self.count else 0.0

    @property
    def max_ms(self) -> float:
        """The longest time."""
        return self.ms(100.0)

    def curve(self) -> list[tuple[float, float]]:
        """Return (percentile, ms) as far up as there are enough times to say anything."""
        trusted = 100.0 * (1 - 1 / max(self.count, 1))
        return [(p, self.ms(p)) for p in CURVE if p <= trusted]

    def encoded(self) -> bytes:
        """Return what `decoded` takes, in the common format of HdrHistogram's tools."""
        return bytes(self._counts.encode())

    @classmethod
    def decoded(cls, raw: bytes) -> Self:
        """Return the histogram that another process encoded."""
        made = cls()
        made._counts = HdrHistogram.decode(raw)
        return made
