"""Planted bugs: each patches one rule of the product while its context lasts.

The simulator has to find every one of them; the unpatched code on the same seeds is the control. A
patch that no longer fits the code it patches fails loudly: it names the attribute that it replaces.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from dynakv.core import cache, hashtree, hlc, record, table
from dynakv.core.hlc import wall_ms_of
from dynakv.core.record import NO_EXPIRY, Record
from dynakv.core.table import Damaged
from dynakv.node import (
    collection,
    compare,
    context,
    cuts,
    damage,
    dropping,
    expire,
    fencing,
    healer,
    hint_delivery,
    hint_shelf,
    quorum_read,
    quorum_write,
    recovery,
    repair_messages,
    replica,
    row_writes,
    session,
    stamping,
    write_back,
)
from dynakv.node import round as repair_round
from dynakv.node.messages import STORE, Failed, Outcome, Saved
from dynakv.sim.store import Store

Patch = tuple[Any, str, Any]


@contextmanager
def patched(*patches: Patch) -> Iterator[None]:
    """Replace attributes (owner, name, replacement) and put them back."""
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in patches]
    for owner, name, replacement in patches:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)


def _every(name: str, replacement: Any) -> list[Patch]:
    """Replace a function of `core.record` in every pure module that uses it."""
    original = getattr(record, name)
    users = [
        module
        for path, module in sorted(sys.modules.items())
        if path.startswith(("dynakv.core.", "dynakv.node.")) and vars(module).get(name) is original
    ]
    assert record in users
    assert len(users) > 1, f"nobody uses {name}"
    return [(module, name, replacement) for module in users]


def ack_at_w_minus_1() -> Any:
    """A write is acknowledged one replica too early."""
    original = quorum_write.QuorumWrite.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._w = max(1, self._w - 1)

    return patched((quorum_write.QuorumWrite, "__init__", init))


def ack_before_sync() -> Any:
    """A replica answers before STORE replied."""
    original = replica.Replica.save

    def save(self: Any, message: Any, reply: Any, *, own: bool) -> None:
        reply(Saved(None, [None] * len(message.records) if message.previous else None))
        original(self, message, lambda _: None, own=own)

    return patched((replica.Replica, "save", save))


def merge_ignores_counter() -> Any:
    """Stamps are compared by their wall clock only."""

    def coarse(r: Record) -> Record:
        return structs.replace(r, value_time=r.value_time >> 16, expiry_time=r.expiry_time >> 16)

    original = record.merge

    def merge(a: Record, b: Record) -> Record:
        winner = original(coarse(a), coarse(b))
        value_from, expiry_from = (
            next(
                side
                for side in (a, b)
                if (getattr(side, field), getattr(side, time) >> 16, getattr(side, writer))
                == (getattr(winner, field), getattr(winner, time), getattr(winner, writer))
            )
            for field, time, writer in (
                ("value", "value_time", "value_writer"),
                ("expiry_ms", "expiry_time", "expiry_writer"),
            )
        )
        return _mixed(value_from, expiry_from)

    return patched(*_every("merge", merge))


def registers_by_value_stamp() -> Any:
    """The record with the newer value wins whole."""

    def merge(a: Record, b: Record) -> Record:
        newer = (a.value_time, a.value_writer) >= (b.value_time, b.value_writer)
        return a if newer else b

    return patched(*_every("merge", merge))


def write_back_left_out() -> Any:
    """A quorum read answers before enough replicas hold what it answers."""
    original = write_back.WriteBack.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._holders = 0

    return patched((write_back.WriteBack, "__init__", init))


def stamp_beyond_bound() -> Any:
    """Any stamp is accepted."""
    return patched((hlc.HybridClock, "latest_accepted", lambda *_: (1 << 64) - 1))


def cache_filled_late() -> Any:
    """A read fills the cache although a write of the key was stored meanwhile."""

    def fill(self: Any, ticket: int, keyspace: int, key: bytes, row: Any) -> None:
        where = (keyspace, key)
        if isinstance(row, Damaged):
            self._evict(where)
        else:
            self._keep(where, self._entries.get(where, cache.MISS), row)

    return patched((cache.RecordCache, "fill", fill))


def spent_deadline_hides() -> Any:
    """A deadline hides values that were written after it."""

    def expired(r: Record, now_ms: int) -> bool:
        return r.expiry_ms != NO_EXPIRY and r.expiry_ms <= now_ms

    return patched(*_every("expired", expired))


def persist_revives() -> Any:
    """Expire and persist do not ask whether the value has expired."""

    def live(r: Record | None, now_ms: int) -> bool:
        return r is not None and r.value is not None

    return patched((expire, "live", live))


def stamp_without_writer() -> Any:
    """Nodes stamp without saying who they are."""
    original = context.Context.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.writer = 1

    return patched((context.Context, "__init__", init))


def ceiling_not_persisted() -> Any:
    """A restart forgets how far the clock had come."""
    original = hlc.HybridClock.__init__

    def init(self: Any, ceiling_ms: int, *arguments: Any) -> None:
        original(self, 0, *arguments)

    return patched((hlc.HybridClock, "__init__", init))


def stamp_before_request() -> Any:
    """Whoever waits for a slow disk is stamped below the ceiling asked for before it came."""
    original = stamping.Stamper._raised

    def raised(self: Any, reply: Any) -> None:
        self._waiting = {number: (0, *rest) for number, (_, *rest) in self._waiting.items()}
        original(self, reply)

    return patched((stamping.Stamper, "_raised", raised))


def ttl_from_receipt() -> Any:
    """Each replica counts a TTL from when it received the record."""
    original = replica.Replica.save

    def save(self: Any, message: Any, reply: Any, *, own: bool) -> None:
        moved = [self_moved(self, r) for r in message.records]
        original(self, structs.replace(message, records=moved), reply, own=own)

    def self_moved(self: Any, r: Record) -> Record:
        left_ms = r.expiry_ms - wall_ms_of(r.expiry_time)
        if not r.expiry_ms or left_ms <= 0:
            return r
        return _with_expiry_ms(r, self._ctx.believed_ms() + left_ms)

    return patched((replica.Replica, "save", save))


def repair_writes_older() -> Any:
    """Read repair sends the side that lost."""
    original: Callable[..., None] = write_back.WriteBack._save

    def save(
        self: Any, target: str, entries: list[int], records: list[Record], *, heals: bool
    ) -> None:
        sent = []
        for i, winner in zip(entries, records, strict=True):
            oldest = winner
            for _, theirs, seen, _ in self._seen:
                other = seen[theirs.index(i)] if i in theirs else None
                if other is not None and other.value_time < oldest.value_time:
                    oldest = other
            sent.append(oldest)
        original(self, target, entries, sent, heals=heals)

    return patched((write_back.WriteBack, "_save", save))


def late_answer_wins() -> Any:
    """An answer that comes while a winner is being written back replaces it."""
    original = quorum_read.QuorumRead._merge

    def merge(
        self: Any, replica: str, entries: list[int], records: list[Any], floors: list[int] | None
    ) -> None:
        for i, late in zip(entries, records, strict=True):
            found = self._findings
            counting = found.answers[i] >= self._needed and not found.settled[i]
            if counting and late is not None and self._answers_key(i, late):
                self._take(i, late, 0)
        original(self, replica, entries, records, floors)

    return patched((quorum_read.QuorumRead, "_merge", merge))


def heal_at_once() -> Any:
    """A damaged row is overwritten while a write that it acknowledged is still being counted."""
    original = damage.DamagedRows.__init__
    return patched((damage.DamagedRows, "__init__", lambda self, _: original(self, 0)))


def checksum_not_checked() -> Any:
    """Nobody verifies records."""
    return patched(*_every("intact", lambda _: True))


def dropped_without_fence() -> Any:
    """Replicas agree to a collection and go on taking what is older than the cut."""
    return patched((cuts.Cuts, "fences_for", lambda *_: None))


def dropped_without_fence_fact() -> Any:
    """A replica promises a fence that is not durable yet."""

    def fence(self: Any, message: Any, reply: Any) -> None:
        for group in message.groups:
            self._ctx.cuts.fence_up(message.keyspace, group, message.cut)
        reply(repair_messages.Fenced([True] * len(message.groups)))

    return patched((fencing.Fencing, "fence", fence))


def dropped_after_one_pass() -> Any:
    """What the last replica brought is not taken to the first."""
    return patched((collection, "_PASSES", 1))


def dropped_without_comparison() -> Any:
    """Age alone decides: who is fenced is taken for equal."""
    return patched((collection, "_PASSES", 0))


def dropped_without_all() -> Any:
    """A replica that does not answer is left out of the collection."""
    make_equal = collection._Attempt._make_equal
    left_out: dict[int, Any] = {}  # keeps the attempts, so that their ids stay theirs

    def end(self: Any, missing: Any) -> None:
        placement = self._placement()
        if missing is None or placement is None or id(self) in left_out:
            self._collection.missed(self._keyspace, self._group, missing)
            self._ended()
            return
        left_out[id(self)] = self
        self._missing = None
        make_equal(self, 2 * (len(placement.replicas[self._group]) - 1))

    return patched((collection._Attempt, "_end", end))


def young_tombstone_dropped() -> Any:
    """Tombstones are dropped whatever their age."""

    def droppable(r: Record, floor: int) -> bool:
        return floor > 0 and (r.value is None or record.expired(r, floor >> 16))

    return patched((dropping, "droppable", droppable))


def fresh_writes_vouched() -> Any:
    """Puts pass the fence like write-backs."""
    original = cuts.Cuts.fences_for

    def fences_for(self: Any, keyspace: int, groups: Any, records: Any, vouched: Any) -> Any:
        if vouched is None:
            vouched = [self.floor(keyspace, group) for group in groups]
        return original(self, keyspace, groups, records, vouched)

    return patched((cuts.Cuts, "fences_for", fences_for))


def floors_not_told() -> Any:
    """Absence is told without its floor."""
    return patched((cuts.Cuts, "floors_of", lambda *_: None))


def drop_ignores_changes() -> Any:
    """A row is dropped though it was written again since the sweep saw it."""

    def drop(operation: Any, rows: Any, writes: Any) -> Any:
        dropped = []
        for group, key in zip(operation.groups, operation.keys, strict=True):
            where = (operation.keyspace, group, key)
            old = writes[where] if where in writes else rows.get(where)
            writes[where] = None
            dropped.append(old)
        return table.Dropped(dropped)

    return patched((table, "_drop_records", drop))


def fences_forgotten() -> Any:
    """A restart forgets fences and floors."""
    original = cuts.Cuts.__init__
    return patched((cuts.Cuts, "__init__", lambda self, _: original(self, {})))


def sync_error_swallowed() -> Any:
    """A failed sync is taken for a good one."""
    original = Store._synced

    def synced(self: Any, life: int, calls: list[int]) -> None:
        if self.syncs_to_fail and life == self._life:
            self.syncs_to_fail -= 1
            replies = self.disk._open.replies
            self.disk.crash(survives=False)
            self._stored(calls, replies, self.disk.commit_sequence)
        else:
            original(self, life, calls)

    return patched((Store, "_synced", synced))


def hint_dropped_on_restart() -> Any:
    """A new life knows nothing of the hints that former ones kept."""
    original = hint_shelf.Shelf.found
    return patched((hint_shelf.Shelf, "found", lambda self, *_: original(self, 0, 0)))


def hint_counted_as_w() -> Any:
    """Who could not save a record, but gets a hint, counts as having it."""
    original = quorum_write.QuorumWrite._take

    def take(self: Any, replica: str, entries: list[int], reply: Any) -> None:
        if isinstance(reply, Failed):
            self._missed.append((replica, entries, None))
            self._count(entries)
        else:
            original(self, replica, entries, reply)

    return patched((quorum_write.QuorumWrite, "_take", take))


def hint_of_a_refused_write() -> Any:
    """What no replica took is kept for all of them."""
    return patched((quorum_write.QuorumWrite, "_has_acks", lambda *_: True))


def hint_done_when_sent() -> Any:
    """A hint is removed whatever its target said."""
    done = tuple(Outcome)
    return patched((hint_delivery, "_DONE", done))


def newer_hint_dropped() -> Any:
    """A hint is removed even if a newer one was merged into it since it was sent."""
    original = table._drop_records

    def drop(operation: Any, rows: Any, writes: Any) -> Any:
        checksums = []
        for group, key, checksum in zip(
            operation.groups, operation.keys, operation.checksums, strict=True
        ):
            where = (operation.keyspace, group, key)
            row = writes.get(where) or rows.get(where)
            checksums.append(row.checksum if isinstance(row, Record) else checksum)
        return original(structs.replace(operation, checksums=checksums), rows, writes)

    return patched((table, "_drop_records", drop))


def old_hint_not_handed_over() -> Any:
    """A hint that became too old is removed, and nobody is told."""
    return patched((hint_delivery.HintDelivery, "_hand_over", lambda *_: None))


def anti_entropy_skips_last_leaf() -> Any:
    """The last leaf is taken for equal."""

    def unlike(ours: list[int], theirs: list[int]) -> dict[int, None]:
        return compare.unlike(ours[:-1], theirs[:-1])

    return patched((session, "unlike", unlike), (repair_round, "unlike", unlike))


def anti_entropy_writes_older() -> Any:
    """A session fetches what it has newer itself, and sends what the peer has newer."""
    original = session.Session._sort

    def sort(self: Any, ours: Any, theirs: Any) -> None:
        original(self, ours, theirs)
        self._pulls, self._pushes = self._pushes, self._pulls

    return patched((session.Session, "_sort", sort))


def clean_mark_not_cleared() -> Any:
    """A group's flushed leaves stay valid although the group is written."""
    return patched((row_writes.RowWrites, "clear", lambda *_: None))


