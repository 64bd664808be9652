"""The layout as clients and operators see it; both services answer it alike."""

from typing import Final

from dynakv.core.layout import DEFAULT_KEYSPACE, Keyspace, Layout, Level, Mode, NodeId
from dynakv.rpc.gossip_codec import STATES_OUT
from dynakv.rpc.ports import Inbox
from dynakv.v1 import ring_pb2 as pb

LEVELS_OUT: Final = {
    Level.ONE: pb.LEVEL_ONE,
    Level.QUORUM: pb.LEVEL_QUORUM,
    Level.ALL: pb.LEVEL_ALL,
}
MODES_OUT: Final = {
    Mode.LEADERLESS: pb.MODE_LEADERLESS,
    Mode.ORDERED: pb.MODE_ORDERED,
    Mode.RAFT: pb.MODE_RAFT,
}


class RingState:
    """Answers GetRingState; what depends only on the layout is translated once per layout."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._layout: Layout | None = None
        self._translated = pb.GetRingStateResponse()

    async def get(
        self, request: pb.GetRingStateRequest, context: object
    ) -> pb.GetRingStateResponse:
        """Return the layout in force and what this node believes of its members."""
        del request, context
        layout = self._inbox.layout()
        if layout is not self._layout:
            self._translated = _translated(layout)
            self._layout = layout
        header = self._inbox.header()
        response = pb.GetRingStateResponse()
        response.CopyFrom(self._translated)
        response.answered_by = header.node_id
        response.hlc = header.hlc
        views = self._inbox.member_views()
        for member in response.members:
            view = views.get(member.node_id)
            if view is not None:
                member.state = pb.MEMBER_STATE_UP if view.up else pb.MEMBER_STATE_DOWN
                member.client_address = view.client_address
                member.gossip = STATES_OUT[view.gossip]
        return response


def _translated(layout: Layout) -> pb.GetRingStateResponse:
    places = {member.node_id: i for i, member in enumerate(layout.members)}
    return pb.GetRingStateResponse(
        cluster_id=layout.cluster_id,
        epoch=layout.epoch,
        digest=layout.digest(),
        members=[
            pb.Member(
                node_id=member.node_id,
                address=member.address,
                zone=member.zone,
                region=member.region,
                weight=member.weight,
            )
            for member in layout.members
        ],
        keyspaces=[_with_groups(keyspace, places) for keyspace in layout.keyspaces],
    )


def _with_groups(keyspace: Keyspace, places: dict[NodeId, int]) -> pb.Keyspace:
    message = keyspace_message(keyspace)
    message.groups.extend(
        [
            pb.ShardGroup(replicas=[places[node_id] for node_id in replicas])
            for replicas in keyspace.placement
        ]
    )
    return message


def keyspace_message(keyspace: Keyspace) -> pb.Keyspace:
    """Return a keyspace without its groups."""
    settings = keyspace.settings
    number = 0 if settings.name == DEFAULT_KEYSPACE else settings.redis_number
    return pb.Keyspace(
        keyspace_id=keyspace.keyspace_id,
        name=settings.name,
        mode=MODES_OUT[settings.mode],
        replicas_wanted=settings.replicas,
        n=keyspace.n,
        rq=keyspace.rq,
        wq=keyspace.wq,
        hash_tags=settings.hash_tags,
        default_level=LEVELS_OUT[settings.default_level],
        default_ttl_ms=settings.default_ttl_ms,
        group_count=settings.groups,
        epoch=keyspace.epoch,
        redis_number=number,
    )
