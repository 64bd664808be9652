"""A session makes one group equal on two replicas, and ships only what differs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, merge, with_expiry, with_value, written
from dynakv.node.messages import Load, Loaded, Outcome, Reason, Save, Saved
from dynakv.node.repair_messages import Compare, ScanLeaves
from dynakv.node.session import Ending, Synced
from tests.node.cluster import START, Cluster

GROUP = 5
CONFIG: dict[str, object] = {"cache_bytes_max": 0}


def pair(**config: object) -> Cluster:
    """Return two replicas of everything."""
    return Cluster(2, replicas=2, config={**CONFIG, **config})


def keyspace_of(cluster: Cluster) -> int:
    return int(cluster.layout.keyspaces[0].keyspace_id)


def keys_of(cluster: Cluster, count: int) -> list[bytes]:
    """Return keys of the group, in order."""
    placement = cluster.nodes["n1"].context.by_id[keyspace_of(cluster)]
    keys = (b"%06d" % i for i in range(200 * count + 2_000))
    return [key for key in keys if placement.groups_of([key]) == [GROUP]][:count]


def give(cluster: Cluster, node: str, *records: Record) -> None:
    """Let a replica save records behind the other's back."""
    keyspace = cluster.layout.keyspaces[0]
    for record in records:
        save = Save(int(keyspace.keyspace_id), keyspace.epoch, [record], floors=[0])
        (reply,) = cluster.ask(save, node)
        assert reply == Saved(None, None)


