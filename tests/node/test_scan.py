"""Claims about `dynakv.node.scan`: pages over all shard groups, in order and complete."""

from collections.abc import Callable

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.record import Record
from dynakv.errors import Kind
from dynakv.node.messages import List, Listed, Reason, Save, Scan, Scanned
from tests.node.cluster import Cluster, failure_of, kept_by, split, stored_of, values, warmed


def filled(keys: int, nodes: int = 5) -> tuple[Cluster, list[bytes]]:
    """A cluster with `keys` keys over all its groups and nodes, in order."""
    cluster = Cluster(nodes, config={"cache_bytes_max": 0})
    names = [b"key%04d" % i for i in range(keys)]
    for i, name in enumerate(names):
        stored_of(cluster.put(name, b"v%d" % i))
    cluster.sent.clear()
    return cluster, names


def listed_of(parts: list[object]) -> Listed:
    (part,) = parts
    assert isinstance(part, Listed)
    assert part.entries == [0]
    return part


def page(cluster: Cluster, at: str = "n1", **options: object) -> Listed:
    return listed_of(cluster.ask(List("default", **options), at))  # type: ignore[arg-type]


def keys_of(listed: Listed) -> list[bytes]:
    return [record.key for record in listed.records]


def pages(cluster: Cluster, at: str = "n1", **options: object) -> list[Listed]:
    """Read page by page to the end."""
    result = [page(cluster, at, **options)]
    while result[-1].next is not None:
        assert len(result) < 1_000
        result.append(page(cluster, at, after=result[-1].next, **options))
    return result


def all_keys(cluster: Cluster, at: str = "n1", **options: object) -> list[bytes]:
    return [key for listed in pages(cluster, at, **options) for key in keys_of(listed)]


# --- pages -----------------------------------------------------------------------------------


def test_pages_hold_every_key_of_all_groups_and_nodes_once_and_in_order() -> None:
    cluster, names = filled(80)
    for at in cluster.nodes:
        for limit in (0, 1, 7, 80, 1_000):
            assert all_keys(cluster, at, limit=limit) == names


def test_each_node_gets_one_ask_for_all_its_groups_and_every_group_rq() -> None:
    cluster, _ = filled(3)
    page(cluster)
    asks = [ask for _, ask in cluster.sent if isinstance(ask.message, Scan)]
    assert len({ask.to for ask in asks}) == len(asks)
    placement = cluster.nodes["n1"].context.by_name["default"]
    own = [group for group, held in enumerate(placement.held) if held]
    asked = own + [group for ask in asks for group in ask.message.groups]  # type: ignore[attr-defined]
    assert sorted(asked) == sorted([*range(64)] * placement.keyspace.rq)


def test_a_page_ends_at_its_limit_and_the_next_begins_behind_it() -> None:
    cluster, names = filled(10)
    first = page(cluster, limit=4)
    assert (keys_of(first), first.next) == (names[:4], names[3])
    second = page(cluster, limit=4, after=first.next)
    assert (keys_of(second), second.next) == (names[4:8], names[7])


def test_the_last_page_has_no_next_even_if_it_is_full() -> None:
    cluster, names = filled(8)
    for limit in (8, 9):
        last = page(cluster, limit=limit)
        assert (keys_of(last), last.next) == (names, None)


def test_an_empty_keyspace_is_one_empty_last_page() -> None:
    assert page(Cluster()) == Listed([0], [], None)


def test_a_page_ends_where_any_replica_was_not_heard_further() -> None:
    # What one replica has in its page may lie behind the end of another's: it comes later.
    cluster, names = filled(60)
    cuts = {"n2": names[40], "n3": names[20]}

    def shorten(node: str, reply: object) -> object:
        if node not in cuts or not isinstance(reply, Scanned):
            return reply
        cut = cuts[node]
        return Scanned([record for record in reply.records if record.key <= cut], cut)

    cluster.alter = shorten
    listed = page(cluster)
    assert (keys_of(listed), listed.next) == (names[:21], names[20])


def test_a_page_without_live_keys_is_not_the_last_while_more_follows() -> None:
    cluster, names = filled(30)
    for name in names[:20]:
        cluster.put(name, None)
    seen = pages(cluster, limit=5)
    assert not seen[0].records
    assert seen[0].next is not None
    assert [key for listed in seen for key in keys_of(listed)] == names[20:]


