"""One round: everything that two nodes share, compared; only groups that differ get a session.

One Compare asks about many groups at once. Its reply brings the leaves of a bounded number of those
that differ; when their sessions have ended, the next Compare asks about the rest.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.hashtree import LEAVES
from dynakv.core.layout import NodeId
from dynakv.node.antientropy import AntiEntropy
from dynakv.node.context import Context
from dynakv.node.messages import Failed
from dynakv.node.repair_messages import Compare, Compared, Likeness
from dynakv.node.session import Ending, Synced
from dynakv.node.tasks import LastRound, Task

Groups = list[tuple[int, int]]  # (keyspace id, group)


class Round:
    """Compares groups with one peer; ends its task, then calls `then`."""

    def __init__(
        self,
        ctx: Context,
        anti_entropy: AntiEntropy,
        peer: NodeId,
        groups: Groups,
        task: Task,
        then: Callable[[], None],
    ) -> None:
        """Prepare; `groups` are shared with the peer, those of a keyspace in a row."""
        self._ctx = ctx
        self._anti_entropy = anti_entropy
        self._peer = peer
        self._groups = groups
        self._task = task
        self._then = then
        self._sessions = 0
        self._not_ready = 0
        self._why = ""  # of the first group that stays different
        self.whole = True  # `groups` are all that the peer shares of each keyspace in them
        self._left = Counter(keyspace for keyspace, _ in groups)  # not equal yet
        self._began_ms: dict[int, int] = {}  # by keyspace

    def start(self) -> None:
        """Ask about the next groups, as many as one Compare takes."""
        ctx = self._ctx
        asked, roots = self._take()
        if not asked:
            self._end()
            return
        keyspace = asked[0][0]
        self._began_ms.setdefault(keyspace, ctx.now.mono_ms)
        placement = ctx.by_id[keyspace]
        compare = Compare(keyspace, placement.epoch, [group for _, group in asked], roots)
        deadline_ms = ctx.deadline(ctx.config.repair_attempt_ms)
        ctx.ask(self._peer, compare, deadline_ms, partial(self._compared, asked))

    def _take(self) -> tuple[Groups, list[int]]:
        """Take groups of one keyspace off the list, with their roots; unknown ones are left out."""
        asked: Groups = []
        roots: list[int] = []
        taken = 0
        for keyspace, group in self._groups:
            if asked and (keyspace != asked[0][0] or len(asked) == limits.COMPARE_GROUPS_MAX):
                break
            taken += 1
            root = self._ctx.trees.root(keyspace, group) if keyspace in self._ctx.by_id else None
            if root is None:
                self._not_ready += 1
            else:
                asked.append((keyspace, group))
                roots.append(root)
        self._groups = self._groups[taken:]
        return asked, roots

    def _compared(self, asked: Groups, reply: object) -> None:
        if isinstance(reply, Failed):
            self._why = self._why or f"an ask failed: {reply.reason.name.lower()}"
            self._end()
            return
        assert isinstance(reply, Compared)
        later: Groups = []
        differing: Groups = []
        for where, likeness in zip(asked, reply.likenesses, strict=True):
            if likeness is Likeness.EQUAL:
                self._equal(where[0])
                self._ctx.counters.groups_compared += 1
            elif likeness is Likeness.DIFFERS:
                differing.append(where)
            elif likeness is Likeness.LATER:
                later.append(where)
            else:
                self._not_ready += 1
        self._groups = later + self._groups
        self._sessions = len(differing)
        for i, (keyspace, group) in enumerate(differing):
            leaves = reply.leaves[i * LEAVES : (i + 1) * LEAVES]
            then = partial(self._synced, keyspace)
            self._anti_entropy.sync(keyspace, group, self._peer, then, leaves)
        if not differing:
            self._later()

    def _equal(self, keyspace: int) -> None:
        """Take note of one more group that is equal; with the last the keyspace is compared."""
        now_ms = self._ctx.now.mono_ms
        self._task.done += 1
        self._left[keyspace] -= 1
        if self.whole and not self._left[keyspace] and keyspace in self._ctx.by_id:
            last = LastRound(now_ms, now_ms - self._began_ms[keyspace])
            self._ctx.tasks.rounds[keyspace, self._peer] = last

    def _synced(self, keyspace: int, synced: Synced) -> None:
        self._task.bytes += synced.bytes_in + synced.bytes_out
        if synced.ending is Ending.DONE:
            self._equal(keyspace)
        elif synced.ending is Ending.NOT_READY:
            self._not_ready += 1
        else:
            self._why = self._why or synced.why
        self._sessions -= 1
        if not self._sessions:
            self._later()

    def _later(self) -> None:
        self._ctx.at(self._ctx.now.mono_ms + self._ctx.config.repair_pause_ms, self.start)

    def _end(self) -> None:
        why = self._why
        if not why and self._not_ready:
            why = f"the trees of {self._not_ready} groups are unknown here or there as yet"
        self._ctx.tasks.end(self._task, self._ctx.now.mono_ms, why)
        self._then()
