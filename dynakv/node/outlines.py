"""What one replica holds in some leaves of a hash tree, listed page by page without values.

Two of them are walked together by a session: it compares up to the key that both have listed.
"""

from dynakv.core.record import Record


class Outlines:
    """What one replica holds in the leaves that differ, as far as it was listed."""

    def __init__(self) -> None:
        """Begin with nothing listed."""
        self.rows: dict[bytes, Record] = {}  # listed and not yet compared
        self.through: bytes | None = None  # everything up to here was listed; None: nothing yet
        self.complete = False  # everything was listed
        self.floor = 0

    def add(self, records: list[Record], through: bytes | None) -> None:
        """Take a page: all there is up to `through` (None: to the end)."""
        self.rows.update((record.key, record) for record in records)
        self.through = through
        self.complete = through is None

    def used_up(self, cursor: bytes | None) -> bool:
        """Say whether a page is missing to go on behind `cursor`."""
        if self.complete:
            return False
        return self.through is None or (cursor is not None and self.through <= cursor)

    def take(self, end: bytes | None) -> dict[bytes, Record]:
        """Remove and return what lies up to `end` (None: all)."""
        if end is None:
            taken, self.rows = self.rows, {}
            return taken
        taken = {key: record for key, record in self.rows.items() if key <= end}
        for key in taken:
            del self.rows[key]
        return taken
