"""Heals rows whose damage was seen, without waiting for a client to read them.

A damaged row may be overwritten only after a while, and only with what was merged from enough other
replicas (`node/damage.py`, `node/write_back.py`). A read of its key does all of that; so this reads
the keys whose time has come. It does not find damage: reads, lists, comparisons and scrubs do.
"""

from dynakv import limits
from dynakv.core.record import Record
from dynakv.errors import Failure
from dynakv.node.context import Context, Placement
from dynakv.node.quorum_read import QuorumRead
from dynakv.node.replica import Replica


class Healer:
    """Reads damaged keys of this node when they may be healed."""

    def __init__(self, ctx: Context, replica: Replica) -> None:
        """Look now and then."""
        self._ctx = ctx
        self._replica = replica
        ctx.at(ctx.now.mono_ms + self._pause_ms(), self._look)

    def _pause_ms(self) -> int:
        return self._ctx.config.heal_after_ms // limits.HEAL_LOOKS

    def _look(self) -> None:
        ctx = self._ctx
        ctx.at(ctx.now.mono_ms + self._pause_ms(), self._look)
        if ctx.repair_paused or not len(ctx.damaged_rows):
            return
        due: dict[int, list[bytes]] = {}
        for keyspace, key in ctx.damaged_rows.due(ctx.now.mono_ms, limits.HEALED_KEYS_MAX):
            due.setdefault(keyspace, []).append(key)
        for keyspace, keys in due.items():
            placement = ctx.by_id.get(keyspace)
            if placement is not None:
                self._heal(placement, keys)

    def _heal(self, placement: Placement, keys: list[bytes]) -> None:
        ctx = self._ctx
        groups = placement.groups_of(keys)
        held = [key for key, group in zip(keys, groups, strict=True) if placement.held[group]]
        if not held:
            return
        keyspace = placement.keyspace
        enough = max(keyspace.rq, keyspace.n - keyspace.wq + 1)
        deadline_ms = ctx.deadline(ctx.config.repair_attempt_ms)
        ctx.counters.heals_tried += len(held)
        QuorumRead(
            ctx, self._replica, placement, held, enough, 0, deadline_ms, _found, _failed
        ).start()


def _found(entries: list[int], records: list[Record | None]) -> None:
    """The heal itself is a write of the read that found this."""
    del entries, records


def _failed(entries: list[int], failure: Failure) -> None:
    """Too few replicas answered; the next look tries again."""
    del entries, failure
