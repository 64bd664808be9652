"""Membership changes as arithmetic on `Membership` values: simple, into and out of joint consensus.

A simple change touches at most one voter, so that old and new majorities overlap (dissertation,
section 4.2). Anything larger goes through a joint configuration (section 4.3): the old voters are
copied to the outgoing half, the changes are made to the incoming half. A voter of the outgoing half
that is to become a learner waits in `learners_next` until the joint configuration is left.
Rules and texts of errors are those of etcd's `confchange` package.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct, msgpack

from dynakv.core.raft.messages import MemberId, Membership


class ChangeKind(IntEnum):
    """What happens to one member. The numbers are part of the disk format."""

    ADD_VOTER = 0  # also promotes a learner
    REMOVE = 1
    UPDATE = 2  # carries a message through the log, changes nobody
    ADD_LEARNER = 3  # also demotes a voter


class Transition(IntEnum):
    """How a change takes effect. The numbers are part of the disk format."""

    AUTO = 0  # simple where possible, else joint and left automatically
    JOINT_IMPLICIT = 1  # joint, left automatically
    JOINT_EXPLICIT = 2  # joint, until somebody proposes an empty change


class MemberChange(Struct, frozen=True, gc=False):
    """One member's part of a change. Id 0 is ignored: a change withdrawn on the way."""

    kind: ChangeKind
    member: MemberId


class Change(Struct, frozen=True, gc=False):
    """Changes that take effect as one. Without any: leave the joint configuration."""

    changes: tuple[MemberChange, ...] = ()
    transition: Transition = Transition.AUTO
    context: bytes = b""  # the proposer's

    @property
    def leaves_joint(self) -> bool:
        """Whether this ends a joint configuration."""
        return not self.changes and self.transition is Transition.AUTO

    @property
    def enters_joint(self) -> bool:
        """Whether this needs joint consensus."""
        return self.transition is not Transition.AUTO or len(self.changes) > 1


LEAVE_JOINT: Final = Change()


class Outcome(Struct, frozen=True, gc=False):
    """The membership after a change, and who in it is to be tracked anew."""

    membership: Membership
    # Members that were not tracked before, or were removed and added again by the same change.
    fresh: tuple[MemberId, ...]


class InvalidChange(Struct, frozen=True, gc=False):
    """The change cannot be made."""

    reason: str


def encode_change(change: Change) -> bytes:
    """Return the `data` of an entry; empty for LEAVE_JOINT, so that no quota can refuse it."""
    return b"" if change == LEAVE_JOINT else msgpack.encode(change)


def decode_change(data: bytes) -> Change:
    """Return the change of `encode_change`. Raises msgspec.ValidationError on anything else."""
    return msgpack.decode(data, type=Change) if data else LEAVE_JOINT


def apply_change(now: Membership, change: Change) -> Outcome | InvalidChange:
    """Return the membership after `change`, by the route it asks for."""
    if change.leaves_joint:
        return leave_joint(now)
    if change.enters_joint:
        auto_leave = change.transition is not Transition.JOINT_EXPLICIT
        return enter_joint(now, change.changes, auto_leave=auto_leave)
    return simple(now, change.changes)


def simple(now: Membership, changes: Sequence[MemberChange]) -> Outcome | InvalidChange:
    """Change at most one voter, and any number of learners."""
    if now.joint:
        return InvalidChange("can't apply simple config change in joint config")
    draft = _Draft(now)
    draft.make(changes)
    if not draft.voters:
        return InvalidChange("removed all voters")
    if (
        sum(v not in now.voters for v in draft.voters)
        + sum(v not in draft.voters for v in now.voters)
        > 1
    ):
        return InvalidChange("more than one voter changed without entering joint config")
    return draft.outcome()