def test_start_is_included_end_and_after_are_not() -> None:
    cluster, names = filled(10)
    assert all_keys(cluster, start=names[3]) == names[3:]
    assert all_keys(cluster, end=names[3]) == names[:3]
    assert all_keys(cluster, start=names[2], end=names[6], limit=1) == names[2:6]
    assert keys_of(page(cluster, after=names[6])) == names[7:]
    assert all_keys(cluster, start=names[5], end=names[5]) == []


def test_a_page_is_bounded_whatever_its_limit_says() -> None:
    cluster, names = filled(limits.PAGE_ROWS_MAX + 10, nodes=3)
    for limit in (0, limits.LIST_KEYS_MAX):
        first = page(cluster, limit=limit)
        assert keys_of(first) == names[: limits.PAGE_ROWS_MAX]
        assert first.next == names[limits.PAGE_ROWS_MAX - 1]


def test_keys_only_lists_the_same_keys_with_stamps_and_no_values() -> None:
    cluster, names = filled(20)
    cluster.put(names[4], None)
    full = pages(cluster, limit=6)
    bare = pages(cluster, limit=6, keys_only=True)
    for with_values, without in zip(full, bare, strict=True):
        assert with_values.next == without.next
        assert without.records == [
            replace(record, value=b"", checksum=other.checksum)
            for record, other in zip(with_values.records, without.records, strict=True)
        ]
    assert names[4] not in all_keys(cluster, keys_only=True)


# --- merged ----------------------------------------------------------------------------------


def test_deleted_and_expired_keys_are_left_out() -> None:
    cluster, names = filled(6)
    cluster.put(names[1], None)
    cluster.put(names[2], b"v", ttls_ms=[100])
    cluster.put(names[3], b"v", ttls_ms=[60_000])
    assert all_keys(cluster) == [names[0], *names[2:]]
    cluster.pass_ms(150)
    assert all_keys(cluster) == [names[0], *names[3:]]


def partly_written(value: bytes | None, on: str, **options: object) -> Cluster:
    """A cluster with b"old" under b"k", but on one node what was written later."""
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.put(b"k", b"old", w=3)
    cluster.put(b"warm", None, w=3)
    others = [node for node in cluster.nodes if node != on]
    for node in others:
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", value, at=on, w=1, **options)
    cluster.failing.clear()
    cluster.sent.clear()
    return cluster


def test_a_tombstone_on_one_replica_hides_the_older_value_of_another() -> None:
    for on in ("n1", "n2"):
        cluster = partly_written(None, on)
        assert page(cluster).records == []
        assert values(cluster, b"k")["n1"] is values(cluster, b"k")["n2"] is None  # repaired


def test_an_expired_value_on_one_replica_hides_the_older_one_of_another() -> None:
    cluster = partly_written(b"short", "n2", ttls_ms=[100])
    cluster.pass_ms(200)
    assert page(cluster).records == []


def test_registers_of_different_replicas_are_merged() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.put(b"warm", None, w=3)
    cluster.put(b"k", b"old", w=3, ttls_ms=[60_000])
    for node in ("n1", "n3"):
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"new", at="n2", w=1, expiries_ms=[-1])
    cluster.failing.clear()
    (record,) = page(cluster).records
    assert record.value == b"new"
    assert record.expiry_ms > 0
    assert record.expiry_time < record.value_time


def test_stale_copies_are_repaired_after_the_answer() -> None:
    for newest in ("n1", "n2"):
        cluster = split(newest)
        stale = "n2" if newest == "n1" else "n1"
        if stale == "n2":
            cluster.hold("n2", Save)
        call = cluster.submit(List("default", start=b"k", end=b"l"))
        cluster.run()
        (record,) = listed_of(cluster.parts(call)).records
        assert record.value == b"new"
        if stale == "n2":
            assert values(cluster, b"k")["n2"] == b"old"  # the answer did not wait for it
            cluster.release("n2")
        assert values(cluster, b"k") == {"n1": b"new", "n2": b"new", "n3": b"old"}
        assert cluster.nodes["n1"].context.counters.read_repairs == 1


