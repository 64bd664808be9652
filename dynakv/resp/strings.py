"""Strings: GET, SET and what is built on them."""

from typing import Final

from dynakv import limits
from dynakv.errors import Failure
from dynakv.node.messages import KEEP_EXPIRY
from dynakv.resp import arguments, asks, expiry, plans, replies
from dynakv.resp.arguments import check_key, check_value
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, Start, Support, needs_raft, wrong_arity
from dynakv.resp.connection import Connection
from dynakv.resp.replies import OK, ZERO, CommandError, number
from dynakv.resp.requests import Request
from dynakv.resp.tells import cut

_KEY_BYTES_MAX: Final = limits.KEY_BYTES_MAX


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
        _set_with_options(conn, scope, request, slot)
        return
    slot.link = column = scope.puts or scope.open_puts()
    column.add(key, value, slot)


def _set_with_options(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    options = arguments.set_options(request)
    if options.atomic:
        plans.check_raft(conn, scope, f"SET with {options.atomic}")
        plans.run(conn, scope, plans.set_(conn, scope, request), slot)
        return
    expiry_ms = KEEP_EXPIRY if options.keeps else options.expires_ms
    _set_expiring(scope, request, slot, options.ttl_ms, expiry_ms)


def _set_expiring(scope: Scope, request: Request, slot: Slot, ttl_ms: int, expiry_ms: int) -> None:
    column = scope.expiring or scope.open_expiring()
    column.expire(ttl_ms, expiry_ms)
    column.add(request[1], request[2], slot)


def setex(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """SETEX key seconds value, PSETEX key milliseconds value"""
    name = request[0].upper()
    check_key(request[1])
    check_value(conn, request[3])
    unit = b"PX" if name == b"PSETEX" else b"EX"
    ttl_ms, _ = expiry.positive(unit, request[2], name.decode().lower())
    _set_expiring(scope, [b"", request[1], request[3]], slot, ttl_ms, 0)


def getex(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]: a read, then a change of expiry

    In a Raft keyspace it is one step.
    """
    key = check_key(request[1])
    times_ms = arguments.getex_options(request)
    if times_ms is not None and conn.door.modes.of(scope.keyspace).raft:
        plans.check_raft(conn, scope, "GETEX")
        plans.run(conn, scope, plans.getex(conn, scope, request), slot)
        return

    def found(result: asks.Records | Failure) -> None:
        reply = _value_of(conn, result)
        if times_ms is None or isinstance(result, Failure) or reply == conn.null:
            conn.fill(slot, reply)
        else:
            asks.expire(conn.turn, scope, key, *times_ms, changed(reply))

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
        conn.fill(slot, replies.bulk(cut(value, start, end)))

    asks.read(conn.turn, scope, [key], found)


def _value_of(conn: Connection, result: asks.Records | Failure) -> bytes:
    if isinstance(result, Failure):
        return replies.failure(result)
    record = result[0]
    return conn.null if record is None or record.value is None else replies.bulk(record.value)


def incrbyfloat(conn: Connection, request: Request) -> bytes:
    """Refuse INCRBYFLOAT in either mode."""
    if not conn.door.modes.of(conn.scope.keyspace).raft:
        raise needs_raft(request[0].decode(errors="replace").upper(), conn.scope.keyspace)
    raise CommandError(
        "ERR INCRBYFLOAT is not offered: sums of binary fractions differ between machines; count in"
        " the smallest unit with INCRBY; nothing was done"
    )


def _raft(name: str, arity: int, summary: str, last: int = 1, step: int = 1) -> Command:
    return Command(
        name,
        arity,
        "string",
        summary,
        Kind.KEYED,
        start=plans.atomic(plans.RAFT_ONLY[name]),
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
    Command(
        "INCRBYFLOAT",
        3,
        "string",
        "sums of fractions differ between machines: count in the smallest unit",
        Kind.LOCAL,
        local=incrbyfloat,
        writes=True,
        first=1,
        last=1,
        step=1,
        support=Support.NO,
    ),
)
