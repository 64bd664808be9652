"""Claims about `dynakv.sim.process` and `calls`: a shell that dies, stops and returns."""

from dataclasses import replace

import pytest

from dynakv.core.layout import Level
from dynakv.errors import Failure, Kind
from dynakv.node.messages import Refused
from dynakv.sim.calls import Call
from dynakv.sim.cluster import Cluster
from dynakv.sim.history import Violation, Write
from dynakv.sim.knobs import draw
from dynakv.sim.timeline import MS, SECOND


def quiet(nodes: int = 3) -> Cluster:
    """A running cluster without faults whose clients lose nothing."""
    knobs = replace(draw(5, 10, nodes), faults=(), replicas=3, offset_ms=0, drift_ppm=0)
    cluster = Cluster(knobs)
    cluster.network.calm = cluster.workload.calm = True
    for process in cluster.processes:
        process.start()
    cluster.timeline.run_until(2 * SECOND)
    return cluster


def put(cluster: Cluster, value: bytes, node: int = 0) -> list[Call]:
    over: list[Call] = []
    cluster.workload.put([Write(b"k", value)], Level.QUORUM, node=node, then=over.append)
    return over


def run(cluster: Cluster, span_us: int) -> None:
    cluster.timeline.run_until(cluster.timeline.now_us + span_us)


def test_a_write_is_on_disks_when_it_is_acknowledged() -> None:
    cluster = quiet()
    over = put(cluster, b"v")
    while not over:
        run(cluster, MS)
    assert over[0].ok
    copies = sum(bool(process.disk.rows) for process in cluster.processes)
    assert copies >= cluster.keyspace.wq


def test_a_crash_breaks_the_calls_and_the_disk_remembers() -> None:
    cluster = quiet()
    process = cluster.processes[0]
    put(cluster, b"first")
    run(cluster, SECOND)
    over = put(cluster, b"second")
    run(cluster, 5 * MS)
    starts = process.life
    process.crash("test")
    run(cluster, SECOND // 10)
    assert [call.ok for call in over] == [False]
    assert process.disk.rows
    process.start()
    assert process.life == starts + 1


def test_a_crash_in_a_turn_lets_some_effects_happen_and_others_not() -> None:
    cluster = quiet()
    process = cluster.processes[0]
    process.crash_after = 1
    sent = cluster.network.counts["sent"]
    put(cluster, b"v")
    while process.node is not None:
        run(cluster, MS)
    assert cluster.network.counts["sent"] <= sent + 40
    assert process.crash_after is None


@pytest.mark.parametrize("what", ["writes_to_fail", "syncs_to_fail"])
def test_a_disk_error_ends_the_process(what: str) -> None:
    cluster = quiet()
    process = cluster.processes[0]
    setattr(process, what, 1)
    put(cluster, b"v")
    run(cluster, 61 * SECOND)  # the longest that a dead process stays away
    assert [p.life for p in cluster.processes] == [2, 1, 1]
    assert process.node is not None


def test_a_paused_process_takes_everything_later() -> None:
    cluster = quiet()
    process = cluster.processes[0]
    process.pause()
    over = put(cluster, b"v")
    run(cluster, 300 * MS)
    assert over == []
    process.resume()
    run(cluster, SECOND)
    assert [call.ok for call in over] == [True]


def test_an_entry_answered_twice_is_a_violation() -> None:
    cluster = quiet()
    over = put(cluster, b"v")
    run(cluster, SECOND)
    with pytest.raises(Violation, match="twice"):
        over[0].answered(Refused([0], Failure(Kind.UNAVAILABLE, "again")))


def test_an_entry_never_answered_is_a_violation() -> None:
    cluster = quiet()
    process = cluster.processes[0]
    over = put(cluster, b"v")
    run(cluster, 6 * MS)
    process._callers.clear()
    process._asks.clear()
    process._waiting.clear()
    process._wake_ms = 0  # deaf to its own timers
    assert over == []
    with pytest.raises(Violation, match="never answered"):
        run(cluster, 20 * SECOND)
