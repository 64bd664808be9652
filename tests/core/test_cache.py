"""The record cache: its bound, and that it never serves a row older than one STORE has reported."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynakv import limits
from dynakv.core import cache as cache_module
from dynakv.core.cache import ENTRY_BYTES, ENTRY_SHARE, MISS, RecordCache
from dynakv.core.record import Record, merge, with_expiry, written
from dynakv.core.table import DAMAGED, Row

KS = 7
ROOMY = 1 << 20


def version(time: int, key: bytes = b"k", size: int = 1) -> Record:
    return written(key, b"v" * size, 0, time, 1)


def test_what_was_stored_is_served_and_counted() -> None:
    cache = RecordCache(ROOMY)
    assert cache.get(KS, b"k") is MISS
    cache.stored(KS, b"k", version(1))
    assert cache.get(KS, b"k") == version(1)
    assert cache.get(KS + 1, b"k") is MISS
    assert (cache.hits, cache.misses) == (1, 2)


def test_what_was_read_is_served_also_that_there_is_nothing() -> None:
    cache = RecordCache(ROOMY)
    ticket = cache.begin_read()
    cache.fill(ticket, KS, b"k", version(1))
    cache.fill(ticket, KS, b"absent", None)
    cache.end_read(ticket)
    assert cache.get(KS, b"k") == version(1)
    assert cache.get(KS, b"absent") is None


def test_a_read_that_a_write_overtook_is_not_cached_even_if_the_write_was_evicted() -> None:
    cache = RecordCache(8 * (ENTRY_BYTES + 100))
    ticket = cache.begin_read()
    cache.stored(KS, b"k", version(2))
    for i in range(20):
        cache.stored(KS, b"other%d" % i, version(1))
    assert cache.get(KS, b"k") is MISS
    cache.fill(ticket, KS, b"k", version(1))
    cache.fill(ticket, KS, b"untouched", None)
    cache.end_read(ticket)
    assert cache.get(KS, b"k") is MISS
    assert cache.get(KS, b"untouched") is None


def test_a_read_asked_after_the_write_is_cached_though_an_older_read_is_still_out() -> None:
    cache = RecordCache(ROOMY)
    old = cache.begin_read()
    cache.stored(KS, b"k", DAMAGED)
    new = cache.begin_read()
    cache.fill(new, KS, b"k", version(1))
    assert cache.get(KS, b"k") == version(1)
    cache.end_read(new)
    cache.end_read(old)


def test_an_older_read_does_not_replace_an_entry() -> None:
    cache = RecordCache(ROOMY)
    ticket = cache.begin_read()
    cache.stored(KS, b"k", version(2))
    cache.fill(ticket, KS, b"k", version(1))
    cache.fill(ticket, KS, b"k", None)
    assert cache.get(KS, b"k") == version(2)


def test_a_write_reported_late_does_not_set_an_entry_back_that_a_read_has_shown() -> None:
    cache = RecordCache(ROOMY)
    ticket = cache.begin_read()
    cache.fill(ticket, KS, b"k", version(2))  # committed, its reply still under way
    cache.end_read(ticket)
    cache.stored(KS, b"k", version(1))
    assert cache.get(KS, b"k") == version(2)
    cache.stored(KS, b"k", version(3))
    assert cache.get(KS, b"k") == version(3)


def test_a_read_that_shows_more_than_the_entry_ends_the_entry() -> None:
    cache = RecordCache(ROOMY)
    ticket = cache.begin_read()
    cache.stored(KS, b"k", version(1))
    cache.fill(ticket, KS, b"k", version(2))
    assert cache.get(KS, b"k") is MISS


def test_only_one_newer_register_is_enough_to_be_newer() -> None:
    cache = RecordCache(ROOMY)
    cache.stored(KS, b"k", version(5))
    slid = merge(version(5), with_expiry(b"k", 99, 6, 1))
    cache.stored(KS, b"k", slid)
    assert cache.get(KS, b"k") == slid


def test_a_forgotten_key_does_not_come_back_by_a_read_asked_before() -> None:
    cache = RecordCache(ROOMY)
    cache.stored(KS, b"k", version(1))
    before = cache.begin_read()
    cache.forget(KS, b"k")
    after = cache.begin_read()
    cache.fill(before, KS, b"k", version(1))
    assert cache.get(KS, b"k") is MISS
    cache.fill(after, KS, b"k", None)
    cache.fill(before, KS, b"k", version(1))
    assert cache.get(KS, b"k") is MISS


@pytest.mark.parametrize("known", [version(1), None])
def test_a_damaged_row_is_not_cached_and_ends_the_entry(known: Record | None) -> None:
    cache = RecordCache(ROOMY)
    ticket = cache.begin_read()
    cache.fill(ticket, KS, b"k", known)
    cache.fill(ticket, KS, b"k", DAMAGED)
    assert cache.get(KS, b"k") is MISS
    cache.fill(ticket, KS, b"k", known)
    cache.stored(KS, b"k", DAMAGED)
    assert cache.get(KS, b"k") is MISS
    assert cache.bytes_used == 0


def test_the_least_recently_used_entry_goes_first() -> None:
    cache = RecordCache(8 * (ENTRY_BYTES + 2))
    for i in range(8):
        cache.stored(KS, b"%d" % i, version(1))
    cache.get(KS, b"0")
    cache.stored(KS, b"1", version(2))
    cache.stored(KS, b"8", version(1))
    assert cache.get(KS, b"2") is MISS
    assert cache.get(KS, b"0") is not MISS
    assert cache.get(KS, b"1") is not MISS


def test_a_value_too_large_for_its_share_evicts_its_own_entry_and_no_other() -> None:
    cache = RecordCache(ROOMY)
    cache.stored(KS, b"other", version(1))
    cache.stored(KS, b"k", version(1))
    cache.stored(KS, b"k", version(2, size=ROOMY // ENTRY_SHARE))
    assert cache.get(KS, b"k") is MISS
    assert cache.get(KS, b"other") == version(1)


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = RecordCache(0)
    cache.stored(KS, b"k", version(1))
    cache.fill(cache.begin_read(), KS, b"k", version(1))
    assert cache.get(KS, b"k") is MISS
    assert len(cache) == 0


def test_what_is_remembered_beside_slow_reads_is_bounded_and_forgotten_afterwards() -> None:
    cache = RecordCache(ROOMY)
    slow = cache.begin_read()
    for i in range(limits.WRITTEN_KEYS_MAX + 10):
        cache.stored(KS, b"%d" % i, DAMAGED)
    assert len(cache._written) <= limits.WRITTEN_KEYS_MAX
    late = cache.begin_read()
    cache.fill(slow, KS, b"k", version(1))  # can no longer be compared: not taken
    assert cache.get(KS, b"k") is MISS
    cache.fill(late, KS, b"k", version(1))
    assert cache.get(KS, b"k") == version(1)
    cache.end_read(slow)
    cache.end_read(late)
    assert not cache._written


def test_without_a_read_out_writes_are_not_remembered() -> None:
    cache = RecordCache(ROOMY)
    cache.stored(KS, b"k", version(1))
    assert not cache._written


keys = st.integers(0, 5).map(lambda i: b"%d" % i)
steps = st.lists(
    st.tuples(
        st.sampled_from(["write", "report", "ask", "snapshot", "reply", "collect", "get"]),
        keys,
        st.integers(0, 400),
        st.integers(0, 9),
    ),
    max_size=60,
)


class Disk:
    """A disk whose writes are reported in order but late, and whose reads show any moment between
    ask and reply: what STORE may do to the cache."""

    def __init__(self, cache: RecordCache) -> None:
        self.cache = cache
        self.rows: dict[bytes, Record] = {}
        self.unreported: list[tuple[bytes, Row]] = []
        self.reads: list[tuple[int, dict[bytes, Record] | None]] = []
        self.seen: dict[bytes, int] = {}  # the newest time that anybody was told of
        self.time = 0

    def write(self, key: bytes, size: int, pick: int) -> None:
        self.time += 1
        record = written(key, b"v" * size, 0, self.time, 1)
        self.rows[key] = record
        self.unreported.append((key, record))

    def collect(self, key: bytes, size: int, pick: int) -> None:
        self.rows.pop(key, None)
        self.unreported.append((key, None))

    def report(self, key: bytes, size: int, pick: int) -> None:
        if self.unreported:
            done, row = self.unreported.pop(0)
            self.cache.stored(KS, done, row)
            if isinstance(row, Record):
                self.tell(done, row)
            else:
                self.seen.pop(done, None)

    def ask(self, key: bytes, size: int, pick: int) -> None:
        self.reads.append((self.cache.begin_read(), None))

    def snapshot(self, key: bytes, size: int, pick: int) -> None:
        if self.reads:
            i = pick % len(self.reads)
            self.reads[i] = (self.reads[i][0], dict(self.rows))

    def reply(self, key: bytes, size: int, pick: int) -> None:
        if self.reads:
            ticket, shown = self.reads.pop(pick % len(self.reads))
            rows = self.rows if shown is None else shown
            for each in (b"%d" % i for i in range(6)):
                row = rows.get(each)
                self.cache.fill(ticket, KS, each, row)
                if row is not None and self.rows.get(each) is not None:
                    self.tell(each, row)
            self.cache.end_read(ticket)

    def get(self, key: bytes, size: int, pick: int) -> None:
        row = self.cache.get(KS, key)
        if row is None:
            assert key not in self.seen
        elif isinstance(row, Record):
            assert row.value_time >= self.seen.get(key, 0)

    def tell(self, key: bytes, row: Record) -> None:
        self.seen[key] = max(self.seen.get(key, 0), row.value_time)


@given(steps)
@settings(max_examples=400)
def test_it_never_serves_older_than_what_was_reported_and_stays_in_its_bound(
    todo: list[tuple[str, bytes, int, int]],
) -> None:
    cache = RecordCache(ENTRY_SHARE * (ENTRY_BYTES + 300))
    disk = Disk(cache)
    # Collection breaks the order of times; it happens only where nothing else is under way.
    for what, key, size, pick in todo:
        if what == "collect" and disk.unreported:
            continue
        step: Callable[[bytes, int, int], None] = getattr(disk, what)
        step(key, size, pick)
        if what == "collect":
            disk.report(key, size, pick)
        for each in (b"%d" % i for i in range(6)):
            disk.get(each, size, pick)
        entries = cache._entries
        assert cache.bytes_used <= cache.bytes_max
        assert cache.bytes_used == sum(cache_module._size(*entry) for entry in entries.items())
    while disk.unreported:
        disk.report(b"", 0, 0)
    for where, row in cache._entries.items():
        assert row == disk.rows.get(where[1])


batches = st.lists(
    st.lists(
        st.builds(
            version, st.integers(1, 6), st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 3)
        ),
        max_size=5,
    ),
    max_size=5,
)


@given(batches, st.booleans(), st.sampled_from([0, 2 * (ENTRY_BYTES + 9) * ENTRY_SHARE, ROOMY]))
def test_taking_the_rows_of_a_write_at_once_is_taking_each(
    todo: list[list[Record]], reading: bool, bytes_max: int
) -> None:
    one, other = RecordCache(bytes_max), RecordCache(bytes_max)
    tickets = [cache.begin_read() if reading else 0 for cache in (one, other)]
    for rows in todo:
        one.stored_all(KS, rows)
        for row in rows:
            other.stored(KS, row.key, row)
        assert list(one._entries.items()) == list(other._entries.items())
        assert one.bytes_used == other.bytes_used
    if reading:
        for cache, ticket in zip((one, other), tickets, strict=True):
            cache.fill(ticket, KS, b"a", version(3, b"a"))
            cache.end_read(ticket)
        assert one.get(KS, b"a") == other.get(KS, b"a")


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=8))
def test_asking_for_keys_at_once_is_asking_for_each(keys: list[bytes]) -> None:
    one, other = RecordCache(ROOMY), RecordCache(ROOMY)
    for cache in (one, other):
        cache.stored_all(KS, [version(1, b"a"), version(1, b"b")])
        ticket = cache.begin_read()
        cache.fill(ticket, KS, b"c", None)
        cache.end_read(ticket)
    rows, missed = one.get_all(KS, keys)
    assert rows == [other.get(KS, key) for key in keys]
    assert (one.hits, one.misses) == (other.hits, other.misses)
    assert missed == one.misses
    assert list(one._entries) == list(other._entries)
