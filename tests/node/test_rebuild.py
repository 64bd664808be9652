"""Unknown groups are rebuilt page by page; a scrub verifies every row and every tree."""

from dynakv import limits
from dynakv.core.keyspaces import CreateKeyspace, DropKeyspace
from dynakv.core.layout import KeyspaceSettings
from dynakv.core.record import Record
from dynakv.core.table import DAMAGED, ScanRecords
from dynakv.node.messages import STORE, Get, Put
from dynakv.node.tasks import State
from tests.node.cluster import Cluster, row_of, warmed
from tests.node.repair import give, keys_of, keyspace_of, record, tree_fits

GROUP = 5
NEVER = 10**9


def crashed(count: int, **config: object) -> tuple[Cluster, list[bytes]]:
    """Return one node that died with `count` records in the group, at the start of its new life."""
    cluster = Cluster(1, config={"clean_after_ms": NEVER, "cache_bytes_max": 0, **config})
    keys = keys_of(cluster, GROUP, count)
    give(cluster, "n1", *map(record, keys))
    cluster.restart("n1")
    return cluster, keys


def scans(cluster: Cluster) -> list[ScanRecords]:
    found = [ask.message for _, ask in cluster.sent if ask.to == STORE]
    return [message for message in found if isinstance(message, ScanRecords)]


def test_after_a_crash_every_group_is_rebuilt_from_its_rows() -> None:
    cluster, _ = crashed(20)
    trees = cluster.nodes["n1"].context.trees
    assert not trees.known(keyspace_of(cluster), GROUP)
    cluster.pass_ms(3_000)
    assert all(tree_fits(cluster, "n1", group) for group in range(64))
    counters = cluster.nodes["n1"].context.counters
    assert (counters.rebuilds, counters.rebuilt_rows) == (64, 20)
    assert all(scan.keys_only for scan in scans(cluster))


def test_a_large_group_is_read_in_pages_with_pauses() -> None:
    cluster, _ = crashed(2 * limits.REPAIR_PAGE_ROWS_MAX + 10, repair_pause_ms=100)
    cluster.sent.clear()
    cluster.pass_ms(64 * 120)
    of_group = [scan for scan in scans(cluster) if scan.groups == [GROUP]]
    assert len(of_group) == 3
    assert tree_fits(cluster, "n1", GROUP)
    running = [t for t in cluster.nodes["n1"].context.tasks.figures(0) if t.kind == "rebuild"]
    assert [(t.done, t.total, t.state) for t in running] == [(64, 64, "done")]


def test_a_rebuild_beside_writes_ends_with_what_lies_on_disk() -> None:
    cluster, keys = crashed(2 * limits.REPAIR_PAGE_ROWS_MAX + 10)
    for i in range(200):
        give(cluster, "n1", record(keys[i * 2 % len(keys)], b"%d" % i, ms=i + 1))
        cluster.pass_ms(10)
    assert tree_fits(cluster, "n1", GROUP)


def test_a_rebuilt_group_is_to_be_compared_with_every_peer() -> None:
    cluster = Cluster(3, config={"clean_after_ms": NEVER})
    give(cluster, "n1", record(keys_of(cluster, GROUP, 1)[0]))
    cluster.restart("n1")
    cluster.pass_ms(3_000)
    wanted = cluster.nodes["n1"].context.repair_wanted
    assert (keyspace_of(cluster), GROUP, "n2") in wanted
    assert (keyspace_of(cluster), GROUP, "n3") in wanted


def test_a_group_in_which_damage_was_seen_is_rebuilt_without_that_row() -> None:
    cluster, keys = crashed(3)
    cluster.pass_ms(3_000)
    cluster.flip("n1", keys[1])
    cluster.ask(Get("default", [keys[1]]))
    assert not cluster.nodes["n1"].context.trees.known(keyspace_of(cluster), GROUP)
    cluster.pass_ms(3_000)
    assert tree_fits(cluster, "n1", GROUP)
    assert cluster.nodes["n1"].context.trees.drifts == 0


def test_a_scrub_finds_damage_that_nobody_asked_for_and_it_is_healed() -> None:
    config = {"repair": True, "scrub_every_ms": 2_000, "heal_after_ms": 1_000}
    cluster = Cluster(3, config={"cache_bytes_max": 0, **config})
    (key,) = keys_of(cluster, GROUP, 1)
    for node in cluster.nodes:
        give(cluster, node, record(key))
    cluster.flip("n2", key)
    assert row_of(cluster, "n2", key) is DAMAGED
    cluster.pass_ms(9_000)
    assert isinstance(row_of(cluster, "n2", key), Record)
    assert cluster.nodes["n2"].context.trees.drifts == 0
    assert tree_fits(cluster, "n2", GROUP)
    assert cluster.nodes["n2"].context.counters.scrubbed_groups >= 64


def test_a_scrub_counts_a_tree_that_drifted_and_sets_it_right_on_disk_as_well() -> None:
    cluster = Cluster(1, config={"scrub_every_ms": 4_000, "clean_after_ms": 500})
    (key,) = keys_of(cluster, GROUP, 1)
    give(cluster, "n1", record(key))
    cluster.pass_ms(1_500)
    where = (keyspace_of(cluster), GROUP, key)
    cluster.disks["n1"].rows[where] = record(key, b"behind our back", ms=5)
    cluster.pass_ms(8_000)
    assert cluster.nodes["n1"].context.trees.drifts == 1
    assert tree_fits(cluster, "n1", GROUP)
    cluster.restart("n1")
    assert tree_fits(cluster, "n1", GROUP)


def test_a_keyspace_that_is_dropped_during_a_scrub_is_no_drift() -> None:
    config = {"scrub_every_ms": 1_000, "repair_pause_ms": 50}
    cluster = warmed(config=config)
    cluster.ask(CreateKeyspace(KeyspaceSettings("a", groups=16)))
    for start in (0, 1_000):  # more than one step of the sweep removes
        keys = [b"%d" % i for i in range(start, start + 1_000)]
        cluster.ask(Put("a", keys, keys))
    rebuilds = [node._rebuilds for node in cluster.nodes.values()]
    while not all(rebuild._scrubs for rebuild in rebuilds):
        cluster.pass_ms(10)
    cluster.ask(DropKeyspace("a"))
    cluster.pass_ms(10_000)
    assert [node.context.trees.drifts for node in cluster.nodes.values()] == [0, 0, 0]
    tasks = cluster.nodes["n1"].context.tasks.figures(0)
    assert all(task.done == task.total for task in tasks if task.state == State.DONE.value)
