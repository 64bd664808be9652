"""Wherever it is interrupted, replaying the log brings the database to the same state."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.core.record import written
from dynakv.core.table import RowKey
from dynakv.errors import StorageError
from dynakv.storage import batchlog, rows, schema, settling
from dynakv.storage.batchlog import Batch, Segment

ROWS = 2 * limits.TRANSACTION_ROWS_MAX + 500


def where(nth: int) -> RowKey:
    return (1, nth % 3, b"%d" % nth)


def batches() -> list[Batch]:
    """Return commits that write rows, write half of them again, and remove a few."""
    first = {where(n): written(b"%d" % n, b"old", 0, 1, 1) for n in range(ROWS)}
    second = {where(n): written(b"%d" % n, b"new", 0, 2, 1) for n in range(0, ROWS, 2)}
    third: dict[RowKey, None] = {where(n): None for n in range(0, ROWS, 100)}
    return [
        Batch(1, 10, ROWS, dict(first), {"a": b"1", "b": b"1"}),
        Batch(2, 20, ROWS + ROWS // 2, dict(second), {"a": None}),
        Batch(3, 20, ROWS + ROWS // 2 + len(third), dict(third), {"c": b"3"}),
    ]


def fresh(tmp_path: Path) -> Path:
    directory = tmp_path / "node"
    directory.mkdir()
    schema.make(directory / "dynakv.db", "n1", 7, b"")
    segment = Segment(directory, 7, 0)
    for batch in batches():
        segment.append(batch)
    segment.close()
    return directory


@contextmanager
def opened(directory: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(directory / "dynakv.db", isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def assert_everything_is_there(connection: sqlite3.Connection) -> None:
    expected, _ = batchlog.newest(batches())
    wanted = [where(n) for n in range(ROWS)]
    assert rows.fetch(connection, wanted) == [expected[each] for each in wanted]
    assert connection.execute("SELECT * FROM facts ORDER BY name").fetchall() == [
        ("b", b"1"),
        ("c", b"3"),
    ]
    assert connection.execute(
        "SELECT commit_sequence, ceiling_ms, rows_written FROM node_state"
    ).fetchall() == [(3, 20, ROWS + ROWS // 2 + 25)]


@pytest.mark.parametrize("transactions", range(5))
def test_a_crash_between_any_two_transactions_is_replayed(
    tmp_path: Path, transactions: int
) -> None:
    directory = fresh(tmp_path)
    with opened(directory) as connection:
        settling.mark(connection, in_use=True)
        every = batches()
        steps = settling.settle(connection, *batchlog.newest(every), every[-1])
        assert len(list(islice(steps, transactions))) == min(transactions, 4)
    with opened(directory) as connection:  # the next life
        settling.replay(connection, directory)
        assert_everything_is_there(connection)
        assert batchlog.segments_in(directory) == []
        settling.replay(connection, directory)
        assert_everything_is_there(connection)


def test_what_had_settled_when_its_log_went_is_not_replayed(tmp_path: Path) -> None:
    directory = fresh(tmp_path)
    kept = tmp_path / "kept"
    shutil.copytree(directory, kept)
    with opened(directory) as connection:
        settling.replay(connection, directory)
        for path in batchlog.segments_in(kept):  # the removal was not durable
            shutil.copy(path, directory)
        connection.execute("DELETE FROM records")  # only to see that nothing is written
        settling.replay(connection, directory)
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (0,)
        assert batchlog.segments_in(directory) == []


def test_a_database_without_its_log_is_refused(tmp_path: Path) -> None:
    directory = fresh(tmp_path)
    with opened(directory) as connection:
        settling.mark(connection, in_use=True)
        for path in batchlog.segments_in(directory):
            path.unlink()
        with pytest.raises(StorageError, match=r"lacks its batch log \(batches-\*\.log\)"):
            settling.replay(connection, directory)
        settling.mark(connection, in_use=False)
        settling.replay(connection, directory)


def test_a_database_that_lost_commits_is_refused(tmp_path: Path) -> None:
    """As when a flipped bit in SQLite's WAL hides the transactions behind it."""
    directory = fresh(tmp_path)
    for path in batchlog.segments_in(directory):
        path.unlink()
    Segment(directory, 7, 3).close()
    with opened(directory) as connection, pytest.raises(StorageError) as caught:
        settling.replay(connection, directory)
    assert "the database ends at commit 0, the batch log begins behind commit 3" in str(
        caught.value
    )
