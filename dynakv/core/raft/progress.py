"""What a leader knows of one follower's log, and how freely it may send to it.

Three states. PROBE: where the logs match is not known, one append at a time. REPLICATE: it is
known, appends are sent ahead, bounded by what is in flight. SNAPSHOT: the follower needs a snapshot
and gets nothing until it has it. Semantics are those of etcd's `tracker.Progress`.
"""

from enum import Enum
from typing import Final


class Flow(Enum):
    """How a leader sends to a follower."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


# How one state may follow another; a peer can fall back to probing at any moment.
TRANSITIONS: Final = {
    Flow.PROBE: frozenset({Flow.PROBE, Flow.REPLICATE, Flow.SNAPSHOT}),
    Flow.REPLICATE: frozenset({Flow.PROBE, Flow.REPLICATE, Flow.SNAPSHOT}),
    Flow.SNAPSHOT: frozenset({Flow.PROBE}),
}


class Inflights:
    """Appends sent and not acknowledged: bounded in number and, where asked for, in bytes."""

    __slots__ = ("_bytes", "_bytes_max", "_sent", "_sent_max")

    def __init__(self, sent_max: int, bytes_max: int) -> None:
        """Begin empty; `bytes_max` 0 is no bound."""
        # Last index and bytes of each append. Invariant: indexes rise.
        self._sent: list[tuple[int, int]] | None = None  # most groups of a node send nothing
        self._sent_max = sent_max
        self._bytes_max = bytes_max
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._sent) if self._sent else 0

    @property
    def full(self) -> bool:
        """Whether nothing more may be sent. One append may overshoot the bytes."""
        return len(self) >= self._sent_max or 0 < self._bytes_max <= self._bytes

    def add(self, index: int, size_bytes: int) -> None:
        """Note an append that ends at `index`."""
        assert not self.full, "an append was sent beyond the bound of those in flight"
        if self._sent is None:
            self._sent = []
        self._sent.append((index, size_bytes))
        self._bytes += size_bytes

    def free_up_to(self, index: int) -> None:
        """Forget the appends that end at or before `index`."""
        if not self._sent:
            return
        freed = 0
        for last, size_bytes in self._sent:
            if last > index:
                break
            freed += 1
            self._bytes -= size_bytes
        del self._sent[:freed]

    def reset(self) -> None:
        """Forget all."""
        self._sent = None
        self._bytes = 0


class Progress:
    """A leader's view of one member's log."""

    __slots__ = (
        "flow",
        "inflights",
        "learner",
        "match",
        "next",
        "paused_flow",
        "pending_snapshot",
        "recently_active",
        "sent_commit",
    )

    def __init__(self, next_index: int, inflights: Inflights, *, learner: bool) -> None:
        """Begin by probing at `next_index`, knowing of no match."""
        self.flow = Flow.PROBE
        # Invariant: 0 <= match < next. `match` never falls within a term.
        self.match = 0
        self.next = next_index  # of the next entry to send; what lies between is in flight
        # Highest commit index sent. Invariant: at most next - 1 after a step back.
        self.sent_commit = 0
        self.pending_snapshot = 0  # Invariant: 0 unless SNAPSHOT; the index of the one sent
        self.recently_active = False  # said anything since the last CHECK_QUORUM
        # PROBE: an append is out. REPLICATE: the flight was full. Lifted by any sign of life.
        self.paused_flow = False
        self.inflights = inflights
        self.learner = learner

    def _turn(self, flow: Flow) -> None:
        assert flow in TRANSITIONS[self.flow], (self.flow, flow)
        self.flow = flow
        self.paused_flow = False
        self.pending_snapshot = 0
        self.inflights.reset()

    def become_probe(self) -> None:
        """Look for the match again: behind the snapshot that was sent, else behind `match`."""
        behind = max(self.match, self.pending_snapshot)
        self._turn(Flow.PROBE)
        self.next = behind + 1
        self.sent_commit = min(self.sent_commit, behind)

    def become_replicate(self) -> None:
        """Send freely, from behind `match`."""
        self._turn(Flow.REPLICATE)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        """Send nothing until a snapshot at `index` is in place."""
        self._turn(Flow.SNAPSHOT)
        self.pending_snapshot = index
        self.next = index + 1
        self.sent_commit = index

    def sent_entries(self, count: int, size_bytes: int) -> None:
        """Take note of an append of so many entries, from `next` on."""
        if self.flow is Flow.REPLICATE:
            if count:
                self.next += count
                self.inflights.add(self.next - 1, size_bytes)
            self.paused_flow = self.inflights.full
        elif count:
            self.paused_flow = True

    def can_bump_commit(self, commit: int) -> bool:
        """Say whether sending this commit index could advance the follower's."""
        return commit > self.sent_commit and self.sent_commit < self.next - 1

    def acknowledge(self, index: int) -> bool:
        """Take note that the follower holds all up to `index`; False: known before."""
        if index <= self.match:
            return False
        self.match = index
        self.next = max(self.next, index + 1)
        self.paused_flow = False
        return True

    def step_back(self, rejected: int, hint: int) -> bool:
        """Take note of a rejected append at `rejected`; False: the reply is stale."""
        if self.flow is Flow.REPLICATE:
            if rejected <= self.match:
                return False
            self.next = self.match + 1
        else:
            # Outside of REPLICATE one append is out at a time, the one before `next`.
            if self.next - 1 != rejected:
                return False
            self.next = max(min(rejected, hint + 1), self.match + 1)
            self.paused_flow = False
        self.sent_commit = min(self.sent_commit, self.next - 1)
        return True

    @property
    def paused(self) -> bool:
        """Whether the follower gets no append now."""
        return self.flow is Flow.SNAPSHOT or self.paused_flow

    def describe(self) -> str:
        """Return one line for an operator."""
        parts = [f"State{self.flow.value.capitalize()} match={self.match} next={self.next}"]
        if self.learner:
            parts.append("learner")
        if self.paused:
            parts.append("paused")
        if self.pending_snapshot:
            parts.append(f"pendingSnap={self.pending_snapshot}")
        if not self.recently_active:
            parts.append("inactive")
        if self.inflights:
            parts.append(f"inflight={len(self.inflights)}{'[full]' * self.inflights.full}")
        return " ".join(parts)
