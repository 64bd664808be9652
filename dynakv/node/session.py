"""One comparison of one shard group with one peer, from the roots to equal rows.

1. Compare: the roots, and where they differ the leaves.
2. Both replicas list what they hold in the leaves that differ, page by page in key order, without
   values; the two lists are walked together.
3. What the peer holds newer is loaded from it and saved here; what this node holds newer is loaded
   here and saved there. Where each has the newer of the two registers, both happen.

A session that ends DONE has seen, for everything that either side held in a leaf that differed, the
other side cover it (`core.record.covers`); leaves that were equal were equal. A key that is absent
under a floor covers whatever is droppable under it. Every record is saved with the floor under
which it was read, so that the fence of a collection lets it pass where it may (`Save.floors`).

Merkle trees as in DeCandia et al., "Dynamo" (2007), section 4.7; records instead of ranges are
shipped because of what over-streaming cost others. Both sides list at once; else one ask is
outstanding at any time. Pages are bounded in rows, replies in bytes, and a pause lies between them.
"""

from collections.abc import Callable
from enum import Enum

from msgspec import Struct

from dynakv.core.floors import holds
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, above, covers, droppable, intact
from dynakv.core.table import Page
from dynakv.node.compare import in_leaves, leaf_scan, unlike
from dynakv.node.context import Context, Differing, Placement
from dynakv.node.dropping import drop, without_garbage
from dynakv.node.fencing import tell_floor
from dynakv.node.messages import STORE, Failed, Load, Loaded, Outcome, Reason, Save, Saved
from dynakv.node.outlines import Outlines
from dynakv.node.repair_messages import Compare, Compared, LeavesScanned, Likeness, ScanLeaves
from dynakv.node.replica import Replica

# Puts a group of this node under a floor, durably, then calls back.
Follow = Callable[[Placement, int, int, Callable[[], None]], None]


class Ending(Enum):
    """How a session ended."""

    DONE = "done"
    NOT_READY = "not ready"  # a tree is being rebuilt, or the peer recovers: ask later
    FAILED = "failed"  # an ask failed, or some key could not be made equal


