"""Expiries as Redis writes them, and as records hold them."""

from typing import Final

from dynakv import limits
from dynakv.core.record import Record
from dynakv.resp.replies import CommandError, number

# Option -> (milliseconds of its unit, whether it is absolute).
UNITS: Final = {
    b"EX": (1000, False),
    b"PX": (1, False),
    b"EXAT": (1000, True),
    b"PXAT": (1, True),
}
PAST_MS: Final = 1  # the earliest absolute expiry: the node does it as a delete


def positive(unit: bytes, amount: bytes, command: str) -> tuple[int, int]:
    """Return (ttl_ms, expiry_ms), one of them 0, of `EX 10` and its like in a SET or GETEX.

    Raises CommandError where the amount is not above 0, or so large that it must be a mistake.
    """
    ms, absolute = UNITS[unit]
    value = number(amount) * ms
    if value <= 0 or value > _highest(absolute=absolute):
        raise _invalid(command)
    return (0, value) if absolute else (value, 0)


def any_time(ms: int, amount: bytes, command: str, *, absolute: bool) -> tuple[int, int]:
    """Return (ttl_ms, expiry_ms) of EXPIRE and its like, which may lie in the past."""
    value = number(amount) * ms
    if value > _highest(absolute=absolute):
        raise _invalid(command)
    if value <= 0:
        return 0, PAST_MS
    return (0, value) if absolute else (value, 0)


def deadline_ms(record: Record) -> int:
    """Return the absolute deadline in force, 0 for none: a value written after it has none."""
    expiry_ms = record.expiry_ms
    return expiry_ms if record.value_time >> 16 < expiry_ms else 0


def _highest(*, absolute: bool) -> int:
    return limits.EXPIRY_MS_MAX if absolute else limits.TTL_MS_MAX


def _invalid(command: str) -> CommandError:
    return CommandError(f"ERR invalid expire time in '{command}' command")
