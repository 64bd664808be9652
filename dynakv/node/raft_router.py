"""Takes what only the leader of a group can do to that leader, here or elsewhere, until a deadline.

An errand is tried at whoever seems to lead. Where nobody does, or the attempt ended without a
decision, it waits for a leader and is tried again: commands carry request ids, so another attempt
never does a thing twice (`core/state_machine.py`). At its deadline it fails: with an unknown
outcome where some attempt may have put it into a log, else with the word that nothing was done.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.node.consensus import Consensus
from dynakv.node.context import Context, Placement
from dynakv.node.messages import NOTHING_DONE, Failed
from dynakv.node.raft_group import Group, Where
from dynakv.node.raft_messages import NOTHING_DONE_VERDICTS, RaftMessage, Verdict

_HOPS_MAX = 2  # then it waits a little: two members may each think that the other one leads
Ended = Callable[[Verdict], None]  # an attempt is over; DONE: nothing is left to do


class Errand:
    """Something for the leader of one group; subclasses say what."""

    __slots__ = (
        "busy",
        "deadline_ms",
        "hops",
        "last_verdict",
        "over",
        "perhaps",
        "placement",
        "where",
    )

    def __init__(self, placement: Placement, group: int, deadline_ms: int) -> None:
        """Prepare for a group of a keyspace; monotonic deadline."""
        self.placement = placement
        self.where: Where = (placement.keyspace_id, group)
        self.deadline_ms = deadline_ms
        self.over = False
        self.busy = False  # an attempt is under way
        self.perhaps = False  # some attempt may have left something behind
        self.hops = 0  # attempts at leaders that others had named, in a row
        self.last_verdict: Verdict | None = None  # of an attempt that ended

    def run_here(self, group: Group, ended: Ended) -> None:
        """Try with the own member, which leads."""
        raise NotImplementedError

    def message(self) -> RaftMessage:
        """Return what asks another node's member to do it."""
        raise NotImplementedError

    def took(self, reply: object) -> tuple[Verdict, str]:
        """Take what the other node answered; return the verdict on what is left, and who leads."""
        raise NotImplementedError

    def fail(self, leader: str) -> None:
        """Answer that it was not done in time."""
        raise NotImplementedError


class Router:
    """Knows who seems to lead, and who waits for a leader."""

    def __init__(self, ctx: Context, consensus: Consensus) -> None:
        """Route for the node of this context."""
        self._ctx = ctx
        self._consensus = consensus
        self._hints: dict[Where, NodeId] = {}  # of groups that this node has no member of
        self._tries: dict[Where, int] = {}
        self._parked: dict[Where, list[Errand]] = {}
        self._looking = False
        self._deadlines: dict[int, list[Errand]] = {}
        consensus.on_leader = self._leader_changed

    def leader(self, where: Where) -> str:
        """Return the node that seems to lead a group, empty where nobody is known to."""
        group = self._consensus.groups.get(where)
        if group is not None:
            return group.leader or ""
        return self._hints.get(where, "")

    def member(self, where: Where) -> Group | None:
        """Return this node's own member of a group, None where it has none."""
        return self._consensus.groups.get(where)

    def go(self, errand: Errand) -> None:
        """Begin with an errand that is not over."""
        waiting = self._deadlines.get(errand.deadline_ms)
        if waiting is None:
            self._deadlines[errand.deadline_ms] = [errand]
            self._ctx.at(errand.deadline_ms, partial(self._expire, errand.deadline_ms))
        else:
            waiting.append(errand)
        self._try(errand)

    def _try(self, errand: Errand) -> None:
        where = errand.where
        group = self._consensus.groups.get(where)
        if group is not None and group.leads:
            errand.busy = True
            errand.run_here(group, partial(self._ended, errand, ""))
            self._consensus.busy(where)
            return
        leader = self._guess(errand, group)
        if leader is None or leader == self._ctx.node_id:
            self._park(errand)
            return
        errand.busy = True
        ctx = self._ctx
        until_ms = min(errand.deadline_ms, ctx.now.mono_ms + ctx.config.raft_attempt_ms)
        then = partial(self._answered, errand, leader)
        ctx.ask(leader, errand.message(), until_ms, then)

    def _guess(self, errand: Errand, group: Group | None) -> NodeId | None:
        """Return whom to ask: the leader, or without a member here somebody who may know it."""
        if group is not None and group.leader is not None:
            return group.leader
        hint = self._hints.get(errand.where)
        if hint is not None:
            return hint
        if group is not None:
            return None  # an election is under way, and its end will be heard
        replicas = errand.placement.replicas[errand.where[1]]
        up = [node for node in replicas if node != self._ctx.node_id and self._ctx.members.up(node)]
        tried = self._tries[errand.where] = self._tries.get(errand.where, 0) + 1
        return up[tried % len(up)] if up else None

    def _answered(self, errand: Errand, asked: NodeId, reply: object) -> None:
        if isinstance(reply, Failed):
            self._hints.pop(errand.where, None)
            # A group that sleeps has not missed its leader yet.
            self._consensus.busy(errand.where)
            if reply.reason not in NOTHING_DONE:
                errand.perhaps = True
            self._ended(errand, "", Verdict.NOT_LEADER)
            return
        verdict, leader = errand.took(reply)
        if verdict is Verdict.NOT_LEADER:
            self._hints.pop(errand.where, None)
        elif not leader:
            leader = asked
        self._ended(errand, leader if leader != asked or verdict is Verdict.DONE else "", verdict)

    def _ended(self, errand: Errand, leader: str, verdict: Verdict) -> None:
        """Take note that an attempt is over; try again, at once where a leader was named."""
        errand.busy = False
        if leader and errand.where not in self._consensus.groups:
            self._hints[errand.where] = NodeId(leader)
        if verdict is Verdict.DONE:
            errand.over = True
        if errand.over:
            return
        if verdict not in NOTHING_DONE_VERDICTS:
            errand.perhaps = True
        errand.last_verdict = verdict
        if leader and errand.hops < _HOPS_MAX:
            errand.hops += 1
            self._try(errand)
        else:
            self._park(errand)

    def _park(self, errand: Errand) -> None:
        self._parked.setdefault(errand.where, []).append(errand)
        if not self._looking:
            self._looking = True
            self._ctx.at(self._ctx.now.mono_ms + limits.RAFT_RETRY_MS, self._look)

    def _look(self) -> None:
        self._looking = False
        parked, self._parked = self._parked, {}
        for errands in parked.values():
            for errand in errands:
                if not errand.over:
                    errand.hops = 0
                    self._try(errand)

    def _leader_changed(self, where: Where) -> None:
        for errand in self._parked.pop(where, ()):
            if not errand.over:
                self._try(errand)

    def _expire(self, deadline_ms: int) -> None:
        for errand in self._deadlines.pop(deadline_ms):
            if not errand.over:
                errand.over = True
                errand.perhaps = errand.perhaps or errand.busy
                errand.fail(self.leader(errand.where))
