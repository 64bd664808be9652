"""Removes what dropped keyspaces leave on this node's disk, a little at a time.

Which rows and facts those are follows from the layout and the tables, so a restart goes on where
the last life ended, and nothing is remembered for it. Nobody reads or writes them any more: their
id is in no layout and is never used again. Hints lie in hidden keyspaces, which stay as long as
the keyspace they are for, and so do the rows of Raft groups.
"""

from collections.abc import Sequence

from dynakv import limits
from dynakv.core import facts, table
from dynakv.core.raft_rows import hidden_keyspaces
from dynakv.node.context import Context
from dynakv.node.hint_shelf import hidden_keyspace
from dynakv.node.messages import STORE
from dynakv.node.tasks import Kind, Task

_KINDS = (facts.CLEAN, facts.CUT, facts.RECOVERING)  # of facts about groups


class Sweeper:
    """Looks for strays at the start and after every drop, one step under way at a time."""

    def __init__(self, ctx: Context) -> None:
        """Begin at the first tick."""
        self._ctx = ctx
        self._running = False
        self._again = False
        self._task: Task | None = None  # for operators; None: nothing was found yet
        ctx.at(ctx.now.mono_ms, self._begin)
        for kind in _KINDS:
            known = facts.about_groups(ctx.remembered.facts, kind)
            self._forget([(kind, k, group) for k, group, _ in known if k not in ctx.by_id])

    def clear(self, keyspace: int, groups: int) -> None:
        """Remove a dropped keyspace: the facts about its groups now, its rows step by step."""
        self._ctx.cuts.forget_keyspace(keyspace)
        self._forget([(kind, keyspace, group) for group in range(groups) for kind in _KINDS])
        self._begin()

    def _forget(self, gone: Sequence[tuple[str, int, int]]) -> None:
        most = limits.TRANSACTION_ROWS_MAX
        for start in range(0, len(gone), most):
            names = [facts.group_name(*which) for which in gone[start : start + most]]
            self._ctx.ask(STORE, table.Remember(dict.fromkeys(names)), 0, _ignored)

    def _begin(self) -> None:
        """Look for rows of keyspaces that the layout in force does not have."""
        if self._running:
            self._again = True
            return
        self._running = True
        self._again = False
        # Writes that were taken before the drop may still wait for the disk. It does what it is
        # told in order: when this empty removal is done, so are they, and the search sees them.
        self._ctx.ask(STORE, table.RemoveRows(0, [], []), 0, lambda _: self._find())

    def _find(self) -> None:
        request = table.FindStrays(self._kept(), limits.SWEEP_ROWS_MAX)
        self._ctx.ask(STORE, request, 0, self._found)

    def _kept(self) -> list[int]:
        ctx = self._ctx
        hints = [hidden_keyspace(peer, keyspace) for keyspace in ctx.by_id for peer in ctx.peers]
        rafts = [keyspace for keyspace, placement in ctx.by_id.items() if placement.raft]
        groups = [hidden for keyspace in rafts for hidden in hidden_keyspaces(keyspace)]
        return [*ctx.by_id, *hints, *groups]

    def _found(self, reply: object) -> None:
        assert isinstance(reply, table.Strays)
        ctx = self._ctx
        if reply.keyspace in self._kept():  # made while the disk looked
            self._find()
            return
        task = self._task
        if reply.keys:
            about, now_ms = "rows of dropped keyspaces", ctx.now.mono_ms
            self._task = task = task or ctx.tasks.begin(Kind.SWEEP, about, 0, now_ms)
            task.done += len(reply.keys)
            task.total = task.done
            step = table.RemoveRows(reply.keyspace, reply.groups, reply.keys)
            pause_ms = limits.SWEEP_PAUSE_MS
            ctx.ask(STORE, step, 0, lambda _: ctx.at(ctx.now.mono_ms + pause_ms, self._find))
            return
        self._running = False
        if task is not None:
            self._task = None
            ctx.tasks.end(task, ctx.now.mono_ms)
        if self._again:
            self._begin()


def _ignored(_: object) -> None:
    """The order of STORE's work is all that matters."""
