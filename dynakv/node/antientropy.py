"""Anti-entropy: replicas compare their hash trees and ship what differs.

`sync` compares one group with one peer; everything that makes replicas equal without a client's
request goes through it. Sessions (`node/session.py`) run a few at a time, in the order in which
they were asked for.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.node.context import Context
from dynakv.node.replica import Replica
from dynakv.node.session import Ending, Follow, Session, Synced

Then = Callable[[Synced], None]
_What = tuple[int, int, NodeId]  # keyspace id, group, peer


class AntiEntropy:
    """Runs the sessions of one node."""

    def __init__(self, ctx: Context, replica: Replica, follow: Follow) -> None:
        """Begin with nothing to do; `follow` is for groups that recover (`node/session.py`)."""
        self._ctx = ctx
        self._replica = replica
        self._follow = follow
        # What waits, with the leaves that differ where they are known, and who wants to hear.
        self._waiting: dict[_What, tuple[dict[int, None] | None, list[Then]]] = {}
        self._running = 0
        self._beginning = False

    def pending(self) -> int:
        """Return how many sessions run or wait."""
        return self._running + len(self._waiting)

    def sync(
        self,
        keyspace_id: int,
        group: int,
        peer: NodeId,
        then: Then,
        leaves: dict[int, None] | None = None,
    ) -> None:
        """Make a group equal here and on the peer; `then` is called exactly once, perhaps at once.

        The comparison begins after this call, unless `leaves`, those that a Compare found to
        differ, are given. Both must be replicas of the group.
        """
        ctx = self._ctx
        placement = ctx.by_id.get(keyspace_id)
        if placement is None or group >= len(placement.replicas):
            then(Synced(Ending.FAILED, f"there is no group {group} of keyspace {keyspace_id:x}"))
        elif not {ctx.node_id, peer} <= set(placement.replicas[group]) or peer == ctx.node_id:
            why = f"group {group} has no replicas on both {ctx.node_id} and {peer}"
            then(Synced(Ending.FAILED, why))
        elif not ctx.members.up(peer):
            then(Synced(Ending.FAILED, f"{peer} is down"))
        elif len(self._waiting) >= limits.REPAIR_WAITING_MAX:
            why = f"{len(self._waiting)} sessions wait already"
            then(Synced(Ending.FAILED, why))
        else:
            # Whoever asks for what waits already shares it: it has not begun. Leaves of an earlier
            # moment are no answer to who asks now.
            what = (keyspace_id, group, peer)
            _, thens = self._waiting.get(what, (None, []))
            known = leaves if not thens else None
            self._waiting[what] = (known, [*thens, then])
            self._begin()

    def _begin(self) -> None:
        if self._beginning:  # a session that ends at once is no reason to recurse
            return
        self._beginning = True
        while self._waiting and self._running < self._ctx.config.repair_sessions:
            what = next(iter(self._waiting))
            leaves, thens = self._waiting.pop(what)
            keyspace_id, group, peer = what
            placement = self._ctx.by_id.get(keyspace_id)
            self._running += 1
            if placement is None:
                self._ended(thens, Synced(Ending.FAILED, "the keyspace was dropped"))
                continue
            ended = partial(self._ended, thens)
            recovers = (keyspace_id, group) in self._ctx.recovering
            follow = self._follow if recovers else None
            session = Session(self._ctx, self._replica, placement, group, peer, ended, follow)
            session.start(leaves if follow is None else None)  # it must learn the peer's floor
        self._beginning = False

    def _ended(self, thens: list[Then], synced: Synced) -> None:
        self._running -= 1
        counters = self._ctx.counters
        counters.groups_compared += synced.ending is Ending.DONE
        counters.groups_differing += synced.differed
        counters.repair_keys_listed += synced.keys_listed
        counters.repair_records_in += synced.records_in
        counters.repair_records_out += synced.records_out
        counters.repair_bytes_in += synced.bytes_in
        counters.repair_bytes_out += synced.bytes_out
        counters.repairs_failed += synced.ending is Ending.FAILED
        for then in thens:
            then(synced)
        self._begin()
