"""Repair that meets an old newest version on fewer than wq replicas says so."""

from dynakv import limits
from dynakv.core.record import Record, written
from dynakv.node.messages import Load, Reason, Save
from dynakv.node.session import Ending, Synced
from tests.node.cluster import Cluster
from tests.node.repair import give, keys_of, keyspace_of, record, stamped

GROUP = 5
HORIZON_MS = 60_000


def trio(nodes: int = 3) -> Cluster:
    """Return replicas of everything, and let a bit more than the horizon pass."""
    config: dict[str, object] = {"cache_bytes_max": 0, "horizon_ms": HORIZON_MS}
    cluster = Cluster(nodes, replicas=nodes, config=config)
    cluster.pass_ms(HORIZON_MS + 1_000)
    cluster.notes.clear()
    cluster.sent.clear()
    return cluster


def sync(cluster: Cluster, at: str, peer: str) -> Synced:
    ended: list[Synced] = []
    cluster.nodes[at].anti_entropy.sync(keyspace_of(cluster), GROUP, peer, ended.append)  # type: ignore[arg-type]
    cluster.pass_ms(200)
    (synced,) = ended
    assert synced.ending is Ending.DONE
    return synced


def alarms(cluster: Cluster) -> list[dict[str, str | int]]:
    return [note.fields for note in cluster.notes if note.event == "old_version_on_minority"]


def counted(cluster: Cluster) -> int:
    return sum(node.context.counters.old_minorities for node in cluster.nodes.values())


def old(cluster: Cluster, count: int = 1) -> list[Record]:
    return [record(key, b"v", ms=0) for key in keys_of(cluster, GROUP, count)]


def test_an_old_newest_version_on_one_of_three_is_told_and_spread_all_the_same() -> None:
    cluster = trio()
    (version,) = old(cluster)
    give(cluster, "n1", version)
    assert sync(cluster, "n1", "n2").records_out == 1
    (told,) = alarms(cluster)
    assert told["key"] == repr(version.key)
    assert (told["group"], told["holders_max"], told["replicas"]) == (GROUP, 1, 3)
    assert 0 <= int(told["age_ms"]) - HORIZON_MS - 1_000 <= 200
    assert counted(cluster) == 1


def test_it_is_seen_from_the_side_that_lacks_it_as_well() -> None:
    cluster = trio()
    give(cluster, "n1", *old(cluster))
    sync(cluster, "n2", "n1")
    assert len(alarms(cluster)) == 1


def test_an_older_version_below_it_counts_as_lacking_it() -> None:
    cluster = trio()
    (key,) = keys_of(cluster, GROUP, 1)
    for node in ("n2", "n3"):
        give(cluster, node, record(key, b"older", ms=-5_000))
    give(cluster, "n1", record(key, b"newest", ms=0))
    sync(cluster, "n1", "n2")
    assert counted(cluster) == 1


def test_what_a_write_quorum_holds_is_no_alarm() -> None:
    cluster = trio()
    (version,) = old(cluster)
    for node in ("n1", "n3"):
        give(cluster, node, version)
    sync(cluster, "n1", "n2")
    assert not alarms(cluster)
    assert cluster.asked(Load)  # n3 was asked


def test_a_young_version_is_no_alarm_and_nobody_is_asked() -> None:
    cluster = trio()
    (key,) = keys_of(cluster, GROUP, 1)
    give(cluster, "n1", record(key, b"v", ms=1_100))  # just within the horizon
    sync(cluster, "n1", "n2")
    assert not alarms(cluster)
    assert [to for _, to in cluster.asked(Load)] == []


def test_who_cannot_say_may_hold_it() -> None:
    cluster = trio()
    give(cluster, "n1", *old(cluster))
    cluster.failing["n3", Load] = Reason.RECOVERING
    sync(cluster, "n1", "n2")
    assert not alarms(cluster)
    cluster = trio()
    give(cluster, "n1", *old(cluster))
    cluster.unreachable.add("n3")
    cluster.pass_ms(2_000)
    sync(cluster, "n1", "n2")
    assert not alarms(cluster)


def test_who_dropped_a_tombstone_under_its_floor_lacks_nothing() -> None:
    cluster = trio()
    (key,) = keys_of(cluster, GROUP, 1)
    give(cluster, "n1", written(key, None, 0, stamped(0), 1))
    cuts = cluster.nodes["n3"].context.cuts
    cuts.fence_up(keyspace_of(cluster), GROUP, stamped(1))
    cuts.floor_asked(keyspace_of(cluster), GROUP, stamped(1))
    cuts.floor_raised(keyspace_of(cluster), GROUP, stamped(1))
    sync(cluster, "n1", "n2")
    assert counted(cluster) == 0


def test_with_two_replicas_the_session_has_seen_all() -> None:
    cluster = trio(2)
    give(cluster, "n1", *old(cluster))
    sync(cluster, "n1", "n2")
    assert counted(cluster) == 1


def test_one_line_a_minute_tells_how_many_were_found_since_the_last() -> None:
    cluster = trio()
    versions = old(cluster, 5)
    give(cluster, "n1", *versions[:3])
    sync(cluster, "n1", "n2")
    assert [told["found"] for told in alarms(cluster)] == [1]
    assert counted(cluster) == 3
    cluster.pass_ms(limits.ALARM_MS)
    give(cluster, "n1", *versions[3:])
    sync(cluster, "n1", "n2")
    assert [told["found"] for told in alarms(cluster)] == [1, 3]
    assert counted(cluster) == 5


def test_of_one_page_a_bounded_number_of_keys_is_asked_about() -> None:
    cluster = trio()
    give(cluster, "n1", *old(cluster, limits.MINORITY_KEYS_MAX + 9))
    sync(cluster, "n1", "n2")
    assert counted(cluster) == limits.MINORITY_KEYS_MAX


def test_a_replica_that_recovers_raises_no_alarm() -> None:
    cluster = trio()
    give(cluster, "n1", *old(cluster))
    cluster.nodes["n2"].recovery.mark([(keyspace_of(cluster), GROUP)], "a test")
    cluster.pass_ms(5_000)
    assert cluster.asked(Save)  # it was brought there
    assert not alarms(cluster)


def test_unlike_copies_under_one_stamp_are_damage_and_no_alarm() -> None:
    cluster = trio(2)
    (key,) = keys_of(cluster, GROUP, 1)
    for node, value in (("n1", b"this"), ("n2", b"that")):
        give(cluster, node, record(key, value, ms=0))
    sync(cluster, "n1", "n2")
    assert not alarms(cluster)
