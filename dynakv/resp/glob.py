"""Glob patterns as Redis matches them (util.c, stringmatchlen), and the prefix they imply.

A pattern becomes a regular expression, which does not back-track without bound here: runs of `*`
are one, and every `*` but the last is matched as early as possible and never again (an atomic
group), which for globs gives the same verdict.
"""

import re
from collections.abc import Callable
from functools import lru_cache

_SPECIAL = re.compile(rb"[*?\[\\]").search
_CACHED = 64


@lru_cache(_CACHED)
def matcher(pattern: bytes) -> Callable[[bytes], bool]:
    """Return the function that says whether a key matches the pattern."""
    if pattern == b"*" * len(pattern) and pattern:
        return lambda _: True
    if not _SPECIAL(pattern):
        return pattern.__eq__
    match = re.compile(_expression(pattern), re.DOTALL).match
    return lambda key: match(key) is not None


def prefix_of(pattern: bytes) -> bytes:
    """Return what every matching key begins with: a list needs to look no further."""
    special = _SPECIAL(pattern)
    return pattern[: special.start()] if special else pattern


def after_prefix(prefix: bytes) -> bytes | None:
    """Return the first key above all that begin with the prefix; None where there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def _expression(pattern: bytes) -> bytes:
    """Return the regular expression: segments between stars, each found as early as possible."""
    segments: list[list[bytes]] = [[]]
    position, end = 0, len(pattern)
    while position < end:
        byte = pattern[position : position + 1]
        position += 1
        if byte == b"*":
            segments.append([])
        elif byte == b"?":
            segments[-1].append(b".")
        elif byte == b"[":
            one, position = _class(pattern, position)
            segments[-1].append(one)
        else:
            if byte == b"\\" and position < end:
                byte = pattern[position : position + 1]
                position += 1
            segments[-1].append(re.escape(byte))
    first, *middle = (b"".join(segment) for segment in segments)
    if not middle:
        return first + rb"\Z"
    last = middle.pop()
    return first + b"".join(b"(?>.*?%b)" % m for m in middle if m) + b".*" + last + rb"\Z"


def _class(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the expression for `[...]` from behind its bracket, and where it ends.

    As in Redis a class that nobody closes ends with the pattern.
    """
    negated = pattern[position : position + 1] == b"^"
    position += negated
    allowed: set[int] = set()
    while position < len(pattern) and pattern[position] != ord("]"):
        if pattern[position] == ord("\\") and position + 1 < len(pattern):
            position += 1
            allowed.add(pattern[position])
        elif pattern[position + 1 : position + 2] == b"-" and position + 2 < len(pattern):
            low, high = sorted((pattern[position], pattern[position + 2]))
            allowed.update(range(low, high + 1))
            position += 2
        else:
            allowed.add(pattern[position])
        position += 1
    characters = b"".join(b"\\x%02x" % byte for byte in sorted(allowed))
    if not characters:
        return (b"." if negated else b"(?!)"), position + 1
    return b"[%b%b]" % (b"^" if negated else b"", characters), position + 1
