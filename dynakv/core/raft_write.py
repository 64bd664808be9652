"""What one turn of the Raft groups makes durable, and what applying committed commands answers.

A part of `core/table.py`: pure, the same on SQLite and on the simulator's disk. All busy groups of
a turn are one operation, so one transaction holds their votes, their log entries, what their
committed commands do to the records, and how far each group is applied, in that order.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from dynakv.core import state_machine
from dynakv.core.commands import Command, Result
from dynakv.core.raft.messages import Entry
from dynakv.core.raft_rows import (
    STATE_KEY,
    GroupState,
    data_keyspace,
    entry_row,
    log_keyspace,
    log_rows,
    number_key,
    session_keyspace,
    session_row,
    state_keyspace,
    state_row,
    value_of,
)
from dynakv.core.record import Record
from dynakv.core.row import Damaged, Row, RowKey


class GroupWrite(Struct, frozen=True, gc=False):
    """What one group makes durable.

    `state` is as it shall be, but for `time`, which the commands move. Log rows of
    [remove_first, remove_last] go (compacted, or cut off); `entries` are written afterwards.
    """

    keyspace: int
    group: int
    state: GroupState
    entries: tuple[Entry, ...] = ()
    removed: tuple[tuple[int, int], ...] = ()  # ranges of indexes, first and last
    commands: tuple[Command, ...] = ()  # of the entries up to `state.applied`, in order
    shows_before: bool = False  # a snapshot is being read: what was there is asked for as well


class GroupWritten(Struct, frozen=True, gc=False):
    """What it came to. `damaged`: a row fails its checksum, and nothing at all was written."""

    state: GroupState
    results: list[tuple[Result, ...]]  # parallel to the commands
    rows: dict[bytes, Record | None]  # of the group's keys, as the commands left them
    damaged: bytes | None = None  # the key
    # Where it was asked for: what lay under the keys of `rows`, and under those of sessions.
    rows_before: dict[bytes, Record | None] = {}
    sessions_before: dict[bytes, Record | None] = {}


class RaftWrite(Struct, frozen=True, gc=False):
    """The writes of several groups, each group once."""

    writes: list[GroupWrite]


class RaftWritten(Struct, frozen=True, gc=False):
    """Parallel to the writes."""

    groups: list[GroupWritten]


def raft_read_set(operation: RaftWrite) -> Iterator[RowKey]:
    """Return the rows that the commands need."""
    for write in operation.writes:
        if not write.commands:
            continue
        generation = write.state.generation
        data = data_keyspace(write.keyspace, generation)
        sessions = session_keyspace(write.keyspace, generation)
        for command in write.commands:
            if command.client:
                yield sessions, write.group, number_key(command.client)
            for one in command.operations:
                yield data, write.group, one.key


def raft_apply(
    operation: RaftWrite, rows: Mapping[RowKey, Row], writes: dict[RowKey, Record | None]
) -> RaftWritten:
    """Do the writes of all groups."""
    return RaftWritten([_write_group(write, rows, writes) for write in operation.writes])


def raft_rows(operation: RaftWrite) -> int:
    """Return how many rows an operation may write."""
    return sum(
        1
        + len(write.entries)
        + sum(last - first + 1 for first, last in write.removed)
        + sum(1 + len(command.operations) for command in write.commands)
        for write in operation.writes
    )


def raft_bytes(operation: RaftWrite) -> int:
    """Return the bytes of entries; what is applied was an entry before, and counts the same."""
    return sum(
        sum(len(entry.data) for entry in write.entries) + 64 * len(write.commands)
        for write in operation.writes
    )


def _write_group(
    write: GroupWrite, rows: Mapping[RowKey, Row], writes: dict[RowKey, Record | None]
) -> GroupWritten:
    keyspace, group, state = write.keyspace, write.group, write.state
    results: list[tuple[Result, ...]] = []
    changed: dict[bytes, Record | None] = {}
    rows_before: dict[bytes, Record | None] = {}
    sessions_before: dict[bytes, Record | None] = {}
    if write.commands:
        applied = _apply(write, rows, writes)
        if isinstance(applied, bytes):
            return GroupWritten(state, [], {}, applied)
        time, results, changed, sessions = applied
        state = replace(state, time=time)
        data = data_keyspace(keyspace, state.generation)
        hidden = session_keyspace(keyspace, state.generation)
        if write.shows_before:
            found = ChainMap(writes, rows)  # type: ignore[arg-type]
            rows_before = _records(found, data, group, changed)
            sessions_before = _records(found, hidden, group, map(number_key, sessions))
        writes.update(((data, group, key), row) for key, row in changed.items())
        for client, session in sessions.items():
            row = session_row(client, state_machine.session_bytes(session))
            writes[hidden, group, number_key(client)] = row
    for first, last in write.removed:
        writes.update(dict.fromkeys(log_rows(keyspace, group, first, last)))
    hidden = log_keyspace(keyspace)
    for entry in write.entries:
        writes[hidden, group, number_key(entry.index)] = entry_row(entry)
    writes[state_keyspace(keyspace), group, STATE_KEY] = state_row(state)
    return GroupWritten(state, results, changed, None, rows_before, sessions_before)


def _records(
    rows: Mapping[RowKey, Row], place: int, group: int, keys: Iterable[bytes]
) -> dict[bytes, Record | None]:
    """Return what lies under these keys; none of it is damaged."""
    found = {key: rows.get((place, group, key)) for key in keys}
    return {key: row if isinstance(row, Record) else None for key, row in found.items()}


_Applied = tuple[
    int, list[tuple[Result, ...]], dict[bytes, Record | None], dict[int, state_machine.Session]
]
_Sessions = dict[int, state_machine.Session | None]


def _apply(
    write: GroupWrite, rows: Mapping[RowKey, Row], writes: Mapping[RowKey, Record | None]
) -> _Applied | bytes:
    """Run a group's commands one after the other; the key of a damaged row, if one is met."""
    present: dict[bytes, Record] = {}
    sessions: _Sessions = {}
    damaged = _gather(write, rows, writes, present, sessions)
    if damaged is not None:
        return damaged
    time = write.state.time
    results: list[tuple[Result, ...]] = []
    changed: dict[bytes, Record | None] = {}
    used: dict[int, state_machine.Session] = {}
    for command in write.commands:
        done = state_machine.apply(command, time, present, sessions.get(command.client))
        time = done.time
        results.append(done.results)
        for key, row in done.writes.items():
            changed[key] = row
            if row is None:
                present.pop(key, None)
            else:
                present[key] = row
        if done.session is not None:
            used[command.client] = sessions[command.client] = done.session
    return time, results, changed, used


def _gather(
    write: GroupWrite,
    rows: Mapping[RowKey, Row],
    writes: Mapping[RowKey, Record | None],
    present: dict[bytes, Record],
    sessions: _Sessions,
) -> bytes | None:
    """Find the records and sessions that the commands need; the key of a damaged row, if any."""
    group, generation = write.group, write.state.generation
    data = data_keyspace(write.keyspace, generation)
    hidden = session_keyspace(write.keyspace, generation)
    for command in write.commands:
        if command.client and command.client not in sessions:
            where = (hidden, group, number_key(command.client))
            found: Row = writes[where] if where in writes else rows.get(where)
            if isinstance(found, Damaged):
                return where[2]
            raw = value_of(found)
            sessions[command.client] = None if raw is None else state_machine.session_of(raw)
        for one in command.operations:
            where = (data, group, one.key)
            found = writes[where] if where in writes else rows.get(where)
            if isinstance(found, Damaged):
                return one.key
            if found is not None:
                present[one.key] = found
    return None
