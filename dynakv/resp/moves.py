"""RENAME, RENAMENX and COPY: a value moves to another key of its shard group, in one step.

No operation of a group carries a value from key to key. So it is read, and then written on
condition that it is still there under its stamp; where it is not, again.
"""

from collections.abc import Sequence
from typing import Final

from dynakv import limits
from dynakv.core.commands import (
    Delete,
    Done,
    IfAbsent,
    IfStamp,
    Operation,
    Put,
    Read,
    Result,
    Unmet,
)
from dynakv.core.record import Record
from dynakv.errors import Failure
from dynakv.resp import asks, expiry, plans, replies
from dynakv.resp.arguments import check_key
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Start
from dynakv.resp.connection import Connection
from dynakv.resp.replies import OK, ONE, SYNTAX_ERROR, ZERO, CommandError
from dynakv.resp.requests import Request


class _Move:
    """One command on its way."""

    def __init__(
        self, conn: Connection, scope: Scope, request: Request, slot: Slot, *, replaces: bool
    ) -> None:
        """Check the request. Raises CommandError."""
        self._conn = conn
        self._scope = scope
        self._slot = slot
        name = request[0].decode(errors="replace").upper()
        plans.check_raft(conn, scope, name)
        self._source, self._target = map(check_key, request[1:3])
        conn.door.modes.of(scope.keyspace).check_one_group([self._source, self._target])
        self._copies = name == "COPY"
        self._replaces = replaces
        self._done = OK if name == "RENAME" else ONE
        self._attempts = 0

    def read(self) -> None:
        """Begin, or begin again."""
        self._attempts += 1
        asks.read(self._conn.turn, self._scope, [self._source], self._found)

    def _found(self, result: asks.Records | Failure) -> None:
        if isinstance(result, Failure):
            self._end(replies.failure(result))
            return
        record = result[0]
        if record is None or record.value is None:
            self._end(ZERO if self._copies else replies.error("ERR no such key"))
        elif self._source == self._target:
            self._end(self._done if self._replaces else ZERO)
        else:
            asks.execute(self._scope, self._operations(record, record.value), self._written)

    def _operations(self, record: Record, value: bytes) -> Sequence[Operation]:
        unchanged = Read(record.key, IfStamp(record.value_time, record.value_writer))
        condition = None if self._replaces else IfAbsent()
        put = Put(self._target, value, 0, expiry.deadline_ms(record), condition)
        return [unchanged, put] if self._copies else [unchanged, put, Delete(record.key)]

    def _written(self, results: Sequence[Result] | Failure) -> None:
        if isinstance(results, Failure):
            self._end(replies.failure(results))
        elif all(isinstance(result, Done) for result in results):
            self._end(self._done)
        elif not isinstance(results[0], Unmet):
            self._end(ZERO)  # the source is as it was, so the target is in the way
        elif self._attempts < limits.RESP_ATOMIC_ATTEMPTS_MAX:
            self.read()
        else:
            self._end(replies.error(replies.CHANGED_TOO_OFTEN))

    def _end(self, reply: bytes) -> None:
        self._conn.fill(self._slot, reply)


def rename(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """RENAME key newkey"""
    _Move(conn, scope, request, slot, replaces=True).read()


def renamenx(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """RENAMENX key newkey"""
    _Move(conn, scope, request, slot, replaces=False).read()


def copy(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """COPY source destination [REPLACE]"""
    options = [word.upper() for word in request[3:]]
    if options not in ([], [b"REPLACE"]):
        raise CommandError(SYNTAX_ERROR if b"DB" not in options else _OTHER)
    _Move(conn, scope, request, slot, replaces=bool(options)).read()


_OTHER: Final = "ERR COPY to another database is not offered: no step reaches over two keyspaces"

COMMANDS: Final[dict[str, Start]] = {"RENAME": rename, "RENAMENX": renamenx, "COPY": copy}
