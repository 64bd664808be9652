"""Claims about `dynakv.node.expire`: only the expiry register is written, only of live keys."""

from dynakv.core.record import NO_EXPIRY, Record
from dynakv.errors import Kind
from dynakv.node.messages import Expire, Expired, Get, Load, Refused, Save
from tests.node.cluster import START, Cluster, failure_of, stored_of, value_of, values, warmed


def applied_of(parts: list[object]) -> dict[int, bool]:
    result: dict[int, bool] = {}
    for part in parts:
        assert isinstance(part, Expired)
        for entry, applied in zip(part.entries, part.applied, strict=True):
            assert entry not in result
            result[entry] = applied
    return result


def expire(cluster: Cluster, *keys: bytes, ttl_ms: int = 0, at: str = "n1") -> dict[int, bool]:
    ttls_ms = [ttl_ms] * len(keys) if ttl_ms else None
    return applied_of(cluster.ask(Expire("default", list(keys), ttls_ms), at))


def persist(cluster: Cluster, key: bytes, at: str = "n1") -> bool:
    return expire(cluster, key, at=at)[0]


def test_absent_and_deleted_keys_are_not_touched() -> None:
    cluster = warmed()
    cluster.put(b"deleted", b"v")
    cluster.put(b"deleted", None)
    before = cluster.rows(b"deleted")
    assert expire(cluster, b"absent", b"deleted", ttl_ms=500) == {0: False, 1: False}
    assert cluster.rows(b"absent") == {}
    assert cluster.rows(b"deleted") == before


def test_persist_never_revives_an_expired_value() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v", ttls_ms=[100])
    cluster.pass_ms(150)
    before = cluster.rows(b"k")
    assert not persist(cluster, b"k")
    assert expire(cluster, b"k", ttl_ms=60_000) == {0: False}
    assert cluster.rows(b"k") == before


def test_a_stamp_at_or_above_the_deadline_changes_nothing_though_the_clock_lags() -> None:
    # The coordinator's wall clock stands before the deadline, but the stamps it issues do not:
    # others may have found the value expired before that stamp.
    cluster = warmed()
    deadline_ms = START.wall_ms + 200
    cluster.put(b"k", b"v", expiries_ms=[deadline_ms])
    ahead = [(START.wall_ms + 400) << 16]
    cluster.put(b"other", b"v", times=ahead, writers=[77])
    assert not persist(cluster, b"k")
    rows = cluster.rows(b"k").values()
    assert {row.expiry_ms for row in rows if isinstance(row, Record)} == {deadline_ms}


def test_a_node_that_doubts_its_clock_refuses() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.skew_ms["n1"] = 3_600_000
    cluster.run()
    failure = failure_of(cluster.ask(Expire("default", [b"k"], [500])))
    assert failure.kind is Kind.UNAVAILABLE


def test_a_read_that_fails_writes_nothing() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.unreachable |= {"n2", "n3"}
    cluster.sent.clear()
    assert failure_of(cluster.ask(Expire("default", [b"k"], [500]))).kind is Kind.UNAVAILABLE
    assert cluster.asked(Save) == []


def test_an_expiry_that_too_few_replicas_took_is_of_unknown_outcome() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    call = cluster.submit(Expire("default", [b"k"], [5000]))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.pass_ms(2100)
    assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN


def test_expire_is_answered_when_w_disks_have_it() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    call = cluster.submit(Expire("default", [b"k"], [5000]))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.release("n2")
    assert applied_of(cluster.parts(call)) == {0: True}


def test_expire_writes_only_the_expiry() -> None:
    cluster = warmed()
    time = stored_of(cluster.put(b"k", b"v")).times[0]
    assert expire(cluster, b"k", ttl_ms=5000) == {0: True}
    for row in cluster.rows(b"k").values():
        assert isinstance(row, Record)
        assert (row.value, row.value_time) == (b"v", time)
        assert row.expiry_time > time
        assert row.expiry_ms == (row.expiry_time >> 16) + 5000


