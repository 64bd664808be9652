"""Claims about `dynakv.node.put`: when a write is acknowledged, refused, or of unknown outcome."""

from dynakv.core.layout import Level
from dynakv.core.record import NO_EXPIRY, Record
from dynakv.core.table import DAMAGED
from dynakv.errors import Failure, Kind
from dynakv.node.messages import KEEP_EXPIRY, Found, Get, Put, Reason, Refused, Save, Stored
from tests.node.cluster import START, failure_of, stored_of, values, warmed

# --- refused, or unknown ---------------------------------------------------------------------


def test_a_put_is_refused_at_once_when_too_few_replicas_are_up() -> None:
    cluster = warmed()
    cluster.unreachable |= {"n2", "n3"}
    cluster.pass_ms(1200)  # the heartbeats notice
    cluster.sent.clear()
    failure = failure_of(cluster.put(b"k", b"v"))
    assert failure == Failure(
        Kind.UNAVAILABLE,
        "nothing was written: 1 of 3 replicas are up, w=2 is needed (keyspace default)",
    )
    assert cluster.asked(Save) == []
    assert cluster.rows(b"k") == {}


def test_a_put_that_no_replica_can_have_taken_is_refused() -> None:
    cluster = warmed(5)
    key = cluster.key_on("n2", "n3", "n4", absent=("n1",))
    cluster.unreachable |= {"n2", "n3", "n4"}
    failure = failure_of(cluster.put(key, b"v"))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason.startswith("nothing was written: 0 of 3 replicas are able to take it")
    assert cluster.rows(key) == {}


def test_a_put_that_only_the_own_replica_took_is_of_unknown_outcome() -> None:
    cluster = warmed()
    cluster.hold_disk("n1")
    cluster.unreachable |= {"n2", "n3"}
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    assert cluster.parts(call) == []  # the own disk decides
    cluster.release_disk("n1")
    cluster.pass_ms(2100)
    failure = failure_of(cluster.parts(call))
    assert failure.kind is Kind.UNKNOWN
    assert failure.reason == (
        "the write may have happened: fewer than w=2 of 3 replicas confirmed it (keyspace"
        " default); retry with the same stamp"
    )
    assert values(cluster, b"k") == {"n1": b"v"}


def test_one_broken_stream_makes_a_lost_quorum_unknown_and_not_refused() -> None:
    cluster = warmed(5)
    key = cluster.key_on("n2", "n3", "n4", absent=("n1",))
    cluster.unreachable |= {"n2", "n3"}
    cluster.failing["n4", Save] = Reason.BROKEN
    assert failure_of(cluster.put(key, b"v")).kind is Kind.UNKNOWN


def test_each_refusal_of_a_whole_ask_counts_as_nothing_done() -> None:
    for reason in (Reason.OVERLOADED, Reason.WRONG_EPOCH, Reason.UNKNOWN_KEYSPACE, Reason.FOREIGN):
        cluster = warmed(5)
        key = cluster.key_on("n2", "n3", "n4", absent=("n1",))
        for node in ("n2", "n3", "n4"):
            cluster.failing[node, Save] = reason
        assert failure_of(cluster.put(key, b"v")).kind is Kind.UNAVAILABLE


def test_silence_until_the_deadline_is_unknown() -> None:
    cluster = warmed()
    cluster.hold("n2")
    cluster.hold("n3")
    call = cluster.submit(Put("default", [b"k"], [b"v"], timeout_ms=300))
    cluster.run()
    cluster.pass_ms(250)
    assert cluster.parts(call) == []
    cluster.pass_ms(100)
    assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN


def test_an_acknowledgement_after_the_deadline_changes_nothing() -> None:
    cluster = warmed()
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    call = cluster.submit(Put("default", [b"k"], [b"v"], timeout_ms=300))
    cluster.run()
    cluster.pass_ms(400)
    cluster.release("n2")
    cluster.release("n3")
    assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN
    assert values(cluster, b"k") == {"n1": b"v", "n2": b"v", "n3": b"v"}


def test_the_own_disk_after_the_deadline_changes_nothing() -> None:
    for w in (1, 2):
        cluster = warmed()
        for node in ("n1", "n2", "n3"):
            cluster.hold_disk(node)
        call = cluster.submit(Put("default", [b"k"], [b"v"], w=w, timeout_ms=300))
        cluster.run()
        cluster.pass_ms(400)
        for node in ("n1", "n2", "n3"):
            cluster.release_disk(node)
        assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN


def test_a_quorum_lost_after_one_replica_took_it_is_unknown_at_once() -> None:
    cluster = warmed()
    for node in ("n2", "n3"):
        cluster.hold(node, Save)
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    for node in ("n2", "n3"):
        assert cluster.parts(call) == []
        cluster.fail_held(node, Reason.UNREACHABLE)
    assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN


# --- acknowledged ----------------------------------------------------------------------------


def test_a_put_is_acknowledged_only_when_w_disks_have_it() -> None:
    cluster = warmed()
    for node in ("n1", "n2", "n3"):
        cluster.hold_disk(node)
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.release_disk("n3")
    assert cluster.parts(call) == []
    cluster.release_disk("n1")
    assert stored_of(cluster.parts(call)).entries == [0]
    assert values(cluster, b"k") == {"n1": b"v", "n3": b"v"}


