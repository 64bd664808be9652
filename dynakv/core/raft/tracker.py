"""The configuration in force, and what is known of each of its members.

The leader reads replication from it, candidates their votes. Members are visited in the order of
their ids, so that the same events give the same messages.
"""

from collections.abc import Iterator

from dynakv.core.raft import quorum
from dynakv.core.raft.membership import Outcome, members_of
from dynakv.core.raft.messages import NO_MEMBERS, MemberId, Membership
from dynakv.core.raft.progress import Inflights, Progress
from dynakv.core.raft.quorum import VoteResult


class Tracker:
    """Membership, a `Progress` per member, and the votes of a running election."""

    __slots__ = ("_bytes_max", "_sent_max", "membership", "progress", "votes")

    def __init__(self, inflight_messages_max: int, inflight_bytes_max: int) -> None:
        """Begin without members."""
        self.membership = NO_MEMBERS
        # Invariant: keys are `members_of(membership)`, in that order.
        self.progress: dict[MemberId, Progress] = {}
        self.votes: dict[MemberId, bool] = {}
        self._sent_max = inflight_messages_max
        self._bytes_max = inflight_bytes_max

    def adopt(self, outcome: Outcome, last_index: int) -> None:
        """Switch to another membership; who stays keeps its progress.

        A fresh member is probed at `last_index` and counts as recently active, so that
        CHECK_QUORUM does not act before it could say anything.
        """
        before, self.progress = self.progress, {}
        membership = self.membership = outcome.membership
        for member in members_of(membership):
            progress = before.get(member)
            if progress is None or member in outcome.fresh:
                progress = Progress(max(last_index, 1), self._inflights(), learner=False)
                progress.recently_active = True
            progress.learner = member in membership.learners
            self.progress[member] = progress

    def restore(self, membership: Membership, last_index: int) -> None:
        """Take a membership from disk or from a snapshot; nothing is known of anybody."""
        self.progress = {}
        self.adopt(Outcome(membership, ()), last_index)

    def reset(self, last_index: int, own: MemberId) -> None:
        """Forget all progress and votes for a new term; one's own log is known."""
        self.votes = {}
        for member, progress in self.progress.items():
            learner = progress.learner
            fresh = Progress(last_index + 1, self._inflights(), learner=learner)
            if member == own:
                fresh.match = last_index
            self.progress[member] = fresh

    def committed(self) -> int:
        """Return the largest index that a quorum holds durably."""
        acked = {member: progress.match for member, progress in self.progress.items()}
        return self.agreed(acked)

    def agreed(self, acked: dict[MemberId, int]) -> int:
        """Return the largest number that a quorum has acknowledged."""
        m = self.membership
        return quorum.joint_committed(m.voters, m.voters_outgoing, acked)

    def record_vote(self, member: MemberId, *, granted: bool) -> None:
        """Count a vote; only the first of each member counts."""
        self.votes.setdefault(member, granted)

    def vote_result(self) -> VoteResult:
        """Return what the votes decide so far."""
        m = self.membership
        return quorum.joint_vote(m.voters, m.voters_outgoing, self.votes)

    def quorum_active(self) -> bool:
        """Say whether a quorum of the voters was heard from lately."""
        active = {m: p.recently_active for m, p in self.progress.items() if not p.learner}
        m = self.membership
        return quorum.joint_vote(m.voters, m.voters_outgoing, active) is VoteResult.WON

    def is_voter(self, member: MemberId) -> bool:
        """Say whether a member votes in either half."""
        return member in self.membership.voters or member in self.membership.voters_outgoing

    def voters(self) -> list[MemberId]:
        """Return the voters of both halves, sorted."""
        return [member for member in self.progress if self.is_voter(member)]

    def only_voter(self) -> bool:
        """Say whether one voter decides alone."""
        return len(self.membership.voters) == 1 and not self.membership.voters_outgoing

    def others(self, own: MemberId) -> Iterator[MemberId]:
        """Yield everybody else by id; the membership may change meanwhile."""
        yield from [member for member in self.progress if member != own]

    def describe(self) -> str:
        """Return one line a member."""
        return "".join(f"{member}: {p.describe()}\n" for member, p in self.progress.items())

    def _inflights(self) -> Inflights:
        return Inflights(self._sent_max, self._bytes_max)
