"""Claims about `dynakv.node.hints`: what is kept, for whom, within which bounds."""

import pytest

from dynakv import limits
from dynakv.core.layout import Level, NodeId
from dynakv.core.record import Record, written
from dynakv.core.table import CountRecords, MergeRecords
from dynakv.node.messages import Expire, Outcome, Reason, Save, Saved
from tests.node.cluster import Cluster, failure_of, stored_of, values, warmed

ROOM = 1 << 20


def hinting(nodes: int = 3, **config: object) -> Cluster:
    """Return a warmed cluster whose nodes keep hints, none so far."""
    config = {"hint_bytes_max": ROOM, "cache_bytes_max": 0, **config}
    return warmed(nodes, config=config)


def losing(peer: str, reason: Reason = Reason.BROKEN, **config: object) -> Cluster:
    """Return a cluster in which one node takes nothing that is to be saved."""
    cluster = hinting(**config)
    cluster.failing[peer, Save] = reason
    return cluster


def counter(cluster: Cluster, name: str, node: str = "n1") -> int:
    return int(getattr(cluster.nodes[node].context.counters, name))


def wanted(cluster: Cluster, node: str = "n1") -> list[str]:
    """Return the peers with which groups are marked for anti-entropy, and forget the marks."""
    marks = cluster.nodes[node].context.repair_wanted
    found = []
    while (mark := marks.take()) is not None:
        found.append(str(mark[2]))
    return found


# --- what is kept ----------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Reason.BROKEN, Reason.UNREACHABLE, Reason.NO_SPACE])
def test_what_a_replica_missed_of_an_acknowledged_put_is_kept_for_it(reason: Reason) -> None:
    cluster = losing("n3", reason)
    stored_of(cluster.put(b"k", b"v"))
    (row,) = cluster.hints("n1", "n3").values()
    assert row == cluster.disks["n1"].rows[_where(cluster, b"k")]
    assert cluster.hints("n1", "n2") == {}
    assert cluster.hints("n2", "n3") == {}
    assert counter(cluster, "hints_kept") == 1
    (figures,) = cluster.nodes["n1"].hints.pending()
    assert (figures.node_id, figures.rows) == ("n3", 1)
    assert figures.bytes == 2 + limits.HINT_ROW_BYTES


def test_deletes_and_changes_of_expiry_are_kept_as_well() -> None:
    cluster = hinting()
    stored_of(cluster.put(b"k", b"v"))
    stored_of(cluster.put(b"d", b"v"))
    cluster.failing["n3", Save] = Reason.BROKEN
    cluster.ask(Expire("default", [b"k"], ttls_ms=[60_000]))
    stored_of(cluster.put(b"d", None))
    hints = cluster.hints("n1", "n3")
    assert isinstance(hints[b"k"], Record)
    assert (hints[b"k"].value_time, hints[b"k"].expiry_ms > 0) == (0, True)
    assert isinstance(hints[b"d"], Record)
    assert hints[b"d"].value is None


def test_a_replica_that_says_nothing_until_the_deadline_gets_a_hint() -> None:
    cluster = hinting()
    cluster.hold("n3", Save)
    stored_of(cluster.put(b"k", b"v", timeout_ms=300))
    assert cluster.hints("n1", "n3") == {}
    cluster.pass_ms(400)
    assert set(cluster.hints("n1", "n3")) == {b"k"}


def test_each_outcome_but_misplaced_and_fenced_makes_a_hint() -> None:
    for outcome in (Outcome.AHEAD, Outcome.CORRUPT, Outcome.DAMAGED, Outcome.RECOVERING):
        cluster = answering("n3", outcome)
        stored_of(cluster.put(b"k", b"v"))
        assert set(cluster.hints("n1", "n3")) == {b"k"}, outcome
    cluster = answering("n3", Outcome.MISPLACED)
    stored_of(cluster.put(b"k", b"v"))
    assert (cluster.hints("n1", "n3"), wanted(cluster)) == ({}, [])
    cluster = answering("n3", Outcome.FENCED)
    stored_of(cluster.put(b"k", b"v"))
    assert (cluster.hints("n1", "n3"), wanted(cluster)) == ({}, ["n3"])


