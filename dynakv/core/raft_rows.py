"""How a Raft group lies on disk: log, state and sessions as rows in hidden keyspaces.

Everything of a group is a row like any record: found by (keyspace, group, key), checksummed,
carried by the batch log, settled and removed by the same code, and durable in the transaction that
wrote it. So one fsync covers the logs, the votes and the applied commands of all groups of a turn.

    log        one row an entry, by its index
    state      one row: term, vote, commit, what is applied, who takes part (`GroupState`)
    sessions   one row a client: what exactly-once rests on (`state_machine.Session`)
    data       the records; of generation 0 in the keyspace itself, where tools look for them

Data and sessions have a generation: a snapshot is received into the next one beside what is there,
and the state row then names it. So a follower that is being sent a snapshot keeps all that it has
acknowledged until the very transaction that replaces it, and no reader sees half of it.

No layout names a hidden keyspace: no client can ask for it, no hash tree covers it.
"""

from struct import Struct as Layout
from typing import Final

from msgspec import Struct, msgpack
from xxhash import xxh3_64_intdigest

from dynakv.core.raft.messages import NO_MEMBERS, Entry, EntryKind, MemberId, Membership
from dynakv.core.record import Record, written
from dynakv.core.row import Row, RowKey

STATE_KEY: Final = b"state"
_ENTRY: Final = Layout(">QB")
_WRITER: Final = 1  # of the stamps of hidden rows, which nobody compares


class Replacement(Struct, frozen=True, array_like=True, gc=False):
    """A member that a node has in place of one that forgot; founding members need no entry."""

    member: MemberId
    node: str
    incarnation: int  # of the node's data directory: no other may speak in the member's name


class GroupState(Struct, frozen=True, array_like=True):
    """What must survive a restart beside the log and the data.

    Invariant: offset <= applied <= commit, and the log holds all of (offset, last].
    """

    incarnation: int  # of the data directory whose member this is: no other may vote in its name
    member_id: MemberId
    term: int
    vote: MemberId
    commit: int
    applied: int
    time: int  # group time: of the last applied command
    offset: int  # last compacted index, or the snapshot's, and its term
    offset_term: int
    last: int  # newest index of the log
    membership: Membership  # in force at `applied`
    generation: int  # of data and sessions
    replacements: tuple[Replacement, ...] = ()  # of those in `membership`

    @property
    def blank(self) -> bool:
        """Whether this member knows nothing yet, not even who else takes part."""
        return self.membership == NO_MEMBERS


def blank_state(incarnation: int, member: MemberId) -> GroupState:
    """Return the state of a member that begins with nothing: it waits for a snapshot."""
    nobody = MemberId(0)
    return GroupState(incarnation, member, 0, nobody, 0, 0, 0, 0, 0, 0, NO_MEMBERS, 0)


def log_keyspace(keyspace: int) -> int:
    """Return the id of the keyspace of the logs of a keyspace's groups."""
    return xxh3_64_intdigest(b"raft log\0%016x" % keyspace)


def state_keyspace(keyspace: int) -> int:
    """Return the id of the keyspace of the states of a keyspace's groups."""
    return xxh3_64_intdigest(b"raft state\0%016x" % keyspace)


def session_keyspace(keyspace: int, generation: int) -> int:
    """Return the id of the keyspace of the sessions of a keyspace's groups."""
    return xxh3_64_intdigest(b"raft sessions\0%016x\0%d" % (keyspace, generation % 2))


def data_keyspace(keyspace: int, generation: int) -> int:
    """Return the id of the keyspace of a keyspace's records: its own, or the other one."""
    return xxh3_64_intdigest(b"raft data\0%016x" % keyspace) if generation % 2 else keyspace


def hidden_keyspaces(keyspace: int) -> tuple[int, ...]:
    """Return all that must go with a dropped keyspace, beside its own rows."""
    return (
        log_keyspace(keyspace),
        state_keyspace(keyspace),
        session_keyspace(keyspace, 0),
        session_keyspace(keyspace, 1),
        data_keyspace(keyspace, 1),
    )


def number_key(number: int) -> bytes:
    """Return the key of an index or a client: in the order of the numbers."""
    return number.to_bytes(8, "big")


def entry_row(entry: Entry) -> Record:
    """Return a log entry as a row."""
    value = _ENTRY.pack(entry.term, entry.kind) + entry.data
    return written(number_key(entry.index), value, 0, entry.index, _WRITER)


def entry_of(row: Record) -> Entry:
    """Return the log entry of `entry_row`."""
    assert row.value is not None
    term, kind = _ENTRY.unpack_from(row.value)
    return Entry(term, int.from_bytes(row.key, "big"), EntryKind(kind), row.value[_ENTRY.size :])


def state_row(state: GroupState) -> Record:
    """Return a group's state as a row."""
    return written(STATE_KEY, msgpack.encode(state), 0, state.applied, _WRITER)


_decode_state: Final = msgpack.Decoder(GroupState).decode


def state_of(row: Record) -> GroupState:
    """Return the state of `state_row`. Raises msgspec.DecodeError on anything else."""
    assert row.value is not None
    return _decode_state(row.value)


def session_row(client: int, session: bytes) -> Record:
    """Return a client's session (`state_machine.session_bytes`) as a row."""
    return written(number_key(client), session, 0, 1, _WRITER)


def log_rows(keyspace: int, group: int, first: int, last: int) -> list[RowKey]:
    """Return where the entries of [first, last] lie."""
    hidden = log_keyspace(keyspace)
    return [(hidden, group, number_key(index)) for index in range(first, last + 1)]


def value_of(row: Row) -> bytes | None:
    """Return what an intact row holds, None where there is none."""
    return row.value if isinstance(row, Record) else None
