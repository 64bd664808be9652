"""Checks what a user hands to a client, before anything is sent.

Everything comes out in the form that the wire wants. What is wrong raises UsageError with the name
of the argument, its value and the limit; only the cluster knows the rest (which keyspaces exist, N,
a node's own limit on values).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dynakv import limits
from dynakv.client import settings
from dynakv.client.endpoints import endpoints as default_endpoints
from dynakv.client.results import Stamp
from dynakv.core import address
from dynakv.core.layout import Level
from dynakv.errors import UsageError
from dynakv.v1 import ring_pb2

_LEVELS: Final = {
    Level.ONE: int(ring_pb2.LEVEL_ONE),
    Level.QUORUM: int(ring_pb2.LEVEL_QUORUM),
    Level.ALL: int(ring_pb2.LEVEL_ALL),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_SHOWN_MAX: Final = 80  # characters of a wrong value in a message


def key(given: object, name: str = "key") -> bytes:
    """Return a key's bytes."""
    raw = given if type(given) is bytes else _bytes(given, name)
    if not 0 < len(raw) <= limits.KEY_BYTES_MAX:
        raise UsageError(f"{name} has {len(raw)} bytes: must have 1 to {limits.KEY_BYTES_MAX}")
    return raw


def value(given: object, name: str = "value") -> bytes:
    """Return a value's bytes; may be empty."""
    raw = given if type(given) is bytes else _bytes(given, name)
    if len(raw) > limits.VALUE_BYTES_HARD_MAX:
        raise UsageError(
            f"{name} has {len(raw)} bytes: must have at most {limits.VALUE_BYTES_HARD_MAX}, "
            "the most that any node accepts"
        )
    return raw


def bound(given: object, name: str) -> bytes:
    """Return a prefix or an end of a range; may be empty."""
    raw = b"" if given is None else _bytes(given, name)
    if len(raw) > limits.KEY_BYTES_MAX:
        raise UsageError(f"{name} has {len(raw)} bytes: must have at most {limits.KEY_BYTES_MAX}")
    return raw


