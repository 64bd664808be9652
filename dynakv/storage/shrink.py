"""Gives pages that hold nothing back to the file system, a little at a time.

What is removed leaves free pages in the database, and later rows use them again. Where they are
many, as after a keyspace was dropped, the end of the database moves into them (`auto_vacuum =
INCREMENTAL`), and the file becomes shorter with the next checkpoint.
"""

import sqlite3

from dynakv import limits


def wanted(connection: sqlite3.Connection) -> bool:
    """Say whether so much is free that it is worth the work. Raises sqlite3.Error."""
    free, pages = _free(connection)
    return free > max(limits.FREE_PAGES_MAX, pages // 4)


def step(connection: sqlite3.Connection) -> bool:
    """Give some pages back; say whether more should go. O(pages given back). Raises sqlite3.Error.

    Half of what makes it worth the work stays, for rows to come.
    """
    free, pages = _free(connection)
    spare = free - max(limits.FREE_PAGES_MAX // 2, pages // 8)
    if spare <= 0:
        return False
    count = min(spare, limits.SHRINK_PAGES_MAX)
    # Each step of the statement does one page, and `execute` makes only the first: no columns come.
    connection.executescript(f"PRAGMA incremental_vacuum({count})")
    return spare > count


def _free(connection: sqlite3.Connection) -> tuple[int, int]:
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return int(free), int(pages)
