"""A replica that forgot what it had confirmed answers nothing until it merged enough others."""

from copy import deepcopy

from dynakv.core import facts
from dynakv.core.layout import Level
from dynakv.core.record import Record, merge, with_expiry, with_value, written
from dynakv.node.messages import (
    Failed,
    Found,
    Get,
    List,
    Listed,
    Load,
    Loaded,
    Outcome,
    Put,
    Reason,
    Save,
    Scan,
)
from dynakv.node.repair_messages import Compare, Compared, Likeness, ScanLeaves
from tests.node.cluster import Cluster, failure_of, stored_of
from tests.node.cutting import CUT, OLD_MS, Cutter, old_cluster

NODE = "n2"


def image(cluster: Cluster) -> object:
    """Return what lies on the node's disk now."""
    return deepcopy(cluster.disks[NODE])


def set_back(cluster: Cluster, disk: object) -> None:
    """Put an older image in place, mark its groups, and start the node on it."""
    cluster.disks[NODE] = disk  # type: ignore[assignment]
    names = [
        facts.group_name(facts.RECOVERING, cluster.keyspace_id, group)
        for group, replicas in enumerate(cluster.layout.keyspaces[0].placement)
        if NODE in replicas
    ]
    cluster.disks[NODE].facts.update(dict.fromkeys(names, b"restored"))
    cluster.restart(NODE)


def recovering(cluster: Cluster) -> int:
    return len(cluster.nodes[NODE].context.recovering)


def forgetful(*unreachable: str, **config: object) -> Cluster:
    """Return a cluster whose n2 has forgotten the second of two writes and cannot recover yet."""
    cluster = old_cluster(**config)
    stored_of(cluster.put(b"k", b"old", w=3))
    before = image(cluster)
    stored_of(cluster.put(b"k", b"new", w=3))
    cluster.unreachable.update(unreachable)
    set_back(cluster, before)
    return cluster


def test_a_recovering_replica_answers_nothing_and_says_why() -> None:
    cluster = forgetful("n1", "n3")
    epoch = cluster.layout.keyspaces[0].epoch
    keyspace, (group,) = cluster.keyspace_id, (Cutter(cluster).group,)
    assert cluster.ask(Load(keyspace, epoch, [b"k"]), NODE) == [
        Loaded([Outcome.RECOVERING], [None])
    ]
    scan = Scan(keyspace, epoch, [group], b"", None, None, 10, keys_only=False)
    assert cluster.ask(scan, NODE) == [Failed(Reason.RECOVERING)]
    (compared,) = cluster.ask(Compare(keyspace, epoch, [group], [0]), NODE)
    assert isinstance(compared, Compared)
    assert compared.likenesses == [Likeness.UNKNOWN]
    leaves = ScanLeaves(keyspace, epoch, group, [0], None, 10)
    assert cluster.ask(leaves, NODE) == [Failed(Reason.RECOVERING)]
    assert not Cutter(cluster).fence(NODE)


def test_only_the_keys_of_recovering_groups_go_unanswered() -> None:
    cluster = forgetful("n1", "n3")
    group = Cutter(cluster).group
    del cluster.nodes[NODE].context.recovering[cluster.keyspace_id, group]
    placement = cluster.nodes[NODE].context.by_name["default"]
    other = next(
        key for key in (b"%d" % i for i in range(1000)) if placement.groups_of([key]) != [group]
    )
    load = Load(cluster.keyspace_id, placement.epoch, [other, b"k", other])
    (loaded,) = cluster.ask(load, NODE)
    assert isinstance(loaded, Loaded)
    assert loaded.outcomes == [Outcome.RECOVERING, Outcome.OK, Outcome.RECOVERING]
    assert [None if r is None else r.value for r in loaded.records] == [None, b"old", None]


def test_its_own_coordinator_does_not_read_it_either() -> None:
    cluster = forgetful()
    assert cluster.get(b"k", at=NODE).value == b"new"  # type: ignore[union-attr]
    (listed,) = cluster.ask(List("default", b"k", b"l"), NODE)
    assert isinstance(listed, Listed)
    assert [record.value for record in listed.records] == [b"new"]
    cluster.unreachable.add("n3")
    assert (
        "too few replicas"
        in failure_of(cluster.ask(Get("default", [b"k"], Level.QUORUM), NODE)).reason
    )


