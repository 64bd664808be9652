"""WATCH, MULTI and EXEC in a Raft keyspace: everything queued is one batch of one shard group.

What was watched stands before it as conditions, so EXEC takes place only if nothing changed since.

A command that cannot be done (SET NX where there is a value, INCR of a word) does not hold up the
others in Redis; a batch takes place as a whole or not at all. So a batch that failed by such a
command is sent again with reads in its place, which hold to what made it fail. (An operation that
is wrong for the value is replaced by a read without a condition: its error is that of a moment
before.) EXPIRE and PERSIST leave the stamp of a value alone, so WATCH does not see them.
"""

from collections.abc import Sequence
from typing import Final

from dynakv import limits
from dynakv.core.commands import (
    Condition,
    Done,
    IfAbsent,
    IfPresent,
    Operation,
    Read,
    Result,
    Unmet,
    Wrong,
)
from dynakv.errors import Failure
from dynakv.resp import asks, plans, replies
from dynakv.resp.arguments import check_key
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind
from dynakv.resp.connection import Connection
from dynakv.resp.plans import Plan
from dynakv.resp.replies import OK, CommandError
from dynakv.resp.requests import Request

NULL_ARRAYS: Final = {2: b"*-1\r\n", 3: b"_\r\n"}
_ELSEWHERE: Final = frozenset({"SELECT", "DYNAKV.CONSISTENCY"})  # they would change the keyspace


class Transaction(list[bytes]):
    """What EXEC runs: as a request its words are the keys, so that it waits for what it must."""

    def __init__(
        self, requests: Sequence[Request], watched: dict[bytes, Condition], keys: Sequence[bytes]
    ) -> None:
        """Keep what was queued, and the conditions of what was watched."""
        super().__init__([b"EXEC", *watched, *keys])
        self.requests = requests
        self.watched = watched