def test_level_one_waits_for_one_disk_and_level_all_for_every_one() -> None:
    for level, w, disks in (
        (Level.ONE, 0, 1),
        (Level.QUORUM, 0, 2),
        (Level.ALL, 0, 3),
        (None, 1, 1),
        (Level.ONE, 3, 3),
    ):
        cluster = warmed()
        for node in ("n1", "n2", "n3"):
            cluster.hold_disk(node)
        call = cluster.submit(Put("default", [b"k"], [b"v"], level=level, w=w))
        cluster.run()
        for released in (1, 2, 3):
            cluster.release_disk(f"n{released}")
            assert bool(cluster.parts(call)) == (released >= disks)


def test_the_third_acknowledgement_is_not_answered_again() -> None:
    cluster = warmed()
    cluster.hold("n3", Save)
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    assert stored_of(cluster.parts(call)).entries == [0]
    cluster.release("n3")
    cluster.pass_ms(2500)
    assert len(cluster.parts(call)) == 1


def test_a_damaged_replica_does_not_count() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.put(b"k", b"old")
    cluster.flip("n2", b"k")
    cluster.hold("n3", Save)
    call = cluster.submit(Put("default", [b"k"], [b"new"]))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.release("n3")
    assert stored_of(cluster.parts(call)).entries == [0]
    disk = cluster.disks["n2"]
    assert [disk.row(where) for where in disk.rows if where[2] == b"k"] == [DAMAGED]


# --- many keys -------------------------------------------------------------------------------


def test_duplicate_keys_of_one_message_apply_in_order() -> None:
    cluster = warmed()
    message = Put("default", [b"k", b"k", b"k"], [b"1", None, b"3"], previous=True)
    stored = stored_of(cluster.ask(message))
    assert stored.entries == [0, 1, 2]
    assert stored.times == sorted(set(stored.times))
    assert stored.previous is not None
    assert [seen and seen.value for seen in stored.previous] == [None, b"1", None]
    assert values(cluster, b"k") == {"n1": b"3", "n2": b"3", "n3": b"3"}


def test_keys_succeed_and_fail_by_their_own_replicas() -> None:
    cluster = warmed(5)
    good = cluster.key_on("n1", "n2", "n3")
    bad = cluster.key_on("n4", "n5")
    half = cluster.key_on("n1", "n4", absent=("n5",))
    cluster.unreachable |= {"n4", "n5"}
    cluster.pass_ms(1200)
    parts = cluster.ask(Put("default", [bad, good, half, bad], [b"v"] * 4))
    failed = [part for part in parts if isinstance(part, Refused)]
    assert [part.entries for part in failed] == [[0, 3]]
    assert failed[0].failure.kind is Kind.UNAVAILABLE
    done = sorted(i for part in parts if isinstance(part, Stored) for i in part.entries)
    assert done == [1, 2]
    assert set(values(cluster, good)) == {"n1", "n2", "n3"}
    assert len(values(cluster, half)) == 2
    assert values(cluster, bad) == {}


def test_each_replica_gets_one_ask_with_only_its_keys() -> None:
    cluster = warmed(5)
    keys = [b"key%d" % i for i in range(40)]
    cluster.ask(Put("default", keys, [b"v"] * 40))
    saves = [ask for _, ask in cluster.sent if isinstance(ask.message, Save)]
    assert sorted(ask.to for ask in saves) == ["n2", "n3", "n4", "n5"]
    for ask in saves:
        assert isinstance(ask.message, Save)
        held = [key for key in keys if ask.to in cluster.replicas_of(key)]
        assert [record.key for record in ask.message.records] == held


def test_previous_is_the_newest_value_observed_before() -> None:
    cluster = warmed()
    cluster.put(b"k", b"1")
    cluster.hold("n3", Save)
    cluster.put(b"k", b"2")  # n3 has 1 still
    cluster.hold("n2", Save)
    cluster.held.pop("n3")
    call = cluster.submit(Put("default", [b"k"], [b"3"], previous=True))
    cluster.run()
    previous = stored_of(cluster.parts(call)).previous
    assert previous is not None
    assert previous[0] is not None
    assert previous[0].value == b"2"


def test_previous_shows_neither_tombstones_nor_expired_values() -> None:
    cluster = warmed()
    assert stored_of(cluster.put(b"k", b"1", previous=True)).previous == [None]
    cluster.put(b"k", None)
    assert stored_of(cluster.put(b"k", b"2", previous=True, ttls_ms=[50])).previous == [None]
    cluster.pass_ms(100)
    assert stored_of(cluster.put(b"k", b"3", previous=True)).previous == [None]
    assert stored_of(cluster.put(b"k", b"4")).previous is None


# --- expiry ----------------------------------------------------------------------------------


def test_all_replicas_store_the_same_absolute_expiry() -> None:
    cluster = warmed()
    cluster.skew_ms["n2"] = 90
    wall_ms = stored_of(cluster.put(b"k", b"v", ttls_ms=[5000])).times[0] >> 16
    rows = cluster.rows(b"k").values()
    assert [row.expiry_ms for row in rows if isinstance(row, Record)] == [wall_ms + 5000] * 3


