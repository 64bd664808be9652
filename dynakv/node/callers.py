"""Who asked for which entries of an operation that serves many callers at once."""

from bisect import bisect_right
from collections.abc import Callable, Iterator

from msgspec import Struct

from dynakv.errors import Failure, Kind
from dynakv.node.context import Context
from dynakv.node.messages import Answer, Refused


class Callers:
    """Maps entries of one operation back to (call, entry of that call's own message)."""

    __slots__ = ("_calls", "_ctx", "_firsts", "count")

    def __init__(self, ctx: Context) -> None:
        """Begin with no caller."""
        self._ctx = ctx
        self._calls: list[int] = []
        self._firsts: list[int] = []  # the operation's entry at which each call's entries begin
        self.count = 0

    def add(self, call: int, count: int) -> None:
        """Append the `count` entries of one call."""
        self._calls.append(call)
        self._firsts.append(self.count)
        self.count += count

    def answer(self, entries: list[int], reply: Callable[[list[int], list[int]], Struct]) -> None:
        """Answer ascending `entries`: `reply(own, mine)` makes the part of each call.

        `own` are indices into the call's message, `mine` the same entries of the operation.
        """
        effects = self._ctx.effects
        for call, first, mine in self._split(entries):
            own = [entry - first for entry in mine] if first else mine
            effects.append(Answer(call, reply(own, mine)))

    def refuse(self, entries: list[int], failure: Failure) -> None:
        """Answer that these entries failed."""
        self._ctx.counters.failed_entries += len(entries)
        self.answer(entries, lambda own, _: Refused(own, failure))

    def refuse_all(self, kind: Kind, reason: str) -> None:
        """Answer that every entry failed."""
        self.refuse(list(range(self.count)), Failure(kind, reason))

    def _split(self, entries: list[int]) -> Iterator[tuple[int, int, list[int]]]:
        firsts = self._firsts
        if len(firsts) == 1:
            yield self._calls[0], 0, entries
            return
        start = 0
        while start < len(entries):
            index = bisect_right(firsts, entries[start]) - 1
            last = firsts[index + 1] if index + 1 < len(firsts) else self.count
            end = start + 1
            while end < len(entries) and entries[end] < last:
                end += 1
            yield self._calls[index], firsts[index], entries[start:end]
            start = end


def nobody(entries: list[int], _: object) -> None:
    """Stand for the callers of an operation that is over: there is nothing left to tell them."""
    assert not entries