def answering(peer: str, outcome: Outcome) -> Cluster:
    cluster = hinting()

    def alter(node: str, reply: object) -> object:
        refused = node == peer and isinstance(reply, Saved)
        return Saved([outcome], None) if refused else reply

    cluster.alter = alter
    return cluster


def test_an_unknown_outcome_with_one_acknowledgement_makes_hints() -> None:
    cluster = losing("n2")
    cluster.failing["n3", Save] = Reason.UNREACHABLE
    failure_of(cluster.put(b"k", b"v"))
    assert set(cluster.hints("n1", "n2")) == set(cluster.hints("n1", "n3")) == {b"k"}


def test_what_no_replica_took_is_never_kept() -> None:
    for reason in (Reason.UNREACHABLE, Reason.BROKEN):  # refused, and unknown
        cluster = hinting(5)
        key = cluster.key_on("n2", "n3", "n4", absent=("n1",))
        for node in ("n2", "n3", "n4"):
            cluster.failing[node, Save] = reason
        failure_of(cluster.put(key, b"v"))
        cluster.pass_ms(3_000)
        assert all(not cluster.hints("n1", node) for node in cluster.nodes)
        assert wanted(cluster) == []


def test_a_hint_counts_for_nothing() -> None:
    cluster = losing("n3")
    failure_of(cluster.put(b"k", b"v", level=Level.ALL))
    cluster = losing("n3")
    cluster.failing["n2", Save] = Reason.BROKEN
    failure_of(cluster.put(b"k", b"v"))


def test_the_answer_does_not_wait_for_the_hint() -> None:
    cluster = hinting()
    cluster.hold("n3", Save)
    parts = cluster.put(b"k", b"v", timeout_ms=300)
    cluster.hold_disk("n1")
    cluster.pass_ms(400)
    stored_of(parts)
    assert cluster.hints("n1", "n3") == {}
    cluster.release_disk("n1")
    assert set(cluster.hints("n1", "n3")) == {b"k"}


def test_hints_of_one_key_become_one() -> None:
    cluster = losing("n3")
    for value in (b"1", b"22", b"333"):
        stored_of(cluster.put(b"k", value))
    (row,) = cluster.hints("n1", "n3").values()
    assert isinstance(row, Record)
    assert row.value == b"333"
    (figures,) = cluster.nodes["n1"].hints.pending()
    assert (figures.rows, figures.bytes) == (1, 4 + limits.HINT_ROW_BYTES)


def test_one_transaction_of_hints_is_under_way_at_a_time_and_what_waits_is_the_next() -> None:
    cluster = losing("n3")
    cluster.hold("n3", Save)
    cluster.hold_disk("n1")
    for i in range(5):
        cluster.nodes["n1"].context.missed(
            cluster.nodes["n1"].context.by_name["default"],
            NodeId("n3"),
            [_record(cluster, b"k%d" % i)],
            None,
        )
    cluster.run()
    hidden = [ask for ask in cluster.held_disks["n1"] if isinstance(ask.message, MergeRecords)]
    assert len(hidden) == 1
    cluster.release_disk("n1")
    assert len(cluster.hints("n1", "n3")) == 5
    sizes = [
        len(ask.message.records)
        for _, ask in cluster.sent
        if isinstance(ask.message, MergeRecords) and ask.message.keyspace != cluster.keyspace_id
    ]
    assert sizes == [1, 4]


def test_what_the_own_disk_could_not_take_is_for_anti_entropy_with_the_others() -> None:
    cluster = hinting()
    cluster.put(b"k", b"old")
    cluster.flip("n1", b"k")
    stored_of(cluster.put(b"k", b"new"))
    assert sorted(wanted(cluster)) == ["n2", "n3"]
    assert values(cluster, b"k")["n2"] == b"new"


# --- bounds ----------------------------------------------------------------------------------


