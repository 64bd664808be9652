"""Claims about `dynakv.node.damage`: a damaged row is never served, and healed late enough."""

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.core.record import Record
from dynakv.core.table import DAMAGED
from dynakv.errors import Kind
from dynakv.node.damage import DamagedRows
from dynakv.node.messages import Get, Load, Loaded, Outcome, Put, Reason, Save
from tests.node.cluster import (
    Cluster,
    failure_of,
    found_of,
    row_of,
    split,
    stored_of,
    value_of,
    values,
    warmed,
)

HEAL_AFTER_MS = 500


def damaged(*nodes: str, key: bytes = b"k") -> Cluster:
    """A cluster with b"good" under a key, whose rows on these nodes have a flipped bit."""
    cluster = warmed(config={"cache_bytes_max": 0, "heal_after_ms": HEAL_AFTER_MS})
    cluster.put(key, b"good", w=3)
    for node in nodes:
        cluster.flip(node, key)
    return cluster


def noticed(cluster: Cluster, key: bytes = b"k") -> Cluster:
    """Let every node look at its row, and as much time pass as a heal has to wait."""
    keyspace = cluster.nodes["n1"].context.by_name["default"].keyspace_id
    for node in cluster.nodes:
        cluster.ask(Load(keyspace, 1, [key]), node)
    cluster.pass_ms(HEAL_AFTER_MS)
    return cluster


# --- when a row may be healed ----------------------------------------------------------------


def test_a_row_may_be_healed_only_long_after_its_damage_was_first_seen() -> None:
    rows = DamagedRows(100)
    assert not rows.seen(1, b"k", 50)
    assert not rows.seen(1, b"k", 149)
    assert not rows.healable(1, b"k", 149)
    assert rows.healable(1, b"k", 150)
    assert rows.seen(1, b"k", 150)
    assert not rows.seen(2, b"k", 150)  # the same key of another keyspace


def test_a_healed_row_that_is_damaged_again_waits_anew() -> None:
    rows = DamagedRows(100)
    rows.seen(1, b"k", 0)
    rows.healed(1, b"k")
    assert len(rows) == 0
    assert not rows.healable(1, b"k", 1_000)
    assert not rows.seen(1, b"k", 1_000)


def test_to_ask_whether_a_row_may_be_healed_does_not_count_as_damage() -> None:
    rows = DamagedRows(100)
    assert not rows.healable(1, b"k", 0)
    assert len(rows) == 0
    assert not rows.seen(1, b"k", 1_000)


def test_what_is_known_of_damaged_rows_is_bounded_and_the_oldest_waits_anew() -> None:
    rows = DamagedRows(100)
    for i in range(limits.DAMAGED_ROWS_MAX + 1):
        rows.seen(1, b"%d" % i, 0)
    assert len(rows) == limits.DAMAGED_ROWS_MAX
    assert not rows.healable(1, b"0", 1_000)
    assert rows.healable(1, b"1", 1_000)


# --- never served ----------------------------------------------------------------------------


def test_a_damaged_row_is_never_served() -> None:
    for node in ("n1", "n2", "n3"):
        for level in Level:
            for at in ("n1", "n2", "n3"):
                parts = damaged(node).ask(Get("default", [b"k"], level), at)
                if level is Level.ALL:
                    assert failure_of(parts).kind is Kind.UNAVAILABLE
                else:
                    assert value_of(parts) == b"good"


