"""The Raft groups of one node, and who leads them, on the wire."""

from typing import Any

from dynakv.core.layout import Mode
from dynakv.errors import RefusedError, UsageError
from dynakv.node.raft_figures import RaftFigures
from dynakv.rpc.methods import Method, unary
from dynakv.rpc.node_tasks import keyspace_id_of
from dynakv.rpc.ports import Inbox
from dynakv.v1 import raft_pb2 as pb


class NodeRaft:
    """Answers for one node."""

    def __init__(self, inbox: Inbox) -> None:
        """Serve `inbox`."""
        self._inbox = inbox

    def handlers(self) -> dict[str, Method]:
        """Return the handler of each method about Raft groups."""
        return {
            "ListRaftGroups": unary(self.list, pb.ListRaftGroupsRequest),
            "TakeLeadership": unary(self.take, pb.TakeLeadershipRequest),
            "RebalanceLeaders": unary(self.rebalance, pb.RebalanceLeadersRequest),
        }

    async def list(
        self, request: pb.ListRaftGroupsRequest, context: object
    ) -> pb.ListRaftGroupsResponse:
        """Return what the node knows of its groups. Raises UsageError for what is no keyspace."""
        del context
        self._raft_keyspace(request.keyspace, None)
        groups = [
            _group(figures)
            for figures in self._inbox.raft_figures()
            if request.keyspace in ("", figures.keyspace)
        ]
        return pb.ListRaftGroupsResponse(node_id=self._node_id(), groups=groups)

    async def take(
        self, request: pb.TakeLeadershipRequest, context: object
    ) -> pb.TakeLeadershipResponse:
        """Ask the leader of a group to hand over. Raises UsageError, RefusedError."""
        del context
        if not request.keyspace:
            raise UsageError("keyspace: name the keyspace of the group")
        keyspace_id = self._raft_keyspace(request.keyspace, request.group)
        assert keyspace_id is not None
        why = self._inbox.take_leadership(keyspace_id, request.group)
        if why:
            raise RefusedError(
                f"{self._node_id()} cannot lead group {request.group} of keyspace"
                f" {request.keyspace!r}: {why}"
            )
        return pb.TakeLeadershipResponse(node_id=self._node_id())

    async def rebalance(
        self, request: pb.RebalanceLeadersRequest, context: object
    ) -> pb.RebalanceLeadersResponse:
        """Hand over what others should lead. Raises UsageError for what is no Raft keyspace."""
        del context
        groups = self._inbox.rebalance_leaders(self._raft_keyspace(request.keyspace, None))
        return pb.RebalanceLeadersResponse(node_id=self._node_id(), groups=groups)

    def _node_id(self) -> str:
        return self._inbox.header().node_id

    def _raft_keyspace(self, name: str, group: int | None) -> int | None:
        layout = self._inbox.layout()
        keyspace_id = keyspace_id_of(layout, name, group)
        keyspace = layout.keyspace(name) if name else None
        if keyspace is not None and keyspace.settings.mode is not Mode.RAFT:
            mode = keyspace.settings.mode.value
            raise UsageError(f"keyspace {name!r} is {mode}: only Raft keyspaces have leaders")
        return keyspace_id


def _group(figures: RaftFigures) -> pb.RaftGroup:
    followers = [
        pb.RaftFollower(node_id=f.node_id, match=f.match, flow=f.flow, learner=f.learner)
        for f in figures.followers
    ]
    fields: dict[str, Any] = {
        name: getattr(figures, name) for name in figures.__struct_fields__ if name != "followers"
    }
    return pb.RaftGroup(**fields, followers=followers)
