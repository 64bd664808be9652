"""How values are written on the command line: keys, durations, stamps, moments, sizes."""

import contextlib
import os
import re
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from dynakv import limits
from dynakv.core.hlc import COUNTER_MAX, reading, wall_ms_of
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
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:]{8})\.(\d{3})Z\+(\d{1,5})@([0-9a-f]{16})")
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


def stamp_parts(text: str, name: str) -> tuple[int, int]:
    """Return the time and the writer of what `stamp` wrote. Raises UsageError."""
    match = _STAMP.fullmatch(text.strip())
    if match is not None:
        with contextlib.suppress(ValueError):  # no such day
            at = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
            wall_ms = int(at.timestamp()) * 1000 + int(match[2])
            return reading(wall_ms) + int(match[3]), int(match[4], 16)
    raise UsageError(
        f"{name} = {text!r}: must be a stamp as get --stamp shows it, such as "
        "2026-11-21T07:30:00.123Z+4@00ff00ff00ff00ff"
    )


def moment(wall_ms: int) -> str:
    """Return Unix milliseconds as an ISO 8601 moment; as a bare number beyond the year 9999."""
    try:
        at = datetime.fromtimestamp(wall_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{wall_ms}ms"
    return f"{at:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03}Z"


def key_bytes(text: str, name: str = "KEY") -> bytes:
    """Return the bytes of a word; any bytes but NUL can stand in one. Raises UsageError."""
    key = os.fsencode(text)
    if not 1 <= len(key) <= limits.KEY_BYTES_MAX:
        raise UsageError(f"{name} has {len(key)} bytes: must have 1 to {limits.KEY_BYTES_MAX}")
    return key


def count(text: str, name: str) -> int:
    """Return a whole number above 0. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
        raise UsageError(f"{name} = {text!r}: must be a whole number of at least 1")
    return int(text)


def shown(raw: bytes) -> str:
    """Return bytes for a terminal: what is no text, or would move the cursor, as an escape."""
    text = raw.decode(errors="backslashreplace")
    return text if text.isprintable() else "".join(map(_escaped, text))


def shortened(raw: bytes, characters: int) -> str:
    """Return `shown`, cut to so many characters and their end marked where it is longer."""
    text = shown(raw[: 4 * characters])
    whole = len(raw) <= 4 * characters
    return text if whole and len(text) <= characters else f"{text[: characters - 1]}…"


def size(count: int) -> str:
    """Return a number of bytes for people: `512 B`, `3.4 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def lasting(ms: int) -> str:
    """Return a duration for people, in its two largest units: `850ms`, `3m12s`, `4d07h`."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds}s" if seconds else f"{ms}ms"
    for unit, below, large, small in (("m", "s", 60, 1), ("h", "m", 3600, 60)):
        if seconds < large * (60 if unit == "m" else 24):
            return f"{seconds // large}{unit}{seconds % large // small:02}{below}"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _whole(ms: int) -> str:
    unit, size = next((u, s) for u, s in reversed(_UNITS_MS.items()) if u != "w" and ms % s == 0)
    return f"{ms // size}{unit}"
