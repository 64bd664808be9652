"""The horizon: how long a member may be away before its old rows count as forgotten.

A node remembers when it was last alive: the durable ceiling of its clock (`core/hlc.py`) runs at
most a little ahead of it, and is raised now and then also where nothing is written. Every answer to
a heartbeat says when the answering node was last alive before its present life, and how long it has
been up. So a node that returns learns how long its peers ran without it; time in which nobody ran,
such as that of a cluster that was switched off, does not count. Wall clocks are compared for it,
which the clock bound makes good enough: a horizon is days.

Where max(rq, n - wq + 1) other replicas of a group ran without this node for longer than the
horizon, the group recovers (`node/recovery.py`): that many are needed to do so. Nothing wrong was
answered before: as long as the layout has this member, nothing that it missed is forgotten
elsewhere (`node/collection.py` waits for it). The horizon is for operators: what is older is
rebuilt from others rather than believed.
"""

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.node.context import Context
from dynakv.node.messages import Beaten
from dynakv.node.recovery import Recovery
from dynakv.node.stamping import Stamper


class Horizon:
    """Judges, once per life and peer, how long this node was away; keeps its own mark young."""

    def __init__(self, ctx: Context, recovery: Recovery, stamper: Stamper) -> None:
        """Begin to hear from peers."""
        self._ctx = ctx
        self._recovery = recovery
        self._stamper = stamper
        self._began_ms = ctx.now.mono_ms
        self._ran_ms: dict[NodeId, int] = {}  # peer -> how long it ran without this node
        ctx.at(ctx.now.mono_ms + self._mark_ms(), self._mark)

    def _mark_ms(self) -> int:
        wanted_ms = self._ctx.config.horizon_ms // limits.HORIZON_MARKS
        return min(max(wanted_ms, limits.HEARTBEAT_MS // 2), limits.ALIVE_MARK_MS_MAX)

    def _mark(self) -> None:
        ctx = self._ctx
        ctx.at(ctx.now.mono_ms + self._mark_ms(), self._mark)
        self._stamper.keep_alive()

    def up_ms(self) -> int:
        """Return how long this life has lasted; 0 where others could not rebuild from this node.

        Two replicas that both recover could wait for each other for ever.
        """
        return 0 if self._ctx.recovering else self._ctx.now.mono_ms - self._began_ms

    def heard(self, peer: NodeId, account: Beaten) -> None:
        """Take note of a peer's account: the end of its former life, and the age of this one."""
        ctx, up_ms, was_alive_ms = self._ctx, account.up_ms, account.was_alive_ms
        alive_ms = ctx.remembered.ceiling_ms
        if peer in self._ran_ms or not up_ms or not alive_ms:  # a new node was never away
            return
        before_ms = max(0, was_alive_ms - alive_ms) if was_alive_ms else 0
        # Of its present life only what came after this node's last sign of life.
        since_ms = min(up_ms, max(0, account.wall_ms - alive_ms))
        own_ms = ctx.now.mono_ms - self._began_ms
        self._ran_ms[peer] = before_ms + max(0, since_ms - own_ms)
        if self._ran_ms[peer] > ctx.config.horizon_ms:
            self._judge()

    def _judge(self) -> None:
        ctx = self._ctx
        long = {peer for peer, ms in self._ran_ms.items() if ms > ctx.config.horizon_ms}
        missed: list[tuple[int, int]] = []
        for keyspace_id, placement in ctx.by_id.items():
            keyspace = placement.keyspace
            enough = max(keyspace.rq, keyspace.n - keyspace.wq + 1)
            for group, held in enumerate(placement.held):
                others = sum(replica in long for replica in placement.replicas[group])
                if held and others >= enough:
                    missed.append((keyspace_id, group))
        longest_ms = max(self._ran_ms.values())
        why = f"the others ran {longest_ms} ms without it, the horizon is {ctx.config.horizon_ms}"
        self._recovery.mark(missed, why)
