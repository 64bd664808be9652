"""Groups of which this node has forgotten what it acknowledged, and how it makes up for that.

A directory that was set back to a snapshot, or that was away for longer than the horizon, may lack
records that this node had confirmed, and may hold some that were deleted since and forgotten
everywhere. Such a group is marked as recovering, durably (`core.facts.RECOVERING`). It takes what
is saved to it, but answers no read, list, comparison or fence: its coordinators count it as lost.

It recovers by merging max(rq, n - wq + 1) other replicas completely. Of the wq that confirmed a
write at least wq - 1 are others, so at most n - wq others lack it: one of those merged has it. What
it holds and a peer has forgotten under its floor is void and dropped (`core/floors.py`); that is
what `node/session.py` does for such a group.

What this node acknowledged in its former life, others may still be counting: a write that one
replica more will confirm, when that one has been merged already. So only comparisons count that
begin `recover_after_ms` after the start of this life, when every request of that time is over.
(What anti-entropy ships before that is merged all the same.)

Where too few others can answer the group stays as it is, until they return or an operator accepts
what may be lost.
"""

from functools import partial
from typing import Final

from dynakv import limits
from dynakv.core import facts
from dynakv.core.layout import NodeId
from dynakv.core.table import Remember
from dynakv.node.antientropy import AntiEntropy
from dynakv.node.context import Context
from dynakv.node.messages import STORE
from dynakv.node.session import Ending, Synced

_Where = tuple[int, int]  # keyspace id, group
_WHAT_TO_DO: Final = (
    "let the others run: it merges them and answers then (dynakv-admin status); "
    "if too few will ever return: dynakv-admin recover --accept-loss"
)


class Recovery:
    """Recovers the marked groups of one node, a few at a time."""

    def __init__(self, ctx: Context, anti_entropy: AntiEntropy) -> None:
        """Go on with the groups that the data directory marks."""
        self._ctx = ctx
        self._anti_entropy = anti_entropy
        self._merged: dict[_Where, dict[NodeId, None]] = {}  # in this life
        self._busy: dict[_Where, None] = {}  # are being compared
        self._ending: dict[_Where, None] = {}  # their marks are being removed
        self._from_ms = ctx.now.mono_ms + ctx.config.recover_after_ms
        self._looking = False
        if ctx.recovering:
            ctx.note("recovering", groups=len(ctx.recovering), what_to_do=_WHAT_TO_DO)
            self._begin_to_look()

    def mark(self, groups: list[tuple[int, int]], why: str) -> None:
        """Mark groups (keyspace id, group) whose rows here are not to be trusted; durably."""
        ctx = self._ctx
        known = ctx.recovering.keys() - self._ending.keys()
        marked = [where for where in groups if where not in known]
        if not marked:
            return
        ctx.recovering.update(dict.fromkeys(marked))
        self._begin_to_look()
        for where in marked:
            self._merged.pop(where, None)
            self._ending.pop(where, None)
        ctx.note("recovering", groups=len(ctx.recovering), why=why, what_to_do=_WHAT_TO_DO)
        names: dict[str, bytes | None] = {_name(where): why.encode() for where in marked}
        ctx.ask(STORE, Remember(names), 0, _kept)

    def accept_loss(self, keyspace_id: int | None = None) -> int:
        """Let groups answer with what they hold (None: of all keyspaces); return how many."""
        wanted = [w for w in self._ctx.recovering if keyspace_id in (None, w[0])]
        for where in wanted:
            self._end(where)
        if wanted:
            self._ctx.note("loss_accepted", groups=len(wanted))
        return len(wanted)

    def _begin_to_look(self) -> None:
        if not self._looking:
            self._looking = True
            self._ctx.at(max(self._from_ms, self._ctx.now.mono_ms), self._look)

    def _look(self) -> None:
        ctx = self._ctx
        if not ctx.recovering:
            self._looking = False
            return
        ctx.at(ctx.now.mono_ms + ctx.config.recover_pause_ms, self._look)
        room = limits.RECOVERING_AT_ONCE - len(self._busy)
        for where in list(ctx.recovering):
            if room <= 0:
                return
            if where not in self._busy and where not in self._ending and self._begin(where):
                room -= 1

    def _begin(self, where: _Where) -> bool:
        """Merge the next replica of a group; False where none can be asked now."""
        ctx = self._ctx
        keyspace, group = where
        placement = ctx.by_id.get(keyspace)
        if placement is None or not placement.holds(group):
            self._end(where)
            return False
        merged = self._merged.setdefault(where, {})
        if not ctx.trees.known(keyspace, group):
            return False
        for peer in placement.replicas[group]:
            if peer != ctx.node_id and peer not in merged and ctx.members.up(peer):
                self._busy[where] = None
                then = partial(self._synced, where, peer)
                self._anti_entropy.sync(keyspace, group, peer, then)
                return True
        return False

    def _synced(self, where: _Where, peer: NodeId, synced: Synced) -> None:
        ctx = self._ctx
        del self._busy[where]
        merged = self._merged.get(where)
        placement = ctx.by_id.get(where[0])
        if merged is None or placement is None or where not in ctx.recovering:
            return
        if synced.ending is not Ending.DONE:
            # Behind the others, so that one that cannot be merged does not hold them up.
            del ctx.recovering[where]
            ctx.recovering[where] = None
            return
        merged[peer] = None
        keyspace = placement.keyspace
        if len(merged) >= max(keyspace.rq, keyspace.n - keyspace.wq + 1):
            self._end(where)

    def _end(self, where: _Where) -> None:
        """Make durable that the group answers again; only then does it."""
        ctx = self._ctx
        self._merged.pop(where, None)
        self._ending[where] = None

        def durable(_: object) -> None:
            if where in self._ending:  # else it was marked again meanwhile
                del self._ending[where]
                del ctx.recovering[where]
                if not ctx.recovering:
                    ctx.note("recovered")

        ctx.ask(STORE, Remember({_name(where): None}), 0, durable)


def _name(where: _Where) -> str:
    return facts.group_name(facts.RECOVERING, *where)


def _kept(_: object) -> None:
    """Nobody waits for the mark: it holds in memory from the moment it was asked for."""
