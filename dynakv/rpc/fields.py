"""Fields that several client requests and responses share, between protobuf and `node.messages`."""

from collections.abc import Sequence
from typing import Final

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.core.record import NO_EXPIRY, Record
from dynakv.errors import UsageError
from dynakv.rpc.ring_state import LEVELS_OUT
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import ring_pb2

_LEVELS_IN: Final[dict[int, Level | None]] = {
    int(ring_pb2.LEVEL_UNSPECIFIED): None,
    **{int(wire): level for level, wire in LEVELS_OUT.items()},
}
_CURSOR_MARK: Final = b"\x01"  # the form of the cursor, so that it can change


def level_of(wire: int) -> Level | None:
    """Return a level, None for the keyspace's default. Raises UsageError for an unknown one."""
    try:
        return _LEVELS_IN[wire]
    except KeyError:
        raise UsageError(
            f"level is {wire}, which this node does not know; it knows 1 (one), 2 (quorum), 3 (all)"
        ) from None


def check_times(name: str, times_ms: Sequence[int]) -> None:
    """Raise UsageError for a negative TTL or deadline; 0 passes as "not given".

    Upper bounds are the node's to check. A negative number must not reach it: there it means
    KEEP_EXPIRY.
    """
    least = min(times_ms)
    if least < 0:
        raise UsageError(f"{name} is {least}; it must not be negative")


def range_of(request: pb.ListRequest) -> tuple[bytes, bytes | None]:
    """Return the first key of a listing and the end it stays below, None for no end.

    Raises UsageError where both a prefix and a range are given.
    """
    prefix = request.prefix
    if not prefix:
        return request.start, request.end or None
    if len(prefix) > limits.KEY_BYTES_MAX:
        raise UsageError(
            f"prefix has {len(prefix)} bytes: at most {limits.KEY_BYTES_MAX} are allowed"
        )
    if request.start or request.end:
        raise UsageError("prefix excludes start and end: give one or the other")
    stem = prefix.rstrip(b"\xff")  # nothing above ff in a byte: the next prefix is one shorter
    return prefix, stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def cursor_of(after: bytes | None) -> bytes:
    """Return the cursor that goes on behind a key; empty on the last page."""
    return b"" if after is None else _CURSOR_MARK + after


def after_of(cursor: bytes) -> bytes | None:
    """Return the key behind which a listing goes on; None for the first page.

    Raises UsageError for what no listing returned.
    """
    if not cursor:
        return None
    if not cursor.startswith(_CURSOR_MARK) or len(cursor) > 1 + limits.KEY_BYTES_MAX:
        raise UsageError(
            f"cursor: its {len(cursor)} bytes are none that a listing returned as next_cursor"
        )
    return cursor[1:]


def deadline_ms(record: Record) -> int:
    """Return when a live record's value ends, 0 for never.

    A value written after its register's deadline has none (`core.record.expired`).
    """
    expiry_ms = record.expiry_ms
    return expiry_ms if expiry_ms > record.value_time >> 16 else NO_EXPIRY


def observed(record: Record | None) -> pb.Observed:
    """Return what was seen under a key before a write."""
    if record is None or record.value is None:
        return pb.Observed()
    return pb.Observed(
        found=True,
        value=record.value,
        stamp=pb.Stamp(time=record.value_time, writer=record.value_writer),
        expires_at_ms=deadline_ms(record),
    )
