"""Claims about `dynakv.node.replica`: what one replica takes, says, and keeps in its cache."""

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.hlc import reading
from dynakv.core.record import Record, written
from dynakv.core.table import DAMAGED
from dynakv.node.messages import (
    Ask,
    Beat,
    Failed,
    Load,
    Loaded,
    Now,
    Outcome,
    PeerReply,
    Reason,
    Save,
    Saved,
    Scan,
    Stored,
)
from tests.node.cluster import START, Cluster


class Alone:
    """One node, asked as its peer n2 would ask it."""

    def __init__(self, nodes: int = 3, **config: object) -> None:
        self.cluster = Cluster(nodes, config=dict(config))
        self.node = self.cluster.nodes["n1"]
        self.keyspace = self.node.context.by_name["default"].keyspace_id
        self.epoch = self.cluster.layout.epoch

    def ask(self, message: Save | Load | Scan | Beat) -> PeerReply:
        (reply,) = self.cluster.ask(message)
        return reply  # type: ignore[return-value]

    def save(self, *records: Record, previous: bool = False, heals: bool = False) -> Saved:
        reply = self.ask(Save(self.keyspace, self.epoch, list(records), previous, heals))
        assert isinstance(reply, Saved)
        return reply

    def load(self, *keys: bytes) -> Loaded:
        reply = self.ask(Load(self.keyspace, self.epoch, list(keys)))
        assert isinstance(reply, Loaded)
        return reply

    def on_disk(self, key: bytes) -> object:
        return self.cluster.rows(key).get("n1")


def record(key: bytes = b"k", value: bytes | None = b"v", ahead_ms: int = 0) -> Record:
    return written(key, value, 0, reading(START.wall_ms + ahead_ms), 77)


# --- refused ---------------------------------------------------------------------------------


def test_another_epoch_is_refused_as_a_whole() -> None:
    alone = Alone()
    for epoch in (alone.epoch - 1, alone.epoch + 1):
        for message in (
            Save(alone.keyspace, epoch, [record()]),
            Load(alone.keyspace, epoch, [b"k"]),
        ):
            assert alone.ask(message) == Failed(Reason.WRONG_EPOCH)
    assert alone.on_disk(b"k") is None


def test_an_unknown_keyspace_is_refused_as_a_whole() -> None:
    alone = Alone()
    for message in (Save(1, alone.epoch, [record()]), Load(1, alone.epoch, [b"k"])):
        assert alone.ask(message) == Failed(Reason.UNKNOWN_KEYSPACE)


def test_a_stamp_beyond_the_clock_bound_never_reaches_the_disk() -> None:
    alone = Alone()
    at_bound, beyond = record(b"a", ahead_ms=500), record(b"b", ahead_ms=501)
    assert alone.save(at_bound, beyond).outcomes == [Outcome.OK, Outcome.AHEAD]
    assert alone.on_disk(b"a") == at_bound
    assert alone.on_disk(b"b") is None
    assert alone.node.context.counters.refused_stamps == 1


def test_an_expiry_stamp_beyond_the_clock_bound_is_refused_as_well() -> None:
    alone = Alone()
    ahead = replace(record(), expiry_time=reading(START.wall_ms + 501))
    assert alone.save(ahead).outcomes == [Outcome.AHEAD]


def test_a_refused_stamp_is_never_followed() -> None:
    alone = Alone()
    before = alone.node.header().hlc
    alone.save(record(ahead_ms=5_000))
    assert alone.node.header().hlc == before


def test_a_record_corrupted_under_way_never_reaches_the_disk() -> None:
    alone = Alone()
    corrupt = replace(record(b"b"), value=b"w")
    assert alone.save(record(b"a"), corrupt).outcomes == [Outcome.OK, Outcome.CORRUPT]
    assert alone.on_disk(b"b") is None


def test_a_record_of_a_group_held_elsewhere_is_refused() -> None:
    alone = Alone(5)
    elsewhere = alone.cluster.key_on("n2", absent=("n1",))
    here = alone.cluster.key_on("n1")
    saved = alone.save(record(elsewhere), record(here))
    assert saved.outcomes == [Outcome.MISPLACED, Outcome.OK]
    assert alone.cluster.rows(elsewhere) == {}


def test_when_all_records_are_refused_the_disk_is_not_asked() -> None:
    alone = Alone()
    alone.cluster.sent.clear()
    saved = alone.save(record(ahead_ms=900), record(b"l", ahead_ms=900), previous=True)
    assert saved == Saved([Outcome.AHEAD, Outcome.AHEAD], [None, None])
    assert alone.cluster.sent == []


def test_outcomes_and_previous_stay_in_their_places() -> None:
    alone = Alone(cache_bytes_max=0)
    old, bad = record(b"b"), record(b"d")
    alone.save(old, bad)
    alone.cluster.flip("n1", b"d")
    saved = alone.save(
        record(b"a", ahead_ms=900),
        record(b"b", b"new", ahead_ms=1),
        replace(record(b"c"), checksum=1),
        record(b"d", b"new", ahead_ms=1),
        record(b"e"),
        previous=True,
    )
    assert saved.outcomes == [
        Outcome.AHEAD,
        Outcome.OK,
        Outcome.CORRUPT,
        Outcome.DAMAGED,
        Outcome.OK,
    ]
    assert saved.before == [None, old, None, None, None]


