"""SCAN cursors: 63 bits that stand for a key.

A list goes on behind a key, and any key does not fit the number that clients take for a cursor. So
a cursor is the hash of keyspace and key, and the node remembers which key it stood for, newest
first, up to a bound. The same position has the same cursor on every node and in every life of a
node: one that this node does not remember (it was given by another node, or too long ago) is found
again by looking for the key with that hash. So a scan survives restarts, changes of the ring and a
load balancer, as long as the key it stands at exists; and using a cursor does not spend it.

Rejected: the first 64 bits of the key (keys often begin alike), a number into a table (worthless
anywhere else), an order by token (storage keeps keys in their own order).
"""

from collections import OrderedDict
from typing import Final

from xxhash import xxh3_64_intdigest

from dynakv import limits

END: Final = 0  # begins a scan, and ends it
CURSOR_MAX: Final = (1 << 64) - 1  # of what Redis takes
_BITS: Final = (1 << 63) - 1  # some clients parse a signed number


def cursor_of(keyspace: str, key: bytes) -> int:
    """Return the cursor that goes on behind a key; never END."""
    return xxh3_64_intdigest(keyspace.encode() + b"\0" + key) & _BITS or 1


class Cursors:
    """What one node remembers of the cursors it gave."""

    def __init__(self, remembered_max: int = limits.RESP_CURSORS_MAX) -> None:
        """Begin with none."""
        self._keys: OrderedDict[int, bytes] = OrderedDict()
        self._max = remembered_max

    def give(self, keyspace: str, key: bytes) -> int:
        """Return the cursor for a position, and remember it as the newest."""
        cursor = cursor_of(keyspace, key)
        self._keys[cursor] = key
        self._keys.move_to_end(cursor)
        if len(self._keys) > self._max:
            self._keys.popitem(last=False)
        return cursor

    def find(self, cursor: int) -> bytes | None:
        """Return the key of a cursor, if it is remembered."""
        return self._keys.get(cursor)
