"""The tables of a data directory, their version, and how unsigned numbers fit into SQLite's.

    records      one row per key: two registers and a checksum (core/record.py). A rowid table with
                 the value last, found through a unique index: WITHOUT ROWID would keep whole values
                 in the pages of the index (measured 17,000 against 100,000 new rows a second at
                 1,000 bytes). A NULL value is a tombstone, a value of no bytes is an empty blob.
    node_state   one small row: the commit up to which everything is here, the upper bound of the
                 clock, and the count of rows ever written.
    batch_log    whether a batch log lies beside the database (`batchlog.py`), without which it must
                 not be opened: 1 from the start of a node to its end in good order.
    identity     one row that hardly ever changes: who this directory belongs to, and the layout.
    facts        small durable values of the node (core/facts.py): clean marks and cuts of groups,
                 what is remembered of peers.

The format is `PRAGMA user_version`; a newer one is refused, an older one is brought up to date at
the start. Tables that later formats need are not made ahead of their use: creating a table in an
existing file costs nothing, while an empty guess would have to be migrated. What cannot be added
later is here from the first table on: the page size, and `auto_vacuum=INCREMENTAL`, which
keeps the pointer pages that let dropped groups give their pages back to the disk.

SQLite stores signed 64-bit integers; ids, stamps and checksums are unsigned. They are stored with
the same 64 bits (two's complement), so their order in SQL is not the unsigned order.
"""

import sqlite3
from pathlib import Path
from typing import Final

FORMAT: Final = 3  # 2: facts; 3: the batch log
APPLICATION_ID: Final = 0x44594E4B  # "DYNK", at offset 68 of the file
PAGE_BYTES: Final = 4096

TABLES: Final = {
    "records": """
        CREATE TABLE records (
            id INTEGER PRIMARY KEY,
            keyspace INTEGER NOT NULL,
            grp INTEGER NOT NULL,
            key BLOB NOT NULL,
            value_time INTEGER NOT NULL,
            value_writer INTEGER NOT NULL,
            expiry_ms INTEGER NOT NULL,
            expiry_time INTEGER NOT NULL,
            expiry_writer INTEGER NOT NULL,
            checksum INTEGER NOT NULL,
            value BLOB
        )""",
    "records_by_key": "CREATE UNIQUE INDEX records_by_key ON records (keyspace, grp, key)",
    "node_state": """
        CREATE TABLE node_state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            commit_sequence INTEGER NOT NULL,
            ceiling_ms INTEGER NOT NULL,
            rows_written INTEGER NOT NULL
        )""",
    "identity": """
        CREATE TABLE identity (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            node_id TEXT NOT NULL,
            incarnation INTEGER NOT NULL,
            starts INTEGER NOT NULL,
            layout BLOB NOT NULL
        )""",
    "facts": "CREATE TABLE facts (name TEXT PRIMARY KEY, fact BLOB NOT NULL) WITHOUT ROWID",
    "batch_log": """
        CREATE TABLE batch_log (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            in_use INTEGER NOT NULL
        )""",
}
# By the format that they bring a database to: the tables that it has and the one before lacks.
_ADDED: Final = {2: ("facts",), 3: ("batch_log",)}

_SIGN: Final = 1 << 63
UINT64_MAX: Final = (1 << 64) - 1


def signed(number: int) -> int:
    """Return the int64 with the same 64 bits as this uint64."""
    return number - (1 << 64) if number >= _SIGN else number


def unsigned(number: int) -> int:
    """Return the uint64 with the same 64 bits as this int64."""
    return number & UINT64_MAX


def make(path: Path, node_id: str, incarnation: int, layout: bytes) -> None:
    """Write a complete new database at `path`, which must not exist, and leave it durable.

    The name of the file, not its content, is left to the caller to make durable. Raises
    sqlite3.Error.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "auto_vacuum = INCREMENTAL",
            f"application_id = {APPLICATION_ID}",
            "journal_mode = WAL",
            "synchronous = FULL",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement in TABLES.values():
            connection.execute(statement)
        connection.execute("INSERT INTO node_state VALUES (1, 0, 0, 0)")
        connection.execute(
            "INSERT INTO identity VALUES (1, ?, ?, 0, ?)", (node_id, signed(incarnation), layout)
        )
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    finally:
        connection.close()  # the last connection checkpoints, syncs, and removes the WAL


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a database of an older format up to date, in one transaction. Raises sqlite3.Error.

    What is no database of an older format is left as it is, for `fault` to name.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if not 1 <= found < FORMAT:
        return
    connection.execute("BEGIN IMMEDIATE")
    for added in range(found + 1, FORMAT + 1):
        for table in _ADDED[added]:
            connection.execute(TABLES[table])
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def fault(connection: sqlite3.Connection) -> str | None:
    """Return what is wrong with the version or the tables of an open database, or None.

    Looks at the schema only, since a check of every page takes minutes per 100 GB; pages found
    broken later stop the node then, and damaged records are found by their checksums.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        return f"has format {found}, and this version of DynaKV reads up to format {FORMAT}"
    if found < 1:
        return f"is damaged: its format is {found}"
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    missing = [name for name in TABLES if name not in names]
    if missing:
        return f"is damaged: it lacks {', '.join(missing)}"
    return None
