"""What is removed makes the file shorter, step by step; what is free for rows to come stays."""

import asyncio
import sqlite3
from pathlib import Path

from dynakv import limits
from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import written
from dynakv.core.table import MergeRecords, RemoveRows
from dynakv.storage import shrink
from dynakv.storage.schema import PAGE_BYTES
from dynakv.storage.store import Store

LAYOUT = first_layout([Member(NodeId("n1"), "127.0.0.1:1")], [])
ROWS, VALUE_BYTES = 400, 16 << 10  # 4 pages of overflow each
PATIENCE_S = 20


def database(path: Path, pages: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB)")
    connection.execute("BEGIN")
    for n in range(pages // 4):
        connection.execute("INSERT INTO t VALUES (?, zeroblob(?))", (n, VALUE_BYTES))
    connection.execute("COMMIT")
    return connection


def free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def test_few_free_pages_stay_for_rows_to_come(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db", limits.FREE_PAGES_MAX // 2)
    connection.execute("DELETE FROM t")
    assert free_pages(connection) > 0
    assert not shrink.wanted(connection)
    connection.close()


def test_a_quarter_of_a_large_file_may_be_free(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db", 6 * limits.FREE_PAGES_MAX)
    count = 6 * limits.FREE_PAGES_MAX // 4
    connection.execute("DELETE FROM t WHERE n % 5 = 0")
    assert free_pages(connection) > limits.FREE_PAGES_MAX
    assert not shrink.wanted(connection)
    connection.execute("DELETE FROM t WHERE n % 2 = 0")
    assert shrink.wanted(connection)
    left = connection.execute("SELECT count(*), sum(length(v)) FROM t").fetchone()
    assert left == (count * 2 // 5, count * 2 // 5 * VALUE_BYTES)
    connection.close()


def test_a_step_gives_back_so_many_pages_and_says_whether_there_are_more(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db", 3 * limits.SHRINK_PAGES_MAX)
    connection.execute("DELETE FROM t WHERE n % 10 > 0")
    before = free_pages(connection)
    assert shrink.step(connection)
    assert before - free_pages(connection) == limits.SHRINK_PAGES_MAX
    while shrink.step(connection):
        pass
    assert 0 < free_pages(connection) <= limits.FREE_PAGES_MAX // 2
    assert not shrink.step(connection)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_the_file_of_a_store_becomes_shorter_after_rows_were_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await Store.open(tmp_path, "n1", encode(LAYOUT))
        keys = [b"%04d" % i for i in range(ROWS)]
        for start in range(0, ROWS, 50):
            some = [written(k, b"v" * VALUE_BYTES, 0, 1 << 58, 7) for k in keys[start : start + 50]]
            await store.commit([MergeRecords(5, [0] * 50, some)])
        await settled(store)
        database = tmp_path / "dynakv.db"
        full = database.stat().st_size + (tmp_path / "dynakv.db-wal").stat().st_size
        assert full > ROWS * VALUE_BYTES
        await store.commit([RemoveRows(5, [0] * ROWS, keys)])
        await settled(store)
        async with asyncio.timeout(PATIENCE_S):
            limit = limits.FREE_PAGES_MAX * PAGE_BYTES
            while database.stat().st_size > limit:  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.01)
        await store.close()

    asyncio.run(scenario())


async def settled(store: Store) -> None:
    done = asyncio.Event()
    store.settle_soon(done.set)
    await done.wait()
