"""Claims about `dynakv.node.get`: what a read may answer, when, and what it repairs."""

from collections.abc import Callable

from msgspec.structs import replace

from dynakv.core.layout import Level
from dynakv.core.record import Record
from dynakv.core.table import DAMAGED, Row
from dynakv.errors import Kind
from dynakv.node.messages import Found, Get, Load, Loaded, Outcome, Reason, Refused, Save, Saved
from tests.node.cluster import Cluster, failure_of, found_of, stored_of, value_of, values, warmed


def row_of(cluster: Cluster, node: str, key: bytes) -> Row:
    disk = cluster.disks[node]
    (where,) = [where for where in disk.rows if where[2] == key]
    return disk.row(where)


def split(newest_on: str, *, replicas: int = 3) -> Cluster:
    """A cluster in which one node alone has `new` under b"k" and all others `old`."""
    cluster = warmed(replicas, replicas=replicas, config={"cache_bytes_max": 0})
    cluster.put(b"k", b"old", w=replicas)
    others = [node for node in cluster.nodes if node != newest_on]
    for node in others:
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"new", at=newest_on, w=1)
    cluster.failing.clear()
    cluster.sent.clear()
    assert values(cluster, b"k") == {newest_on: b"new", **dict.fromkeys(others, b"old")}
    return cluster


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


# --- what is read ----------------------------------------------------------------------------


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


# --- write-back ------------------------------------------------------------------------------


def test_the_winner_is_written_back_before_the_answer_leaves() -> None:
    cluster = split("n1")
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    assert cluster.parts(call) == []
    assert cluster.asked(Save) == [("n1", "n2"), ("n1", "n3")]
    cluster.release("n3")
    assert value_of(cluster.parts(call)) == b"new"
    cluster.release("n2")
    assert set(values(cluster, b"k").values()) == {b"new"}
    assert len(cluster.parts(call)) == 1


def test_a_quorum_read_never_goes_back_to_what_a_partial_write_replaced() -> None:
    cluster = split("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    cluster.unreachable.add("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]), "n2")) == b"new"


def test_a_write_back_counts_only_when_it_is_on_disk() -> None:
    cluster = split("n1")
    call = cluster.submit(Get("default", [b"k"]))
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    cluster.run()
    cluster.hold_disk("n2")
    cluster.release("n2")
    assert cluster.parts(call) == []
    cluster.release_disk("n2")
    assert value_of(cluster.parts(call)) == b"new"


def test_replicas_that_answered_with_the_winner_count_without_a_write_back() -> None:
    cluster = split("n1")
    cluster.failing["n3", Save] = Reason.BROKEN
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"  # n2 has it now
    cluster.failing.clear()
    cluster.hold("n3", Save)
    parts = cluster.ask(Get("default", [b"k"], Level.ALL))
    assert value_of(parts) == b"new"  # though n3 was not repaired yet
    cluster.release("n3")
    assert set(values(cluster, b"k").values()) == {b"new"}


def test_a_failed_write_back_does_not_fail_the_read_when_others_suffice() -> None:
    cluster = split("n1")
    cluster.failing["n2", Save] = Reason.BROKEN
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    assert values(cluster, b"k") == {"n1": b"new", "n2": b"old", "n3": b"new"}


def test_a_read_fails_when_too_few_replicas_take_the_winner() -> None:
    cluster = split("n1")
    cluster.failing["n2", Save] = cluster.failing["n3", Save] = Reason.BROKEN
    failure = failure_of(cluster.ask(Get("default", [b"k"])))
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.reason.startswith("too few replicas took the winner of differing answers")


def test_a_refused_write_back_does_not_count() -> None:
    cluster = split("n1")

    def refuse(node: str, reply: object) -> object:
        return Saved([Outcome.AHEAD], None) if isinstance(reply, Saved) else reply

    cluster.alter = refuse
    assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


