"""Claims about `dynakv.node.get`: what a reader is shown."""

from dynakv.core.layout import Level
from dynakv.node.messages import (
    Get,
    Load,
    Reason,
    Save,
)
from tests.node.cluster import found_of, split, stored_of, value_of, warmed


def test_an_absent_key_is_none_and_a_deleted_one_a_tombstone() -> None:
    cluster = warmed()
    assert cluster.get(b"k") is None
    cluster.put(b"k", b"v")
    time = stored_of(cluster.put(b"k", None)).times[0]
    record = cluster.get(b"k")
    assert record is not None
    assert (record.value, record.value_time) == (None, time)


def test_an_expired_record_reads_as_a_tombstone_and_stays_as_it_is_on_disk() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v", ttls_ms=[100])
    before = cluster.rows(b"k")
    cluster.pass_ms(200)
    record = cluster.get(b"k")
    assert record is not None
    assert record.value is None
    assert cluster.rows(b"k") == before


def test_levels_and_r_say_how_many_replicas_are_asked() -> None:
    cases = ((Level.ONE, 0, 0), (Level.QUORUM, 0, 1), (Level.ALL, 0, 2), (None, 0, 1), (None, 3, 2))
    for level, r, others in cases:
        cluster = warmed()
        cluster.put(b"k", b"v")
        cluster.sent.clear()
        assert value_of(cluster.ask(Get("default", [b"k"], level, r))) == b"v"
        assert len(cluster.asked(Load)) == others


def test_level_one_may_answer_what_others_have_overwritten() -> None:
    cluster = split("n2")
    assert value_of(cluster.ask(Get("default", [b"k"], Level.ONE))) == b"old"
    assert value_of(cluster.ask(Get("default", [b"k"], Level.QUORUM), "n2")) == b"new"


def test_level_all_reads_what_only_one_replica_has() -> None:
    cluster = split("n3")
    assert value_of(cluster.ask(Get("default", [b"k"], Level.ALL))) == b"new"


def test_registers_of_different_replicas_are_merged_before_the_answer() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.put(b"k", b"old", w=3, ttls_ms=[60_000])
    for node in ("n1", "n3"):
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"new", at="n2", w=1, expiries_ms=[-1])
    cluster.failing.clear()
    (record,) = found_of(cluster.ask(Get("default", [b"k"], Level.ALL))).records
    assert record is not None
    assert record.value == b"new"
    assert record.expiry_ms > 0
    assert record.expiry_time < record.value_time
