"""Hash trees of a node's records, one per shard group, by which replicas find where they differ.

A tree is two levels: LEAVES leaves and a root over them. A leaf is the xor of the digests of the
records in its hash range, so one stored record changes one leaf, by what it was and what it is,
and no order matters. Merkle (1987) with the set hash of Bellare and Micciancio (1997, section 5.1)
at the leaves; xor is enough where nobody forges records, as replicas trust each other.

The digest of a record is its checksum: it covers key, value, both stamps and the expiry already,
and was verified when the record arrived or was read. A hash over it and the stamps told no more
records apart and cost 0.4 us of every write.

A record belongs to the leaf that the low bits of its key's own hash name. Not the bits of the token
below those of the group: all keys of one hash tag share a token and would crowd one leaf. Without
tags the hash is the token, whose top bits name the group, so the low bits are free.

The leaves live in the node, not on disk (leaf rows in the transaction cost 31 % of write speed),
and follow the before and after of every STORE reply. In an empty directory every group is known,
and zero. After a restart on records a group is known if its leaves were flushed while it was at
rest (`node/clean_marks.py`); else it is unknown, has no root, and takes no part in anti-entropy
until it was rebuilt from a scan (`node/rebuild.py`). A damaged row makes its group unknown, too:
nobody can say what it last contributed.
"""

from array import array
from collections.abc import Mapping
from struct import Struct as Layout
from typing import Final, TypeAlias

from xxhash import xxh3_64_intdigest

from dynakv.core.record import Record
from dynakv.core.table import DAMAGED, Row

LEAVES: Final = 128
"""Leaves of a group; a power of two and part of the protocol, since replicas compare leaves. A
million keys in 256 groups are 32 keys a leaf; the leaves of a group are one message of 1 KiB, and
those of a keyspace with 256 groups take 256 KiB of memory."""

_LEAF_MASK = LEAVES - 1
_ZERO = bytes(8 * LEAVES)
_LEAVES = Layout(f"<{LEAVES}Q").pack
_UNPACK = Layout(f"<{LEAVES}Q").unpack

Leaves: TypeAlias = "array[int]"


def leaf_of(key: bytes) -> int:
    """Return the leaf of a key within its group."""
    return xxh3_64_intdigest(key) & _LEAF_MASK


