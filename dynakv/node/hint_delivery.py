"""Brings hints to their targets, and looks for those that have become too old to bring.

One run per target at a time. It takes the groups that may have hints, a few to a page; reads a page
from disk, sends it as an ordinary `Save`, and removes what the target has now: each row only if it
still is what was sent, for a newer hint of its key may have been merged into it meanwhile. Then it
pauses, for as long as the page took and a little more (a page that hung counts as a second), so
that the target's own clients have at least half of it. What the target would not take now is tried
again later, and later each time.

While a target stays away its hints are looked through a few times per age; those too old are handed
to anti-entropy.
"""

from functools import partial

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import Dropped, DropRecords, Page, Row, ScanRecords
from dynakv.node.context import Context, Placement
from dynakv.node.hint_clearing import drop_damaged
from dynakv.node.hint_shelf import Shelf, Target, stamped_ms, weight
from dynakv.node.messages import STORE, Failed, Outcome, Save, Saved
from dynakv.node.tasks import Kind

# The target has it, or will never need it: it holds the group no more, or all replicas agreed that
# nothing so old enters any more (it was settled without this record, or holds it already).
_DONE = (Outcome.OK, Outcome.FENCED, Outcome.MISPLACED)


class _Run:
    """One walk over the groups of a shelf."""

    __slots__ = (
        "after",
        "began_ms",
        "chunk",
        "damaged",
        "delivered",
        "failed",
        "groups_left",
        "placement",
        "shelf",
        "sweeps",
        "todo",
        "too_old_ms",
    )

    def __init__(
        self, shelf: Shelf, placement: Placement, too_old_ms: int, *, sweeps: bool
    ) -> None:
        self.shelf = shelf
        self.placement = placement
        self.too_old_ms = too_old_ms  # wall clock; what is stamped before is handed over
        self.sweeps = sweeps  # looks for old hints only: the target is away
        self.todo = list(shelf.groups)
        self.chunk: list[int] = []  # groups of the page
        self.after: bytes | None = None  # where in the chunk the next page begins
        self.began_ms = 0  # of this page
        self.delivered = 0
        self.damaged = False  # some were removed because nobody could read them
        self.failed = False  # the target took nothing of the last page
        self.groups_left: dict[int, None] = {}  # with hints that it did not take


