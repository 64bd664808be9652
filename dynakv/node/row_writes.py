"""The one way by which rows of shard groups are changed: what the hash trees' durability rests on.

A group whose tree was flushed to disk carries a clean mark (`node/clean_marks.py`), which must be
gone, durably, before or with the group's next write. STORE applies operations in the order in which
they were asked, so the mark's end is asked right before the write: one small operation per group
and clean period, in the same transaction. Replies come in that order as well, which is how it is
known what of all that was asked has been reported: of everything (`settled`), of one group
(`reported`).
"""

from collections import deque
from collections.abc import Callable

from dynakv.core import facts
from dynakv.core.table import DropRecords, MergeRecords, Remember

Then = Callable[[object], None]


class RowWrites:
    """Asks STORE for changes of rows; knows which groups are marked clean, and written when.

    Changes are numbered in the order in which they are asked, from 1.
    """

    __slots__ = ("_answered", "_ask", "_last", "_marked", "_waiting", "asked")

    def __init__(self, ask: Callable[[object, Then], object]) -> None:
        """Begin with nothing under way; `ask(operation, then)` asks STORE."""
        self._ask = ask
        self.asked = 0  # changes so far
        self._answered = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        # Keyspace id -> groups; only ever asked for membership.
        self._marked: dict[int, set[int]] = {}
        # Keyspace id -> group -> the number of its last change.
        self._last: dict[int, dict[int, int]] = {}

    def ask(self, operation: MergeRecords | DropRecords, then: Then) -> None:
        """Ask STORE for a change of rows; `then` gets its reply."""
        keyspace, groups = operation.keyspace, operation.groups
        self.asked += 1
        last = self._last.get(keyspace)
        if last is None:
            last = self._last[keyspace] = {}
        last.update(dict.fromkeys(groups, self.asked))
        marked = self._marked.get(keyspace)
        if marked and not marked.isdisjoint(groups):
            self.clear(keyspace, groups)

        def answered(reply: object) -> None:
            then(reply)
            self._answered += 1
            while self._waiting and self._waiting[0][0] <= self._answered:
                self._waiting.popleft()[1]()

        self._ask(operation, answered)

    def settled(self, then: Callable[[], None]) -> None:
        """Call `then` once every change asked for so far was reported; at once if all were."""
        if self._answered == self.asked:
            then()
        else:
            self._waiting.append((self.asked, then))

    # --- clean marks -------------------------------------------------------------------------

    def mark(self, keyspace: int, group: int) -> None:
        """Take note that the group's clean mark is durable, or asked for."""
        self._marked.setdefault(keyspace, set()).add(group)

    def marked(self, keyspace: int, group: int) -> bool:
        """Say whether the group carries a clean mark."""
        return group in self._marked.get(keyspace, ())

    def clear(self, keyspace: int, groups: list[int]) -> None:
        """Remove the clean marks of these groups, in order before whatever is asked for next."""
        marked = self._marked.get(keyspace)
        gone = [group for group in dict.fromkeys(groups) if marked and group in marked]
        if marked and gone:
            marked.difference_update(gone)
            names = [facts.group_name(facts.CLEAN, keyspace, group) for group in gone]
            self._ask(Remember(dict.fromkeys(names)), _ignore)

    def drop(self, keyspace: int) -> None:
        """Forget a keyspace that is gone; its marks are removed with all facts about it."""
        self._marked.pop(keyspace, None)
        self._last.pop(keyspace, None)

    # --- groups at rest ----------------------------------------------------------------------

    def written_since(self, keyspace: int, group: int, number: int) -> bool:
        """Say whether a change of the group was asked for after that number."""
        return self._last_of(keyspace, group) > number

    def reported(self, keyspace: int, group: int) -> bool:
        """Say whether nothing is on its way to the group: all its changes were reported."""
        return self._last_of(keyspace, group) <= self._answered

    def _last_of(self, keyspace: int, group: int) -> int:
        return self._last.get(keyspace, {}).get(group, 0)


def _ignore(reply: object) -> None:
    del reply