def test_a_damaged_row_is_not_healed_before_its_time() -> None:
    cluster = damaged("n1")
    for _ in range(HEAL_AFTER_MS // 100):
        assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
        assert row_of(cluster, "n1", b"k") is DAMAGED
        cluster.pass_ms(100)
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


def test_a_heal_does_not_undo_an_acknowledgement_that_is_still_being_counted() -> None:
    cluster = warmed()
    cluster.put(b"k", b"old", w=3)
    cluster.hold_disk("n1")
    cluster.hold("n2", Save)
    put = cluster.submit(Put("default", [b"k"], [b"new"]))
    cluster.run()  # n3 has it on disk and said so
    cluster.flip("n3", b"k")
    assert value_of(cluster.ask(Get("default", [b"k"]), "n2")) == b"old"
    cluster.release_disk("n1")
    assert stored_of(cluster.parts(put)).entries == [0]  # acknowledged: n3 (then) and n1
    # n1 alone still has it. Had n3 been healed with `old`, n2 and n3 would now agree on it.
    cluster.unreachable.add("n1")
    assert failure_of(cluster.ask(Get("default", [b"k"]), "n2")).kind is Kind.UNAVAILABLE
    cluster.unreachable.clear()
    cluster.held.pop("n2")
    assert value_of(cluster.ask(Get("default", [b"k"]), "n2")) == b"new"
    cluster.unreachable.add("n1")
    assert failure_of(cluster.ask(Get("default", [b"k"]), "n2")).kind is Kind.UNAVAILABLE


def test_the_wait_begins_anew_when_a_healed_row_is_damaged_again() -> None:
    # A second heal is under way when the first has healed the row already: it must not count as
    # damage seen, or the next damage would be healed at once.
    cluster = noticed(damaged("n3"))
    cluster.hold("n3", Save)
    for at in ("n1", "n2"):
        cluster.ask(Get("default", [b"k"], Level.ALL), at)
    heals = [ask for _, ask in cluster.held["n3"] if ask.message.heals]  # type: ignore[attr-defined]
    assert len(heals) >= 2
    for sender, ask in cluster.held.pop("n3"):
        cluster._deliver(sender, ask)
        cluster.run()
    assert isinstance(row_of(cluster, "n3", b"k"), Record)
    assert len(cluster.nodes["n3"].context.damaged_rows) == 0
    cluster.pass_ms(10 * HEAL_AFTER_MS)
    cluster.flip("n3", b"k")
    assert value_of(cluster.ask(Get("default", [b"k"]), "n3")) == b"good"
    assert row_of(cluster, "n3", b"k") is DAMAGED


# --- healed ----------------------------------------------------------------------------------


def test_a_damaged_row_is_healed_by_a_quorum_read() -> None:
    cluster = noticed(damaged("n1"))
    assert row_of(cluster, "n1", b"k") is DAMAGED
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
    row = row_of(cluster, "n1", b"k")
    assert isinstance(row, Record)
    assert row.value == b"good"


def test_a_damaged_row_is_healed_also_by_a_read_at_level_one() -> None:
    cluster = noticed(damaged("n1"))
    assert value_of(cluster.ask(Get("default", [b"k"], Level.ONE))) == b"good"
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


def test_a_damaged_row_is_healed_also_where_the_read_itself_fails() -> None:
    cluster = noticed(damaged("n1"))
    assert failure_of(cluster.ask(Get("default", [b"k"], Level.ALL))).kind is Kind.UNAVAILABLE
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


def test_a_damaged_row_is_not_healed_by_what_too_few_replicas_answered() -> None:
    cluster = noticed(damaged("n1", "n2"))
    for _ in range(2):
        assert value_of(cluster.ask(Get("default", [b"k"], Level.ONE))) == b"good"
        assert row_of(cluster, "n1", b"k") is DAMAGED
        assert row_of(cluster, "n2", b"k") is DAMAGED
        assert failure_of(cluster.ask(Get("default", [b"k"]))).kind is Kind.UNAVAILABLE
        cluster.pass_ms(HEAL_AFTER_MS)


def test_a_heal_writes_the_newest_of_what_the_others_hold() -> None:
    cluster = split("n2", config={"heal_after_ms": HEAL_AFTER_MS})
    cluster.flip("n1", b"k")
    noticed(cluster)
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"new"
    assert set(values(cluster, b"k").values()) == {b"new"}
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


def test_a_failed_heal_does_not_fail_a_read_whose_write_back_is_under_way() -> None:
    cluster = split("n1", config={"heal_after_ms": HEAL_AFTER_MS})
    cluster.flip("n2", b"k")
    noticed(cluster)
    cluster.hold("n3", Save)
    cluster.failing["n2", Save] = Reason.BROKEN  # the heal fails
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    assert cluster.parts(call) == []
    cluster.release("n3")
    assert value_of(cluster.parts(call)) == b"new"


def test_a_row_that_is_damaged_and_absent_elsewhere_does_not_stay_so_for_ever() -> None:
    cluster = warmed(config={"cache_bytes_max": 0, "heal_after_ms": HEAL_AFTER_MS})
    for node in ("n2", "n3"):
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"v", w=1)
    cluster.failing.clear()
    cluster.flip("n1", b"k")
    noticed(cluster)
    assert found_of(cluster.ask(Get("default", [b"k"]))).records == [None]
    cluster.put(b"k", b"w", w=3)
    assert values(cluster, b"k") == dict.fromkeys(("n1", "n2", "n3"), b"w")


def test_an_absent_key_is_not_stored_anywhere_by_a_heal_but_where_the_damage_was() -> None:
    config: dict[str, object] = {"cache_bytes_max": 0, "heal_after_ms": HEAL_AFTER_MS}
    cluster = warmed(5, replicas=5, config=config)
    for node in ("n2", "n3", "n4", "n5"):
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"v", w=1)
    cluster.failing.clear()
    cluster.flip("n1", b"k")
    noticed(cluster)
    cluster.hold("n5", Load)
    assert found_of(cluster.ask(Get("default", [b"k"], Level.ONE))).records == [None]
    assert values(cluster, b"k") == {"n1": None}
    cluster.release("n5")  # a late answer: absent, as all the others
    assert values(cluster, b"k") == {"n1": None}


