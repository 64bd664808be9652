"""Answers Compare and ScanLeaves: what this replica's hash trees say, and what their leaves hold.

Nothing here changes a row or remembers who asked, so an ask may be lost or repeated at will.
"""

from dynakv import limits
from dynakv.core.hashtree import LEAVES, leaf_of
from dynakv.core.record import Record
from dynakv.core.table import Page, ScanRecords
from dynakv.node.context import Context, Placement
from dynakv.node.dropping import without_garbage
from dynakv.node.messages import STORE, Failed, Reason
from dynakv.node.repair_messages import Compare, Compared, LeavesScanned, Likeness, ScanLeaves
from dynakv.node.replica import Reply, placement_for


class Comparer:
    """Serves Compare and ScanLeaves of peers."""

    def __init__(self, ctx: Context) -> None:
        """Serve on the node of this context."""
        self._ctx = ctx

    def compare(self, message: Compare, reply: Reply) -> None:
        """Reply which groups differ, with the leaves of the first COMPARED_LEAVES_MAX of them."""
        placement = placement_for(self._ctx, message.keyspace, message.epoch, reply)
        if placement is None:
            return
        likenesses: list[Likeness] = []
        leaves: list[int] = []
        for group, root in zip(message.groups, message.roots, strict=True):
            likeness = self._likeness(placement, group, root)
            if likeness is Likeness.DIFFERS:
                if len(leaves) < limits.COMPARED_LEAVES_MAX * LEAVES:
                    leaves += self._ctx.trees.leaves(placement.keyspace_id, group) or []
                else:
                    likeness = Likeness.LATER
            likenesses.append(likeness)
        floors = [self._ctx.cuts.floor(placement.keyspace_id, g) for g in message.groups]
        reply(Compared(likenesses, floors, leaves))

    def scan_leaves(self, message: ScanLeaves, reply: Reply) -> None:
        """Reply with what a page of the group holds in the leaves, as outlines."""
        placement = placement_for(self._ctx, message.keyspace, message.epoch, reply)
        if placement is None:
            return
        if not placement.holds(message.group):
            reply(Failed(Reason.WRONG_EPOCH))
            return
        if (placement.keyspace_id, message.group) in self._ctx.recovering:
            reply(Failed(Reason.RECOVERING))
            return
        scan = leaf_scan(placement.keyspace_id, message.group, message.after, message.rows_max)
        leaves = dict.fromkeys(message.leaves)
        where = (placement.keyspace_id, message.group)

        def read(answer: object) -> None:
            assert isinstance(answer, Page)
            records = in_leaves(answer, leaves)
            records = without_garbage(self._ctx, *where, records)
            reply(LeavesScanned(records, answer.next, self._ctx.cuts.floor(*where)))

        self._ctx.ask(STORE, scan, 0, read)

    def _likeness(self, placement: Placement, group: int, root: int) -> Likeness:
        own = None
        recovering = (placement.keyspace_id, group) in self._ctx.recovering
        if placement.holds(group) and not recovering:
            own = self._ctx.trees.root(placement.keyspace_id, group)
        if own is None:
            return Likeness.UNKNOWN
        return Likeness.EQUAL if own == root else Likeness.DIFFERS


def unlike(ours: list[int], theirs: list[int]) -> dict[int, None]:
    """Return the leaves of a group that differ, rising."""
    pairs = enumerate(zip(ours, theirs, strict=True))
    return dict.fromkeys(leaf for leaf, (own, other) in pairs if own != other)


def leaf_scan(keyspace: int, group: int, after: bytes | None, rows_max: int) -> ScanRecords:
    """Return what STORE is asked for the next page of a group, without values."""
    rows = max(1, min(rows_max, limits.REPAIR_PAGE_ROWS_MAX))
    return ScanRecords(keyspace, [group], b"", after, None, rows, limits.PAGE_BYTES_MAX, True)


def in_leaves(page: Page, leaves: dict[int, None]) -> list[Record]:
    """Return the rows of a page without values that belong to these leaves."""
    return [row for row in page.rows if isinstance(row, Record) and leaf_of(row.key) in leaves]
