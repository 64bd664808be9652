"""Commands as operations of a Raft group: what is to be done, and what to say of it.

A plan serves a command alone (`atomic`), and the same command between MULTI and EXEC, where all
plans become one batch (`transactions.py`). Its reply is made of the results of its own operations.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from dynakv.core.commands import (
    KEEP_EXPIRY,
    Append,
    Delete,
    Done,
    Expire,
    IfAbsent,
    IfPresent,
    Increment,
    Operation,
    Overwrite,
    Put,
    Read,
    Result,
    Unmet,
    When,
    Wrong,
)
from dynakv.core.record import Record
from dynakv.errors import Failure
from dynakv.resp import arguments, asks, expiry, replies
from dynakv.resp.arguments import check_key, check_value
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Start, needs_raft
from dynakv.resp.connection import Connection
from dynakv.resp.replies import OK, ONE, ZERO, CommandError, number
from dynakv.resp.requests import Request
from dynakv.resp.tells import TELLS, cut

Tell = Callable[[Connection, Sequence[Result]], bytes]
_INT64_MIN: Final = -(1 << 63)


class Plan(NamedTuple):
    """Operations of one command; `tell` gets as many results, of which none is Wrong."""

    operations: Sequence[Operation]
    tell: Tell
    previous: bool = False  # whether `tell` needs the records that were there before


Build = Callable[[Connection, Scope, Request], Plan]


def atomic(build: Build) -> Start:
    """Return the start of a command that one step of a Raft group does, refused elsewhere."""

    def start(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
        check_raft(conn, scope, request[0].decode(errors="replace").upper())
        run(conn, scope, build(conn, scope, request), slot)

    return start


def check_raft(conn: Connection, scope: Scope, what: str) -> None:
    """Raise CommandError where the keyspace cannot do this, or a level was chosen for it."""
    if not conn.door.modes.of(scope.keyspace).raft:
        raise needs_raft(what, scope.keyspace)
    if scope.level is not None:
        raise CommandError(
            f"ERR the Raft keyspace '{scope.keyspace}' knows no levels: every command is"
            " linearizable; DYNAKV.CONSISTENCY default"
        )


def run(conn: Connection, scope: Scope, plan: Plan, slot: Slot) -> None:
    """Do a plan and fill the slot with its reply. Raises CommandError for keys of two groups."""
    operations = plan.operations
    conn.door.modes.of(scope.keyspace).check_one_group([one.key for one in operations])

    def then(results: Sequence[Result] | Failure) -> None:
        if isinstance(results, Failure):
            conn.fill(slot, replies.failure(results))
        else:
            conn.fill(slot, told(conn, plan, results))

    asks.execute(scope, operations, then, previous=plan.previous)


def told(conn: Connection, plan: Plan, results: Sequence[Result]) -> bytes:
    """Return the reply of a plan."""
    for result in results:
        if isinstance(result, Wrong):
            return replies.error(f"ERR {result.reason}")
    return plan.tell(conn, results)


# --- replies ---------------------------------------------------------------------------------


def seen(result: Result) -> Record | None:
    """Return the record that was there before, or is in the way."""
    if isinstance(result, Unmet):
        return result.found
    return result.before if isinstance(result, Done) else None


def _ok(_: Connection, __: Sequence[Result]) -> bytes:
    return OK


def _number(_: Connection, results: Sequence[Result]) -> bytes:
    (result,) = results
    assert isinstance(result, Done)
    return replies.integer(result.number)


def _whether_met(_: Connection, results: Sequence[Result]) -> bytes:
    return ONE if all(isinstance(result, Done) for result in results) else ZERO


def _count(_: Connection, results: Sequence[Result]) -> bytes:
    return replies.integer(sum(isinstance(one, Done) and one.applied for one in results))


def _value_before(conn: Connection, results: Sequence[Result]) -> bytes:
    return _bulk(conn, seen(results[0]))


def _values(conn: Connection, results: Sequence[Result]) -> bytes:
    return replies.array([_bulk(conn, seen(result)) for result in results])


def _bulk(conn: Connection, record: Record | None) -> bytes:
    return conn.null if record is None or record.value is None else replies.bulk(record.value)


# --- strings ---------------------------------------------------------------------------------


def put(
    conn: Connection,
    scope: Scope,
    key: bytes,
    value: bytes,
    times_ms: tuple[int, int] = (0, 0),
    condition: IfAbsent | IfPresent | None = None,
) -> Put:
    """Return a put of a checked key and value; without an expiry it takes the keyspace's own."""
    check_key(key)
    check_value(conn, value)
    ttl_ms, expires_ms = times_ms
    if not ttl_ms and not expires_ms:
        ttl_ms = conn.door.modes.of(scope.keyspace).default_ttl_ms
    return Put(key, value, ttl_ms, expires_ms, condition)


