"""The snapshot methods over real gRPC, a fake inbox and a fake keeper."""

import asyncio
from typing import Any

import grpc
import pytest

from dynakv.errors import DynaKVError, RefusedError, StorageError, UsageError
from dynakv.node.figures import SnapshotFigures, SnapshotState
from dynakv.rpc.servers import serve_clients
from dynakv.v1 import kvstore_pb2_grpc
from dynakv.v1 import snapshots_pb2 as pb
from tests.rpc.conftest import FakeInbox

FIGURES = SnapshotFigures("a", "/p/a.db", SnapshotState.COMPLETE, 1, 2, 3, 4, 5, 6, "why")


class Keeper:
    """Remembers what it is asked; raises what a test puts in."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: DynaKVError | None = None

    def begin(self, name: str) -> SnapshotFigures:
        self._ask(f"begin {name}")
        return FIGURES

    async def listed(self) -> list[SnapshotFigures]:
        self._ask("list")
        return [FIGURES]

    async def delete(self, name: str) -> None:
        self._ask(f"delete {name}")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error


def served(scenario: Any, keeper: Keeper | None) -> None:
    async def run() -> None:
        server = await serve_clients(
            FakeInbox(), "127.0.0.1:0", wall_ms=lambda: 7, snapshots=keeper
        )
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                await scenario(kvstore_pb2_grpc.KVStoreStub(channel))  # type: ignore[no-untyped-call]
        finally:
            await server.stop()

    asyncio.run(run())


def test_all_figures_cross_the_wire() -> None:
    keeper = Keeper()

    async def scenario(stub: Any) -> None:
        begun = await stub.CreateSnapshot(pb.CreateSnapshotRequest(name="a"))
        listed = await stub.ListSnapshots(pb.ListSnapshotsRequest())
        await stub.DeleteSnapshot(pb.DeleteSnapshotRequest(name="a"))
        shown = pb.Snapshot(
            name="a",
            path="/p/a.db",
            state=pb.SNAPSHOT_STATE_COMPLETE,
            bytes_done=1,
            bytes_estimated=2,
            began_ms=3,
            took_ms=4,
            commit_sequence=5,
            rows=6,
            error="why",
        )
        assert begun.snapshot == shown
        assert list(listed.snapshots) == [shown]
        assert (listed.node_id, listed.wall_ms) == ("n1", 7)
        assert keeper.asked == ["begin a", "list", "delete a"]

    served(scenario, keeper)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("bad name"), grpc.StatusCode.INVALID_ARGUMENT),
        (RefusedError("one at a time"), grpc.StatusCode.UNAVAILABLE),
        (StorageError("read-only"), grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
def test_an_error_says_what_it_allows(error: DynaKVError, code: grpc.StatusCode) -> None:
    keeper = Keeper()
    keeper.error = error

    async def scenario(stub: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.CreateSnapshot(pb.CreateSnapshotRequest(name="a"))
        assert (raised.value.code(), raised.value.details()) == (code, str(error))

    served(scenario, keeper)


def test_a_node_that_keeps_no_snapshots_has_no_such_methods() -> None:
    async def scenario(stub: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.ListSnapshots(pb.ListSnapshotsRequest())
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED

    served(scenario, None)
