"""Rows of keyspaces that are gone, found by their index alone.

A row belongs to a keyspace by its id, which is never reused, so what to remove follows from the
layout and the table at any time: nothing else needs to be remembered over a restart.
"""

import sqlite3
from typing import Final

import msgspec

from dynakv.core.table import FindStrays, Strays
from dynakv.storage.schema import signed, unsigned

# One step over all rows of a keyspace: the index is sorted by it.
_NEXT: Final = "SELECT keyspace FROM records WHERE keyspace > ? ORDER BY keyspace LIMIT 1"
_FIRST: Final = "SELECT keyspace FROM records ORDER BY keyspace LIMIT 1"
_ROWS: Final = (
    "SELECT json_group_array(json_array(grp, hex(key))) FROM ("
    "SELECT grp, key FROM records WHERE keyspace = ? LIMIT ?)"
)
_decode: Final = msgspec.json.Decoder(list[tuple[int, str]]).decode


def find(connection: sqlite3.Connection, request: FindStrays) -> Strays:
    """Return some rows of the first other keyspace. O(keyspaces + rows). Raises sqlite3.Error."""
    kept = {signed(keyspace) for keyspace in request.keyspaces}
    found = connection.execute(_FIRST).fetchone()
    while found is not None and found[0] in kept:
        found = connection.execute(_NEXT, found).fetchone()
    if found is None:
        return Strays(0, [], [])
    (text,) = connection.execute(_ROWS, (found[0], request.rows_max)).fetchone()
    rows = _decode(text)
    groups = [group for group, _ in rows]
    keys = [bytes.fromhex(key) for _, key in rows]
    return Strays(unsigned(found[0]), groups, keys)
