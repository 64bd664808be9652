"""Replies about a key looked at from outside: made of its record, or of there being none."""

from collections.abc import Callable
from typing import Final

from dynakv.core.record import Record
from dynakv.resp import expiry, replies
from dynakv.resp.connection import Connection

Tell = Callable[[Connection, Record | None], bytes]


def kind(_: Connection, record: Record | None) -> bytes:
    """TYPE"""
    return b"+none\r\n" if record is None else b"+string\r\n"


def _left_ms(conn: Connection, record: Record | None) -> int:
    """Return the milliseconds left, -1 without an expiry, -2 without a value."""
    if record is None:
        return -2
    deadline_ms = expiry.deadline_ms(record)
    return max(deadline_ms - conn.door.wall_ms(), 0) if deadline_ms else -1


def ttl(conn: Connection, record: Record | None) -> bytes:
    """TTL: seconds left"""
    left_ms = _left_ms(conn, record)
    return replies.integer(left_ms if left_ms < 0 else (left_ms + 500) // 1000)


def pttl(conn: Connection, record: Record | None) -> bytes:
    """PTTL: milliseconds left"""
    return replies.integer(_left_ms(conn, record))


def pexpiretime(_: Connection, record: Record | None) -> bytes:
    """PEXPIRETIME: the deadline in ms"""
    return replies.integer(-2 if record is None else expiry.deadline_ms(record) or -1)


def expiretime(_: Connection, record: Record | None) -> bytes:
    """EXPIRETIME: the deadline in seconds"""
    if record is None:
        return replies.integer(-2)
    deadline_ms = expiry.deadline_ms(record)
    return replies.integer((deadline_ms + 500) // 1000 if deadline_ms else -1)


def cut(value: bytes, start: int, end: int) -> bytes:
    """Return the part from start to end, both inclusive, negative from the end."""
    if start < 0 and end < 0 and start > end:
        return b""
    length = len(value)
    start = max(start + length, 0) if start < 0 else start
    end = max(end + length, 0) if end < 0 else end
    return value[start : end + 1]


TELLS: Final[dict[str, Tell]] = {
    "TYPE": kind,
    "TTL": ttl,
    "PTTL": pttl,
    "EXPIRETIME": expiretime,
    "PEXPIRETIME": pexpiretime,
}