class HintDelivery:
    """Delivers the hints of all targets of one node, independently of each other."""

    def __init__(self, ctx: Context) -> None:
        """Begin idle."""
        self._ctx = ctx

    def wake(self, target: Target) -> None:
        """There are hints for this target: see to them, unless that is under way."""
        if not target.busy:
            target.busy = True
            self._later(target, 0)

    def _later(self, target: Target, delay_ms: int) -> None:
        self._ctx.at(self._ctx.now.mono_ms + delay_ms, partial(self._step, target))

    def _step(self, target: Target) -> None:
        """Begin a run, if there is anything to do now."""
        ctx = self._ctx
        shelf = target.next_shelf()
        placement = None if shelf is None else ctx.by_id.get(shelf.keyspace_id)
        if shelf is None:
            self._rest(target)
        elif placement is None:  # about to be forgotten
            self._later(target, ctx.config.heartbeat_ms)
        elif ctx.members.up(target.peer):
            self._show(target)
            run = _Run(shelf, placement, self._too_old_ms(), sweeps=False)
            shelf.groups = {}
            self._read(run)
        else:
            self._end_task(target, f"{target.peer} went away")
            target.failures = 0  # when it is back it gets its hints at once
            if self._sweep_due(shelf):
                self._read(_Run(shelf, placement, self._too_old_ms(), sweeps=True))
            else:
                self._later(target, ctx.config.heartbeat_ms)

    def _rest(self, target: Target) -> None:
        """There are no hints for the target any more."""
        if target.delivered:
            self._ctx.note("hints_delivered", peer=target.peer, rows=target.delivered)
        self._end_task(target)
        target.busy = target.shedding = False
        target.delivered = target.failures = 0

    def _show(self, target: Target) -> None:
        """Show operators a delivery that goes on."""
        ctx = self._ctx
        if target.task is None:
            about, now_ms = f"for {target.peer}", ctx.now.mono_ms
            target.task = ctx.tasks.begin(Kind.HINTS, about, target.rows, now_ms)
        target.task.total = target.task.done + target.rows

    def _end_task(self, target: Target, why: str = "") -> None:
        if target.task is not None:
            self._ctx.tasks.end(target.task, self._ctx.now.mono_ms, why)
            target.task = None

    def _sweep_due(self, shelf: Shelf) -> bool:
        oldest_ms = shelf.oldest_ms
        if oldest_ms is None or self._ctx.now.mono_ms < shelf.sweep_at_ms:
            return False
        return oldest_ms < self._too_old_ms()

    def _too_old_ms(self) -> int:
        """Return the wall clock before which a hint is too old; nothing is while in doubt."""
        ctx = self._ctx
        return ctx.believed_ms() - ctx.config.hint_age_ms if ctx.guard.trusted else 0

    # --- a page ------------------------------------------------------------------------------

    def _read(self, run: _Run) -> None:
        """Read the next page from disk; end the run if there is none or its time is over."""
        ctx, shelf = self._ctx, run.shelf
        if not run.chunk:
            run.chunk, run.todo = run.todo[: limits.HINT_GROUPS], run.todo[limits.HINT_GROUPS :]
            run.after = None
        if not run.chunk or run.failed or ctx.members.up(shelf.target.peer) == run.sweeps:
            self._end(run)
            return
        run.began_ms = ctx.now.mono_ms
        scan = ScanRecords(
            shelf.hidden,
            run.chunk,
            b"",
            run.after,
            None,
            limits.PAGE_ROWS_MAX,
            limits.PAGE_BYTES_MAX,
            keys_only=run.sweeps,
        )
        ctx.ask(STORE, scan, 0, partial(self._paged, run))

    def _paged(self, run: _Run, page: object) -> None:
        """Sort out a page: damaged, too old, to be sent."""
        assert isinstance(page, Page)
        run.after = page.next
        if page.next is None:
            run.chunk = []
        damaged = [
            k for k, r in zip(page.keys, page.rows, strict=True) if not isinstance(r, Record)
        ]
        if damaged:
            self._drop_damaged(run, damaged)
        records = [row for row in page.rows if isinstance(row, Record)]
        old = [record for record in records if stamped_ms(record) < run.too_old_ms]
        if old:
            records = [record for record in records if stamped_ms(record) >= run.too_old_ms]
            self._ctx.counters.hints_dropped_for_age += len(old)
            self._hand_over(run, [record.key for record in old])
        if not page.keys:
            self._read(run)  # that took no time worth a pause
            return
        if run.sweeps or not records:
            self._drop(run, old)
            return
        save = Save(run.placement.keyspace_id, run.placement.epoch, records)
        then = partial(self._saved, run, records, old)
        self._ctx.ask(run.shelf.target.peer, save, self._ctx.deadline(0), then)

    def _saved(self, run: _Run, records: list[Record], old: list[Record], reply: object) -> None:
        """Remove what the target took; what it did not take stays for a later run."""
        if isinstance(reply, Failed):
            run.failed = True
            done = []
        else:
            assert isinstance(reply, Saved)
            outcomes = reply.outcomes or [Outcome.OK] * len(records)
            done = [r for r, outcome in zip(records, outcomes, strict=True) if outcome in _DONE]
            self._ctx.counters.hints_delivered += sum(o is Outcome.OK for o in outcomes)
            run.delivered += len(done)
        if len(done) < len(records):
            taken = {record.key for record in done}
            left = [record.key for record in records if record.key not in taken]
            run.groups_left.update(dict.fromkeys(run.placement.groups_of(left)))
        self._drop(run, old + done)

    def _drop(self, run: _Run, records: list[Record]) -> None:
        """Remove hints from the disk, each only if it still is this one; then go on."""
        if not records:
            self._go_on(run)
            return
        keys = [record.key for record in records]
        groups = run.placement.groups_of(keys)
        checksums = [record.checksum for record in records]
        message = DropRecords(run.shelf.hidden, groups, keys, checksums)
        self._ctx.ask(STORE, message, 0, partial(self._dropped, run, groups))

    def _dropped(self, run: _Run, groups: list[int], reply: object) -> None:
        assert isinstance(reply, Dropped)
        for group, row in zip(groups, reply.rows, strict=True):
            if row is None:  # a newer hint was merged into it, or it was damaged
                run.groups_left[group] = None
            else:
                run.shelf.account(-1, -weight(row))
                self._tell(run.shelf.target, row)
        self._go_on(run)

    def _tell(self, target: Target, hint: Row) -> None:
        """Show operators one hint less."""
        task = target.task
        if task is not None:
            task.done += 1
            task.bytes += weight(hint) - limits.HINT_ROW_BYTES
            task.total = task.done + target.rows

    def _go_on(self, run: _Run) -> None:
        """Read the next page, after a pause as long as this one took and a little more."""
        now_ms = self._ctx.now.mono_ms
        took_ms = min(now_ms - run.began_ms, limits.HINT_PAUSE_MS_MAX)
        self._ctx.at(now_ms + self._ctx.config.hint_pause_ms + took_ms, partial(self._read, run))

    def _end(self, run: _Run) -> None:
        """Leave the shelf as the run found it, but for what is gone; plan the next run."""
        ctx, shelf = self._ctx, run.shelf
        target = shelf.target
        over = not run.chunk and not run.todo
        if run.sweeps:
            if over:
                shelf.oldest_ms = run.too_old_ms  # what is left was stamped later
                shelf.sweep_at_ms = ctx.now.mono_ms + ctx.config.hint_age_ms // limits.HINT_SWEEPS
            self._later(target, 0 if not over else ctx.config.heartbeat_ms)
            return
        shelf.groups.update(dict.fromkeys([*run.chunk, *run.todo]) | run.groups_left)
        target.delivered += run.delivered
        if run.failed or (run.groups_left and not run.delivered and not run.damaged):
            backoff = min(target.failures, limits.HINT_BACKOFFS)
            target.failures += 1
            self._later(target, ctx.config.heartbeat_ms << backoff)
            return
        target.failures = 0
        if not shelf.groups:
            shelf.emptied()
        self._later(target, ctx.config.hint_pause_ms)

    # --- what is not delivered ---------------------------------------------------------------

    def _hand_over(self, run: _Run, keys: list[bytes]) -> None:
        for group in run.placement.groups_of(keys):
            self._ctx.repair_wanted.add(run.shelf.keyspace_id, group, run.shelf.target.peer)

    def _drop_damaged(self, run: _Run, keys: list[bytes]) -> None:
        """A damaged hint cannot be delivered any more, which is no failure of the target."""
        run.damaged = True
        self._ctx.counters.damaged_rows += len(keys)
        self._hand_over(run, keys)
        groups = run.placement.groups_of(keys)
        drop_damaged(self._ctx, run.shelf.hidden, groups, keys)
        run.groups_left.update(dict.fromkeys(groups))
