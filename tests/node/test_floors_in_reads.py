"""Claims about reads, lists and expires of keys that some replicas have already forgotten."""

from dynakv.core.hlc import reading
from dynakv.core.layout import Level
from dynakv.core.record import Record, written
from dynakv.errors import Kind
from dynakv.node.messages import (
    Expire,
    Expired,
    Get,
    List,
    Listed,
    Load,
    Loaded,
    Reason,
    Refused,
    Save,
    Scan,
    Scanned,
)
from tests.node.cluster import START, Cluster, failure_of, found_of
from tests.node.cutting import CUT, OLD_MS, Cutter, old_cluster

T_OLD = reading(OLD_MS)
VALUE = written(b"k", b"v", 0, T_OLD - 5, 9)
TOMBSTONE = written(b"k", None, 0, T_OLD, 9)


def some_forgot(*forgot: str, **config: object) -> Cutter:
    """Return a cluster where all held a tombstone and these replicas have dropped it."""
    cutter = Cutter(old_cluster(cache_bytes_max=0, **config))
    for node in cutter.cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cutter.collect(*forgot)
    assert set(cutter.cluster.rows(b"k")) == set(cutter.cluster.nodes) - set(forgot)
    cutter.cluster.sent.clear()
    return cutter


def stale_answers(cutter: Cutter, node: str, record: Record) -> None:
    """Let a node's answers be those of before the collection."""

    def alter(node_id: str, reply: object) -> object:
        if node_id == node and isinstance(reply, Loaded):
            return Loaded(None, [record], None)
        return reply

    cutter.cluster.alter = alter


def test_a_tombstone_is_not_written_back_to_who_dropped_it() -> None:
    for level in (Level.ALL, Level.QUORUM):
        cutter = some_forgot("n2")
        for at in cutter.cluster.nodes:
            assert cutter.cluster.get(b"k", at, level) in {None, TOMBSTONE}
        assert cutter.cluster.asked(Save) == []
        assert "n2" not in cutter.cluster.rows(b"k")


def test_absence_of_before_the_collection_holds_no_tombstone() -> None:
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cutter.save("n1", TOMBSTONE)
    assert cutter.cluster.get(b"k", "n1", Level.ALL) == TOMBSTONE
    assert len(cutter.cluster.rows(b"k")) == 3


def test_an_answer_that_is_older_than_the_collection_does_not_bring_a_value_back() -> None:
    cutter = some_forgot("n1", "n2", "n3")
    stale_answers(cutter, "n2", VALUE)
    cutter.cluster.unreachable.add("n3")
    assert cutter.cluster.get(b"k", "n1") is None
    assert cutter.cluster.rows(b"k") == {}


def test_a_late_stale_answer_repairs_nothing() -> None:
    cutter = some_forgot("n1", "n2", "n3")
    stale_answers(cutter, "n3", VALUE)
    assert cutter.cluster.get(b"k", "n1", Level.ALL) is None
    assert cutter.cluster.get(b"k", "n1", Level.ONE) is None
    assert cutter.cluster.rows(b"k") == {}


def test_a_value_that_is_old_and_alive_is_written_back_under_its_floor() -> None:
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cutter.collect()  # all stand under one floor
    cutter.save("n1", VALUE, floor=CUT)
    found = cutter.cluster.get(b"k", "n1", Level.ALL)
    assert found == VALUE
    assert len(cutter.cluster.rows(b"k")) == 3


def test_an_old_value_is_written_back_while_a_first_collection_is_under_way() -> None:
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cutter.save("n1", VALUE)
    for node in cutter.cluster.nodes:
        cutter.fence(node)
    assert cutter.cluster.get(b"k", "n1", Level.ALL) == VALUE
    assert len(cutter.cluster.rows(b"k")) == 3


def test_a_needed_write_back_that_is_refused_fails_the_read_and_asks_for_repair() -> None:
    """Two answers under floor 0 differ, and the one that lacks the value has moved on since."""
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cluster = cutter.cluster
    cutter.save("n1", VALUE)
    cluster.unreachable.add("n3")
    cluster.hold("n2", Save)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    cutter.fence("n2")
    cutter.raise_floor("n2")
    cluster.release("n2")
    (part,) = cluster.parts(call)
    assert isinstance(part, Refused)
    assert part.failure.kind is Kind.UNAVAILABLE
    assert (cutter.keyspace, cutter.group, "n2") in cluster.nodes["n1"].context.repair_wanted
    assert list(cluster.rows(b"k")) == ["n1"]


