"""Hinted handoff: what a replica missed of a write is kept here, on disk, until it has it.

DeCandia et al., "Dynamo" (2007), section 4.6, without the sloppy quorum of section 4.5: a hint is
an addition to a write that was decided without it. It counts for nothing, is written after the
answer, and only where some replica took the record: what was refused never surfaces.

A hint is kept where its write was coordinated and brought to its target when that is up again
(`hint_delivery.py`). Bounded in bytes per target and in age, and none is written while the disk is
full. What a bound turns away is marked in `Context.repair_wanted`, so that anti-entropy sees to it:
a hint that is once on disk is delivered or handed over, never just gone. On the way to the disk it
is in memory, and lost with the process; whoever starts again is compared with its peers anyway.
"""

from functools import partial

from dynakv import limits
from dynakv.core.facts import DROPPED_HINTS, about_groups
from dynakv.core.layout import NodeId
from dynakv.core.record import Record
from dynakv.core.table import Counted, CountRecords, Merged, MergeRecords
from dynakv.node.context import Context, Placement
from dynakv.node.figures import HintFigures
from dynakv.node.hint_clearing import HintClearing
from dynakv.node.hint_delivery import HintDelivery
from dynakv.node.hint_shelf import Shelf, Target, stamped_ms, weight
from dynakv.node.messages import STORE, Outcome

_Key = tuple[NodeId, int]  # target, keyspace id


