"""Columns of records; their way through a whole frame is tested with the codec."""

import pytest

from dynakv.core.record import with_value, written
from dynakv.errors import PeerError
from dynakv.rpc.record_columns import fill_records, floors_of, present_of, records_of
from dynakv.v1 import node_internal_pb2 as pb


def test_absent_entries_keep_their_places() -> None:
    rows = [None, written(b"a", b"1", 0, 5, 6), None, written(b"b", None, 0, 7, 8), None]
    columns = pb.Records()
    fill_records(columns, rows)
    assert records_of(columns) == rows
    with pytest.raises(PeerError, match="3 absent records"):
        present_of(columns)


def test_columns_that_say_nothing_are_left_out() -> None:
    columns = pb.Records()
    fill_records(columns, [written(b"a", b"1", 0, 5, 6)])
    assert (len(columns.expiries_ms), len(columns.expiry_times)) == (0, 0)
    fill_records(columns := pb.Records(), [with_value(b"a", b"1", 5, 6)])
    assert len(columns.expiry_times) == 1


def test_floors_fit_their_records_or_are_left_out() -> None:
    assert floors_of([], 2) is None
    assert floors_of([1, 2], 2) == [1, 2]
    with pytest.raises(PeerError, match="1 floors for 2 records"):
        floors_of([1], 2)
