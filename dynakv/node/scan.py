"""List: read every shard group from rq of its replicas, page by page, merged in key order.

One scan ask per node serves all its groups. Each reply covers the keys up to its `next`; the page
of the client ends at the smallest `next` of any reply: beyond it some replica was not heard.
Tombstones and expired records take part in the merge and are left out of the answer. Copies that
turn out stale are repaired afterwards; what is void under the floor of another answer is left out
(`core/floors.py`). Not a snapshot, and a list alone does not promise that a key
it showed is on a quorum: that is what a get is for.
"""

from functools import partial
from itertools import repeat

from dynakv import limits
from dynakv.core.floors import merge_under
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, covers, intact, live
from dynakv.errors import Failure, Kind
from dynakv.node.context import Context
from dynakv.node.messages import Answer, Failed, List, Listed, Refused, Save, Scan, Scanned
from dynakv.node.replica import Replica


class _Held:
    """What the replicas showed of one key."""

    __slots__ = ("records", "top")

    def __init__(self, top: int) -> None:
        self.top = top  # the highest floor under which one showed it, or that it has none
        self.records: list[tuple[str, Record, int]] = []  # replica, record, its floor

    def winner(self) -> Record | None:
        winner, top = None, self.top
        for _, record, floor in self.records:
            if record != winner:
                winner, top = merge_under(winner, top, record, floor)
        return winner


