"""Planted bugs: each replaces one rule of the core, or of the node around it, from outside.

`plant(name, monkeypatch)` returns a Cluster class in whose runs the bug is present.
"""

from collections.abc import Callable
from functools import partial

import pytest
from msgspec import structs

from dynakv.core.raft import election, proposals, quorum, raft, reconfigure, replication
from dynakv.core.raft.log import Log
from dynakv.core.raft.member import Member
from dynakv.core.raft.messages import NO_MEMBERS, NOBODY, Kind, Message
from dynakv.core.raft.progress import Flow, Progress
from tests.core.raft.cluster import Cluster, Disk, replace

Plant = Callable[[pytest.MonkeyPatch], Callable[[int], Cluster]]


def vote_not_persisted(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    def persist(disk: Disk) -> Disk:
        return replace(disk, hard_state=structs.replace(disk.hard_state, vote=NOBODY))

    return partial(Cluster, persist=persist)


def term_not_persisted(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    def persist(disk: Disk) -> Disk:
        return replace(disk, hard_state=structs.replace(disk.hard_state, term=1))

    return partial(Cluster, persist=persist)


def old_term_commit(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    def maybe_commit(log: Log, index: int, term: int) -> bool:
        if index <= log.committed or index > log.last:
            return False
        log.commit_to(index)
        return True

    patch.setattr(Log, "maybe_commit", maybe_commit)
    return Cluster


def commit_lowered(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    def commit_to(log: Log, index: int) -> None:
        log.committed = max(log.applying, min(index, log.last))

    patch.setattr(Log, "commit_to", commit_to)
    return Cluster


def match_lowered(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    def acknowledge(progress: Progress, index: int) -> bool:
        changed = index != progress.match
        progress.match = index
        progress.next = max(progress.next, index + 1)
        progress.paused_flow = False
        return changed

    patch.setattr(Progress, "acknowledge", acknowledge)
    return Cluster


def committed_suffix_truncated(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    original = Log.maybe_append

    def maybe_append(log: Log, index: int, term: int, entries: object, commit: int) -> int | None:
        last = original(log, index, term, entries, commit)  # type: ignore[arg-type]
        if last is not None and last < log.last:  # a late message: what is behind it goes
            del log._entries[last - log.offset :]
            log.stable = min(log.stable, last)
            log.in_progress = min(log.in_progress, last)
            log.committed = min(log.committed, last)
            log.applying = min(log.applying, last)
            log.applied = min(log.applied, last)
        return last

    patch.setattr(Log, "maybe_append", maybe_append)
    return Cluster


def read_without_quorum(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    patch.setattr(replication, "_decides_alone", lambda member: True)
    return Cluster


def change_before_own_commit(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    patch.setattr(Member, "committed_in_term", property(lambda member: True))
    original = proposals.begin_term

    def begin_term(member: Member) -> None:
        member.pending_change_index = 0
        original(member)

    patch.setattr(election.proposals, "begin_term", begin_term)

    class Judged(Cluster):
        """Judges by the rule itself, which the bug has replaced in the product."""

        def check(self, process: object) -> None:
            patch.setattr(
                Member,
                "committed_in_term",
                property(lambda m: m.log.term(m.log.committed) == m.term),
            )
            super().check(process)  # type: ignore[arg-type]
            patch.setattr(Member, "committed_in_term", property(lambda member: True))

    return Judged


def two_pending_changes(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    original = proposals.change_fits
    patch.setattr(
        proposals, "change_fits", lambda member, change, pending: original(member, change, 0)
    )
    return Cluster


def joint_with_the_new_half_only(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    patch.setattr(
        quorum, "joint_committed", lambda new, old, acked: quorum.majority_committed(new, acked)
    )
    patch.setattr(quorum, "joint_vote", lambda new, old, votes: quorum.majority_vote(new, votes))
    return Cluster


def snapshot_without_configuration(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    patch.setattr(reconfigure, "restore", _keeps)
    return Cluster


def _keeps(member: Member, membership: object) -> None:
    """Take a membership at the start of a life only; a snapshot's is ignored."""
    if member.tracker.membership == NO_MEMBERS or member.log.snapshot is None:
        member.tracker.restore(membership, member.log.last)  # type: ignore[arg-type]


def pre_vote_raises_the_term(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    original = raft._settle_term

    def settle_term(member: Member, message: Message) -> bool:
        if message.kind is Kind.PRE_VOTE and message.term > member.term:
            member.become_follower(message.term, NOBODY)
        return original(member, message)

    patch.setattr(raft, "_settle_term", settle_term)
    return Cluster


def wiped_member_votes_again(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    class Wiping(Cluster):
        def __init__(self, seed: int) -> None:
            super().__init__(seed)
            self.wipes = True
            self.crashes = 0.06

    return Wiping


def own_copy_counted_at_once(patch: pytest.MonkeyPatch) -> Callable[[int], Cluster]:
    original = proposals.append_own

    def append_own(member: Member, entries: object) -> bool:
        done = original(member, entries)  # type: ignore[arg-type]
        own = member.tracker.progress[member.id]
        own.acknowledge(member.log.last)
        if own.flow is Flow.PROBE:
            own.become_replicate()
        return done

    patch.setattr(proposals, "append_own", append_own)
    return Cluster


BUGS: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        vote_not_persisted,
        term_not_persisted,
        old_term_commit,
        commit_lowered,
        match_lowered,
        committed_suffix_truncated,
        read_without_quorum,
        change_before_own_commit,
        two_pending_changes,
        joint_with_the_new_half_only,
        snapshot_without_configuration,
        pre_vote_raises_the_term,
        wiped_member_votes_again,
        own_copy_counted_at_once,
    )
}
