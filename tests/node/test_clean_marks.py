"""Flushed leaves make a group known at start, and only if nothing was written to it since."""

import pytest

from dynakv.core.hashtree import LEAVES
from dynakv.core.table import Remember
from dynakv.node.clean_marks import fact_of, leaves_of
from dynakv.node.messages import Save
from tests.node.cluster import Cluster
from tests.node.repair import give, keys_of, keyspace_of, record, tree_fits

GROUP = 5
QUIET: dict[str, object] = {"clean_after_ms": 1_000, "repair_pause_ms": 60_000}


def name_of(cluster: Cluster, group: int) -> str:
    return f"clean/{keyspace_of(cluster):016x}/{group}"


def known(cluster: Cluster, group: int) -> bool:
    return cluster.nodes["n1"].context.trees.known(keyspace_of(cluster), group)


def alone() -> Cluster:
    """Return one node, with a record in the group."""
    cluster = Cluster(1, config=QUIET)
    give(cluster, "n1", record(keys_of(cluster, GROUP, 1)[0]))
    return cluster


def test_a_quiet_group_is_flushed_and_known_at_once_after_a_crash() -> None:
    cluster = alone()
    cluster.pass_ms(3_000)
    assert len(cluster.disks["n1"].facts) == 64  # empty groups are at rest, too
    cluster.restart("n1")
    assert all(known(cluster, group) for group in range(64))
    assert tree_fits(cluster, "n1", GROUP)
    assert cluster.nodes["n1"].context.counters.rebuilds == 0


def test_a_group_written_since_its_flush_is_unknown_after_a_crash() -> None:
    cluster = alone()
    cluster.pass_ms(3_000)
    give(cluster, "n1", record(keys_of(cluster, GROUP, 2)[1]))
    assert name_of(cluster, GROUP) not in cluster.disks["n1"].facts
    cluster.hold_disk("n1")
    cluster.nodes["n1"] = cluster.start("n1", starts=2)
    cluster.run()
    assert not known(cluster, GROUP)
    assert known(cluster, GROUP + 1)


def test_one_mark_costs_one_operation_however_many_writes_follow() -> None:
    cluster = alone()
    cluster.pass_ms(3_000)
    cluster.sent.clear()
    for key in keys_of(cluster, GROUP, 9):
        give(cluster, "n1", record(key, ms=9))
    cleared = [a.message for _, a in cluster.sent if isinstance(a.message, Remember)]
    assert cleared == [Remember({name_of(cluster, GROUP): None})]


def test_a_group_with_a_write_on_its_way_is_not_flushed() -> None:
    cluster = alone()
    cluster.pass_ms(3_000)
    give(cluster, "n1", record(keys_of(cluster, GROUP, 2)[1]))
    cluster.hold_disk("n1")
    save = record(keys_of(cluster, GROUP, 3)[2])
    keyspace = cluster.layout.keyspaces[0]
    cluster.ask(Save(int(keyspace.keyspace_id), keyspace.epoch, [save]), "n1")
    cluster.pass_ms(5_000)
    flushed = [a.message for a in cluster.held_disks["n1"] if isinstance(a.message, Remember)]
    assert not any(name_of(cluster, GROUP) in message.facts for message in flushed)
    cluster.release_disk("n1")
    cluster.pass_ms(3_000)
    assert name_of(cluster, GROUP) in cluster.disks["n1"].facts
    cluster.restart("n1")
    assert tree_fits(cluster, "n1", GROUP)


def test_a_disk_slower_than_the_looks_leaves_no_mark_of_what_a_write_on_its_way_changes() -> None:
    cluster = alone()
    keyspace = cluster.layout.keyspaces[0]
    late = record(keys_of(cluster, GROUP, 2)[1])
    other = record(keys_of(cluster, GROUP + 1, 1)[0])
    cluster.hold_disk("n1")
    cluster.ask(Save(int(keyspace.keyspace_id), keyspace.epoch, [other]), "n1")
    cluster.pass_ms(2_500)  # a look finds the group at rest
    cluster.ask(Save(int(keyspace.keyspace_id), keyspace.epoch, [late]), "n1")
    cluster.pass_ms(1_000)  # another look passes
    cluster.release_disk("n1")
    cluster.restart("n1")
    assert not known(cluster, GROUP) or tree_fits(cluster, "n1", GROUP)


def test_drain_flushes_everything_that_is_known() -> None:
    cluster = alone()
    drained: list[bool] = []
    cluster.nodes["n1"].drain(lambda: drained.append(True), cluster.now)
    cluster.run()
    assert drained == [True]
    assert len(cluster.disks["n1"].facts) == 64
    cluster.restart("n1")
    assert tree_fits(cluster, "n1", GROUP)


def test_drain_waits_for_writes_on_their_way() -> None:
    cluster = alone()
    cluster.hold_disk("n1")
    keyspace = cluster.layout.keyspaces[0]
    late = record(keys_of(cluster, GROUP, 2)[1])
    cluster.ask(Save(int(keyspace.keyspace_id), keyspace.epoch, [late]), "n1")
    drained: list[bool] = []
    cluster.nodes["n1"].drain(lambda: drained.append(True), cluster.now)
    cluster.run()
    assert not drained
    cluster.release_disk("n1")
    cluster.run()
    assert drained == [True]
    cluster.restart("n1")
    assert tree_fits(cluster, "n1", GROUP)


def test_drain_flushes_what_a_late_write_touched_as_well() -> None:
    cluster = alone()
    cluster.pass_ms(3_000)  # every group carries its mark
    keyspace = cluster.layout.keyspaces[0]
    late = [record(key) for key in keys_of(cluster, GROUP, 3)[1:]]
    cluster.hold_disk("n1")
    cluster.ask(Save(int(keyspace.keyspace_id), keyspace.epoch, late[:1]), "n1")
    drained: list[bool] = []
    cluster.nodes["n1"].drain(lambda: drained.append(True), cluster.now)
    cluster.ask(Save(int(keyspace.keyspace_id), keyspace.epoch, late[1:]), "n1")
    cluster.release_disk("n1")
    cluster.run()
    assert drained == [True]
    assert name_of(cluster, GROUP) in cluster.disks["n1"].facts
    cluster.restart("n1")
    assert tree_fits(cluster, "n1", GROUP)


def test_a_group_that_is_unknown_is_not_flushed() -> None:
    cluster = alone()
    cluster.nodes["n1"].context.trees.forget(keyspace_of(cluster), GROUP)
    cluster.nodes["n1"].drain(lambda: None, cluster.now)
    cluster.run()
    assert name_of(cluster, GROUP) not in cluster.disks["n1"].facts


@pytest.mark.parametrize("leaves", [[0] * LEAVES, list(range(LEAVES)), [2**64 - 1] * LEAVES])
def test_a_fact_brings_its_leaves_back(leaves: list[int]) -> None:
    assert leaves_of(fact_of(leaves)) == leaves


def test_a_fact_that_was_damaged_makes_nothing_known() -> None:
    fact = bytearray(fact_of(list(range(LEAVES))))
    fact[40] ^= 1
    assert leaves_of(bytes(fact)) is None
    assert leaves_of(b"") is None
