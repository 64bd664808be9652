"""One member of one Raft group: its state, and the steps that every machine shares.

The machines (`election`, `follower`, `replication`, `proposals`, `reconfigure`) are modules of
functions on a `Member`; `raft.py` says which one a message goes to. Here is what they have in
common: sending, and changing roles.

Nothing is sent from here: messages gather in two lists until the node asks for them. Those in
`after_append` rest on state that is not durable yet (dissertation, section 3.8) and leave, or come
back to this very member, only when it is.
"""

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Final

from dynakv.core.raft.config import Config
from dynakv.core.raft.log import Log
from dynakv.core.raft.messages import (
    NOBODY,
    Entry,
    HardState,
    Kind,
    MemberId,
    Message,
    ReadState,
    Snapshot,
)
from dynakv.core.raft.readindex import ReadIndex
from dynakv.core.raft.tracker import Tracker


class Role(Enum):
    """What a member is in its term."""

    FOLLOWER = "Follower"
    PRE_CANDIDATE = "PreCandidate"
    CANDIDATE = "Candidate"
    LEADER = "Leader"


# Which role may follow which. A leader never campaigns; only a candidate becomes leader.
TRANSITIONS: Final = {
    Role.FOLLOWER: frozenset({Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE}),
    Role.PRE_CANDIDATE: frozenset({Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE}),
    Role.CANDIDATE: frozenset(
        {Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE, Role.LEADER},
    ),
    Role.LEADER: frozenset({Role.FOLLOWER}),
}

# Rest on durable state: they tell others, or this member itself, what it has voted or holds.
AFTER_APPEND_KINDS: Final = frozenset({Kind.APPEND_REPLY, Kind.VOTE_REPLY, Kind.PRE_VOTE_REPLY})
# Carry the term they are about, which is not always the sender's.
VOTE_KINDS: Final = frozenset({Kind.VOTE, Kind.VOTE_REPLY, Kind.PRE_VOTE, Kind.PRE_VOTE_REPLY})

SnapshotSource = Callable[[], Snapshot | None]