def test_an_absolute_expiry_goes_before_a_ttl() -> None:
    cluster = warmed()
    deadline_ms = START.wall_ms + 60_000
    cluster.put(b"k", b"v", ttls_ms=[5000], expiries_ms=[deadline_ms])
    record = cluster.get(b"k")
    assert record is not None
    assert record.expiry_ms == deadline_ms


def test_a_put_with_an_expiry_in_the_past_is_a_delete() -> None:
    cluster = warmed()
    cluster.put(b"k", b"old")
    cluster.put(b"k", b"v", expiries_ms=[START.wall_ms])
    record = cluster.get(b"k")
    assert record is not None
    assert (record.value, record.expiry_ms) == (None, NO_EXPIRY)


def test_an_expiry_one_ms_above_the_stamp_is_kept() -> None:
    cluster = warmed()
    time = (START.wall_ms + 20) << 16
    cluster.put(b"a", b"v", expiries_ms=[START.wall_ms + 21], times=[time], writers=[7])
    cluster.put(b"b", b"v", expiries_ms=[START.wall_ms + 20], times=[time], writers=[7])
    assert set(values(cluster, b"a").values()) == {b"v"}
    assert set(values(cluster, b"b").values()) == {None}


def test_a_put_that_keeps_the_ttl_keeps_it() -> None:
    cluster = warmed()
    cluster.put(b"k", b"1", ttls_ms=[5000])
    before = cluster.get(b"k")
    cluster.put(b"k", b"2", expiries_ms=[KEEP_EXPIRY])
    after = cluster.get(b"k")
    assert before is not None
    assert after is not None
    assert after.value == b"2"
    assert (after.expiry_ms, after.expiry_time) == (before.expiry_ms, before.expiry_time)


def test_a_value_written_after_a_spent_deadline_stays_visible() -> None:
    cluster = warmed()
    cluster.put(b"k", b"1", ttls_ms=[50])
    cluster.pass_ms(100)
    gone = cluster.get(b"k")
    assert gone is not None
    assert gone.value is None
    cluster.put(b"k", b"2", expiries_ms=[KEEP_EXPIRY])
    cluster.pass_ms(1000)
    back = cluster.get(b"k")
    assert back is not None
    assert back.value == b"2"


def test_the_keyspace_gives_a_ttl_to_puts_without_one() -> None:
    cluster = warmed(default_ttl_ms=9000)
    wall_ms = stored_of(cluster.put(b"k", b"v")).times[0] >> 16
    record = cluster.get(b"k")
    assert record is not None
    assert record.expiry_ms == wall_ms + 9000
    cluster.put(b"k", b"v", ttls_ms=[100])
    record = cluster.get(b"k")
    assert record is not None
    assert record.expiry_ms < wall_ms + 9000
    cluster.put(b"k", None)
    assert {row.expiry_ms for row in cluster.rows(b"k").values() if isinstance(row, Record)} == {0}


# --- stamps of clients -----------------------------------------------------------------------


def test_a_retry_with_the_same_stamp_leaves_one_write() -> None:
    cluster = warmed()
    times, writers = [(START.wall_ms + 5) << 16], [77]
    cluster.put(b"k", b"v", ttls_ms=[9000], times=times, writers=writers)
    first = cluster.rows(b"k")
    cluster.pass_ms(500)
    stored = stored_of(
        cluster.put(b"k", b"v", at="n2", ttls_ms=[9000], times=times, writers=writers)
    )
    assert (stored.times, stored.writers) == (times, writers)
    assert cluster.rows(b"k") == first


def test_a_retry_with_an_old_stamp_does_not_undo_a_later_write() -> None:
    cluster = warmed()
    times, writers = [(START.wall_ms + 5) << 16], [77]
    cluster.put(b"k", b"first", times=times, writers=writers)
    cluster.pass_ms(100)
    cluster.put(b"k", b"second", at="n3")
    cluster.put(b"k", b"first", at="n2", times=times, writers=writers)
    assert set(values(cluster, b"k").values()) == {b"second"}


def test_a_write_after_a_clients_stamp_stands_above_it() -> None:
    cluster = warmed()
    time = (START.wall_ms + 450) << 16
    cluster.put(b"k", b"client", times=[time], writers=[77])
    stored = stored_of(cluster.put(b"k", b"node"))
    assert stored.times[0] > time
    found = cluster.ask(Get("default", [b"k"]))[0]
    assert isinstance(found, Found)
    assert found.records[0] is not None
    assert found.records[0].value == b"node"


def test_a_clients_stamp_that_a_lagging_replica_refuses_reaches_the_others() -> None:
    cluster = warmed()
    cluster.skew_ms["n3"] = -200
    cluster.run()
    time = (START.wall_ms + 450) << 16
    stored_of(cluster.put(b"k", b"v", times=[time], writers=[77]))
    assert set(values(cluster, b"k")) == {"n1", "n2"}
    assert cluster.nodes["n3"].context.counters.refused_stamps > 0