def set_(conn: Connection, scope: Scope, request: Request) -> Plan:
    """SET with any of its options"""
    options = arguments.set_options(request)
    conditions: dict[bytes, IfAbsent | IfPresent] = {b"NX": IfAbsent(), b"XX": IfPresent()}
    condition = conditions.get(options.condition)
    expires_ms = KEEP_EXPIRY if options.keeps else options.expires_ms
    times_ms = (options.ttl_ms, expires_ms)
    operation = put(conn, scope, request[1], request[2], times_ms, condition)
    if options.get:
        return Plan([operation], _value_before, previous=True)

    def tell(conn: Connection, results: Sequence[Result]) -> bytes:
        return OK if isinstance(results[0], Done) else conn.null

    return Plan([operation], tell)


def _setex(conn: Connection, scope: Scope, request: Request) -> Plan:
    name = request[0].upper()
    unit = b"PX" if name == b"PSETEX" else b"EX"
    times_ms = expiry.positive(unit, request[2], name.decode().lower())
    return Plan([put(conn, scope, request[1], request[3], times_ms)], _ok)


def _setnx(conn: Connection, scope: Scope, request: Request) -> Plan:
    operation = put(conn, scope, request[1], request[2], condition=IfAbsent())
    return Plan([operation], _whether_met)


def _getset(conn: Connection, scope: Scope, request: Request) -> Plan:
    return Plan([put(conn, scope, request[1], request[2])], _value_before, previous=True)


def _mset(conn: Connection, scope: Scope, request: Request) -> Plan:
    return Plan([put(conn, scope, *pair) for pair in arguments.pairs("mset", request)], _ok)


def _msetnx(conn: Connection, scope: Scope, request: Request) -> Plan:
    # Of a key that is named twice the later value counts: the first must not be in its way.
    pairs = dict(arguments.pairs("msetnx", request))
    operations = [put(conn, scope, *pair, condition=IfAbsent()) for pair in pairs.items()]
    return Plan(operations, _whether_met)


def _getdel(_: Connection, __: Scope, request: Request) -> Plan:
    return Plan([Delete(check_key(request[1]))], _value_before, previous=True)


def getex(_: Connection, __: Scope, request: Request) -> Plan:
    """GETEX with any of its options"""
    key = check_key(request[1])
    times_ms = arguments.getex_options(request)
    operation = Read(key) if times_ms is None else Expire(key, *times_ms)
    return Plan([operation], _value_before, previous=True)


def _append(conn: Connection, __: Scope, request: Request) -> Plan:
    suffix = check_value(conn, request[2])
    return Plan([Append(check_key(request[1]), suffix)], _number)


def _setrange(conn: Connection, __: Scope, request: Request) -> Plan:
    offset = number(request[2])
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    part = check_value(conn, request[3])
    return Plan([Overwrite(check_key(request[1]), offset, part)], _number)


def _incr(_: Connection, __: Scope, request: Request) -> Plan:
    name = request[0].upper()
    amount = number(request[2]) if len(request) > 2 else 1
    if name.startswith(b"DECR"):
        amount = -amount
    if abs(amount) == -_INT64_MIN:  # one more than the positive ones
        raise CommandError("ERR decrement would overflow")
    return Plan([Increment(check_key(request[1]), amount)], _number)


