"""Fields that several requests share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.core.record import with_value, written
from dynakv.errors import UsageError
from dynakv.rpc import fields
from dynakv.v1 import kvstore_pb2 as pb

short = st.binary(max_size=3)


def test_every_level_is_known_and_no_other() -> None:
    assert [fields.level_of(wire) for wire in range(4)] == [None, *Level]
    for wire in (-1, 4, 1 << 30):
        with pytest.raises(UsageError, match=f"level is {wire}"):
            fields.level_of(wire)


@given(st.binary(min_size=1, max_size=3), short)
def test_the_range_of_a_prefix_holds_exactly_the_keys_that_begin_with_it(
    prefix: bytes, key: bytes
) -> None:
    start, end = fields.range_of(pb.ListRequest(prefix=prefix))
    assert (start <= key and (end is None or key < end)) == key.startswith(prefix)


def test_an_empty_end_is_no_end() -> None:
    assert fields.range_of(pb.ListRequest(start=b"a")) == (b"a", None)


@given(st.none() | st.binary(max_size=limits.KEY_BYTES_MAX))
def test_a_cursor_goes_on_behind_its_key(after: bytes | None) -> None:
    assert fields.after_of(fields.cursor_of(after)) == after


@pytest.mark.parametrize("cursor", [b"\x00", b"k", b"\x01" + bytes(limits.KEY_BYTES_MAX + 1)])
def test_a_cursor_that_no_listing_returned_is_refused(cursor: bytes) -> None:
    with pytest.raises(UsageError, match=f"its {len(cursor)} bytes"):
        fields.after_of(cursor)


def test_a_negative_time_never_reaches_the_node() -> None:
    fields.check_times("ttl_ms", [0, 1 << 62])
    with pytest.raises(UsageError, match="ttl_ms is -1"):
        fields.check_times("ttl_ms", [5, -1])


def test_a_deadline_before_its_value_was_written_is_spent() -> None:
    assert fields.deadline_ms(written(b"k", b"v", 10, 9 << 16, 1)) == 10
    assert fields.deadline_ms(written(b"k", b"v", 9, 9 << 16, 1)) == 0


def test_a_tombstone_is_observed_as_nothing() -> None:
    assert fields.observed(None) == pb.Observed()
    assert fields.observed(written(b"k", None, 0, 1, 2)) == pb.Observed()
    assert fields.observed(with_value(b"k", b"", 1, 2)) == pb.Observed(
        found=True, stamp=pb.Stamp(time=1, writer=2)
    )