# --- durable, then acknowledged --------------------------------------------------------------


def test_nothing_is_acknowledged_before_the_disk_has_it() -> None:
    alone = Alone()
    alone.cluster.hold_disk("n1")
    call = alone.cluster.submit(Save(alone.keyspace, alone.epoch, [record()]))
    alone.cluster.run()
    assert alone.cluster.parts(call) == []
    alone.cluster.release_disk("n1")
    assert alone.cluster.parts(call) == [Saved(None, None)]


def test_an_older_record_is_acknowledged_and_changes_nothing() -> None:
    alone = Alone()
    newer = record(value=b"new", ahead_ms=10)
    alone.save(newer)
    assert alone.save(record()) == Saved(None, None)
    assert alone.on_disk(b"k") == newer


def test_a_record_that_is_not_written_yet_is_not_read() -> None:
    alone = Alone(cache_bytes_max=0)
    disk = alone.cluster.disks["n1"]
    alone.cluster.hold_disk("n1")
    alone.cluster.submit(Save(alone.keyspace, alone.epoch, [record()]))
    call = alone.cluster.submit(Load(alone.keyspace, alone.epoch, [b"k"]))
    alone.cluster.run()
    save, load = alone.cluster.held_disks["n1"]
    alone.node.answered(load.call, disk.serve(load.message), START)
    alone.cluster.run()
    assert alone.cluster.parts(call) == [Loaded(None, [None])]
    alone.node.answered(save.call, disk.serve(save.message), START)
    del alone.cluster.held_disks["n1"]
    assert alone.load(b"k").records == [record()]


# --- what is loaded --------------------------------------------------------------------------


def test_keys_are_answered_in_their_order_absent_ones_as_none() -> None:
    alone = Alone()
    a, b = record(b"a"), record(b"b", None)
    alone.save(a, b)
    assert alone.load(b"b", b"x", b"a", b"b") == Loaded(None, [b, None, a, b])


def test_a_damaged_row_is_neither_served_nor_called_absent() -> None:
    alone = Alone(cache_bytes_max=0)
    alone.save(record(b"a"), record(b"b"))
    alone.cluster.flip("n1", b"a")
    loaded = alone.load(b"a", b"b")
    assert loaded == Loaded([Outcome.DAMAGED, Outcome.OK], [None, record(b"b")])
    assert alone.node.context.counters.damaged_rows == 1


def test_an_ordinary_write_does_not_overwrite_a_damaged_row_and_a_late_heal_does() -> None:
    alone = Alone(heal_after_ms=500)
    alone.save(record())
    alone.cluster.flip("n1", b"k")
    newer = record(value=b"new", ahead_ms=10)
    assert alone.save(newer).outcomes == [Outcome.DAMAGED]
    assert alone.load(b"k").outcomes == [Outcome.DAMAGED]
    alone.cluster.pass_ms(490)
    assert alone.save(newer, heals=True).outcomes == [Outcome.DAMAGED]
    alone.cluster.pass_ms(10)
    assert alone.load(b"k").outcomes == [Outcome.HEALABLE]
    assert alone.save(newer).outcomes == [Outcome.DAMAGED]
    assert alone.save(newer, heals=True).outcomes is None
    assert alone.load(b"k") == Loaded(None, [newer])
    (where,) = [w for w in alone.cluster.disks["n1"].rows if w[2] == b"k"]
    assert alone.cluster.disks["n1"].row(where) is not DAMAGED


def test_a_heal_of_several_rows_overwrites_none_while_one_is_not_ready() -> None:
    alone = Alone(heal_after_ms=500)
    alone.save(record(b"a"), record(b"b"))
    for key in (b"a", b"b"):
        alone.cluster.flip("n1", key)
        alone.load(key)
        alone.cluster.pass_ms(250)
    newer = [record(key, b"new", ahead_ms=10) for key in (b"a", b"b")]
    assert alone.save(*newer, heals=True).outcomes == [Outcome.DAMAGED] * 2
    alone.cluster.pass_ms(250)
    assert alone.save(*newer, heals=True).outcomes is None


def test_a_key_of_a_group_held_elsewhere_is_misplaced_and_not_absent() -> None:
    alone = Alone(5)
    elsewhere = alone.cluster.key_on("n2", absent=("n1",))
    alone.cluster.put(elsewhere, b"v")
    alone.cluster.sent.clear()
    assert alone.load(elsewhere) == Loaded([Outcome.MISPLACED], [None])
    assert alone.cluster.sent == []


