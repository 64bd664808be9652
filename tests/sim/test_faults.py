"""Claims about `dynakv.sim.faults`: what is injected, and what the budget holds back."""

from dataclasses import replace

from dynakv.core.layout import NodeId
from dynakv.core.record import written
from dynakv.core.table import MergeRecords, RowKey
from dynakv.sim.cluster import Cluster
from dynakv.sim.knobs import FAULTS, Knobs, draw
from dynakv.sim.timeline import SECOND


def knobs_of(nodes: int, replicas: int, *faults: str) -> Knobs:
    knobs = draw(1, 10, nodes)
    return replace(knobs, replicas=replicas, groups=4, faults=faults, faults_per_s=200.0)


def with_rows(nodes: int, replicas: int, copies: int) -> tuple[Cluster, list[RowKey]]:
    """A cluster whose first `copies` replicas of each group hold one row; bits flip often."""
    cluster = Cluster(knobs_of(nodes, replicas, "bit_flip"))
    keyspace = cluster.keyspace
    wheres: list[RowKey] = [(int(keyspace.keyspace_id), group, b"k") for group in range(4)]
    for process in cluster.processes:
        for where in wheres:
            if NodeId(process.name) in keyspace.placement[where[1]][:copies]:
                record = written(b"k", b"value", 0, 1, 1)
                process.disk.begin([MergeRecords(where[0], [where[1]], [record])])
                process.disk.sync()
    cluster.faults.run()
    cluster.timeline.run_until(3 * SECOND)
    return cluster, wheres


def damaged(cluster: Cluster, where: RowKey) -> int:
    return sum(process.disk.damaged(where) for process in cluster.processes)


def test_fewer_than_a_write_quorum_are_damaged_and_a_healing_quorum_remains() -> None:
    for nodes, replicas, most in ((3, 3, 1), (5, 5, 2), (4, 4, 2), (2, 2, 1)):
        cluster, wheres = with_rows(nodes, replicas, copies=replicas)
        assert [damaged(cluster, where) for where in wheres] == [most] * 4
        assert cluster.faults.held_back > 0


def test_a_copy_that_no_other_replica_holds_may_be_damaged() -> None:
    for copies, most in ((1, 1), (2, 2)):  # it was not acknowledged on three disks
        cluster, wheres = with_rows(5, 5, copies=copies)
        assert [damaged(cluster, where) for where in wheres] == [most] * 4


def test_fresh_writes_are_damaged_while_other_disks_are_slow() -> None:
    cluster = Cluster(knobs_of(3, 3, "fresh_flip"))
    cluster.faults.run()
    seen: dict[tuple[bool, bool], None] = {}
    for _ in range(100):
        cluster.timeline.run_until(cluster.timeline.now_us + SECOND // 20)
        stores = [process.store for process in cluster.processes]
        fresh, slow = (
            any(store.on_commit for store in stores),
            any(s.slowness > 1 for s in stores),
        )
        seen[fresh, slow] = None
        assert all(store.read_slowness == 1 for store in stores)
    assert (True, True) in seen
    cluster.faults.heal()
    assert all(p.store.on_commit is None and p.store.slowness == 1 for p in cluster.processes)


def test_all_processes_are_killed_at_once_and_back_at_once() -> None:
    cluster = Cluster(replace(knobs_of(5, 3, "restart_all"), faults_per_s=0.3))
    for process in cluster.processes:
        process.start()
    cluster.faults.run()
    cluster.timeline.run_until(20 * SECOND)
    cluster.faults.heal()  # the last strike may have been a moment ago
    times = cluster.faults.counts["restart_all"]
    assert times > 2
    (lives,) = {process.life for process in cluster.processes}
    assert times <= lives <= 1 + times  # two strikes in the same 50 ms are one death


def test_leaping_clocks_are_a_minority() -> None:
    for nodes, most in ((1, 0), (3, 1), (4, 1), (5, 2)):
        cluster = Cluster(knobs_of(nodes, 3, "clock_leap"))
        cluster.faults.run()
        seen = 0
        for _ in range(300):
            cluster.timeline.run_until(cluster.timeline.now_us + SECOND // 20)
            seen = max(seen, sum(p.clock.leap_ms != 0 for p in cluster.processes))
        assert seen == most


def test_every_kind_of_fault_happens_and_healing_ends_all() -> None:
    knobs = replace(draw(2, 10, 5), faults=FAULTS, faults_per_s=5.0, calls_per_s=10, offset_ms=50)
    cluster = Cluster(knobs)
    for process in cluster.processes:
        process.start()
    cluster.workload.run(60 * SECOND)
    cluster.faults.run()
    cluster.timeline.run_until(60 * SECOND)
    assert set(cluster.faults.counts) == set(FAULTS)
    cluster.faults.heal()
    cluster.timeline.run_until(120 * SECOND)  # what was planned to end later does no harm
    assert all(process.node is not None and not process.paused for process in cluster.processes)
    assert all(link.cuts == 0 for link in cluster.network.links.values())
    assert all(process.clock.leap_ms == 0 for process in cluster.processes)
