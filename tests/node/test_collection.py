"""Claims about `dynakv.node.collection`: who drives, what must agree, and what an end leaves."""

from collections.abc import Callable

from dynakv.core.hlc import reading
from dynakv.core.record import Record, written
from dynakv.core.table import ScanRecords
from dynakv.node.collection import Collection
from dynakv.node.fencing import Fencing
from dynakv.node.messages import Reason
from dynakv.node.repair_messages import Compare, Fence, RaiseFloor
from dynakv.node.session import Ending, Synced
from tests.node.cluster import START, Cluster, warmed
from tests.node.cutting import Cutter

EVERY_MS = 1_000
CONFIG: dict[str, object] = {
    "cut_age_ms": 20_000,
    "stamp_age_ms_max": 10_000_000,
    "collect_every_ms": EVERY_MS,
    "collect_pause_ms": 0,
    "repair_pause_ms": 0,
}
OLD = reading(START.wall_ms - 100_000)
VALUE = written(b"k", b"v", 0, OLD - 1, 9)
TOMBSTONE = written(b"k", None, 0, OLD, 9)


def collecting(nodes: int = 3, **config: object) -> Cutter:
    return Cutter(warmed(nodes, config={**CONFIG, **config}))


def round_over(cutter: Cutter, rounds: int = 1) -> None:
    """Let every node have a whole round, and time to drop."""
    cutter.cluster.pass_ms((2 * rounds + 1) * EVERY_MS)


def collected(cluster: Cluster) -> dict[str, int]:
    """Return the rows that each node has dropped."""
    return {name: n.context.counters.records_dropped for name, n in cluster.nodes.items()}


def test_a_tombstone_that_all_hold_is_gone_everywhere() -> None:
    cutter = collecting()
    for node in cutter.cluster.nodes:
        cutter.save(node, TOMBSTONE)
    round_over(cutter)
    assert cutter.cluster.rows(b"k") == {}
    assert collected(cutter.cluster) == {"n1": 1, "n2": 1, "n3": 1}


def test_a_tombstone_that_one_holds_is_brought_to_all_before_it_is_dropped() -> None:
    """Wherever it lies: the value that the others hold does not come back."""
    for holder in ("n1", "n2", "n3"):
        cutter = collecting()
        cluster = cutter.cluster
        other = next(k for k in (b"o%d" % i for i in range(9_999)) if _group(cutter, k))
        cutter.save("n1", written(other, None, 0, OLD, 9))  # so that the driver has to begin
        for node in cluster.nodes:
            cutter.save(node, TOMBSTONE if node == holder else VALUE)
        round_over(cutter, 2)
        assert cluster.rows(b"k") == {}
        assert cluster.rows(other) == {}


def _group(cutter: Cutter, key: bytes) -> bool:
    placement = cutter.cluster.nodes["n1"].context.by_name["default"]
    return placement.groups_of([key]) == [cutter.group]


def test_a_fresh_tombstone_waits_for_its_age() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    cluster.put(b"k", None)
    round_over(cutter)
    assert len(cluster.rows(b"k")) == 3
    assert cluster.asked(Fence) == []
    cluster.pass_ms(20_000)
    round_over(cutter)
    assert cluster.rows(b"k") == {}


def test_a_group_without_anything_to_collect_is_only_looked_at() -> None:
    cutter = collecting()
    cutter.cluster.put(b"k", b"v")
    round_over(cutter, 20)
    assert cutter.cluster.asked(Fence) == []
    assert len(cutter.cluster.rows(b"k")) == 3


def test_an_expired_value_is_collected_and_a_living_one_is_not() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    cluster.put(b"k", b"short", ttls_ms=[1_000])
    cluster.put(b"l", b"long", ttls_ms=[1_000_000])
    cluster.pass_ms(25_000)
    assert cluster.rows(b"k") == {}
    assert len(cluster.rows(b"l")) == 3


def test_while_a_replica_is_down_nothing_is_fenced_and_it_is_told_who_is_missing() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cluster.unreachable.add("n3")
    cluster.pass_ms(6_000)
    assert set(cluster.rows(b"k")) == {"n1", "n2", "n3"}
    collection = cluster.nodes["n1"].collection
    assert collection.waits_for() == {"n3": 1}
    assert collection.waiting() == {cutter.keyspace: 1}
    figures = cluster.nodes["n1"].figures()
    assert figures.tombstones_waiting == {"default": 1}
    assert figures.collection_waits_for == {"n3": 1}
    cluster.unreachable.clear()
    cluster.pass_ms(6_000)
    assert cluster.rows(b"k") == {}
    assert collection.waits_for() == {}
    assert collection.waiting() == {cutter.keyspace: 0}


