"""Hash trees: they equal a scan of the rows after any writes, and a rebuild makes them so again."""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynakv.core.hashtree import LEAVES, HashTrees, leaf_of, pack, root_of, unpack
from dynakv.core.layout import token_of
from dynakv.core.record import Record, checksum_of, merge, with_expiry, written
from dynakv.core.table import DAMAGED, Row

KS, GROUP = 7, 3


def scan(rows: Iterable[Record]) -> list[int]:
    """Return the leaves of these rows, computed from nothing."""
    leaves = [0] * LEAVES
    for row in rows:
        leaves[leaf_of(row.key)] ^= row.checksum
    return leaves


class Replica:
    """A group's rows and its tree, which is told of every write."""

    def __init__(self, *, empty: bool = True) -> None:
        self.trees = HashTrees(empty=empty)
        self.rows: dict[bytes, Row] = {}

    def write(self, record: Record) -> None:
        old = self.rows.get(record.key)
        new = merge(old, record) if isinstance(old, Record) else record
        self.rows[record.key] = new
        self.trees.update(KS, GROUP, record.key, old, new)

    def intact(self) -> list[Record]:
        return [row for row in self.rows.values() if isinstance(row, Record)]

    def page(self, after: bytes | None, size: int) -> tuple[dict[bytes, Row], bytes | None]:
        """Return the next rows in key order, and the last key; None if they are the last."""
        keys = sorted(key for key in self.rows if after is None or key > after)
        through = keys[size - 1] if len(keys) > size else None
        return {key: self.rows[key] for key in keys[:size]}, through


def record(key: bytes, value: bytes | None, time: int, expiry_ms: int, expiry_time: int) -> Record:
    checksum = checksum_of(key, value, time, 1, expiry_ms, expiry_time, 1)
    return Record(key, value, time, 1, expiry_ms, expiry_time, 1, checksum)


keys = st.integers(0, 12).map(lambda i: b"%d" % i)
times = st.integers(0, 5)
records = st.builds(record, keys, st.sampled_from([None, b"x", b"y"]), times, times, times)


@given(st.lists(records, max_size=30), st.randoms(use_true_random=False))
def test_leaves_equal_a_scan_and_roots_agree_whatever_the_order(
    writes: list[Record], random: object
) -> None:
    one, other = Replica(), Replica()
    for each in writes:
        one.write(each)
    for each in sorted(writes, key=lambda r: (r.checksum, r.key)):
        other.write(each)
    assert one.trees.leaves(KS, GROUP) == scan(one.intact())
    assert one.trees.root(KS, GROUP) == other.trees.root(KS, GROUP)


@given(st.lists(records, max_size=10), records)
def test_roots_differ_where_one_record_differs_and_only_its_leaf_does(
    writes: list[Record], extra: Record
) -> None:
    one, other = Replica(), Replica()
    for each in writes:
        one.write(each)
        other.write(each)
    one.write(extra)
    same = one.rows == other.rows
    assert (one.trees.root(KS, GROUP) == other.trees.root(KS, GROUP)) == same
    ours, theirs = one.trees.leaves(KS, GROUP), other.trees.leaves(KS, GROUP)
    assert ours is not None
    assert theirs is not None
    differing = [i for i in range(LEAVES) if ours[i] != theirs[i]]
    assert differing == ([] if same else [leaf_of(extra.key)])


@pytest.mark.parametrize(
    "other",
    [
        record(b"k", b"w", 1, 5, 2),
        record(b"k", None, 1, 5, 2),
        record(b"k", b"v", 3, 5, 2),
        record(b"k", b"v", 1, 6, 2),
        record(b"k", b"v", 1, 5, 3),
        record(b"k", b"v", 2, 5, 1),  # the stamps swapped
        written(b"k", b"v", 5, 1, 9),  # another writer
    ],
)
def test_a_replica_that_differs_in_any_field_has_another_leaf(other: Record) -> None:
    one, two = Replica(), Replica()
    one.write(record(b"k", b"v", 1, 5, 2))
    two.write(other)
    assert one.trees.leaves(KS, GROUP) != two.trees.leaves(KS, GROUP)


def test_keys_of_one_hash_tag_spread_over_the_leaves() -> None:
    tagged = [b"{user1}:%d" % i for i in range(50 * LEAVES)]
    assert len({token_of(key, hash_tags=True) for key in tagged}) == 1
    filled = [0] * LEAVES
    for key in tagged:
        filled[leaf_of(key)] += 1
    assert min(filled) > 20
    assert max(filled) < 90


def test_the_keys_of_one_group_spread_over_the_leaves() -> None:
    several = [b"%d" % i for i in range(100_000)]
    group = [key for key in several if token_of(key, hash_tags=False) >> 56 == 0]
    assert len({leaf_of(key) for key in group}) > LEAVES * 0.9


