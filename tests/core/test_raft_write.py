"""Claims about `dynakv.core.raft_write`: one turn of many groups, whole and in order."""

from dynakv.core import table
from dynakv.core.commands import Append, Command, Done, Forgotten, IfAbsent, Operation, Put, Unmet
from dynakv.core.hlc import reading
from dynakv.core.raft.messages import Entry, MemberId, Membership
from dynakv.core.raft_rows import (
    STATE_KEY,
    GroupState,
    data_keyspace,
    log_rows,
    number_key,
    session_keyspace,
    state_keyspace,
    state_of,
)
from dynakv.core.raft_write import GroupWrite, GroupWritten, RaftWrite, RaftWritten
from dynakv.core.record import Record

KS = 77
ME = MemberId(5)
NOW = reading(1_700_000_000_000)


class Disk:
    """Rows under `core.table`."""

    def __init__(self) -> None:
        self.rows: dict[table.RowKey, table.Row] = {}

    def write(self, *writes: GroupWrite) -> list[GroupWritten]:
        operation = RaftWrite(list(writes))
        fetched = {where: self.rows.get(where) for where in table.read_set([operation])}
        made, (reply,) = table.apply([operation], fetched)
        for where, row in made.items():
            if row is None:
                self.rows.pop(where, None)
            else:
                self.rows[where] = row
        assert isinstance(reply, RaftWritten)
        return reply.groups

    def value(self, key: bytes, generation: int = 0, group: int = 0) -> bytes | None:
        row = self.rows.get((data_keyspace(KS, generation), group, key))
        return row.value if isinstance(row, Record) else None


def state(applied: int = 0, **fields: int) -> GroupState:
    kept = {"generation": 0, "time": 0, "last": applied} | fields
    return GroupState(
        1,
        ME,
        1,
        ME,
        applied,
        applied,
        kept["time"],
        0,
        0,
        kept["last"],
        Membership(),
        kept["generation"],
    )


def command(*operations: Operation, sequence: int = 0) -> Command:
    return Command(NOW, 9, operations, 3 if sequence else 0, sequence, 0, NOW >> 16)


def test_commands_of_a_turn_see_each_other_and_the_state_says_how_far_they_got() -> None:
    disk = Disk()
    commands = (command(Append(b"k", b"a")), command(Append(b"k", b"b")))
    (written,) = disk.write(GroupWrite(KS, 0, state(2), commands=commands))
    assert disk.value(b"k") == b"ab"
    assert [r[0].number for r in written.results if isinstance(r[0], Done)] == [1, 2]
    row = disk.rows[state_keyspace(KS), 0, STATE_KEY]
    assert isinstance(row, Record)
    assert state_of(row) == written.state
    assert written.state.applied == 2
    assert written.state.time == NOW + 1
    assert written.rows[b"k"] == disk.rows[KS, 0, b"k"]


def test_group_time_goes_on_from_write_to_write() -> None:
    disk = Disk()
    (first,) = disk.write(GroupWrite(KS, 0, state(1), commands=(command(Put(b"k", b"1")),)))
    late = Command(5, 9, (Put(b"k", b"2"),))
    moved = state(2, time=first.state.time)
    (second,) = disk.write(GroupWrite(KS, 0, moved, commands=(late,)))
    assert second.state.time == first.state.time + 1
    assert disk.value(b"k") == b"2"


def test_a_request_is_run_once_within_a_write_and_across_writes() -> None:
    disk = Disk()
    again = command(Append(b"k", b"x"), sequence=1)
    disk.write(GroupWrite(KS, 0, state(2), commands=(again, again)))
    (written,) = disk.write(GroupWrite(KS, 0, state(3, time=NOW), commands=(again,)))
    assert disk.value(b"k") == b"x"
    assert isinstance(written.results[0][0], Done)
    assert (session_keyspace(KS, 0), 0, number_key(3)) in disk.rows


def test_an_old_request_is_not_run() -> None:
    disk = Disk()
    old = Command(NOW, 9, (Append(b"k", b"x"),), 3, 1, 0, 1)
    (written,) = disk.write(GroupWrite(KS, 0, state(1), commands=(old,)))
    assert written.results == [(Forgotten(),)]
    assert disk.value(b"k") is None


def test_what_is_shown_of_the_past_is_left_out_where_nobody_wants_it() -> None:
    disk = Disk()
    quiet = Command(NOW, 9, (Put(b"k", b"1"),), previous=False)
    taken = Command(NOW, 9, (Put(b"k", b"2", condition=IfAbsent()),), previous=False)
    (written,) = disk.write(GroupWrite(KS, 0, state(3), commands=(quiet, quiet, taken)))
    assert [r[0].before for r in written.results[:2] if isinstance(r[0], Done)] == [None, None]
    assert written.results[2] == (Unmet(None),)


def test_entries_replace_what_was_cut_off_and_compacted_rows_go() -> None:
    disk = Disk()
    entries = tuple(Entry(1, i, data=b"%d" % i) for i in range(1, 6))
    disk.write(GroupWrite(KS, 0, state(last=5), entries))
    newer = (Entry(2, 3, data=b"new"),)
    disk.write(GroupWrite(KS, 0, state(last=3), newer, removed=((1, 1), (3, 5))))
    there = [where in disk.rows for where in log_rows(KS, 0, 1, 5)]
    assert there == [False, True, True, False, False]
    row = disk.rows[log_rows(KS, 0, 3, 3)[0]]
    assert isinstance(row, Record)
    assert row.value is not None
    assert row.value.endswith(b"new")


def test_groups_and_generations_keep_apart() -> None:
    disk = Disk()
    put = (command(Put(b"k", b"0")),)
    other = (command(Put(b"k", b"1")),)
    disk.write(
        GroupWrite(KS, 0, state(1), commands=put),
        GroupWrite(KS, 1, state(1, generation=1), commands=other),
    )
    assert disk.value(b"k") == b"0"
    assert disk.value(b"k", generation=1, group=1) == b"1"
    assert disk.value(b"k", group=1) is None


def test_a_damaged_row_stops_the_write_of_its_group_only() -> None:
    disk = Disk()
    disk.rows[KS, 0, b"k"] = table.DAMAGED
    put = (command(Append(b"k", b"0")),)
    bad, good = disk.write(
        GroupWrite(KS, 0, state(1), (Entry(1, 2),), commands=put),
        GroupWrite(KS, 1, state(1), commands=put),
    )
    assert bad.damaged == b"k"
    assert (state_keyspace(KS), 0, STATE_KEY) not in disk.rows
    assert log_rows(KS, 0, 2, 2)[0] not in disk.rows
    assert good.damaged is None
    assert disk.value(b"k", group=1) == b"0"


def test_a_damaged_session_counts_as_damage() -> None:
    disk = Disk()
    disk.rows[session_keyspace(KS, 0), 0, number_key(3)] = table.DAMAGED
    (written,) = disk.write(
        GroupWrite(KS, 0, state(1), commands=(command(Put(b"k", b"v"), sequence=1),))
    )
    assert written.damaged == number_key(3)


def test_what_bounds_a_transaction_counts_entries_and_what_is_applied() -> None:
    write = GroupWrite(
        KS, 0, state(1), (Entry(1, 2, data=b"xyz"),), ((5, 6),), (command(Put(b"k", b"v")),)
    )
    assert table.rows_in(RaftWrite([write, write])) == 2 * (1 + 1 + 2 + 2)
    assert table.bytes_in(RaftWrite([write])) == 3 + 64
