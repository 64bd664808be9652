"""How values are written on the command line: durations, stamps, moments."""

import re
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from dynakv import limits
from dynakv.core.hlc import COUNTER_MAX, wall_ms_of
from dynakv.errors import UsageError

_UNITS_MS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
}
_DURATION = re.compile(r"(-?[0-9]{1,20}(?:\.[0-9]{1,6})?)([a-z]*)")
_UNITS = ", ".join(_UNITS_MS)


def duration_ms(text: str, name: str, most_ms: int) -> int:
    """Return the whole milliseconds of `250ms`, `30s`, `1.5h`; 1 up to `most_ms`.

    `name` is what the complaint calls it. Raises UsageError.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS_MS:
        raise UsageError(f"{name} = {text!r}: must be a number and a unit ({_UNITS}), such as 30s")
    ms = int(Fraction(match[1]) * _UNITS_MS[match[2]])
    if not 1 <= ms <= most_ms:
        raise UsageError(f"{name} = {text!r}: must be between 1ms and {_whole(most_ms)}")
    return ms


def ttl_ms(text: str, name: str = "--ttl") -> int:
    """Return the milliseconds of a TTL. Raises UsageError outside 1 ms to a century."""
    return duration_ms(text, name, limits.TTL_MS_MAX)


def stamp(time: int, writer: int) -> str:
    """Return a stamp for people: `2026-11-21T07:30:00.123Z+4@00ff...`, counter and writer last."""
    return f"{moment(wall_ms_of(time))}+{time & COUNTER_MAX}@{writer:016x}"


def moment(wall_ms: int) -> str:
    """Return Unix milliseconds as an ISO 8601 moment; as a bare number beyond the year 9999."""
    try:
        at = datetime.fromtimestamp(wall_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{wall_ms}ms"
    return f"{at:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03}Z"


def _whole(ms: int) -> str:
    unit, size = next((u, s) for u, s in reversed(_UNITS_MS.items()) if u != "w" and ms % s == 0)
    return f"{ms // size}{unit}"
