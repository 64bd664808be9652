"""Claims about `dynakv.core.floors`: what absent means, and what a higher floor makes void."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.floors import holds, merge_under
from dynakv.core.hlc import reading
from dynakv.core.record import Record, covers, merge, with_expiry, with_value, written

K = b"k"


def at(ms: int) -> int:
    return reading(ms)


def put(ms: int, value: bytes | None = b"v", expiry_ms: int = 0) -> Record:
    return written(K, value, expiry_ms, at(ms), 1)


def test_absent_holds_a_tombstone_at_the_floor_and_none_above() -> None:
    assert holds(None, at(10), put(10, None))
    assert not holds(None, at(9), put(10, None))


def test_absent_holds_no_live_value_however_old() -> None:
    assert not holds(None, at(1000), put(10))


def test_absent_holds_what_expired_by_the_floor_and_nothing_that_expires_later() -> None:
    assert holds(None, at(20), put(10, b"v", 20))
    assert not holds(None, at(19), put(10, b"v", 20))


def test_absent_does_not_hold_a_tombstone_whose_expiry_was_written_later() -> None:
    both = merge(put(10, None), with_expiry(K, 99, at(30), 2))
    assert not holds(None, at(20), both)


def test_an_old_value_is_void_beside_absence_under_a_higher_floor() -> None:
    assert merge_under(put(10), 0, None, at(20)) == (None, at(20))
    assert merge_under(None, at(20), put(10), 0) == (None, at(20))


def test_a_newer_value_is_not_void() -> None:
    assert merge_under(put(30), 0, None, at(20)) == (put(30), at(20))


def test_of_a_value_written_after_the_drop_only_the_dropped_expiry_is_void() -> None:
    old = written(K, b"old", 15, at(10), 1)
    new = with_value(K, b"new", at(30), 1)
    assert merge_under(merge(old, new), 0, new, at(20)) == (new, at(20))


def test_under_equal_floors_nothing_is_void() -> None:
    assert merge_under(put(10), at(20), None, at(20)) == (put(10), at(20))


def test_what_the_higher_floor_shows_itself_stays() -> None:
    assert merge_under(put(10), at(20), put(5), 0) == (put(10), at(20))


stamps = st.integers(1, 6)
records = st.builds(
    lambda v, e, value, expiry: merge(
        with_value(K, b"%d" % v if value else None, at(v), 1),
        with_expiry(K, e + 1 if expiry else 0, at(e), 1),
    ),
    stamps,
    stamps,
    st.booleans(),
    st.booleans(),
)
answers = st.tuples(st.none() | records, st.integers(0, 6).map(at))


@given(answers, answers)
def test_the_order_of_two_answers_does_not_matter(
    a: tuple[Record | None, int], b: tuple[Record | None, int]
) -> None:
    assert merge_under(*a, *b) == merge_under(*b, *a)


@given(answers, answers)
def test_nothing_above_the_higher_floor_is_lost(
    a: tuple[Record | None, int], b: tuple[Record | None, int]
) -> None:
    merged, floor = merge_under(*a, *b)
    assert floor == max(a[1], b[1])
    for record in (a[0], b[0]):
        if record is not None and record.value_time > floor:
            assert merged is not None
            assert merged.value_time >= record.value_time
        if record is not None and record.expiry_time > floor:
            assert merged is not None
            assert merged.expiry_time >= record.expiry_time


@given(records, records, st.integers(0, 6).map(at))
def test_whoever_holds_a_record_covers_it(a: Record, b: Record, floor: int) -> None:
    assert holds(a, floor, b) == covers(a, b)
