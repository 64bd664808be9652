"""Claims about `dynakv.node.quorum_write`: acknowledged, refused, or unknown."""

from dynakv.core.layout import Level
from dynakv.core.table import DAMAGED
from dynakv.errors import Failure, Kind
from dynakv.node.messages import Put, Reason, Refused, Save, Stored
from tests.node.cluster import failure_of, kept_by, stored_of, values, warmed

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
    failure = failure_of(cluster.parts(call))  # at once, and not only at the deadline
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


def test_the_own_acknowledgement_after_the_others_failed_is_unknown_at_once() -> None:
    cluster = warmed()
    cluster.unreachable |= {"n2", "n3"}
    call = cluster.submit(Put("default", [b"k"], [b"v"]))
    cluster.run()
    assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN


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


# --- memory ----------------------------------------------------------------------------------


def test_a_decided_put_keeps_no_value_until_its_deadline() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    value = b"v" * 1000
    stored_of(cluster.put(b"k", value, previous=True, timeout_ms=60_000))
    assert value not in kept_by(cluster.nodes["n1"])


def test_a_decided_put_keeps_its_values_while_a_replica_may_come_to_need_a_hint() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    value = b"v" * 1000
    cluster.hold("n3", Save)
    stored_of(cluster.put(b"k", value, previous=True, timeout_ms=1_000))
    assert value in kept_by(cluster.nodes["n1"])
    cluster.pass_ms(1_100)
    assert value not in kept_by(cluster.nodes["n1"])
    stored_of(cluster.put(b"k", value, previous=True, timeout_ms=60_000))
    assert value in kept_by(cluster.nodes["n1"])
    cluster.release("n3")
    assert value not in kept_by(cluster.nodes["n1"])


def test_a_put_that_was_refused_keeps_no_value_until_its_deadline() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    for node in ("n2", "n3"):
        cluster.nodes["n1"].context.members.broken(node)
    value = b"v" * 1000
    failure = failure_of(cluster.put(b"k", value, timeout_ms=60_000))
    assert failure.kind is Kind.UNAVAILABLE
    assert value not in kept_by(cluster.nodes["n1"])


def test_an_undecided_put_keeps_its_value_and_gives_it_up_at_the_deadline() -> None:
    cluster = warmed(config={"cache_bytes_max": 0})
    for node in ("n2", "n3"):
        cluster.hold(node, Save)
    value = b"v" * 1000
    call = cluster.submit(Put("default", [b"k"], [value], timeout_ms=1_000))
    cluster.run()
    assert value in kept_by(cluster.nodes["n1"])  # so that this test can find it at all
    cluster.pass_ms(1_100)
    assert failure_of(cluster.parts(call)).kind is Kind.UNKNOWN
    assert value not in kept_by(cluster.nodes["n1"])
