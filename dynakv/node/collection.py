"""Collects deleted and expired records, group by group: fence, make equal, drop.

Of the replicas of a group the one with the smallest id drives. In every round it looks through the
groups that it drives, one after the other; where nothing is old enough to go it does no more. Else,
for a cut S that lies `cut_age_ms` back:

1. Fence: every replica durably refuses registers at or below S that it does not hold, unless they
   come from a replica under the same floor. From now on whatever exists at or below S lies on some
   replica already.
2. Make equal, twice: the first pass over the other replicas (`AntiEntropy.sync`) brings everything
   at or below S to this node, the second takes it from here to all of them. One pass would not do:
   what the last replica brought, the first has not seen.
3. Raise the floor to S everywhere. Each replica then drops what is droppable under it
   (`node/dropping.py`). Whoever misses this hears of the floor later, and adopts it: it was proven.

All replicas must take part in 1 and 2. One that is down, recovers or refuses ends the attempt, and
nothing is lost by that but time: fences stay, and a later attempt has a later cut. So deleted keys
wait for absent members; `waits_for` says for whom, `waiting` how many. Nothing of an attempt is
remembered across a restart but its fences.

Scylla's repair-based tombstone collection without fences still leaked what was replayed after the
repair (scylladb#23712, #24415): step 1 is the answer.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from dynakv import limits
from dynakv.core.hlc import reading
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, droppable
from dynakv.core.table import Page, ScanRecords
from dynakv.node.context import Context, Placement
from dynakv.node.fencing import Fencing
from dynakv.node.messages import STORE
from dynakv.node.repair_messages import Fence, Fenced, FloorRaised, RaiseFloor
from dynakv.node.session import Ending, Synced

_PASSES = 2


class Sync(Protocol):
    """`AntiEntropy.sync`: makes a group equal here and on a peer, then says how it went."""

    def __call__(
        self, keyspace_id: int, group: int, peer: NodeId, then: Callable[[Synced], None]
    ) -> None:
        """Begin; `then` is called exactly once, perhaps at once."""


class Collection:
    """Drives the collection of the groups whose replica with the smallest id this node is."""

    def __init__(self, ctx: Context, fencing: Fencing, sync: Sync) -> None:
        """Plan the first round, somewhere within the time between two; 0: there is none."""
        self._ctx = ctx
        self._fencing = fencing
        self._sync = sync
        # By (keyspace id, group), for groups that this node drives, as of their last look:
        self._waiting: dict[tuple[int, int], int] = {}  # droppable records, not yet dropped
        self._waits_for: dict[tuple[int, int], NodeId] = {}  # who was missing
        every_ms = ctx.config.collect_every_ms
        if every_ms:
            ctx.at(ctx.now.mono_ms + 1 + ctx.random.randrange(every_ms), self._round)

    def waiting(self) -> dict[int, int]:
        """Return how many deleted and expired records wait, by keyspace id; as of the last look."""
        counts: dict[int, int] = {}
        for (keyspace, _), count in self._waiting.items():
            counts[keyspace] = counts.get(keyspace, 0) + count
        return counts

    def waits_for(self) -> dict[NodeId, int]:
        """Return for how many groups which member was missing when they were last tried."""
        counts: dict[NodeId, int] = {}
        for node_id in self._waits_for.values():
            counts[node_id] = counts.get(node_id, 0) + 1
        return counts

    # --- rounds ------------------------------------------------------------------------------

    def _round(self) -> None:
        """Look through all groups that this node drives, then plan the next round."""
        ctx = self._ctx
        driven = [
            (placement.keyspace_id, group)
            for placement in ctx.by_id.values()
            for group, replicas in enumerate(placement.replicas)
            if replicas[0] == ctx.node_id  # they stand in order
        ]
        known = dict.fromkeys(driven)
        for kept in (self._waiting, self._waits_for):
            for where in [where for where in kept if where not in known]:
                del kept[where]
        ends_ms = ctx.now.mono_ms + ctx.config.collect_every_ms
        self._next(driven, 0, ends_ms)

    def _next(self, driven: list[tuple[int, int]], index: int, ends_ms: int) -> None:
        ctx = self._ctx
        if index == len(driven):
            ctx.at(max(ends_ms, ctx.now.mono_ms + ctx.config.collect_pause_ms), self._round)
            return
        keyspace, group = driven[index]
        go_on = partial(self._next, driven, index + 1, ends_ms)
        _Attempt(self, ctx, keyspace, group, partial(self._soon, go_on)).start()

    def _soon(self, what: Callable[[], None]) -> None:
        self._ctx.at(self._ctx.now.mono_ms + self._ctx.config.collect_pause_ms, what)

    # --- what attempts use -------------------------------------------------------------------

    def found(self, keyspace: int, group: int, count: int) -> None:
        """Take note of how much waits in a group."""
        self._waiting[keyspace, group] = count

    def missed(self, keyspace: int, group: int, member: NodeId | None) -> None:
        """Take note of whom an attempt lacked; None: nobody."""
        if member is None:
            self._waits_for.pop((keyspace, group), None)
        else:
            self._waits_for[keyspace, group] = member

    def sync(self, keyspace: int, group: int, peer: NodeId, then: Callable[[Synced], None]) -> None:
        """Make a group equal here and on a peer."""
        self._sync(keyspace, group, peer, then)

    def ask(self, to: NodeId, message: Fence | RaiseFloor, then: Callable[[object], None]) -> None:
        """Ask a replica, which may be this node."""
        ctx = self._ctx
        if to != ctx.node_id:
            ctx.ask(to, message, ctx.deadline(limits.COLLECT_ATTEMPT_MS), then)
        elif isinstance(message, Fence):
            self._fencing.fence(message, then)
        else:
            self._fencing.raise_floor(message, then)


class _Attempt:
    """One attempt at one group; ends in exactly one call of `ended`."""

    def __init__(
        self,
        collection: Collection,
        ctx: Context,
        keyspace: int,
        group: int,
        ended: Callable[[], None],
    ) -> None:
        self._collection = collection
        self._ctx = ctx
        self._keyspace = keyspace
        self._group = group
        self._ended = ended
        self._cut = reading(ctx.believed_ms() - ctx.config.cut_age_ms)
        self._count = 0
        self._out = 0
        self._missing: NodeId | None = None

    def start(self) -> None:
        """Count first what there is to collect."""
        if self._placement() is None or not self._ctx.guard.trusted:
            self._ended()
        else:
            self._look(None)

    def _placement(self) -> Placement | None:
        """Return the placement; None where this node has no say in it any more."""
        placement = self._ctx.by_id.get(self._keyspace)
        if placement is None or (self._keyspace, self._group) in self._ctx.recovering:
            return None
        replicas = placement.replicas
        driven = self._group < len(replicas) and replicas[self._group][0] == self._ctx.node_id
        return placement if driven else None

    def _look(self, after: bytes | None) -> None:
        rows, size = limits.PAGE_ROWS_MAX, limits.PAGE_BYTES_MAX
        scan = ScanRecords(
            self._keyspace, [self._group], b"", after, None, rows, size, keys_only=True
        )
        self._ctx.ask(STORE, scan, 0, self._looked)

    def _looked(self, page: object) -> None:
        assert isinstance(page, Page)
        self._count += sum(isinstance(r, Record) and droppable(r, self._cut) for r in page.rows)
        if page.next is not None:
            ctx = self._ctx
            ctx.at(ctx.now.mono_ms + ctx.config.collect_pause_ms, partial(self._look, page.next))
            return
        self._collection.found(self._keyspace, self._group, self._count)
        if self._count:
            self._fence()
        else:
            self._end(None)

    def _fence(self) -> None:
        placement = self._placement()
        if placement is None:
            self._ended()
            return
        for member in placement.replicas[self._group]:
            if member != self._ctx.node_id and not self._ctx.members.up(member):
                self._end(member)
                return
        fence = Fence(self._keyspace, placement.epoch, [self._group], self._cut)
        self._ask_all(placement, fence, partial(self._make_equal, 0))

    def _make_equal(self, step: int) -> None:
        """Take the next step of the passes over the other replicas; after the last, the floor."""
        placement = self._placement()
        if placement is None:
            self._ended()
            return
        others = [r for r in placement.replicas[self._group] if r != self._ctx.node_id]
        if step == _PASSES * len(others):
            floor = RaiseFloor(self._keyspace, placement.epoch, [self._group], self._cut)
            self._ask_all(placement, floor, self._collected)
            return
        peer = others[step % len(others)]

        def synced(outcome: Synced) -> None:
            if outcome.ending is Ending.DONE:
                self._make_equal(step + 1)
            else:
                self._end(peer)

        self._collection.sync(self._keyspace, self._group, peer, synced)

    def _ask_all(
        self, placement: Placement, message: Fence | RaiseFloor, then: Callable[[], None]
    ) -> None:
        """Ask every replica; go on if all agree, else the attempt ends."""
        replicas = placement.replicas[self._group]
        self._out = len(replicas)

        def answered(replica: NodeId, reply: object) -> None:
            self._out -= 1
            if not (isinstance(reply, Fenced | FloorRaised) and all(reply.taken)):
                self._missing = replica
            if not self._out:
                if self._missing is None:
                    then()
                else:
                    self._end(self._missing)

        for replica in replicas:
            self._collection.ask(replica, message, partial(answered, replica))

    def _collected(self) -> None:
        self._ctx.counters.groups_collected += 1
        self._collection.found(self._keyspace, self._group, 0)
        self._end(None)

    def _end(self, missing: NodeId | None) -> None:
        self._collection.missed(self._keyspace, self._group, missing)
        self._ended()
