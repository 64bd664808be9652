"""Claims about `dynakv.node.quorum_read`: whom a read asks, and when it may answer."""

from collections.abc import Callable

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.core.record import Record, written
from dynakv.core.table import ReadRecords
from dynakv.errors import Kind
from dynakv.node.messages import (
    Found,
    Get,
    Load,
    Loaded,
    Reason,
    Refused,
    Save,
)
from tests.node.cluster import (
    START,
    Cluster,
    failure_of,
    found_of,
    kept_by,
    split,
    stored_of,
    value_of,
    values,
    warmed,
)

# --- too few answers -------------------------------------------------------------------------


def test_a_quorum_read_fails_when_too_few_replicas_answer() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.unreachable |= {"n2", "n3"}
    failure = failure_of(cluster.ask(Get("default", [b"k"])))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason == "too few replicas answered: 2 of 3 are needed (keyspace default)"


def test_silence_until_the_deadline_is_a_timeout() -> None:
    cluster = warmed()
    cluster.hold("n2")
    cluster.hold("n3")
    call = cluster.submit(Get("default", [b"k"], timeout_ms=300))
    cluster.run()
    cluster.pass_ms(250)
    assert cluster.parts(call) == []
    cluster.pass_ms(100)
    assert failure_of(cluster.parts(call)).kind is Kind.TIMEOUT
    cluster.release("n2")
    cluster.release("n3")
    assert len(cluster.parts(call)) == 1


def test_the_own_disk_after_the_deadline_changes_nothing() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.hold_disk("n1")
    call = cluster.submit(Get("default", [b"k"], Level.ONE, timeout_ms=300))
    cluster.hold("n2")
    cluster.hold("n3")
    cluster.run()
    cluster.pass_ms(400)
    cluster.release_disk("n1")
    assert failure_of(cluster.parts(call)).kind is Kind.TIMEOUT


def test_keys_are_answered_and_refused_by_their_own_replicas() -> None:
    cluster = warmed(5)
    good, bad = cluster.key_on("n1", absent=("n4", "n5")), cluster.key_on("n4", "n5")
    cluster.put(good, b"v")
    cluster.unreachable |= {"n4", "n5"}
    parts = cluster.ask(Get("default", [bad, good, bad]))
    (found,) = [part for part in parts if isinstance(part, Found)]
    refused = [i for part in parts if isinstance(part, Refused) for i in part.entries]
    assert found.entries == [1]
    assert sorted(refused) == [0, 2]


def test_a_replica_of_another_epoch_does_not_count() -> None:
    cluster = warmed()
    cluster.failing["n2", Load] = cluster.failing["n3", Load] = Reason.WRONG_EPOCH
    assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


# --- whom to ask -----------------------------------------------------------------------------


def test_a_silent_replica_is_hedged_and_50_ms_after_the_question() -> None:
    cluster = warmed()
    cluster.pass_ms(10)  # off the grid of the deadlines
    cluster.put(b"k", b"v")
    cluster.sent.clear()
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    cluster.pass_ms(40)
    assert len(cluster.asked(Load)) == 1
    cluster.pass_ms(10)
    assert sorted(cluster.asked(Load)) == [("n1", "n2"), ("n1", "n3")]
    cluster.release("n3")
    assert value_of(cluster.parts(call)) == b"v"
    assert cluster.nodes["n1"].context.counters.hedged_reads == 1


def test_a_read_that_was_answered_is_not_hedged() -> None:
    cluster = warmed()
    cluster.get(b"k")
    cluster.pass_ms(200)
    assert len(cluster.asked(Load)) == 1
    assert cluster.nodes["n1"].context.counters.hedged_reads == 0


def test_a_failed_replica_is_replaced_at_once() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    for node in ("n2", "n3"):
        cluster.failing = {(node, Load): Reason.BROKEN}
        assert value_of(cluster.ask(Get("default", [b"k"]))) == b"v"


