"""Replies in the Redis protocol, versions 2 and 3.

https://redis.io/docs/latest/develop/reference/protocol-spec/ - what differs between the versions
(null, maps) takes the version as an argument; everything else is the same bytes in both.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from dynakv import limits
from dynakv.errors import Failure, Kind, UsageError

CRLF: Final = b"\r\n"
OK: Final = b"+OK\r\n"
PONG: Final = b"+PONG\r\n"
QUEUED: Final = b"+QUEUED\r\n"
ZERO: Final = b":0\r\n"
ONE: Final = b":1\r\n"
EMPTY_BULK: Final = b"$0\r\n\r\n"
EMPTY_ARRAY: Final = b"*0\r\n"
NULLS: Final = {2: b"$-1\r\n", 3: b"_\r\n"}

# A look-up is a third of the time of formatting, and most values are short.
_HEADS: Final = tuple(b"$%d\r\n" % length for length in range(1_024))
_HEADS_COUNT: Final = len(_HEADS)

_CODES: Final = {
    Kind.INVALID: "ERR",
    Kind.PRECONDITION: "ERR",
    Kind.UNAVAILABLE: "UNAVAILABLE",
    Kind.EXHAUSTED: "OVERLOADED",
    Kind.TIMEOUT: "TIMEOUT",
    Kind.UNKNOWN: "UNKNOWNOUTCOME",
}


class CommandError(UsageError):
    """A command is wrong in itself; the text is the whole error reply, code included."""


SYNTAX_ERROR: Final = "ERR syntax error"
NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
CHANGED_TOO_OFTEN: Final = (
    f"OVERLOADED the keys changed {limits.RESP_ATOMIC_ATTEMPTS_MAX} times while this was tried;"
    " nothing was done, try again"
)


def bulk(value: bytes) -> bytes:
    """Return a bulk string."""
    length = len(value)
    head = _HEADS[length] if length < _HEADS_COUNT else b"$%d\r\n" % length
    return head + value + CRLF


def text(value: str) -> bytes:
    """Return a bulk string of a text."""
    return bulk(value.encode())


def verbatim(value: str, protocol: int) -> bytes:
    """Return a text that clients should show as it is; in version 2 a bulk string."""
    raw = value.encode()
    return b"=%d\r\ntxt:%b\r\n" % (len(raw) + 4, raw) if protocol == 3 else bulk(raw)


def simple(value: str) -> bytes:
    """Return a simple string, which must be one line."""
    return b"+" + value.encode() + CRLF


def integer(value: int) -> bytes:
    """Return an integer."""
    return b":%d\r\n" % value


def error(message: str) -> bytes:
    """Return an error; the first word is its code. Line ends would break the protocol."""
    line = message.replace("\r", " ").replace("\n", " ")
    return b"-" + line.encode(errors="surrogateescape") + CRLF


def failure(why: Failure) -> bytes:
    """Return the error that tells the client what it may do next."""
    return error(f"{_CODES[why.kind]} {why.reason}")


def array(items: Sequence[bytes]) -> bytes:
    """Return an array of replies."""
    return b"*%d\r\n" % len(items) + b"".join(items)


def bulks(values: Sequence[bytes]) -> bytes:
    """Return an array of bulk strings."""
    return array(list(map(bulk, values)))


def mapping(pairs: Iterable[tuple[bytes, bytes]], protocol: int) -> bytes:
    """Return a map of replies: in version 2 a flat array."""
    flat = [item for pair in pairs for item in pair]
    if protocol == 3:
        return b"%%%d\r\n" % (len(flat) // 2) + b"".join(flat)
    return array(flat)


def number(argument: bytes, complaint: str = NOT_AN_INTEGER) -> int:
    """Return a signed 64-bit integer as Redis reads one. Raises CommandError with `complaint`."""
    digits = argument[1:] if argument[:1] == b"-" else argument
    plain = digits.isdigit() and len(digits) <= 19 and (digits[:1] != b"0" or argument == b"0")
    if plain:
        value = int(argument)
        if -(1 << 63) <= value < 1 << 63:
            return value
    raise CommandError(complaint)


def shown(argument: bytes, length_max: int = 128) -> str:
    """Return an argument as an error quotes it."""
    return argument[:length_max].decode(errors="backslashreplace")
