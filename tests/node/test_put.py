"""Claims about `dynakv.node.put`: stamps, expiries and previous values of puts."""

from dynakv.core.record import NO_EXPIRY, Record
from dynakv.node.messages import KEEP_EXPIRY, Found, Get, Put, Save
from tests.node.cluster import START, stored_of, values, warmed

# --- the previous value ----------------------------------------------------------------------


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
