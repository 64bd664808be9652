"""Drops what nobody needs any more: the end of a collection, on each replica by itself.

A group whose floor rose is swept once: page by page in key order, without values, each row that is
droppable under the floor (`core.record.droppable`) is removed, if it still is what the page showed.
Cache and tree follow the reply, so that they never know less than the disk. One page or removal is
out at a time, with a pause in between. How far a group was swept is durable at its end: a sweep
that a restart ends early begins anew.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core import facts
from dynakv.core.record import Record, droppable
from dynakv.core.table import Dropped, DropRecords, Page, Remember, ScanRecords
from dynakv.node.context import Context
from dynakv.node.messages import STORE
from dynakv.node.tasks import Kind, Task


class Dropping:
    """Sweeps the groups of one node, one at a time."""

    def __init__(self, ctx: Context) -> None:
        """Go on with what a former life left unfinished."""
        self._ctx = ctx
        self._waiting: dict[tuple[int, int], None] = dict.fromkeys(ctx.cuts.unswept())
        self._busy = False
        self._task: Task | None = None  # for operators; None: no group is being swept
        if self._waiting:
            self._soon(self._next)

    def floor_raised(self, keyspace: int, group: int) -> None:
        """Sweep a group whose floor may have risen."""
        self._waiting[keyspace, group] = None
        if not self._busy:
            self._soon(self._next)

    def _soon(self, what: Callable[[], None]) -> None:
        self._busy = True
        ctx = self._ctx
        ctx.at(ctx.now.mono_ms + ctx.config.collect_pause_ms, what)

    def _next(self) -> None:
        """Begin with the group that waited longest; the one before it is done."""
        ctx, task = self._ctx, self._task
        if task is not None:
            task.done += 1
        for where in self._waiting:
            del self._waiting[where]
            about = "groups whose floor rose"
            self._task = task = task or ctx.tasks.begin(Kind.SWEEP, about, 0, ctx.now.mono_ms)
            task.total = task.done + 1 + len(self._waiting)
            self._page(*where, ctx.cuts.floor(*where), None)
            return
        self._busy = False
        if task is not None:
            ctx.tasks.end(task, ctx.now.mono_ms)
            self._task = None

    def _page(self, keyspace: int, group: int, floor: int, after: bytes | None) -> None:
        if keyspace not in self._ctx.by_id:  # dropped as a whole meanwhile
            self._next()
            return
        rows, size = limits.PAGE_ROWS_MAX, limits.PAGE_BYTES_MAX
        scan = ScanRecords(keyspace, [group], b"", after, None, rows, size, keys_only=True)
        self._ctx.ask(STORE, scan, 0, partial(self._looked_at, keyspace, group, floor))

    def _looked_at(self, keyspace: int, group: int, floor: int, page: object) -> None:
        assert isinstance(page, Page)
        rows = [row for row in page.rows if isinstance(row, Record) and droppable(row, floor)]
        if not rows:
            self._go_on(keyspace, group, floor, page.next)
            return
        drop(
            self._ctx,
            keyspace,
            group,
            rows,
            lambda _: self._go_on(keyspace, group, floor, page.next),
        )

    def _go_on(self, keyspace: int, group: int, floor: int, after: bytes | None) -> None:
        if after is not None:
            self._soon(partial(self._page, keyspace, group, floor, after))
            return
        if keyspace in self._ctx.by_id:
            name = facts.group_name(facts.CUT, keyspace, group)
            fact = self._ctx.cuts.swept(keyspace, group, floor)
            self._ctx.ask(STORE, Remember({name: fact}), 0, lambda _: None)
        self._soon(self._next)


def without_garbage(ctx: Context, keyspace: int, group: int, records: list[Record]) -> list[Record]:
    """Return the records without those that are droppable under the group's floor; drop those.

    The sweep has passed, and a heal or a late save has brought such a row all the same: where the
    other replicas have none, the trees would differ for ever.
    """
    floor = ctx.cuts.floor(keyspace, group)
    garbage = [record for record in records if droppable(record, floor)] if floor else []
    if not garbage:
        return records
    drop(ctx, keyspace, group, garbage, lambda _: None)
    return [record for record in records if not droppable(record, floor)]


def drop(
    ctx: Context,
    keyspace: int,
    group: int,
    seen: list[Record],
    then: Callable[[list[Record | None]], None],
) -> None:
    """Remove rows of a group that still are what was seen of them (outlines will do).

    `then` gets what was removed, parallel to `seen`, None where the row had changed; cache and tree
    have followed by then.
    """
    keys, checksums = [record.key for record in seen], [record.checksum for record in seen]

    def dropped(reply: object) -> None:
        assert isinstance(reply, Dropped)
        for row in reply.rows:
            if row is not None:
                ctx.counters.records_dropped += 1
                ctx.cache.forget(keyspace, row.key)
                ctx.trees.update(keyspace, group, row.key, row, None)
        then(reply.rows)

    ctx.writes.ask(DropRecords(keyspace, [group] * len(keys), keys, checksums), dropped)