def sync(cluster: Cluster, at: str = "n1", peer: str = "n2", *, within_ms: int = 20_000) -> Synced:
    """Let one node make the group equal with a peer; return what came of it."""
    ended: list[Synced] = []
    cluster.nodes[at].anti_entropy.sync(keyspace_of(cluster), GROUP, peer, ended.append)  # type: ignore[arg-type]
    cluster.run()
    for _ in range(within_ms // 10):
        if ended:
            break
        cluster.pass_ms(10)
    (synced,) = ended
    return synced


def rows(cluster: Cluster, node: str) -> dict[bytes, object]:
    return {key: row for (_, group, key), row in cluster.disks[node].rows.items() if group == GROUP}


def stamped(ms: int, counter: int = 0) -> int:
    return (START.wall_ms + ms) << 16 | counter


def test_equal_groups_cost_one_ask() -> None:
    cluster = pair()
    cluster.put(keys_of(cluster, 1)[0], b"v", w=2)
    cluster.sent.clear()
    assert sync(cluster) == Synced(Ending.DONE)
    assert len(cluster.asked(Compare)) == 1
    assert not cluster.asked(ScanLeaves)


def test_what_each_side_lacks_travels_and_nothing_else() -> None:
    cluster = pair()
    keys = keys_of(cluster, 8)
    for key in keys[:6]:
        cluster.put(key, b"both", w=2)
    give(cluster, "n1", written(keys[6], b"mine", 0, stamped(0), 1))
    give(cluster, "n2", written(keys[7], b"yours", 0, stamped(0), 1))
    give(cluster, "n2", written(keys[0], None, 0, stamped(50), 1))
    cluster.sent.clear()
    synced = sync(cluster)
    assert synced.ending is Ending.DONE
    assert (synced.records_out, synced.records_in) == (1, 2)
    assert synced.bytes_out == len(keys[6] + b"mine")
    assert synced.bytes_in == len(keys[7] + b"yours" + keys[0])
    assert rows(cluster, "n1") == rows(cluster, "n2")
    saved = [ask.message for _, ask in cluster.sent if isinstance(ask.message, Save)]
    assert [[r.key for r in save.records] for save in saved] == [[keys[6]]]


def test_crosswise_registers_travel_both_ways() -> None:
    cluster = pair()
    (key,) = keys_of(cluster, 1)
    cluster.put(key, b"old", w=2)
    give(cluster, "n1", with_value(key, b"new", stamped(40), 1))
    give(cluster, "n2", with_expiry(key, START.wall_ms + 90_000, stamped(60), 1))
    synced = sync(cluster)
    assert synced.ending is Ending.DONE
    assert rows(cluster, "n1") == rows(cluster, "n2")
    (row,) = rows(cluster, "n1").values()
    assert isinstance(row, Record)
    assert (row.value, row.expiry_ms) == (b"new", START.wall_ms + 90_000)


def test_a_key_absent_under_a_floor_needs_nothing_that_is_droppable_under_it() -> None:
    cluster = pair()
    gone, lives = keys_of(cluster, 2)
    give(cluster, "n2", written(gone, None, 0, stamped(0), 1))
    give(cluster, "n2", written(lives, b"v", 0, stamped(0), 1))
    cluster.nodes["n1"].context.cuts.floors[keyspace_of(cluster), GROUP] = stamped(1)
    synced = sync(cluster)
    assert synced.ending is Ending.DONE
    assert set(rows(cluster, "n1")) == {lives}
    # And the same seen from the other side.
    synced = sync(cluster, "n2", "n1")
    assert synced.ending is Ending.DONE
    assert synced.records_out == 0
    assert set(rows(cluster, "n1")) == {lives}


def test_a_save_carries_the_floor_under_which_its_record_was_read() -> None:
    cluster = pair()
    (key,) = keys_of(cluster, 1)
    give(cluster, "n1", written(key, b"v", 0, stamped(0), 1))
    sync(cluster)
    (save,) = [ask.message for _, ask in cluster.sent if isinstance(ask.message, Save)]
    assert save.floors == [0]


def test_many_pages_are_compared_to_the_last_key() -> None:
    cluster = pair()
    keys = keys_of(cluster, 3 * limits.REPAIR_PAGE_ROWS_MAX + 20)
    record = [written(key, b"v", 0, stamped(0, i), 1) for i, key in enumerate(keys)]
    for node, skipped in (("n1", 2), ("n2", 3)):
        give(cluster, node, *(r for i, r in enumerate(record) if i % skipped))
    give(cluster, "n1", *record[:300])  # so that pages end at different keys
    synced = sync(cluster)
    assert synced.ending is Ending.DONE
    assert rows(cluster, "n1") == rows(cluster, "n2")
    assert list(rows(cluster, "n1"))
    assert max(rows(cluster, "n2")) == keys[-1]
    assert synced.keys_listed > len(keys)


def test_large_values_travel_in_bounded_replies() -> None:
    cluster = pair()
    value = b"x" * (limits.LOAD_BYTES_MAX // 2)
    keys = keys_of(cluster, 5)
    for i, key in enumerate(keys):
        give(cluster, "n2" if i < 3 else "n1", written(key, value, 0, stamped(0, i), 1))
    cluster.sent.clear()
    synced = sync(cluster)
    assert (synced.ending, synced.records_in, synced.records_out) == (Ending.DONE, 3, 2)
    assert len(cluster.asked(Load)) == 2
    assert rows(cluster, "n1") == rows(cluster, "n2")


def test_a_tree_that_is_unknown_on_either_side_makes_no_proof() -> None:
    for node in ("n1", "n2"):
        cluster = pair()
        give(cluster, "n2", written(keys_of(cluster, 1)[0], b"v", 0, stamped(0), 1))
        cluster.nodes[node].context.trees.forget(keyspace_of(cluster), GROUP)
        assert sync(cluster).ending is Ending.NOT_READY


@pytest.mark.parametrize("kind", [Compare, ScanLeaves, Load, Save])
def test_an_ask_that_fails_ends_the_session(kind: type) -> None:
    cluster = pair()
    mine, yours = keys_of(cluster, 2)
    give(cluster, "n1", written(mine, b"v", 0, stamped(0), 1))
    give(cluster, "n2", written(yours, b"v", 0, stamped(0), 1))
    cluster.failing["n2", kind] = Reason.BROKEN
    synced = sync(cluster)
    assert synced.ending is Ending.FAILED
    assert "broken" in synced.why
    cluster.failing["n2", kind] = Reason.RECOVERING
    assert sync(cluster).ending is Ending.NOT_READY
    cluster.failing.clear()
    assert sync(cluster).ending is Ending.DONE
    assert rows(cluster, "n1") == rows(cluster, "n2")


@pytest.mark.parametrize("where", ["n1", "n2"])
def test_a_row_that_is_damaged_where_it_is_newer_stays_open(where: str) -> None:
    cluster = pair()
    key, other = keys_of(cluster, 2)
    give(cluster, where, written(key, b"v", 0, stamped(0), 1))
    give(cluster, where, written(other, b"v", 0, stamped(0), 1))
    cluster.flip(where, key)
    synced = sync(cluster)
    assert synced.ending is Ending.FAILED
    assert "damaged" in synced.why
    away = "n1" if where == "n2" else "n2"
    assert set(rows(cluster, away)) == {other}


def test_a_damaged_row_that_would_be_overwritten_stays_open() -> None:
    cluster = pair()
    (key,) = keys_of(cluster, 1)
    cluster.put(key, b"old", w=2)
    give(cluster, "n2", written(key, b"new", 0, stamped(50), 1))
    cluster.flip("n1", key)
    synced = sync(cluster)
    assert synced.ending is Ending.FAILED
    assert "damaged" in synced.why


def test_a_record_that_arrives_corrupt_is_not_saved() -> None:
    cluster = pair()
    (key,) = keys_of(cluster, 1)
    give(cluster, "n2", written(key, b"v", 0, stamped(0), 1))

    def alter(node: str, reply: object) -> object:
        if isinstance(reply, Loaded):
            return Loaded(None, [replace(r, value=b"w") if r else r for r in reply.records])
        return reply

    cluster.alter = alter
    synced = sync(cluster)
    assert synced.ending is Ending.FAILED
    assert not rows(cluster, "n1")


def test_a_save_that_is_fenced_leaves_its_key_open_unless_it_may_be_dropped() -> None:
    for floor, ending in ((0, Ending.FAILED), (stamped(9), Ending.DONE)):
        cluster = pair()
        (key,) = keys_of(cluster, 1)
        give(cluster, "n1", written(key, None, 0, stamped(0), 1))
        cluster.nodes["n2"].context.cuts.floors[keyspace_of(cluster), GROUP] = 0

        def alter(node: str, reply: object) -> object:
            return Saved([Outcome.FENCED], None) if isinstance(reply, Saved) else reply

        cluster.alter = alter
        if floor:
            cluster.nodes["n2"].context.cuts.floors[keyspace_of(cluster), GROUP] = floor
        assert sync(cluster).ending is ending


times = st.integers(0, 3).map(stamped)
values = st.sampled_from([None, b"x"])
kinds = st.one_of(
    st.builds(lambda v, t: with_value(b"", v, t, 1), values, times),
    st.builds(lambda t: with_expiry(b"", START.wall_ms + 50_000, t, 1), times),
    st.builds(lambda v, t: written(b"", v, 0, t, 1), values, times),
)


@given(st.lists(st.tuples(st.integers(0, 3), kinds, st.sampled_from(["n1", "n2"])), max_size=12))
@settings(max_examples=60, deadline=None)
def test_both_sides_end_with_the_merge_of_both(
    writes: list[tuple[int, Record, str]],
) -> None:
    cluster = pair()
    names = keys_of(cluster, 4)
    expected: dict[bytes, Record] = {}
    for i, kind, node in writes:
        value = None if kind.value is None else b"%s %d" % (kind.value, kind.value_time)
        record = (
            with_expiry(names[i], kind.expiry_ms, kind.expiry_time, 1)
            if not kind.value_time
            else with_value(names[i], value, kind.value_time, 1)
        )
        give(cluster, node, record)
        known = expected.get(names[i])
        expected[names[i]] = merge(known, record) if known else record
    assert sync(cluster).ending is Ending.DONE
    assert rows(cluster, "n1") == rows(cluster, "n2") == expected


def test_a_page_of_the_own_disk_that_comes_after_the_peers_failed_changes_nothing() -> None:
    cluster = pair()
    give(cluster, "n1", written(keys_of(cluster, 1)[0], b"v", 0, stamped(0), 1))
    cluster.failing["n2", ScanLeaves] = Reason.BROKEN
    cluster.hold_disk("n1")
    ended: list[Synced] = []
    cluster.nodes["n1"].anti_entropy.sync(keyspace_of(cluster), GROUP, NodeId("n2"), ended.append)
    cluster.run()
    assert [synced.ending for synced in ended] == [Ending.FAILED]
    cluster.release_disk("n1")
    cluster.pass_ms(100)
    assert len(ended) == 1
    assert not cluster.asked(Save)


def test_both_sides_list_at_once() -> None:
    cluster = pair()
    give(cluster, "n1", written(keys_of(cluster, 1)[0], b"v", 0, stamped(0), 1))
    cluster.hold_disk("n1")
    cluster.nodes["n1"].anti_entropy.sync(keyspace_of(cluster), GROUP, NodeId("n2"), lambda _: None)
    cluster.run()
    assert len(cluster.asked(ScanLeaves)) == 1  # though the own disk has not answered
    cluster.release_disk("n1")
    cluster.pass_ms(50)
    assert rows(cluster, "n1") == rows(cluster, "n2")
