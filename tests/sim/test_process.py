"""Claims about `dynakv.sim.process` and `calls`: a shell that dies, stops and returns."""

from dataclasses import replace

import pytest

from dynakv.core.layout import Level
from dynakv.errors import Failure, Kind
from dynakv.node.messages import Refused, Save
from dynakv.sim.calls import Call
from dynakv.sim.cluster import Cluster
from dynakv.sim.history import Violation, Write
from dynakv.sim.holding import Hold
from dynakv.sim.knobs import draw
from dynakv.sim.process import Rank
from dynakv.sim.timeline import MS, SECOND


def quiet(nodes: int = 3, turn_ms: int = 0) -> Cluster:
    """A running cluster without faults whose clients lose nothing."""
    knobs = replace(draw(5, 10, nodes), faults=(), replicas=3, offset_ms=0, drift_ppm=0)
    knobs = replace(knobs, turn_ms=turn_ms, attempt_ms=1_000)
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


def put_and_run(cluster: Cluster, value: bytes) -> list[Call]:
    over = put(cluster, value)
    run(cluster, SECOND)
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
    setattr(process.store, what, 1)
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


def test_after_a_pause_timers_run_before_what_arrived_meanwhile() -> None:
    cluster = quiet(turn_ms=20)
    process = cluster.processes[0]
    put(cluster, b"v")
    run(cluster, SECOND // 10)
    over = put(cluster, b"w")
    while not process.store._committing:
        run(cluster, 100)
    process.pause()  # disk and peers confirm the write while it stands still
    run(cluster, 3 * SECOND)
    process.resume()
    run(cluster, SECOND // 10)
    assert [call.ok for call in over] == [False]
    assert cluster.workload.counts["failed unknown"] == 1


def test_a_turn_takes_the_disk_before_frames_before_clients() -> None:
    cluster = quiet(turn_ms=20)
    process = cluster.processes[0]
    process.pause()
    taken: list[str] = []
    for rank in (Rank.CLIENT, Rank.STORE, Rank.FRAME, Rank.STORE):
        process._soon(rank, taken.append, rank.name)
    process.resume()
    assert taken == ["STORE", "STORE", "FRAME", "CLIENT"]


def test_a_crash_breaks_calls_that_wait_for_the_turn() -> None:
    cluster = quiet(turn_ms=20)
    process = cluster.processes[0]
    over = put(cluster, b"v")
    while not any(act[0] is Rank.CLIENT for act in process._inbox):
        run(cluster, 100)
    process.crash("test")
    run(cluster, SECOND // 10)
    assert [call.ok for call in over] == [False]


def test_below_its_reserve_a_disk_takes_nothing_and_still_reads() -> None:
    cluster = quiet()
    put(cluster, b"v")
    run(cluster, SECOND)
    for process in cluster.processes[:2]:
        process.store.full = True
    run(cluster, SECOND)
    rows = dict(cluster.processes[0].disk.rows)
    failed = put(cluster, b"w")
    run(cluster, SECOND)
    assert [call.ok for call in failed] == [False]
    assert cluster.processes[0].disk.rows == rows
    for process in cluster.processes:
        process.store.full = False
    run(cluster, SECOND)
    assert [call.ok for call in put_and_run(cluster, b"x")] == [True]


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
    process._flush = lambda: None  # type: ignore[method-assign]  # whatever the node wants done
    assert over == []
    with pytest.raises(Violation, match="never answered"):
        run(cluster, 20 * SECOND)


def test_a_pause_in_a_turn_lets_part_of_a_write_leave_before_it_and_the_rest_after_it() -> None:
    cluster = quiet()
    process = cluster.processes[0]
    late: list[Save] = []
    process.on_late = late.append
    process.hold = Hold(1, 3 * SECOND, False)
    put(cluster, b"v")
    run(cluster, SECOND)
    rows = [[row.value for row in p.disk.rows.values()] for p in cluster.processes]
    assert (process.paused, sorted(rows)) == (True, [[], [], [b"v"]])
    run(cluster, 3 * SECOND)
    assert not process.paused
    assert [[row.value for row in p.disk.rows.values()] for p in cluster.processes] == [[b"v"]] * 3
    assert [[r.value for r in save.records] for save in late] == [[b"v"]]


def test_what_a_pause_held_back_dies_with_the_process() -> None:
    cluster = quiet()
    process = cluster.processes[0]
    process.hold = Hold(0, 3 * SECOND, False)
    put(cluster, b"v")
    run(cluster, SECOND)
    process.crash("test")
    process.start()
    run(cluster, 4 * SECOND)
    assert not any(p.disk.rows for p in cluster.processes)
