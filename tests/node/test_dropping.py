"""Claims about `dynakv.node.dropping`: what is dropped, what stays, and who else forgets it."""

from dynakv import limits
from dynakv.core.hlc import reading
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, merge, with_expiry, with_value, written
from dynakv.core.table import DropRecords, ScanRecords
from tests.node.cluster import START, Cluster
from tests.node.cutting import CUT, LATER_CUT, OLD_MS, Cutter, old_cluster

T_OLD = reading(OLD_MS)


def test_an_old_tombstone_and_an_old_expired_value_are_dropped() -> None:
    for record in (
        written(b"k", None, 0, T_OLD, 9),
        written(b"k", b"v", OLD_MS + 1_000, T_OLD, 9),
    ):
        cutter = Cutter(old_cluster())
        cutter.save("n1", record)
        cutter.collect("n1")
        assert cutter.cluster.rows(b"k") == {}
        assert cutter.cluster.nodes["n1"].context.counters.records_dropped == 1


def test_what_lives_or_is_young_stays() -> None:
    tombstone = written(b"k", None, 0, T_OLD, 9)
    for record in (
        written(b"k", b"v", 0, T_OLD, 9),
        written(b"k", None, 0, CUT + 1, 9),
        written(b"k", b"v", (CUT >> 16) + 1, T_OLD, 9),  # expires one millisecond later
        merge(tombstone, with_expiry(b"k", 0, CUT + 1, 9)),
        written(b"k", b"", 0, T_OLD, 9),  # an empty value is a value
    ):
        cutter = Cutter(old_cluster())
        cutter.save("n1", record)
        cutter.collect("n1")
        assert cutter.cluster.rows(b"k") == {"n1": record}


def test_cache_and_tree_follow() -> None:
    cutter = Cutter(old_cluster())
    node = cutter.cluster.nodes["n1"]
    root = node.context.trees.root(cutter.keyspace, cutter.group)
    cutter.save("n1", written(b"k", None, 0, T_OLD, 9))
    assert cutter.load("n1").records[0] is not None
    cutter.collect("n1")
    assert node.context.trees.root(cutter.keyspace, cutter.group) == root
    assert cutter.load("n1").records == [None]
    assert cutter.load("n1").floors == [CUT]


def test_a_row_that_was_written_since_the_page_stays() -> None:
    cutter = Cutter(old_cluster())
    cluster = cutter.cluster
    cutter.save("n1", written(b"k", None, 0, T_OLD, 9))
    cutter.fence("n1")
    cutter.raise_floor("n1")
    cluster.hold_disk("n1")
    cluster.pass_ms(100)  # the page is asked for
    (page,) = [ask for ask in cluster.held_disks["n1"] if isinstance(ask.message, ScanRecords)]
    newer = written(b"k", b"new", 0, reading(START.wall_ms), 9)
    reply = cluster.disks["n1"].serve(page.message)
    cluster.held_disks["n1"].remove(page)
    cluster.release_disk("n1")
    cutter.save("n1", newer)
    cluster.nodes["n1"].answered(page.call, reply, cluster.clock_of("n1"))
    cluster.pass_ms(100)
    assert [a for _, a in cluster.sent if isinstance(a.message, DropRecords)]
    assert cluster.rows(b"k") == {"n1": newer}
    assert cluster.nodes["n1"].context.counters.records_dropped == 0


def test_a_group_of_many_pages_is_swept_to_its_end() -> None:
    cutter, dead = _many()
    cutter.collect("n1")
    cutter.cluster.pass_ms(500)
    assert _left(cutter.cluster) == []
    assert cutter.cluster.nodes["n1"].context.counters.records_dropped == dead


def test_a_sweep_goes_on_after_a_restart() -> None:
    cutter, _ = _many()
    cluster = cutter.cluster
    cutter.fence("n1")
    cutter.raise_floor("n1")
    cluster.pass_ms(20)  # the first page
    assert 0 < len(_left(cluster)) < 2 * limits.PAGE_ROWS_MAX
    cluster.restart("n1")
    cluster.pass_ms(500)
    assert _left(cluster) == []
    cluster.sent.clear()
    cluster.restart("n1")
    cluster.pass_ms(4_000)
    scans = [a.message for _, a in cluster.sent if isinstance(a.message, ScanRecords)]
    # The tree of each group is rebuilt from one scan; no sweep has another.
    assert len([scan for scan in scans if scan.groups == [cutter.group]]) == 1


