"""KVStore: the gRPC door for clients.

A door translates and nothing else: what a request may say is decided by the node, for all doors
alike. Refused here is only what the protobuf form could say and `node.messages` could not: enum
values out of range, negative times, two expiries at once, columns of unequal length.
"""

import time
from collections.abc import Callable
from typing import Final

from dynakv.core.layout import DEFAULT_KEYSPACE
from dynakv.core.record import Record
from dynakv.errors import UsageError
from dynakv.node.layout_messages import Changed
from dynakv.node.messages import (
    KEEP_EXPIRY,
    ClientMessage,
    Expire,
    Expired,
    Found,
    Get,
    List,
    Listed,
    Put,
    Stored,
)
from dynakv.node.raft_messages import Executed
from dynakv.rpc import pipeline
from dynakv.rpc.collector import FULL, submit
from dynakv.rpc.command_methods import CommandMethods
from dynakv.rpc.fields import (
    after_of,
    check_times,
    cursor_of,
    deadline_ms,
    level_of,
    observed,
    range_of,
)
from dynakv.rpc.keyspaces import KeyspaceMethods
from dynakv.rpc.methods import Context, Method, Refusal, timeout_ms, unary
from dynakv.rpc.node_raft import NodeRaft
from dynakv.rpc.node_status import NodeStatus
from dynakv.rpc.node_tasks import NodeTasks
from dynakv.rpc.ports import Inbox, SnapshotKeeper
from dynakv.rpc.ring_state import RingState
from dynakv.rpc.snapshots import SnapshotMethods
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import node_status_pb2, ring_pb2, snapshots_pb2, tasks_pb2

ClientPart = Stored | Found | Expired | Listed | Executed | Changed

SERVICE: Final = pb.DESCRIPTOR.services_by_name["KVStore"]


