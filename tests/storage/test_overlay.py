"""Rows that are not in the database yet are seen, the newest first, until they are there."""

from pathlib import Path

import pytest

from dynakv import limits
from dynakv.core.record import Record, written
from dynakv.core.table import RowKey, ScanRecords
from dynakv.errors import StorageError
from dynakv.storage.batchlog import Batch, Segment
from dynakv.storage.overlay import Overlay


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    overlay = Overlay()
    overlay.begin(Segment(tmp_path, 7, 0))
    return overlay


def at(key: bytes, keyspace: int = 1, group: int = 0) -> RowKey:
    return (keyspace, group, key)


def put(overlay: Overlay, where: RowKey, time: int | None) -> None:
    record = None if time is None else written(where[2], b"v", 0, time, 1)
    overlay.committed(Batch(1, 0, 0, {where: record}, {}))


def times(overlay: Overlay, *wanted: RowKey) -> list[int | None]:
    known, _ = overlay.split(wanted)
    return [r.value_time if isinstance(r, Record) else None for r in known.values()]


def test_newest_generation_wins_and_strangers_are_not_known(
    overlay: Overlay, tmp_path: Path
) -> None:
    for time in (1, 2, 3):
        put(overlay, at(b"a"), time)
        assert times(overlay, at(b"a")) == [time]
        overlay.freeze(Segment(tmp_path, 7, time))
        assert times(overlay, at(b"a")) == [time]
        overlay.settled()
        assert times(overlay, at(b"a")) == [time]  # still remembered
    strangers = [at(b"b"), at(b"a", keyspace=2), at(b"a", group=1)]
    assert overlay.split(strangers) == ({}, strangers)


def test_a_generation_is_forgotten_when_the_next_has_settled(
    overlay: Overlay, tmp_path: Path
) -> None:
    put(overlay, at(b"a"), 1)
    for base in (1, 2):
        overlay.freeze(Segment(tmp_path, 7, base))
        overlay.settled()
    assert overlay.split([at(b"a")]) == ({}, [at(b"a")])


def test_a_removed_row_is_known_to_be_absent(overlay: Overlay, tmp_path: Path) -> None:
    put(overlay, at(b"a"), 1)
    overlay.freeze(Segment(tmp_path, 7, 1))
    put(overlay, at(b"a"), None)
    assert overlay.split([at(b"a")]) == ({at(b"a"): None}, [])


def test_it_is_full_at_either_bound(overlay: Overlay) -> None:
    assert not overlay.full(1000)
    assert overlay.full(overlay.growing.segment.size)
    rows = {at(b"%d" % i): None for i in range(limits.OVERLAY_ROWS_MAX)}
    overlay.committed(Batch(1, 0, 0, dict(rows), {}))
    assert overlay.full(1000)


def test_a_scan_sees_unsettled_rows_of_its_range_only(overlay: Overlay, tmp_path: Path) -> None:
    put(overlay, at(b"settled"), 1)
    overlay.freeze(Segment(tmp_path, 7, 1))
    overlay.settled()
    put(overlay, at(b"b"), 1)
    put(overlay, at(b"c"), 1)
    overlay.freeze(Segment(tmp_path, 7, 2))
    put(overlay, at(b"b"), 2)
    put(overlay, at(b"c"), None)
    for stranger in (at(b"a"), at(b"d"), at(b"b", keyspace=2), at(b"b", group=5)):
        put(overlay, stranger, 1)
    found = overlay.within(ScanRecords(1, [0, 1], b"a", b"a", b"d", 10, 10))
    assert found == {at(b"b"): written(b"b", b"v", 0, 2, 1), at(b"c"): None}


def test_whoever_waits_for_room_is_told_of_a_failure(overlay: Overlay, tmp_path: Path) -> None:
    overlay.wait()  # there is room
    overlay.freeze(Segment(tmp_path, 7, 1))
    overlay.fail()
    with pytest.raises(StorageError, match="moving committed rows into the database failed"):
        overlay.wait()
