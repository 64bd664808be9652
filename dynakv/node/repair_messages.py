"""What replicas say to each other to become equal, and to agree that deleted keys may be forgotten.

Part of the language of `node/messages.py`; each ask ends in exactly one reply, or in Failed.

    Compare     answered by Compared        whose hash trees differ, and where
    ScanLeaves  answered by LeavesScanned   what lies in leaves that differ, without the values
    Fence       answered by Fenced          begin of a collection: nothing old enters any more
    RaiseFloor  answered by FloorRaised     its end: what nobody needs may be dropped

Records themselves travel in Save and Load.
"""

from enum import IntEnum

from msgspec import Struct

from dynakv.core.record import Record


class Compare(Struct, frozen=True, gc=False):
    """Say in which of these shard groups your hash tree differs from mine."""

    keyspace: int
    epoch: int
    groups: list[int]
    roots: list[int]  # parallel


class Likeness(IntEnum):
    """How a group of a Compare stands."""

    EQUAL = 0
    DIFFERS = 1  # its leaves follow
    UNKNOWN = 2  # the tree is being rebuilt, or the group recovers: ask later
    LATER = 3  # differs, but the reply is full: ask again


class Compared(Struct, frozen=True, gc=False):
    """One likeness and one floor per group; the leaves of those that differ, one after the other
    (`core.hashtree.LEAVES` each)."""

    likenesses: list[Likeness]
    floors: list[int]
    leaves: list[int]


class ScanLeaves(Struct, frozen=True, gc=False):
    """List what you hold in these leaves of a group's hash tree, in key order behind `after`."""

    keyspace: int
    epoch: int
    group: int
    leaves: list[int]  # rising indices
    after: bytes | None
    rows_max: int  # looked at, whatever leaf they belong to


class LeavesScanned(Struct, frozen=True, gc=False):
    """A page of records without their values (their checksums stay), tombstones included.

    `next` None: there is nothing further; else everything up to and including it was looked at.
    """

    records: list[Record]
    next: bytes | None
    floor: int


class Fence(Struct, frozen=True, gc=False):
    """From now on refuse registers at or below `cut` that you do not hold; durably.

    They enter then only from a replica with the same floor as yours (`Save.floors`).
    """

    keyspace: int
    epoch: int
    groups: list[int]
    cut: int  # a reading


class Fenced(Struct, frozen=True, gc=False):
    """Whether the fence of each group stands at the cut now, durably; parallel to the Fence."""

    taken: list[bool]


class RaiseFloor(Struct, frozen=True, gc=False):
    """All replicas hold every register at or below `floor`: drop what nobody needs; durably."""

    keyspace: int
    epoch: int
    groups: list[int]
    floor: int  # a reading


class FloorRaised(Struct, frozen=True, gc=False):
    """Whether the floor of each group stands there now, durably; parallel to the RaiseFloor."""

    taken: list[bool]
