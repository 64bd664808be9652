"""Strings: GET, SET and what is built on them."""

from typing import Final

from dynakv import limits
from dynakv.errors import Failure
from dynakv.node.messages import KEEP_EXPIRY
from dynakv.resp import asks, expiry, replies
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, Start, Support, needs_raft, wrong_arity
from dynakv.resp.connection import Connection
from dynakv.resp.replies import OK, SYNTAX_ERROR, ZERO, CommandError, number
from dynakv.resp.requests import Request

_KEY_BYTES_MAX: Final = limits.KEY_BYTES_MAX


def check_key(key: bytes) -> bytes:
    """Return the key. Raises CommandError for one that the node would refuse.

    Checked here, because one bad entry would refuse a whole column.
    """
    if not 0 < len(key) <= _KEY_BYTES_MAX:
        what = f"has {len(key)} bytes" if key else "is empty"
        raise CommandError(f"ERR key {what}: 1 to {_KEY_BYTES_MAX} bytes are allowed")
    return key


def check_value(conn: Connection, value: bytes) -> bytes:
    """Return the value. Raises CommandError for one that the node would refuse."""
    if len(value) > conn.door.value_bytes_max:
        raise CommandError(
            f"ERR value has {len(value)} bytes: at most {conn.door.value_bytes_max} are allowed"
            " (limits.value_bytes_max)"
        )
    return value


