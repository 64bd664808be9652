"""Moves what the batch log holds into the database: of each row the newest, many in a transaction.

The database says in `node_state` up to which commit it holds everything, in the transaction that
completes it; until then it may hold some newer rows as well, which the log brings to the same state
again. A segment goes only after that. So at any moment database and log together hold every
commit, and a log that begins behind the database's last one means that the database lost some.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import RowKey
from dynakv.errors import StorageError
from dynakv.storage import batchlog, rows
from dynakv.storage.batchlog import Batch
from dynakv.storage.schema import unsigned


def settle(
    connection: sqlite3.Connection,
    written: Mapping[RowKey, Record | None],
    facts: Mapping[str, bytes | None],
    last: Batch,
) -> Iterator[None]:
    """Write rows and facts, and that everything up to the batch `last` is there.

    Yields after every transaction. Raises sqlite3.Error.
    """
    execute = connection.execute
    for chunk in _chunks(written):
        execute("BEGIN IMMEDIATE")
        rows.store(connection, chunk)
        execute("COMMIT")
        yield
    execute("BEGIN IMMEDIATE")
    for name, fact in facts.items():
        if fact is None:
            execute("DELETE FROM facts WHERE name = ?", (name,))
        else:
            execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, fact))
    execute(
        "UPDATE node_state SET commit_sequence = ?, ceiling_ms = ?, rows_written = ?",
        (last.sequence, last.ceiling_ms, last.rows_written),
    )
    execute("COMMIT")
    yield


def replay(connection: sqlite3.Connection, directory: Path) -> None:
    """Bring the database up to the end of the log, and remove the log.

    Raises StorageError where log and database do not fit together, sqlite3.Error and OSError.
    """
    found = connection.execute(
        "SELECT incarnation, commit_sequence FROM identity, node_state"
    ).fetchone()
    if found is None:
        return  # damage that whoever opens the database names
    incarnation, commit_sequence = unsigned(found[0]), found[1]
    in_use = connection.execute("SELECT in_use FROM batch_log").fetchone()
    paths = batchlog.segments_in(directory)
    if in_use == (1,) and not paths:
        raise StorageError(
            f"data directory {directory} lacks its batch log (batches-*.log), which holds commits"
            " that are not in the database yet: put both back together"
        )
    batches = batchlog.read(directory, incarnation)
    base = batchlog.base_of(directory, incarnation)
    if base is not None and base > commit_sequence:
        raise StorageError(
            f"data directory {directory} is damaged: the database ends at commit {commit_sequence},"
            f" the batch log begins behind commit {base}; commits that were acknowledged are lost"
        )
    batches = [batch for batch in batches if batch.sequence > commit_sequence]
    if batches:
        for _ in settle(connection, *batchlog.newest(batches), batches[-1]):
            pass
    mark(connection, in_use=False)
    for path in paths:
        path.unlink()


def mark(connection: sqlite3.Connection, *, in_use: bool) -> None:
    """Say in the database whether a log belongs to it. Raises sqlite3.Error."""
    connection.execute("INSERT OR REPLACE INTO batch_log VALUES (1, ?)", (int(in_use),))


def _chunks(written: Mapping[RowKey, Record | None]) -> Iterator[dict[RowKey, Record | None]]:
    """Return the rows in the order of the index, in pieces of one transaction each."""
    chunk: dict[RowKey, Record | None] = {}
    size = 0
    for where in sorted(written):
        record = written[where]
        chunk[where] = record
        size += len(record.value or b"") if record is not None else 0
        if len(chunk) == limits.TRANSACTION_ROWS_MAX or size > limits.TRANSACTION_BYTES_MAX:
            yield chunk
            chunk, size = {}, 0
    if chunk:
        yield chunk
