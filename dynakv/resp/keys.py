"""Keys whatever their values: deleting, expiring, looking at them from outside."""

from collections.abc import Callable
from typing import Final

from dynakv.core.record import Record
from dynakv.errors import Failure
from dynakv.resp import arguments, asks, expiry, moves, plans, replies, tells
from dynakv.resp.arguments import check_key
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, Start, Support, wrong_arity
from dynakv.resp.connection import Connection
from dynakv.resp.replies import ONE, ZERO, CommandError
from dynakv.resp.requests import Request

_EMBEDDED_BYTES_MAX: Final = 44  # above it Redis calls a string raw
_INTEGER_CHARACTERS_MAX: Final = 20
# What a row costs beside key and value: two registers, checksum, the entry of the index.
_ROW_BYTES: Final = 72


def delete(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """DEL key [key ...], which counts the values as observed"""
    if len(request) == 2:
        (scope.deletes or scope.open_deletes()).add(check_key(request[1]), slot)
        return
    keys = list(map(check_key, request[1:]))

    def stored(result: asks.Records | Failure) -> None:
        conn.fill(slot, _counted(result))

    nothing: list[bytes | None] = [None] * len(keys)
    asks.write(conn.turn, scope, keys, nothing, stored, previous=True)


def exists(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """EXISTS key [key ...], which counts a key as often as it is named"""

    def found(result: asks.Records | Failure) -> None:
        conn.fill(slot, _counted(result))

    asks.read(conn.turn, scope, list(map(check_key, request[1:])), found)


def _counted(result: asks.Records | Failure) -> bytes:
    if isinstance(result, Failure):
        return replies.failure(result)
    return replies.integer(sum(r is not None and r.value is not None for r in result))


# --- expiry ----------------------------------------------------------------------------------


def expire(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """EXPIRE key seconds [NX | XX | GT | LT] and its like: PEXPIRE, EXPIREAT, PEXPIREAT"""
    key = check_key(request[1])
    ttl_ms, expiry_ms = arguments.expire_times(request)
    if len(request) > 3:
        option = arguments.expire_options(request)[0].decode()
        plans.check_raft(conn, scope, f"{request[0].decode().upper()} with {option}")
        plans.run(conn, scope, plans.expire(conn, scope, request), slot)
        return
    _change(conn, scope, key, slot, ttl_ms, expiry_ms)


def persist(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """PERSIST key: a read, then a change of expiry; in a Raft keyspace one step"""
    key = check_key(request[1])
    if conn.door.modes.of(scope.keyspace).raft:
        plans.check_raft(conn, scope, "PERSIST")
        plans.run(conn, scope, plans.persist(conn, scope, request), slot)
        return

    def found(result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
            return
        record = result[0]
        if record is None or record.value is None or not expiry.deadline_ms(record):
            conn.fill(slot, ZERO)
        else:
            _change(conn, scope, key, slot, 0, 0)

    asks.read(conn.turn, scope, [key], found)


def _change(
    conn: Connection, scope: Scope, key: bytes, slot: Slot, ttl_ms: int, expiry_ms: int
) -> None:
    def changed(result: list[bool] | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
        else:
            conn.fill(slot, ONE if result[0] else ZERO)

    asks.expire(conn.turn, scope, key, ttl_ms, expiry_ms, changed)


# --- looking from outside --------------------------------------------------------------------


def _asking(tell: Callable[[Connection, Record | None], bytes], place: int = 1) -> Start:
    """Return a command that reads one key and makes its reply of what is there."""

    def start(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
        def found(result: asks.Records | Failure) -> None:
            if isinstance(result, Failure):
                conn.fill(slot, replies.failure(result))
                return
            record = result[0]
            there = record is not None and record.value is not None
            conn.fill(slot, tell(conn, record if there else None))

        asks.read(conn.turn, scope, [check_key(request[place])], found)

    return start


def _encoding(conn: Connection, record: Record | None) -> bytes:
    if record is None:
        return _absent(conn)
    value = record.value or b""
    if len(value) <= _INTEGER_CHARACTERS_MAX and _is_integer(value):
        return replies.bulk(b"int")
    return replies.bulk(b"embstr" if len(value) <= _EMBEDDED_BYTES_MAX else b"raw")


def _is_integer(value: bytes) -> bool:
    try:
        replies.number(value)
    except CommandError:
        return False
    return True


def _idletime(conn: Connection, record: Record | None) -> bytes:
    if record is None:
        return _absent(conn)
    idle_ms = conn.door.wall_ms() - (record.value_time >> 16)
    return replies.integer(max(idle_ms, 0) // 1000)


def _refcount(conn: Connection, record: Record | None) -> bytes:
    return _absent(conn) if record is None else ONE


def _absent(conn: Connection) -> bytes:
    return conn.null


def _usage(conn: Connection, record: Record | None) -> bytes:
    if record is None:
        return conn.null
    return replies.integer(_ROW_BYTES + len(record.key) + len(record.value or b""))


_ASPECTS: Final = {
    b"ENCODING": _asking(_encoding, 2),
    b"IDLETIME": _asking(_idletime, 2),
    b"REFCOUNT": _asking(_refcount, 2),
}


def object_(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """OBJECT ENCODING | IDLETIME | REFCOUNT | FREQ key"""
    subcommand = request[1].upper()
    if subcommand == b"HELP":
        lines = ("ENCODING <key>", "IDLETIME <key>", "REFCOUNT <key>")
        conn.fill(slot, replies.array([replies.simple(line) for line in lines]))
        return
    if subcommand not in _ASPECTS and subcommand != b"FREQ":
        raise CommandError(
            f"ERR unknown subcommand '{replies.shown(request[1])}'. Try OBJECT HELP."
        )
    if len(request) != 3:
        raise wrong_arity(f"object|{subcommand.decode()}")
    if subcommand == b"FREQ":
        raise CommandError("ERR an access frequency is not tracked: nothing is ever evicted")
    _ASPECTS[subcommand](conn, scope, request, slot)


_memory_usage: Final = _asking(_usage, 2)


def memory(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """MEMORY USAGE key [SAMPLES n]: the bytes of its row on each replica"""
    subcommand = request[1].upper()
    if subcommand != b"USAGE":
        raise CommandError(
            f"ERR unknown subcommand '{replies.shown(request[1])}'. Try MEMORY HELP."
        )
    if len(request) not in (3, 5):
        raise wrong_arity("memory|usage")
    if len(request) == 5 and (request[3].upper() != b"SAMPLES" or replies.number(request[4]) < 0):
        raise CommandError(replies.SYNTAX_ERROR)
    _memory_usage(conn, scope, request, slot)


def _keyed(
    name: str, arity: int, start: Start, summary: str, *, writes: bool = False, place: int = 1
) -> Command:
    last = -1 if name in ("DEL", "UNLINK", "EXISTS", "TOUCH") else place
    return Command(
        name,
        arity,
        "generic",
        summary,
        Kind.KEYED,
        start=start,
        writes=writes,
        first=place,
        last=last,
        step=1,
    )


_EXPIRE: Final = "NX, XX, GT and LT need a Raft keyspace"

COMMANDS: Final = (
    _keyed("DEL", -2, delete, "delete keys; counts the values as observed", writes=True),
    _keyed("UNLINK", -2, delete, "the same as DEL", writes=True),
    _keyed("EXISTS", -2, exists, "how many of these keys have a value"),
    _keyed("TOUCH", -2, exists, "the same as EXISTS: nothing is ever evicted"),
    _keyed("TYPE", 2, _asking(tells.kind), "string or none"),
    _keyed("EXPIRE", -3, expire, _EXPIRE, writes=True),
    _keyed("PEXPIRE", -3, expire, _EXPIRE, writes=True),
    _keyed("EXPIREAT", -3, expire, _EXPIRE, writes=True),
    _keyed("PEXPIREAT", -3, expire, _EXPIRE, writes=True),
    _keyed("PERSIST", 2, persist, "remove the expiry", writes=True),
    _keyed("TTL", 2, _asking(tells.ttl), "seconds left"),
    _keyed("PTTL", 2, _asking(tells.pttl), "milliseconds left"),
    _keyed("EXPIRETIME", 2, _asking(tells.expiretime), "the deadline in seconds"),
    _keyed("PEXPIRETIME", 2, _asking(tells.pexpiretime), "the deadline in milliseconds"),
    _keyed("OBJECT", -2, object_, "ENCODING, IDLETIME (since the write), REFCOUNT", place=2),
    _keyed("MEMORY", -2, memory, "USAGE: the bytes of a row on each replica", place=2),
    *(
        Command(
            name,
            arity,
            "generic",
            summary,
            Kind.KEYED,
            start=moves.COMMANDS[name],
            writes=True,
            first=1,
            last=2,
            step=1,
            support=Support.RAFT,
        )
        for name, arity, summary in (
            ("RENAME", 3, "move a value to another key"),
            ("RENAMENX", 3, "the same, where the other has none"),
            ("COPY", -3, "copy a value to another key"),
        )
    ),
)
