"""Planted bugs: each patches one rule of the product while its context lasts.

The simulator has to find every one of them; the unpatched code on the same seeds is the control. A
patch that no longer fits the code it patches fails loudly: it names the attribute that it replaces.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from dynakv.core import cache, hlc, record, table
from dynakv.core.hlc import wall_ms_of
from dynakv.core.record import NO_EXPIRY, Record
from dynakv.core.table import Damaged
from dynakv.node import context, expire, get, put, replica, scan
from dynakv.node.messages import Saved
from dynakv.sim.process import Process

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


def _every(modules: tuple[Any, ...], name: str, replacement: Any) -> list[Patch]:
    return [(module, name, replacement) for module in modules if name in module.__dict__]


_USERS = (record, table, get, put, expire, replica, scan)


def ack_at_w_minus_1() -> Any:
    """A write is acknowledged one replica too early."""
    original = put.QuorumWrite.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._w = max(1, self._w - 1)

    return patched((put.QuorumWrite, "__init__", init))


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

    return patched(*_every(_USERS, "merge", merge))


def registers_by_value_stamp() -> Any:
    """The record with the newer value wins whole."""

    def merge(a: Record, b: Record) -> Record:
        newer = (a.value_time, a.value_writer) >= (b.value_time, b.value_writer)
        return a if newer else b

    return patched(*_every(_USERS, "merge", merge))


def write_back_left_out() -> Any:
    """A quorum read answers before enough replicas hold what it answers."""
    original = get.QuorumRead.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._holders = 0

    return patched((get.QuorumRead, "__init__", init))


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

    return patched(*_every(_USERS, "expired", expired))


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
    original: Callable[..., None] = get.QuorumRead._save

    def save(self: Any, target: str, entries: list[int], *, heals: bool) -> None:
        best = list(self._best)
        for i in entries:
            for _, theirs, records in self._seen:
                other = records[theirs.index(i)] if i in theirs else None
                if other is not None and other.value_time < self._best[i].value_time:
                    self._best[i] = other
        original(self, target, entries, heals=heals)
        self._best = best

    return patched((get.QuorumRead, "_save", save))


def checksum_not_checked() -> Any:
    """Nobody verifies records."""
    return patched(*_every(_USERS, "intact", lambda _: True))


def sync_error_swallowed() -> Any:
    """A failed sync is taken for a good one."""
    original = Process._synced

    def synced(self: Any, life: int, calls: list[int]) -> None:
        if self.syncs_to_fail and life == self.life and self.node is not None:
            self.syncs_to_fail -= 1
            replies = self.disk._open.replies
            self.disk.crash(survives=False)
            self._do(self._committed, calls, replies, self.disk.commit_sequence)
        else:
            original(self, life, calls)

    return patched((Process, "_synced", synced))


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
        ttl_from_receipt,
        repair_writes_older,
        checksum_not_checked,
        sync_error_swallowed,
    )
}
