"""The log of one member: what is kept of it, how far it is durable, committed and applied.

The whole log behind the last compaction is in memory; a list and a few marks. That makes the core
independent of how the disk is read, at the price that compaction bounds memory as well as disk.
An index runs through these marks:

    offset < ... <= stable <= in_progress <= last       durable; handed out to be written; appended
    applied <= applying <= committed <= last            done; handed out to be applied; decided

`offset` is the last compacted entry, or the snapshot that the log begins with; its term is kept. A
snapshot that was received waits in `snapshot` until it is durable.
"""

from collections.abc import Sequence

from dynakv.core.raft.messages import Entry, EntryKind, Snapshot

ENTRY_BYTES = 24  # what term, index and kind weigh beside the payload


def entry_bytes(entries: Sequence[Entry]) -> int:
    """Return what entries weigh in messages and on disk, roughly."""
    return sum(len(entry.data) for entry in entries) + ENTRY_BYTES * len(entries)


def payload_bytes(entries: Sequence[Entry]) -> int:
    """Return the bytes of the payloads alone: empty entries weigh nothing."""
    return sum(len(entry.data) for entry in entries)


def limited(entries: Sequence[Entry], bytes_max: int) -> tuple[Entry, ...]:
    """Return the longest prefix within `bytes_max`, and one entry at least where there is any."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry.data) + ENTRY_BYTES
        if size > bytes_max and count:
            return tuple(entries[:count])
    return tuple(entries)


class Log:
    """Entries behind `offset`, and how far they got."""

    __slots__ = (
        "_applying_bytes",
        "_applying_bytes_max",
        "_entries",
        "_paused",
        "_snapshot_in_progress",
        "applied",
        "applying",
        "bytes",
        "committed",
        "in_progress",
        "offset",
        "offset_term",
        "snapshot",
        "stable",
    )

    def __init__(
        self, offset: int, offset_term: int, entries: Sequence[Entry], applying_bytes_max: int
    ) -> None:
        """Begin with a durable log: `entries` follow the entry `offset` without a gap."""
        assert [e.index for e in entries] == list(range(offset + 1, offset + 1 + len(entries)))
        self.offset = offset
        self.offset_term = offset_term
        self._entries = list(entries)
        self.bytes = payload_bytes(entries)  # of all entries that are kept
        # Invariant: offset <= stable <= in_progress <= last. All fall only by truncation.
        self.stable = self.in_progress = offset + len(entries)
        # Invariant: applied <= applying <= committed <= last; none of them ever falls.
        self.committed = offset
        self.applying = offset
        self.applied = offset
        # Invariant: while it waits, offset and committed are its index and nothing is applied.
        self.snapshot: Snapshot | None = None
        self._snapshot_in_progress = False
        self._applying_bytes = 0
        self._applying_bytes_max = applying_bytes_max
        self._paused = False  # enough is being applied

    # --- looking -----------------------------------------------------------------------------

    @property
    def first(self) -> int:
        """The oldest index whose entry is kept."""
        return self.offset + 1

    @property
    def last(self) -> int:
        """The newest index."""
        return self.offset + len(self._entries)

    @property
    def last_term(self) -> int:
        """The term of the newest entry."""
        return self._entries[-1].term if self._entries else self.offset_term

    def term(self, index: int) -> int | None:
        """Return the term at `index`; None where it is compacted or not there yet."""
        position = index - self.offset - 1
        if position >= 0:
            return self._entries[position].term if position < len(self._entries) else None
        return self.offset_term if position == -1 else None

    def matches(self, index: int, term: int) -> bool:
        """Say whether the entry at `index` is of that term."""
        return self.term(index) == term

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Say whether a log that ends there may lead this one (dissertation, section 3.6.1)."""
        return (term, index) >= (self.last_term, self.last)

    def slice(self, low: int, high: int, bytes_max: int) -> tuple[Entry, ...]:
        """Return the entries of [low, high) within `bytes_max`, one at least."""
        return limited(self.between(low, high), bytes_max)

    def between(self, low: int, high: int) -> Sequence[Entry]:
        """Return the entries of [low, high)."""
        assert self.first <= low <= high <= self.last + 1, (low, high, self.describe())
        return self._entries[low - self.offset - 1 : high - self.offset - 1]

    def entries_from(self, low: int, bytes_max: int) -> tuple[Entry, ...]:
        """Return the entries from `low` on, within `bytes_max`."""
        return self.slice(low, self.last + 1, bytes_max) if low <= self.last else ()

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """Return the first index that is missing or of another term here; 0 where none is."""
        for entry in entries:
            if not self.matches(entry.index, entry.term):
                return entry.index
        return 0

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """Return the largest index <= `index` whose term may be <= `term`, and its term.

        What is not kept has term 0. O(entries): a leader and a follower thereby skip whole terms
        instead of probing entry by entry (dissertation, section 3.5, last paragraphs).
        """
        while index > 0:
            own = self.term(index)
            if own is None:
                return index, 0
            if own <= term:
                return index, own
            index -= 1
        return 0, 0

    def has_unapplied_changes(self) -> bool:
        """Say whether a committed membership change waits to be applied."""
        low = max(self.applied + 1, self.first)
        if low > self.committed:
            return False
        start, end = low - self.offset - 1, self.committed - self.offset
        return any(e.kind is not EntryKind.NORMAL for e in self._entries[start:end])

    # --- growing -----------------------------------------------------------------------------

    def maybe_append(
        self, index: int, term: int, entries: Sequence[Entry], commit: int
    ) -> int | None:
        """Append what follows (index, term); None where that entry is not here.

        Returns the last index that is now known to match the leader's log. Entries that are here
        already stay: a late message must not cut off what came after it.
        """
        if not self.matches(index, term):
            return None
        last = index + len(entries)
        conflict = self.find_conflict(entries)
        if conflict:
            assert conflict > self.committed, "a leader contradicts a committed entry"
            self.append(entries[conflict - index - 1 :])
        self.commit_to(min(commit, last))
        return last

    def append(self, entries: Sequence[Entry]) -> int:
        """Append entries, cutting off what stands at their indexes and behind; return the last."""
        if entries:
            keep = entries[0].index - 1
            assert self.committed <= keep <= self.last, (keep, self.describe())
            if keep < self.last:
                self.bytes -= payload_bytes(self._entries[keep - self.offset :])
                del self._entries[keep - self.offset :]
            self._entries.extend(entries)
            self.bytes += payload_bytes(entries)
            self.stable = min(self.stable, keep)
            self.in_progress = min(self.in_progress, keep)
        return self.last

    def commit_to(self, index: int) -> None:
        """Raise the commit index; it never falls."""
        if index > self.committed:
            assert index <= self.last, f"commit {index} of {self.describe()}: was the log lost?"
            self.committed = index

    def maybe_commit(self, index: int, term: int) -> bool:
        """Commit up to `index` if its entry is of the leader's `term`.

        Entries of older terms are committed only by one of the own term behind them: a majority
        that holds an old entry can still lose it (dissertation, section 3.6.2).
        """
        if index > self.committed and term and self.term(index) == term:
            self.commit_to(index)
            return True
        return False

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew behind a snapshot that was received."""
        self._entries = []
        self.bytes = 0
        self.offset = self.stable = self.in_progress = snapshot.index
        self.offset_term = snapshot.term
        self.committed = snapshot.index
        self.snapshot = snapshot
        self._snapshot_in_progress = False

    def index_within(self, bytes_max: int) -> int:
        """Return up to where the oldest entries must go for the others to weigh so little."""
        over, index = self.bytes - bytes_max, self.offset
        for entry in self._entries:
            if over <= 0:
                break
            over -= len(entry.data)
            index = entry.index
        return index

    def compact(self, index: int) -> int:
        """Forget the entries up to `index`, at most those applied and durable; return how many."""
        index = min(index, self.applied, self.stable)
        count = index - self.offset
        if count <= 0 or self.snapshot is not None:
            return 0
        self.offset_term = self._entries[count - 1].term
        self.bytes -= payload_bytes(self._entries[:count])
        del self._entries[:count]
        self.offset = index
        return count

    # --- becoming durable --------------------------------------------------------------------

    def next_entries(self) -> tuple[Entry, ...]:
        """Return what is to be written and was not handed out yet."""
        return tuple(self._entries[self.in_progress - self.offset :])

    def next_snapshot(self) -> Snapshot | None:
        """Return a received snapshot that was not handed out yet."""
        return None if self._snapshot_in_progress else self.snapshot

    @property
    def has_unstable(self) -> bool:
        """Whether entries are not known to be durable."""
        return self.stable < self.last

    def accept_unstable(self) -> None:
        """Take note that all of it was handed out to be written."""
        self.in_progress = self.last
        self._snapshot_in_progress = self.snapshot is not None

    def stable_to(self, index: int, term: int) -> None:
        """Take note that all up to that entry is durable; nothing if it was replaced since."""
        if self.stable < index <= self.last and self.term(index) == term:
            self.stable = index
            self.in_progress = max(self.in_progress, index)

    def snapshot_stable(self, index: int) -> None:
        """Take note that the received snapshot is in place."""
        if self.snapshot is not None and self.snapshot.index == index:
            self.snapshot = None
            self._snapshot_in_progress = False

    # --- being applied -----------------------------------------------------------------------

    def _appliable(self, *, unstable: bool) -> int:
        return self.committed if unstable else min(self.committed, self.stable)

    def has_next_committed(self, *, unstable: bool) -> bool:
        """Say whether entries can be handed out to be applied, durable here or (`unstable`) not."""
        if self._paused or self.snapshot is not None:
            return False
        return self.applying < self._appliable(unstable=unstable)

    def next_committed(self, *, unstable: bool) -> tuple[Entry, ...]:
        """Return the committed entries to apply next, within the bound on what is being applied."""
        if not self.has_next_committed(unstable=unstable):
            return ()
        high = self._appliable(unstable=unstable) + 1
        return self.slice(self.applying + 1, high, self._applying_bytes_max - self._applying_bytes)

    def accept_applying(self, entries: Sequence[Entry], *, unstable: bool) -> None:
        """Take note that entries were handed out to be applied."""
        index = entries[-1].index
        assert self.applying < index <= self.committed
        self.applying = index
        self._applying_bytes += entry_bytes(entries)
        # A size limit cut the entries short: more would overshoot it.
        cut_short = index < self._appliable(unstable=unstable)
        self._paused = self._applying_bytes >= self._applying_bytes_max or cut_short

    def applied_to(self, index: int, size_bytes: int) -> None:
        """Take note that all up to `index` is applied, entries of that size since the last time."""
        assert self.applied <= index <= self.committed, (index, self.describe())
        self.applied = index
        self.applying = max(self.applying, index)
        self._applying_bytes = max(0, self._applying_bytes - size_bytes)
        self._paused = self._applying_bytes >= self._applying_bytes_max

    def describe(self) -> str:
        """Return the marks, for an assertion that failed."""
        return (
            f"log of ({self.offset}, {self.last}], stable {self.stable}, committed "
            f"{self.committed}, applying {self.applying}, applied {self.applied}"
        )