class Member:
    """All state of a member. The machines change it; nobody else does."""

    __slots__ = (
        "_random",
        "after_append",
        "config",
        "election_elapsed",
        "election_timeout",
        "heartbeat_elapsed",
        "id",
        "lead",
        "log",
        "messages",
        "pending_change_index",
        "read_states",
        "reads",
        "role",
        "snapshot_source",
        "term",
        "tracker",
        "transferee",
        "uncommitted_bytes",
        "vote",
    )

    def __init__(
        self,
        config: Config,
        hard_state: HardState,
        log: Log,
        random: Random,
        snapshot_source: SnapshotSource,
    ) -> None:
        """Begin a life as a follower; `reconfigure.restore` then says who the members are.

        `snapshot_source` returns what to send to a follower that needs what was compacted, at an
        index that is applied here, or None for the moment.
        """
        self.config = config
        self.id = config.member_id
        # Invariant: `term` never falls; `vote` changes only with it, or from NOBODY.
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.log = log
        self.log.committed = max(log.committed, hard_state.commit)
        assert self.log.committed <= log.last, f"commit {hard_state.commit} of {log.describe()}"
        self.tracker = Tracker(config.inflight_messages_max, config.inflight_bytes_max)
        self.role = Role.FOLLOWER
        self.lead = NOBODY
        self.transferee = NOBODY  # whom leadership is being handed to
        # Invariant: at or above the index of the last change that is not applied. Of a leader.
        self.pending_change_index = 0
        self.uncommitted_bytes = 0  # payloads of the own tail; may be too small, never too large
        self.reads: ReadIndex | None = None  # most groups of a node serve no reads just now
        self.read_states: list[ReadState] = []
        self.messages: list[Message] = []  # Invariant: all to others
        self.after_append: list[Message] = []  # to others and to this member
        self.election_elapsed = 0  # ticks since a leader was heard, or of a leader's quorum check
        self.heartbeat_elapsed = 0
        self.election_timeout = 0  # from [n, 2n) election ticks; a candidate has less
        self.snapshot_source = snapshot_source
        self._random = random

    @property
    def hard_state(self) -> HardState:
        """What must be durable beside the log."""
        return HardState(self.term, self.vote, self.log.committed)

    def send(
        self,
        kind: Kind,
        to: MemberId,
        *,
        term: int = 0,
        index: int = 0,
        log_term: int = 0,
        entries: tuple[Entry, ...] = (),
        commit: int = 0,
        reject: bool = False,
        hint: int = 0,
        read_round: int = 0,
        context: bytes = b"",
        snapshot: Snapshot | None = None,
    ) -> None:
        """Let a message leave with the next Ready; votes name their term, others have the own."""
        assert (kind in VOTE_KINDS) == (term != 0), kind
        message = Message(
            kind=kind,
            to=to,
            sender=self.id,
            term=term or self.term,
            log_term=log_term,
            index=index,
            entries=entries,
            commit=commit,
            reject=reject,
            hint=hint,
            read_round=read_round,
            context=context,
            snapshot=snapshot,
        )
        if kind in AFTER_APPEND_KINDS:
            self.after_append.append(message)
        else:
            assert to != self.id, kind
            self.messages.append(message)

    # --- roles -------------------------------------------------------------------------------

    def become_follower(self, term: int, lead: MemberId) -> None:
        """Follow `lead`, or nobody yet."""
        self._turn(Role.FOLLOWER)
        self._reset(term)
        self.lead = lead

    def become_candidate(self) -> None:
        """Begin an election in a new term with the own vote."""
        self._turn(Role.CANDIDATE)
        self._reset(self.term + 1)
        self.vote = self.id
        # Two who began at once share the votes; the next attempt need not be as far away as the
        # first, which had to outlast a leader's silence.
        ticks = self.config.election_ticks
        self.election_timeout -= ticks - ticks // 4

    def become_pre_candidate(self) -> None:
        """Ask for an election: neither term nor vote nor timers change (section 9.6)."""
        self._turn(Role.PRE_CANDIDATE)
        self.tracker.votes = {}
        self.lead = NOBODY

    def become_leader(self) -> None:
        """Lead the term; `proposals.begin_term` then appends its first entry."""
        self._turn(Role.LEADER)
        self._reset(self.term)
        self.lead = self.id
        self.reads = ReadIndex()
        own = self.tracker.progress[self.id]
        own.become_replicate()
        own.recently_active = True
        # Changes may be among the entries taken over; waiting is cheaper than looking for them.
        self.pending_change_index = self.log.last

    def _turn(self, role: Role) -> None:
        assert role in TRANSITIONS[self.role], (self.role, role)
        self.role = role

    def _reset(self, term: int) -> None:
        assert term >= self.term
        if term != self.term:
            self.term = term
            self.vote = NOBODY
        self.lead = NOBODY
        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        ticks = self.config.election_ticks
        self.election_timeout = ticks + self._random.randrange(ticks)
        self.transferee = NOBODY
        self.tracker.reset(self.log.last, self.id)
        self.pending_change_index = 0
        self.uncommitted_bytes = 0
        self.reads = None

    # --- facts -------------------------------------------------------------------------------

    @property
    def promotable(self) -> bool:
        """Whether this member may campaign: a voter whose log is not waiting for a snapshot."""
        own = self.tracker.progress.get(self.id)
        return own is not None and not own.learner and self.log.snapshot is None

    @property
    def in_lease(self) -> bool:
        """Whether a leader was heard within the shortest election timeout (section 4.2.3)."""
        return (
            self.config.check_quorum
            and self.lead != NOBODY
            and self.election_elapsed < self.config.election_ticks
        )

    @property
    def committed_in_term(self) -> bool:
        """Whether an entry of the own term is committed: only then is the commit index current."""
        return self.log.term(self.log.committed) == self.term
