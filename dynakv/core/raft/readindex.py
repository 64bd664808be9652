"""Reads without a log entry: ReadIndex (dissertation, section 6.4).

A leader remembers its commit index when a read arrives, then proves that it still leads: a quorum
must answer a heartbeat that was sent after that. The read may be served once the remembered index
is applied. Heartbeats carry the number of the newest round; who answers round r confirms all up to
r, so the agreed round is an index like any other, computed by `quorum`. Reads that arrive while the
heartbeats of a round have not left yet join it: a turn's reads cost one round.

etcd identifies a round by the caller's context, which must then be unique in the whole group; here
contexts are opaque and may repeat.
"""

from msgspec import Struct

from dynakv.core.raft.messages import MemberId, Message


class Read(Struct, frozen=True, gc=False):
    """A read that waits: its round, the commit index when it arrived, and what was asked."""

    round: int
    index: int
    message: Message


class ReadIndex:
    """The reads of one term of leadership."""

    __slots__ = ("_acked", "_open", "early", "round", "waiting")

    def __init__(self) -> None:
        """Begin a term without reads."""
        self.round = 0  # Invariant: never falls within a term
        # Invariant: rounds rise, indexes never fall.
        self.waiting: list[Read] = []
        # Reads that came before the leader had committed an entry of its term: until then it does
        # not know what is committed.
        self.early: list[Message] = []
        self._acked: dict[MemberId, int] = {}
        self._open = False  # the heartbeats of `round` have not left yet

    def __len__(self) -> int:
        return len(self.waiting) + len(self.early)

    def add(self, message: Message, committed: int, own: MemberId) -> bool:
        """Let a read wait; True: its round begins, its heartbeats are to be sent."""
        begins = not self._open
        if begins:
            self.round += 1
            self._open = True
            self._acked[own] = self.round
        self.waiting.append(Read(self.round, committed, message))
        return begins

    def heartbeats_left(self) -> None:
        """Take note that the messages of this turn are out: later reads need a later round."""
        self._open = False

    def newest_waiting(self) -> int:
        """Return the round that a heartbeat should confirm; 0 where no read waits."""
        return self.waiting[-1].round if self.waiting else 0

    def acknowledge(self, member: MemberId, read_round: int) -> dict[MemberId, int]:
        """Take note of an answer; return the newest round of each member."""
        self._acked[member] = max(self._acked.get(member, 0), read_round)
        return self._acked

    def confirm(self, read_round: int) -> list[Read]:
        """Return the reads of all rounds up to that one; they wait no longer."""
        count = 0
        for read in self.waiting:
            if read.round > read_round:
                break
            count += 1
        confirmed = self.waiting[:count]
        del self.waiting[:count]
        return confirmed

    def take_early(self) -> list[Message]:
        """Return the reads that waited for the first commit."""
        early, self.early = self.early, []
        return early
