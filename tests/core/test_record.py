"""The record's one merge rule, its checksum, and when a value counts as expired.

The axioms are those of a state-based CRDT: Shapiro et al. (2011), section 2.3.2.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from dynakv.core.record import (
    Record,
    above,
    checksum_of,
    covers,
    droppable,
    expired,
    intact,
    live,
    merge,
    with_expiry,
    with_value,
    written,
)

KEY = b"k"


def record(
    value: bytes | None, value_stamp: tuple[int, int], expiry_ms: int, expiry_stamp: tuple[int, int]
) -> Record:
    checksum = checksum_of(KEY, value, *value_stamp, expiry_ms, *expiry_stamp)
    return Record(KEY, value, *value_stamp, expiry_ms, *expiry_stamp, checksum)


# Few times and writers, so that equal stamps with different content are drawn often.
stamps = st.tuples(st.integers(0, 3), st.integers(0, 2))
values = st.sampled_from([None, b"", b"a", b"b"])
records = st.builds(record, values, stamps, st.integers(0, 3), stamps)


@given(records, records)
def test_merge_is_commutative(a: Record, b: Record) -> None:
    assert merge(a, b) == merge(b, a)


@given(records, records, records)
def test_merge_is_associative(a: Record, b: Record, c: Record) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(records, records)
def test_merge_is_idempotent(a: Record, b: Record) -> None:
    assert merge(a, a) == a
    assert merge(merge(a, b), b) == merge(a, b)


@given(records, records)
def test_a_merged_record_is_intact_and_covers_both(a: Record, b: Record) -> None:
    merged = merge(a, b)
    assert intact(merged)
    assert covers(merged, a)
    assert covers(merged, b)


@given(records, records)
def test_each_register_is_chosen_by_its_own_stamp(a: Record, b: Record) -> None:
    merged = merge(a, b)
    if (a.value_time, a.value_writer) > (b.value_time, b.value_writer):
        assert (merged.value, merged.value_time) == (a.value, a.value_time)
    if (a.expiry_time, a.expiry_writer) < (b.expiry_time, b.expiry_writer):
        assert (merged.expiry_ms, merged.expiry_time) == (b.expiry_ms, b.expiry_time)


@given(records, records)
def test_merge_returns_an_argument_itself_where_one_holds_the_result(a: Record, b: Record) -> None:
    # The storage rule tells "nothing to write" by identity.
    merged = merge(a, b)
    assert merged is a or merged is b or (merged not in (a, b))
    if merged == a != b:
        assert merged is a


def test_greater_writer_wins_on_equal_time() -> None:
    low = written(KEY, b"low", 0, time=5, writer=1)
    high = written(KEY, b"high", 0, time=5, writer=2)
    assert merge(low, high).value == b"high"


def test_on_equal_stamps_a_value_beats_a_tombstone_and_greater_content_the_lesser() -> None:
    tombstone = written(KEY, None, 0, 5, 1)
    empty = written(KEY, b"", 0, 5, 1)
    some = written(KEY, b"x", 0, 5, 1)
    assert merge(tombstone, empty).value == b""
    assert merge(some, empty).value == b"x"


def test_a_sliding_expiry_does_not_bring_an_older_value_back() -> None:
    old = written(KEY, b"old", 1000, time=1, writer=1)
    new = written(KEY, b"new", 0, time=2, writer=1)
    slid = merge(old, with_expiry(KEY, 9000, time=3, writer=1))
    merged = merge(slid, new)
    assert (merged.value, merged.expiry_ms) == (b"new", 9000)


def test_a_put_that_keeps_the_ttl_leaves_the_expiry_register_alone() -> None:
    old = written(KEY, b"old", 1000, time=1, writer=1)
    merged = merge(old, with_value(KEY, b"new", time=2, writer=1))
    assert (merged.value, merged.expiry_ms, merged.expiry_time) == (b"new", 1000, 1)


def flipped(whole: Record) -> Iterator[Record]:
    """Yield the record with each single bit of each field flipped."""
    for name in Record.__struct_fields__:
        field = getattr(whole, name)
        if isinstance(field, int):
            for bit in range(64):
                yield replace(whole, **{name: field ^ 1 << bit})
        elif field is not None:
            for bit in range(8 * len(field)):
                raw = bytearray(field)
                raw[bit >> 3] ^= 1 << (bit & 7)
                yield replace(whole, **{name: bytes(raw)})


@pytest.mark.parametrize(
    "whole",
    [
        record(b"value", (2**64 - 1, 7), 12_345, (9, 2**63)),
        record(b"", (1 << 16, 1), 0, (0, 0)),
        record(None, (1 << 16, 1), 0, (1 << 16, 1)),
    ],
)
def test_the_checksum_detects_every_single_flipped_bit(whole: Record) -> None:
    assert intact(whole)
    assert not any(intact(damaged) for damaged in flipped(whole))


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_the_checksum_tells_a_tombstone_from_an_empty_value_and_a_key_from_its_value(
    key: bytes, value: bytes
) -> None:
    assert written(key, None, 0, 1, 1).checksum != written(key, b"", 0, 1, 1).checksum
    if value:
        shifted = written(key + value[:1], value[1:], 0, 1, 1)
        assert written(key, value, 0, 1, 1).checksum != shifted.checksum


@given(records)
def test_the_constructors_set_only_their_registers(a: Record) -> None:
    both = written(KEY, a.value, a.expiry_ms, a.value_time, a.value_writer)
    value = with_value(KEY, a.value, a.value_time, a.value_writer)
    expiry = with_expiry(KEY, a.expiry_ms, a.value_time, a.value_writer)
    assert intact(both)
    assert intact(value)
    assert intact(expiry)
    assert astuple(value)[4:7] == (0, 0, 0)
    assert astuple(expiry)[1:4] == (None, 0, 0)
    if a.value_time:
        assert merge(value, expiry) == both


def at(wall_ms: int) -> int:
    """Return an HLC reading of that wall clock."""
    return wall_ms << 16


YEAR_2038_MS = 2**31 * 1000  # where 32-bit signed seconds end
YEAR_2106_MS = 2**32 * 1000  # where 32-bit unsigned seconds end


@pytest.mark.parametrize("deadline_ms", [100, YEAR_2038_MS, YEAR_2106_MS, (1 << 47) - 1])
def test_a_value_expires_at_its_deadline_and_not_a_millisecond_before(deadline_ms: int) -> None:
    value = written(KEY, b"v", deadline_ms, at(deadline_ms - 1), 1)
    assert not expired(value, deadline_ms - 1)
    assert live(value, deadline_ms - 1)
    assert expired(value, deadline_ms)
    assert not live(value, deadline_ms)


def test_without_a_deadline_nothing_expires() -> None:
    assert not expired(written(KEY, b"v", 0, at(5), 1), YEAR_2106_MS)


@pytest.mark.parametrize("value_ms", [1000, 1001])
def test_a_value_written_at_or_after_the_deadline_has_none(value_ms: int) -> None:
    old = written(KEY, b"old", 1000, at(10), 1)
    kept = merge(old, with_value(KEY, b"new", at(value_ms), 1))
    assert kept.expiry_ms == 1000
    assert not expired(kept, 5000)
    assert live(kept, 5000)


def test_a_value_written_just_before_the_deadline_with_a_full_counter_still_expires() -> None:
    value = merge(
        written(KEY, b"old", 1000, at(10), 1), with_value(KEY, b"new", at(999) | 0xFFFF, 1)
    )
    assert expired(value, 1000)


def test_a_later_deadline_makes_an_expired_value_visible_again_and_persist_for_good() -> None:
    value = written(KEY, b"v", 1000, at(10), 1)
    assert not live(value, 1500)
    assert live(merge(value, with_expiry(KEY, 2000, at(900), 1)), 1500)
    assert live(merge(value, with_expiry(KEY, 0, at(900), 1)), YEAR_2106_MS)


def test_absent_deleted_and_never_written_values_are_not_live() -> None:
    assert not live(None, 0)
    assert not live(written(KEY, None, 0, at(5), 1), 0)
    assert not live(with_expiry(KEY, 5000, at(5), 1), 0)
    assert live(written(KEY, b"", 0, at(5), 1), 0)


def test_nothing_at_or_below_a_fence_passes() -> None:
    record = merge(with_value(b"k", b"v", 5, 1), with_expiry(b"k", 900, 9, 1))
    assert above(record, 4) is record
    assert above(record, 5) == with_expiry(b"k", 900, 9, 1)
    assert above(record, 9) is None
    assert above(with_value(b"k", b"v", 5, 1), 4) == with_value(b"k", b"v", 5, 1)
    assert above(merge(with_value(b"k", b"v", 9, 1), with_expiry(b"k", 900, 5, 1)), 5) == (
        with_value(b"k", b"v", 9, 1)
    )


def test_only_what_no_reader_can_see_is_droppable_and_only_under_its_floor() -> None:
    second = 1000 << 16
    tombstone = written(b"k", None, 0, second, 1)
    assert droppable(tombstone, second)
    assert not droppable(tombstone, second - 1)
    assert not droppable(written(b"k", b"v", 0, second, 1), 1 << 62)
    expiring = written(b"k", b"v", 1500, second, 1)
    assert not droppable(expiring, (1500 << 16) - 1)
    assert droppable(expiring, 1500 << 16)
    assert not droppable(merge(expiring, with_expiry(b"k", 0, second * 2, 1)), 1 << 62)
    assert not droppable(merge(tombstone, with_expiry(b"k", 9000, second * 2, 1)), second)


def test_nothing_is_droppable_without_a_floor_not_even_what_was_never_written() -> None:
    nothing = with_value(b"k", None, 0, 0)  # what heals a damaged row where no other has any
    assert not droppable(nothing, 0)
    assert droppable(nothing, 1)
