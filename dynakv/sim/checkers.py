"""The invariants, judged from outside while the run goes on.

The checker knows what clients asked, what they were told, and what each stamp was seen to stand
for. It never looks into a node. For each key it keeps two floors, one per register: the newest
stamp that was acknowledged by a write quorum or returned by a quorum read; whoever starts a quorum
read later must see the floors or something newer. Every value written is unique and names its
write.

Rules: L1 acknowledged writes are not lost and refused ones never surface; L5 nothing is returned
past its expiry, nothing is hidden before it; L7 quorum reads never go backwards; L8 a node's stamps
rise, and none is older than the request it was given to; L9 stamps beyond the clock bound are
refused; "stamps": one stamp stands for one content.

L3 a deleted key does not come back. A replica may forget a key that was deleted or has expired, but
not before `cut_age_ms` have passed since: from then on "nothing" is a lawful answer in place of the
tombstone, and an older value still is none.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from dynakv import limits
from dynakv.core.hlc import reading, wall_ms_of
from dynakv.core.record import Record
from dynakv.sim.clock import true_wall_ms
from dynakv.sim.history import (
    NEVER,
    KeyState,
    Read,
    Stamp,
    Violation,
    Write,
    expiry_stamp,
    may_kill,
    record_text,
    stamp_text,
    value_stamp,
)

_AHEAD_MS = limits.CLOCK_BOUND_MS  # a stamp may stand this far ahead of whoever issued it
_Content = TypeVar("_Content", bytes | None, int)
_WRITES_KEPT = 64  # beyond this, writes that cannot matter any more are dropped


class Checker:
    """Judges every observation; raises Violation at the first that breaks a rule."""

    def __init__(self, clock_error_ms: int, cut_age_ms: int = 1 << 40) -> None:
        """`clock_error_ms`: how far a trusted clock can stand from true time.

        `cut_age_ms`: how long deleted records are kept at least.
        """
        self._error_ms = clock_error_ms
        self._cut_age_ms = cut_age_ms
        self.keys: dict[bytes, KeyState] = {}
        self._by_value: dict[bytes, Write] = {}
        self._values: dict[Stamp, tuple[bytes, bytes | None]] = {}
        self._expiries: dict[Stamp, tuple[bytes, int]] = {}
        self._issued: dict[int, int] = {}  # writer of a node -> its newest stamp on a put
        self._reserved: dict[Stamp, None] = {}  # by clients
        self.checked_reads = 0
        self.decided_expires = 0

    # --- writes ------------------------------------------------------------------------------

    def attempt(self, write: Write, now_us: int) -> None:
        """A client sends the write, for the first time or again."""
        if not write.started_us:
            write.started_us = now_us
            self._state(write.key).writes.append(write)
            if write.value is not None:
                assert write.value not in self._by_value, "values are unique"
                self._by_value[write.value] = write
        write.open_attempts += 1

    def reserve(self, stamp: Stamp) -> bool:
        """Let a client use a stamp; False if one did before."""
        if stamp in self._reserved:
            return False
        self._reserved[stamp] = None
        return True

    def acknowledged(self, write: Write, stamp: Stamp, now_us: int, *, strong: bool) -> None:
        """A put or delete is on enough disks; `strong`: on a write quorum."""
        self._end(write, now_us, possible=True)
        self._judge_bound(write, stamp[0], now_us)
        write.acknowledged = True
        if write.stamp is None and stamp[0] < self._earliest(write):
            raise Violation("L8", f"stamped {stamp_text(stamp)}, before it was asked for: {write}")
        self._bind(write, stamp)
        # A put whose deadline is not above its own stamp is done as a delete.
        spent = 0 < write.expiry_ms <= wall_ms_of(stamp[0])
        self._know(self._values, stamp, (write.key, None if spent else write.value))
        if strong:
            state = self._state(write.key)
            state.value_floor = max(state.value_floor, stamp)
            if not write.keeps or write.value is None:
                state.expiry_floor = max(state.expiry_floor, stamp)

    def unknown(self, write: Write, now_us: int) -> None:
        """The attempt may have happened, or may happen yet."""
        self._end(write, now_us, possible=True)

    def refused(self, write: Write, now_us: int) -> None:
        """The attempt was certainly not done."""
        self._end(write, now_us, possible=False)
        if not write.open_attempts and not write.possible:
            write.refused = True
            if write.surfaced:
                raise Violation("L1", f"a refused write was seen before: {write}")

    def expired(self, write: Write, read: Read, now_us: int, *, applied: bool) -> None:
        """An expire or persist was answered; `read` holds the floors at its beginning."""
        self._end(write, now_us, possible=applied)
        live = self._live_for_sure(write, read, now_us) if read.raises else None
        self.decided_expires += live is not None
        if live is not None and live != applied:
            what = "applied to a value that was gone" if applied else "denied a value that lives"
            raise Violation(
                "L5",
                f"{what}: {write}; value floor {stamp_text(read.value_floor)},"
                f" expiry floor {stamp_text(read.expiry_floor)}",
            )
        write.acknowledged = applied
        if not applied:
            write.refused = True
        elif read.raises:
            # Its stamp is not told; it was taken after the beginning, by a clock that can lag.
            state = self._state(write.key)
            state.expiry_floor = max(state.expiry_floor, (self._earliest(write), 0))

    def stored(self, value: bytes | None, disk: str) -> None:
        """A value is durable, in a record or in a hint; nothing that was refused ever is."""
        write = None if value is None else self._by_value.get(value)
        if write is not None:  # else damage has changed it
            self._surface(write, f"lies on the disk of {disk}")

    # --- reads -------------------------------------------------------------------------------

    def begin_read(self, key: bytes, now_us: int, *, strong: bool, raises: bool) -> Read:
        """Return a read that begins now, with what it has to see."""
        state = self._state(key)
        return Read(key, now_us, state.value_floor, state.expiry_floor, strong, raises)

    def found(self, read: Read, record: Record | None, now_us: int) -> None:
        """A read returned this."""
        self.checked_reads += read.strong
        if record is None:
            if read.strong:
                self._judge_order(read, None, now_us)
            return
        if record.key != read.key:
            raise Violation("L1", f"asked for {read.key!r}, got {record.key!r}")
        self._judge_expiry(read, record, now_us)
        self.observe(record, now_us)
        if record.value is not None:
            self._judge_value(record, record.value, now_us)
        if read.strong:
            self._judge_order(read, record, now_us)
        if read.raises:
            state = self._state(read.key)
            state.value_floor = max(state.value_floor, value_stamp(record))
            state.expiry_floor = max(state.expiry_floor, expiry_stamp(record))

    def _judge_order(self, read: Read, record: Record | None, now_us: int) -> None:
        """L7, L3: what is returned is not below the floors, or stands for what was forgotten."""
        value_below = read.value_floor != NEVER and (
            record is None or value_stamp(record) < read.value_floor
        )
        expiry_below = read.expiry_floor != NEVER and (
            record is None or expiry_stamp(record) < read.expiry_floor
        )
        if value_below:
            if record is not None and record.value is not None:
                deleted = self._values.get(read.value_floor, (b"", b""))[1] is None
                raise Violation("L3" if deleted else "L7", self._went_back(read, record))
            if not self._forgotten(read, read.value_floor[0], now_us):
                raise Violation("L7", self._went_back(read, record))
            if read.raises and self._values.get(read.value_floor, (b"", None))[1] is not None:
                # Something unknown killed the value: it must not be seen again.
                state = self._state(read.key)
                time, writer = read.value_floor
                state.value_floor = max(state.value_floor, (time, writer + 1))
        if expiry_below and not self._expiry_forgotten(read, record, now_us):
            raise Violation("L7", self._went_back(read, record))

    def _forgotten(self, read: Read, time: int, now_us: int) -> bool:
        """Say whether what a floor at `time` stands for may be forgotten everywhere by now."""
        if not self._forgotten_by_age(time, now_us):
            return False
        known = self._values.get(read.value_floor)
        if known is not None and known[1] is None:
            return True
        floor, writes = read.value_floor, self._state(read.key).writes
        living = [write for write in writes if not write.refused]
        return any(may_kill(write, newer=self._latest(write) >= floor) for write in living)

    def _expiry_forgotten(self, read: Read, record: Record | None, now_us: int) -> bool:
        """Say whether an expiry that is not returned any more means nothing to the value."""
        if not self._forgotten_by_age(read.expiry_floor[0], now_us):
            return False
        if record is None or record.value is None:
            return True
        if record.value_time <= read.expiry_floor[0]:
            return False
        known = self._expiries.get(read.expiry_floor)
        return known is None or known[1] <= wall_ms_of(record.value_time)

    def _forgotten_by_age(self, time: int, now_us: int) -> bool:
        cut_ms = true_wall_ms(now_us) + self._error_ms - self._cut_age_ms
        return time <= reading(cut_ms + 1)

    def ended(self, key: bytes, record: Record | None, now_us: int) -> None:
        """All replicas hold this at the end of a run."""
        if record is not None:
            self.observe(record, now_us)
        state = self._state(key)
        read = Read(key, now_us, state.value_floor, state.expiry_floor, True, False)
        try:
            self._judge_order(read, record, now_us)
        except Violation as violation:
            rule = "L1" if violation.rule == "L7" else violation.rule
            raise Violation(rule, f"at the end, {violation}") from None

    def listed(
        self, reads: Sequence[Read], records: Sequence[Record], end: bytes | None, now_us: int
    ) -> None:
        """A list returned a page that ends at `end`; `reads` name the keys known before it."""
        keys = [record.key for record in records]
        if keys != sorted(set(keys)):
            raise Violation("list", f"keys out of order or twice: {keys}")
        page = dict(zip(keys, records, strict=True))
        for read in reads:
            if end is not None and read.key > end:
                break
            record = page.get(read.key)
            if record is not None:
                self.found(read, record, now_us)
            elif self._live_for_sure(Write(read.key), read, now_us):
                raise Violation("list", f"{read.key!r} lives and was left out up to {end!r}")

    def observe(self, record: Record, now_us: int) -> None:
        """Somebody shows a record: its stamps must stand for what they always stood for."""
        stamp = value_stamp(record)
        if record.value is not None:
            self._know(self._values, stamp, (record.key, record.value))
        elif stamp != NEVER and not self._hides(record, now_us):
            self._know(self._values, stamp, (record.key, None))
        if expiry_stamp(record) != NEVER:
            self._know(self._expiries, expiry_stamp(record), (record.key, record.expiry_ms))

    # --- what leaves a node ------------------------------------------------------------------

    def sent(self, writer: int, records: Iterable[Record], now_us: int) -> None:
        """The node with this writer hands records out to be saved, in one turn."""
        latest = self._latest_accepted(now_us)
        before = newest = self._issued.get(writer, 0)
        for record in records:
            if record.value_time > latest or record.expiry_time > latest:
                raise Violation("L9", f"handed on beyond the bound: {record_text(record)}")
            new = record.value_writer == writer and value_stamp(record) not in self._values
            # Deletes may be late expires, which are stamped before their key is read.
            if new and record.value is not None:
                if record.value_time <= before:
                    raise Violation(
                        "L8",
                        f"a new stamp {stamp_text(value_stamp(record))} is not above"
                        f" {stamp_text((before, writer))} of the same node",
                    )
                newest = max(newest, record.value_time)
            self.observe(record, now_us)
        self._issued[writer] = newest

    # --- judging -----------------------------------------------------------------------------

    def _state(self, key: bytes) -> KeyState:
        state = self.keys.get(key)
        if state is None:
            state = self.keys[key] = KeyState()
        return state

    def _end(self, write: Write, now_us: int, *, possible: bool) -> None:
        write.open_attempts -= 1
        write.possible = write.possible or possible
        if not write.open_attempts:
            write.ended_us = now_us

    def _bind(self, write: Write, stamp: Stamp) -> None:
        if write.stamp is None:
            write.stamp = stamp
        elif write.stamp != stamp:
            raise Violation("stamps", f"seen under {stamp_text(stamp)}, too: {write}")

    @staticmethod
    def _know(
        known: dict[Stamp, tuple[bytes, _Content]], stamp: Stamp, content: tuple[bytes, _Content]
    ) -> None:
        before = known.setdefault(stamp, content)
        if before != content:
            raise Violation(
                "stamps", f"{stamp_text(stamp)} stands for {before!r} and for {content!r}"
            )

    def _judge_bound(self, write: Write, time: int, now_us: int) -> None:
        """A stamp that even now stands beyond the bound cannot have been within it before."""
        if time > self._latest_accepted(now_us):
            raise Violation("L9", f"accepted beyond the clock bound: {write}")

    def _latest_accepted(self, now_us: int) -> int:
        return reading(true_wall_ms(now_us) + self._error_ms + _AHEAD_MS + 1)

    def _earliest(self, write: Write) -> int:
        """Return the least reading that a node may give to a write that names no stamp."""
        return reading(true_wall_ms(write.started_us) - self._error_ms)

    @staticmethod
    def _surface(write: Write, how: str) -> None:
        write.surfaced = True
        if write.refused:
            raise Violation("L1", f"a refused write {how}: {write}")

    def _judge_value(self, record: Record, value: bytes, now_us: int) -> None:
        write = self._by_value.get(value)
        if write is None or write.key != record.key:
            raise Violation("L1", f"nobody wrote {record_text(record)} to {record.key!r}")
        self._surface(write, "was read")
        self._judge_bound(write, record.value_time, now_us)
        self._bind(write, value_stamp(record))
        if write.ttl_ms and expiry_stamp(record) == value_stamp(record):
            due_ms = wall_ms_of(record.value_time) + write.ttl_ms
            if abs(record.expiry_ms - due_ms) > _AHEAD_MS + self._error_ms:
                raise Violation("L5", f"expires at {record.expiry_ms}, not {due_ms}: {write}")

    def _judge_expiry(self, read: Read, record: Record, now_us: int) -> None:
        """A value past its deadline is not shown, and one before it is not hidden."""
        if record.value is not None:
            begun_ms = true_wall_ms(read.started_us) - self._error_ms
            if wall_ms_of(record.value_time) < record.expiry_ms <= begun_ms:
                raise Violation(
                    "L5", f"returned {begun_ms - record.expiry_ms} ms late: {record_text(record)}"
                )
            return
        known = self._values.get(value_stamp(record))
        if known is not None and known[1] is not None and not self._hides(record, now_us):
            raise Violation("L5", f"hidden although it lives: {known[1]!r}, {record_text(record)}")

    def _hides(self, record: Record, now_us: int) -> bool:
        """Say whether the deadline of a record may have passed for somebody by now."""
        latest_ms = true_wall_ms(now_us) + self._error_ms
        return wall_ms_of(record.value_time) < record.expiry_ms <= latest_ms

    def _went_back(self, read: Read, record: Record | None) -> str:
        what = (
            f"read of {read.key!r} begun at {read.started_us} returned {record_text(record)},"
            f" below value floor {stamp_text(read.value_floor)}"
            f" or expiry floor {stamp_text(read.expiry_floor)}"
        )
        return "\n    ".join([what, *map(str, self._state(read.key).writes[-12:])])

    def _live_for_sure(self, write: Write, read: Read, now_us: int) -> bool | None:
        """Say whether the key had a live value throughout; None where nobody can know."""
        if self._others_may_matter(write, read):
            return None
        value = self._values.get(read.value_floor)
        if read.value_floor == NEVER or (value is not None and value[1] is None):
            return False
        expiry = self._expiries.get(read.expiry_floor)
        if value is None or expiry is None:
            return None
        deadline_ms = expiry[1]
        latest_ms = true_wall_ms(now_us) + self._error_ms + _AHEAD_MS
        if not wall_ms_of(read.value_floor[0]) < deadline_ms <= latest_ms:
            return True
        gone = deadline_ms <= true_wall_ms(read.started_us) - self._error_ms
        return False if gone else None

    def _others_may_matter(self, write: Write, read: Read) -> bool:
        """Say whether another write may stand above one of the floors."""
        state = self._state(write.key)
        lower = min(read.value_floor, read.expiry_floor)
        if len(state.writes) > _WRITES_KEPT:
            state.writes = [w for w in state.writes if self._latest(w) >= lower]
        return any(
            other is not write
            and not other.refused
            and other.stamp not in (read.value_floor, read.expiry_floor)
            and self._latest(other) >= lower
            for other in state.writes
        )

    def _latest(self, write: Write) -> Stamp:
        """Return the newest stamp that the write can have."""
        if write.stamp is not None:
            return write.stamp
        if not write.acknowledged:
            return (1 << 64, 0)  # its request may still wait somewhere, not yet stamped
        wall_ms = true_wall_ms(write.ended_us) + self._error_ms + _AHEAD_MS
        return (reading(wall_ms + 1), 0)
