"""The tables, and unsigned numbers in SQLite's signed columns."""

import sqlite3
from pathlib import Path

import pytest

from dynakv.storage import schema

EDGES = [0, 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1]


@pytest.mark.parametrize("number", EDGES)
def test_uint64_survives_a_signed_column(number: int) -> None:
    with_sqlite = sqlite3.connect(":memory:")
    (stored,) = with_sqlite.execute("SELECT ?", (schema.signed(number),)).fetchone()
    with_sqlite.close()
    assert schema.unsigned(stored) == number


def test_signed_keeps_the_64_bits() -> None:
    assert schema.signed((1 << 64) - 1) == -1
    assert schema.signed(1 << 63) == -(1 << 63)
    assert schema.signed((1 << 63) - 1) == (1 << 63) - 1


def test_new_database_has_what_cannot_be_changed_later(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    schema.make(path, "n1", 7, b"layout")
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.db"]  # no WAL is left behind
    connection = sqlite3.connect(path)
    found = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "auto_vacuum", "journal_mode", "application_id", "user_version")
    }
    fault = schema.fault(connection)
    connection.close()
    assert found == {
        "page_size": 4096,
        "auto_vacuum": 2,  # incremental
        "journal_mode": "wal",
        "application_id": 0x44594E4B,
        "user_version": schema.FORMAT,
    }
    assert fault is None


def test_value_is_the_last_column_of_records(tmp_path: Path) -> None:
    schema.make(tmp_path / "new.db", "n1", 7, b"layout")
    connection = sqlite3.connect(tmp_path / "new.db")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(records)")]
    connection.close()
    assert columns[-1] == "value"


def test_missing_table_is_named(tmp_path: Path) -> None:
    schema.make(tmp_path / "new.db", "n1", 7, b"layout")
    connection = sqlite3.connect(tmp_path / "new.db")
    connection.execute("DROP TABLE records")
    fault = schema.fault(connection)
    connection.close()
    assert fault == "is damaged: it lacks records, records_by_key"


def test_a_database_of_format_1_gets_what_it_lacks_and_keeps_what_it_holds(tmp_path: Path) -> None:
    schema.make(tmp_path / "old.db", "n1", 7, b"layout")
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    connection.execute("DROP TABLE facts")
    connection.execute("DROP TABLE batch_log")
    connection.execute("PRAGMA user_version = 1")
    assert schema.fault(connection) is not None
    schema.upgrade(connection)
    assert schema.fault(connection) is None
    assert connection.execute("SELECT node_id FROM identity").fetchone() == ("n1",)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.FORMAT,)
    schema.upgrade(connection)  # nothing is left to do
    connection.close()
