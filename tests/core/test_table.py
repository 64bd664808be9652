"""The storage rule, against a dumb twin that handles one record at a time."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.record import Record, checksum_of, covers, intact, merge, with_expiry, written
from dynakv.core.table import (
    DAMAGED,
    CeilingRaised,
    Damaged,
    Merged,
    MergeRecords,
    Operation,
    RaiseCeiling,
    Reply,
    Row,
    RowKey,
    apply,
    bytes_in,
    read_set,
    rows_in,
)

Rows = dict[RowKey, Row]


def record(key: bytes, value: bytes | None, time: int, expiry_ms: int, expiry_time: int) -> Record:
    checksum = checksum_of(key, value, time, 1, expiry_ms, expiry_time, 1)
    return Record(key, value, time, 1, expiry_ms, expiry_time, 1, checksum)


keys = st.sampled_from([b"a", b"b", b"c"])
times = st.integers(0, 4)
records = st.builds(record, keys, st.sampled_from([None, b"x", b"y"]), times, times, times)
merges = st.builds(
    lambda keyspace, placed, heals: MergeRecords(
        keyspace, [group for group, _ in placed], [r for _, r in placed], heals
    ),
    st.integers(1, 2),
    st.lists(st.tuples(st.integers(0, 1), records), max_size=5),
    st.booleans(),
)
operations = st.lists(merges | st.builds(RaiseCeiling, times), max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Draw a table in which each row lies under its own key."""
    where = st.tuples(st.integers(1, 2), st.integers(0, 1), keys)
    rows: Rows = {}
    for place in draw(st.lists(where, unique=True, max_size=8)):
        row = draw(records.map(lambda r: record(b"", r.value, r.value_time, 0, r.expiry_time)))
        whole = record(place[2], row.value, row.value_time, 0, row.expiry_time)
        rows[place] = draw(st.sampled_from([whole, whole, DAMAGED]))
    return rows


def run(todo: list[Operation], table: Rows) -> tuple[Rows, list[Reply]]:
    """Do what a disk does: fetch the read set, apply, write. Only what was asked for is given."""
    writes, replies = apply(todo, {where: table.get(where) for where in read_set(todo)})
    return {**table, **writes}, replies


def twin(todo: list[Operation], table: Rows) -> tuple[Rows, list[Reply]]:
    """Return the same as `run`, one record at a time, each time with the whole table."""
    table = dict(table)
    replies: list[Reply] = []
    for operation in todo:
        if isinstance(operation, RaiseCeiling):
            replies.append(CeilingRaised(operation.ceiling_ms))
            continue
        reply = Merged([], [])
        for group, incoming in zip(operation.groups, operation.records, strict=True):
            where = (operation.keyspace, group, incoming.key)
            old = table.get(where)
            if isinstance(old, Damaged):
                new: Row = incoming if operation.heals else DAMAGED
            else:
                new = incoming if old is None else merge(old, incoming)
            table[where] = new
            reply.before.append(old)
            reply.after.append(new)
        replies.append(reply)
    return table, replies


@given(operations, tables())
def test_it_does_what_the_dumb_twin_does(todo: list[Operation], table: Rows) -> None:
    assert run(todo, table) == twin(todo, table)


@given(operations, tables(), st.data())
def test_a_batch_may_be_split_anywhere(
    todo: list[Operation], table: Rows, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(todo)))
    halfway, first = run(todo[:cut], table)
    end, second = run(todo[cut:], halfway)
    assert (end, first + second) == run(todo, table)


@given(operations, tables())
def test_only_rows_that_change_are_written_and_they_only_grow(
    todo: list[Operation], table: Rows
) -> None:
    writes, _ = apply(todo, table)
    for where, new in writes.items():
        old = table.get(where)
        assert new is not old
        assert intact(new)
        if isinstance(old, Record):
            assert covers(new, old)


@given(operations, tables())
def test_before_and_after_are_one_object_where_nothing_changed(
    todo: list[Operation], table: Rows
) -> None:
    for reply in apply(todo, table)[1]:
        if isinstance(reply, Merged):
            for old, new in zip(reply.before, reply.after, strict=True):
                assert (old is new) == (old == new)


def test_a_key_twice_in_one_message_applies_in_order() -> None:
    first, second = written(b"k", b"1", 0, 1, 1), written(b"k", b"2", 0, 2, 1)
    writes, replies = apply([MergeRecords(7, [3, 3], [first, second])], {})
    assert writes == {(7, 3, b"k"): second}
    assert replies == [Merged([None, first], [first, second])]


def test_rows_of_other_keyspaces_and_groups_are_other_rows() -> None:
    one = written(b"k", b"1", 0, 9, 1)
    two = written(b"k", b"2", 0, 1, 1)
    writes, _ = apply([MergeRecords(1, [0, 1], [one, two]), MergeRecords(2, [0], [two])], {})
    assert writes == {(1, 0, b"k"): one, (1, 1, b"k"): two, (2, 0, b"k"): two}


def test_an_ordinary_write_leaves_a_damaged_row_damaged() -> None:
    incoming = written(b"k", b"new", 0, 9, 1)
    writes, replies = apply([MergeRecords(7, [3], [incoming])], {(7, 3, b"k"): DAMAGED})
    assert writes == {}
    assert replies == [Merged([DAMAGED], [DAMAGED])]


def test_a_healing_write_replaces_a_damaged_row_and_later_writes_merge_with_it() -> None:
    healing = written(b"k", b"healed", 5000, 9, 1)
    sliding = with_expiry(b"k", 9000, 10, 1)
    todo = [MergeRecords(7, [3], [healing], heals=True), MergeRecords(7, [3], [sliding])]
    writes, replies = apply(todo, {(7, 3, b"k"): DAMAGED})
    both = merge(healing, sliding)
    assert writes == {(7, 3, b"k"): both}
    assert replies == [Merged([DAMAGED], [healing]), Merged([healing], [both])]


def test_a_healing_write_does_not_set_an_intact_row_back() -> None:
    newer = written(b"k", b"newer", 0, 9, 1)
    older = written(b"k", b"older", 0, 8, 1)
    writes, _ = apply([MergeRecords(7, [3], [older], heals=True)], {(7, 3, b"k"): newer})
    assert writes == {}


def test_the_read_set_names_each_row_once_in_first_use_order() -> None:
    a, b = written(b"a", b"", 0, 1, 1), written(b"b", b"", 0, 1, 1)
    todo = [RaiseCeiling(5), MergeRecords(7, [1, 0], [b, a]), MergeRecords(7, [1], [b])]
    assert list(read_set(todo)) == [(7, 1, b"b"), (7, 0, b"a")]


def test_sizes_bound_a_transaction() -> None:
    merging = MergeRecords(
        7, [0, 0], [written(b"abc", b"12345", 0, 1, 1), with_expiry(b"d", 1, 1, 1)]
    )
    assert rows_in(merging) == 2
    assert bytes_in(merging) == 9
    assert rows_in(RaiseCeiling(5)) == 1
    assert bytes_in(RaiseCeiling(5)) == 8