def damage_waits_for_readers() -> Any:
    """A damaged row that no client reads is never healed."""
    return patched((healer.Healer, "_look", lambda _: None))


def dropped_rows_stay_in_trees() -> Any:
    """A tree is not told of rows that were dropped."""
    original = hashtree.HashTrees.update

    def update(self: Any, keyspace: int, group: int, key: bytes, before: Any, after: Any) -> None:
        if after is not None:
            original(self, keyspace, group, key, before, after)

    return patched((hashtree.HashTrees, "update", update))


def recovering_counted() -> Any:
    """A replica that has forgotten answers reads all the same."""
    original = replica.Replica.load

    def load(
        self: Any, message: Any, reply: Any, *, own: bool = False, repairs: bool = False
    ) -> None:
        original(self, message, reply, own=own, repairs=True)

    return patched((replica.Replica, "load", load))


def recovers_with_one_too_few() -> Any:
    """A group that was forgotten answers again after one replica less than it has to merge."""
    original = recovery.Recovery._synced

    def synced(self: Any, where: Any, peer: Any, outcome: Any) -> None:
        original(self, where, peer, outcome)
        merged, placement = self._merged.get(where), self._ctx.by_id.get(where[0])
        if merged is None or placement is None:
            return
        keyspace = placement.keyspace
        if len(merged) >= max(keyspace.rq, keyspace.n - keyspace.wq + 1) - 1:
            self._end(where)

    return patched((recovery.Recovery, "_synced", synced))


