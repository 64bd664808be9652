"""Times beyond 2038 and 2106, where 32-bit seconds end: TTLs, expiries and cuts, door to disk.

CASSANDRA-14092: a TTL whose end overflowed made data vanish at once.
"""

import pytest

from dynakv import limits
from dynakv.core.hlc import reading
from dynakv.core.record import Record
from dynakv.node.messages import Expire, Expired, Get, Now
from tests.node.cluster import Cluster, found_of, stored_of

YEAR_2038_MS = 2**31 * 1000
YEAR_2106_MS = 2**32 * 1000
YEAR_6000_MS = 127_174_492_800_000
STARTS = [YEAR_2038_MS - 5_000, YEAR_2106_MS - 5_000, YEAR_6000_MS]
CONFIG: dict[str, object] = {
    "cut_age_ms": 2_000,
    "collect_every_ms": 500,
    "collect_pause_ms": 0,
}


def cluster_at(wall_ms: int) -> Cluster:
    return Cluster(config=CONFIG, start=Now(wall_ms, 5_000))


def record_of(cluster: Cluster, key: bytes) -> Record:
    rows = cluster.rows(key)
    assert len(rows) == 3
    row = rows["n1"]
    assert isinstance(row, Record)
    return row


@pytest.mark.parametrize("start_ms", STARTS)
def test_a_ttl_that_ends_beyond_the_end_of_a_32_bit_clock_lives_until_then(start_ms: int) -> None:
    cluster = cluster_at(start_ms)
    stored_of(cluster.put(b"k", b"v", ttls_ms=[10_000]))
    stamp_ms = record_of(cluster, b"k").value_time >> 16
    assert start_ms <= stamp_ms < start_ms + 1_000
    assert record_of(cluster, b"k").expiry_ms == stamp_ms + 10_000
    cluster.pass_ms(9_000)
    (found,) = found_of(cluster.ask(Get("default", [b"k"]))).records
    assert found is not None
    assert found.value == b"v"
    cluster.pass_ms(2_000)
    (found,) = found_of(cluster.ask(Get("default", [b"k"]))).records
    assert found is None or found.value is None


@pytest.mark.parametrize("expiry_ms", [YEAR_2038_MS, YEAR_2106_MS, limits.EXPIRY_MS_MAX])
def test_a_far_expiry_is_kept_to_the_millisecond_and_hides_nothing(expiry_ms: int) -> None:
    cluster = Cluster(config=CONFIG)
    stored_of(cluster.put(b"k", b"v", expiries_ms=[expiry_ms]))
    assert cluster.ask(Expire("default", [b"k"], expiries_ms=[expiry_ms - 1])) == [
        Expired([0], [True])
    ]
    cluster.pass_ms(6_000)
    assert record_of(cluster, b"k").expiry_ms == expiry_ms - 1
    (found,) = found_of(cluster.ask(Get("default", [b"k"]))).records
    assert found is not None
    assert found.value == b"v"


def test_the_longest_ttl_does_not_overflow() -> None:
    for start_ms in STARTS:
        cluster = cluster_at(start_ms)
        stored_of(cluster.put(b"k", b"v", ttls_ms=[limits.TTL_MS_MAX]))
        cluster.pass_ms(4_000)
        assert record_of(cluster, b"k").expiry_ms > start_ms + limits.TTL_MS_MAX - 1


@pytest.mark.parametrize("start_ms", STARTS)
def test_deleted_and_expired_records_are_collected_in_every_year(start_ms: int) -> None:
    cluster = cluster_at(start_ms)
    stored_of(cluster.put(b"deleted", b"v"))
    stored_of(cluster.put(b"deleted", None))
    stored_of(cluster.put(b"short", b"v", ttls_ms=[500]))
    stored_of(cluster.put(b"long", b"v", ttls_ms=[limits.TTL_MS_MAX]))
    cluster.pass_ms(8_000)
    assert cluster.rows(b"deleted") == cluster.rows(b"short") == {}
    assert len(cluster.rows(b"long")) == 3
    floors = list(cluster.nodes["n1"].context.cuts.floors.values())
    assert floors
    assert all(reading(start_ms) < floor < reading(start_ms + 8_000) for floor in floors)
    cluster.restart("n1")
    assert list(cluster.nodes["n1"].context.cuts.floors.values()) == floors
