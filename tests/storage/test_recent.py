"""The writer's memory of what it wrote: right for as long as it remembers, and bounded."""

from dynakv import limits
from dynakv.core.record import written
from dynakv.core.table import RowKey
from dynakv.storage.recent import RecentRows


def put(recent_rows: RecentRows, key: bytes, time: int, value: bytes = b"v") -> RowKey:
    where = (1, 0, key)
    recent_rows.committed({where: written(key, value, 0, time, 1)})
    return where


def test_newest_commit_of_a_row_is_known_and_strangers_are_not() -> None:
    rows = RecentRows()
    where = put(rows, b"a", 1)
    put(rows, b"a", 2)
    known, others = rows.split([where, (1, 0, b"b"), (2, 0, b"a")])
    assert [row.value_time for row in known.values()] == [2]  # type: ignore[union-attr]
    assert others == [(1, 0, b"b"), (2, 0, b"a")]


def test_row_of_the_old_generation_is_hidden_by_a_newer_one() -> None:
    rows = RecentRows()
    where = put(rows, b"a", 1)
    put(rows, b"large", 1, bytes(limits.RECENT_BYTES_MAX))  # ends the generation
    assert list(rows.split([where])[0]) == [where]
    put(rows, b"a", 2)
    assert rows.split([where])[0][where].value_time == 2  # type: ignore[union-attr]


def test_rows_and_bytes_are_bounded_to_two_generations() -> None:
    rows = RecentRows()
    for i in range(3 * limits.RECENT_ROWS_MAX):
        put(rows, b"%d" % i, 1)
    assert len(rows) <= 2 * limits.RECENT_ROWS_MAX + 1
    for i in range(10):
        put(rows, b"large%d" % i, 1, bytes(limits.RECENT_BYTES_MAX // 2))
    assert len(rows) <= 6


def test_a_removed_row_is_not_remembered_in_either_generation() -> None:
    rows = RecentRows()
    where = put(rows, b"a", 1)
    put(rows, b"large", 1, bytes(limits.RECENT_BYTES_MAX))  # ends the generation
    put(rows, b"a", 2)
    rows.committed({where: None})
    assert rows.split([where]) == ({}, [where])