class Hints:
    """Keeps the hints of one node."""

    def __init__(self, ctx: Context) -> None:
        """Begin with whatever former lives left on disk, which is counted at once."""
        self._ctx = ctx
        self._delivery = HintDelivery(ctx)
        self._clearing = HintClearing(ctx)
        self._targets = {peer: Target(peer) for peer in ctx.peers}
        self._shelves: dict[_Key, Shelf] = {}
        self._uncounted: dict[_Key, None] = {}
        self._queue: dict[_Key, None] = {}  # shelves with hints that wait for the disk
        self._waiting_bytes = 0
        self._counting = True
        self._writing = False
        for peer in ctx.peers:
            for placement in ctx.by_id.values():
                self._shelf(placement, peer)
        ctx.missed = self.missed
        for hidden, groups_count, _ in about_groups(ctx.remembered.facts, DROPPED_HINTS):
            self._clearing.go_on(hidden, groups_count)
        self._count()

    def pending(self) -> list[HintFigures]:
        """Return what lies on disk for each peer that has any, sorted by node id."""
        targets = [target for _, target in sorted(self._targets.items())]
        return [
            HintFigures(str(t.peer), t.rows, t.bytes, self._age_ms(t)) for t in targets if t.rows
        ]

    def _age_ms(self, target: Target) -> int | None:
        oldest_ms = target.oldest_ms()
        return None if oldest_ms is None else max(0, self._ctx.believed_ms() - oldest_ms)

    def missed(
        self, placement: Placement, peer: NodeId, records: list[Record], outcome: Outcome | None
    ) -> None:
        """Keep what a replica did not take, or perhaps not, of writes that others took."""
        groups = placement.groups_of([record.key for record in records])
        if outcome is Outcome.MISPLACED or placement.keyspace_id not in self._ctx.by_id:
            return  # it holds the group no more, or nobody does, and so lacks nothing
        if peer == self._ctx.node_id:
            self._missed_here(placement, groups)
        elif outcome is Outcome.FENCED:  # as it would refuse the hint
            self._hand_over(placement.keyspace_id, groups, peer)
        else:
            self._keep(self._shelf(placement, peer), groups, records)

    def forget_keyspace(self, keyspace_id: int) -> None:
        """Remove all hints of a keyspace that was dropped, also across restarts."""
        self._ctx.repair_wanted.forget_keyspace(keyspace_id)
        for key in [key for key in self._shelves if key[1] == keyspace_id]:
            shelf = self._shelves.pop(key)
            shelf.emptied()
            shelf.gone = True
            self._unqueue(key, shelf)
            self._uncounted.pop(key, None)
            del shelf.target.shelves[keyspace_id]
            self._clearing.clear(shelf.hidden, shelf.groups_count)

    # --- keeping -----------------------------------------------------------------------------

    def _missed_here(self, placement: Placement, groups: list[int]) -> None:
        """The own replica could not take it, a matter of its disk: its peers have it."""
        for group in groups:
            for peer in placement.replicas[group]:
                if peer != self._ctx.node_id:
                    self._ctx.repair_wanted.add(placement.keyspace_id, group, peer)

    def _keep(self, shelf: Shelf, groups: list[int], records: list[Record]) -> None:
        ctx, target = self._ctx, shelf.target
        oldest_ms = ctx.believed_ms() - ctx.config.hint_age_ms
        room = min(
            ctx.config.hint_bytes_max - target.bytes - target.waiting_bytes(),
            limits.HINT_WAITING_BYTES_MAX - self._waiting_bytes,
        )
        if ctx.disk_full:
            room = 0
        no_room: list[int] = []
        for group, record in zip(groups, records, strict=True):
            size = weight(record)
            if stamped_ms(record) < oldest_ms:
                ctx.counters.hints_dropped_for_age += 1
                self._hand_over(shelf.keyspace_id, [group], target.peer)
            elif size > room:
                no_room.append(group)
            else:
                room -= size
                shelf.waiting.append((group, record))
                shelf.waiting_bytes += size
                self._waiting_bytes += size
        if no_room:
            self._shed(shelf, no_room)
        if shelf.waiting:
            self._queue[target.peer, shelf.keyspace_id] = None
            self._write()

    def _shed(self, shelf: Shelf, groups: list[int]) -> None:
        """There is no room for hints of these groups: hand them over, and say so once."""
        target = shelf.target
        self._ctx.counters.hints_dropped_for_space += len(groups)
        self._hand_over(shelf.keyspace_id, groups, target.peer)
        if not target.shedding:
            target.shedding = True
            self._ctx.note("hints_have_no_room", peer=target.peer, bytes=target.bytes)

    def _hand_over(self, keyspace_id: int, groups: list[int], peer: NodeId) -> None:
        for group in groups:
            self._ctx.repair_wanted.add(keyspace_id, group, peer)

    def _write(self) -> None:
        """Write what waits on one shelf: one transaction's share at a time, foreground work has
        the rest."""
        if self._writing:
            return
        key = next((key for key in self._queue if self._shelves[key].counted), None)
        if key is None:
            return
        shelf = self._shelves[key]
        if self._ctx.disk_full:
            self._shed(shelf, self._unqueue(key, shelf))
            self._write()
            return
        del self._queue[key]
        groups, records = self._taken(shelf)
        if shelf.waiting:
            self._queue[key] = None
        self._writing = True
        message = MergeRecords(shelf.hidden, groups, records)
        self._ctx.ask(STORE, message, 0, partial(self._written, shelf, groups))

    def _taken(self, shelf: Shelf) -> tuple[list[int], list[Record]]:
        groups: list[int] = []
        records: list[Record] = []
        size = 0
        while (
            shelf.waiting and len(records) < limits.PAGE_ROWS_MAX and size < limits.PAGE_BYTES_MAX
        ):
            group, record = shelf.waiting.popleft()
            groups.append(group)
            records.append(record)
            size += weight(record)
        shelf.waiting_bytes -= size
        self._waiting_bytes -= size
        return groups, records

    def _written(self, shelf: Shelf, groups: list[int], reply: object) -> None:
        assert isinstance(reply, Merged)
        self._writing = False
        for group, before, after in zip(groups, reply.before, reply.after, strict=True):
            if isinstance(after, Record):
                shelf.wrote(group, before, after)
                self._ctx.counters.hints_kept += 1
            else:  # a damaged hint of the same key took its place; the delivery removes it
                shelf.groups[group] = None
                self._hand_over(shelf.keyspace_id, [group], shelf.target.peer)
        if not shelf.gone:
            self._delivery.wake(shelf.target)
        self._write()

    def _unqueue(self, key: _Key, shelf: Shelf) -> list[int]:
        """Drop what waits for the disk; return the groups of it."""
        self._queue.pop(key, None)
        groups = [group for group, _ in shelf.waiting]
        shelf.waiting.clear()
        self._waiting_bytes -= shelf.waiting_bytes
        shelf.waiting_bytes = 0
        return groups

    # --- counting what former lives kept -----------------------------------------------------

    def _shelf(self, placement: Placement, peer: NodeId) -> Shelf:
        key = (peer, placement.keyspace_id)
        shelf = self._shelves.get(key)
        if shelf is None:
            target = self._targets.setdefault(peer, Target(peer))
            shelf = Shelf(target, placement.keyspace_id, len(placement.replicas))
            self._shelves[key] = target.shelves[placement.keyspace_id] = shelf
            self._uncounted[key] = None
            if not self._counting:
                self._count()
        return shelf

    def _count(self) -> None:
        """Count the next shelf; those that have hints waiting first."""
        key = next((key for key in self._queue if key in self._uncounted), None)
        key = key or next(iter(self._uncounted), None)
        self._counting = key is not None
        if key is not None:
            del self._uncounted[key]
            shelf = self._shelves[key]
            message = CountRecords(shelf.hidden)
            self._ctx.ask(STORE, message, 0, partial(self._counted, shelf))

    def _counted(self, shelf: Shelf, reply: object) -> None:
        assert isinstance(reply, Counted)
        ctx = self._ctx
        if not shelf.gone:
            shelf.found(reply.rows, reply.bytes)
            self._write()
        if not reply.rows:
            self._count()
            return
        if not shelf.gone:
            self._delivery.wake(shelf.target)
        # Counting many rows takes a reader's time: it shall not take all of it.
        ctx.at(ctx.now.mono_ms + ctx.config.hint_pause_ms, self._count)
