"""Raft keyspaces as one thing: what the node hands over where the modes part."""

from collections.abc import Callable
from typing import assert_never

from dynakv.node.consensus import Consensus
from dynakv.node.context import Context, Placement
from dynakv.node.messages import PeerReply, RecordsMessage
from dynakv.node.raft_joining import RaftJoining
from dynakv.node.raft_messages import (
    FetchSnapshot,
    Forward,
    ForwardRead,
    ForwardScan,
    RaftJoin,
    RaftMessage,
    RaftStep,
)
from dynakv.node.raft_reads import RaftReads
from dynakv.node.raft_receiving import RaftReceiving
from dynakv.node.raft_requests import RaftRequests
from dynakv.node.raft_router import Router
from dynakv.node.raft_sending import RaftSending
from dynakv.node.raft_serving import RaftServing
from dynakv.node.raft_sweep import RaftSweep


class Raft:
    """The groups of this node, and the requests of its clients and peers to them."""

    def __init__(self, ctx: Context) -> None:
        """Begin to load the groups of the layout."""
        self.consensus = Consensus(ctx)
        self._reads = RaftReads(ctx, self.consensus)
        self._router = Router(ctx, self.consensus)
        self._requests = RaftRequests(ctx, self._router, self._reads)
        self._serving = RaftServing(ctx, self.consensus, self._reads)
        self._sending = RaftSending(ctx, self.consensus)
        self._receiving = RaftReceiving(ctx, self.consensus)
        self._sweep = RaftSweep(ctx, self.consensus)
        self._joining = RaftJoining(ctx, self.consensus)

    def serve(
        self, call: int, message: RecordsMessage, placement: Placement, deadline_ms: int
    ) -> None:
        """Serve a client's valid message to a Raft keyspace."""
        self._requests.serve(call, message, placement, deadline_ms)

    def asked(self, sender: str, message: RaftMessage, reply: Callable[[PeerReply], None]) -> None:
        """Serve a peer."""
        match message:
            case RaftStep():
                self.consensus.step(sender, message, reply)
            case RaftJoin():
                self._joining.asked(sender, message, reply)
            case Forward():
                self._serving.forward(message, reply)
            case ForwardRead():
                self._serving.read(message, reply)
            case ForwardScan():
                self._serving.scan(message, reply)
            case FetchSnapshot():
                self._sending.fetch(sender, message, reply)
            case _:
                assert_never(message)

    def flush(self) -> None:
        """End a turn: let the groups do what they can, and read what may be read."""
        self.consensus.flush()
        self._reads.flush()
        self._sweep.begin()