def test_a_sliding_ttl_never_brings_an_older_value_back() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.put(b"k", b"old", w=3)
    cluster.hold("n1", Save)
    stored_of(cluster.put(b"k", b"new", at="n2"))
    cluster.pass_ms(10)
    expire(cluster, b"k", ttl_ms=5000, at="n1")  # n1 itself holds the old value still
    cluster.release("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    assert set(values(cluster, b"k").values()) == {b"new"}
    assert all(isinstance(r, Record) and r.expiry_ms for r in cluster.rows(b"k").values())


def test_persist_removes_the_expiry_in_time() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v", ttls_ms=[200])
    assert persist(cluster, b"k")
    cluster.pass_ms(500)
    record = cluster.get(b"k")
    assert record is not None
    assert (record.value, record.expiry_ms) == (b"v", NO_EXPIRY)


def test_persist_of_a_key_without_expiry_applies() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    assert persist(cluster, b"k")


def test_a_value_that_outlived_a_spent_deadline_can_be_given_a_new_one() -> None:
    cluster = warmed()
    cluster.put(b"k", b"1", ttls_ms=[50])
    cluster.pass_ms(100)
    cluster.put(b"k", b"2", expiries_ms=[-1])
    assert expire(cluster, b"k", ttl_ms=300) == {0: True}
    cluster.pass_ms(400)
    record = cluster.get(b"k")
    assert record is not None
    assert record.value is None


def test_an_expiry_in_the_past_deletes() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    parts = cluster.ask(Expire("default", [b"k"], expiries_ms=[START.wall_ms - 1]))
    assert applied_of(parts) == {0: True}
    assert set(values(cluster, b"k").values()) == {None}


def test_an_absolute_expiry_goes_before_a_ttl() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.ask(Expire("default", [b"k"], [500], [START.wall_ms + 60_000]))
    record = cluster.get(b"k")
    assert record is not None
    assert record.expiry_ms == START.wall_ms + 60_000


def overtaken() -> tuple[Cluster, bytes]:
    """A cluster of five, a key that a client ahead of n5's clock wrote, and an ordinary one."""
    cluster = warmed(5)
    key = cluster.key_on("n1", absent=("n5",))
    cluster.put(b"other", b"v", at="n5")
    cluster.put(key, b"v", times=[(START.wall_ms + 400) << 16], writers=[77])
    return cluster, key


def test_an_expire_overtaken_by_a_newer_stamp_is_refused_and_its_retry_applies() -> None:
    cluster, key = overtaken()
    before = cluster.rows(key)
    failure = failure_of(cluster.ask(Expire("default", [key], [5_000]), "n5"))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason.startswith("nothing was written: whoever wrote the key had a clock ahead")
    assert cluster.rows(key) == before
    assert expire(cluster, key, ttl_ms=5_000, at="n5") == {0: True}
    record = cluster.get(key)
    assert record is not None
    assert record.expiry_ms > START.wall_ms


def test_an_expire_into_the_past_that_says_applied_deletes() -> None:
    cluster, key = overtaken()
    message = Expire("default", [key], expiries_ms=[1])
    assert failure_of(cluster.ask(message, "n5")).kind is Kind.UNAVAILABLE
    assert applied_of(cluster.ask(message, "n5")) == {0: True}
    assert set(values(cluster, key).values()) == {None}


def test_the_retry_stands_above_what_overtook_it_though_no_node_remembers_that_clock() -> None:
    cluster, key = overtaken()
    cluster.nodes = {node: cluster.start(node, starts=2) for node in cluster.nodes}  # all at once
    cluster.run()
    assert max(node.header().hlc for node in cluster.nodes.values()) < (START.wall_ms + 400) << 16
    assert failure_of(cluster.ask(Expire("default", [key], [5_000]), "n5")).kind is Kind.UNAVAILABLE
    assert expire(cluster, key, ttl_ms=5_000, at="n5") == {0: True}


def test_an_expire_into_the_past_overtaken_by_the_value_alone_is_refused() -> None:
    cluster = warmed(5)
    key = cluster.key_on("n1", absent=("n5",))
    cluster.put(key, b"old")
    ahead = [(START.wall_ms + 400) << 16]
    cluster.put(key, b"new", expiries_ms=[-1], times=ahead, writers=[77])
    message = Expire("default", [key], expiries_ms=[1])
    assert failure_of(cluster.ask(message, "n5")).kind is Kind.UNAVAILABLE
    assert set(values(cluster, key).values()) == {b"new"}
    assert applied_of(cluster.ask(message, "n5")) == {0: True}
    assert set(values(cluster, key).values()) == {None}


def test_only_the_overtaken_keys_of_an_expire_are_refused() -> None:
    cluster, key = overtaken()
    parts = cluster.ask(Expire("default", [b"absent", key, b"other"], [5_000] * 3), "n5")
    assert [part.entries for part in parts if isinstance(part, Refused)] == [[1]]
    rest = [part for part in parts if isinstance(part, Expired)]
    assert applied_of(list(rest)) == {0: False, 2: True}


def test_each_key_is_answered_once_for_itself() -> None:
    cluster = warmed(5)
    there, absent = cluster.key_on("n1", absent=("n4", "n5")), b"absent"
    while not {"n4", "n5"}.isdisjoint(cluster.replicas_of(absent)):
        absent += b"+"
    lost = cluster.key_on("n4", "n5")
    cluster.put(there, b"v")
    cluster.unreachable |= {"n4", "n5"}
    cluster.pass_ms(1200)
    parts = cluster.ask(Expire("default", [absent, there, lost, there], [500] * 4))
    refused = [part for part in parts if isinstance(part, Refused)]
    assert [part.entries for part in refused] == [[2]]
    rest = [part for part in parts if isinstance(part, Expired)]
    assert applied_of(list(rest)) == {0: False, 1: True, 3: True}


def test_expire_reads_at_a_quorum_whatever_its_own_level() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.sent.clear()
    cluster.ask(Expire("default", [b"k"], [500], w=1))
    assert len(cluster.asked(Load)) == 1  # and the own replica
