"""CreateSnapshot, ListSnapshots and DeleteSnapshot: one node's snapshots, on the wire."""

from collections.abc import Callable
from typing import Final

from dynakv.errors import Failure, Kind, RefusedError, StorageError
from dynakv.node.figures import SnapshotFigures, SnapshotState
from dynakv.rpc.ports import Inbox, SnapshotKeeper
from dynakv.v1 import snapshots_pb2 as pb

_STATES: Final = {
    SnapshotState.RUNNING: pb.SNAPSHOT_STATE_RUNNING,
    SnapshotState.COMPLETE: pb.SNAPSHOT_STATE_COMPLETE,
    SnapshotState.FAILED: pb.SNAPSHOT_STATE_FAILED,
}


class SnapshotMethods:
    """Answers for one node."""

    def __init__(self, inbox: Inbox, keeper: SnapshotKeeper, wall_ms: Callable[[], int]) -> None:
        """Serve the snapshots of `keeper`; `wall_ms` is the wall clock."""
        self._inbox = inbox
        self._keeper = keeper
        self._wall_ms = wall_ms

    async def create(
        self, request: pb.CreateSnapshotRequest, context: object
    ) -> pb.CreateSnapshotResponse | Failure:
        """Begin a snapshot."""
        del context
        try:
            begun = self._keeper.begin(request.name)
        except RefusedError as error:
            return Failure(Kind.UNAVAILABLE, str(error))
        except StorageError as error:
            return Failure(Kind.PRECONDITION, str(error))
        return pb.CreateSnapshotResponse(snapshot=_shown(begun))

    async def list(
        self, request: pb.ListSnapshotsRequest, context: object
    ) -> pb.ListSnapshotsResponse | Failure:
        """Return all snapshots."""
        del request, context
        try:
            found = await self._keeper.listed()
        except StorageError as error:
            return Failure(Kind.PRECONDITION, str(error))
        return pb.ListSnapshotsResponse(
            node_id=self._inbox.header().node_id,
            wall_ms=self._wall_ms(),
            snapshots=map(_shown, found),
        )

    async def delete(
        self, request: pb.DeleteSnapshotRequest, context: object
    ) -> pb.DeleteSnapshotResponse | Failure:
        """Remove a snapshot."""
        del context
        try:
            await self._keeper.delete(request.name)
        except StorageError as error:
            return Failure(Kind.PRECONDITION, str(error))
        return pb.DeleteSnapshotResponse()


def _shown(figures: SnapshotFigures) -> pb.Snapshot:
    return pb.Snapshot(
        name=figures.name,
        path=figures.path,
        state=_STATES[figures.state],
        bytes_done=figures.bytes_done,
        bytes_estimated=figures.bytes_estimated,
        began_ms=figures.began_ms,
        took_ms=figures.took_ms,
        commit_sequence=figures.commit_sequence,
        rows=figures.rows,
        error=figures.error,
    )
