"""The layout of one node: heard of, fetched, made durable, put in force.

A node has in force only what its disk has. The epoch stands at the head of every frame: who hears
of a newer one fetches that layout, makes it durable and puts it in force, and so finishes what was
interrupted elsewhere. Who makes new layouts is the business of `node/keyspaces.py`.

A directory that was restored may have forgotten a layout. So until every member has answered in
this life, and none with a newer one, a keyspace that comes is not taken for a new one: its groups
here recover (`node/recovery.py`).
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from dynakv import limits
from dynakv.core import facts, table
from dynakv.core import layout as layouts
from dynakv.core.layout import Layout
from dynakv.node.context import Context
from dynakv.node.layout_messages import FetchLayout, LayoutAdopted, LayoutFetched
from dynakv.node.messages import STORE, Failed, Header, PeerReply, Reason
from dynakv.node.sweep import Sweeper

_UNKNOWN: Final = "the node was restored, and perhaps knew this keyspace before"


class Layouts:
    """Adopts layouts, and knows which one each peer has."""

    def __init__(
        self,
        ctx: Context,
        forget: Callable[[int], None],
        distrust: Callable[[list[tuple[int, int]], str], None],
    ) -> None:
        """Begin with the layout in force.

        `forget(keyspace id)` hears of each that is dropped, `distrust(groups, why)` of those of
        which this node may have forgotten something: (keyspace id, group).
        """
        self._ctx = ctx
        self.sweeper = Sweeper(ctx)
        self._forget = forget
        self._distrust = distrust
        self.progress: Callable[[], None] = _nobody_waits  # a peer has a newer layout than before
        # A former layout may have had keyspaces that the one in force here lacks.
        self.restored = facts.RESTORED in ctx.remembered.facts and bool(ctx.peers)
        # Layouts on their way to the disk, one at a time, and who waits for it.
        self.keeping = False
        self._to_keep: deque[tuple[Layout, Callable[[], None]]] = deque()
        self._fetching = False

    # --- what peers have ---------------------------------------------------------------------

    def heard(self, header: Header) -> None:
        """Take note of the layout that a peer has; fetch it where it is newer."""
        ctx = self._ctx
        theirs = (header.incarnation, header.epoch)
        if header.epoch > ctx.layout.epoch:
            ctx.newest_epoch = max(ctx.newest_epoch, header.epoch)
            self._fetch_from(header.node_id)
        known = ctx.peer_epochs.get(header.node_id)
        # A frame that was overtaken tells what was true before; a new incarnation begins anew.
        if known is None or known[0] != theirs[0] or known[1] < theirs[1]:
            ctx.peer_epochs[header.node_id] = theirs
            self.progress()
        if self.restored:
            self._trust_if_all_are_heard()

    def behind(self) -> list[str]:
        """Return the members that were not heard to have the layout in force here, sorted."""
        return sorted(peer for peer in self._ctx.peers if not self.has(peer, self.epoch))

    def _trust_if_all_are_heard(self) -> None:
        """Take a keyspace that comes from now on for a new one: no member has a newer layout.

        Only answers to heartbeats of this life count; a frame may be older than that.
        """
        ctx = self._ctx
        newest = ctx.newest_epoch == self.epoch and not self.keeping
        if newest and all(peer in ctx.beaten for peer in ctx.peers):
            self.restored = False
            ctx.ask(STORE, table.Remember({facts.RESTORED: None}), 0, lambda _: None)

    @property
    def epoch(self) -> int:
        """Of the layout in force."""
        return self._ctx.layout.epoch

    def has(self, peer: str, epoch: int) -> bool:
        """Say whether a peer was heard to have a layout of that epoch or a newer one."""
        return (self._ctx.epoch_of(peer) or 0) >= epoch

    def _fetch_from(self, peer: str) -> None:
        ctx = self._ctx
        if self._fetching:
            return
        self._fetching = True

        def fetched(reply: object) -> None:
            self._fetching = False
            if isinstance(reply, LayoutFetched):
                self.take(reply.layout, lambda _: None)

        ctx.ask(peer, FetchLayout(), ctx.now.mono_ms + ctx.config.heartbeat_ms, fetched)

    # --- adopting ----------------------------------------------------------------------------

    def take(self, raw: bytes, reply: Callable[[PeerReply], None]) -> None:
        """Make a layout durable, put it in force, and only then say so."""
        ctx = self._ctx
        try:
            layout = layouts.decode(raw)
        except msgspec.DecodeError:
            reply(Failed(Reason.UNSUPPORTED))
            return
        same = layout.cluster_id == ctx.layout.cluster_id and layout.members == ctx.layout.members
        if same and layout.epoch == self.epoch:
            same = layout.digest() == ctx.layout_digest
        if not same:
            reply(Failed(Reason.FOREIGN))
        elif layout.epoch <= self.epoch:
            reply(LayoutAdopted(self.epoch))
        elif len(self._to_keep) >= limits.KEYSPACE_CHANGES_MAX:
            reply(Failed(Reason.OVERLOADED))
        else:
            self.keep(layout, lambda: reply(LayoutAdopted(self.epoch)))

    def keep(self, layout: Layout, kept: Callable[[], None]) -> None:
        """Make a layout durable and put it in force, unless a newer one is by then."""
        self._to_keep.append((layout, kept))
        if not self.keeping:
            self._keep_next()

    def _keep_next(self) -> None:
        while self._to_keep:
            layout, kept = self._to_keep.popleft()
            if layout.epoch <= self.epoch:
                kept()
                continue
            self.keeping = True
            unknown = self._unknown_groups(layout)
            names = [facts.group_name(facts.RECOVERING, *where) for where in unknown]
            message = table.Remember(
                {facts.LAYOUT: layouts.encode(layout), **dict.fromkeys(names, _UNKNOWN.encode())}
            )
            self._ctx.ask(STORE, message, 0, partial(self._kept, layout, unknown, kept))
            return

    def _unknown_groups(self, layout: Layout) -> list[tuple[int, int]]:
        """Return the groups (keyspace id, group) of which this node may have known more once."""
        if not self.restored:
            return []
        return [
            (int(keyspace.keyspace_id), group)
            for keyspace in layout.keyspaces
            if keyspace.keyspace_id not in self._ctx.by_id
            for group, replicas in enumerate(keyspace.placement)
            if self._ctx.node_id in replicas
        ]

    def _kept(
        self,
        layout: Layout,
        unknown: list[tuple[int, int]],
        kept: Callable[[], None],
        reply: object,
    ) -> None:
        assert isinstance(reply, table.FactsKept)
        ctx = self._ctx
        before = ctx.by_id
        ctx.adopt(layout)
        self._distrust(unknown, _UNKNOWN)
        ctx.note("layout_adopted", epoch=layout.epoch, keyspaces=len(layout.keyspaces))
        for keyspace, placement in before.items():
            if keyspace not in ctx.by_id:
                self._forget(keyspace)
                self.sweeper.clear(keyspace, len(placement.replicas))
        self.keeping = False
        kept()
        self._keep_next()


def _nobody_waits() -> None:
    """Hear of progress, as long as nobody changes keyspaces."""
