"""Rebuilds hash trees from the rows: after a crash, after damage, and now and then to verify them.

A group that became unknown is scanned without values, page by page with pauses; until the scan is
complete it takes no part in anti-entropy, and then it is compared with every peer. The slow round
over all groups (a scrub) reads the values as well: it finds damaged rows before anybody asks for
them, and trees that no longer stand for the rows, which `HashTrees.drifts` counts.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.table import DAMAGED, Page, Row, ScanRecords
from dynakv.node.context import Context
from dynakv.node.messages import STORE
from dynakv.node.tasks import Kind, Task

_Where = tuple[int, int]  # keyspace id, group


class Rebuilds:
    """Rebuilds one group at a time."""

    def __init__(self, ctx: Context) -> None:
        """Begin with the groups that are unknown now."""
        self._ctx = ctx
        self._waiting: dict[_Where, None] = {}  # unknown groups
        self._scrubs: dict[_Where, None] = {}  # of the round under way, not scrubbed yet
        self._task: Task | None = None
        self._scrub_task: Task | None = None
        self._busy = False
        for keyspace, placement in ctx.by_id.items():
            for group, held in enumerate(placement.held):
                if held and not ctx.trees.known(keyspace, group):
                    self._waiting[keyspace, group] = None
        # Restarts must not let all nodes scrub in step, nor keep one from ever coming around.
        first_ms = int(ctx.random.random() * ctx.config.scrub_every_ms)
        ctx.at(ctx.now.mono_ms + first_ms, self._scrub)
        ctx.at(ctx.now.mono_ms, self._look)

    def pending(self) -> int:
        """Return how many groups are unknown and wait for their rebuild, or are under way."""
        return len(self._waiting)

    def _look(self) -> None:
        ctx = self._ctx
        ctx.at(ctx.now.mono_ms + ctx.config.look_ms, self._look)
        for keyspace, group in ctx.trees.take_lost():
            placement = ctx.by_id.get(keyspace)
            if placement is not None and placement.held[group]:
                self._waiting.setdefault((keyspace, group))
                if self._task is not None:
                    self._task.total += 1
        self._go_on()

    def _scrub(self) -> None:
        """Begin a slow round over all groups."""
        ctx = self._ctx
        ctx.at(ctx.now.mono_ms + ctx.config.scrub_every_ms, self._scrub)
        if self._scrubs:
            return
        for keyspace, placement in ctx.by_id.items():
            for group, held in enumerate(placement.held):
                if held:
                    self._scrubs[keyspace, group] = None
        total = len(self._scrubs)
        if total:
            about = "all groups"
            self._scrub_task = ctx.tasks.begin(Kind.SCRUB, about, total, ctx.now.mono_ms)
        self._go_on()

    def _go_on(self) -> None:
        """Begin with the next group, unknown ones first."""
        if self._busy:
            return
        ctx = self._ctx
        if self._waiting:
            if self._task is None:
                total, now_ms = len(self._waiting), ctx.now.mono_ms
                self._task = ctx.tasks.begin(Kind.REBUILD, "unknown groups", total, now_ms)
            self._begin(next(iter(self._waiting)), scrub=False)
            return
        if self._task is not None:
            ctx.tasks.end(self._task, ctx.now.mono_ms)
            self._task = None
        if self._scrubs:
            self._begin(next(iter(self._scrubs)), scrub=True)
        elif self._scrub_task is not None:
            ctx.tasks.end(self._scrub_task, ctx.now.mono_ms)
            self._scrub_task = None

    def _begin(self, where: _Where, *, scrub: bool) -> None:
        self._busy = True
        if where[0] not in self._ctx.by_id:  # dropped: what its rows are changes without notice
            self._waiting.pop(where, None)
            self._scrubs.pop(where, None)
            self._count_done(scrub=scrub)
            self._later(self._free)
            return
        self._ctx.trees.begin_rebuild(*where)
        self._read(where, None, scrub=scrub)

    def _read(self, where: _Where, after: bytes | None, *, scrub: bool) -> None:
        keyspace, group = where
        rows_max, bytes_max = self._ctx.config.repair_page_rows, limits.PAGE_BYTES_MAX
        scan = ScanRecords(
            keyspace, [group], b"", after, None, rows_max, bytes_max, keys_only=not scrub
        )
        self._ctx.ask(STORE, scan, 0, partial(self._was_read, where, scrub))

    def _was_read(self, where: _Where, scrub: bool, reply: object) -> None:
        assert isinstance(reply, Page)
        rows = self._verified(where, reply, scrub=scrub)
        # A page may show writes that were not reported yet; see `HashTrees`.
        self._ctx.writes.settled(partial(self._count, where, scrub, rows, reply.next))

    def _verified(self, where: _Where, page: Page, *, scrub: bool) -> dict[bytes, Row]:
        """Return the rows of the page, those known to be damaged as such."""
        ctx, keyspace = self._ctx, where[0]
        rows = dict(zip(page.keys, page.rows, strict=True))
        for key, row in rows.items():
            if row is DAMAGED:
                ctx.counters.damaged_rows += 1
                ctx.damaged_rows.seen(keyspace, key, ctx.now.mono_ms)
                ctx.cache.forget(keyspace, key)
            elif len(ctx.damaged_rows) and ctx.damaged_rows.known(keyspace, key):
                if scrub:
                    ctx.damaged_rows.healed(keyspace, key)
                else:
                    rows[key] = DAMAGED
        return rows

    def _count(
        self, where: _Where, scrub: bool, rows: dict[bytes, Row], through: bytes | None
    ) -> None:
        ctx = self._ctx
        ctx.counters.rebuilt_rows += len(rows)
        if not ctx.trees.add(*where, rows, through):
            self._later(partial(self._restart, where, scrub=scrub))
        elif through is not None:
            self._later(partial(self._read, where, through, scrub=scrub))
        else:
            self._finish(where, scrub=scrub)

    def _restart(self, where: _Where, *, scrub: bool) -> None:
        self._begin(where, scrub=scrub)

    def _finish(self, where: _Where, *, scrub: bool) -> None:
        ctx = self._ctx
        before = ctx.trees.leaves(*where)
        finished = ctx.trees.finish(*where)
        assert finished
        if ctx.trees.leaves(*where) != before:
            # A mark may stand for what the tree was before.
            ctx.writes.clear(where[0], [where[1]])
        waited = where in self._waiting
        self._waiting.pop(where, None)
        if scrub:
            self._scrubs.pop(where, None)
            ctx.counters.scrubbed_groups += 1
        else:
            ctx.counters.rebuilds += 1
        self._count_done(scrub=scrub)
        if waited or ctx.trees.leaves(*where) != before:
            self._want_comparison(where)
        self._later(self._free)

    def _count_done(self, *, scrub: bool) -> None:
        task = self._scrub_task if scrub else self._task
        if task is not None:
            task.done += 1

    def _free(self) -> None:
        self._busy = False
        self._go_on()

    def _want_comparison(self, where: _Where) -> None:
        """Let the group be compared with every peer: it sat out until now."""
        keyspace, group = where
        placement = self._ctx.by_id.get(keyspace)
        for peer in placement.replicas[group] if placement is not None else ():
            if peer != self._ctx.node_id:
                self._ctx.repair_wanted.add(keyspace, group, peer)

    def _later(self, then: Callable[[], None]) -> None:
        self._ctx.at(self._ctx.now.mono_ms + self._ctx.config.repair_pause_ms, then)