def test_a_replica_that_refuses_ends_the_attempt() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cluster.nodes["n2"].context.recovering[cutter.keyspace, cutter.group] = None
    round_over(cutter)
    assert len(cluster.rows(b"k")) == 3
    assert cluster.asked(RaiseFloor) == []
    assert cluster.nodes["n1"].collection.waits_for() == {"n2": 1}


def test_a_comparison_that_fails_ends_the_attempt() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cluster.failing["n3", Compare] = Reason.BROKEN
    round_over(cutter)
    assert len(cluster.rows(b"k")) == 3
    assert cluster.asked(RaiseFloor) == []
    cluster.failing.clear()
    round_over(cutter)
    assert cluster.rows(b"k") == {}


def test_a_replica_that_missed_the_floor_adopts_it_from_a_later_comparison() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cluster.failing["n3", RaiseFloor] = Reason.BROKEN
    round_over(cutter)
    assert list(cluster.rows(b"k")) == ["n3"]
    ended: list[Synced] = []
    cluster.nodes["n3"].anti_entropy.sync(cutter.keyspace, cutter.group, "n1", ended.append)  # type: ignore[arg-type]
    cluster.pass_ms(1_500)
    assert [outcome.ending for outcome in ended] == [Ending.DONE]
    assert cluster.rows(b"k") == {}


def test_only_the_replica_with_the_smallest_id_drives() -> None:
    cutter = collecting(5)
    cluster = cutter.cluster
    for node in cluster.replicas_of(b"k"):
        cutter.save(node, TOMBSTONE)
    round_over(cutter)
    assert cluster.rows(b"k") == {}
    drivers = {sender for sender, _ in cluster.asked(Fence)}
    assert drivers == {min(cluster.replicas_of(b"k"))}


def test_a_node_that_does_not_trust_its_clock_collects_nothing() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cluster.skew_ms["n1"] = 3_600_000
    round_over(cutter)
    assert cluster.asked(Fence) == []
    assert len(cluster.rows(b"k")) == 3


def test_alone_a_node_collects_by_itself() -> None:
    cutter = Cutter(warmed(1, replicas=1, config=CONFIG))
    cutter.save("n1", TOMBSTONE)
    round_over(cutter)
    assert cutter.cluster.rows(b"k") == {}


def test_looking_is_paced() -> None:
    cutter = collecting(collect_pause_ms=100)
    cutter.cluster.sent.clear()
    cutter.cluster.pass_ms(2_000)
    looks = [a for n, a in cutter.cluster.sent if n == "n1" and isinstance(a.message, ScanRecords)]
    assert 0 < len(looks) <= 21


def test_both_passes_go_over_all_others_between_fence_and_floor() -> None:
    """The order of steps, against a comparison that the test answers."""
    cutter = collecting(collect_every_ms=0)
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    ctx = cluster.nodes["n1"].context
    steps: list[str] = []
    open_: list[Callable[[Synced], None]] = []

    def sync(keyspace: int, group: int, peer: str, then: Callable[[Synced], None]) -> None:
        assert (keyspace, group) == (cutter.keyspace, cutter.group)
        assert [to for _, to in cluster.asked(Fence)] == ["n2", "n3"]
        assert cluster.asked(RaiseFloor) == []
        steps.append(peer)
        open_.append(then)

    config = ctx.config
    ctx.config = type(config)(config.node_id, **{**CONFIG, "collect_every_ms": 10})  # type: ignore[arg-type]
    Collection(ctx, Fencing(ctx, lambda *_: None), sync)
    cluster.pass_ms(3_000)
    while open_:
        open_.pop()(Synced(Ending.DONE))
        cluster.run()
    assert steps == ["n2", "n3", "n2", "n3"]
    assert [to for _, to in cluster.asked(RaiseFloor)] == ["n2", "n3"]


def test_what_arrives_between_the_passes_is_refused() -> None:
    cutter = collecting()
    cluster = cutter.cluster
    for node in cluster.nodes:
        cutter.save(node, TOMBSTONE)
    cluster.hold("n3", Compare)
    round_over(cutter)
    late: Record = written(b"k", b"late", 0, OLD - 50, 8)
    assert cluster.asked(Fence) != []
    cutter.save("n2", late)
    assert cluster.rows(b"k")["n2"] == TOMBSTONE
    other = written(b"k", b"late", 0, OLD + 50, 8)
    assert cutter.save("n2", other).outcomes is not None
    cluster.release("n3")
    round_over(cutter)
    assert cluster.rows(b"k") == {}