def test_a_floor_that_rises_during_a_sweep_is_swept_as_well() -> None:
    cutter = Cutter(old_cluster())
    cutter.fence("n1", LATER_CUT)
    cutter.raise_floor("n1", CUT)
    cutter.save("n1", written(b"k", None, 0, LATER_CUT, 9), floor=CUT)
    cutter.raise_floor("n1", LATER_CUT)
    cutter.cluster.pass_ms(300)
    assert cutter.cluster.rows(b"k") == {}
    assert cutter.cluster.nodes["n1"].context.cuts.unswept() == []


def test_a_damaged_row_is_not_dropped() -> None:
    cutter = Cutter(old_cluster())
    cutter.save("n1", written(b"k", b"v", OLD_MS + 10, T_OLD, 9))
    cutter.cluster.flip("n1", b"k")
    cutter.collect("n1")
    assert list(cutter.cluster.rows(b"k")) == ["n1"]


def _many() -> tuple[Cutter, int]:
    """Return a cluster whose node n1 holds three pages of tombstones in one group."""
    cutter = Cutter(old_cluster())
    disk, dead = cutter.cluster.disks["n1"], 2 * limits.PAGE_ROWS_MAX + 10
    for i in range(dead):
        row: Record = written(b"t%04d" % i, None, 0, T_OLD, 9)
        disk.rows[cutter.keyspace, cutter.group, row.key] = row
    cutter.cluster.restart("n1")
    return cutter, dead


def _left(cluster: Cluster) -> list[bytes]:
    return [key for _, _, key in cluster.disks["n1"].rows if key.startswith(b"t")]


def test_what_is_droppable_and_came_after_the_sweep_is_dropped_when_it_is_compared() -> None:
    cluster = old_cluster(cache_bytes_max=0)
    cutter = Cutter(cluster)
    cutter.collect()
    nothing = with_value(b"k", None, 0, 0)  # as a heal leaves it where nobody holds anything
    where = (cutter.keyspace, cutter.group, b"k")
    for holder, other in (("n1", "n3"), ("n3", "n1")):
        context = cluster.nodes[holder].context
        cluster.disks[holder].rows[where] = nothing
        context.trees.update(*where, None, nothing)
        ended: list[object] = []
        sync = cluster.nodes["n1"].anti_entropy.sync
        sync(cutter.keyspace, cutter.group, NodeId("n3"), ended.append)
        cluster.pass_ms(200)
        assert len(ended) == 1
        assert cluster.rows(b"k") == {}, f"{holder} keeps it, {other} has none"
        roots = {
            node.context.trees.root(cutter.keyspace, cutter.group)
            for node in cluster.nodes.values()
        }
        assert len(roots) == 1


def test_a_sweep_is_a_task_that_counts_its_groups() -> None:
    cutter = Cutter(old_cluster())
    cutter.collect()
    tasks = cutter.cluster.nodes["n1"].context.tasks.figures(cutter.cluster.now.mono_ms)
    assert [(t.kind, t.state, t.done, t.total) for t in tasks] == [("sweep", "done", 1, 1)]


def test_groups_that_wait_for_their_sweep_are_part_of_the_task() -> None:
    cutter = Cutter(old_cluster())
    node = cutter.cluster.nodes["n1"]
    cutter.cluster.hold_disk("n1")
    for group in range(3):
        node.context.cuts.fence_up(cutter.keyspace, group, CUT)
        node.context.cuts.floor_asked(cutter.keyspace, group, CUT)
        node.context.cuts.floor_raised(cutter.keyspace, group, CUT)
        node._dropping.floor_raised(cutter.keyspace, group)
    cutter.cluster.pass_ms(100)
    (task,) = node.context.tasks.figures(cutter.cluster.now.mono_ms)
    assert (task.state, task.done, task.total) == ("running", 0, 3)


def test_a_replica_that_missed_the_floor_hears_of_it_from_whoever_compares() -> None:
    cutter = _collected_but_for("n3")
    cluster = cutter.cluster
    ended: list[object] = []
    cluster.nodes["n1"].anti_entropy.sync(cutter.keyspace, cutter.group, NodeId("n3"), ended.append)
    cluster.pass_ms(500)
    assert len(ended) == 1
    assert cluster.nodes["n3"].context.cuts.floor(cutter.keyspace, cutter.group) == CUT
    assert cluster.rows(b"k") == {}


def _collected_but_for(node: str) -> Cutter:
    """Return a cluster in which one node alone has not dropped a tombstone."""
    cutter = Cutter(old_cluster())
    for replica in ("n1", "n2", "n3"):
        cutter.save(replica, written(b"k", None, 0, T_OLD, 9))
    cutter.collect(*(replica for replica in ("n1", "n2", "n3") if replica != node))
    assert list(cutter.cluster.rows(b"k")) == [node]
    return cutter
