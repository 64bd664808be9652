"""Claims about `dynakv.node.hint_clearing`: a dropped keyspace leaves no hints, in any life."""

from msgspec.structs import replace

from dynakv.core.record import Record
from dynakv.core.table import DropRecords
from tests.node.cluster import Cluster
from tests.node.test_hint_delivery import SECOND, away, held_by


def forget(cluster: Cluster) -> None:
    cluster.nodes["n1"].hints.forget_keyspace(cluster.keyspace_id)
    cluster.run()


def test_the_hints_of_a_dropped_keyspace_are_removed_and_never_delivered() -> None:
    cluster = away("n3", keys=30)
    forget(cluster)
    assert cluster.nodes["n1"].hints.pending() == []
    cluster.unreachable.clear()
    cluster.pass_ms(8 * SECOND)
    assert cluster.hints("n1", "n3") == {}
    assert held_by(cluster, "n3") == 0
    assert cluster.disks["n1"].facts == {}


def test_marks_of_a_dropped_keyspace_are_forgotten_as_well() -> None:
    cluster = away("n3")
    cluster.nodes["n1"].context.repair_wanted.add(cluster.keyspace_id, 1, "n3")  # type: ignore[arg-type]
    forget(cluster)
    assert len(cluster.nodes["n1"].context.repair_wanted) == 0


def test_a_restart_in_between_goes_on() -> None:
    cluster = away("n3", keys=30)
    forget(cluster)
    assert len(cluster.hints("n1", "n3")) > 0
    assert len(cluster.disks["n1"].facts) == 1
    cluster.nodes["n1"] = cluster.start("n1", starts=2)
    cluster.pass_ms(8 * SECOND)
    assert cluster.hints("n1", "n3") == {}
    assert cluster.disks["n1"].facts == {}


def test_a_damaged_hint_is_removed_as_well_and_ends_nothing() -> None:
    cluster = away("n3", keys=10)
    disk = cluster.disks["n1"]
    where = next(w for w in disk.rows if w[0] != cluster.keyspace_id and w[2] == b"key3")
    row = disk.rows[where]
    assert isinstance(row, Record)
    disk.rows[where] = replace(row, value=b"x")
    forget(cluster)
    cluster.pass_ms(8 * SECOND)
    assert cluster.hints("n1", "n3") == {}
    drops = [ask for _, ask in cluster.sent if isinstance(ask.message, DropRecords)]
    assert len(drops) < 40
