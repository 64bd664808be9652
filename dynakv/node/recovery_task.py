"""Shows operators how far the recovery of forgotten groups is (`node/recovery.py`), as a task.

It only looks, now and then, at which groups are still marked: whoever marks and whoever ends a
recovery need not know that somebody counts.
"""

from dynakv.node.context import Context
from dynakv.node.tasks import Kind, Task


class RecoveryTask:
    """The task of one node: begun with the first group that recovers, ended after the last."""

    def __init__(self, ctx: Context) -> None:
        """Begin to look."""
        self._ctx = ctx
        self._task: Task | None = None
        self._left: dict[tuple[int, int], None] = {}
        ctx.at(ctx.now.mono_ms, self._look)

    def _look(self) -> None:
        ctx = self._ctx
        now_ms = ctx.now.mono_ms
        ctx.at(now_ms + ctx.config.look_ms, self._look)
        left = dict(ctx.recovering)
        if left and self._task is None:
            self._task = ctx.tasks.begin(Kind.RECOVERY, "groups it forgot", 0, now_ms)
        task = self._task
        if task is None:
            return
        task.done += sum(where not in left for where in self._left)
        task.total = task.done + len(left)
        self._left = left
        if not left:
            ctx.tasks.end(task, now_ms)
            self._task = None