def watch(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """WATCH key [key ...]"""
    if conn.queued is not None:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    plans.check_raft(conn, scope, "WATCH")
    keys = list(map(check_key, request[1:]))
    watched = conn.watched
    if watched.elsewhere(scope.keyspace):
        raise CommandError(
            f"ERR keys of keyspace '{watched.keyspace}' are watched: a transaction lies in one"
            " keyspace; UNWATCH first"
        )

    def found(result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            conn.fill(slot, replies.failure(result))
        else:
            watched.add(scope.keyspace, keys, result)
            conn.fill(slot, OK)

    asks.read(conn.turn, scope, keys, found)


def begin(conn: Connection, queued: Sequence[Request]) -> None:
    """Run what EXEC found queued; its reply follows in a slot of its own.

    Raises CommandError where it cannot be one batch.
    """
    is_elsewhere = conn.watched.elsewhere(conn.scope.keyspace)
    watched = conn.watched.take()
    plans.check_raft(conn, conn.scope, "EXEC")
    if is_elsewhere:
        raise CommandError("EXECABORT Transaction discarded: keys of another keyspace are watched")
    keys: list[bytes] = []
    for request in queued:
        command = conn.door.find(request[0])
        assert command is not None  # it was looked up before it was queued
        if command.name in _ELSEWHERE or not (
            command.name in plans.PLANS or command.kind is Kind.LOCAL
        ):
            raise CommandError(
                f"EXECABORT Transaction discarded: in a Raft keyspace {command.name} cannot be part"
                " of one"
            )
        keys.extend(command.keys(request))
    conn.keyed(_EXEC, Transaction(queued, watched, keys))


def _run(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    assert isinstance(request, Transaction)
    parts = [_part(conn, scope, queued) for queued in request.requests]
    _Running(conn, scope, slot, request.watched, parts).send()


def _part(conn: Connection, scope: Scope, request: Request) -> Plan:
    """Return the plan of a queued command; of one that is wrong in itself only the complaint."""
    command = conn.door.find(request[0])
    assert command is not None
    try:
        build = plans.PLANS.get(command.name)
        if build is not None:
            return build(conn, scope, request)
        assert command.local is not None
        reply = command.local(conn, request)
    except CommandError as error:
        conn.door.errors += 1
        reply = replies.error(str(error))
    return _saying(reply)


def _saying(reply: bytes, operations: Sequence[Operation] = ()) -> Plan:
    return Plan(operations, lambda _, __: reply)


class _Running:
    """A transaction on its way."""

    def __init__(
        self,
        conn: Connection,
        scope: Scope,
        slot: Slot,
        watched: dict[bytes, Condition],
        parts: Sequence[Plan],
    ) -> None:
        """Check that it is one batch. Raises CommandError."""
        self._conn = conn
        self._scope = scope
        self._slot = slot
        self._guards = [Read(key, condition) for key, condition in watched.items()]
        self._wanted = list(parts)
        self._sent = list(parts)  # with reads in place of what could not be done
        self._attempts = 0
        operations = self._operations()
        conn.door.modes.of(scope.keyspace).check_one_group([one.key for one in operations])
        if len(operations) > limits.REQUEST_KEYS_MAX:
            raise CommandError(
                f"ERR a transaction changes or reads {len(operations)} keys: in a Raft keyspace at"
                f" most {limits.REQUEST_KEYS_MAX} are allowed"
            )

    def _operations(self) -> list[Operation]:
        return [*self._guards, *(one for plan in self._sent for one in plan.operations)]

    def send(self) -> None:
        """Send the batch; where there is nothing to be done in the keyspace, answer."""
        operations = self._operations()
        if operations:
            self._attempts += 1
            asks.execute(self._scope, operations, self._answered, previous=True)
        else:
            self._end(replies.array([plan.tell(self._conn, ()) for plan in self._sent]))

    def _answered(self, results: Sequence[Result] | Failure) -> None:
        if isinstance(results, Failure):
            self._end(replies.failure(results))
            return
        count = len(self._guards)
        if any(isinstance(result, Unmet) for result in results[:count]):
            self._end(NULL_ARRAYS[self._conn.protocol])
            return
        parts: list[Sequence[Result]] = []
        for plan in self._sent:
            parts.append(results[count : count + len(plan.operations)])
            count += len(plan.operations)
        if all(isinstance(result, Done) for result in results):
            tell = plans.told
            pairs = zip(self._sent, parts, strict=True)
            self._end(replies.array([tell(self._conn, plan, part) for plan, part in pairs]))
        elif self._attempts < limits.RESP_ATOMIC_ATTEMPTS_MAX:
            self._sent = [
                self._instead(i, part) if _failed(part) else self._sent[i]
                for i, part in enumerate(parts)
            ]
            self.send()
        else:
            self._end(replies.error(replies.CHANGED_TOO_OFTEN))

    def _instead(self, i: int, results: Sequence[Result]) -> Plan:
        """Return what stands for a command that could not be done."""
        wanted = self._wanted[i]
        if self._sent[i] is not wanted:
            return wanted  # what was in its way is gone
        if any(isinstance(result, Wrong) for result in results):
            reply = plans.told(self._conn, wanted, results)
            return _saying(reply, [Read(one.key) for one in wanted.operations])
        return _unmet(wanted, results)

    def _end(self, reply: bytes) -> None:
        self._conn.fill(self._slot, reply)


def _failed(results: Sequence[Result]) -> bool:
    return any(isinstance(result, Unmet | Wrong) for result in results)


def _unmet(wanted: Plan, results: Sequence[Result]) -> Plan:
    """Return reads that hold to what a command's conditions found, and say what it would."""
    reads = [
        Read(operation.key, _opposite(result))
        for operation, result in zip(wanted.operations, results, strict=True)
    ]

    def tell(conn: Connection, found: Sequence[Result]) -> bytes:
        seen = [
            Unmet(plans.seen(now)) if isinstance(before, Unmet) else now
            for before, now in zip(results, found, strict=True)
        ]
        return wanted.tell(conn, seen)

    return Plan(reads, tell, previous=True)


def _opposite(result: Result) -> Condition | None:
    if not isinstance(result, Unmet):
        return None
    return IfAbsent() if result.found is None else IfPresent()


_EXEC: Final = Command(
    "EXEC",
    -1,
    "transactions",
    "the batch of a transaction",
    Kind.KEYED,
    start=_run,
    writes=True,
    first=1,
    last=-1,
    step=1,
)
