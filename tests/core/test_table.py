"""The storage rule, against a dumb twin that handles one record at a time."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.record import (
    Record,
    checksum_of,
    covers,
    intact,
    merge,
    with_expiry,
    with_value,
    written,
)
from dynakv.core.table import (
    DAMAGED,
    CeilingRaised,
    Damaged,
    Dropped,
    DropRecords,
    FactsKept,
    Merged,
    MergeRecords,
    Operation,
    RaiseCeiling,
    Remember,
    Reply,
    Row,
    RowKey,
    apply,
    bytes_in,
    facts_in,
    outlines,
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
    lambda keyspace, placed, heals, fenced: MergeRecords(
        keyspace,
        [group for group, _, _ in placed],
        [r for _, r, _ in placed],
        heals,
        [fence for _, _, fence in placed] if fenced else None,
    ),
    st.integers(1, 2),
    st.lists(st.tuples(st.integers(0, 1), records, times), max_size=5),
    st.booleans(),
    st.booleans(),
)
drops = st.builds(
    lambda keyspace, placed: DropRecords(
        keyspace,
        [group for group, _ in placed],
        [r.key for _, r in placed],
        [r.checksum for _, r in placed],
    ),
    st.integers(1, 2),
    st.lists(st.tuples(st.integers(0, 1), records), max_size=5),
)
facts = st.dictionaries(st.sampled_from(["clean/1", "peer/n2"]), st.none() | st.binary(max_size=2))
operations = st.lists(
    merges | drops | st.builds(Remember, facts) | st.builds(RaiseCeiling, times), max_size=6
)


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
    whole = {**table, **writes}
    return {where: row for where, row in whole.items() if row is not None}, replies


def twin(todo: list[Operation], table: Rows) -> tuple[Rows, list[Reply]]:
    """Return the same as `run`, one record at a time, each time with the whole table."""
    table = dict(table)
    replies: list[Reply] = []
    for operation in todo:
        if isinstance(operation, RaiseCeiling):
            replies.append(CeilingRaised(operation.ceiling_ms))
            continue
        if isinstance(operation, Remember):
            replies.append(FactsKept())
            continue
        if isinstance(operation, DropRecords):
            replies.append(twin_drop(operation, table))
            continue
        reply = Merged([], [])
        fences = operation.fences or [-1] * len(operation.records)
        for group, whole, fence in zip(operation.groups, operation.records, fences, strict=True):
            where = (operation.keyspace, group, whole.key)
            old = table.get(where)
            incoming = without_fenced(whole, fence)
            if incoming is None:
                new: Row = old
            elif isinstance(old, Damaged):
                new = incoming if operation.heals else DAMAGED
            else:
                new = incoming if old is None else merge(old, incoming)
            if new is not None:
                table[where] = new
            reply.before.append(old)
            reply.after.append(new)
        replies.append(reply)
    return table, replies


def twin_drop(operation: DropRecords, table: Rows) -> Dropped:
    reply = Dropped([])
    for group, key, checksum in zip(
        operation.groups, operation.keys, operation.checksums, strict=True
    ):
        old = table.get((operation.keyspace, group, key))
        same = isinstance(old, Record) and old.checksum == checksum
        reply.rows.append(table.pop((operation.keyspace, group, key)) if same else None)  # type: ignore[arg-type]
    return reply


def without_fenced(r: Record, fence: int) -> Record | None:
    """Return what may enter: registers above the fence; all of it where none is fenced."""
    value_fenced = 0 < r.value_time <= fence or (fence >= 0 and r.value_time == 0)
    expiry_fenced = 0 < r.expiry_time <= fence or (fence >= 0 and r.expiry_time == 0)
    if value_fenced and expiry_fenced:
        return r if r.value_time == r.expiry_time == 0 else None
    if value_fenced and r.value_time:
        return with_expiry(r.key, r.expiry_ms, r.expiry_time, r.expiry_writer)
    if expiry_fenced and r.expiry_time:
        return with_value(r.key, r.value, r.value_time, r.value_writer)
    return r


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
def test_only_rows_that_change_are_written_and_they_grow_or_go(
    todo: list[Operation], table: Rows
) -> None:
    writes, _ = apply(todo, table)
    for where, new in writes.items():
        old = table.get(where)
        assert new is not old
        if new is None:
            continue
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


def test_a_row_that_changed_since_it_was_seen_is_not_dropped() -> None:
    seen, newer = written(b"k", None, 0, 1, 1), written(b"k", b"v", 0, 2, 1)
    dropping = DropRecords(7, [3], [b"k"], [seen.checksum])
    where = (7, 3, b"k")
    assert apply([dropping], {where: newer}) == ({}, [Dropped([None])])
    assert apply([dropping], {where: DAMAGED}) == ({}, [Dropped([None])])
    assert apply([dropping], {where: seen}) == ({where: None}, [Dropped([seen])])
    both = [MergeRecords(7, [3], [newer]), dropping]
    assert apply(both, {where: seen})[0] == {where: newer}


def test_a_key_written_after_it_was_dropped_begins_anew() -> None:
    old, new = written(b"k", None, 0, 5, 1), written(b"k", b"older", 0, 2, 1)
    todo = [DropRecords(7, [3], [b"k"], [old.checksum]), MergeRecords(7, [3], [new])]
    writes, replies = apply(todo, {(7, 3, b"k"): old})
    assert writes == {(7, 3, b"k"): new}
    assert replies[1] == Merged([None], [new])


def test_a_fence_keeps_out_what_is_not_above_it_and_lets_a_newer_register_pass() -> None:
    old = written(b"k", b"v", 0, 3, 1)
    fenced = MergeRecords(7, [0], [old], fences=[3])
    assert apply([fenced], {}) == ({}, [Merged([None], [None])])
    held = {(7, 0, b"k"): written(b"k", None, 0, 9, 1)}
    assert apply([fenced], held)[0] == {}
    mixed = merge(old, with_expiry(b"k", 900, 4, 1))
    writes, _ = apply([MergeRecords(7, [0], [mixed], fences=[3])], {})
    assert writes == {(7, 0, b"k"): with_expiry(b"k", 900, 4, 1)}


def test_the_last_word_on_a_fact_counts() -> None:
    todo = [Remember({"a": b"1", "b": b"1"}), RaiseCeiling(5), Remember({"a": None, "c": b"2"})]
    assert facts_in(todo) == {"a": None, "b": b"1", "c": b"2"}


def test_an_outline_leaves_out_the_value_and_nothing_else() -> None:
    whole, gone = written(b"k", b"value", 7, 1, 1), written(b"k", None, 0, 1, 1)
    shown, *others = outlines([whole, gone, DAMAGED, None])
    assert isinstance(shown, Record)
    assert (shown.value, shown.checksum) == (b"", whole.checksum)
    assert others == [gone, DAMAGED, None]


def test_sizes_bound_a_transaction() -> None:
    merging = MergeRecords(
        7, [0, 0], [written(b"abc", b"12345", 0, 1, 1), with_expiry(b"d", 1, 1, 1)]
    )
    assert rows_in(merging) == 2
    assert bytes_in(merging) == 9
    dropping = DropRecords(7, [0, 1], [b"abc", b"d"], [1, 2])
    assert rows_in(dropping) == 2
    assert bytes_in(dropping) == 4
    kept = Remember({"clean/1": b"12", "clean/2": None})
    assert rows_in(kept) == 2
    assert bytes_in(kept) == 16
    assert rows_in(RaiseCeiling(5)) == 1
    assert bytes_in(RaiseCeiling(5)) == 8
