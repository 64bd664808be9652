"""Claims about `dynakv.node.stamping`: stamps rise, below a durable ceiling, on a trusted clock."""

from dynakv import limits
from dynakv.core.hlc import wall_ms_of
from dynakv.core.record import written
from dynakv.core.table import RaiseCeiling
from dynakv.errors import Kind
from dynakv.node.messages import Expire, Get, Put, Save, Saved
from tests.node.cluster import START, Cluster, failure_of, stored_of, warmed

HOUR_MS = 3_600_000


def test_no_stamp_is_issued_before_the_disk_confirmed_the_ceiling() -> None:
    cluster = Cluster()
    cluster.hold_disk("n1")
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    assert [ask.message for ask in cluster.held_disks["n1"]] == [
        RaiseCeiling(START.wall_ms + limits.HLC_AHEAD_MS)
    ]
    assert cluster.asked(Save) == []
    assert cluster.nodes["n1"].header().hlc < START.wall_ms << 16
    cluster.release_disk("n1")
    assert wall_ms_of(stored_of(cluster.parts(call)).times[0]) < cluster.disks["n1"].ceiling_ms


def test_every_stamp_lies_below_the_ceiling_on_disk() -> None:
    cluster = Cluster()
    for _ in range(100):
        time = stored_of(cluster.put(b"k", b"v")).times[0]
        assert wall_ms_of(time) < cluster.disks["n1"].ceiling_ms
        cluster.pass_ms(30)


