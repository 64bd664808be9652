"""Rows whose damage was seen, and when each may be healed.

A damaged row may hide a write that this node acknowledged and that its coordinator is still
counting: healing it at once with what the other replicas hold could undo that acknowledgement. So a
row is healed only when every write acknowledged before the damage was seen is over, and so is every
read that began before that. Forgotten at a restart, which only makes the wait begin anew.
"""

from dynakv import limits


class DamagedRows:
    """When the damage of each row was first seen; moments are monotonic milliseconds."""

    __slots__ = ("_heal_after_ms", "_since_ms")

    def __init__(self, heal_after_ms: int) -> None:
        """Begin with none."""
        self._heal_after_ms = heal_after_ms
        self._since_ms: dict[tuple[int, bytes], int] = {}

    def __len__(self) -> int:
        """Return how many rows are known to be damaged."""
        return len(self._since_ms)

    def seen(self, keyspace: int, key: bytes, now_ms: int) -> bool:
        """Take note of a damaged row; say whether it may be healed now."""
        since_ms = self._since_ms.setdefault((keyspace, key), now_ms)
        if len(self._since_ms) > limits.DAMAGED_ROWS_MAX:
            del self._since_ms[next(iter(self._since_ms))]
        return now_ms - since_ms >= self._heal_after_ms

    def healable(self, keyspace: int, key: bytes, now_ms: int) -> bool:
        """Say whether the row was seen damaged long enough ago; takes note of nothing."""
        since_ms = self._since_ms.get((keyspace, key))
        return since_ms is not None and now_ms - since_ms >= self._heal_after_ms

    def known(self, keyspace: int, key: bytes) -> bool:
        """Say whether the row was seen damaged and not whole since."""
        return (keyspace, key) in self._since_ms

    def due(self, now_ms: int, most: int) -> list[tuple[int, bytes]]:
        """Return up to `most` (keyspace id, key) that may be healed now. O(damaged rows)."""
        latest_ms = now_ms - self._heal_after_ms
        due = [where for where, since_ms in self._since_ms.items() if since_ms <= latest_ms]
        return due[:most]

    def drop(self, keyspace: int) -> None:
        """Forget all rows of a keyspace that is gone. O(damaged rows)."""
        for where in [where for where in self._since_ms if where[0] == keyspace]:
            del self._since_ms[where]

    def healed(self, keyspace: int, key: bytes) -> None:
        """Forget a row that is whole again."""
        self._since_ms.pop((keyspace, key), None)
