"""Claims about `dynakv.node.fencing`: fences and floors are durable before they are promised."""

from dynakv.core.hlc import reading
from dynakv.core.record import written
from dynakv.core.table import Remember
from dynakv.errors import Kind
from dynakv.node.messages import Failed, Outcome, Put, Reason, Save
from dynakv.node.repair_messages import Fence, RaiseFloor
from tests.node.cluster import START, failure_of
from tests.node.cutting import CUT, LATER_CUT, OLD_MS, Cutter, old_cluster

OLD = written(b"k", b"old", 0, reading(OLD_MS), 9)


def test_a_fence_refuses_a_fresh_write_that_is_older_and_nothing_newer() -> None:
    cutter = Cutter(old_cluster())
    assert cutter.fence("n1")
    assert cutter.save("n1", OLD).outcomes == [Outcome.FENCED]
    assert cutter.cluster.rows(b"k") == {}
    assert cutter.cluster.nodes["n1"].context.counters.fenced_records == 1
    newer = written(b"k", b"new", 0, reading(START.wall_ms), 9)
    assert cutter.save("n1", newer).outcomes is None


def test_what_is_held_already_is_not_refused() -> None:
    cutter = Cutter(old_cluster())
    cutter.save("n1", OLD)
    assert cutter.fence("n1")
    assert cutter.save("n1", OLD).outcomes is None


def test_what_was_read_under_the_same_floor_is_taken() -> None:
    cutter = Cutter(old_cluster())
    cutter.fence("n1")
    assert cutter.save("n1", OLD, floor=0).outcomes is None
    assert cutter.cluster.rows(b"k") == {"n1": OLD}


def test_what_was_read_before_the_floor_rose_is_refused() -> None:
    cutter = Cutter(old_cluster())
    cutter.fence("n1")
    cutter.raise_floor("n1")
    assert cutter.save("n1", OLD, floor=0).outcomes == [Outcome.FENCED]
    assert cutter.save("n1", OLD, floor=CUT).outcomes is None


def test_what_would_be_dropped_at_once_counts_as_held_and_is_not_stored() -> None:
    cutter = Cutter(old_cluster())
    cutter.collect("n1")
    tombstone = written(b"k", None, 0, reading(OLD_MS), 9)
    for floor in (CUT, None):
        assert cutter.save("n1", tombstone, floor=floor).outcomes is None
    assert cutter.cluster.rows(b"k") == {}


def test_a_fence_stops_at_once_and_is_promised_when_it_is_durable() -> None:
    cutter = Cutter(old_cluster())
    cluster = cutter.cluster
    cluster.hold_disk("n1")
    call = cluster.submit(Fence(cutter.keyspace, cutter.epoch, [cutter.group], CUT))
    save = cluster.submit(_save(cutter))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.release_disk("n1")
    assert cluster.parts(call)[0].taken == [True]  # type: ignore[attr-defined]
    assert cluster.parts(save)[0].outcomes == [Outcome.FENCED]  # type: ignore[attr-defined]


def test_fence_and_floor_survive_a_restart() -> None:
    cutter = Cutter(old_cluster())
    cutter.collect("n1")
    cutter.cluster.restart("n1")
    cuts = cutter.cluster.nodes["n1"].context.cuts
    assert cuts.fence(cutter.keyspace, cutter.group) == CUT
    assert cuts.floor(cutter.keyspace, cutter.group) == CUT
    assert cutter.save("n1", OLD).outcomes == [Outcome.FENCED]


def test_a_floor_above_the_own_fence_is_refused() -> None:
    cutter = Cutter(old_cluster())
    assert not cutter.raise_floor("n1")
    cutter.fence("n1")
    assert not cutter.raise_floor("n1", LATER_CUT)
    assert cutter.cluster.nodes["n1"].context.cuts.floors == {}


def test_a_cut_that_is_hardly_old_is_refused() -> None:
    cutter = Cutter(old_cluster())
    assert not cutter.fence("n1", reading(START.wall_ms - 9_000))
    assert cutter.fence("n1", reading(START.wall_ms - 11_000))


def test_a_replica_that_forgot_what_it_held_takes_part_in_nothing() -> None:
    cutter = Cutter(old_cluster())
    cutter.cluster.nodes["n1"].context.recovering[cutter.keyspace, cutter.group] = None
    assert not cutter.fence("n1")
    assert not cutter.raise_floor("n1")


def test_below_the_reserve_of_the_disk_nothing_is_promised() -> None:
    cutter = Cutter(old_cluster())
    cutter.cluster.nodes["n1"].disk_full(full=True)
    assert not cutter.fence("n1")


def test_a_group_held_elsewhere_is_refused_and_another_epoch_fails() -> None:
    cutter = Cutter(old_cluster(5), old_cluster(5).key_on("n2", absent=("n1",)))
    assert not cutter.fence("n1")
    for kind in (Fence, RaiseFloor):
        wrong_epoch = kind(cutter.keyspace, cutter.epoch + 1, [cutter.group], CUT)
        assert cutter.cluster.ask(wrong_epoch) == [Failed(Reason.WRONG_EPOCH)]
        assert cutter.cluster.ask(kind(1, 1, [0], CUT)) == [Failed(Reason.UNKNOWN_KEYSPACE)]


def test_a_fenced_put_was_certainly_not_done() -> None:
    cutter = Cutter(old_cluster())
    cutter.collect()
    put = Put("default", [b"k"], [b"old"], times=[OLD.value_time], writers=[9])
    failure = failure_of(cutter.cluster.ask(put))
    assert failure.kind is Kind.UNAVAILABLE
    assert "nothing was written" in failure.reason
    assert cutter.cluster.rows(b"k") == {}


def test_a_higher_floor_that_a_peer_stands_under_is_adopted() -> None:
    cutter = Cutter(old_cluster())
    cluster = cutter.cluster
    cutter.collect("n2")
    cuts = cluster.nodes["n1"].context.cuts
    cuts.hear(cutter.keyspace, cutter.group, CUT)
    cluster.pass_ms(1_100)
    assert cuts.floor(cutter.keyspace, cutter.group) == CUT
    assert cluster.nodes["n1"].context.counters.floors_adopted == 1
    cluster.restart("n1")
    assert cluster.nodes["n1"].context.cuts.floor(cutter.keyspace, cutter.group) == CUT


def test_a_fence_that_stands_already_is_promised_without_a_new_fact() -> None:
    cutter = Cutter(old_cluster())
    cutter.fence("n1", LATER_CUT)
    cutter.cluster.sent.clear()
    assert cutter.fence("n1", CUT)
    (ask,) = [a for n, a in cutter.cluster.sent if n == "n1" and isinstance(a.message, Remember)]
    assert ask.message == Remember({})


def _save(cutter: Cutter) -> object:
    return Save(cutter.keyspace, cutter.epoch, [OLD])
