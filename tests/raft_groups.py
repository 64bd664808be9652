"""Raft keyspaces without Raft, for the tests of doors and clients: commands do what they do.

Each shard group is a state machine of `core/state_machine.py` that applies what it is asked at
once, so that doors are tested against the real meaning of commands and request ids.
"""

from collections.abc import Sequence

from dynakv.core.commands import KEEP_EXPIRY as KEEP
from dynakv.core.commands import Command, Delete, Done, Operation, Result, Unmet
from dynakv.core.commands import Expire as ExpireOperation
from dynakv.core.commands import Put as PutOperation
from dynakv.core.hlc import reading
from dynakv.core.layout import (
    KeyspaceSettings,
    Layout,
    Member,
    Mode,
    NodeId,
    first_layout,
    group_shift,
    token_of,
)
from dynakv.core.record import Record, live
from dynakv.core.state_machine import Session, apply
from dynakv.errors import Failure, Kind
from dynakv.node.messages import (
    KEEP_EXPIRY,
    ClientMessage,
    ClientReply,
    Expire,
    Expired,
    Found,
    Get,
    List,
    Listed,
    Put,
    Refused,
    Stored,
)
from dynakv.node.raft_messages import Execute, Executed

WRITER = 11
WALL_MS = 1_700_000_000_000


def raft_layout(
    *names: str, hash_tags: bool = True, groups: int = 4, default_ttl_ms: int = 0
) -> Layout:
    """Return a layout of three nodes with these Raft keyspaces, and a leaderless `default`.

    Where `default` is among the names it is in Raft mode as well.
    """
    members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in (1, 2, 3)]
    default = KeyspaceSettings("default", groups=groups)
    rafts = [
        KeyspaceSettings(
            name,
            mode=Mode.RAFT,
            groups=groups,
            hash_tags=hash_tags,
            default_ttl_ms=default_ttl_ms,
        )
        for name in names
    ]
    return first_layout(members, [default, *rafts])