def recovering_mark_not_durable() -> Any:
    """A restart forgets that a group was forgotten."""
    original = recovery.Recovery.__init__

    def init(self: Any, ctx: Any, anti_entropy: Any) -> None:
        original(self, ctx, anti_entropy)
        names: dict[str, bytes | None] = {recovery._name(where): None for where in ctx.recovering}
        if names:
            ctx.ask(STORE, table.Remember(names), 0, lambda _: None)

    return patched((recovery.Recovery, "__init__", init))


def _mixed(value_from: Record, expiry_from: Record) -> Record:
    r, e = value_from, expiry_from
    registers = (r.value_time, r.value_writer, e.expiry_ms, e.expiry_time, e.expiry_writer)
    checksum = record.checksum_of(r.key, r.value, *registers)
    return Record(r.key, r.value, *registers, checksum)


def _with_expiry_ms(r: Record, expiry_ms: int) -> Record:
    return _mixed(r, structs.replace(r, expiry_ms=expiry_ms))


BUGS: dict[str, Callable[[], Any]] = {
    bug.__name__: bug
    for bug in (
        ack_at_w_minus_1,
        ack_before_sync,
        merge_ignores_counter,
        registers_by_value_stamp,
        write_back_left_out,
        stamp_beyond_bound,
        cache_filled_late,
        spent_deadline_hides,
        persist_revives,
        stamp_without_writer,
        ceiling_not_persisted,
        stamp_before_request,
        ttl_from_receipt,
        repair_writes_older,
        late_answer_wins,
        heal_at_once,
        dropped_without_fence,
        dropped_without_fence_fact,
        dropped_after_one_pass,
        dropped_without_comparison,
        dropped_without_all,
        young_tombstone_dropped,
        fresh_writes_vouched,
        floors_not_told,
        drop_ignores_changes,
        fences_forgotten,
        checksum_not_checked,
        sync_error_swallowed,
        hint_dropped_on_restart,
        hint_counted_as_w,
        hint_of_a_refused_write,
        hint_done_when_sent,
        newer_hint_dropped,
        old_hint_not_handed_over,
        anti_entropy_skips_last_leaf,
        anti_entropy_writes_older,
        clean_mark_not_cleared,
        damage_waits_for_readers,
        dropped_rows_stay_in_trees,
        recovering_counted,
        recovers_with_one_too_few,
        recovering_mark_not_durable,
    )
}
