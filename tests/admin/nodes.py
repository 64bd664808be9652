"""Answers of made-up nodes: as values, and from servers that can also fall silent."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from dynakv.admin.survey import Reply, Survey
from dynakv.v1 import (
    keyspaces_pb2,
    kvstore_pb2_grpc,
    raft_pb2,
    ring_pb2,
    snapshots_pb2,
    tasks_pb2,
)
from dynakv.v1 import node_status_pb2 as pb
from tests.admin.test_ring import member, state_of


def state(
    count: int = 3, by: str = "n1", down: Sequence[str] = (), *, keyspaces: int = 1, **fields: Any
) -> ring_pb2.GetRingStateResponse:
    """Return the ring of n1 to n<count> as the node `by` sees it."""
    found = state_of([member(i) for i in range(1, count + 1)], down)
    del found.keyspaces[keyspaces:]
    found.answered_by = by
    for one in found.members:
        one.client_address = f"{one.node_id}:1"
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def status(node: str, **fields: Any) -> pb.GetNodeStatusResponse:
    """Return what a healthy node of three says of itself."""
    offsets: dict[str, int] = fields.pop("offsets", {})
    found = pb.GetNodeStatusResponse(
        node_id=node,
        version="0.1.0",
        starts=1,
        uptime_ms=192_000,
        clock=pb.ClockStatus(trusted=True),
        load=pb.LoadStatus(client_keys_max=20_000),
        cache=pb.CacheStatus(hits=3, misses=1),
        store=pb.StoreStatus(rows=1_234, database_bytes=3 << 20, disk_free_share=0.5),
        peers=[pb.PeerStatus(node_id=n, clock_offset_ms=ms) for n, ms in offsets.items()],
        counters={"puts": 5},
    )
    for name, value in fields.items():
        if name == "store" and value is None:
            found.ClearField("store")
        elif name in ("clock", "load", "cache", "store"):
            getattr(found, name).CopyFrom(value)
        elif name == "counters":
            found.counters.update(value)
        else:
            setattr(found, name, value)
    return found


def healthy(count: int = 3) -> dict[str, Reply]:
    """Return what all nodes of a cluster answer, by address."""
    names = [f"n{i}" for i in range(1, count + 1)]
    return {f"{name}:1": Reply(state(count, name), status(name), 1.25) for name in names}


def survey_of(replies: dict[str, Reply]) -> Survey:
    return Survey(["n1:1"], replies, 1_200)


class Node(kvstore_pb2_grpc.KVStoreServicer):
    """One node that answers, or waits for ever while `silent` is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""
        self.silent = False
        self.ring = ring_pb2.GetRingStateResponse()
        self.records: dict[bytes, pb.InspectKeyResponse] = {}
        self.released = threading.Event()
        self.looks: list[list[tasks_pb2.Task]] = [[]]  # what it says of its tasks; the last stays
        self.repairs: list[tasks_pb2.StartRepairRequest] = []
        self.paused: list[bool] = []  # what it was told, in order
        self.snapshots: list[snapshots_pb2.Snapshot] = []
        self.accepted: list[str] = []  # keyspaces whose loss was accepted
        self.keyspaces = keyspaces_pb2.ListKeyspacesResponse(answered_by=name, epoch=1)
        self.changes: list[Any] = []  # of keyspaces, as they were asked for
        self.raft_groups: list[raft_pb2.RaftGroup] = []
        self.takes = True  # the leaderships that it is asked to take
        self.taken: list[tuple[str, int]] = []
        self.hands_over = 0
        self.refusal: tuple[grpc.StatusCode, str] | None = None  # of the next changes

    def GetRingState(self, request: Any, context: Any) -> ring_pb2.GetRingStateResponse:
        self._wait()
        return self.ring

    def GetNodeStatus(self, request: Any, context: Any) -> pb.GetNodeStatusResponse:
        self._wait()
        return status(self.name)

    def InspectKey(self, request: Any, context: Any) -> pb.InspectKeyResponse:
        self._wait()
        nothing = pb.InspectKeyResponse(node_id=self.name, held=pb.HELD_NOTHING)
        return self.records.get(request.key, nothing)

    def ListTasks(self, request: Any, context: Any) -> tasks_pb2.ListTasksResponse:
        self._wait()
        tasks = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return tasks_pb2.ListTasksResponse(node_id=self.name, tasks=tasks)

    def StartRepair(self, request: Any, context: Any) -> tasks_pb2.StartRepairResponse:
        self._wait()
        self.repairs.append(request)
        return tasks_pb2.StartRepairResponse(node_id=self.name, task_ids=[7])

    def AcceptLoss(self, request: Any, context: Any) -> tasks_pb2.AcceptLossResponse:
        self._wait()
        self.accepted.append(request.keyspace)
        return tasks_pb2.AcceptLossResponse(node_id=self.name, groups=37)

    def PauseRepair(self, request: Any, context: Any) -> tasks_pb2.PauseRepairResponse:
        self._wait()
        self.paused.append(request.paused)
        return tasks_pb2.PauseRepairResponse(node_id=self.name)

    def ListRaftGroups(self, request: Any, context: Any) -> raft_pb2.ListRaftGroupsResponse:
        self._wait()
        return raft_pb2.ListRaftGroupsResponse(node_id=self.name, groups=self.raft_groups)

    def TakeLeadership(self, request: Any, context: Any) -> raft_pb2.TakeLeadershipResponse:
        self._wait()
        self.taken.append((request.keyspace, request.group))
        for one in self.raft_groups:
            if self.takes and one.group == request.group:
                one.role = "leader"
        return raft_pb2.TakeLeadershipResponse(node_id=self.name)

    def RebalanceLeaders(self, request: Any, context: Any) -> raft_pb2.RebalanceLeadersResponse:
        self._wait()
        return raft_pb2.RebalanceLeadersResponse(node_id=self.name, groups=self.hands_over)

    def CreateSnapshot(self, request: Any, context: Any) -> snapshots_pb2.CreateSnapshotResponse:
        self._wait()
        running = snapshots_pb2.SNAPSHOT_STATE_RUNNING
        begun = snapshots_pb2.Snapshot(name=request.name or "given", path="/p", state=running)
        self.snapshots.append(begun)
        return snapshots_pb2.CreateSnapshotResponse(snapshot=begun)

    def ListSnapshots(self, request: Any, context: Any) -> snapshots_pb2.ListSnapshotsResponse:
        """Complete at each look what was running at the one before."""
        self._wait()
        told = snapshots_pb2.ListSnapshotsResponse(
            node_id=self.name, wall_ms=10_000, snapshots=self.snapshots
        )
        for snapshot in self.snapshots:
            if snapshot.state == snapshots_pb2.SNAPSHOT_STATE_RUNNING:
                snapshot.state = snapshots_pb2.SNAPSHOT_STATE_COMPLETE
        return told

    def DeleteSnapshot(self, request: Any, context: Any) -> snapshots_pb2.DeleteSnapshotResponse:
        self._wait()
        if request.name not in [snapshot.name for snapshot in self.snapshots]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"snapshot {request.name!r} is not")
        self.snapshots = [s for s in self.snapshots if s.name != request.name]
        return snapshots_pb2.DeleteSnapshotResponse()

    def ListKeyspaces(self, request: Any, context: Any) -> keyspaces_pb2.ListKeyspacesResponse:
        self._wait()
        return self.keyspaces

    def CreateKeyspace(self, request: Any, context: Any) -> keyspaces_pb2.CreateKeyspaceResponse:
        return keyspaces_pb2.CreateKeyspaceResponse(**self._changed(request, context))

    def AlterKeyspace(self, request: Any, context: Any) -> keyspaces_pb2.AlterKeyspaceResponse:
        return keyspaces_pb2.AlterKeyspaceResponse(**self._changed(request, context))

    def DropKeyspace(self, request: Any, context: Any) -> keyspaces_pb2.DropKeyspaceResponse:
        return keyspaces_pb2.DropKeyspaceResponse(**self._changed(request, context))

    def _changed(self, request: Any, context: Any) -> dict[str, int]:
        self._wait()
        self.changes.append(request)
        if self.refusal is not None:
            context.abort(*self.refusal)
        return {"epoch": 5, "keyspace_id": 0xAB}

    def _wait(self) -> None:
        if self.silent:
            self.released.wait(10)


@contextlib.contextmanager
def cluster(count: int = 3) -> Iterator[list[Node]]:
    """Serve nodes that all know each other's addresses."""
    nodes = [Node(f"n{i}") for i in range(1, count + 1)]
    with contextlib.ExitStack() as stack:
        for node in nodes:
            server = grpc.server(ThreadPoolExecutor(max_workers=4))
            kvstore_pb2_grpc.add_KVStoreServicer_to_server(node, server)  # type: ignore[no-untyped-call]
            node.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            server.start()
            stack.callback(server.stop, None)
            stack.callback(node.released.set)
        for node in nodes:
            node.ring = state(count, node.name)
            for one, other in zip(node.ring.members, nodes, strict=True):
                one.client_address = other.address
        yield nodes