class RaftGroups:
    """All groups of the Raft keyspaces of a layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.now_ms = WALL_MS
        self.leader = "n2"
        self.rows: dict[tuple[str, bytes], Record] = {}
        self.commands: list[Command] = []
        self._times: dict[tuple[str, int], int] = {}
        self._sessions: dict[tuple[str, int, int], Session] = {}

    def group(self, keyspace: str, key: bytes) -> int:
        """Return the shard group of a key."""
        found = self.layout.keyspace(keyspace)
        assert found is not None
        settings = found.settings
        return token_of(key, hash_tags=settings.hash_tags) >> group_shift(settings.groups)

    def is_raft(self, keyspace: str) -> bool:
        found = self.layout.keyspace(keyspace)
        return found is not None and found.settings.mode is Mode.RAFT

    def answer(self, message: ClientMessage) -> list[ClientReply]:
        """Return the answer to a message about a keyspace of either mode."""
        entries = list(range(entries_of(message)))
        if not self.is_raft(message.keyspace):
            reason = f"keyspace {message.keyspace} is leaderless"
            return [Refused(entries, Failure(Kind.PRECONDITION, reason))]
        if (refused := _refusal(message)) is not None:
            return [Refused(entries, Failure(Kind.PRECONDITION, refused))]
        match message:
            case Get():
                found = [self.find(message.keyspace, key) for key in message.keys]
                return [Found(entries, found, self.leader)]
            case Put():
                return [self._put(message, entries)]
            case Expire():
                done = [self._run(message.keyspace, (_expire(message, i),)) for i in entries]
                results = [result for (result,) in done]
                return [Expired(entries, [_done(result).before is not None for result in results])]
            case List():
                return [self._list(message)]
            case Execute():
                return [self._execute(message, i) for i in entries]
            case _:
                raise AssertionError(message)

    def find(self, keyspace: str, key: bytes) -> Record | None:
        record = self.rows.get((keyspace, key))
        return record if live(record, self.now_ms) else None

    def _put(self, put: Put, entries: list[int]) -> Stored:
        done = [_done(*self._run(put.keyspace, (_put(put, i),))) for i in entries]
        times, writers = [one.time for one in done], [one.writer for one in done]
        before = [one.before for one in done] if put.previous else None
        return Stored(entries, times, writers, before)

    def _list(self, message: List) -> Listed:
        rows = [
            self.rows[where]
            for where in sorted(self.rows)
            if where[0] == message.keyspace and self.find(*where) is not None
        ]
        return Listed([0], rows, None)

    def _execute(self, message: Execute, i: int) -> ClientReply:
        batch = message.batches[i]
        groups = {self.group(message.keyspace, operation.key) for operation in batch}
        if len(groups) > 1:
            return Refused([i], Failure(Kind.INVALID, "a batch spans shard groups"), self.leader)
        ids = (message.clients, message.sequences, message.settled_below, message.issued_ms)
        client, sequence, settled, issued_ms = (
            0 if column is None else column[i] for column in ids
        )
        results = self._run(message.keyspace, batch, client, sequence, settled, issued_ms)
        if not message.previous:
            results = tuple(map(_brief, results))
        return Executed([i], [results], self.leader)

    def _run(
        self, keyspace: str, operations: tuple[Operation, ...], *ids: int
    ) -> tuple[Result, ...]:
        group = self.group(keyspace, operations[0].key)
        command = Command(reading(self.now_ms), WRITER, operations, *ids)
        self.commands.append(command)
        rows = {key: row for (of, key), row in self.rows.items() if of == keyspace}
        session = self._sessions.get((keyspace, group, command.client))
        applied = apply(command, self._times.get((keyspace, group), 0), rows, session)
        self._times[keyspace, group] = applied.time
        for key, row in applied.writes.items():
            if row is None:
                self.rows.pop((keyspace, key), None)
            else:
                self.rows[keyspace, key] = row
        if applied.session is not None:
            self._sessions[keyspace, group, command.client] = applied.session
        return applied.results


def entries_of(message: ClientMessage) -> int:
    match message:
        case List():
            return 1
        case Execute():
            return len(message.batches)
        case _:
            return len(message.keys)


def _refusal(message: ClientMessage) -> str | None:
    if isinstance(message, Put | Get | Expire) and message.level is not None:
        return "level cannot be chosen"
    if isinstance(message, Put) and message.times is not None:
        return "stamp cannot be chosen"
    return None


def _put(put: Put, i: int) -> Operation:
    key, value = put.keys[i], put.values[i]
    if value is None:
        return Delete(key)
    ttl_ms = put.ttls_ms[i] if put.ttls_ms else 0
    expires_ms = put.expiries_ms[i] if put.expiries_ms else 0
    return PutOperation(key, value, ttl_ms, KEEP if expires_ms == KEEP_EXPIRY else expires_ms)


def _expire(expire: Expire, i: int) -> Operation:
    ttl_ms = expire.ttls_ms[i] if expire.ttls_ms else 0
    return ExpireOperation(
        expire.keys[i], ttl_ms, expire.expiries_ms[i] if expire.expiries_ms else 0
    )


def _done(*results: Result) -> Done:
    (result,) = results
    assert isinstance(result, Done)
    return result


def _brief(result: Result) -> Result:
    match result:
        case Done():
            return Done(result.applied, result.time, result.writer, None, result.number)
        case Unmet():
            return Unmet(None)
        case _:
            return result


def keys_in_groups(groups: RaftGroups, keyspace: str, count: int) -> Sequence[bytes]:
    """Return a key for each of so many different groups."""
    found: dict[int, bytes] = {}
    for i in range(1_000):
        key = b"key%d" % i
        found.setdefault(groups.group(keyspace, key), key)
        if len(found) == count:
            break
    return list(found.values())