class HashTrees:
    """The trees of all groups of all keyspaces, found by keyspace id and group.

    `drifts` counts groups whose leaves a rebuild found wrong although they counted as known.
    """

    __slots__ = ("_empty", "_fresh", "_leaves", "_lost", "_rebuilds", "drifts")

    def __init__(self, *, empty: bool) -> None:
        """Begin on a directory in which no record was ever stored (`empty`), or on any other."""
        self._empty = empty
        # None: unknown. A group that was never touched is absent: zero if `_empty`, else unknown.
        self._leaves: dict[tuple[int, int], Leaves | None] = {}
        self._rebuilds: dict[tuple[int, int], _Rebuild] = {}
        self._lost: dict[tuple[int, int], None] = {}
        self._fresh: dict[int, None] = {}  # keyspaces of which no record can have been stored
        self.drifts = 0

    def update(self, keyspace: int, group: int, key: bytes, before: Row, after: Row) -> None:
        """Follow one row of a STORE reply; rows in the order in which STORE wrote them."""
        where = (keyspace, group)
        leaves = self._leaves.get(where)
        if leaves is None:
            leaves = self._untouched(where)
        if leaves is not None and before is not after:
            if isinstance(after, Record) and before is None:  # by far the most frequent
                leaves[xxh3_64_intdigest(key) & _LEAF_MASK] ^= after.checksum
            else:
                leaves[xxh3_64_intdigest(key) & _LEAF_MASK] ^= _change(before, after)
        if before is DAMAGED or after is DAMAGED:
            self._leaves[where] = None
            self._lost[where] = None
        if self._rebuilds and where in self._rebuilds:
            self._update_rebuild(where, key, before, after)

    def update_all(
        self, keyspace: int, groups: list[int], before: list[Record | None], after: list[Record]
    ) -> None:
        """Follow intact rows of a STORE reply; as `update` for each, only faster."""
        known = self._leaves.get
        rebuilding = bool(self._rebuilds)
        for group, old, new in zip(groups, before, after, strict=True):
            if new is old:
                continue
            leaves = known((keyspace, group))
            if leaves is None or rebuilding:
                self.update(keyspace, group, new.key, old, new)
            elif old is None:
                leaves[xxh3_64_intdigest(new.key) & _LEAF_MASK] ^= new.checksum
            else:
                leaves[xxh3_64_intdigest(new.key) & _LEAF_MASK] ^= old.checksum ^ new.checksum

    def forget(self, keyspace: int, group: int) -> None:
        """Make a group unknown: its rows were found damaged, or changed behind our back."""
        self._leaves[keyspace, group] = None
        self._lost[keyspace, group] = None
        self._rebuilds.pop((keyspace, group), None)

    def adopt(self, keyspace: int, group: int, leaves: list[int]) -> None:
        """Make a group known by leaves that were flushed while nothing was written to it."""
        assert len(leaves) == LEAVES
        self._leaves[keyspace, group] = array("Q", leaves)

    def take_lost(self) -> list[tuple[int, int]]:
        """Return the groups that became unknown since the last call."""
        lost, self._lost = self._lost, {}
        return list(lost)

    def created(self, keyspace: int) -> None:
        """Take note of a new keyspace: none of its rows were stored before."""
        self._fresh[keyspace] = None

    def drop(self, keyspace: int) -> None:
        """Let go of all groups of a keyspace whose id is never used again."""
        self._fresh.pop(keyspace, None)
        for trees in (self._leaves, self._rebuilds, self._lost):
            for where in [where for where in trees if where[0] == keyspace]:
                del trees[where]

    def known(self, keyspace: int, group: int) -> bool:
        """Say whether the leaves stand for exactly the rows of the group."""
        return self._known_leaves(keyspace, group) is not None

    def root(self, keyspace: int, group: int) -> int | None:
        """Return the hash over the group's leaves, alike on all replicas; None if unknown."""
        leaves = self._known_leaves(keyspace, group)
        return None if leaves is None else xxh3_64_intdigest(_LEAVES(*leaves))

    def leaves(self, keyspace: int, group: int) -> list[int] | None:
        """Return the group's LEAVES uint64 leaves as of now; None if unknown."""
        leaves = self._known_leaves(keyspace, group)
        return None if leaves is None else leaves.tolist()

    # --- rebuilding a group from a scan ------------------------------------------------------
    #
    # begin_rebuild; then pages in key order, each: ask STORE for the page, get its rows, wait for
    # the replies of all writes asked before the page's reply (a write asked now that changes
    # nothing serves as the mark, since writes are answered in order), add; at the end, finish.
    # The wait is needed because a page, read beside the writer, may show a write before `update`
    # reports it; counting that row now and its change later would count it twice.

    def begin_rebuild(self, keyspace: int, group: int) -> None:
        """Begin to compute the leaves of a group anew; what is known of it stays in use."""
        self._rebuilds[keyspace, group] = _Rebuild()

    def rebuilding(self, keyspace: int, group: int) -> bool:
        """Say whether a rebuild is under way; a damaged row or `forget` ends it."""
        return (keyspace, group) in self._rebuilds

    def add(
        self, keyspace: int, group: int, rows: Mapping[bytes, Row], through: bytes | None
    ) -> bool:
        """Count a page: all rows after the last page's `through` and up to this one (None: all).

        The next page may be asked from now on. False: the rebuild has ended early, begin again.
        """
        rebuild = self._rebuilds.get((keyspace, group))
        if rebuild is None:
            return False
        assert not rebuild.complete
        rebuild.add(rows, through)
        return True

    def finish(self, keyspace: int, group: int) -> bool:
        """Use the new leaves from now on. False: the rebuild has ended early, begin again."""
        where = (keyspace, group)
        rebuild = self._rebuilds.pop(where, None)
        if rebuild is None:
            return False
        assert rebuild.complete
        old = self._known_leaves(keyspace, group)
        # What is damaged is missing from the new leaves, and no drift.
        self.drifts += old is not None and old != rebuild.leaves and not rebuild.damaged
        self._leaves[where] = rebuild.leaves
        return True

    def _update_rebuild(self, where: tuple[int, int], key: bytes, before: Row, after: Row) -> None:
        rebuild = self._rebuilds[where]
        if not rebuild.counted(key):
            rebuild.changed[key] = after
        elif before is DAMAGED or after is DAMAGED:
            del self._rebuilds[where]
        else:
            rebuild.leaves[leaf_of(key)] ^= _change(before, after)

    def _known_leaves(self, keyspace: int, group: int) -> "Leaves | None":
        where = (keyspace, group)
        leaves = self._leaves.get(where)
        if leaves is None and where not in self._leaves and self._begins_empty(keyspace):
            return _no_leaves()
        return leaves

    def _untouched(self, where: tuple[int, int]) -> "Leaves | None":
        if where not in self._leaves and self._begins_empty(where[0]):
            self._leaves[where] = _no_leaves()
        return self._leaves.get(where)

    def _begins_empty(self, keyspace: int) -> bool:
        return self._empty or keyspace in self._fresh


class _Rebuild:
    """A group's leaves in the making."""

    __slots__ = ("changed", "complete", "damaged", "leaves", "through")

    def __init__(self) -> None:
        self.leaves = _no_leaves()
        self.through: bytes | None = None  # keys up to this one are counted; None: none yet
        self.complete = False  # all keys are counted
        self.damaged = False  # some row was, and is not counted
        # What became of keys not yet counted that were written since the last page was counted:
        # at least as new as what the outstanding page shows of them.
        self.changed: dict[bytes, Row] = {}

    def counted(self, key: bytes) -> bool:
        return self.complete or (self.through is not None and key <= self.through)

    def add(self, rows: Mapping[bytes, Row], through: bytes | None) -> None:
        self.through = through
        self.complete = through is None
        changed = {key: row for key, row in self.changed.items() if self.counted(key)}
        for key, row in {**rows, **changed}.items():
            if isinstance(row, Record):  # a damaged row counts nothing: the replicas shall differ
                self.leaves[leaf_of(key)] ^= row.checksum
            elif row is DAMAGED:
                self.damaged = True
        self.changed = {}  # beyond `through` the next page, asked later, shows them


def pack(leaves: list[int]) -> bytes:
    """Return the leaves of a group as they are kept on disk."""
    return _LEAVES(*leaves)


def unpack(packed: bytes) -> list[int]:
    """Return the leaves of `pack`; 8 * LEAVES bytes."""
    return list(_UNPACK(packed))


def root_of(packed: bytes) -> int:
    """Return the root over packed leaves."""
    return xxh3_64_intdigest(packed)


def _no_leaves() -> Leaves:
    return array("Q", _ZERO)


def _change(before: Row, after: Row) -> int:
    """Return what a leaf is to be xored with; neither row is damaged."""
    change = after.checksum if isinstance(after, Record) else 0
    return change ^ before.checksum if isinstance(before, Record) else change
