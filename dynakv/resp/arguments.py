"""What commands check of their words before anything is asked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dynakv import limits
from dynakv.resp import expiry, replies
from dynakv.resp.replies import SYNTAX_ERROR, CommandError
from dynakv.resp.requests import Request

if TYPE_CHECKING:
    from dynakv.resp.connection import Connection

KEY_BYTES_MAX: Final = limits.KEY_BYTES_MAX
_EXPIRE_OPTIONS: Final = frozenset({b"NX", b"XX", b"GT", b"LT"})


def check_key(key: bytes) -> bytes:
    """Return the key. Raises CommandError for one that the node would refuse.

    Checked here, because one bad entry would refuse a whole column.
    """
    if not 0 < len(key) <= KEY_BYTES_MAX:
        what = f"has {len(key)} bytes" if key else "is empty"
        raise CommandError(f"ERR key {what}: 1 to {KEY_BYTES_MAX} bytes are allowed")
    return key


def check_value(conn: "Connection", value: bytes) -> bytes:
    """Return the value. Raises CommandError for one that the node would refuse."""
    if len(value) > conn.door.value_bytes_max:
        raise CommandError(
            f"ERR value has {len(value)} bytes: at most {conn.door.value_bytes_max} are allowed"
            " (limits.value_bytes_max)"
        )
    return value


class SetOptions(NamedTuple):
    """The options of a SET."""

    ttl_ms: int
    expires_ms: int
    keeps: bool  # KEEPTTL
    condition: bytes  # NX, XX or nothing
    get: bool
    atomic: str  # the first option that needs a Raft keyspace; empty: none does


def set_options(request: Request) -> SetOptions:
    """Return the options of SET key value [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] [NX | XX]
    [GET]. Raises CommandError."""
    options = [option.upper() for option in request[3:]]
    ttl_ms = expires_ms = 0
    given: dict[bytes, bytes] = {}
    atomic = ""
    position = 0
    while position < len(options):
        option = options[position]
        position += 1
        if option in (b"NX", b"XX", b"GET"):
            atomic = atomic or option.decode()
            group = option if option == b"GET" else b"condition"
        elif option == b"KEEPTTL":
            group = b"expiry"
        elif option in expiry.UNITS and position < len(options):
            ttl_ms, expires_ms = expiry.positive(option, options[position], "set")
            position += 1
            group = b"expiry"
        else:
            raise CommandError(SYNTAX_ERROR)
        if group in given and group != b"GET":
            raise CommandError(SYNTAX_ERROR)
        given[group] = option
    keeps = given.get(b"expiry") == b"KEEPTTL"
    condition = given.get(b"condition", b"")
    return SetOptions(ttl_ms, expires_ms, keeps, condition, b"GET" in given, atomic)


def getex_options(request: Request) -> tuple[int, int] | None:
    """Return (ttl_ms, expiry_ms) of GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST].

    Two zeros remove the expiry, None leaves it. Raises CommandError.
    """
    match [option.upper() for option in request[2:]]:
        case []:
            return None
        case [b"PERSIST"]:
            return 0, 0
        case [unit, amount] if unit in expiry.UNITS:
            return expiry.positive(unit, amount, "getex")
        case _:
            raise CommandError(SYNTAX_ERROR)


def expire_times(request: Request) -> tuple[int, int]:
    """Return (ttl_ms, expiry_ms) of EXPIRE and its like: PEXPIRE, EXPIREAT, PEXPIREAT."""
    name = request[0].upper()
    ms = 1 if name.startswith(b"P") else 1000
    absolute = name.endswith(b"AT")
    return expiry.any_time(ms, request[2], name.decode().lower(), absolute=absolute)


def expire_options(request: Request) -> Sequence[bytes]:
    """Return the options NX, XX, GT and LT of an EXPIRE. Raises CommandError."""
    options = [option.upper() for option in request[3:]]
    for option in options:
        if option not in _EXPIRE_OPTIONS:
            raise CommandError(f"ERR Unsupported option {replies.shown(option)}")
    if b"NX" in options and len(set(options)) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if b"GT" in options and b"LT" in options:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return options


def pairs(name: str, request: Request) -> list[tuple[bytes, bytes]]:
    """Return the keys and values of an MSET or MSETNX. Raises CommandError for an odd number."""
    if len(request) % 2 == 0:
        raise CommandError(f"ERR wrong number of arguments for '{name}' command")
    return list(zip(request[1::2], request[2::2], strict=True))