def _strlen(_: Connection, __: Scope, request: Request) -> Plan:
    def tell(_: Connection, results: Sequence[Result]) -> bytes:
        record = seen(results[0])
        return replies.integer(len(record.value or b"") if record is not None else 0)

    return _read([request[1]], tell)


def _getrange(_: Connection, __: Scope, request: Request) -> Plan:
    start, end = number(request[2]), number(request[3])

    def tell(_: Connection, results: Sequence[Result]) -> bytes:
        record = seen(results[0])
        value = (record.value if record is not None else None) or b""
        return replies.bulk(cut(value, start, end))

    return _read([request[1]], tell)


def _get(_: Connection, __: Scope, request: Request) -> Plan:
    return _read([request[1]], _value_before)


def _mget(_: Connection, __: Scope, request: Request) -> Plan:
    return _read(request[1:], _values)


# --- keys ------------------------------------------------------------------------------------


def _delete(_: Connection, __: Scope, request: Request) -> Plan:
    return Plan([Delete(check_key(key)) for key in request[1:]], _count)


def _exists(_: Connection, __: Scope, request: Request) -> Plan:
    return Plan([Read(check_key(key)) for key in request[1:]], _count)


def expire(_: Connection, __: Scope, request: Request) -> Plan:
    """EXPIRE and its like with any of their options"""
    ttl_ms, expires_ms = arguments.expire_times(request)
    when = _when(arguments.expire_options(request))
    return Plan([Expire(check_key(request[1]), ttl_ms, expires_ms, when)], _count)


def _when(options: Sequence[bytes]) -> When:
    given = set(options)
    if given == {b"XX", b"LT"}:
        raise CommandError("ERR XX and LT together are not offered; nothing was done")
    # A key without an expiry lives for ever, so nothing is later: GT implies XX.
    order = ((b"GT", When.LATER), (b"LT", When.EARLIER), (b"XX", When.SOME), (b"NX", When.NONE))
    return next((when for option, when in order if option in given), When.ALWAYS)


def persist(_: Connection, __: Scope, request: Request) -> Plan:
    """PERSIST key"""
    return Plan([Expire(check_key(request[1]))], _count)


def _looking(tell_of: Callable[[Connection, Record | None], bytes]) -> Build:
    def tell(conn: Connection, results: Sequence[Result]) -> bytes:
        return tell_of(conn, seen(results[0]))

    def build(_: Connection, __: Scope, request: Request) -> Plan:
        return _read([request[1]], tell)

    return build


def _read(names: Sequence[bytes], tell: Tell) -> Plan:
    return Plan([Read(check_key(key)) for key in names], tell, previous=True)


# What only a Raft keyspace does, for the table of commands.
RAFT_ONLY: Final[dict[str, Build]] = {
    "SETNX": _setnx,
    "MSETNX": _msetnx,
    "GETSET": _getset,
    "GETDEL": _getdel,
    "APPEND": _append,
    "SETRANGE": _setrange,
    "INCR": _incr,
    "DECR": _incr,
    "INCRBY": _incr,
    "DECRBY": _incr,
}

# What may stand between MULTI and EXEC there.
PLANS: Final[dict[str, Build]] = {
    **RAFT_ONLY,
    "GET": _get,
    "SET": set_,
    "SETEX": _setex,
    "PSETEX": _setex,
    "GETEX": getex,
    "MGET": _mget,
    "MSET": _mset,
    "STRLEN": _strlen,
    "GETRANGE": _getrange,
    "SUBSTR": _getrange,
    "DEL": _delete,
    "UNLINK": _delete,
    "EXISTS": _exists,
    "TOUCH": _exists,
    "EXPIRE": expire,
    "PEXPIRE": expire,
    "EXPIREAT": expire,
    "PEXPIREAT": expire,
    "PERSIST": persist,
    **{name: _looking(tell) for name, tell in TELLS.items()},
}
