"""Lists of a Raft keyspace: one scan by the leader of every shard group, merged in key order.

Each page of a group is as linearizable as a get; groups are read at different moments, so a list is
not a snapshot. Output stops at the smallest last key of any unfinished page.
"""

from functools import partial

from dynakv import limits
from dynakv.core.record import Record
from dynakv.errors import Failure
from dynakv.node.context import Context, Placement
from dynakv.node.messages import Answer, List, Listed, Refused
from dynakv.node.raft_errands import ScanErrand
from dynakv.node.raft_reads import RaftReads, ScanRange
from dynakv.node.raft_router import Router


class RaftList:
    """Serves one List."""

    def __init__(
        self,
        ctx: Context,
        router: Router,
        reads: RaftReads,
        call: int,
        message: List,
        placement: Placement,
        deadline_ms: int,
    ) -> None:
        """Prepare the message that came under `call`."""
        self._ctx = ctx
        self._router = router
        self._reads = reads
        self._call = call
        self._message = message
        self._placement = placement
        self._deadline_ms = deadline_ms
        self._limit = min(message.limit or limits.PAGE_ROWS_MAX, limits.PAGE_ROWS_MAX)
        self._left = 0
        self._records: list[Record] = []
        self._ends: list[bytes] = []
        self._over = False

    def start(self) -> None:
        """Scan every group."""
        message = self._message
        groups = len(self._placement.replicas)
        share = min(self._limit, max(limits.GROUP_ROWS_MIN, 2 * self._limit // groups))
        scan = ScanRange(message.start, message.after, message.end, share, message.keys_only)
        self._left = groups
        for group in range(groups):
            errand = ScanErrand(
                self._placement,
                group,
                self._deadline_ms,
                self._reads,
                scan,
                self._scanned,
                partial(self._failed),
            )
            self._router.go(errand)

    def _scanned(self, records: list[Record], further: bytes | None) -> None:
        self._records += records
        if further is not None:
            self._ends.append(further)
        self._left -= 1
        if not self._left and not self._over:
            self._answer()

    def _answer(self) -> None:
        self._over = True
        end = min(self._ends, default=None)
        found = sorted(self._records, key=lambda record: record.key)
        shown = [record for record in found if end is None or record.key <= end]
        if len(shown) > self._limit:
            shown = shown[: self._limit]
            end = shown[-1].key
        self._ctx.effects.append(Answer(self._call, Listed([0], shown, end)))

    def _failed(self, entries: list[int], failure: Failure, leader: str) -> None:
        if not self._over:
            self._over = True
            self._ctx.counters.failed_entries += 1
            self._ctx.effects.append(Answer(self._call, Refused(entries, failure, leader)))
