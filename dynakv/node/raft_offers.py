"""A snapshot that a leader offers one follower: the state at one index, read page by page.

The group goes on while its pages are read. What a command changes behind the page that was read
last is kept as it was before (`shadow`), and put in its place when that part is read: so all pages
together show the state at the index of the offer, in bounded memory. A shadow that grows beyond
its bound ends the offer, and the follower is offered a later one.
"""

from collections.abc import Mapping
from typing import Final

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import Page
from dynakv.node.raft_messages import SnapshotPage

_ROW_BYTES: Final = 64


class _Part:
    """One of the two kinds of rows: how far it was read, and what changed behind that."""

    __slots__ = ("done", "read_to", "shadow")

    def __init__(self) -> None:
        self.read_to: bytes | None = None  # everything up to this key was read
        self.done = False
        self.shadow: dict[bytes, Record | None] = {}

    def changed(self, before: Mapping[bytes, Record | None]) -> int:
        """Keep what rows were; return how many bytes that takes."""
        if self.done:
            return 0
        size = 0
        for key, row in before.items():
            unread = self.read_to is None or key > self.read_to
            if unread and key not in self.shadow:
                self.shadow[key] = row
                size += _ROW_BYTES + len(key) + len((row.value or b"") if row else b"")
        return size

    def take(self, page: Page) -> list[Record] | None:
        """Return the rows of a page as they were; None where one is damaged."""
        rows: dict[bytes, Record] = {}
        for key, row in zip(page.keys, page.rows, strict=True):
            if key in self.shadow:
                continue
            if not isinstance(row, Record):
                return None
            rows[key] = row
        for key in sorted(self.shadow):
            if page.next is None or key <= page.next:
                before = self.shadow.pop(key)
                if before is not None:
                    rows[key] = before
        self.read_to, self.done = page.next, page.next is None
        return [rows[key] for key in sorted(rows)]


class Offer:
    """The state of a group at `index`, for one follower."""

    __slots__ = (
        "_bytes",
        "data",
        "generation",
        "index",
        "last_page",
        "pages",
        "sessions",
        "used_ms",
    )

    def __init__(self, index: int, generation: int, now_ms: int) -> None:
        """Begin before the first page."""
        self.index = index
        self.generation = generation
        self.used_ms = now_ms  # monotonic: when somebody last asked for a page
        self.data = _Part()
        self.sessions = _Part()
        self.pages = 0  # read so far
        self.last_page: SnapshotPage | None = None  # asked for again where the answer was lost
        self._bytes = 0

    def changed(
        self, rows: Mapping[bytes, Record | None], sessions: Mapping[bytes, Record | None]
    ) -> None:
        """Take note of what rows were before commands changed them."""
        self._bytes += self.data.changed(rows) + self.sessions.changed(sessions)

    @property
    def too_large(self) -> bool:
        """Whether more was kept for it than is allowed."""
        return self._bytes > limits.RAFT_SHADOW_BYTES_MAX

    @property
    def part(self) -> _Part:
        """The rows whose turn it is: records first, then sessions."""
        return self.sessions if self.data.done else self.data

    def take(self, page: Page) -> SnapshotPage | None:
        """Return the next page of the snapshot from what lies on disk; None: a row is damaged."""
        part = self.part
        rows = part.take(page)
        if rows is None:
            return None
        if part is self.data:
            made = SnapshotPage(False, rows, [], last=False)
        else:
            sessions = [(int.from_bytes(r.key, "big"), r.value or b"") for r in rows]
            made = SnapshotPage(False, [], sessions, last=part.done)
        self.pages += 1
        self.last_page = made
        return made
