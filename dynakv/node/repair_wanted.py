"""Shard groups that should be compared with a peer soon: what anti-entropy takes up first.

Whoever knows that a peer lacks something of a group, and cannot bring it there itself, marks the
group here: a hint that was too old or had no room, a row that was damaged, a fresh write refused as
old. A mark says no more than that; the comparison finds out what is missing.

In memory only: after a restart a node compares everything at once anyway. A node may mark a group
of which it is no replica, since it coordinates writes of every group. It cannot compare that one
itself; the group's own replicas do in their next round.
"""

from dynakv.core.layout import NodeId


class RepairWanted:
    """Marks of (keyspace id, group, peer), each once, in the order in which they came.

    Bounded without a limit of its own: by the groups of a keyspace times the replicas of a group.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._marks: dict[tuple[int, int, NodeId], None] = {}

    def __len__(self) -> int:
        """Return how many marks there are."""
        return len(self._marks)

    def __contains__(self, mark: tuple[int, int, NodeId]) -> bool:
        """Say whether this mark is there."""
        return mark in self._marks

    def add(self, keyspace_id: int, group: int, peer: NodeId) -> None:
        """Mark a group; again is no different."""
        self._marks[keyspace_id, group, peer] = None

    def take(self) -> tuple[int, int, NodeId] | None:
        """Remove and return the oldest mark; None if there is none.

        Whoever takes one and cannot compare the group now adds it again.
        """
        for mark in self._marks:
            del self._marks[mark]
            return mark
        return None

    def forget_keyspace(self, keyspace_id: int) -> None:
        """Drop the marks of a keyspace that is no more. O(marks)."""
        self._marks = {mark: None for mark in self._marks if mark[0] != keyspace_id}
