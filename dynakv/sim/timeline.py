"""Virtual time: a heap of events ordered by (moment, sequence).

Nothing in a simulation waits; whoever wants to act later says when. Two events of one moment run in
the order in which they were planned, so that a run depends on its seed alone. Moments are whole
microseconds since the run began.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

MS = 1_000
SECOND = 1_000_000


class Timeline:
    """The only clock of a simulation, and the only loop."""

    __slots__ = ("_events", "_sequence", "now_us")

    def __init__(self) -> None:
        """Begin at moment 0 with nothing planned."""
        self.now_us = 0
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0

    def after(self, delay_us: int, act: Callable[..., None], *arguments: object) -> None:
        """Plan `act(*arguments)` for `delay_us` from now. O(log events)."""
        assert delay_us >= 0
        self._sequence += 1
        heappush(self._events, (self.now_us + delay_us, self._sequence, act, arguments))

    def run_until(self, end_us: int) -> None:
        """Run every event planned for a moment before `end_us`, then stand at `end_us`."""
        events = self._events
        while events and events[0][0] < end_us:
            self.now_us, _, act, arguments = heappop(events)
            act(*arguments)
        self.now_us = end_us
