"""One round: everything that two nodes share, compared; only groups that differ get a session.

One Compare asks about many groups at once, and its reply brings the leaves of a bounded number of
those that differ. Under load most groups differ at any moment, by writes that have reached one of
the two and not yet the other; a session would read all their keys for nothing. So everything is
looked at first, and after `repair_settle_ms` once more what differed: a group gets a session for
the leaves that differed both times. A leaf that was equal once was equal.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.hashtree import LEAVES
from dynakv.core.layout import NodeId
from dynakv.node.antientropy import AntiEntropy
from dynakv.node.compare import unlike
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
        self._differed: dict[tuple[int, int], dict[int, None]] = {}  # leaves, at the first look
        self._again = not ctx.config.repair_settle_ms  # this is the look after which sessions begin
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
            self._settle()
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
        differing: dict[tuple[int, int], list[int]] = {}  # with the peer's leaves
        for where, likeness in zip(asked, reply.likenesses, strict=True):
            if likeness is Likeness.EQUAL:
                self._equal(where[0])
            elif likeness is Likeness.DIFFERS:
                start = len(differing) * LEAVES
                differing[where] = reply.leaves[start : start + LEAVES]
            elif likeness is Likeness.LATER:
                later.append(where)
            else:
                self._not_ready += 1
        self._groups = later + self._groups
        self._sessions = len(differing)
        for where, theirs in differing.items():
            self._look_at(where, theirs)
        if not differing:
            self._later()

    def _look_at(self, where: tuple[int, int], theirs: list[int]) -> None:
        """Note which leaves of a group differ; at the second look make equal what still does."""
        keyspace, group = where
        ours = self._ctx.trees.leaves(keyspace, group)
        if ours is None:
            self._not_ready += 1
            self._one_less()
            return
        leaves = unlike(ours, theirs)
        if not self._again:
            self._differed[where] = leaves
            self._one_less()
            return
        before = self._differed.get(where, leaves)
        leaves = {leaf: None for leaf in leaves if leaf in before}
        if leaves:
            then = partial(self._synced, keyspace)
            self._anti_entropy.sync(keyspace, group, self._peer, then, leaves)
        else:
            self._equal(keyspace)
            self._one_less()

    def _settle(self) -> None:
        """Everything was looked at: end, or look again, in a while, at what differed."""
        if self._again or not self._differed:
            self._end()
            return
        self._again = True
        self._groups = list(self._differed)
        self._ctx.at(self._ctx.now.mono_ms + self._ctx.config.repair_settle_ms, self.start)

    def _equal(self, keyspace: int, counted: int = 1) -> None:
        """Take note of one more group that is equal; with the last the keyspace is compared."""
        now_ms = self._ctx.now.mono_ms
        self._ctx.counters.groups_compared += counted
        self._task.done += 1
        self._left[keyspace] -= 1
        if self.whole and not self._left[keyspace] and keyspace in self._ctx.by_id:
            last = LastRound(now_ms, now_ms - self._began_ms[keyspace])
            self._ctx.tasks.rounds[keyspace, self._peer] = last

    def _synced(self, keyspace: int, synced: Synced) -> None:
        self._task.bytes += synced.bytes_in + synced.bytes_out
        if synced.ending is Ending.DONE:
            self._equal(keyspace, counted=0)  # the session was counted
        elif synced.ending is Ending.NOT_READY:
            self._not_ready += 1
        else:
            self._why = self._why or synced.why
        self._one_less()

    def _one_less(self) -> None:
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
