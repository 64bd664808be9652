"""Members that forgot come back: as learners under a new id, then in place of who they were.

A member that cannot know any more what it has voted or acknowledged takes part in nothing. Its node
draws a new id and asks, again and again, whoever leads the group to admit it. The leader adds it as
a learner; only then, when a majority is known to work without it, the node empties what it has of
the group and takes what the leader sends. Once the learner has caught up, one joint change makes it
a voter and removes the member that forgot (Ongaro's dissertation, 4.2.1 and 4.3).

All of it can begin anew at any moment: the leader decides by the membership alone, and a node that
ends in between draws another id, in whose favour the learner before it is removed. Without a
majority nothing happens.
"""

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.core.raft.membership import Change, ChangeKind, MemberChange, members_of
from dynakv.core.raft.messages import MemberId
from dynakv.core.raft_rows import (
    Replacement,
    blank_state,
    hidden_keyspaces,
    state_keyspace,
)
from dynakv.core.raft_write import GroupWrite, RaftWrite
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.messages import STORE, PeerReply
from dynakv.node.raft_clearing import RaftClearing
from dynakv.node.raft_entries import context_of
from dynakv.node.raft_group import Group, Where
from dynakv.node.raft_messages import JoinOutcome, RaftJoin, RaftJoined

_BEHIND_MAX = 64  # entries that a learner may lack when it is made a voter


class _Joining(Struct):
    """A group that this node wants to take part in again."""

    member: MemberId
    begun: bool = False  # as a blank member; before, nothing of the group is touched