def test_a_busy_node_raises_the_ceiling_in_passing_without_letting_a_write_wait() -> None:
    cluster = warmed()
    cluster.pass_ms(limits.HLC_AHEAD_MS // 2 + 10)
    cluster.hold_disk("n1")
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    assert stored_of(cluster.parts(call)).entries == [0]  # on the disks of n2 and n3
    kinds = [type(ask.message) for ask in cluster.held_disks["n1"]]
    assert kinds.count(RaiseCeiling) == 1


def test_one_raise_is_under_way_at_a_time_and_serves_all_that_wait() -> None:
    cluster = Cluster()
    cluster.hold_disk("n1")
    calls = []
    for _ in range(5):
        calls.append(cluster.submit(Put("default", [b"k"], [b"v"])))
        cluster.run()
    assert len(cluster.held_disks["n1"]) == 1
    cluster.release_disk("n1")
    times = [stored_of(cluster.parts(call)).times[0] for call in calls]
    assert times == sorted(set(times))


def test_a_raise_that_took_longer_than_the_ceiling_runs_ahead_still_lets_the_write_go() -> None:
    cluster = Cluster()
    cluster.hold_disk("n1")
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    cluster.pass_ms(600)
    cluster.release_disk("n1")
    time = stored_of(cluster.parts(call)).times[0]
    assert wall_ms_of(time) == START.wall_ms + limits.HLC_AHEAD_MS - 1


def test_no_stamp_lies_before_the_moment_it_was_asked_for() -> None:
    # The second put comes so late in the wait that the ceiling wanted then is below its arrival.
    cluster = Cluster()
    cluster.hold_disk("n1")
    cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    cluster.pass_ms(1_000)
    arrival_ms = cluster.now.wall_ms
    late = cluster.submit(Put("default", [b"k"], [b"w"]))
    cluster.run()
    cluster.release_disk("n1")
    assert wall_ms_of(stored_of(cluster.parts(late)).times[0]) >= arrival_ms


def test_a_put_that_waits_for_the_ceiling_is_refused_at_its_deadline_and_never_written() -> None:
    cluster = Cluster()
    cluster.hold_disk("n1")
    call = cluster.submit(Put("default", [b"k"], [b"v"], timeout_ms=300))
    later = cluster.submit(Put("default", [b"l"], [b"v"], timeout_ms=5_000))
    cluster.run()
    cluster.pass_ms(290)
    assert cluster.parts(call) == []
    cluster.pass_ms(20)
    failure = failure_of(cluster.parts(call))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason == "nothing was written: the disk of node n1 did not answer"
    cluster.release_disk("n1")
    assert len(cluster.parts(call)) == 1
    assert cluster.rows(b"k") == {}
    assert stored_of(cluster.parts(later)).entries == [0]
    cluster.pass_ms(5_000)
    assert len(cluster.parts(later)) == 1


def test_an_expire_that_waits_for_the_ceiling_is_refused_at_its_deadline() -> None:
    cluster = Cluster()
    cluster.hold_disk("n1")
    call = cluster.submit(Expire("default", [b"k"], [500], timeout_ms=300))
    cluster.run()
    cluster.pass_ms(310)
    assert failure_of(cluster.parts(call)).kind is Kind.UNAVAILABLE


def test_after_a_restart_stamps_stand_above_all_of_the_former_life() -> None:
    cluster = warmed()
    before = stored_of(cluster.put(b"k", b"v")).times[0]
    cluster.skew_ms["n1"] = -200  # the clock was set back meanwhile, within the bound
    cluster.restart("n1")
    after = stored_of(cluster.put(b"k", b"v")).times[0]
    assert wall_ms_of(after) >= START.wall_ms + limits.HLC_AHEAD_MS > wall_ms_of(before)


def test_a_crash_before_the_ceiling_was_confirmed_issues_no_stamp_twice() -> None:
    cluster = Cluster()
    times = []
    for starts in range(2, 8):
        times.append(stored_of(cluster.put(b"k", b"v")).times[0])
        cluster.hold_disk("n1")
        cluster.submit(Put("default", [b"k"], [b"lost"]))
        cluster.run()
        cluster.restart("n1", starts=starts)
        cluster.pass_ms(limits.HLC_AHEAD_MS)
    assert times == sorted(set(times))


def test_after_a_restart_behind_the_bound_the_node_waits_for_its_clock() -> None:
    cluster = warmed()
    cluster.disks["n1"].ceiling_ms += 1_000
    cluster.restart("n1")
    failure = failure_of(cluster.put(b"k", b"v"))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason == (
        "node n1 waits for its wall clock: stamps issued before stand more than 500 ms ahead of it"
    )
    cluster.pass_ms(1_000)
    assert stored_of(cluster.put(b"k", b"v")).entries == [0]


def test_a_reply_to_a_former_life_is_dropped() -> None:
    cluster = warmed()
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    cluster.restart("n1")
    cluster.release("n2")
    cluster.release("n3")
    assert stored_of(cluster.put(b"k", b"w")).entries == [0]


# --- a clock that leaps ----------------------------------------------------------------------


def test_a_node_without_a_majority_at_its_start_refuses_to_coordinate() -> None:
    cluster = Cluster(settled=False)
    cluster.unreachable |= {"n2", "n3"}
    cluster.run()
    failure = failure_of(cluster.put(b"k", b"v"))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason.startswith("node n1 does not trust its clock: no majority of the 3")
    assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


def test_after_a_leap_the_node_neither_writes_nor_reads_and_its_clock_does_not_follow() -> None:
    for leap_ms in (HOUR_MS, -HOUR_MS, 600, -600):
        cluster = warmed()
        hlc = cluster.nodes["n1"].header().hlc
        cluster.skew_ms["n1"] = leap_ms
        cluster.run()
        cluster.sent.clear()
        assert failure_of(cluster.put(b"k", b"v")).kind is Kind.UNAVAILABLE
        assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE
        assert cluster.asked(Save) == []
        assert cluster.nodes["n1"].header().hlc == hlc
        assert any(note.event == "clock_leapt" for note in cluster.notes)


def test_others_go_on_while_one_clock_is_wrong() -> None:
    cluster = warmed()
    cluster.skew_ms["n1"] = HOUR_MS
    cluster.pass_ms(3_000)
    assert stored_of(cluster.put(b"k", b"v", at="n2")).entries == [0]
    record = cluster.get(b"k", at="n3")
    assert record is not None
    assert record.value == b"v"
    assert cluster.nodes["n2"].context.guard.trusted


def test_the_replica_of_a_leapt_node_judges_stamps_by_the_time_it_believed() -> None:
    for leap_ms in (HOUR_MS, -HOUR_MS):
        cluster = warmed()
        cluster.skew_ms["n1"] = leap_ms
        cluster.pass_ms(100)
        placement = cluster.nodes["n1"].context.by_name["default"]
        good = written(b"k", b"v", 0, (cluster.now.wall_ms + 500) << 16, 77)
        bad = written(b"l", b"v", 0, (cluster.now.wall_ms + 501) << 16, 77)
        (saved,) = cluster.ask(Save(placement.keyspace_id, 1, [good, bad]))
        assert isinstance(saved, Saved)
        assert saved.outcomes == [0, 1]


def test_trust_returns_when_a_majority_agrees_again() -> None:
    cluster = warmed()
    cluster.skew_ms["n1"] = HOUR_MS
    cluster.pass_ms(500)
    cluster.skew_ms["n1"] = 30
    cluster.pass_ms(500)
    time = stored_of(cluster.put(b"k", b"v")).times[0]
    assert abs(wall_ms_of(time) - cluster.now.wall_ms) < 100


def test_a_small_step_of_the_clock_is_followed() -> None:
    cluster = warmed()
    cluster.skew_ms["n1"] = limits.CLOCK_LEAP_MS
    time = stored_of(cluster.put(b"k", b"v")).times[0]
    assert wall_ms_of(time) >= START.wall_ms + limits.CLOCK_LEAP_MS - 1


def test_a_cluster_of_one_trusts_itself() -> None:
    cluster = Cluster(1)
    cluster.skew_ms["n1"] = HOUR_MS
    assert wall_ms_of(stored_of(cluster.put(b"k", b"v")).times[0]) >= START.wall_ms + HOUR_MS