def test_hints_beyond_the_bytes_are_handed_to_anti_entropy_and_that_is_said_once() -> None:
    cluster = losing("n3", hint_bytes_max=3 * (limits.HINT_ROW_BYTES + 4))
    for i in range(5):
        stored_of(cluster.put(b"k%d" % i, b"vv"))
    assert len(cluster.hints("n1", "n3")) == 3
    assert counter(cluster, "hints_dropped_for_space") == 2
    assert wanted(cluster) == ["n3", "n3"]
    assert [note.event for note in cluster.notes].count("hints_have_no_room") == 1


def test_no_hint_is_written_to_a_full_disk() -> None:
    cluster = losing("n3")
    cluster.hold_disk("n2")
    call_parts = cluster.put(b"k", b"v", w=1)
    cluster.nodes["n1"].disk_full(full=True)
    cluster.release_disk("n2")
    stored_of(call_parts)
    assert cluster.hints("n1", "n3") == {}
    assert wanted(cluster) == ["n3"]
    assert counter(cluster, "hints_dropped_for_space") == 1


def test_hints_that_wait_when_the_disk_becomes_full_are_handed_over() -> None:
    cluster = losing("n3")
    cluster.hold("n3", Save)
    ctx = cluster.nodes["n1"].context
    cluster.hold_disk("n1")
    for i in range(3):
        record = _record(cluster, b"k%d" % i)
        ctx.missed(ctx.by_name["default"], NodeId("n3"), [record], None)
    cluster.nodes["n1"].disk_full(full=True)
    cluster.release_disk("n1")
    assert set(cluster.hints("n1", "n3")) == {b"k0"}
    assert wanted(cluster) == ["n3", "n3"]


def test_what_is_too_old_already_is_not_kept() -> None:
    cluster = losing("n3", hint_age_ms=5_000)
    time = cluster.nodes["n1"].context.clock.last - (6_000 << 16)
    stored_of(cluster.put(b"k", b"v", times=[time], writers=[7]))
    assert cluster.hints("n1", "n3") == {}
    assert counter(cluster, "hints_dropped_for_age") == 1
    assert wanted(cluster) == ["n3"]


def test_a_damaged_hint_that_takes_no_other_is_handed_over() -> None:
    cluster = losing("n3", heartbeat_ms=100_000)
    cluster.hold("n3")
    stored_of(cluster.put(b"k", b"1"))
    disk = cluster.disks["n1"]
    (where,) = [w for w in disk.rows if w[2] == b"k" and w[0] != cluster.keyspace_id]
    row = disk.rows[where]
    assert isinstance(row, Record)
    disk.rows[where] = Record(b"k", b"2", *_fields(row))
    stored_of(cluster.put(b"k", b"3"))
    assert wanted(cluster) == ["n3"]


# --- across lives ----------------------------------------------------------------------------


def test_a_new_life_counts_what_former_ones_kept_before_it_writes_more() -> None:
    cluster = losing("n3")
    stored_of(cluster.put(b"k", b"v"))
    (before,) = cluster.nodes["n1"].hints.pending()
    cluster.unreachable.add("n3")
    cluster.nodes["n1"] = cluster.start("n1", starts=2)
    cluster.run()
    (after,) = cluster.nodes["n1"].hints.pending()
    assert (after.rows, after.bytes) == (before.rows, before.bytes)
    counts = [a for s, a in cluster.sent if s == "n1" and isinstance(a.message, CountRecords)]
    assert len(counts) == 2  # one for each peer


def _record(cluster: Cluster, key: bytes) -> Record:
    return written(key, b"v", 0, cluster.nodes["n1"].context.clock.last, 1)


def _fields(row: Record) -> tuple[int, int, int, int, int, int]:
    return (
        row.value_time,
        row.value_writer,
        row.expiry_ms,
        row.expiry_time,
        row.expiry_writer,
        row.checksum,
    )


def _where(cluster: Cluster, key: bytes) -> tuple[int, int, bytes]:
    (where,) = [w for w in cluster.disks["n1"].rows if w[2] == key and w[0] == cluster.keyspace_id]
    return where
