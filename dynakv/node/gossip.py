"""Gossip as a part of the node: what `core/gossip.py` asks goes to peers, what they ask comes back.

It stands beside the heartbeats (`node/heartbeat.py`). Those sample clocks, compare layouts and say
within a second who can be reached from here, which decides whom to ask first. Gossip says what the
cluster as a whole believes of a member, at a cost that does not grow with the members; operators
see it. Neither is ever counted towards a quorum.
"""

from collections.abc import Callable
from typing import Final

from dynakv import __version__
from dynakv.core.gossip import Gossip, Then, Times
from dynakv.core.gossip_messages import (
    Foreign,
    Probed,
    ProbedFor,
    Question,
    Reply,
    Sync,
    Vitals,
)
from dynakv.core.layout import NodeId
from dynakv.node.context import Context
from dynakv.node.messages import Failed, PeerReply, Reason

# The times of gossip at the product's heartbeat; other heartbeats scale them.
_TIMES: Final = Times()


class Gossiping:
    """One node's voice and ears."""

    def __init__(self, ctx: Context) -> None:
        """Begin with every peer alive until shown otherwise."""
        self._ctx = ctx
        self._machine = Gossip(
            ctx.node_id,
            [str(member.node_id) for member in ctx.layout.members],
            ctx.layout.cluster_id,
            scaled(ctx.config.heartbeat_ms),
            ctx.random,
            self._ask,
            ctx.now.mono_ms,
        )
        self._wakes_ms = -1  # the next timer set
        self._described_ms = ctx.now.mono_ms
        ctx.beliefs = self._machine.states
        self._describe()
        self._sleep()

    def asked(self, sender: str, question: Question, reply: Callable[[PeerReply], None]) -> None:
        """Take a peer's message; it is answered once, perhaps later."""

        def answer(found: Reply) -> None:
            reply(Failed(Reason.FOREIGN) if isinstance(found, Foreign) else found)

        self._machine.asked(sender, question, self._ctx.now.mono_ms, answer)
        self._done()

    def _ask(self, to: str, question: Question, timeout_ms: int, then: Then) -> None:
        ctx = self._ctx

        def answered(reply: object) -> None:
            known = isinstance(reply, Probed | ProbedFor | Sync)
            then(reply if known else None, ctx.now.mono_ms)  # type: ignore[arg-type]
            self._done()

        ctx.ask(NodeId(to), question, ctx.now.mono_ms + timeout_ms, answered, paced=False)

    def _done(self) -> None:
        """End a turn of the machine: report what it changed its mind about, and sleep."""
        for node_id, state in self._machine.take_changes():
            self._ctx.note("peer_" + state.value, peer=node_id, why="gossip")
        self._sleep()

    def _sleep(self) -> None:
        due_ms = self._machine.wake_at()
        if self._wakes_ms < 0 or due_ms < self._wakes_ms:
            self._wakes_ms = due_ms
            self._ctx.at(due_ms, self._wake)

    def _wake(self) -> None:
        now_ms = self._ctx.now.mono_ms
        self._wakes_ms = -1
        if now_ms - self._described_ms >= self._ctx.config.heartbeat_ms:
            self._described_ms = now_ms
            self._describe()
        self._machine.tick(now_ms)
        self._done()

    def _describe(self) -> None:
        """Say how this node is: its clock against the median of its peers' clocks."""
        ctx = self._ctx
        offsets = [ctx.guard.offset_ms(peer) for peer in ctx.peers]
        known = [offset for offset in offsets if offset is not None]
        median_ms = sorted(known)[len(known) // 2] if known else 0
        self._machine.describe(Vitals(version=__version__, clock_offset_ms=-median_ms))


def scaled(heartbeat_ms: int) -> Times:
    """Return the intervals of gossip for such a heartbeat: all of them in proportion."""
    t = _TIMES

    def scale(ms: int) -> int:
        return max(1, ms * heartbeat_ms // t.probe)

    return Times(
        probe=scale(t.probe),
        timeout=scale(t.timeout),
        suspicion_min=scale(t.suspicion_min),
        suspicion_max=scale(t.suspicion_max),
        tell=scale(t.tell),
        sync=scale(t.sync),
        pause=t.pause,
    )