def test_a_read_with_an_explicit_r_answers_first_and_repairs_afterwards() -> None:
    cluster = split("n1")
    cluster.hold("n2", Save)
    cluster.hold("n3", Save)
    assert value_of(cluster.ask(Get("default", [b"k"], r=2))) == b"new"
    cluster.release("n2")
    cluster.release("n3")
    assert set(values(cluster, b"k").values()) == {b"new"}


def test_a_late_answer_repairs_what_it_shows_to_be_stale_and_answers_nothing() -> None:
    cluster = split("n3")
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.pass_ms(120)  # the hedge asks the third replica
    cluster.release("n2")
    assert value_of(cluster.parts(call)) == b"old"
    cluster.release("n3")
    assert len(cluster.parts(call)) == 1
    assert set(values(cluster, b"k").values()) == {b"new"}


def test_an_answer_that_comes_while_the_winner_is_written_back_is_not_counted() -> None:
    # Three answers of five are needed; n5, asked late, has a newer record. Were it merged while
    # `new` is being counted, three holders of `new` would pass for holders of `newest`.
    cluster = split("n1", replicas=5)
    for node in ("n1", "n2", "n3", "n4"):
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"newest", at="n5", w=1)
    cluster.failing.clear()
    for node in ("n2", "n3", "n4", "n5"):
        cluster.hold(node, Save)
    cluster.hold("n5")
    cluster.nodes["n1"].context.members.broken("n5")  # so that it is asked last
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    cluster.pass_ms(120)
    assert cluster.parts(call) == []
    assert ("n1", "n5") in cluster.asked(Load)
    cluster.release("n5")
    assert cluster.parts(call) == []
    for node in ("n2", "n3", "n4"):
        cluster.release(node)
    answered = value_of(cluster.parts(call))
    holders = list(values(cluster, b"k").values()).count(answered)
    assert (answered, holders >= 3) == (b"new", True)


# --- whom to ask -----------------------------------------------------------------------------


def test_a_silent_replica_is_hedged_and_not_before_50_ms() -> None:
    cluster = warmed()
    cluster.put(b"k", b"v")
    cluster.sent.clear()
    cluster.hold("n2", Load)
    cluster.hold("n3", Load)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    cluster.pass_ms(40)
    assert len(cluster.asked(Load)) == 1
    cluster.pass_ms(60)
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


# --- damage ----------------------------------------------------------------------------------


def damaged(*nodes: str) -> Cluster:
    """A cluster with b"good" under b"k", whose rows on these nodes have a flipped bit."""
    cluster = warmed(config={"cache_bytes_max": 0})
    cluster.put(b"k", b"good", w=3)
    for node in nodes:
        cluster.flip(node, b"k")
    return cluster


def test_a_damaged_row_is_never_served() -> None:
    for node in ("n1", "n2", "n3"):
        for level in Level:
            for at in ("n1", "n2", "n3"):
                parts = damaged(node).ask(Get("default", [b"k"], level), at)
                if level is Level.ALL:
                    assert failure_of(parts).kind is Kind.UNAVAILABLE
                else:
                    assert value_of(parts) == b"good"


def test_a_damaged_row_is_healed_by_a_quorum_read() -> None:
    cluster = damaged("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
    row = row_of(cluster, "n1", b"k")
    assert isinstance(row, Record)
    assert row.value == b"good"


def test_a_damaged_row_is_healed_also_by_a_read_at_level_one() -> None:
    cluster = damaged("n1")
    assert value_of(cluster.ask(Get("default", [b"k"], Level.ONE))) == b"good"
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


def test_a_damaged_row_is_not_healed_by_what_too_few_replicas_answered() -> None:
    cluster = damaged("n1", "n2")
    assert value_of(cluster.ask(Get("default", [b"k"], Level.ONE))) == b"good"
    assert row_of(cluster, "n1", b"k") is DAMAGED
    assert row_of(cluster, "n2", b"k") is DAMAGED
    assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE


def test_a_heal_writes_the_newest_of_what_the_others_hold() -> None:
    cluster = split("n2")
    cluster.flip("n1", b"k")
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    assert set(values(cluster, b"k").values()) == {b"new"}
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


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
