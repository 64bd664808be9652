"""Claims about `dynakv.sim.disk`: it is the storage rule, minus what was not synced."""

from random import Random

from dynakv.core import facts, table
from dynakv.core.record import Record, intact, with_expiry, with_value, written
from dynakv.core.table import (
    DAMAGED,
    DropRecords,
    MergeRecords,
    Operation,
    RaiseCeiling,
    ReadRecords,
    Remember,
    Row,
    RowKey,
    Rows,
    ScanRecords,
)
from dynakv.sim.disk import Disk

KEYSPACE = 7


def make() -> Disk:
    return Disk("n1", 99, b"layout")


def commit(disk: Disk, *operations: Operation) -> list[table.Reply]:
    disk.begin(operations)
    return disk.sync()


def merging(*records: Record) -> MergeRecords:
    return MergeRecords(KEYSPACE, [0] * len(records), list(records))


def read(disk: Disk, key: bytes) -> Row:
    rows = disk.read(ReadRecords(KEYSPACE, [0], [key]))
    assert isinstance(rows, Rows)
    return rows.rows[0]


def some_record(random: Random) -> Record:
    key = b"k%d" % random.randrange(6)
    time, writer = random.randrange(1, 1_000), random.randrange(3)
    make_one = random.choice((0, 1, 2))
    if make_one == 0:
        return written(key, random.choice((None, b"v%d" % time)), 0, time, writer)
    if make_one == 1:
        return with_value(key, b"w%d" % time, time, writer)
    return with_expiry(key, time + 5, time, writer)


def test_it_does_to_rows_what_the_storage_rule_says() -> None:
    random = Random(5)
    disk, twin = make(), dict[RowKey, Record]()
    for _ in range(300):
        batch: list[Operation] = [
            merging(*[some_record(random) for _ in range(random.randrange(1, 4))])
            for _ in range(random.randrange(1, 4))
        ]
        writes, replies = table.apply(batch, twin)
        assert commit(disk, *batch) == replies
        twin.update(writes)
        assert disk.rows == twin


def test_a_crash_loses_what_was_not_synced() -> None:
    disk = make()
    commit(disk, merging(written(b"k", b"old", 0, 1, 1)))
    disk.begin([merging(written(b"k", b"new", 0, 2, 1)), RaiseCeiling(500)])
    disk.crash(survives=False)
    assert read(disk, b"k") == written(b"k", b"old", 0, 1, 1)
    assert (disk.start().ceiling_ms, disk.commit_sequence) == (0, 1)


def test_a_transaction_in_flight_may_survive_a_crash_whole() -> None:
    disk = make()
    disk.begin([merging(written(b"k", b"new", 0, 2, 1)), RaiseCeiling(500)])
    disk.crash(survives=True)
    assert read(disk, b"k") == written(b"k", b"new", 0, 2, 1)
    assert disk.start().ceiling_ms == 500


def test_reads_see_the_last_durable_state_only() -> None:
    disk = make()
    disk.begin([merging(written(b"k", b"new", 0, 2, 1))])
    assert read(disk, b"k") is None
    disk.sync()
    assert read(disk, b"k") == written(b"k", b"new", 0, 2, 1)


def test_it_counts_starts_and_remembers_the_highest_ceiling() -> None:
    disk = make()
    commit(disk, RaiseCeiling(900))
    commit(disk, RaiseCeiling(700))
    first, second = disk.start(), disk.start()
    assert (first.starts, second.starts) == (1, 2)
    assert second.ceiling_ms == 900
    assert second.commit_sequence == 2
    assert second.empty


def test_a_flipped_bit_makes_a_row_damaged_until_it_is_healed() -> None:
    disk = make()
    where = (KEYSPACE, 0, b"k")
    for value in (b"v", None):
        commit(disk, merging(written(b"k", value, 0, 2, 1)))
        disk.damage(where, 12_345)
        assert not intact(disk.rows[where])
        assert disk.damaged(where)
        assert read(disk, b"k") is DAMAGED
        commit(disk, merging(written(b"k", b"newer", 0, 3, 1)))
        assert read(disk, b"k") is DAMAGED
        healing = MergeRecords(KEYSPACE, [0], [written(b"k", value, 0, 2, 1)], heals=True)
        commit(disk, healing)
        assert read(disk, b"k") == written(b"k", value, 0, 2, 1)


def test_a_scan_pages_through_the_groups_in_key_order() -> None:
    disk = make()
    for i, key in enumerate((b"b", b"a", b"d", b"c")):
        commit(disk, MergeRecords(KEYSPACE, [i % 2], [written(key, b"v", 0, 1, 1)]))
    scan = ScanRecords(KEYSPACE, [0, 1], b"a", None, b"d", 2, 1_000)
    page = disk.read(scan)
    assert isinstance(page, table.Page)
    assert (page.keys, page.next) == ([b"a", b"b"], b"b")
    page = disk.read(ScanRecords(KEYSPACE, [0, 1], b"a", b"b", b"d", 2, 1_000))
    assert isinstance(page, table.Page)
    assert (page.keys, page.next) == ([b"c"], None)


def test_removed_rows_and_facts_are_durable_with_their_transaction() -> None:
    disk = make()
    gone = written(b"k", None, 0, 1, 1)
    commit(disk, merging(gone), Remember({"clean/1": b"a", "clean/2": b"b"}))
    todo = [DropRecords(KEYSPACE, [0], [b"k"], [gone.checksum]), Remember({"clean/1": None})]
    disk.begin(todo)
    disk.crash(survives=False)
    assert list(disk.rows.values()) == [gone]
    assert disk.start().facts == {"clean/1": b"a", "clean/2": b"b"}
    disk.begin(todo)
    disk.crash(survives=True)
    assert disk.rows == {}
    remembered = disk.start()
    assert (remembered.facts, remembered.empty) == ({"clean/2": b"b"}, False)


def test_a_disk_that_is_set_back_has_rows_and_facts_of_the_image_and_a_new_incarnation() -> None:
    disk = make()
    old = Remember({"cut/1/0": b"old", "clean/1/0": b"leaves", "peer/n2": b"sequence"})
    commit(disk, merging(written(b"k", b"1", 0, 1, 7)), old)
    image = disk.image()
    new = Remember({"cut/1/0": b"new"})
    both = merging(written(b"k", b"2", 0, 2, 7), written(b"more", b"2", 0, 2, 7))
    commit(disk, both, new, RaiseCeiling(99))
    before = disk.start()
    mark = {facts.group_name(facts.RECOVERING, KEYSPACE, 0): b"restored"}
    disk.set_back(image, 8, mark)
    after = disk.start()
    assert {key for _, _, key in disk.rows} == {b"k"}
    assert after.facts == {"cut/1/0": b"old", **mark}
    assert disk.recovers(KEYSPACE, 0)
    assert not disk.recovers(KEYSPACE, 1)
    assert (after.incarnation, after.commit_sequence) == (8, 1)
    assert (after.ceiling_ms, after.starts) == (99, before.starts + 1)
    commit(disk, merging(written(b"later", b"3", 0, 3, 7)))
    assert len(image.rows) == 1, "an image does not change"


def test_what_becomes_durable_is_shown_and_what_is_lost_is_not() -> None:
    disk = make()
    seen: list[Record] = []
    disk.on_written = seen.extend
    lost, kept = (written(b"k", value, 0, time, 1) for time, value in ((1, b"a"), (2, b"b")))
    disk.begin([merging(lost)])
    disk.crash(survives=False)
    assert seen == []
    commit(disk, merging(kept))
    assert seen == [kept]
