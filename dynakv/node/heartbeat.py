"""Heartbeats: signs of life, clock samples, and the check that both nodes mean the same cluster."""

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.node.context import Context
from dynakv.node.horizon import Horizon
from dynakv.node.messages import Beat, Beaten, Failed, PeerReply, Reason


class Heartbeat:
    """Asks every peer once per interval; more often while it is down or this clock is doubted."""

    def __init__(self, ctx: Context, horizon: Horizon) -> None:
        """Begin at the first tick; `horizon` hears how long the peers have been running."""
        self._ctx = ctx
        self._horizon = horizon
        self._due_ms = dict.fromkeys(ctx.peers, 0)
        ctx.at(ctx.now.mono_ms, self._round)

    def hurry(self) -> None:
        """Ask every peer at the next look: this node's clock leapt."""
        self._due_ms = dict.fromkeys(self._due_ms, 0)

    def answer(self, sender: str, beat: Beat) -> PeerReply:
        """Reply to a peer's heartbeat."""
        ctx = self._ctx
        if not self._same(sender, beat):
            return Failed(Reason.FOREIGN)
        ctx.client_addresses[sender] = beat.client_address
        return Beaten(
            ctx.layout.cluster_id,
            ctx.layout_digest,
            ctx.now.wall_ms,
            ctx.config.client_address,
            ctx.remembered.ceiling_ms,
            self._horizon.up_ms(),
            ctx.layout.epoch,
        )

    def _round(self) -> None:
        ctx = self._ctx
        now_ms = ctx.now.mono_ms
        interval_ms = ctx.config.heartbeat_ms
        ctx.at(now_ms + interval_ms // limits.BEAT_CHECKS, self._round)
        for silent in ctx.members.tick(now_ms):
            ctx.note("peer_down", peer=silent, why="silent")
        for peer in ctx.peers:
            if now_ms >= self._due_ms[peer]:
                self._beat(peer)

    def _beat(self, peer: NodeId) -> None:
        ctx = self._ctx
        interval_ms = ctx.config.heartbeat_ms
        asked_ms = ctx.now.mono_ms
        self._due_ms[peer] = asked_ms + interval_ms
        beat = Beat(
            ctx.layout.cluster_id,
            ctx.layout_digest,
            ctx.now.wall_ms,
            ctx.config.client_address,
            ctx.layout.epoch,
        )

        def beaten(reply: object) -> None:
            if not (ctx.members.up(peer) and ctx.guard.trusted):
                self._due_ms[peer] = ctx.now.mono_ms + interval_ms // limits.BEAT_CHECKS
            if isinstance(reply, Failed):
                if reply.reason is Reason.FOREIGN:
                    self._distrust(peer)
            elif isinstance(reply, Beaten) and self._same(peer, reply):
                self._beaten(peer, reply, asked_ms)

        ctx.ask(peer, beat, asked_ms + interval_ms, beaten)

    def _beaten(self, peer: NodeId, reply: Beaten, asked_ms: int) -> None:
        ctx = self._ctx
        ctx.beaten[peer] = None
        ctx.client_addresses[peer] = reply.client_address
        self._horizon.heard(peer, reply)
        ctx.peer_answered(peer)
        if ctx.guard.sample(peer, reply.wall_ms, asked_ms, ctx.now.mono_ms):
            event = "clock_trusted" if ctx.guard.trusted else "clock_doubted"
            ctx.note(event, peer=peer, offset_ms=ctx.guard.offset_ms(peer) or 0)

    def _same(self, peer: str, theirs: Beat | Beaten) -> bool:
        """Say whether a peer means the same cluster, be its layout older or newer than this one."""
        layout = self._ctx.layout
        same = theirs.cluster_id == layout.cluster_id
        if same and theirs.epoch == layout.epoch:
            same = theirs.layout_digest == self._ctx.layout_digest
        if same:
            self._ctx.foreign.pop(peer, None)
        else:
            self._distrust(peer)
        return same

    def _distrust(self, peer: str) -> None:
        """A node that was started with another list of members or keyspaces serves nobody here."""
        self._ctx.members.broken(peer)
        if peer not in self._ctx.foreign:
            self._ctx.foreign[peer] = None
            self._ctx.note("peer_foreign", peer=peer, why="its members or keyspaces differ")
