"""Majorities, and pairs of majorities: what is committed, who is elected. Knows nothing of Raft.

A joint quorum needs a majority in each of two sets of voters (dissertation, section 4.3). An empty
set agrees to everything, so that a plain majority is a joint one with an empty second half. Shape
and text form follow etcd's `quorum` package.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from dynakv.core.raft.messages import MemberId

NO_LIMIT: Final = (1 << 64) - 1  # the committed index of no voters at all


class VoteResult(Enum):
    """What votes decide so far."""

    PENDING = "pending"
    LOST = "lost"
    WON = "won"


def majority_committed(voters: Sequence[MemberId], acked: Mapping[MemberId, int]) -> int:
    """Return the largest index that a majority has acknowledged; absent voters count as 0."""
    if not voters:
        return NO_LIMIT
    indexes = sorted(acked.get(voter, 0) for voter in voters)
    return indexes[(len(indexes) - 1) // 2]


def joint_committed(
    incoming: Sequence[MemberId], outgoing: Sequence[MemberId], acked: Mapping[MemberId, int]
) -> int:
    """Return the largest index that both majorities have acknowledged."""
    return min(majority_committed(incoming, acked), majority_committed(outgoing, acked))


def majority_vote(voters: Sequence[MemberId], votes: Mapping[MemberId, bool]) -> VoteResult:
    """Return whether a majority said yes, can still do so, or cannot any more."""
    if not voters:
        return VoteResult.WON
    yes = sum(votes.get(voter) is True for voter in voters)
    missing = sum(voter not in votes for voter in voters)
    needed = len(voters) // 2 + 1
    if yes >= needed:
        return VoteResult.WON
    return VoteResult.PENDING if yes + missing >= needed else VoteResult.LOST


def joint_vote(
    incoming: Sequence[MemberId], outgoing: Sequence[MemberId], votes: Mapping[MemberId, bool]
) -> VoteResult:
    """Return the joint verdict: lost where one half is lost, won where both are won."""
    halves = (majority_vote(incoming, votes), majority_vote(outgoing, votes))
    if halves[0] is halves[1]:
        return halves[0]
    return VoteResult.LOST if VoteResult.LOST in halves else VoteResult.PENDING


def describe(voters: Sequence[MemberId], acked: Mapping[MemberId, int]) -> str:
    """Return what each voter acknowledged, a line each; the bar counts who is behind it."""
    if not voters:
        return "<empty majority quorum>"
    width = len(voters)
    indexes = [acked.get(voter, 0) for voter in voters]
    lines = [" " * width + "    idx"]
    for voter in sorted(voters):
        bar = sum(index < acked.get(voter, 0) for index in indexes)
        mark = "x" * bar + ">" + " " * (width - bar) if voter in acked else "?" + " " * width
        lines.append(f"{mark} {acked.get(voter, 0):5d}    (id={voter})")
    return "\n".join(lines) + "\n"