def ttl_ms(given: object) -> int:
    """Return a time to live in whole ms, rounded up; 0 for None."""
    if given is None:
        return 0
    if not isinstance(given, timedelta):
        raise UsageError(f"ttl = {_shown(given)}: must be a datetime.timedelta")
    ms = -(-given // _MS)
    if not 1 <= ms <= limits.TTL_MS_MAX:
        raise UsageError(f"ttl = {given}: must be between 1 ms and {limits.TTL_MS_MAX} ms")
    return ms


def expires_at_ms(given: object) -> int:
    """Return a deadline as Unix ms, rounded up; 0 for None."""
    if given is None:
        return 0
    if not isinstance(given, datetime):
        raise UsageError(f"expires_at = {_shown(given)}: must be a datetime.datetime")
    if given.utcoffset() is None:
        raise UsageError(
            f"expires_at = {given.isoformat()}: must have a time zone, such as datetime.UTC"
        )
    ms = -((_EPOCH - given) // _MS)
    if not 1 <= ms <= limits.EXPIRY_MS_MAX:
        raise UsageError(
            f"expires_at = {given.isoformat()}: must be between 1 and {limits.EXPIRY_MS_MAX} ms "
            "after 1970"
        )
    return ms


def expiry(ttl: object, expires_at: object, *, keep_ttl: bool = False) -> tuple[int, int]:
    """Return (ttl_ms, expires_at_ms) of which at most one is not 0."""
    found = ttl_ms(ttl), expires_at_ms(expires_at)
    given = [
        name
        for name, is_given in zip(
            ("ttl", "expires_at", "keep_ttl"), (*map(bool, found), keep_ttl), strict=True
        )
        if is_given
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other: give at most one")
    return found


def needed_expiry(ttl: object, expires_at: object) -> tuple[int, int]:
    """Return (ttl_ms, expires_at_ms) of which exactly one is not 0."""
    found = expiry(ttl, expires_at)
    if not any(found):
        raise UsageError("expire needs ttl or expires_at; to take a deadline off use persist")
    return found


def keys(given: Iterable[object]) -> list[bytes]:
    """Return the bytes of keys; a complaint names the position of the wrong one."""
    if isinstance(given, (bytes, str)):
        raise UsageError(f"keys = {_shown(given)}: must be a list of keys, not one key")
    return [key(one, f"keys[{i}]") for i, one in enumerate(given)]


def pairs(
    given: Mapping[Any, Any] | Iterable[tuple[object, object]],
) -> tuple[list[bytes], list[bytes]]:
    """Return the keys and the values of pairs; a complaint names the position of the wrong one."""
    items = given.items() if isinstance(given, Mapping) else given
    found_keys: list[bytes] = []
    found_values: list[bytes] = []
    for i, item in enumerate(items):
        if not isinstance(item, tuple) or len(item) != 2:
            raise UsageError(f"items[{i}] = {_shown(item)}: must be a tuple of key and value")
        found_keys.append(key(item[0], f"items[{i}] key"))
        found_values.append(value(item[1], f"items[{i}] value"))
    return found_keys, found_values


def level(given: object) -> int:
    """Return a level's number on the wire; 0, the keyspace's default, for None."""
    if given is None:
        return int(ring_pb2.LEVEL_UNSPECIFIED)
    try:
        return _LEVELS[Level(given)]
    except ValueError:
        known = ", ".join(level.value for level in Level)
        raise UsageError(f"level = {_shown(given)}: must be one of {known}") from None


def replicas(given: object, name: str) -> int:
    """Return an explicit r or w; 0 for None."""
    if given is None:
        return 0
    if type(given) is not int or not 1 <= given <= limits.REPLICAS_MAX:
        raise UsageError(
            f"{name} = {_shown(given)}: must be an int between 1 and {limits.REPLICAS_MAX}"
        )
    return given


def keyspace(given: object) -> str:
    """Return a keyspace's name; whether it exists only the cluster knows."""
    if not isinstance(given, str):
        raise UsageError(f"keyspace = {_shown(given)}: must be a str")
    length = len(_bytes(given, "keyspace"))
    if not 1 <= length <= limits.KEYSPACE_NAME_BYTES_MAX:
        raise UsageError(
            f"keyspace has {length} bytes: must have 1 to {limits.KEYSPACE_NAME_BYTES_MAX}"
        )
    return given


def duration_ms(given: object, name: str) -> int:
    """Return a timeout in ms from seconds (int or float) or a timedelta; 1 ms up to 60 s."""
    most = limits.DEADLINE_MS_MAX
    if isinstance(given, timedelta):
        seconds = given.total_seconds()
    elif isinstance(given, (int, float)) and not isinstance(given, bool):
        seconds = given
    else:
        raise UsageError(f"{name} = {_shown(given)}: must be seconds or a datetime.timedelta")
    if not 0.001 <= seconds <= most / 1000:  # also false for NaN
        raise UsageError(f"{name} = {seconds} s: must be between 0.001 and {most // 1000} seconds")
    return int(seconds * 1000)


def endpoints(given: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the endpoints of a comma-separated text or a list, each once, in order.

    None: those of DYNAKV_ENDPOINTS, else 127.0.0.1:50051.
    """
    if given is None:
        return tuple(default_endpoints(None))
    parts = given.split(",") if isinstance(given, str) else given
    found = tuple(dict.fromkeys(_endpoint(part) for part in parts))
    if not 1 <= len(found) <= settings.ENDPOINTS_MAX:
        raise UsageError(
            f"endpoints names {len(found)} nodes: must name 1 to {settings.ENDPOINTS_MAX}"
        )
    return found


def max_age_ms(given: object) -> int:
    """Return how old the answer of a read may be, in ms; -1, as fresh as there is, for None."""
    if given is None:
        return -1
    if isinstance(given, timedelta):
        seconds = given.total_seconds()
    elif isinstance(given, (int, float)) and not isinstance(given, bool):
        seconds = given
    else:
        raise UsageError(f"max_age = {_shown(given)}: must be seconds or a datetime.timedelta")
    most = limits.STALE_MS_MAX // 1000
    if not 0 <= seconds <= most:  # also false for NaN
        raise UsageError(f"max_age = {seconds} s: must be between 0 and {most} seconds")
    return int(seconds * 1000)


def amount(given: object) -> int:
    """Return what is to be added to a number: a 64-bit integer."""
    if type(given) is not int or abs(given) >= 1 << 63:
        raise UsageError(f"amount = {_shown(given)}: must be an int of at most 63 bits and a sign")
    return given


def expected(given: object) -> bytes | Stamp | None:
    """Return the value or the stamp that a key is expected to have; None: no value."""
    if given is None or isinstance(given, Stamp):
        return given
    return value(given, "expected")


def page_keys(given: object) -> int:
    """Return the wished size of a page; 0, as many as fit, for None."""
    if given is None:
        return 0
    if type(given) is not int or not 1 <= given <= limits.LIST_KEYS_MAX:
        raise UsageError(
            f"page_keys = {_shown(given)}: must be an int between 1 and {limits.LIST_KEYS_MAX}"
        )
    return given


def _endpoint(given: object) -> str:
    if not isinstance(given, str):
        raise UsageError(f"endpoints: {_shown(given)} must be a host:port")
    text = given.strip()
    try:
        host, port = address.parsed(text)
    except ValueError as error:
        raise UsageError(f"endpoints: {_shown(text)} {error}") from None
    if port == 0:
        raise UsageError(f"endpoints: {_shown(text)} must have a port between 1 and 65535")
    return address.joined(host, port)


def _bytes(given: object, name: str) -> bytes:
    if isinstance(given, bytes):
        return bytes(given)
    if not isinstance(given, str):
        raise UsageError(f"{name} = {_shown(given)}: must be bytes or str")
    try:
        return given.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{name} = {_shown(given)}: has no UTF-8 form: {error.reason} at {error.start}; "
            "give bytes"
        ) from None


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