def test_a_quorum_without_it_is_no_quorum_with_it() -> None:
    cluster = forgetful("n1", "n3")
    cluster.unreachable = {"n3"}
    cluster.nodes["n1"].context.members.broken("n3")
    parts = cluster.ask(Get("default", [b"k"], Level.QUORUM), "n1")
    cluster.pass_ms(3000)
    assert parts == [] or not isinstance(parts[0], Found)


def test_it_takes_writes_and_answers_after_it_merged_both_others() -> None:
    cluster = forgetful("n1", "n3")
    cluster.unreachable.clear()
    cluster.unreachable.add("n3")
    cluster.pass_ms(3000)
    assert recovering(cluster), "one other replica is not enough"
    stored_of(cluster.put(b"fresh", b"1", at="n1", w=2))
    cluster.unreachable.clear()
    cluster.pass_ms(20_000)
    assert recovering(cluster) == 0
    assert not any(name.startswith("recovering/") for name in cluster.disks[NODE].facts)
    assert {row.value for row in cluster.rows(b"k").values()} == {b"new"}  # type: ignore[union-attr]
    epoch = cluster.layout.keyspaces[0].epoch
    (loaded,) = cluster.ask(Load(cluster.keyspace_id, epoch, [b"k"]), NODE)
    assert isinstance(loaded, Loaded)
    assert loaded.outcomes is None


def test_a_mark_survives_until_the_recovery_is_durable() -> None:
    cluster = forgetful("n1", "n3")
    groups = recovering(cluster)
    cluster.restart(NODE, starts=3)
    assert recovering(cluster) == groups > 0


def old(value: bytes | None, second: int) -> Record:
    return written(b"k", value, 0, (OLD_MS + second) << 16, 7)


def test_what_was_deleted_and_forgotten_everywhere_does_not_come_back() -> None:
    cluster = old_cluster()
    cutter = Cutter(cluster)
    for node in ("n1", "n2", "n3"):
        cutter.save(node, old(b"zombie", 1))
    before = image(cluster)
    for node in ("n1", "n2", "n3"):
        cutter.save(node, old(None, 2))
    cutter.collect()
    assert cluster.rows(b"k") == {}
    set_back(cluster, before)
    assert list(cluster.rows(b"k")) == [NODE]
    cluster.pass_ms(20_000)
    assert recovering(cluster) == 0
    assert cluster.rows(b"k") == {}
    assert cluster.nodes[NODE].context.cuts.floor(cutter.keyspace, cutter.group) == CUT
    assert cluster.get(b"k", at=NODE) is None


def test_a_deadline_of_the_forgotten_life_does_not_end_a_newer_value() -> None:
    cluster = old_cluster()
    cutter = Cutter(cluster)
    first = merge(old(b"zombie", 1), with_expiry(b"k", OLD_MS + 10**9, (OLD_MS + 1) << 16, 7))
    for node in ("n1", "n2", "n3"):
        cutter.save(node, first)
    before = image(cluster)
    for node in ("n1", "n2", "n3"):
        cutter.save(node, old(None, 2))
    cutter.collect()
    newer = with_value(b"k", b"newer", CUT + 5, 7)
    for node in ("n1", "n3"):
        cutter.save(node, newer)
    set_back(cluster, before)
    cluster.pass_ms(20_000)
    assert recovering(cluster) == 0
    assert cluster.rows(b"k") == {"n1": newer, "n2": newer, "n3": newer}


def test_what_it_took_while_recovering_is_not_dropped_with_what_is_void() -> None:
    cluster = old_cluster()
    cutter = Cutter(cluster)
    first = merge(old(b"zombie", 1), with_expiry(b"k", OLD_MS + 10**9, (OLD_MS + 1) << 16, 7))
    for node in ("n1", "n2", "n3"):
        cutter.save(node, first)
    before = image(cluster)
    for node in ("n1", "n2", "n3"):
        cutter.save(node, old(None, 2))
    cutter.collect()
    cluster.unreachable.update(["n1", "n3"])
    set_back(cluster, before)
    newer = with_value(b"k", b"only here", CUT + 5, 7)
    cutter.save(NODE, newer)
    cluster.unreachable.clear()
    cluster.pass_ms(30_000)
    assert recovering(cluster) == 0
    assert cluster.rows(b"k") == {"n1": newer, "n2": newer, "n3": newer}


def test_an_operator_may_accept_the_loss() -> None:
    cluster = forgetful("n1", "n3")
    groups = recovering(cluster)
    node = cluster.nodes[NODE]
    assert node.recovery.accept_loss(keyspace_id=1) == 0
    assert node.recovery.accept_loss() == groups
    cluster.run()
    assert recovering(cluster) == 0
    assert "loss_accepted" in [note.event for note in cluster.notes]
    cluster.restart(NODE, starts=3)
    assert recovering(cluster) == 0