def get(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """GET key"""
    del conn
    key = request[1]
    if not 0 < len(key) <= _KEY_BYTES_MAX:
        check_key(key)
    (scope.gets or scope.open_gets()).add(key, slot)


def set_(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """SET key value [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] [NX | XX] [GET]"""
    key, value = request[1], request[2]
    if not 0 < len(key) <= _KEY_BYTES_MAX:
        check_key(key)
    if len(value) > conn.door.value_bytes_max:
        check_value(conn, value)
    if len(request) > 3:
        _set_expiring(scope, request, slot, *_set_options(scope, request))
        return
    slot.link = column = scope.puts or scope.open_puts()
    column.add(key, value, slot)


def _set_expiring(scope: Scope, request: Request, slot: Slot, ttl_ms: int, expiry_ms: int) -> None:
    column = scope.expiring or scope.open_expiring()
    column.expire(ttl_ms, expiry_ms)
    column.add(request[1], request[2], slot)


def _set_options(scope: Scope, request: Request) -> tuple[int, int]:
    """Return ttl and absolute expiry of a SET with options."""
    options = [option.upper() for option in request[3:]]
    ttl_ms = expiry_ms = 0
    refused = ""
    given: set[bytes] = set()
    position = 0
    while position < len(options):
        option = options[position]
        position += 1
        if option in (b"NX", b"XX", b"GET"):
            refused = refused or option.decode()
            group = option if option == b"GET" else b"condition"
        elif option == b"KEEPTTL":
            expiry_ms, group = KEEP_EXPIRY, b"expiry"
        elif option in expiry.UNITS and position < len(options):
            ttl_ms, expiry_ms = expiry.positive(option, options[position], "set")
            position += 1
            group = b"expiry"
        else:
            raise CommandError(SYNTAX_ERROR)
        if group in given and group != b"GET":
            raise CommandError(SYNTAX_ERROR)
        given.add(group)
    if refused:
        raise needs_raft(f"SET with {refused}", scope.keyspace)
    return ttl_ms, expiry_ms


def setex(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """SETEX key seconds value, PSETEX key milliseconds value"""
    name = request[0].upper()
    check_key(request[1])
    check_value(conn, request[3])
    unit = b"PX" if name == b"PSETEX" else b"EX"
    ttl_ms, _ = expiry.positive(unit, request[2], name.decode().lower())
    _set_expiring(scope, [b"", request[1], request[3]], slot, ttl_ms, 0)


def getex(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]: a read, then a change of expiry"""
    key = check_key(request[1])
    options = [option.upper() for option in request[2:]]
    ttl_ms = expiry_ms = 0
    match options:
        case [] | [b"PERSIST"]:
            pass
        case [unit, amount] if unit in expiry.UNITS:
            ttl_ms, expiry_ms = expiry.positive(unit, amount, "getex")
        case _:
            raise CommandError(SYNTAX_ERROR)

    def found(result: asks.Records | Failure) -> None:
        reply = _value_of(conn, result)
        if not options or isinstance(result, Failure) or reply == conn.null:
            conn.fill(slot, reply)
        else:
            asks.expire(conn.turn, scope, key, ttl_ms, expiry_ms, changed(reply))

    def changed(reply: bytes) -> asks.Applied:
        def then(result: list[bool] | Failure) -> None:
            conn.fill(slot, replies.failure(result) if isinstance(result, Failure) else reply)

        return then

    asks.read(conn.turn, scope, [key], found)


def mget(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """MGET key [key ...]"""

    def found(result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
            return
        null = conn.null
        conn.fill(
            slot,
            replies.array(
                [
                    null if record is None or record.value is None else replies.bulk(record.value)
                    for record in result
                ]
            ),
        )

    asks.read(conn.turn, scope, list(map(check_key, request[1:])), found)


def mset(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """MSET key value [key value ...]"""
    if len(request) % 2 == 0:
        raise wrong_arity("mset")
    keys = list(map(check_key, request[1::2]))
    values: list[bytes | None] = [check_value(conn, value) for value in request[2::2]]

    def stored(result: asks.Records | Failure) -> None:
        conn.fill(slot, replies.failure(result) if isinstance(result, Failure) else OK)

    asks.write(conn.turn, scope, keys, values, stored)


def strlen(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """STRLEN key"""

    def found(result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
        else:
            record = result[0]
            value = None if record is None else record.value
            conn.fill(slot, replies.integer(len(value)) if value else ZERO)

    asks.read(conn.turn, scope, [check_key(request[1])], found)


def getrange(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """GETRANGE key start end, both inclusive, negative from the end"""
    key, start, end = check_key(request[1]), number(request[2]), number(request[3])

    def found(result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
            return
        record = result[0]
        value = (record.value if record is not None else None) or b""
        conn.fill(slot, replies.bulk(_cut(value, start, end)))

    asks.read(conn.turn, scope, [key], found)


def _cut(value: bytes, start: int, end: int) -> bytes:
    if start < 0 and end < 0 and start > end:
        return b""
    length = len(value)
    start = max(start + length, 0) if start < 0 else start
    end = max(end + length, 0) if end < 0 else end
    return value[start : end + 1]


def _value_of(conn: Connection, result: asks.Records | Failure) -> bytes:
    if isinstance(result, Failure):
        return replies.failure(result)
    record = result[0]
    return conn.null if record is None or record.value is None else replies.bulk(record.value)


def refuse(conn: Connection, request: Request) -> bytes:
    """Refuse a read-modify-write command."""
    raise needs_raft(request[0].decode(errors="replace").upper(), conn.scope.keyspace)


def _raft(name: str, arity: int, summary: str, last: int = 1, step: int = 1) -> Command:
    return Command(
        name,
        arity,
        "string",
        summary,
        Kind.LOCAL,
        local=refuse,
        writes=True,
        first=1,
        last=last,
        step=step,
        support=Support.RAFT,
    )


def _read(name: str, arity: int, start: Start, summary: str, last: int = 1) -> Command:
    return Command(
        name, arity, "string", summary, Kind.KEYED, start=start, first=1, last=last, step=1
    )


def _write(
    name: str, arity: int, start: Start, summary: str, last: int = 1, step: int = 1
) -> Command:
    return Command(
        name,
        arity,
        "string",
        summary,
        Kind.KEYED,
        start=start,
        writes=True,
        first=1,
        last=last,
        step=step,
    )


COMMANDS: Final = (
    _read("GET", 2, get, "the value of a key"),
    _write("SET", -3, set_, "EX, PX, EXAT, PXAT, KEEPTTL; NX, XX and GET need a Raft keyspace"),
    _write("SETEX", 4, setex, "SET with a time to live in seconds"),
    _write("PSETEX", 4, setex, "SET with a time to live in milliseconds"),
    _write("GETEX", -2, getex, "the value, then a change of its expiry; two steps"),
    _read("MGET", -2, mget, "the values of several keys; not a snapshot", last=-1),
    _write("MSET", -3, mset, "several keys; each on its own, not atomic together", -1, 2),
    _read("STRLEN", 2, strlen, "the length of a value"),
    _read("GETRANGE", 4, getrange, "a part of a value"),
    _read("SUBSTR", 4, getrange, "the old name of GETRANGE"),
    _raft("SETNX", 3, "SET where there is no value"),
    _raft("MSETNX", -3, "MSET where none of the keys has a value", -1, 2),
    _raft("GETSET", 3, "SET, answering the value before"),
    _raft("GETDEL", 2, "DEL, answering the value before"),
    _raft("APPEND", 3, "add to the end of a value"),
    _raft("SETRANGE", 4, "overwrite a part of a value"),
    _raft("INCR", 2, "add 1"),
    _raft("DECR", 2, "subtract 1"),
    _raft("INCRBY", 3, "add an integer"),
    _raft("DECRBY", 3, "subtract an integer"),
    _raft("INCRBYFLOAT", 3, "add a number"),
)