class Synced(Struct, frozen=True):
    """What a session came to; records and bytes of keys and values that were shipped."""

    ending: Ending
    why: str = ""  # of an ending that is not DONE
    differed: bool = False
    keys_listed: int = 0  # on both sides
    records_in: int = 0
    records_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class Session:
    """Makes one group equal on this node and on `peer`; `then` gets the outcome, exactly once."""

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        placement: Placement,
        group: int,
        peer: NodeId,
        then: Callable[[Synced], None],
        follow: Follow | None = None,
    ) -> None:
        """Prepare; both nodes are replicas of the group.

        `follow` is given where this replica recovers (`node/recovery.py`): it puts the group here
        under the peer's floor, and what is void there is dropped here.
        """
        self._follow = follow
        self._ctx = ctx
        self._replica = replica
        self._placement = placement
        self._group = group
        self._peer = peer
        self._then = then
        self._leaves: dict[int, None] = {}
        self._ours, self._theirs = Outlines(), Outlines()
        self._cursor: bytes | None = None  # keys up to this one are equal
        self._pulls: dict[bytes, Record] = {}  # outlines of what is to come here
        self._pushes: dict[bytes, Record] = {}
        self._voids: dict[bytes, Record] = {}  # outlines of own rows that are void there
        self._open: list[bytes] = []  # keys that could not be made equal; the first is told
        self._why = ""
        self._listing = 0  # pages asked for; one that failed ended the session, and stays asked for
        self._listed_keys = 0
        self._shipped = {"in": [0, 0], "out": [0, 0]}  # records, bytes

    # --- roots and leaves --------------------------------------------------------------------

    def start(self, leaves: dict[int, None] | None = None) -> None:
        """Begin; `leaves` are those that differ, where a Compare has shown that already."""
        root = self._ctx.trees.root(self._placement.keyspace_id, self._group)
        if root is None:
            self._end(Ending.NOT_READY, "the own tree is unknown")
        elif leaves is not None:
            self._leaves = leaves
            self._step()
        else:
            keyspace, epoch = self._placement.keyspace_id, self._placement.epoch
            self._ask(Compare(keyspace, epoch, [self._group], [root]), self._compared)

    def _compared(self, reply: object) -> None:
        assert isinstance(reply, Compared)
        (floor,) = reply.floors
        if self._follow is not None and floor > self._floor():
            self._follow(self._placement, self._group, floor, lambda: self._likened(reply))
        else:
            self._likened(reply)

    def _likened(self, reply: Compared) -> None:
        (likeness,) = reply.likenesses
        self._ctx.cuts.hear(self._placement.keyspace_id, self._group, reply.floors[0])
        if likeness is Likeness.EQUAL:
            self._end(Ending.DONE)
        elif likeness is Likeness.DIFFERS:
            self._compare_leaves(reply.leaves)
        else:
            self._end(Ending.NOT_READY, f"the tree of {self._peer} is unknown")

    def _compare_leaves(self, theirs: list[int]) -> None:
        ours = self._ctx.trees.leaves(self._placement.keyspace_id, self._group)
        if ours is None:
            self._end(Ending.NOT_READY, "the own tree is unknown")
            return
        self._leaves = unlike(ours, theirs)
        if self._leaves:
            self._step()
        else:
            self._end(Ending.DONE)

    # --- pages -------------------------------------------------------------------------------

    def _step(self) -> None:
        """List what is missing, on both sides at once, or make equal what both have listed."""
        here, there = self._ours.used_up(self._cursor), self._theirs.used_up(self._cursor)
        self._listing = here + there
        if here:
            self._list_here()
        if there:
            self._list_there()
        if not self._listing:
            ends = [s.through for s in (self._ours, self._theirs) if s.through is not None]
            self._cursor = min(ends, default=None)
            self._sort(self._ours.take(self._cursor), self._theirs.take(self._cursor))
            if self._follow is None:
                pages = dict(self._pushes), dict(self._pulls)
                self._ctx.differing(Differing(self._placement, self._group, self._peer, *pages))
            self._pull()

    def _list_here(self) -> None:
        after, rows_max = self._ours.through, self._ctx.config.repair_page_rows
        scan = leaf_scan(self._placement.keyspace_id, self._group, after, rows_max)
        self._ctx.ask(STORE, scan, 0, self._listed_here)

    def _list_there(self) -> None:
        keyspace, epoch = self._placement.keyspace_id, self._placement.epoch
        after, rows_max = self._theirs.through, self._ctx.config.repair_page_rows
        ask = ScanLeaves(keyspace, epoch, self._group, list(self._leaves), after, rows_max)
        self._ask(ask, self._listed_there)

    def _listed(self, records: int) -> None:
        self._listed_keys += records
        self._listing -= 1
        if not self._listing:
            self._step()

    def _listed_here(self, reply: object) -> None:
        assert isinstance(reply, Page)
        records = in_leaves(reply, self._leaves)
        if self._follow is None:
            keyspace = self._placement.keyspace_id
            records = without_garbage(self._ctx, keyspace, self._group, records)
        self._ours.add(records, reply.next)
        self._listed(len(records))

    def _listed_there(self, reply: object) -> None:
        assert isinstance(reply, LeavesScanned)
        self._theirs.add(reply.records, reply.next)
        self._theirs.floor = reply.floor
        if reply.floor < self._floor():
            tell_floor(self._ctx, self._placement, self._group, self._peer)
        self._ctx.cuts.hear(self._placement.keyspace_id, self._group, reply.floor)
        self._listed(len(reply.records))

    def _sort(self, ours: dict[bytes, Record], theirs: dict[bytes, Record]) -> None:
        """Note what has to travel. Nothing of an outline can be verified: it only decides that."""
        floor = self._floor()
        for key in sorted(ours.keys() | theirs.keys()):
            own, other = ours.get(key), theirs.get(key)
            if own == other:
                continue
            if self._follow is not None and own is not None:
                own = self._without_void(own, other)
            pull = other is not None and not holds(own, floor, other)
            push = own is not None and not holds(other, self._theirs.floor, own)
            # Equal stamps and different content: one of the two is damaged, and reading it whole
            # will show that; if it is not, `merge` chooses alike on both sides.
            strange = own is not None and other is not None and not (pull or push)
            if other is not None and (pull or strange):
                self._pulls[key] = other
            if own is not None and (push or strange):
                self._pushes[key] = own

    def _without_void(self, own: Record, other: Record | None) -> Record | None:
        """Return what counts of an own row beside that of the peer, whose floor may be higher.

        A register at or below that floor, which the peer neither holds nor covers, is void. The
        row is dropped as a whole when the peer covers the rest of it; until then it stays, and the
        group has to be compared again.
        """
        floor = self._theirs.floor
        rest = above(own, floor)
        if rest is own or holds(other, floor, own):
            return own
        if rest is None or (other is not None and covers(other, rest)):
            self._voids[own.key] = own
            return None
        self._leave_open(own.key, "part of it is void where the rest is not known yet")
        return rest

    # --- from there to here ------------------------------------------------------------------

    def _drop_void(self) -> None:
        voids, self._voids = self._voids, {}

        def dropped(rows: list[Record | None]) -> None:
            for key, row in zip(voids, rows, strict=True):
                if row is None:
                    self._leave_open(key, "it changed while it was compared")
            self._pull()

        own = list(voids.values())
        drop(self._ctx, self._placement.keyspace_id, self._group, own, dropped)

    def _pull(self) -> None:
        if self._voids:
            self._drop_void()
            return
        if not self._pulls:
            self._push()
            return
        keys = list(self._pulls)
        load = Load(self._placement.keyspace_id, self._placement.epoch, keys)
        self._ask(load, lambda reply: self._pulled(keys, reply))

    def _pulled(self, keys: list[bytes], reply: object) -> None:
        assert isinstance(reply, Loaded)
        records, floors = self._readable(keys, reply, self._pulls)
        if not records:
            self._pull()
            return
        self._count("in", records)
        save = Save(self._placement.keyspace_id, self._placement.epoch, records, floors=floors)

        def saved(answer: object) -> None:
            if self._settle(records, answer, self._floor()):
                self._pull()

        self._replica.save(save, saved, own=False)

    # --- from here to there ------------------------------------------------------------------

    def _push(self) -> None:
        if not self._pushes:
            self._pause()
            return
        keys = list(self._pushes)
        load = Load(self._placement.keyspace_id, self._placement.epoch, keys)
        self._replica.load(load, lambda reply: self._push_loaded(keys, reply), repairs=True)

    def _push_loaded(self, keys: list[bytes], reply: object) -> None:
        if isinstance(reply, Failed):
            self._fail(reply.reason)
            return
        assert isinstance(reply, Loaded)
        records, floors = self._readable(keys, reply, self._pushes)
        if self._follow is not None:
            floor = self._theirs.floor
            parts = [(above(r, floor) or r, f) for r, f in zip(records, floors, strict=True)]
            records, floors = [part for part, _ in parts], [f for _, f in parts]
        if not records:
            self._push()
            return
        self._count("out", records)
        save = Save(self._placement.keyspace_id, self._placement.epoch, records, floors=floors)

        def saved(answer: object) -> None:
            if self._settle(records, answer, self._theirs.floor):
                self._push()

        self._ask(save, saved)

    # --- both ways ---------------------------------------------------------------------------

    def _readable(
        self, keys: list[bytes], loaded: Loaded, wanted: dict[bytes, Record]
    ) -> tuple[list[Record], list[int]]:
        """Return what may be saved on the other side, with its floors.

        What was asked for is taken off `wanted`, but for what did not fit into the reply. A record
        that was dropped since it was listed needs nothing more.
        """
        records: list[Record] = []
        kept: list[int] = []
        floors = loaded.floors or [0] * len(keys)
        outcomes = loaded.outcomes or [Outcome.OK] * len(keys)
        for key, record, floor, outcome in zip(keys, loaded.records, floors, outcomes, strict=True):
            if outcome is Outcome.LATER:
                continue
            outline = wanted.pop(key)
            if outcome is not Outcome.OK:
                self._leave_open(key, f"it is {outcome.name.lower()} where it is newer")
            elif record is None:
                if not droppable(outline, floor):
                    self._leave_open(key, "it vanished")
            elif record.key != key or not intact(record):
                self._leave_open(key, "it arrived corrupt")
            else:
                records.append(record)
                kept.append(floor)
        return records, kept

    def _settle(self, records: list[Record], reply: object, floor: int) -> bool:
        """Take note of what became of a Save; False: the session has ended."""
        if isinstance(reply, Failed):
            self._fail(reply.reason)
            return False
        assert isinstance(reply, Saved)
        for record, outcome in zip(records, reply.outcomes or (), strict=False):
            dropped = outcome is Outcome.FENCED and droppable(record, floor)
            if outcome is not Outcome.OK and not dropped:
                self._leave_open(record.key, f"a save of it was {outcome.name.lower()}")
        return True

    def _pause(self) -> None:
        """Go on behind the cursor after a while, or end behind the last page."""
        if self._cursor is not None:
            self._ctx.at(self._ctx.now.mono_ms + self._ctx.config.repair_pause_ms, self._step)
        elif self._open:
            self._end(Ending.FAILED, f"{len(self._open)} keys stay different; {self._why}")
        else:
            self._end(Ending.DONE)

    def _ask(self, message: object, then: Callable[[object], None]) -> None:
        """Ask the peer; where that fails the session ends."""
        ctx = self._ctx

        def answered(reply: object) -> None:
            if isinstance(reply, Failed):
                self._fail(reply.reason)
            else:
                then(reply)

        ctx.ask(self._peer, message, ctx.deadline(ctx.config.repair_attempt_ms), answered)

    def _fail(self, reason: Reason) -> None:
        not_ready = reason is Reason.RECOVERING
        ending = Ending.NOT_READY if not_ready else Ending.FAILED
        self._end(ending, f"an ask failed: {reason.name.lower()}")

    def _leave_open(self, key: bytes, why: str) -> None:
        self._open.append(key)
        self._why = self._why or f"the first is {key!r}: {why}"

    def _floor(self) -> int:
        return self._ctx.cuts.floor(self._placement.keyspace_id, self._group)

    def _count(self, way: str, records: list[Record]) -> None:
        counts = self._shipped[way]
        counts[0] += len(records)
        counts[1] += sum(len(r.key) + len(r.value or b"") for r in records)

    def _end(self, ending: Ending, why: str = "") -> None:
        records_in, bytes_in = self._shipped["in"]
        records_out, bytes_out = self._shipped["out"]
        self._then(
            Synced(
                ending,
                why,
                bool(self._leaves),
                self._listed_keys,
                records_in,
                records_out,
                bytes_in,
                bytes_out,
            )
        )
