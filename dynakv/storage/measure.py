"""How much lies in a database, read without walking it."""

import sqlite3
from pathlib import Path

from dynakv.node.figures import StoreFigures

_ROWS = "SELECT ifnull(max(id), 0) FROM records"
_WRITTEN = "SELECT rows_written FROM node_state"


def measure(connection: sqlite3.Connection, database: Path, disk_free_share: float) -> StoreFigures:
    """Return the figures of an open database; O(log rows). Raises sqlite3.Error and OSError.

    Row ids are given out in order and an update keeps its row's, so the highest one counts the rows
    as long as none was removed; `SELECT count(*)` would read the whole index.
    """
    (rows,) = connection.execute(_ROWS).fetchone()
    (rows_written,) = connection.execute(_WRITTEN).fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    wal = Path(f"{database}-wal")
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    return StoreFigures(rows, rows_written, pages * page_bytes, wal_bytes, disk_free_share)