def test_a_row_read_before_the_floor_rose_is_not_shown_under_it() -> None:
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cluster = cutter.cluster
    cutter.save("n1", VALUE)
    cutter.fence("n1")
    cluster.hold_disk("n1")
    call = cluster.submit(Load(cutter.keyspace, cutter.epoch, [b"k"]))
    cluster.run()
    (read,) = cluster.held_disks["n1"]
    reply = cluster.disks["n1"].serve(read.message)
    cluster.held_disks["n1"].clear()
    cluster.release_disk("n1")
    cutter.save("n1", TOMBSTONE, floor=0)
    cutter.raise_floor("n1")
    cluster.nodes["n1"].answered(read.call, reply, cluster.clock_of("n1"))
    cluster.run()
    (loaded,) = cluster.parts(call)
    assert isinstance(loaded, Loaded)
    assert loaded.floors == [CUT]
    assert loaded.records != [VALUE]


def test_expire_of_a_forgotten_key_applies_to_nothing() -> None:
    cutter = some_forgot("n1", "n2", "n3")
    parts = cutter.cluster.ask(Expire("default", [b"k"], [60_000]))
    assert parts == [Expired([0], [False])]
    assert cutter.cluster.rows(b"k") == {}


def test_a_scan_tells_the_floors_of_its_groups() -> None:
    cutter = some_forgot("n1")
    groups = [cutter.group, (cutter.group + 1) % 64]
    scan = Scan(cutter.keyspace, cutter.epoch, groups, b"", None, None, 10, False)
    (page,) = cutter.cluster.ask(scan)
    assert isinstance(page, Scanned)
    assert page.floors == [CUT, 0]
    (page,) = cutter.cluster.ask(scan, "n2")
    assert isinstance(page, Scanned)
    assert page.floors is None


def test_a_list_neither_shows_nor_spreads_what_is_void() -> None:
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cluster = cutter.cluster
    cutter.collect("n1")
    where = (cutter.keyspace, cutter.group, b"k")
    cluster.disks["n2"].rows[where] = cluster.disks["n3"].rows[where] = VALUE
    for keys_only in (False, True):
        (listed,) = cluster.ask(List("default", b"k", b"l", keys_only=keys_only))
        assert isinstance(listed, Listed)
        assert listed.records == []
    assert cluster.asked(Save) == []


def test_a_list_vouches_for_its_repairs() -> None:
    cutter = Cutter(old_cluster(cache_bytes_max=0))
    cluster = cutter.cluster
    cutter.save("n1", written(b"k", b"older", 0, T_OLD - 9, 9))
    cutter.save("n2", VALUE)
    for node in cluster.nodes:
        cutter.fence(node)
    cluster.unreachable.add("n3")
    (listed,) = cluster.ask(List("default", b"k", b"l"))
    assert isinstance(listed, Listed)
    assert cluster.rows(b"k") == {"n1": VALUE, "n2": VALUE}


def test_a_value_written_after_the_drop_is_read_as_ever() -> None:
    cutter = some_forgot("n1", "n2")
    cluster: Cluster = cutter.cluster
    cluster.put(b"k", b"new")
    found = found_of(cluster.ask(Get("default", [b"k"])))
    assert found.records[0] is not None
    assert found.records[0].value == b"new"
    assert found.records[0].value_time > reading(START.wall_ms)


def test_a_read_that_too_few_answer_still_fails() -> None:
    cutter = some_forgot("n1", "n2", "n3")
    cutter.cluster.failing["n2", Load] = Reason.BROKEN
    cutter.cluster.failing["n3", Load] = Reason.BROKEN
    assert failure_of(cutter.cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


def test_a_tombstone_that_is_not_swept_yet_is_not_sent_to_who_swept_already() -> None:
    cutter = some_forgot("n1", "n2", "n3")
    cutter.cluster.disks["n2"].rows[cutter.keyspace, cutter.group, b"k"] = TOMBSTONE
    assert cutter.cluster.get(b"k", "n1", Level.ALL) == TOMBSTONE
    assert set(cutter.cluster.rows(b"k")) == {"n2"}


def test_a_page_read_before_the_floor_rose_is_not_shown_under_it() -> None:
    cutter = Cutter(old_cluster())
    cluster = cutter.cluster
    cutter.save("n1", TOMBSTONE)
    cutter.fence("n1")
    cluster.hold_disk("n1")
    scan = Scan(cutter.keyspace, cutter.epoch, [cutter.group], b"", None, None, 10, False)
    call = cluster.submit(scan)
    cluster.run()
    (read,) = cluster.held_disks["n1"]
    reply = cluster.disks["n1"].serve(read.message)
    cluster.held_disks["n1"].clear()
    cluster.release_disk("n1")
    cutter.raise_floor("n1")
    cluster.pass_ms(100)
    cluster.nodes["n1"].answered(read.call, reply, cluster.clock_of("n1"))
    cluster.run()
    assert cluster.parts(call) == [Scanned([], None, [CUT])]
