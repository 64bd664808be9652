"""When this node compares itself with which peer.

Every `repair_interval_ms` with each peer, begun by the node with the smaller id; at once when this
node was started and first hears the peer; soon after a peer's return, unless the peer has begun a
round meanwhile; when an operator asks; and single groups when somebody marked them
(`node/repair_wanted.py`). One round runs at a time (`node/round.py`).
"""

from functools import partial

from msgspec import Struct

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.node.antientropy import AntiEntropy
from dynakv.node.context import Context
from dynakv.node.repair_messages import Compare
from dynakv.node.round import Groups, Round
from dynakv.node.session import Ending, Synced
from dynakv.node.tasks import Kind


class _Plan(Struct, frozen=True):
    """A round that is due; a peer that began one itself since then has made it needless."""

    due_ms: int
    since_ms: int


class Rounds:
    """Begins rounds and sessions of one node."""

    def __init__(self, ctx: Context, anti_entropy: AntiEntropy) -> None:
        """Begin with a round with each peer when it is first heard."""
        self._ctx = ctx
        self._anti_entropy = anti_entropy
        self._waiting: list[Round] = []
        self._running: Round | None = None
        self._taking = False  # marked groups will be looked at again soon
        self._returns = dict.fromkeys(ctx.peers, 0)
        self._plans: dict[NodeId, _Plan] = {}
        self._asked_ms: dict[str, int] = {}  # when a peer last began a round with this node
        ctx.at(ctx.now.mono_ms, self._look)

    def asked_by(self, peer: str, compare: Compare) -> None:
        """Take note that a peer compares everything with this node; a session has one group."""
        if len(compare.groups) > 1:
            self._asked_ms[peer] = self._ctx.now.mono_ms

    def repair(self, keyspace_id: int | None = None, group: int | None = None) -> list[int]:
        """Compare with every peer now: all, a keyspace or one group. Return the tasks' ids.

        Peers that share nothing of it have no task.
        """
        tasks = []
        for peer in self._ctx.peers:
            groups = [
                where
                for where in self._shared(peer)
                if keyspace_id in (None, where[0]) and group in (None, where[1])
            ]
            if groups:
                tasks.append(self._begin(peer, groups, Kind.REPAIR, whole=group is None))
        return tasks

    def _look(self) -> None:
        ctx = self._ctx
        now_ms = ctx.now.mono_ms
        ctx.at(now_ms + ctx.config.look_ms, self._look)
        if ctx.repair_paused:
            return
        for peer in ctx.peers:
            self._note_return(peer)
            plan = self._plans.get(peer)
            if plan is None or now_ms < plan.due_ms or not ctx.members.up(peer):
                continue
            self._plan_routine(peer)
            if self._asked_ms.get(peer, -1) < plan.since_ms:
                groups = self._shared(peer)
                if groups:
                    self._begin(peer, groups, Kind.ROUND)
        self._take_wanted()

    def _note_return(self, peer: NodeId) -> None:
        """Plan a round with a peer that came back, or that this node hears for the first time."""
        ctx = self._ctx
        returns, known = ctx.members.returns(peer), self._returns[peer]
        if returns == known:
            return
        self._returns[peer] = returns
        now_ms = ctx.now.mono_ms
        if known == 0:  # it is this node that came back
            self._plans[peer] = _Plan(now_ms, now_ms + 1)
            return
        # Whoever was started begins at once; where only the link was cut, the smaller id does.
        turns = 1 if ctx.node_id < peer else 2
        config = ctx.config
        turn_ms = max(config.repair_interval_ms // limits.RETURN_SHARE, 2 * config.look_ms)
        self._plans[peer] = _Plan(now_ms + turns * turn_ms, now_ms)

    def _plan_routine(self, peer: NodeId) -> None:
        """Plan the next regular round, at a moment that keeps nodes out of step."""
        ctx = self._ctx
        self._plans.pop(peer, None)
        if ctx.node_id < peer:
            interval_ms = ctx.config.repair_interval_ms
            jitter_ms = ctx.random.randrange(interval_ms // 4 + 1)
            due_ms = ctx.now.mono_ms + interval_ms - jitter_ms
            self._plans[peer] = _Plan(due_ms, due_ms + 1)

    def _shared(self, peer: NodeId) -> Groups:
        """Return the groups of which both nodes are replicas. O(groups)."""
        return [
            (keyspace, group)
            for keyspace, placement in self._ctx.by_id.items()
            for group, held in enumerate(placement.held)
            if held and peer in placement.replicas[group]
        ]

    def _begin(self, peer: NodeId, groups: Groups, kind: Kind, *, whole: bool = True) -> int:
        ctx = self._ctx
        task = ctx.tasks.begin(kind, f"with {peer}", len(groups), ctx.now.mono_ms)
        begun = Round(ctx, self._anti_entropy, peer, groups, task, self._ended)
        begun.whole = whole
        self._waiting.append(begun)
        self._next()
        return task.task_id

    def _next(self) -> None:
        if self._running is None and self._waiting:
            self._running = self._waiting.pop(0)
            self._running.start()

    def _ended(self) -> None:
        self._running = None
        self._ctx.counters.repair_rounds += 1
        self._next()

    def _take_wanted(self) -> None:
        """Begin with groups that somebody marked, a few at a time."""
        ctx = self._ctx
        room = limits.REPAIR_WANTED_AT_ONCE - self._anti_entropy.pending()
        for _ in range(min(len(ctx.repair_wanted), limits.REPAIR_WANTED_LOOKED_AT)):
            if room <= 0:
                return
            mark = ctx.repair_wanted.take()
            assert mark is not None
            keyspace, group, peer = mark
            placement = ctx.by_id.get(keyspace)
            if placement is None or not {ctx.node_id, peer} <= set(placement.replicas[group]):
                continue  # its own replicas compare it in their next round
            if ctx.members.up(peer) and ctx.trees.known(keyspace, group):
                room -= 1
                self._anti_entropy.sync(keyspace, group, peer, partial(self._synced, mark))
            else:
                ctx.repair_wanted.add(*mark)

    def _synced(self, mark: tuple[int, int, NodeId], synced: Synced) -> None:
        # A peer whose tree is unknown compares the group itself when it is known again.
        ctx = self._ctx
        if synced.ending is Ending.FAILED and not ctx.members.up(mark[2]):
            ctx.repair_wanted.add(*mark)
        elif len(ctx.repair_wanted) and not self._taking:
            # Not only at the next look: after a crash of all nodes every group is marked.
            self._taking = True
            ctx.at(ctx.now.mono_ms + ctx.config.repair_pause_ms, self._take_more)

    def _take_more(self) -> None:
        self._taking = False
        if not self._ctx.repair_paused:
            self._take_wanted()
