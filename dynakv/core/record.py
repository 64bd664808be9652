"""A record: a key and two last-writer-wins registers, and the one rule that merges them.

The first register is the value (or a tombstone), the second the expiry (or none). Each carries the
stamp of the write that set it: `time`, a Hybrid Logical Clock reading (48 bits of wall-clock
milliseconds above a 16-bit counter), and `writer`, 64 random bits of whoever stamped it. The pair
is unique and totally ordered. Put and delete write both registers with one stamp; changing an
expiry writes only the second, keeping a TTL only the first. A register never written has stamp 0.

Why two registers: a sliding TTL must neither rewrite the value nor bring an older value back over a
newer one. Shapiro et al., "A comprehensive study of CRDTs" (2011), section 3.2.1 (LWW-Register).
"""

from struct import Struct as Layout
from typing import Final

from msgspec import Struct
from xxhash import xxh3_64_intdigest

NO_EXPIRY: Final = 0

_HEAD = Layout("<QQQQQIB").pack


class Record(Struct, frozen=True, gc=False):
    """One key's state on one replica. Equal stamps mean equal content."""

    key: bytes
    value: bytes | None  # None: a tombstone
    value_time: int  # uint64 HLC; 0: never written
    value_writer: int  # uint64
    expiry_ms: int  # absolute, wall clock; 0: no expiry
    expiry_time: int  # uint64 HLC; 0: never written
    expiry_writer: int  # uint64
    checksum: int  # uint64, xxh3_64 over all of the above


def checksum_of(
    key: bytes,
    value: bytes | None,
    value_time: int,
    value_writer: int,
    expiry_ms: int,
    expiry_time: int,
    expiry_writer: int,
) -> int:
    """Return the xxh3_64 over a record's fields; lengths and the tombstone mark are part of it."""
    if value is None:
        head = _HEAD(value_time, value_writer, expiry_ms, expiry_time, expiry_writer, len(key), 0)
        return xxh3_64_intdigest(head + key)
    head = _HEAD(value_time, value_writer, expiry_ms, expiry_time, expiry_writer, len(key), 1)
    return xxh3_64_intdigest(head + key + value)


def written(key: bytes, value: bytes | None, expiry_ms: int, time: int, writer: int) -> Record:
    """Return a record whose two registers carry one stamp: what a put or a delete sends."""
    checksum = checksum_of(key, value, time, writer, expiry_ms, time, writer)
    return Record(key, value, time, writer, expiry_ms, time, writer, checksum)


def with_value(key: bytes, value: bytes | None, time: int, writer: int) -> Record:
    """Return a record with only its value register: what a put that keeps the TTL sends."""
    checksum = checksum_of(key, value, time, writer, 0, 0, 0)
    return Record(key, value, time, writer, 0, 0, 0, checksum)


def with_expiry(key: bytes, expiry_ms: int, time: int, writer: int) -> Record:
    """Return a record with only its expiry register: what expire and persist send."""
    checksum = checksum_of(key, None, 0, 0, expiry_ms, time, writer)
    return Record(key, None, 0, 0, expiry_ms, time, writer, checksum)


def intact(record: Record) -> bool:
    """Say whether the checksum fits the content; verified on arrival and on every disk read."""
    return record.checksum == checksum_of(
        record.key,
        record.value,
        record.value_time,
        record.value_writer,
        record.expiry_ms,
        record.expiry_time,
        record.expiry_writer,
    )


def merge(a: Record, b: Record) -> Record:
    """Return each register at the newer stamp: commutative, associative, idempotent.

    Stamps are unique, so equal stamps with different content are somebody's bug; the greater
    content then wins, so that the replicas still agree.
    """
    a_value = (a.value_time, a.value_writer)
    b_value = (b.value_time, b.value_writer)
    a_expiry = (a.expiry_time, a.expiry_writer)
    b_expiry = (b.expiry_time, b.expiry_writer)
    value_from_a = a_value > b_value or (a_value == b_value and _value_order(a) >= _value_order(b))
    expiry_from_a = a_expiry > b_expiry or (a_expiry == b_expiry and a.expiry_ms >= b.expiry_ms)
    if value_from_a == expiry_from_a:
        return a if value_from_a else b
    value, expiry = (a, b) if value_from_a else (b, a)
    if a_expiry == b_expiry and a.expiry_ms == b.expiry_ms:
        return value
    if a_value == b_value and a.value == b.value:
        return expiry
    checksum = checksum_of(
        value.key,
        value.value,
        value.value_time,
        value.value_writer,
        expiry.expiry_ms,
        expiry.expiry_time,
        expiry.expiry_writer,
    )
    return Record(
        value.key,
        value.value,
        value.value_time,
        value.value_writer,
        expiry.expiry_ms,
        expiry.expiry_time,
        expiry.expiry_writer,
        checksum,
    )


def covers(a: Record, b: Record) -> bool:
    """Say whether `a` holds each register of `b` at its stamp or a newer one."""
    return (a.value_time, a.value_writer) >= (b.value_time, b.value_writer) and (
        a.expiry_time,
        a.expiry_writer,
    ) >= (b.expiry_time, b.expiry_writer)


def above(record: Record, fence: int) -> Record | None:
    """Return the record without the registers whose time is at or below `fence` (a reading).

    None where nothing is left of it.
    """
    value_above, expiry_above = record.value_time > fence, record.expiry_time > fence
    if (value_above or not record.value_time) and (expiry_above or not record.expiry_time):
        return record
    if value_above:
        return with_value(record.key, record.value, record.value_time, record.value_writer)
    if expiry_above:
        return with_expiry(record.key, record.expiry_ms, record.expiry_time, record.expiry_writer)
    return None


def droppable(record: Record, floor: int) -> bool:
    """Say whether nobody needs the record any more once `floor` (a reading) holds on all replicas.

    Both registers are at or below the floor, and it is a tombstone or expired by the floor's wall
    clock: never a matter of when somebody looks.
    """
    if not floor or record.value_time > floor or record.expiry_time > floor:
        return False  # without a floor (0) not even what was never written: replicas compare rows
    return record.value is None or expired(record, floor >> 16)


def expired(record: Record, now_ms: int) -> bool:
    """Say whether the deadline has passed; a value written after its deadline has none.

    `now_ms` is the wall clock in milliseconds, trusted by the caller.
    """
    expiry_ms = record.expiry_ms
    return expiry_ms != NO_EXPIRY and record.value_time >> 16 < expiry_ms <= now_ms


def live(record: Record | None, now_ms: int) -> bool:
    """Say whether a reader may see the value: written, not a tombstone, not expired."""
    return record is not None and record.value is not None and not expired(record, now_ms)


def _value_order(record: Record) -> tuple[bool, bytes]:
    return (record.value is not None, record.value or b"")