class KVStore:
    """Serves clients out of one node's inbox."""

    def __init__(
        self,
        inbox: Inbox,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        snapshots: SnapshotKeeper | None = None,
    ) -> None:
        """Serve `inbox`; `wall_ms` is the wall clock that a handshake shows."""
        self._inbox = inbox
        self._wall_ms = wall_ms
        self._ring_state = RingState(inbox)
        self._status = NodeStatus(inbox, wall_ms)
        self._tasks = NodeTasks(inbox)
        self._raft = NodeRaft(inbox)
        self._commands = CommandMethods(inbox, self._hlc)
        self._snapshots = None if snapshots is None else SnapshotMethods(inbox, snapshots, wall_ms)
        self._keyspaces = KeyspaceMethods(inbox)

    def handlers(self) -> dict[str, Method]:
        """Return the handler of each method of the service."""
        return self._snapshot_handlers() | {
            "Put": unary(self.put, pb.PutRequest),
            "Get": unary(self.get, pb.GetRequest),
            "Delete": unary(self.delete, pb.DeleteRequest),
            "Expire": unary(self.expire, pb.ExpireRequest),
            "Persist": unary(self.persist, pb.PersistRequest),
            "List": unary(self.list, pb.ListRequest),
            "Pipeline": unary(self.pipeline, pb.PipelineRequest),
            "Handshake": unary(self.handshake, pb.HandshakeRequest),
            "GetRingState": unary(self._ring_state.get, ring_pb2.GetRingStateRequest),
            "GetNodeStatus": unary(self._status.get, node_status_pb2.GetNodeStatusRequest),
            "InspectKey": unary(self._status.inspect, node_status_pb2.InspectKeyRequest),
            "ListTasks": unary(self._tasks.list, tasks_pb2.ListTasksRequest),
            "StartRepair": unary(self._tasks.repair, tasks_pb2.StartRepairRequest),
            "PauseRepair": unary(self._tasks.pause, tasks_pb2.PauseRepairRequest),
            "AcceptLoss": unary(self._tasks.accept_loss, tasks_pb2.AcceptLossRequest),
            **self._raft.handlers(),
            **self._commands.handlers(),
            **self._keyspaces.handlers(),
        }

    def _snapshot_handlers(self) -> dict[str, Method]:
        methods = self._snapshots
        if methods is None:
            return {}
        return {
            "CreateSnapshot": unary(methods.create, snapshots_pb2.CreateSnapshotRequest),
            "ListSnapshots": unary(methods.list, snapshots_pb2.ListSnapshotsRequest),
            "DeleteSnapshot": unary(methods.delete, snapshots_pb2.DeleteSnapshotRequest),
        }

    async def put(self, request: pb.PutRequest, context: Context) -> pb.PutResponse | Refusal:
        """Write one key."""
        if request.HasField("condition") or request.HasField("request_id"):
            return await self._commands.put(request, context)
        expiry_ms = request.expires_at_ms
        if request.ttl_ms or expiry_ms or request.keep_ttl:
            _check_expiry(request.ttl_ms, expiry_ms, keep=request.keep_ttl)
            expiry_ms = KEEP_EXPIRY if request.keep_ttl else expiry_ms
        stamped = request.HasField("stamp")
        part = await self._ask(
            Put(
                request.keyspace or DEFAULT_KEYSPACE,
                [request.key],
                [request.value],
                [request.ttl_ms] if request.ttl_ms else None,
                [expiry_ms] if expiry_ms else None,
                [request.stamp.time] if stamped else None,
                [request.stamp.writer] if stamped else None,
                level_of(request.level),
                request.w,
                request.previous,
                timeout_ms(context),
            )
        )
        if isinstance(part, Refusal):
            return part
        assert isinstance(part, Stored)
        return pb.PutResponse(
            hlc=self._hlc(),
            stamp=pb.Stamp(time=part.times[0], writer=part.writers[0]),
            previous=_previous(part),
        )

    async def get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse | Refusal:
        """Read one key."""
        part = await self._ask(
            Get(
                request.keyspace or DEFAULT_KEYSPACE,
                [request.key],
                level_of(request.level),
                request.r,
                timeout_ms(context),
                request.max_age_ms if request.HasField("max_age_ms") else None,
            )
        )
        if isinstance(part, Refusal):
            return part
        assert isinstance(part, Found)
        return _found(self._hlc(), part.records[0], part.leader)

    async def delete(
        self, request: pb.DeleteRequest, context: Context
    ) -> pb.DeleteResponse | Refusal:
        """Delete one key."""
        if request.HasField("condition") or request.HasField("request_id"):
            return await self._commands.delete(request, context)
        stamped = request.HasField("stamp")
        part = await self._ask(
            Put(
                request.keyspace or DEFAULT_KEYSPACE,
                [request.key],
                [None],
                times=[request.stamp.time] if stamped else None,
                writers=[request.stamp.writer] if stamped else None,
                level=level_of(request.level),
                w=request.w,
                previous=request.previous,
                timeout_ms=timeout_ms(context),
            )
        )
        if isinstance(part, Refusal):
            return part
        assert isinstance(part, Stored)
        return pb.DeleteResponse(
            hlc=self._hlc(),
            stamp=pb.Stamp(time=part.times[0], writer=part.writers[0]),
            previous=_previous(part),
        )

    async def expire(
        self, request: pb.ExpireRequest, context: Context
    ) -> pb.ExpireResponse | Refusal:
        """Set the deadline of one key."""
        ttl_ms, expires_at_ms = request.ttl_ms, request.expires_at_ms
        _check_expiry(ttl_ms, expires_at_ms, keep=False)
        if not ttl_ms and not expires_at_ms:
            raise UsageError("expire needs ttl_ms or expires_at_ms above 0; Persist removes both")
        if request.when or request.HasField("request_id"):
            return await self._commands.expire(request, context)
        part = await self._ask(
            Expire(
                request.keyspace or DEFAULT_KEYSPACE,
                [request.key],
                [ttl_ms] if ttl_ms else None,
                [expires_at_ms] if expires_at_ms else None,
                level_of(request.level),
                request.w,
                timeout_ms(context),
            )
        )
        if isinstance(part, Refusal):
            return part
        assert isinstance(part, Expired)
        return pb.ExpireResponse(hlc=self._hlc(), applied=part.applied[0])

    async def persist(
        self, request: pb.PersistRequest, context: Context
    ) -> pb.PersistResponse | Refusal:
        """Remove the deadline of one key."""
        if request.HasField("request_id"):
            return await self._commands.persist(request, context)
        part = await self._ask(
            Expire(
                request.keyspace or DEFAULT_KEYSPACE,
                [request.key],
                level=level_of(request.level),
                w=request.w,
                timeout_ms=timeout_ms(context),
            )
        )
        if isinstance(part, Refusal):
            return part
        assert isinstance(part, Expired)
        return pb.PersistResponse(hlc=self._hlc(), applied=part.applied[0])

    async def list(self, request: pb.ListRequest, context: Context) -> pb.ListResponse | Refusal:
        """List a page of keys."""
        start, end = range_of(request)
        part = await self._ask(
            List(
                request.keyspace or DEFAULT_KEYSPACE,
                start,
                end,
                after_of(request.cursor),
                request.limit,
                request.keys_only,
                timeout_ms(context),
            )
        )
        if isinstance(part, Refusal):
            return part
        assert isinstance(part, Listed)
        return pb.ListResponse(
            hlc=self._hlc(),
            entries=[
                pb.ListedEntry(
                    key=record.key,
                    value=record.value or b"",
                    stamp=pb.Stamp(time=record.value_time, writer=record.value_writer),
                    expires_at_ms=deadline_ms(record),
                )
                for record in part.records
            ],
            next_cursor=cursor_of(part.next),
        )

    async def pipeline(
        self, request: pb.PipelineRequest, context: Context
    ) -> pb.PipelineResponse | Refusal:
        """Run many requests."""
        results = await pipeline.run(self._inbox, request, lambda: timeout_ms(context))
        if isinstance(results, Refusal):
            return results
        return pb.PipelineResponse(hlc=self._hlc(), results=results)

    async def handshake(
        self, request: pb.HandshakeRequest, context: Context
    ) -> pb.HandshakeResponse:
        """Say who answers and what time it is here."""
        del request, context
        header = self._inbox.header()
        return pb.HandshakeResponse(
            cluster_id=header.cluster_id,
            node_id=header.node_id,
            epoch=header.epoch,
            hlc=header.hlc,
            wall_ms=self._wall_ms(),
        )

    async def _ask(self, message: ClientMessage) -> ClientPart | Refusal:
        collector = submit(self._inbox, message)
        if collector is None:
            return FULL
        return (await collector.parts())[0]

    def _hlc(self) -> int:
        return self._inbox.header().hlc


def _check_expiry(ttl_ms: int, expires_at_ms: int, *, keep: bool) -> None:
    check_times("ttl_ms", (ttl_ms,))
    check_times("expires_at_ms", (expires_at_ms,))
    if bool(ttl_ms) + bool(expires_at_ms) + keep > 1:
        raise UsageError("at most one of ttl_ms, expires_at_ms and keep_ttl may be given")


def _previous(part: Stored) -> pb.Observed | None:
    return None if part.previous is None else observed(part.previous[0])


def _found(hlc: int, record: Record | None, leader: str) -> pb.GetResponse:
    if record is None:
        return pb.GetResponse(hlc=hlc, leader=leader)
    stamp = pb.Stamp(time=record.value_time, writer=record.value_writer)
    if record.value is None:
        return pb.GetResponse(hlc=hlc, stamp=stamp, leader=leader)
    return pb.GetResponse(
        hlc=hlc,
        found=True,
        value=record.value,
        stamp=stamp,
        expires_at_ms=deadline_ms(record),
        leader=leader,
    )
