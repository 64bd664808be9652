"""What hints a node keeps: for whom, of which keyspace, how many, how old.

Hints are records in the node's own table, in a hidden keyspace for each target and keyspace: same
key, same group, unchanged record. So what merges, pages, removes and counts records does it for
hints, and two hints of one key become one. No layout names a hidden keyspace, and so nobody can
ask for one, no hash tree covers it and no cache holds it.
"""

from collections import deque

from xxhash import xxh3_64_intdigest

from dynakv import limits
from dynakv.core.hlc import wall_ms_of
from dynakv.core.layout import NodeId
from dynakv.core.record import Record
from dynakv.core.table import Row
from dynakv.node.tasks import Task


def hidden_keyspace(peer: NodeId, keyspace_id: int) -> int:
    """Return the id of the keyspace that holds the hints of a keyspace for a peer.

    Ids of keyspaces are random and these are hashes: that two are equal is as unlikely as that two
    random ids are.
    """
    return xxh3_64_intdigest(b"hints\0%b\0%016x" % (peer.encode(), keyspace_id))


def weight(row: Row) -> int:
    """Return the bytes that a row counts for; none where there is no row, or nobody can say."""
    if not isinstance(row, Record):
        return 0
    return len(row.key) + len(row.value or b"") + limits.HINT_ROW_BYTES


def stamped_ms(record: Record) -> int:
    """Return the wall clock of the newest stamp: a hint is as young as its youngest register."""
    return wall_ms_of(max(record.value_time, record.expiry_time))


class Shelf:
    """The hints of one keyspace for one target."""

    __slots__ = (
        "bytes",
        "counted",
        "gone",
        "groups",
        "groups_count",
        "hidden",
        "keyspace_id",
        "oldest_ms",
        "rows",
        "sweep_at_ms",
        "target",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, target: "Target", keyspace_id: int, groups_count: int) -> None:
        """Begin with hints that are not counted yet."""
        self.target = target
        self.keyspace_id = keyspace_id
        self.hidden = hidden_keyspace(target.peer, keyspace_id)
        self.groups_count = groups_count
        self.counted = False  # what former lives kept is part of `rows`; nothing is written before
        self.gone = False  # the keyspace was dropped
        self.rows = 0  # on disk
        self.bytes = 0
        # Groups that may have hints on disk. Invariant: a group with hints is here, or in the run
        # of the delivery, or the reply to the write of its hints is not here yet.
        self.groups: dict[int, None] = {}
        self.waiting: deque[tuple[int, Record]] = deque()  # with their groups; not on disk yet
        self.waiting_bytes = 0
        self.oldest_ms: int | None = None  # no hint on disk is stamped earlier; None: no hint
        self.sweep_at_ms = 0  # monotonic: not looked through for old ones before

    def found(self, rows: int, size: int) -> None:
        """Take note of what former lives left here; it may be in any group, and of any age."""
        self.counted = True
        self.account(rows, size + rows * limits.HINT_ROW_BYTES)
        if rows:
            self.groups = dict.fromkeys(range(self.groups_count))
            self.oldest_ms = 0

    def wrote(self, group: int, before: Row, after: Record) -> None:
        """Take note of a hint that is durable now."""
        self.account(int(before is None), weight(after) - weight(before))
        self.groups[group] = None
        known, ms = self.oldest_ms, stamped_ms(after)
        self.oldest_ms = ms if known is None else min(known, ms)

    def account(self, rows: int, size: int) -> None:
        """Count rows and bytes more (or less) on disk, for the target as well."""
        if not self.gone:
            self.rows += rows
            self.bytes += size
            self.target.rows += rows
            self.target.bytes += size

    def emptied(self) -> None:
        """All hints that were known of are gone: count from nothing, whatever damage had hidden."""
        self.account(-self.rows, -self.bytes)
        self.oldest_ms = None


class Target:
    """A peer for which hints are kept, and how their delivery stands."""

    __slots__ = (
        "busy",
        "bytes",
        "delivered",
        "failures",
        "peer",
        "rows",
        "shedding",
        "shelves",
        "task",
    )

    def __init__(self, peer: NodeId) -> None:
        """Begin with no hints."""
        self.peer = peer
        self.rows = 0  # on disk, over all keyspaces
        self.bytes = 0
        self.shelves: dict[int, Shelf] = {}  # by keyspace; the one to look at next first
        self.busy = False  # a timer or a reply will go on with the delivery
        self.failures = 0  # attempts in a row that brought nothing there
        self.delivered = 0  # since there were none
        self.shedding = False  # hints found no room since there were none
        self.task: Task | None = None  # for operators; None: the target is away, or needs nothing

    def waiting_bytes(self) -> int:
        """Return the bytes on their way to the disk. O(keyspaces)."""
        return sum(shelf.waiting_bytes for shelf in self.shelves.values())

    def oldest_ms(self) -> int | None:
        """Return a wall clock before which no hint on disk was stamped; None if nobody knows.

        What a former life kept is of unknown age until it was delivered or looked through.
        """
        known = [shelf.oldest_ms for shelf in self.shelves.values() if shelf.oldest_ms is not None]
        return min(known, default=0) or None

    def next_shelf(self) -> Shelf | None:
        """Return a shelf that may hold hints, each in turn; None if there is none."""
        for keyspace_id in list(self.shelves):
            shelf = self.shelves.pop(keyspace_id)
            self.shelves[keyspace_id] = shelf
            if shelf.groups:
                return shelf
        return None
