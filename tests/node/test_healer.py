"""A damaged row is healed without any client's read, when its time has come and not earlier."""

from dynakv.core.record import Record, intact
from tests.node.cluster import Cluster, row_of
from tests.node.repair import give, keys_of, record

CONFIG: dict[str, object] = {"repair": True, "heal_after_ms": 1_000, "cache_bytes_max": 0}


def damaged() -> tuple[Cluster, bytes]:
    """Return three replicas, one of which has damaged its row of a key and knows."""
    cluster = Cluster(config=CONFIG)
    (key,) = keys_of(cluster, 5, 1)
    for node in cluster.nodes:
        give(cluster, node, record(key))
    cluster.flip("n2", key)
    cluster.get(key, at="n2")
    return cluster, key


def test_a_row_seen_damaged_is_healed_after_the_wait() -> None:
    cluster, key = damaged()
    cluster.pass_ms(800)
    assert not isinstance(row_of(cluster, "n2", key), Record)
    cluster.pass_ms(800)
    healed = row_of(cluster, "n2", key)
    assert isinstance(healed, Record)
    assert intact(healed)
    assert healed == row_of(cluster, "n1", key)
    assert cluster.nodes["n2"].context.counters.heals_tried == 1


def test_a_heal_waits_for_enough_other_replicas() -> None:
    cluster, key = damaged()
    cluster.unreachable = {"n3"}
    cluster.pass_ms(3_000)
    assert not isinstance(row_of(cluster, "n2", key), Record)
    cluster.unreachable = set()
    cluster.pass_ms(3_000)
    assert row_of(cluster, "n2", key) == row_of(cluster, "n1", key)


def test_a_node_without_damage_asks_nobody() -> None:
    cluster = Cluster(config={**CONFIG, "repair": False})
    cluster.pass_ms(3_000)
    assert cluster.nodes["n1"].context.counters.heals_tried == 0
