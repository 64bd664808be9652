"""What happened, as lines: all of them in one running hash, the last few kept for people.

Two runs of one seed are the same run exactly if their hashes are equal.
"""

from collections import deque

from xxhash import xxh3_64

from dynakv.sim.timeline import Timeline

LINES_KEPT = 50


class Trace:
    """The events of one run."""

    __slots__ = ("_hash", "_timeline", "last")

    def __init__(self, timeline: Timeline, lines_kept: int = LINES_KEPT) -> None:
        """Begin with no event."""
        self._hash = xxh3_64()
        self._timeline = timeline
        self.last: deque[str] = deque(maxlen=lines_kept)

    def add(self, what: str) -> None:
        """Note an event that happens now."""
        line = f"{self._timeline.now_us} {what}"
        self._hash.update(line.encode())
        self.last.append(line)

    def hexdigest(self) -> str:
        """Return the hash over all events so far, in hexadecimal."""
        return self._hash.hexdigest()