class RaftJoining:
    """Asks for admission to the groups that stopped here, and admits others to those led here."""

    def __init__(self, ctx: Context, consensus: Consensus) -> None:
        """Look after the groups of `consensus`."""
        self._ctx = ctx
        self._consensus = consensus
        self._clearing = RaftClearing(ctx)
        self._joining: dict[Where, _Joining] = {}
        self._asking = False
        consensus.on_stopped = self._stopped
        consensus.on_learner = self._goes_on

    # --- who wants to join -------------------------------------------------------------------

    def _stopped(self, where: Where, forgot: bool) -> None:
        joining = _Joining(MemberId(1 + self._ctx.random.getrandbits(63)))
        self._joining[where] = joining
        if forgot:  # whoever it was must not vote again, not even if nobody ever admits it
            self._write_blank(where, joining, _ignored)
        self._ask_later()

    def _write_blank(self, where: Where, joining: _Joining, then: Callable[[object], None]) -> None:
        state = blank_state(self._ctx.remembered.incarnation, joining.member)
        self._ctx.ask(STORE, RaftWrite([GroupWrite(*where, state)]), 0, then)

    def _goes_on(self, group: Group) -> None:
        """Take note of a learner that a former life of this node had begun to be."""
        self._joining[group.where] = _Joining(group.raft.member.id, begun=True)
        self._ask_later()

    def _ask_later(self) -> None:
        if not self._asking:
            self._asking = True
            ctx = self._ctx
            ctx.at(ctx.now.mono_ms + limits.RAFT_JOIN_TICKS * ctx.config.raft_tick_ms, self._ask)

    def _ask(self) -> None:
        """Ask the other nodes of some groups; who is a voter has what it wanted."""
        ctx, self._asking = self._ctx, False
        for where, joining in list(self._joining.items()):
            group = self._consensus.groups.get(where)
            whole = group is not None and joining.begun and _takes_part(group)
            if whole or self._consensus.placement(where[0]) is None:
                del self._joining[where]
                self._consensus.stopped.pop(where, None)
        by_peer: dict[NodeId, list[Where]] = {}
        for where in list(self._joining)[: limits.RAFT_JOINS_MAX]:
            for node in ctx.by_id[where[0]].replicas[where[1]]:
                if node != ctx.node_id and ctx.members.up(node):
                    by_peer.setdefault(node, []).append(where)
        for node, wheres in by_peer.items():
            members = [self._joining[where].member for where in wheres]
            join = RaftJoin(
                [keyspace for keyspace, _ in wheres],
                [group for _, group in wheres],
                members,
                ctx.remembered.incarnation,
            )
            until_ms = ctx.now.mono_ms + ctx.config.raft_attempt_ms
            ctx.ask(node, join, until_ms, partial(self._answered, wheres, members))
        if self._joining:
            self._ask_later()

    def _answered(self, wheres: list[Where], members: list[MemberId], reply: object) -> None:
        if not isinstance(reply, RaftJoined):
            return
        for where, member, outcome in zip(wheres, members, reply.outcomes, strict=True):
            joining = self._joining.get(where)
            if joining is None or joining.member != member or not outcome.admitted:
                continue
            group = self._consensus.groups.get(where)
            if not joining.begun:
                joining.begun = True
                self._empty(where, joining, outcome.replacements)
            elif group is not None and group.state.blank:
                group.know(outcome.replacements)

    def _empty(self, where: Where, joining: _Joining, told: tuple[Replacement, ...]) -> None:
        """Make the new id durable, which ends the old one, then remove what the group has here."""
        keyspace, group = where

        def written(_: object) -> None:
            places = [place for place in hidden_keyspaces(keyspace) if place != states]
            self._clearing.clear([keyspace, *places], group, begin)

        def begin() -> None:
            if self._joining.get(where) is joining:
                made = self._consensus.begin_blank(where, joining.member)
                if made is not None:
                    made.uncached = True
                    made.know(told)

        states = state_keyspace(keyspace)
        self._write_blank(where, joining, written)

    # --- who admits --------------------------------------------------------------------------

    def asked(self, sender: str, message: RaftJoin, reply: Callable[[PeerReply], None]) -> None:
        """Take a step towards the admission of each member, where this node leads."""
        outcomes = []
        columns = zip(message.keyspaces, message.groups, message.members, strict=True)
        for keyspace, number, member in columns:
            group = self._consensus.groups.get((keyspace, number))
            if group is not None and group.leader in (None, sender) and not group.leads:
                self._find_leader(group)
            if group is None or not group.leads:
                outcomes.append(JoinOutcome(admitted=False, replacements=()))
                continue
            wanted = Replacement(member, sender, message.incarnation)
            if sender in self._ctx.by_id[keyspace].replicas[number]:
                self._admit(group, wanted)
            admitted = member in members_of(group.state.membership)
            outcomes.append(JoinOutcome(admitted, group.state.replacements))
        reply(RaftJoined(outcomes))

    def _find_leader(self, group: Group) -> None:
        """Let time go on in a group that may sleep in the belief that the newcomer leads it."""
        self._consensus.wake(group.where)
        group.raft.forget_leader()

    def _admit(self, group: Group, wanted: Replacement) -> None:
        """Propose what is due; where something is pending the core refuses, and is asked again."""
        change = _next_change(group, wanted)
        if change is not None:
            self._consensus.busy(group.where)
            if group.raft.propose_change(change) is None:
                self._ctx.note("raft_member_replaced", group=group.where[1], node=wanted.node)


def _next_change(group: Group, wanted: Replacement) -> Change | None:
    """Return the change that is due for a member that wants to take part; None: none, or not yet.

    A node has one voter at any time, and whatever else it had goes with the same change.
    """
    membership = group.state.membership
    if membership.joint:
        return None
    own, node = wanted.member, wanted.node
    former = [m for m in members_of(membership) if group.nodes.get(m) == node and m != own]
    if own not in members_of(membership):
        learners = [MemberChange(ChangeKind.REMOVE, m) for m in former if m in membership.learners]
        added = MemberChange(ChangeKind.ADD_LEARNER, own)
        return Change((*learners, added), context=context_of(wanted))
    if own in membership.voters:
        return None
    member = group.raft.member
    progress = member.tracker.progress.get(own)
    if progress is None or not progress.match or progress.match + _BEHIND_MAX < member.log.last:
        return None
    removed = [MemberChange(ChangeKind.REMOVE, m) for m in former]
    return Change((MemberChange(ChangeKind.ADD_VOTER, own), *removed))


def _takes_part(group: Group) -> bool:
    membership = group.state.membership
    return group.raft.member.id in membership.voters and not membership.joint


def _ignored(_: object) -> None:
    """STORE works in order: that it was asked is all that matters."""