def test_a_row_that_goes_leaves_nothing_behind() -> None:
    trees = HashTrees(empty=True)
    zero = trees.root(KS, GROUP)
    row = written(b"k", b"v", 0, 1, 1)
    trees.update(KS, GROUP, b"k", None, row)
    assert trees.root(KS, GROUP) != zero
    trees.update(KS, GROUP, b"k", row, None)
    assert trees.root(KS, GROUP) == zero


def test_groups_and_keyspaces_are_apart() -> None:
    trees = HashTrees(empty=True)
    trees.update(KS, GROUP, b"k", None, written(b"k", b"v", 0, 1, 1))
    zero = trees.root(KS, GROUP + 1)
    assert trees.root(KS + 1, GROUP) == zero != trees.root(KS, GROUP)


def test_in_an_empty_directory_every_group_is_known_and_zero() -> None:
    trees = HashTrees(empty=True)
    assert trees.known(KS, GROUP)
    assert trees.leaves(KS, GROUP) == [0] * LEAVES


def test_after_a_restart_on_records_a_group_is_unknown_and_stays_so_under_writes() -> None:
    replica = Replica(empty=False)
    replica.write(written(b"k", b"v", 0, 1, 1))
    assert not replica.trees.known(KS, GROUP)
    assert replica.trees.root(KS, GROUP) is None
    assert replica.trees.leaves(KS, GROUP) is None


@pytest.mark.parametrize("after", [DAMAGED, written(b"k", b"healed", 0, 2, 1)])
def test_a_damaged_row_makes_its_group_unknown(after: Row) -> None:
    replica = Replica()
    replica.write(written(b"k", b"v", 0, 1, 1))
    replica.trees.update(KS, GROUP, b"k", DAMAGED, after)
    assert not replica.trees.known(KS, GROUP)
    replica.write(written(b"other", b"v", 0, 1, 1))
    assert not replica.trees.known(KS, GROUP)
    assert replica.trees.known(KS, GROUP + 1)


def test_a_forgotten_group_is_unknown_and_its_rebuild_ends() -> None:
    trees = HashTrees(empty=True)
    trees.begin_rebuild(KS, GROUP)
    trees.forget(KS, GROUP)
    assert not trees.known(KS, GROUP)
    assert not trees.rebuilding(KS, GROUP)
    assert not trees.add(KS, GROUP, {}, None)
    assert not trees.finish(KS, GROUP)


def test_a_group_that_becomes_unknown_is_told_once() -> None:
    replica = Replica()
    replica.write(written(b"k", b"v", 0, 1, 1))
    assert replica.trees.take_lost() == []
    replica.trees.update(KS, GROUP, b"k", DAMAGED, DAMAGED)
    replica.trees.forget(KS, GROUP + 1)
    assert replica.trees.take_lost() == [(KS, GROUP), (KS, GROUP + 1)]
    assert replica.trees.take_lost() == []


def test_adopted_leaves_are_known_and_follow_writes() -> None:
    before = Replica()
    before.write(written(b"a", b"v", 0, 1, 1))
    leaves = before.trees.leaves(KS, GROUP)
    assert leaves is not None
    assert unpack(pack(leaves)) == leaves
    assert root_of(pack(leaves)) == before.trees.root(KS, GROUP)
    replica = Replica(empty=False)
    replica.rows = dict(before.rows)
    replica.trees.adopt(KS, GROUP, leaves)
    replica.write(written(b"b", b"v", 0, 1, 1))
    assert replica.trees.leaves(KS, GROUP) == scan(replica.intact())


def rebuilt(replica: Replica, size: int) -> None:
    replica.trees.begin_rebuild(KS, GROUP)
    through: bytes | None = None
    while True:
        rows, through = replica.page(through, size)
        assert replica.trees.add(KS, GROUP, rows, through)
        if through is None:
            break
    assert replica.trees.finish(KS, GROUP)


@given(st.lists(records, max_size=30), st.integers(1, 5))
def test_a_quiet_rebuild_equals_a_scan(writes: list[Record], size: int) -> None:
    replica = Replica(empty=False)
    for each in writes:
        replica.write(each)
    rebuilt(replica, size)
    assert replica.trees.leaves(KS, GROUP) == scan(replica.intact())
    assert replica.trees.drifts == 0


def test_a_rebuild_of_a_known_group_counts_drift_and_corrects_it() -> None:
    replica = Replica()
    replica.write(written(b"a", b"v", 0, 1, 1))
    rebuilt(replica, 2)
    assert replica.trees.drifts == 0
    replica.rows[b"b"] = written(b"b", b"behind our back", 0, 1, 1)
    rebuilt(replica, 2)
    assert replica.trees.drifts == 1
    assert replica.trees.leaves(KS, GROUP) == scan(replica.intact())


def test_damage_that_a_rebuild_finds_is_no_drift() -> None:
    replica = Replica()
    replica.write(written(b"a", b"v", 0, 1, 1))
    replica.rows[b"a"] = DAMAGED
    rebuilt(replica, 2)
    assert replica.trees.drifts == 0
    assert replica.trees.leaves(KS, GROUP) == [0] * LEAVES