def test_a_replica_that_is_down_is_asked_last() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.nodes["n1"].context.members.broken("n2")
    cluster.sent.clear()
    for _ in range(6):
        cluster.ask(Get("default", [b"k"]))
    assert set(cluster.asked(Load)) == {("n1", "n3")}


# --- more than one reply can carry -----------------------------------------------------------


def large(keys: int, *, cache_bytes_max: int = 0) -> tuple[Cluster, list[bytes], bytes]:
    """A cluster with keys of which one reply carries four; large values, all the same."""
    cluster = warmed(config={"cache_bytes_max": cache_bytes_max})
    value = b"x" * (limits.LOAD_BYTES_MAX // 4)
    names = [b"k%d" % i for i in range(keys)]
    for name in names:
        stored_of(cluster.put(name, value, w=3))
    cluster.sent.clear()
    return cluster, names, value


def test_what_a_full_reply_left_out_is_asked_for_again_until_all_is_there() -> None:
    cluster, keys, value = large(10)
    sizes = []

    def measure(_: str, reply: object) -> object:
        if isinstance(reply, Loaded):
            sizes.append(sum(len(r.value or b"") for r in reply.records if r is not None))
        return reply

    cluster.alter = measure
    parts = cluster.ask(Get("default", keys))
    assert [part.entries for part in parts if isinstance(part, Found)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert {r and r.value for p in parts if isinstance(p, Found) for r in p.records} == {value}
    assert [size // len(value) for size in sizes] == [4, 4, 2]
    assert max(sizes) <= limits.LOAD_BYTES_MAX


def test_the_own_replica_gives_all_at_once_since_nothing_travels() -> None:
    for cache_bytes_max in (0, 1 << 30):
        cluster, keys, _ = large(10, cache_bytes_max=cache_bytes_max)
        found = found_of(cluster.ask(Get("default", keys, Level.ONE)))
        assert found.entries == list(range(10))
        reads = [to for sender, to in cluster.asked(ReadRecords) if sender == "n1"]
        assert len(reads) == (0 if cache_bytes_max else 1)


def test_keys_of_a_full_reply_are_answered_before_the_rest_has_come() -> None:
    cluster, keys, _ = large(5)
    held: list[object] = []

    def hold_back(_: str, reply: object) -> object:
        if isinstance(reply, Loaded) and reply.outcomes is not None and not held:
            held.append(reply)
            for node in ("n2", "n3"):
                cluster.hold(node, Load)
        return reply

    cluster.alter = hold_back
    call = cluster.submit(Get("default", keys, timeout_ms=300))
    cluster.run()
    assert found_of(cluster.parts(call)).entries == [0, 1, 2, 3]
    cluster.pass_ms(350)
    _, refused = cluster.parts(call)
    assert isinstance(refused, Refused)
    assert (refused.entries, refused.failure.kind) == ([4], Kind.TIMEOUT)


def test_a_replica_that_fails_when_asked_for_the_rest_is_replaced() -> None:
    cluster, keys, _ = large(5)

    def fail_after_first(node: str, reply: object) -> object:
        if isinstance(reply, Loaded) and reply.outcomes is not None:
            cluster.failing[node, Load] = Reason.BROKEN
        return reply

    cluster.alter = fail_after_first
    first, second = cluster.ask(Get("default", keys))
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert (first.entries, second.entries) == ([0, 1, 2, 3], [4])
    assert len({to for _, to in cluster.asked(Load)}) == 2


def test_a_late_full_reply_is_not_asked_about_what_was_answered_meanwhile() -> None:
    cluster, keys, _ = large(5)
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    call = cluster.submit(Get("default", keys))
    cluster.run()
    cluster.pass_ms(100)  # the hedge
    cluster.release("n3")
    assert found_of([cluster.parts(call)[0]]).entries == [0, 1, 2, 3]
    assert len(cluster.parts(call)) == 2
    asked = len(cluster.asked(Load))
    cluster.release("n2")
    assert len(cluster.asked(Load)) == asked


# --- corrupted under way ---------------------------------------------------------------------


def altered(change: Callable[[Record], Record], node: str) -> Callable[[str, object], object]:
    """Return an `alter` that changes the records that this node answers."""

    def alter(replying: str, reply: object) -> object:
        if replying != node or not isinstance(reply, Loaded):
            return reply
        return Loaded(reply.outcomes, [r and change(r) for r in reply.records])

    return alter


def test_a_record_corrupted_under_way_is_neither_merged_nor_counted() -> None:
    for node in ("n2", "n3"):
        cluster = warmed()
        cluster.put(b"k", b"good", w=3)
        cluster.alter = altered(lambda r: replace(r, value_time=r.value_time + 1), node)
        assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
        assert set(values(cluster, b"k").values()) == {b"good"}


def test_corrupt_answers_of_two_replicas_leave_too_few() -> None:
    cluster = warmed()
    cluster.put(b"k", b"good", w=3)
    both = [altered(lambda r: replace(r, value=b"evil"), node) for node in ("n2", "n3")]
    cluster.alter = lambda node, reply: both[1](node, both[0](node, reply))
    assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


def test_the_record_of_another_key_is_not_an_answer() -> None:
    evil = written(b"other", b"evil", 0, (START.wall_ms + 100) << 16, 5)
    for nodes, answered in ((("n2",), True), (("n2", "n3"), False)):
        cluster = warmed()
        cluster.put(b"k", b"good", w=3)
        cluster.alter = lambda node, reply, nodes=nodes: (
            Loaded(None, [evil])  # type: ignore[misc]
            if isinstance(reply, Loaded) and node in nodes
            else reply
        )
        parts = cluster.ask(Get("default", [b"k"]))
        if answered:
            assert value_of(parts) == b"good"
        else:
            assert failure_of(parts).kind is Kind.UNAVAILABLE


def test_a_corrupted_answer_does_not_count_as_a_holder_of_the_winner() -> None:
    # n2 holds `old`, but its answer was corrupted into one that seems to cover `new`.
    cluster = split("n1")
    later = 1 << 40
    cluster.alter = altered(
        lambda r: replace(r, value_time=r.value_time + later, expiry_time=r.expiry_time + later),
        "n2",
    )
    cluster.nodes["n1"].context.members.broken("n3")  # so that n2 is asked first
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.release("n3")
    assert value_of(cluster.parts(call)) == b"new"


# --- memory ----------------------------------------------------------------------------------


def test_a_finished_get_keeps_no_value_until_its_deadline() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    value = b"v" * 1000
    cluster.put(b"k", value)
    cluster.pass_ms(3_000)
    assert value_of(cluster.ask(Get("default", [b"k"], timeout_ms=60_000))) == value
    assert value not in kept_by(cluster.nodes["n1"])


def test_a_get_that_wrote_back_or_lost_a_replica_keeps_no_value_either() -> None:
    for failing in (None, ("n2", Load), ("n3", Load), ("n2", Save), ("n3", Save)):
        cluster = split("n1")
        if failing is not None:
            cluster.failing[failing] = Reason.BROKEN
        cluster.pass_ms(3_000)
        value = value_of(cluster.ask(Get("default", [b"k"], timeout_ms=60_000)))
        assert value == b"new"
        assert value not in kept_by(cluster.nodes["n1"])


def test_an_unfinished_get_keeps_what_it_has_and_gives_it_up_at_the_deadline() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    value = b"v" * 1000
    cluster.put(b"k", value)
    cluster.pass_ms(3_000)
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    cluster.ask(Get("default", [b"k"], timeout_ms=1_000))
    assert value in kept_by(cluster.nodes["n1"])  # so that this test can find it at all
    cluster.pass_ms(1_100)
    assert value not in kept_by(cluster.nodes["n1"])