def test_a_heal_sent_with_less_than_the_winner_does_not_count_as_its_holder() -> None:
    # Of four replicas two suffice to heal, three to read: n1 and n2 answer `old`, n3 is damaged,
    # then n4 answers `new`. n3 must not be healed with `old` and count as a holder of `new`.
    cluster = split("n4", replicas=4, config={"heal_after_ms": HEAL_AFTER_MS})
    keyspace = cluster.nodes["n1"].context.by_name["default"].keyspace
    assert (keyspace.n, keyspace.rq, keyspace.wq) == (4, 2, 3)
    cluster.flip("n3", b"k")
    noticed(cluster)
    cluster.hold("n4", Load)
    cluster.hold("n3", Save)
    cluster.hold_disk("n1")
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    cluster.nodes["n1"].answered(  # the own row is read, but nothing is written there
        cluster.held_disks["n1"][0].call,
        cluster.disks["n1"].serve(cluster.held_disks["n1"].popleft().message),
        cluster.clock_of("n1"),
    )
    cluster.hold("n2", Save)
    cluster.run()
    cluster.pass_ms(100)  # the hedge asks whoever was left out
    cluster.release("n4")
    cluster.release("n3")
    holders = [node for node, value in values(cluster, b"k").items() if value == b"new"]
    assert holders == ["n3", "n4"]  # healed with the winner
    assert cluster.parts(call) == []  # three are needed
    cluster.release("n2")
    assert value_of(cluster.parts(call)) == b"new"


def test_a_replica_counts_once_though_it_was_written_back_and_healed() -> None:
    # n2 answers last that its row may be healed, when the winner is being written back to it.
    # Another read has healed it meanwhile: the write-back and the heal of this one both succeed.
    cluster = split("n1", replicas=5, config={"heal_after_ms": HEAL_AFTER_MS})
    cluster.flip("n2", b"k")
    noticed(cluster)
    cluster.nodes["n1"].context.members.broken("n2")  # so that it is asked last
    for node in ("n3", "n4", "n5"):
        cluster.hold(node, Save)
    cluster.hold("n2", Load, Save)
    call = cluster.submit(Get("default", [b"k"]))
    cluster.run()
    (write_back,) = cluster.held.pop("n2")
    loads = [ask for _, ask in cluster.sent if isinstance(ask.message, Load)]
    assert "n2" not in [ask.to for ask in loads]
    cluster.hold("n2", Load)
    cluster.pass_ms(100)  # the hedge
    cluster.release("n2")  # answers HEALABLE, and is healed
    assert row_of(cluster, "n2", b"k") is not DAMAGED
    cluster._deliver(*write_back)
    cluster.run()
    assert cluster.parts(call) == []  # n1 and n2 hold it: three are needed
    cluster.release("n4")
    assert value_of(cluster.parts(call)) == b"new"


def test_damage_that_was_seen_makes_the_shard_group_unknown_to_repair() -> None:
    cluster = damaged("n1")
    context = cluster.nodes["n1"].context
    placement = context.by_name["default"]
    (group,) = placement.groups_of([b"k"])
    assert context.trees.known(placement.keyspace_id, group)
    (reply,) = cluster.ask(Load(placement.keyspace_id, 1, [b"k"]))
    assert isinstance(reply, Loaded)
    assert reply.outcomes == [Outcome.DAMAGED]
    assert not context.trees.known(placement.keyspace_id, group)


def test_a_damaged_row_becomes_healable_to_its_readers_in_time() -> None:
    cluster = damaged("n1")
    keyspace = cluster.nodes["n1"].context.by_name["default"].keyspace_id
    for waited_ms, outcome in ((0, Outcome.DAMAGED), (HEAL_AFTER_MS, Outcome.HEALABLE)):
        cluster.pass_ms(waited_ms)
        (reply,) = cluster.ask(Load(keyspace, 1, [b"k"]))
        assert isinstance(reply, Loaded)
        assert reply.outcomes == [outcome]


def test_after_a_restart_the_wait_begins_anew() -> None:
    cluster = noticed(damaged("n1"))
    cluster.restart("n1")
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
    assert row_of(cluster, "n1", b"k") is DAMAGED
    cluster.pass_ms(HEAL_AFTER_MS)
    assert value_of(cluster.ask(Get("default", [b"k"]))) == b"good"
    assert isinstance(row_of(cluster, "n1", b"k"), Record)


def test_a_row_that_was_only_misread_once_waits_anew_when_it_is_damaged() -> None:
    cluster = damaged("n1")
    keyspace = cluster.nodes["n1"].context.by_name["default"].keyspace_id
    load = Load(keyspace, 1, [b"k"])
    (reply,) = cluster.ask(load, "n1")
    assert reply.outcomes == [Outcome.DAMAGED]  # type: ignore[attr-defined]
    cluster.flip("n1", b"k")  # back: the disk read it wrong, it did not lie wrong
    cluster.ask(load, "n1")
    cluster.pass_ms(HEAL_AFTER_MS)
    cluster.flip("n1", b"k")
    (reply,) = cluster.ask(load, "n1")
    assert reply.outcomes == [Outcome.DAMAGED]  # type: ignore[attr-defined]
