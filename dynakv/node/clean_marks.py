"""Clean marks: the leaves of groups at rest, on disk, so that a restart need not read every row.

The leaves of a hash tree live in memory. When a group was not written for a while its leaves are
flushed as a fact (`core.facts.CLEAN`), which `node/row_writes.py` removes before the group's next
write; a node that is told to stop flushes all groups. So a mark that is found at start stands for
exactly the rows on disk, whatever happened. Groups without one are unknown and are rebuilt.

A flush is right only if nothing is on its way to the group: the leaves would lack what is durable
before the mark is. It takes groups whose last change was reported. What is asked later comes behind
the flush and removes the mark again.
"""

from collections.abc import Callable
from functools import partial

from msgspec import MsgspecError, msgpack

from dynakv import limits
from dynakv.core import facts, hashtree
from dynakv.core.table import Remember
from dynakv.node.context import Context
from dynakv.node.messages import STORE

_Where = tuple[int, int]  # keyspace id, group


class CleanMarks:
    """Makes groups known at start, and flushes those that are at rest."""

    def __init__(self, ctx: Context) -> None:
        """Read the marks of the data directory, then look for groups at rest now and then."""
        self._ctx = ctx
        self._looked_at = 0  # the number of the last change at the last look
        for keyspace, group, fact in facts.about_groups(ctx.remembered.facts, facts.CLEAN):
            leaves = leaves_of(fact)
            ctx.writes.mark(keyspace, group)
            if leaves is not None:
                ctx.trees.adopt(keyspace, group, leaves)
        ctx.at(ctx.now.mono_ms + ctx.config.clean_after_ms, self._look)

    def drain(self, then: Callable[[], None]) -> None:
        """Flush until every known group carries its mark, then call `then`.

        Nobody is listened to any more, but what had come in, or what this node does by itself, may
        still write to a group while others are flushed: pass after pass, until none is left.
        """
        self._ctx.writes.settled(partial(self._drained, then))

    def _drained(self, then: Callable[[], None]) -> None:
        unmarked = self._unmarked()
        if unmarked:
            self._flush(unmarked, partial(self.drain, then))
        else:
            then()

    def _look(self) -> None:
        ctx = self._ctx
        ctx.at(ctx.now.mono_ms + ctx.config.clean_after_ms, self._look)
        quiet = self._at_rest()
        self._looked_at = ctx.writes.asked
        if quiet and not ctx.disk_full:
            self._flush(quiet, _nothing)

    def _at_rest(self) -> list[_Where]:
        """Return the known groups without a mark that were not written since the last look."""
        writes, looked_at = self._ctx.writes, self._looked_at
        return [where for where in self._unmarked() if not writes.written_since(*where, looked_at)]

    def _unmarked(self) -> list[_Where]:
        trees, writes = self._ctx.trees, self._ctx.writes
        return [
            (keyspace, group)
            for keyspace, placement in self._ctx.by_id.items()
            for group, held in enumerate(placement.held)
            if held and not writes.marked(keyspace, group) and trees.known(keyspace, group)
        ]

    def _flush(self, groups: list[_Where], then: Callable[[], None]) -> None:
        """Flush a bounded number of groups, and the rest when those are durable."""
        ctx = self._ctx
        names: dict[str, bytes | None] = {}
        for keyspace, group in groups[: limits.CLEAN_MARKS_MAX]:
            leaves = ctx.trees.leaves(keyspace, group)
            if leaves is not None and ctx.writes.reported(keyspace, group):
                names[facts.group_name(facts.CLEAN, keyspace, group)] = fact_of(leaves)
                ctx.writes.mark(keyspace, group)
        rest = groups[limits.CLEAN_MARKS_MAX :]
        if names:
            ctx.counters.clean_marks += len(names)
            after = (lambda _: self._flush(rest, then)) if rest else (lambda _: then())
            ctx.ask(STORE, Remember(names), 0, after)
        elif rest:
            self._flush(rest, then)
        else:
            then()


def fact_of(leaves: list[int]) -> bytes:
    """Return the fact of a clean group: empty where nothing lies in it, else leaves and root."""
    if not any(leaves):
        return msgpack.encode((b"", 0))
    packed = hashtree.pack(leaves)
    return msgpack.encode((packed, hashtree.root_of(packed)))


def leaves_of(fact: bytes) -> list[int] | None:
    """Return the leaves of a fact; None where it is not what was flushed."""
    try:
        packed, root = msgpack.decode(fact, type=tuple[bytes, int])
    except MsgspecError:
        return None
    if not packed:
        return [0] * hashtree.LEAVES
    return hashtree.unpack(packed) if hashtree.root_of(packed) == root else None


def _nothing() -> None:
    pass
