"""What a node does as a replica: merge what it is sent, say what it holds.

A coordinator addresses its own replica with the same messages as any other. Nothing is answered
before STORE replied; what lies in the cache was read from or written to STORE before.
"""

from collections.abc import Callable
from itertools import repeat
from typing import Final, cast

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.cache import MISS
from dynakv.core.floors import holds
from dynakv.core.record import Record, intact
from dynakv.core.table import (
    DAMAGED,
    Damaged,
    Merged,
    MergeRecords,
    Page,
    ReadRecords,
    Row,
    Rows,
    ScanRecords,
)
from dynakv.node.context import Context, Placement
from dynakv.node.messages import (
    STORE,
    Failed,
    Load,
    Loaded,
    Outcome,
    PeerReply,
    Reason,
    Save,
    Saved,
    Scan,
    Scanned,
)
from dynakv.node.replica_replies import bounded, scattered, whole, without_value

Reply = Callable[[PeerReply], None]
_SAVED: Final = Saved(None, None)  # all of it, with nothing wanted in return


class Replica:
    """Serves Save, Load and Scan of peers and of this node's own coordinator."""

    def __init__(self, ctx: Context) -> None:
        """Serve on the node of this context."""
        self._ctx = ctx

    def save(self, save: Save, reply: Reply, *, own: bool) -> None:
        """Merge records durably, then reply. `own`: they were stamped and checksummed here."""
        placement = placement_for(self._ctx, save.keyspace, save.epoch, reply)
        if placement is None:
            return
        if self._ctx.disk_full:
            reply(Failed(Reason.NO_SPACE))
            return
        records = save.records
        groups = placement.groups_of([record.key for record in records])
        outcomes = self._check(placement, records, groups, own=own)
        if outcomes is not None:
            taken = [i for i, outcome in enumerate(outcomes) if outcome is Outcome.OK]
            if not taken:
                reply(Saved(outcomes, [None] * len(records) if save.previous else None))
                return
            records = [records[i] for i in taken]
            groups = [groups[i] for i in taken]
        heals = save.heals and self._may_heal(placement.keyspace_id, records)
        fences = self._fences(placement.keyspace_id, groups, records, save, outcomes)
        message = MergeRecords(
            placement.keyspace_id, groups, records, heals and fences is None, fences
        )

        def merged(answer: object) -> None:
            assert isinstance(answer, Merged)
            reply(self._merged(placement, message, answer, outcomes, previous=save.previous))

        self._ctx.writes.ask(message, merged)

    def _fences(
        self,
        keyspace: int,
        groups: list[int],
        records: list[Record],
        save: Save,
        outcomes: list[Outcome] | None,
    ) -> list[int] | None:
        """Return the fence that each record has to pass; None where none is in the way."""
        vouched = save.floors
        if vouched is not None and outcomes is not None:
            pairs = zip(vouched, outcomes, strict=True)
            vouched = [floor for floor, outcome in pairs if outcome is Outcome.OK]
        return self._ctx.cuts.fences_for(keyspace, groups, records, vouched)

    def load(self, load: Load, reply: Reply, *, own: bool = False, repairs: bool = False) -> None:
        """Reply with the records under the keys, from the cache or from STORE.

        What travels is bounded in bytes; to this node's own coordinator (`own`) nothing does. A
        group that recovers answers nobody but this node's own repair (`repairs`).
        """
        placement = placement_for(self._ctx, load.keyspace, load.epoch, reply)
        if placement is None:
            return
        if self._ctx.recovering and not repairs:
            places = self._answerable(placement, load.keys)
            if len(places) < len(load.keys):
                self._load_some(load, places, reply, own=own)
                return
        self._load(placement, load, reply, own=own)

    def _load(self, placement: Placement, load: Load, reply: Reply, *, own: bool) -> None:
        ctx = self._ctx
        keyspace, keys = placement.keyspace_id, load.keys
        cached, missed = ctx.cache.get_all(keyspace, keys)
        if not missed:
            loaded = Loaded(
                None, cast("list[Record | None]", cached), self._floors_of(placement, keys)
            )
            reply(loaded if own else bounded(loaded))
            return
        missing = [i for i, row in enumerate(cached) if row is MISS]
        rows: list[Row] = [None if row is MISS else row for row in cached]
        wanted = [keys[i] for i in missing]
        groups = placement.groups_of(wanted)
        if not all(placement.held[group] for group in groups):
            reply(Loaded([Outcome.MISPLACED] * len(keys), [None] * len(keys)))
            return
        message = ReadRecords(keyspace, groups, wanted)
        floors = self._floors_of(placement, keys)
        ticket = ctx.cache.begin_read()

        def read(answer: object) -> None:
            assert isinstance(answer, Rows)
            for i, group, row in zip(missing, groups, answer.rows, strict=True):
                rows[i] = row
                if row is DAMAGED:
                    ctx.trees.forget(keyspace, group)
                elif len(ctx.damaged_rows):  # it was misread once: damage to come waits anew
                    ctx.damaged_rows.healed(keyspace, keys[i])
                ctx.cache.fill(ticket, keyspace, keys[i], row)
            ctx.cache.end_read(ticket)
            if self._floors_of(placement, keys) != floors:
                # Rows of before a collection must not be shown under its floor, and what it
                # dropped not under the floor of before.
                self._load(placement, load, reply, own=own)
                return
            loaded = self._loaded(keyspace, keys, rows, floors)
            reply(loaded if own else bounded(loaded))

        ctx.ask(STORE, message, 0, read)

    def _answerable(self, placement: Placement, keys: list[bytes]) -> list[int]:
        """Return the places of the keys whose groups do not recover."""
        recovering, keyspace = self._ctx.recovering, placement.keyspace_id
        groups = placement.groups_of(keys)
        return [i for i, group in enumerate(groups) if (keyspace, group) not in recovering]

    def _load_some(self, load: Load, places: list[int], reply: Reply, *, own: bool) -> None:
        """Load the keys at these places; the others are answered as recovering, or as damaged.

        A damaged row is no answer either, and whoever reads enough others heals it.
        """
        count = len(load.keys)
        forgotten = [self._forgotten(load.keyspace, key) for key in load.keys]
        if not places:
            reply(Loaded(forgotten, [None] * count))
            return

        def loaded(some: PeerReply) -> None:
            if not isinstance(some, Loaded):
                reply(some)
                return
            outcomes = list(forgotten)
            records: list[Record | None] = [None] * count
            floors = [0] * count
            columns = zip(
                places,
                some.records,
                some.outcomes or repeat(Outcome.OK),
                some.floors or repeat(0),
                strict=False,
            )
            for place, record, outcome, floor in columns:
                records[place], outcomes[place], floors[place] = record, outcome, floor
            reply(Loaded(outcomes, records, floors if any(floors) else None))

        keys = [load.keys[place] for place in places]
        self.load(replace(load, keys=keys), loaded, own=own)

    def _forgotten(self, keyspace: int, key: bytes) -> Outcome:
        damaged_rows = self._ctx.damaged_rows
        if not len(damaged_rows) or not damaged_rows.known(keyspace, key):
            return Outcome.RECOVERING
        healable = damaged_rows.healable(keyspace, key, self._ctx.now.mono_ms)
        return Outcome.HEALABLE if healable else Outcome.DAMAGED

    def scan(self, scan: Scan, reply: Reply) -> None:
        """Reply with a page of what lies on disk; a damaged row fails the page, and is counted."""
        ctx = self._ctx
        placement = placement_for(self._ctx, scan.keyspace, scan.epoch, reply)
        if placement is None:
            return
        if not all(placement.held[group] for group in scan.groups):
            reply(Failed(Reason.WRONG_EPOCH))
            return
        recovering, keyspace = self._ctx.recovering, placement.keyspace_id
        if recovering and any((keyspace, group) in recovering for group in scan.groups):
            reply(Failed(Reason.RECOVERING))
            return
        keyspace = placement.keyspace_id
        floors = ctx.cuts.floors_of(keyspace, scan.groups)
        message = ScanRecords(
            keyspace,
            scan.groups,
            scan.start,
            scan.after,
            scan.end,
            min(scan.rows_max, limits.PAGE_ROWS_MAX),
            limits.PAGE_BYTES_MAX,
        )

        def read(answer: object) -> None:
            assert isinstance(answer, Page)
            records = [row for row in answer.rows if isinstance(row, Record)]
            if len(records) < len(answer.rows):
                self._note_damage(placement, answer)
                reply(Failed(Reason.DAMAGED))
            elif ctx.cuts.floors_of(keyspace, scan.groups) != floors:
                self.scan(scan, reply)  # as in `load`
            else:
                records = list(map(without_value, records)) if scan.keys_only else records
                reply(Scanned(records, answer.next, floors))

        ctx.ask(STORE, message, 0, read)

    def _floors_of(self, placement: Placement, keys: list[bytes]) -> list[int] | None:
        """Return the floor of each key's group; None where all are 0."""
        keyspace = placement.keyspace_id
        if not self._ctx.cuts.any_floor(keyspace):
            return None
        return self._ctx.cuts.floors_of(keyspace, placement.groups_of(keys))

    def _note_damage(self, placement: Placement, page: Page) -> None:
        ctx, keyspace = self._ctx, placement.keyspace_id
        keys = [key for key, row in zip(page.keys, page.rows, strict=True) if row is DAMAGED]
        ctx.counters.damaged_rows += len(keys)
        for key, group in zip(keys, placement.groups_of(keys), strict=True):
            ctx.damaged_rows.seen(keyspace, key, ctx.now.mono_ms)
            ctx.cache.forget(keyspace, key)
            ctx.trees.forget(keyspace, group)

    def _may_heal(self, keyspace: int, records: list[Record]) -> bool:
        # Only asked, not noted: the rows may be whole, and would count as long damaged later.
        healable, now_ms = self._ctx.damaged_rows.healable, self._ctx.now.mono_ms
        return all(healable(keyspace, record.key, now_ms) for record in records)

    def _check(
        self, placement: Placement, records: list[Record], groups: list[int], *, own: bool
    ) -> list[Outcome] | None:
        """Return the outcome of each record before it reaches the disk; None if all may."""
        latest = self._ctx.clock.latest_accepted(self._ctx.believed_ms())
        held = placement.held
        outcomes: list[Outcome] | None = None
        for i, (record, group) in enumerate(zip(records, groups, strict=True)):
            if record.value_time > latest or record.expiry_time > latest:
                outcome = Outcome.AHEAD
                self._ctx.counters.refused_stamps += 1
            elif not held[group]:
                outcome = Outcome.MISPLACED
            elif own or intact(record):
                continue
            else:
                outcome = Outcome.CORRUPT
            if outcomes is None:
                outcomes = [Outcome.OK] * len(records)
            outcomes[i] = outcome
        return outcomes

    def _merged(
        self,
        placement: Placement,
        message: MergeRecords,
        answer: Merged,
        outcomes: list[Outcome] | None,
        *,
        previous: bool,
    ) -> Saved:
        """Bring cache and trees up to the disk, and say what became of each record."""
        if outcomes is None and message.fences is None and not previous and whole(answer):
            keyspace = placement.keyspace_id
            after = cast("list[Record]", answer.after)
            self._ctx.cache.stored_all(keyspace, after)
            before = cast("list[Record | None]", answer.before)
            self._ctx.trees.update_all(keyspace, message.groups, before, after)
            return _SAVED
        return self._merged_one_by_one(placement, message, answer, outcomes, previous=previous)

    def _merged_one_by_one(
        self,
        placement: Placement,
        message: MergeRecords,
        answer: Merged,
        outcomes: list[Outcome] | None,
        *,
        previous: bool,
    ) -> Saved:
        """Do the same where something is damaged, fenced, refused, or wanted in return."""
        keyspace = placement.keyspace_id
        stored = self._ctx.cache.stored
        update = self._ctx.trees.update
        fences = message.fences
        refused: dict[int, Outcome] = {}
        for i, (group, record, old, new) in enumerate(
            zip(message.groups, message.records, answer.before, answer.after, strict=True)
        ):
            if new is DAMAGED:
                refused[i] = Outcome.DAMAGED
                self._ctx.damaged_rows.seen(keyspace, record.key, self._ctx.now.mono_ms)
            elif old is DAMAGED:
                # A healed row may be older than what was cached before the damage.
                self._ctx.cache.forget(keyspace, record.key)
                self._ctx.damaged_rows.healed(keyspace, record.key)
            stored(keyspace, record.key, new)
            if new is not old or new is DAMAGED:
                update(keyspace, group, record.key, old, new)
            if fences is not None and fences[i] and new is not DAMAGED:
                floor = self._ctx.cuts.floor(keyspace, group)
                if not holds(cast("Record | None", new), floor, record):
                    refused[i] = Outcome.FENCED
        before = [None if isinstance(r, Damaged) else r for r in answer.before]
        if outcomes is None and not refused:
            return Saved(None, before if previous else None)
        counters = self._ctx.counters
        counters.fenced_records += sum(o is Outcome.FENCED for o in refused.values())
        counters.damaged_rows += sum(o is Outcome.DAMAGED for o in refused.values())
        return scattered(outcomes, refused, before, previous=previous)

    def _loaded(
        self, keyspace: int, keys: list[bytes], rows: list[Row], floors: list[int] | None
    ) -> Loaded:
        damaged = [i for i, row in enumerate(rows) if isinstance(row, Damaged)]
        records = [None if isinstance(row, Damaged) else row for row in rows]
        if not damaged:
            return Loaded(None, records, floors)
        self._ctx.counters.damaged_rows += len(damaged)
        outcomes = [Outcome.OK] * len(rows)
        for i in damaged:
            healable = self._ctx.damaged_rows.seen(keyspace, keys[i], self._ctx.now.mono_ms)
            outcomes[i] = Outcome.HEALABLE if healable else Outcome.DAMAGED
        return Loaded(outcomes, records, floors)


def placement_for(ctx: Context, keyspace: int, epoch: int, reply: Reply) -> Placement | None:
    """Return the keyspace that an ask is about; None: refused, and the asker was told why."""
    placement = ctx.by_id.get(keyspace)
    if placement is None:
        reply(Failed(Reason.UNKNOWN_KEYSPACE))
    elif epoch != placement.epoch:
        reply(Failed(Reason.WRONG_EPOCH))
    else:
        return placement
    return None