def test_a_list_of_keys_repairs_nothing_since_it_has_no_values() -> None:
    for newest in ("n1", "n2"):
        cluster = split(newest)
        before = cluster.rows(b"k")
        page(cluster, keys_only=True)
        assert cluster.asked(Save) == []
        assert cluster.rows(b"k") == before


# --- replicas that fail ----------------------------------------------------------------------


def test_with_one_node_down_the_spare_replicas_serve_its_groups() -> None:
    for down in ("n2", "n5"):
        cluster, names = filled(60)
        cluster.unreachable.add(down)
        assert all_keys(cluster, limit=11) == names
        cluster.pass_ms(1_200)  # the heartbeats have noticed
        cluster.sent.clear()
        assert all_keys(cluster, limit=11) == names
        assert down not in [to for _, to in cluster.asked(Scan)]


def test_every_way_to_fail_makes_the_spare_replicas_serve() -> None:
    for reason in Reason:
        cluster, names = filled(40)
        cluster.failing["n4", Scan] = reason
        assert all_keys(cluster) == names


def test_too_few_replicas_of_any_group_refuse_the_list() -> None:
    cluster, _ = filled(10)
    cluster.unreachable |= {"n4", "n5"}
    failure = failure_of(cluster.ask(List("default")))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason == (
        "too few replicas answered: a list needs 2 of 3 replicas of every shard group"
        " (keyspace default)"
    )


def test_a_page_with_a_damaged_row_is_served_by_another_replica() -> None:
    for node in ("n1", "n2", "n3"):
        cluster, names = filled(20, nodes=3)
        cluster.pass_ms(100)
        cluster.flip(node, names[7])
        listed = page(cluster)
        assert keys_of(listed) == names
        assert listed.records[7].value == b"v7"


def test_damaged_rows_of_two_replicas_leave_too_few() -> None:
    cluster, names = filled(20, nodes=3)
    cluster.flip("n1", names[3])
    cluster.flip("n2", names[9])
    assert failure_of(cluster.ask(List("default"))).kind is Kind.UNAVAILABLE


def altered(change: Callable[[Record], Record], node: str) -> Callable[[str, object], object]:
    def alter(replying: str, reply: object) -> object:
        if replying != node or not isinstance(reply, Scanned):
            return reply
        return Scanned([change(record) for record in reply.records], reply.next)

    return alter


def test_a_page_corrupted_under_way_is_served_by_another_replica() -> None:
    for node in ("n2", "n3"):
        cluster, _ = filled(10, nodes=3)
        cluster.alter = altered(
            lambda r: replace(r, value=b"evil", value_time=r.value_time + 1), node
        )
        assert {record.value for record in page(cluster).records} == {b"v%d" % i for i in range(10)}


# --- time ------------------------------------------------------------------------------------


def test_a_node_that_doubts_its_clock_lists_nothing() -> None:
    cluster, _ = filled(3)
    cluster.skew_ms["n1"] = 3_600_000
    cluster.run()
    cluster.sent.clear()
    failure = failure_of(cluster.ask(List("default")))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason.startswith("node n1 does not trust its clock")
    assert cluster.asked(Scan) == []


def test_silence_until_the_deadline_is_a_timeout_and_what_comes_later_is_dropped() -> None:
    cluster, _ = filled(10)
    cluster.hold("n3", Scan)
    call = cluster.submit(List("default", timeout_ms=300))
    cluster.run()
    cluster.pass_ms(250)
    assert cluster.parts(call) == []
    cluster.pass_ms(100)
    assert failure_of(cluster.parts(call)).kind is Kind.TIMEOUT
    cluster.release("n3")
    assert len(cluster.parts(call)) == 1
    assert len(cluster.nodes["n1"].context._asks) == 0


def test_a_finished_list_keeps_no_values_and_no_repairs_behind_its_deadline() -> None:
    cluster = split("n1")
    cluster.pass_ms(3_000)
    cluster.hold("n2", Save)
    (record,) = page(cluster, start=b"k", end=b"l", timeout_ms=1_000).records
    assert record.value is not None
    cluster.pass_ms(10)
    assert record.value not in kept_by(cluster.nodes["n1"])
    assert len(cluster.nodes["n1"].context._asks) == 1  # the repair of n2
    cluster.pass_ms(1_100)
    assert len(cluster.nodes["n1"].context._asks) == 0