def enter_joint(
    now: Membership, changes: Sequence[MemberChange], *, auto_leave: bool
) -> Outcome | InvalidChange:
    """Keep the voters as the outgoing half and make the changes to the incoming one."""
    if now.joint:
        return InvalidChange("config is already joint")
    if not now.voters:
        return InvalidChange("can't make a zero-voter config joint")
    draft = _Draft(now)
    draft.outgoing = now.voters
    draft.make(changes)
    if not draft.voters:
        return InvalidChange("removed all voters")
    draft.auto_leave = auto_leave
    return draft.outcome()


def leave_joint(now: Membership) -> Outcome | InvalidChange:
    """Let the incoming half decide alone; staged learners become learners."""
    if not now.joint:
        return InvalidChange("can't leave a non-joint config")
    learners = tuple(sorted({*now.learners, *now.learners_next}))
    return Outcome(Membership(voters=now.voters, learners=learners), ())


def members_of(membership: Membership) -> tuple[MemberId, ...]:
    """Return everybody, sorted, each once."""
    return tuple(sorted({*membership.voters, *membership.voters_outgoing, *membership.learners}))


def describe(membership: Membership) -> str:
    """Return one line for an operator, as `voters=(1 2)&&(1) learners=(3)`."""
    text = f"voters={_listed(membership.voters)}"
    if membership.voters_outgoing:
        text += f"&&{_listed(membership.voters_outgoing)}"
    if membership.learners:
        text += f" learners={_listed(membership.learners)}"
    if membership.learners_next:
        text += f" learners_next={_listed(membership.learners_next)}"
    return text + " autoleave" * membership.auto_leave


def _listed(members: Sequence[MemberId]) -> str:
    return "(" + " ".join(map(str, members)) + ")"


class _Draft:
    """A membership under change. Dicts stand for sets that keep their order."""

    __slots__ = (
        "_before",
        "_fresh",
        "auto_leave",
        "learners",
        "learners_next",
        "outgoing",
        "voters",
    )

    def __init__(self, now: Membership) -> None:
        self.voters = dict.fromkeys(now.voters)
        self.outgoing = now.voters_outgoing
        self.learners = dict.fromkeys(now.learners)
        self.learners_next = dict.fromkeys(now.learners_next)
        self.auto_leave = now.auto_leave
        self._before = members_of(now)
        self._fresh: dict[MemberId, None] = {}

    def make(self, changes: Sequence[MemberChange]) -> None:
        for change in changes:
            if change.member == 0:
                continue
            match change.kind:
                case ChangeKind.ADD_VOTER:
                    self._add_voter(change.member)
                case ChangeKind.ADD_LEARNER:
                    self._add_learner(change.member)
                case ChangeKind.REMOVE:
                    self._remove(change.member)
                case ChangeKind.UPDATE:
                    pass

    def outcome(self) -> Outcome:
        membership = Membership(
            voters=tuple(sorted(self.voters)),
            voters_outgoing=self.outgoing,
            learners=tuple(sorted(self.learners)),
            learners_next=tuple(sorted(self.learners_next)),
            auto_leave=self.auto_leave,
        )
        fresh = [m for m in members_of(membership) if m in self._fresh or m not in self._before]
        return Outcome(membership, tuple(fresh))

    def _tracked(self, member: MemberId) -> bool:
        return member in self.voters or member in self.outgoing or member in self.learners

    def _add_voter(self, member: MemberId) -> None:
        if not self._tracked(member):
            self._fresh[member] = None
        self.voters[member] = None
        self.learners.pop(member, None)
        self.learners_next.pop(member, None)

    def _add_learner(self, member: MemberId) -> None:
        if member in self.learners:
            return
        if not self._tracked(member):
            self._fresh[member] = None
        self.voters.pop(member, None)
        # Nobody is voter and learner at once, not even of two halves.
        (self.learners_next if member in self.outgoing else self.learners)[member] = None

    def _remove(self, member: MemberId) -> None:
        self.voters.pop(member, None)
        self.learners.pop(member, None)
        self.learners_next.pop(member, None)