def test_a_reply_is_cut_to_its_bytes_and_the_rest_is_to_be_asked_for_again() -> None:
    alone = Alone(cache_bytes_max=0)
    third = b"x" * (limits.LOAD_BYTES_MAX // 3)
    for key in (b"a", b"b", b"c", b"d"):
        alone.save(record(key, third))
    alone.save(record(b"damaged"))
    alone.cluster.flip("n1", b"damaged")
    loaded = alone.load(b"a", b"b", b"c", b"d", b"damaged", b"absent")
    ok, later = Outcome.OK, Outcome.LATER
    assert loaded.outcomes == [ok, ok, ok, later, Outcome.DAMAGED, later]
    assert [r is not None for r in loaded.records] == [True, True, True, False, False, False]
    assert alone.load(b"d", b"absent") == Loaded(None, [record(b"d", third), None])


def test_the_first_key_of_a_reply_is_answered_however_large_it_is() -> None:
    for cache_bytes_max in (0, 1 << 30):
        alone = Alone(cache_bytes_max=cache_bytes_max)
        large = record(b"large", b"x" * (limits.LOAD_BYTES_MAX + 1))
        alone.save(large, record(b"small"))
        assert alone.load(b"large", b"small") == Loaded([Outcome.OK, Outcome.LATER], [large, None])
        assert alone.load(b"small", b"large").outcomes == [Outcome.OK, Outcome.LATER]


# --- scanned ---------------------------------------------------------------------------------


def test_a_page_with_a_damaged_row_fails_and_the_damage_is_noted() -> None:
    alone = Alone(heal_after_ms=500)
    alone.save(record(b"a"), record(b"b"))
    alone.cluster.flip("n1", b"a")
    placement = alone.node.context.by_name["default"]
    groups = placement.groups_of([b"a", b"b"])
    scan = Scan(alone.keyspace, alone.epoch, list(range(64)), b"", None, None, 10, False)
    assert alone.ask(scan) == Failed(Reason.DAMAGED)
    assert alone.node.context.counters.damaged_rows == 1
    trees = alone.node.context.trees
    assert [trees.known(alone.keyspace, group) for group in groups] == [False, True]
    alone.cluster.pass_ms(500)
    assert alone.load(b"a").outcomes == [Outcome.HEALABLE]  # waits since the scan


def test_a_page_of_groups_held_elsewhere_is_refused() -> None:
    alone = Alone(5)
    held = alone.node.context.by_name["default"].held
    scan = Scan(alone.keyspace, alone.epoch, [held.index(False)], b"", None, None, 10, False)
    assert alone.ask(scan) == Failed(Reason.WRONG_EPOCH)


# --- the cache -------------------------------------------------------------------------------


def test_what_was_written_or_read_is_read_from_the_cache() -> None:
    alone = Alone()
    alone.save(record(b"a"))
    alone.load(b"absent")
    alone.cluster.sent.clear()
    assert alone.load(b"a", b"absent") == Loaded(None, [record(b"a"), None])
    assert alone.cluster.sent == []


def test_only_what_the_cache_lacks_is_asked_of_the_disk() -> None:
    alone = Alone()
    alone.save(record(b"a"))
    alone.cluster.sent.clear()
    alone.load(b"x", b"a", b"y")
    ((_, ask),) = alone.cluster.sent
    assert ask.message.keys == [b"x", b"y"]  # type: ignore[attr-defined]


def test_a_read_that_a_write_overtook_does_not_fill_the_cache() -> None:
    alone = Alone()
    cluster, disk = alone.cluster, alone.cluster.disks["n1"]
    cluster.hold_disk("n1")
    cluster.submit(Load(alone.keyspace, alone.epoch, [b"k"]))
    cluster.run()
    load: Ask = cluster.held_disks["n1"].popleft()
    seen = disk.serve(load.message)  # read before the write, reported after it
    cluster.submit(Save(alone.keyspace, alone.epoch, [record()]))
    cluster.run()
    cluster.release_disk("n1")
    alone.node.answered(load.call, seen, Now(START.wall_ms, START.mono_ms))
    cluster.run()
    assert alone.load(b"k").records == [record()]


def test_a_damaged_row_is_not_served_from_the_cache_once_it_was_seen() -> None:
    alone = Alone()
    alone.save(record())
    (where,) = [w for w in alone.cluster.disks["n1"].rows if w[2] == b"k"]
    alone.cluster.disks["n1"].rows[where] = replace(record(), value=b"w")
    assert alone.load(b"k").records == [record()]  # was intact when it was read
    assert alone.save(record(value=b"new", ahead_ms=1)).outcomes == [Outcome.DAMAGED]
    assert alone.load(b"k").outcomes == [Outcome.DAMAGED]


def test_nothing_is_saved_below_the_reserve_of_the_disk() -> None:
    cluster = Cluster()
    cluster.nodes["n2"].disk_full(full=True)
    (stored,) = cluster.put(b"k", b"v")
    assert isinstance(stored, Stored)
    assert sorted(cluster.rows(b"k")) == ["n1", "n3"]
    cluster.nodes["n2"].disk_full(full=False)
    cluster.put(b"k", b"w")
    assert sorted(cluster.rows(b"k")) == ["n1", "n2", "n3"]
