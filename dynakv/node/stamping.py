"""Hands out stamps, and keeps the clock's durable ceiling ahead of them.

A reading is issued only below a ceiling that STORE has confirmed (`core/hlc.py`). A busy node
raises it in passing, in transactions that happen anyway; the first write after a pause waits.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.table import CeilingRaised, RaiseCeiling
from dynakv.errors import Failure, Kind
from dynakv.node.context import Context
from dynakv.node.messages import STORE

# When it was asked for (believed wall clock), how many readings, and who gets them or a refusal.
_Waiting = tuple[int, int, Callable[[int], None], Callable[[Kind, str], None]]


class Stamper:
    """Issues runs of consecutive readings; the writer is the node's incarnation."""

    def __init__(self, ctx: Context) -> None:
        """Stamp for the node of this context."""
        self._ctx = ctx
        self._raising = False
        self._waiting: dict[int, _Waiting] = {}  # in the order they came
        self._last = 0

    def refusal(self) -> Failure | None:
        """Say why this node may not coordinate now, or None."""
        ctx = self._ctx
        if not ctx.guard.trusted:
            ctx.counters.clock_refusals += 1
            return Failure(
                Kind.UNAVAILABLE,
                f"node {ctx.node_id} does not trust its clock: no majority of the"
                f" {len(ctx.peers) + 1} members has agreed with it within"
                f" {ctx.config.clock_bound_ms} ms since its start or its last leap",
            )
        if not ctx.clock.within_bound(ctx.believed_ms()):
            ctx.counters.clock_refusals += 1
            return Failure(
                Kind.UNAVAILABLE,
                f"node {ctx.node_id} waits for its wall clock: stamps issued before stand more than"
                f" {ctx.config.clock_bound_ms} ms ahead of it",
            )
        return None

    def take(
        self,
        count: int,
        deadline_ms: int,
        then: Callable[[int], None],
        refused: Callable[[Kind, str], None],
    ) -> None:
        """Call `then` with the first of `count` readings, now or when the ceiling is raised.

        If the disk does not confirm it before the deadline (monotonic), `refused` is called.
        """
        clock = self._ctx.clock
        wall_ms = self._ctx.believed_ms()
        first = clock.issue(wall_ms, count)
        if first is None:
            self._last += 1
            self._waiting[self._last] = (wall_ms, count, then, refused)
            self._ctx.at(deadline_ms, partial(self._expire, self._last))
        if first is None or clock.ceiling_ms - wall_ms < limits.HLC_AHEAD_MS // 2:
            self._raise(wall_ms)
        if first is not None:
            then(first)

    def keep_alive(self) -> None:
        """Let the ceiling say that this node lives, where no write has raised it lately."""
        wall_ms = self._ctx.believed_ms()
        if self._ctx.guard.trusted and self._ctx.clock.ceiling_ms < wall_ms:
            self._raise(wall_ms)

    def _expire(self, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            _, _, _, refused = waiting
            reason = f"nothing was written: the disk of node {self._ctx.node_id} did not answer"
            refused(Kind.UNAVAILABLE, reason)

    def _raise(self, wall_ms: int) -> None:
        if self._raising:
            return
        self._raising = True
        message = RaiseCeiling(self._ctx.clock.wanted_ceiling_ms(wall_ms))
        self._ctx.ask(STORE, message, 0, self._raised)

    def _raised(self, reply: object) -> None:
        assert isinstance(reply, CeilingRaised)
        clock = self._ctx.clock
        clock.raise_ceiling(reply.ceiling_ms)
        self._raising = False
        waiting, self._waiting = self._waiting, {}
        refusal = self.refusal()  # the clock may have leapt while they waited
        for number, (arrival_ms, count, then, refused) in waiting.items():
            if refusal is not None:
                refused(refusal.kind, refusal.reason)
                continue
            # Where the disk took longer than the ceiling runs ahead, a stamp lags behind the wall
            # clock rather than wait for ever, but never behind the moment it was asked for: who
            # came too late for this ceiling waits for the next, which is above all so far.
            first = None
            if arrival_ms < clock.ceiling_ms:
                first = clock.issue(min(self._ctx.believed_ms(), clock.ceiling_ms - 1), count)
            if first is None:
                self._waiting[number] = (arrival_ms, count, then, refused)
                self._raise(self._ctx.believed_ms())
            else:
                then(first)