def test_marked_groups_recover_and_a_mark_is_durable_before_that() -> None:
    cluster = Cluster(3, config={"recover_after_ms": 0})
    cluster.unreachable.update(["n1", "n3"])
    node = cluster.nodes[NODE]
    groups = [(cluster.keyspace_id, group) for group in range(5)]
    node.recovery.mark(groups, "tried")
    node.recovery.mark(groups, "again")
    cluster.run()
    assert [note.event for note in cluster.notes].count("recovering") == 1
    assert sum(name.startswith("recovering/") for name in cluster.disks[NODE].facts) == 5
    cluster.unreachable.clear()
    cluster.pass_ms(20_000)
    assert recovering(cluster) == 0


def test_a_write_that_its_former_life_acknowledged_and_that_is_still_counted_is_not_lost() -> None:
    cluster = old_cluster(4, recover_after_ms=5_000, attempt_ms=4_000)
    key = cluster.key_on(NODE, absent=("n1",))
    _, third, fourth = sorted(cluster.replicas_of(key), key=lambda node: node != NODE)
    before = image(cluster)
    cluster.hold(fourth, Save)
    cluster.failing[third, Save] = Reason.BROKEN
    call = cluster.submit(Put("default", [key], [b"v"]), "n1")
    cluster.run()
    assert list(cluster.rows(key)) == [NODE], "its acknowledgement is counted, one is missing"
    set_back(cluster, before)
    cluster.failing.clear()
    cluster.pass_ms(3_000)
    cluster.release(fourth)
    stored_of(cluster.parts(call))
    assert recovering(cluster), "whoever merged both others by now would lack the write"
    cluster.pass_ms(30_000)
    assert recovering(cluster) == 0
    assert cluster.rows(key)[NODE].value == b"v"  # type: ignore[union-attr]


def test_a_damaged_row_does_not_keep_a_group_from_recovering() -> None:
    cluster = old_cluster(heal_after_ms=1_000, cache_bytes_max=0)
    stored_of(cluster.put(b"k", b"old", w=3))
    before = image(cluster)
    stored_of(cluster.put(b"k", b"new", w=3))
    cluster.unreachable.update(["n1", "n3"])
    set_back(cluster, before)
    cluster.flip(NODE, b"k")
    keyspace = cluster.keyspace_id
    cluster.nodes[NODE].context.damaged_rows.seen(keyspace, b"k", cluster.now.mono_ms)
    cluster.nodes[NODE].context.trees.forget(keyspace, Cutter(cluster).group)
    cluster.nodes[NODE].context.repair_paused = False  # else nothing heals
    epoch = cluster.layout.keyspaces[0].epoch
    (loaded,) = cluster.ask(Load(keyspace, epoch, [b"k"]), NODE)
    assert isinstance(loaded, Loaded)
    assert loaded.outcomes == [Outcome.DAMAGED]
    cluster.unreachable.clear()
    cluster.pass_ms(20_000)
    assert recovering(cluster) == 0
    assert cluster.rows(b"k")[NODE].value == b"new"  # type: ignore[union-attr]


def test_a_loss_may_be_accepted_while_a_replica_is_being_merged() -> None:
    cluster = forgetful("n1", "n3")
    cluster.unreachable.clear()
    for peer in ("n1", "n3"):
        cluster.hold(peer, Compare)
    cluster.pass_ms(500)
    assert any(isinstance(ask.message, Compare) for _, ask in cluster.held["n1"])
    cluster.nodes[NODE].recovery.accept_loss()
    cluster.run()
    assert recovering(cluster) == 0
    for peer in ("n1", "n3"):
        cluster.release(peer)
    cluster.pass_ms(500)
    assert [note.event for note in cluster.notes].count("recovered") == 1


def test_a_group_that_is_marked_again_while_its_mark_is_removed_stays_marked() -> None:
    cluster = forgetful("n1", "n3")
    node, groups = cluster.nodes[NODE], recovering(cluster)
    cluster.hold_disk(NODE)
    node.recovery.accept_loss()
    node.recovery.mark(list(node.context.recovering), "it forgot once more")
    cluster.release_disk(NODE)
    cluster.run()
    assert recovering(cluster) == groups
    cluster.restart(NODE, starts=3)
    assert recovering(cluster) == groups
