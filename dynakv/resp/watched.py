"""What a connection watches: the conditions that its next EXEC in a Raft keyspace holds to."""

from collections.abc import Sequence

from dynakv.core.commands import Condition, IfAbsent, IfStamp
from dynakv.core.record import Record


class Watched:
    """Keys of one keyspace, as they were when they were first watched."""

    __slots__ = ("conditions", "keyspace")

    def __init__(self) -> None:
        """Watch nothing."""
        self.keyspace = ""  # of the conditions
        self.conditions: dict[bytes, Condition] = {}

    def add(self, keyspace: str, keys: Sequence[bytes], records: Sequence[Record | None]) -> None:
        """Watch keys; one that is watched already stays as it was then."""
        self.keyspace = keyspace
        for key, record in zip(keys, records, strict=True):
            if record is None or record.value is None:
                self.conditions.setdefault(key, IfAbsent())
            else:
                stamp = IfStamp(record.value_time, record.value_writer)
                self.conditions.setdefault(key, stamp)

    def elsewhere(self, keyspace: str) -> bool:
        """Say whether keys of another keyspace are watched."""
        return bool(self.conditions) and self.keyspace != keyspace

    def take(self) -> dict[bytes, Condition]:
        """Return the conditions, and watch nothing any more."""
        found, self.conditions = self.conditions, {}
        return found
