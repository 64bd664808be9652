"""The methods about keyspaces of KVStore: changes on their way to the node, and the list."""

from collections.abc import Callable
from typing import Final, TypeVar

from dynakv.core.keyspaces import KeyspaceChange
from dynakv.errors import Failure
from dynakv.node.layout_messages import Changed
from dynakv.node.messages import Refused
from dynakv.rpc.collector import FULL, submit
from dynakv.rpc.layout_codec import alteration_of, creation_of, drop_of
from dynakv.rpc.methods import Context, Method, timeout_ms, unary
from dynakv.rpc.ports import Inbox
from dynakv.rpc.ring_state import keyspace_message
from dynakv.v1 import keyspaces_pb2 as pb

CHANGE_MS: Final = 10_000  # without a deadline of the caller: several disks have to answer

_Response = TypeVar(
    "_Response", pb.CreateKeyspaceResponse, pb.AlterKeyspaceResponse, pb.DropKeyspaceResponse
)


class KeyspaceMethods:
    """Serves them out of one node's inbox."""

    def __init__(self, inbox: Inbox) -> None:
        """Serve `inbox`."""
        self._inbox = inbox

    def handlers(self) -> dict[str, Method]:
        """Return the handler of each method."""
        return {
            "CreateKeyspace": unary(self.create, pb.CreateKeyspaceRequest),
            "AlterKeyspace": unary(self.alter, pb.AlterKeyspaceRequest),
            "DropKeyspace": unary(self.drop, pb.DropKeyspaceRequest),
            "ListKeyspaces": unary(self.list, pb.ListKeyspacesRequest),
        }

    async def create(
        self, request: pb.CreateKeyspaceRequest, context: Context
    ) -> pb.CreateKeyspaceResponse | Failure:
        """Add a keyspace."""
        change = creation_of(request, timeout_ms(context) or CHANGE_MS)
        return await self._change(change, pb.CreateKeyspaceResponse)

    async def alter(
        self, request: pb.AlterKeyspaceRequest, context: Context
    ) -> pb.AlterKeyspaceResponse | Failure:
        """Change what may change of a keyspace."""
        change = alteration_of(request, timeout_ms(context) or CHANGE_MS)
        return await self._change(change, pb.AlterKeyspaceResponse)

    async def drop(
        self, request: pb.DropKeyspaceRequest, context: Context
    ) -> pb.DropKeyspaceResponse | Failure:
        """Remove a keyspace with all it holds."""
        change = drop_of(request, timeout_ms(context) or CHANGE_MS)
        return await self._change(change, pb.DropKeyspaceResponse)

    async def list(
        self, request: pb.ListKeyspacesRequest, context: Context
    ) -> pb.ListKeyspacesResponse:
        """Return the keyspaces in force here, and who is not known to have the same layout."""
        del request, context
        header, layout = self._inbox.header(), self._inbox.layout()
        node = self._inbox.figures().node
        return pb.ListKeyspacesResponse(
            hlc=header.hlc,
            answered_by=header.node_id,
            epoch=layout.epoch,
            newest_epoch=node.newest_epoch,
            behind=[p.node_id for p in node.peers if p.epoch is None or p.epoch < layout.epoch],
            keyspaces=[keyspace_message(keyspace) for keyspace in layout.keyspaces],
        )

    async def _change(
        self, change: KeyspaceChange, response: Callable[..., _Response]
    ) -> _Response | Failure:
        collector = submit(self._inbox, change)
        if collector is None:
            return FULL
        (part,) = await collector.parts()
        if isinstance(part, Refused):
            return part.failure
        assert isinstance(part, Changed)
        hlc = self._inbox.header().hlc
        return response(hlc=hlc, epoch=part.epoch, keyspace_id=part.keyspace_id)
