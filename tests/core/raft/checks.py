"""What must hold of a Raft group after every event, seen from outside of its members.

The first five are figure 3.2 of the dissertation; the rest is what they rest on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from dynakv.core.raft.member import Member, Role
from dynakv.core.raft.messages import Entry, EntryKind, Kind, Membership, Message
from dynakv.core.raft.node import RaftNode

# Whether the disk of a member durably holds the entry of that index and term.
Durable = Callable[[int, int, int], bool]


class ViolationError(AssertionError):
    """An invariant does not hold."""


def require(fact: bool, rule: str, *what: object) -> None:
    if not fact:
        raise ViolationError(f"{rule}: {what}")


@dataclass
class Seen:
    """What was seen of one member's life at its last check."""

    term: int = 0
    commit: int = 0
    role: Role = Role.FOLLOWER
    log: tuple[int, int, int] = (0, 0, 0)
    matches: dict[int, tuple[object, int]] = field(default_factory=dict)


class Checks:
    """The history of a whole group."""

    def __init__(self) -> None:
        self.leaders: dict[int, int] = {}  # term -> member
        self.entries: dict[tuple[int, int], tuple[int, Entry]] = {}  # (index, term) -> term before
        self.committed: dict[int, tuple[int, Entry]] = {}  # index -> (term of the commit, entry)
        self.states: dict[int, tuple[int, Membership]] = {}  # applied index -> state there
        self.applied_max = 0
        self.reads: dict[bytes, int] = {}  # context -> what a read must at least see
        self.counts = dict.fromkeys(("elections", "commits", "reads", "changes", "snapshots"), 0)
        self._seen: dict[int, Seen] = {}

    def begins(self, node: RaftNode) -> None:
        """A member begins a life: nothing of the former one is promised but what is durable."""
        m = node.member
        self._seen[m.id] = Seen(m.term, m.log.committed)

    def member(self, node: RaftNode, holds: Durable) -> None:
        """Check a member after something happened to it; `holds`: what is durable where."""
        m = node.member
        seen = self._seen[m.id]
        require(m.term >= seen.term, "monotonic term", m.id, seen.term, m.term)
        require(m.log.committed >= seen.commit, "monotonic commit", m.id, m.log.describe())
        self._log(m, seen)
        leads = m.role is Role.LEADER
        if leads:
            self._leader(m, seen, holds)
        self._commit(m, seen)
        seen.term, seen.commit, seen.role = m.term, m.log.committed, m.role

    def _log(self, m: Member, seen: Seen) -> None:
        log = m.log
        mark = (log.last, log.last_term, log.offset)
        if mark == seen.log:
            return
        if m.role is Role.LEADER and seen.role is Role.LEADER and seen.term == m.term:
            kept = log.term(seen.log[0]) == seen.log[1] or seen.log[0] < log.offset
            require(log.last >= seen.log[0] and kept, "leader append-only", m.id, log.describe())
        before = log.offset_term
        changes = 0
        for entry in log.slice(log.first, log.last + 1, 1 << 40):
            known = self.entries.setdefault((entry.index, entry.term), (before, entry))
            require(known == (before, entry), "log matching", m.id, known, (before, entry))
            require(entry.term >= before, "terms rise in a log", m.id, entry)
            before = entry.term
            changes += entry.kind is not EntryKind.NORMAL and entry.index > log.committed
        require(changes <= 1, "one pending change", m.id, log.describe())
        seen.log = mark

    def _leader(self, m: Member, seen: Seen, holds: Durable) -> None:
        first = self.leaders.setdefault(m.term, m.id)
        require(first == m.id, "election safety", m.term, first, m.id)
        if seen.role is not Role.LEADER:
            self.counts["elections"] += 1
            seen.matches = {}
            for index, (term, entry) in self.committed.items():
                if term < m.term and index > m.log.offset:
                    require(m.log.term(index) == entry.term, "leader completeness", m.id, entry)
        elif m.log.committed > seen.commit:
            require(m.log.term(m.log.committed) == m.term, "commit of an own-term entry", m.id)
            self._majorities(m, holds)
        self._own_changes(m)
        for peer, progress in m.tracker.progress.items():
            known, match = seen.matches.get(peer, (progress, 0))
            if known is progress:
                require(progress.match >= match, "monotonic match", m.id, peer, match)
            require(progress.match < progress.next, "match below next", m.id, peer)
            if progress.match > match and peer != m.id:
                term = m.log.term(progress.match)
                held = term is None or holds(peer, progress.match, term)
                require(held, "match is true", m.id, peer, progress.match)
            seen.matches[peer] = (progress, progress.match)

    def _majorities(self, m: Member, holds: Durable) -> None:
        index = m.log.committed
        membership = m.tracker.membership
        for half in (membership.voters, membership.voters_outgoing):
            count = sum(holds(voter, index, m.term) for voter in half)
            require(count > len(half) // 2 or not half, "held by both majorities", m.id, index)

    def _own_changes(self, m: Member) -> None:
        own = (
            [e for e in m.log.slice(m.log.first, m.log.last + 1, 1 << 40) if e.term == m.term]
            if m.log.last_term == m.term
            else []
        )
        if any(e.kind is not EntryKind.NORMAL for e in own):
            require(m.committed_in_term, "no change before an own-term commit", m.id)

    def _commit(self, m: Member, seen: Seen) -> None:
        for index in range(max(seen.commit, m.log.offset) + 1, m.log.committed + 1):
            entry = m.log.slice(index, index + 1, 1)[0]
            _, known = self.committed.setdefault(index, (m.term, entry))
            require(known == entry, "committed entries stay", m.id, known, entry)
            self.counts["commits"] += 1

    # --- the node's part ---------------------------------------------------------------------

    def applied(self, member: int, index: int, state: int, membership: Membership) -> None:
        """A member's state machine reached an index."""
        known = self.states.setdefault(index, (state, membership))
        require(known == (state, membership), "equal states", member, index, known, membership)
        self.applied_max = max(self.applied_max, index)

    def asks_to_read(self, context: bytes) -> None:
        """A read begins now: it must see all that anybody has applied."""
        self.reads[context] = self.applied_max

    def may_read(self, context: bytes, index: int) -> None:
        """A read was answered with an index."""
        self.counts["reads"] += 1
        wanted = self.reads[context]
        require(index >= wanted, "linearizable read", context, index, wanted)

    def sends(self, m: Message, term: int, vote: int, last: int) -> None:
        """A message that rests on durable state leaves; the rest is what the disk says."""
        if m.kind in (Kind.PRE_VOTE, Kind.PRE_VOTE_REPLY):
            return
        require(term >= m.term, "term persisted before sent", m, term)
        if term != m.term:
            return
        if m.kind is Kind.VOTE:
            require(vote == m.sender, "vote persisted before sent", m, vote)
        elif m.kind is Kind.VOTE_REPLY and not m.reject:
            require(vote == m.to, "vote persisted before sent", m, vote)
        elif m.kind is Kind.APPEND_REPLY and not m.reject:
            require(last >= m.index, "log persisted before sent", m, last)