def test_a_known_group_stays_in_use_while_it_is_rebuilt() -> None:
    replica = Replica()
    replica.trees.begin_rebuild(KS, GROUP)
    replica.write(written(b"a", b"v", 0, 1, 1))
    assert replica.trees.leaves(KS, GROUP) == scan(replica.intact())


def test_a_damaged_row_in_the_scan_counts_nothing_and_one_met_later_ends_the_rebuild() -> None:
    replica = Replica(empty=False)
    replica.write(written(b"a", b"v", 0, 1, 1))
    replica.rows[b"b"] = DAMAGED
    rebuilt(replica, 5)
    assert replica.trees.leaves(KS, GROUP) == scan(replica.intact())
    replica.trees.begin_rebuild(KS, GROUP)
    assert replica.trees.add(KS, GROUP, replica.rows, None)
    replica.trees.update(KS, GROUP, b"b", DAMAGED, written(b"b", b"healed", 0, 2, 1))
    assert not replica.trees.finish(KS, GROUP)
    assert not replica.trees.known(KS, GROUP)


@given(
    st.lists(records, max_size=15),
    st.lists(
        st.tuples(st.sampled_from(["commit", "commit", "report", "scan"]), records), max_size=60
    ),
    st.integers(1, 4),
    st.booleans(),
)
@settings(max_examples=400)
def test_a_rebuild_beside_writes_equals_a_scan_though_pages_show_writes_not_yet_reported(
    stored: list[Record], steps: list[tuple[str, Record]], size: int, empty: bool
) -> None:
    # Writes commit at once and are reported in order but late; a page shows what is committed at
    # one moment; `add` waits until all that was committed by then is reported.
    replica = Replica(empty=empty)
    for each in stored:
        replica.write(each)
    trees, rows = replica.trees, replica.rows
    unreported: list[tuple[bytes, Row, Row]] = []

    def commit(incoming: Record) -> None:
        old = rows.get(incoming.key)
        rows[incoming.key] = new = merge(old, incoming) if isinstance(old, Record) else incoming
        unreported.append((incoming.key, old, new))

    def report(down_to: int) -> None:
        while len(unreported) > down_to:
            trees.update(KS, GROUP, *unreported.pop(0))

    trees.begin_rebuild(KS, GROUP)
    through: bytes | None = None
    held: tuple[Mapping[bytes, Row], bytes | None, int] | None = None
    done = False

    def scan_on() -> None:
        """Take a page, or count the one that was taken once its writes are reported."""
        nonlocal held, through, done
        if held is None:
            page, upto = replica.page(through, size)
            held = (page, upto, len(unreported))
        else:
            page, through, pending = held
            report(max(0, len(unreported) - pending))
            assert trees.add(KS, GROUP, page, through)
            held, done = None, through is None

    for what, incoming in steps:
        if what == "commit":
            commit(incoming)
        elif what == "report":
            report(max(0, len(unreported) - 1))
            if held is not None:
                held = (held[0], held[1], max(0, held[2] - 1))
        elif not done:
            scan_on()
    while not done:
        scan_on()
    assert trees.finish(KS, GROUP)
    report(0)
    assert trees.leaves(KS, GROUP) == scan(replica.intact())
    assert trees.drifts == 0


def test_an_expiry_changes_the_leaf_when_it_is_set_but_not_when_it_passes() -> None:
    replica = Replica()
    replica.write(written(b"k", b"v", 0, 1 << 16, 1))
    before = replica.trees.leaves(KS, GROUP)
    replica.write(with_expiry(b"k", 5000, 2 << 16, 1))
    # No clock is asked, so that passing changes nothing.
    assert replica.trees.leaves(KS, GROUP) != before


@given(st.lists(st.lists(records, max_size=6), max_size=6), st.booleans(), st.booleans())
def test_following_the_rows_of_a_write_at_once_is_following_each(
    writes: list[list[Record]], empty: bool, rebuilding: bool
) -> None:
    one, other = Replica(empty=empty), Replica(empty=empty)
    if rebuilding:
        one.trees.forget(KS, GROUP)
        other.trees.forget(KS, GROUP)
        one.trees.begin_rebuild(KS, GROUP)
        other.trees.begin_rebuild(KS, GROUP)
    for batch in writes:
        before: list[Record | None] = []
        after: list[Record] = []
        for written_now in batch:
            old = one.rows.get(written_now.key)
            assert old is None or isinstance(old, Record)
            new = written_now if old is None else merge(old, written_now)
            one.rows[written_now.key] = new
            before.append(old)
            after.append(new)
            other.write(written_now)
        one.trees.update_all(KS, [GROUP] * len(after), before, after)
        assert one.trees.leaves(KS, GROUP) == other.trees.leaves(KS, GROUP)
    if rebuilding:
        for replica in (one, other):
            replica.trees.add(KS, GROUP, *replica.page(None, 100))
            replica.trees.finish(KS, GROUP)
        assert one.trees.leaves(KS, GROUP) == other.trees.leaves(KS, GROUP)