class QuorumScan:
    """Serves one List."""

    def __init__(
        self, ctx: Context, replica: Replica, call: int, message: List, deadline_ms: int
    ) -> None:
        """Prepare the message that came under `call`."""
        self._ctx = ctx
        self._replica = replica
        self._call = call
        self._message = message
        self._placement = ctx.by_name[message.keyspace]
        self._deadline_ms = deadline_ms
        self._limit = min(message.limit or limits.PAGE_ROWS_MAX, limits.PAGE_ROWS_MAX)
        groups = len(self._placement.replicas)
        self._spare: list[list[NodeId]] = [[] for _ in range(groups)]  # not asked yet, per group
        self._missing = 0  # replies still needed
        self._replies: list[tuple[str, list[int], Scanned]] = []  # replica, groups, reply
        self._calls: list[int] = []
        self._over = False

    def start(self) -> None:
        """Ask rq replicas of every group, the own one and live ones first."""
        ctx, rq = self._ctx, self._placement.keyspace.rq
        if not ctx.guard.trusted:
            ctx.counters.clock_refusals += 1
            self._refuse(Kind.UNAVAILABLE, f"node {ctx.node_id} does not trust its clock")
            return
        asked: dict[NodeId, list[int]] = {}
        for group, replicas in enumerate(self._placement.replicas):
            ordered = self._by_preference(replicas)
            for replica in ordered[:rq]:
                asked.setdefault(replica, []).append(group)
            self._spare[group] = ordered[rq:]
        ctx.at(self._deadline_ms, self._expire)
        self._missing = len(asked)
        for replica in sorted(asked, key=lambda replica: replica == ctx.node_id):
            self._ask(replica, asked[replica])

    def _by_preference(self, replicas: tuple[NodeId, ...]) -> list[NodeId]:
        ctx = self._ctx
        return sorted(replicas, key=lambda r: 0 if r == ctx.node_id else 2 - ctx.members.up(r))

    def _ask(self, replica: NodeId, groups: list[int]) -> None:
        ctx, message = self._ctx, self._message
        scan = Scan(
            self._placement.keyspace_id,
            self._placement.epoch,
            groups,
            message.start,
            message.after,
            message.end,
            self._limit,
            message.keys_only,
        )
        then = partial(self._scanned, replica, groups)
        if replica == ctx.node_id:
            self._replica.scan(scan, then)
        else:
            self._calls.append(ctx.ask(replica, scan, self._deadline_ms, then))

    def _scanned(self, replica: str, groups: list[int], reply: object) -> None:
        if self._over:
            return
        if isinstance(reply, Failed) or not self._acceptable(replica, reply):
            self._ask_others(groups)
            return
        assert isinstance(reply, Scanned)
        self._missing -= 1
        self._replies.append((replica, groups, reply))
        if not self._missing:
            self._finish()

    def _acceptable(self, replica: str, reply: object) -> bool:
        """Verify what came from another node; without its values nothing can be verified."""
        assert isinstance(reply, Scanned)
        if self._message.keys_only or replica == self._ctx.node_id:
            return True
        return all(map(intact, reply.records))

    def _ask_others(self, groups: list[int]) -> None:
        """Ask further replicas of groups whose replica failed; give up where there is none."""
        asked: dict[NodeId, list[int]] = {}
        for group in groups:
            if not self._spare[group]:
                self._refuse(Kind.UNAVAILABLE, "too few replicas answered")
                return
            asked.setdefault(self._spare[group].pop(0), []).append(group)
        self._missing += len(asked) - 1
        for replica, others in asked.items():
            self._ask(replica, others)

    def _finish(self) -> None:
        replies = self._replies
        self._end()
        ctx = self._ctx
        ends = [reply.next for _, _, reply in replies if reply.next is not None]
        end = min(ends, default=None)
        held = self._held(replies, end)
        now_ms = ctx.believed_ms()
        listed: list[Record] = []
        for key in sorted(held):
            winner = held[key].winner()
            if winner is not None and live(winner, now_ms):
                if len(listed) == self._limit:
                    end = listed[-1].key
                    break
                listed.append(winner)
        if not self._message.keys_only:
            self._repair(held)
        ctx.effects.append(Answer(self._call, Listed([0], listed, end)))

    def _held(
        self, replies: list[tuple[str, list[int], Scanned]], end: bytes | None
    ) -> dict[bytes, _Held]:
        """Return what all replies together show up to `end`, by key."""
        tops: dict[int, int] = {}  # group -> highest floor, where one is not 0
        for _, groups, reply in replies:
            for group, floor in zip(groups, reply.floors or (), strict=False):
                tops[group] = max(floor, tops.get(group, 0))
        held: dict[bytes, _Held] = {}
        for replica, groups, reply in replies:
            records = reply.records
            if end is not None:
                records = [record for record in records if record.key <= end]
            floors = dict(zip(groups, reply.floors or (), strict=False))
            places = self._placement.groups_of([r.key for r in records]) if tops else repeat(0)
            for record, group in zip(records, places, strict=False):
                if record.key not in held:
                    held[record.key] = _Held(tops.get(group, 0))
                held[record.key].records.append((replica, record, floors.get(group, 0)))
        return held

    def _repair(self, held: dict[bytes, _Held]) -> None:
        """Send winners to the replicas that answered with something older."""
        ctx = self._ctx
        stale: dict[str, list[tuple[Record, int]]] = {}
        for shown in held.values():
            winner = shown.winner()
            for replica, record, _ in shown.records:
                if winner is not None and not covers(record, winner):
                    stale.setdefault(replica, []).append((winner, shown.top))
        keyspace, epoch = self._placement.keyspace_id, self._placement.epoch
        for replica in sorted(stale):
            ctx.counters.read_repairs += len(stale[replica])
            records = [record for record, _ in stale[replica]]
            save = Save(keyspace, epoch, records, floors=[floor for _, floor in stale[replica]])
            if replica == ctx.node_id:
                self._replica.save(save, lambda _: None, own=False)
            else:
                self._calls.append(ctx.ask(replica, save, self._deadline_ms, lambda _: None))

    def _expire(self) -> None:
        if self._over:
            self._end()  # of the repairs
        else:
            self._refuse(Kind.TIMEOUT, "too few replicas answered in time")

    def _refuse(self, kind: Kind, why: str) -> None:
        self._end()
        self._ctx.counters.failed_entries += 1
        reason = (
            f"{why}: a list needs {self._placement.keyspace.rq} of"
            f" {self._placement.keyspace.n} replicas of every shard group"
            f" (keyspace {self._placement.name})"
        )
        self._ctx.effects.append(Answer(self._call, Refused([0], Failure(kind, reason))))

    def _end(self) -> None:
        self._over = True
        self._replies = []  # the deadline's timer keeps this object until it fires
        for call in self._calls:
            self._ctx.forget(call)
