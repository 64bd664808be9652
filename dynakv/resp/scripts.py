"""EVAL, EVALSHA and SCRIPT: only the scripts of redis-py's Lock, known by their SHA-1.

Scripts do not run here. These three are what makes `redis.lock.Lock` and its asyncio twin work
(redis-py 2.10 to 8), and each is one step of a shard group: release, extend, reacquire. What a lock
is worth: its keyspace is linearizable, so nobody else holds it before it was released or has
expired by the time of its group.
"""

from collections.abc import Callable
from hashlib import sha1
from typing import Final

from dynakv.core.commands import Delete, Done, Expire, IfStamp, IfValue, Operation, Read, When
from dynakv.errors import Failure
from dynakv.resp import asks, expiry, plans, replies
from dynakv.resp.arguments import check_key, check_value
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, Support, wrong_arity
from dynakv.resp.connection import Connection
from dynakv.resp.plans import Plan
from dynakv.resp.replies import ONE, ZERO, CommandError, integer, number
from dynakv.resp.requests import Request

RELEASE: Final = b"c3f8721cbb97f72bc19e972846bd7aaf91901658"
EXTEND: Final = b"a4e8783852e6b949f9ef3a97212805108459a890"
REACQUIRE: Final = b"1cac51482acf5858da00f6d685d68f886cd6b6b2"

_UNKNOWN: Final = (
    "ERR scripts do not run here: only those of redis-py's Lock are known; nothing was done"
)


def _told(_: Connection, results: object) -> bytes:
    assert isinstance(results, tuple | list)
    return ONE if all(isinstance(one, Done) and one.applied for one in results) else ZERO


def _release(
    conn: Connection, scope: Scope, key: bytes, arguments: list[bytes], slot: Slot
) -> None:
    (token,) = _exactly(1, arguments)
    operation = Delete(key, IfValue(check_value(conn, token)))
    plans.run(conn, scope, Plan([operation], _told), slot)


def _reacquire(
    conn: Connection, scope: Scope, key: bytes, arguments: list[bytes], slot: Slot
) -> None:
    token, amount = _exactly(2, arguments)
    times_ms = expiry.any_time(1, amount, "pexpire", absolute=False)
    operations: list[Operation] = [
        Read(key, IfValue(check_value(conn, token))),
        Expire(key, *times_ms),
    ]
    plans.run(conn, scope, Plan(operations, _told), slot)


def _extend(conn: Connection, scope: Scope, key: bytes, arguments: list[bytes], slot: Slot) -> None:
    token, amount, replaces = _exactly(3, arguments)
    check_value(conn, token)
    if replaces != b"0":
        times_ms = expiry.any_time(1, amount, "pexpire", absolute=False)
        operations: list[Operation] = [
            Read(key, IfValue(token)),
            Expire(key, *times_ms, When.SOME),
        ]
        plans.run(conn, scope, Plan(operations, _told), slot)
        return
    more_ms = number(amount)

    def found(result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
            return
        record = result[0]
        deadline_ms = 0 if record is None else expiry.deadline_ms(record)
        if record is None or record.value != token or not deadline_ms:
            conn.fill(slot, ZERO)
            return
        # The deadline that is added to is that of the moment before; the lock is still the same.
        unchanged = Read(key, IfStamp(record.value_time, record.value_writer))
        later = Expire(key, 0, max(deadline_ms + more_ms, expiry.PAST_MS), When.SOME)
        plans.run(conn, scope, Plan([unchanged, later], _told), slot)

    asks.read(conn.turn, scope, [key], found)


def _exactly(count: int, arguments: list[bytes]) -> list[bytes]:
    if len(arguments) != count:
        raise CommandError(f"ERR this script takes {count} arguments, not {len(arguments)}")
    return arguments


_SCRIPTS: Final[dict[bytes, Callable[[Connection, Scope, bytes, list[bytes], Slot], None]]] = {
    RELEASE: _release,
    EXTEND: _extend,
    REACQUIRE: _reacquire,
}


def evalsha(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """EVALSHA sha1 numkeys key [arg ...]"""
    _check_count(request)
    run = _SCRIPTS.get(request[1].lower())
    if run is None:
        raise CommandError("NOSCRIPT No matching script. Please use EVAL.")
    _start(conn, scope, request, slot, run)


def eval_(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """EVAL script numkeys key [arg ...]"""
    _check_count(request)
    run = _SCRIPTS.get(_sha(request[1]))
    if run is None:
        raise CommandError(_UNKNOWN)
    _start(conn, scope, request, slot, run)


def _start(
    conn: Connection,
    scope: Scope,
    request: Request,
    slot: Slot,
    run: Callable[[Connection, Scope, bytes, list[bytes], Slot], None],
) -> None:
    plans.check_raft(conn, scope, "a script")
    if request[2] != b"1":
        raise CommandError("ERR this script takes 1 key")
    run(conn, scope, check_key(request[3]), request[4:], slot)


def _check_count(request: Request) -> None:
    count = number(request[2])
    if count > len(request) - 3:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError("ERR Number of keys can't be negative")


def _sha(script: bytes) -> bytes:
    return sha1(script, usedforsecurity=False).hexdigest().encode()


def script(conn: Connection, request: Request) -> bytes:
    """SCRIPT LOAD script | EXISTS sha1 [sha1 ...] | FLUSH"""
    del conn
    match [request[1].upper(), *request[2:]]:
        case [b"LOAD", text]:
            sha = _sha(text)
            if sha not in _SCRIPTS:
                raise CommandError(_UNKNOWN)
            return replies.bulk(sha)
        case [b"EXISTS", _, *_]:
            return replies.array([integer(sha.lower() in _SCRIPTS) for sha in request[2:]])
        case [b"FLUSH"] | [b"FLUSH", _]:
            return replies.OK  # they are known for ever
        case [b"LOAD" | b"EXISTS", *_]:
            raise wrong_arity(f"script|{request[1].decode().lower()}")
        case _:
            raise CommandError(
                f"ERR unknown subcommand '{replies.shown(request[1])}'. Try LOAD, EXISTS or FLUSH."
            )


COMMANDS: Final = (
    *(
        Command(
            name,
            -3,
            "scripts",
            "only the scripts of redis-py's Lock",
            Kind.KEYED,
            start=start,
            writes=True,
            first=3,
            last=3,
            step=1,
            support=Support.RAFT,
        )
        for name, start in (("EVAL", eval_), ("EVALSHA", evalsha))
    ),
    Command(
        "SCRIPT",
        -2,
        "scripts",
        "LOAD, EXISTS and FLUSH, of these",
        Kind.LOCAL,
        local=script,
        support=Support.RAFT,
    ),
)
