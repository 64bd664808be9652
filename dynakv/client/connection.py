"""Unary calls to a cluster: the first endpoint that can be reached takes them.

Endpoints are tried in order while connecting only. Once a call has left, it is never repeated
here: a write whose connection broke may have happened, and a repetition without the stamp of the
first attempt would be a second write. After a call that the transport lost the next one connects
anew, to another endpoint first. Errors come out as the tree of `dynakv.errors`, sorted by what the
ErrorInfo of the status says about a retry.

With `endpoints.py` this is all that the commands know of gRPC.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar

import grpc
import grpc.aio
from msgspec import Struct

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.errors import RefusedError, UnknownOutcomeError, UsageError
from dynakv.v1 import (
    kvstore_pb2,
    kvstore_pb2_grpc,
    node_status_pb2,
    ring_pb2,
    snapshots_pb2,
    tasks_pb2,
)

CONNECT_MS: Final = 2_000  # per endpoint: a host that drops packets must not hide the next one
SILENCE_MS: Final = 5_000  # beyond the deadline that the node keeps: then it is the node that hangs


Reply = TypeVar("Reply")
_Code = grpc.StatusCode
_LEVELS = {
    None: ring_pb2.LEVEL_UNSPECIFIED,
    Level.ONE: ring_pb2.LEVEL_ONE,
    Level.QUORUM: ring_pb2.LEVEL_QUORUM,
    Level.ALL: ring_pb2.LEVEL_ALL,
}


class Version(Struct, frozen=True):
    """The stamp of a write."""

    time: int  # uint64 HLC
    writer: int  # uint64


class Value(Struct, frozen=True):
    """What a get found; `value` is None where there is none."""

    value: bytes | None
    version: Version | None  # of the value or of the delete; None: never written
    expires_at_ms: int  # Unix time; 0: never


class Item(Struct, frozen=True):
    """One key of a list."""

    key: bytes
    value: bytes  # empty where only keys were asked for
    version: Version
    expires_at_ms: int  # Unix time; 0: never


class Range(Struct, frozen=True):
    """Which keys to list: those with a prefix, or from `start` on and below `end`."""

    prefix: bytes = b""
    start: bytes = b""
    end: bytes = b""  # empty: no end
    keys_only: bool = False


class Page(Struct, frozen=True):
    """Some keys in order; it may be empty and still not the last."""

    items: list[Item]
    cursor: bytes  # of the next page; empty: this was the last


class Reach(Struct, frozen=True):
    """How far a request goes; the defaults leave all of it to the keyspace and the node."""

    keyspace: str = ""
    level: Level | None = None
    replicas: int = 0  # r or w: overrides the level; 0: not given
    timeout_ms: int = 0  # 0: the node's own


class UnreachableError(RefusedError):
    """No endpoint could be connected to; nothing was sent."""


class Connection:
    """One channel to one node, found on first use. Use it with `async with`."""

    def __init__(self, endpoints: Sequence[str], connect_ms: int = CONNECT_MS) -> None:
        """Remember where to look; nothing is opened yet."""
        assert endpoints
        self.endpoint = ""  # that of the node found
        self._endpoints = endpoints
        self._connect_ms = connect_ms
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None  # generated code has no types for its stubs

    async def __aenter__(self) -> Self:
        """Return the connection itself; it connects on first use."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the channel."""
        await self._leave()

    async def put(
        self,
        key: bytes,
        value: bytes,
        reach: Reach,
        *,
        ttl_ms: int = 0,
        keep_ttl: bool = False,
    ) -> Version:
        """Write a key and return the stamp of the write."""
        request = kvstore_pb2.PutRequest(
            keyspace=reach.keyspace,
            key=key,
            value=value,
            ttl_ms=ttl_ms,
            keep_ttl=keep_ttl,
            level=_LEVELS[reach.level],
            w=reach.replicas,
        )
        reply = await self._call("Put", request, reach, writes=True)
        return _version(reply.stamp)

    async def get(self, key: bytes, reach: Reach) -> Value:
        """Read a key."""
        request = kvstore_pb2.GetRequest(
            keyspace=reach.keyspace, key=key, level=_LEVELS[reach.level], r=reach.replicas
        )
        reply = await self._call("Get", request, reach, writes=False)
        version = _version(reply.stamp) if reply.HasField("stamp") else None
        return Value(reply.value if reply.found else None, version, reply.expires_at_ms)

    async def delete(self, key: bytes, reach: Reach) -> Version:
        """Delete a key, whether it exists or not, and return the stamp of the delete."""
        request = kvstore_pb2.DeleteRequest(
            keyspace=reach.keyspace, key=key, level=_LEVELS[reach.level], w=reach.replicas
        )
        reply = await self._call("Delete", request, reach, writes=True)
        return _version(reply.stamp)

    async def expire(self, key: bytes, ttl_ms: int, reach: Reach) -> bool:
        """Let an existing key expire `ttl_ms` from now; False where it has no value."""
        request = kvstore_pb2.ExpireRequest(
            keyspace=reach.keyspace,
            key=key,
            ttl_ms=ttl_ms,
            level=_LEVELS[reach.level],
            w=reach.replicas,
        )
        reply = await self._call("Expire", request, reach, writes=True)
        return bool(reply.applied)

    async def persist(self, key: bytes, reach: Reach) -> bool:
        """Take the deadline off an existing key; False where it has no value."""
        request = kvstore_pb2.PersistRequest(
            keyspace=reach.keyspace, key=key, level=_LEVELS[reach.level], w=reach.replicas
        )
        reply = await self._call("Persist", request, reach, writes=True)
        return bool(reply.applied)

    async def page(self, wanted: Range, cursor: bytes, limit: int, reach: Reach) -> Page:
        """Return up to `limit` keys behind the cursor; with an empty one from the first on."""
        request = kvstore_pb2.ListRequest(
            keyspace=reach.keyspace,
            prefix=wanted.prefix,
            start=wanted.start,
            end=wanted.end,
            cursor=cursor,
            limit=limit,
            keys_only=wanted.keys_only,
        )
        reply = await self._call("List", request, reach, writes=False)
        items = [Item(e.key, e.value, _version(e.stamp), e.expires_at_ms) for e in reply.entries]
        return Page(items, reply.next_cursor)

    async def pipeline(
        self, steps: Sequence[kvstore_pb2.Step], reach: Reach
    ) -> list[kvstore_pb2.StepResult]:
        """Run writes of many keys in one call; each result says which of its keys failed."""
        request = kvstore_pb2.PipelineRequest(
            keyspace=reach.keyspace, level=_LEVELS[reach.level], w=reach.replicas, steps=steps
        )
        reply = await self._call("Pipeline", request, reach, writes=True)
        return list(reply.results)

    async def node_status(self, timeout_ms: int = 0) -> node_status_pb2.GetNodeStatusResponse:
        """Return what the node found knows of itself."""
        request, reach = node_status_pb2.GetNodeStatusRequest(), Reach(timeout_ms=timeout_ms)
        reply: node_status_pb2.GetNodeStatusResponse
        reply = await self._call("GetNodeStatus", request, reach, writes=False)
        return reply

    async def inspect_key(self, key: bytes, reach: Reach) -> node_status_pb2.InspectKeyResponse:
        """Return what the node found holds itself under a key."""
        request = node_status_pb2.InspectKeyRequest(keyspace=reach.keyspace, key=key)
        reply: node_status_pb2.InspectKeyResponse = await self._call(
            "InspectKey", request, reach, writes=False
        )
        return reply

    async def tasks(self, timeout_ms: int = 0) -> tasks_pb2.ListTasksResponse:
        """Return what the node found works on beside its requests."""
        reply: tasks_pb2.ListTasksResponse = await self._call(
            "ListTasks", tasks_pb2.ListTasksRequest(), Reach(timeout_ms=timeout_ms), writes=False
        )
        return reply

    async def start_repair(
        self, keyspace: str, group: int | None, timeout_ms: int = 0
    ) -> tasks_pb2.StartRepairResponse:
        """Let the node found compare itself with its peers; an empty keyspace: all of them."""
        request = tasks_pb2.StartRepairRequest(keyspace=keyspace, group=group)
        reply: tasks_pb2.StartRepairResponse = await self._call(
            "StartRepair", request, Reach(timeout_ms=timeout_ms), writes=False
        )
        return reply

    async def pause_repair(self, *, paused: bool, timeout_ms: int = 0) -> None:
        """Let the node found compare nothing in the background, or go on."""
        request = tasks_pb2.PauseRepairRequest(paused=paused)
        await self._call("PauseRepair", request, Reach(timeout_ms=timeout_ms), writes=False)

    async def accept_loss(self, keyspace: str, timeout_ms: int = 0) -> tasks_pb2.AcceptLossResponse:
        """Let the node found answer where it recovers; an empty keyspace: everywhere."""
        request = tasks_pb2.AcceptLossRequest(keyspace=keyspace)
        reply: tasks_pb2.AcceptLossResponse = await self._call(
            "AcceptLoss", request, Reach(timeout_ms=timeout_ms), writes=False
        )
        return reply

    async def create_snapshot(
        self, name: str, timeout_ms: int = 0
    ) -> snapshots_pb2.CreateSnapshotResponse:
        """Let the node found begin a snapshot; an empty name: it gives one."""
        request = snapshots_pb2.CreateSnapshotRequest(name=name)
        reply: snapshots_pb2.CreateSnapshotResponse = await self._call(
            "CreateSnapshot", request, Reach(timeout_ms=timeout_ms), writes=False
        )
        return reply

    async def snapshots(self, timeout_ms: int = 0) -> snapshots_pb2.ListSnapshotsResponse:
        """Return the snapshots of the node found."""
        request, reach = snapshots_pb2.ListSnapshotsRequest(), Reach(timeout_ms=timeout_ms)
        reply: snapshots_pb2.ListSnapshotsResponse
        reply = await self._call("ListSnapshots", request, reach, writes=False)
        return reply

    async def delete_snapshot(
        self, name: str, timeout_ms: int = 0
    ) -> snapshots_pb2.DeleteSnapshotResponse:
        """Let the node found remove a snapshot."""
        request = snapshots_pb2.DeleteSnapshotRequest(name=name)
        reply: snapshots_pb2.DeleteSnapshotResponse = await self._call(
            "DeleteSnapshot", request, Reach(timeout_ms=timeout_ms), writes=False
        )
        return reply

    async def administer(self, method: str, request: object, timeout_ms: int = 0) -> Any:
        """Call a method about keyspaces or Raft groups by its name."""
        writes = method.endswith("Keyspace")  # and its outcome may be unknown
        return await self._call(method, request, Reach(timeout_ms=timeout_ms), writes=writes)

    async def ring_state(self, timeout_ms: int = 0) -> ring_pb2.GetRingStateResponse:
        """Return the ring as the node found sees it."""
        request = ring_pb2.GetRingStateRequest()
        reply: ring_pb2.GetRingStateResponse = await self._call(
            "GetRingState", request, Reach(timeout_ms=timeout_ms), writes=False
        )
        return reply

    async def _call(self, method: str, request: object, reach: Reach, *, writes: bool) -> Any:
        await self._connect()
        send: Callable[..., Awaitable[Any]] = getattr(self._stub, method)
        timeout_s = reach.timeout_ms / 1000 or None
        silence_ms = (reach.timeout_ms or limits.ATTEMPT_MS) + SILENCE_MS
        try:
            async with asyncio.timeout(silence_ms / 1000):
                return await send(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            endpoint = self.endpoint
            if not _retry_of(error):
                await self._leave()
            _raise(error, endpoint, writes=writes)
        except TimeoutError:
            text = f"{self.endpoint} did not answer within {silence_ms} ms"
            await self._leave()
            raise _uncertain(text, writes=writes) from None

    async def _connect(self) -> None:
        """Open a channel to the first endpoint that accepts one. Raises UnreachableError."""
        if self._channel is not None:
            return
        for endpoint in sorted(self._endpoints, key=lambda e: e == self.endpoint):
            channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
            if await _ready(channel, self._connect_ms):
                self._channel, self.endpoint = channel, endpoint
                self._stub = kvstore_pb2_grpc.KVStoreStub(channel)  # type: ignore[no-untyped-call]
                return
            await channel.close()
        raise UnreachableError(
            f"no endpoint could be reached; tried {', '.join(self._endpoints)} "
            "(name others with --endpoints or DYNAKV_ENDPOINTS)"
        )

    async def _leave(self) -> None:
        """Close the channel; the next call connects anew, to the endpoint just left as the last."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


_OPTIONS = [
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
    # A proxy of the environment is for the web, not for the nodes beside us.
    ("grpc.enable_http_proxy", 0),
]


async def _ready(channel: grpc.aio.Channel, within_ms: int) -> bool:
    """Say whether the channel connects; the first failure counts, where gRPC would go on trying."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_ms / 1000):
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.READY:
                if state in _DEAD:
                    return False
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
            return True
    return False


_DEAD = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)


def _version(stamp: kvstore_pb2.Stamp) -> Version:
    return Version(stamp.time, stamp.writer)


def _uncertain(text: str, *, writes: bool) -> RefusedError | UnknownOutcomeError:
    if writes:
        return UnknownOutcomeError(f"{text}; the write may have happened")
    return RefusedError(text)


def _raise(error: grpc.aio.AioRpcError, endpoint: str, *, writes: bool) -> NoReturn:
    """Raise what the status means for the caller; nothing is assumed where it does not say."""
    code, text = error.code(), error.details() or error.code().name
    retry = _retry_of(error)
    if retry == "never":
        raise UsageError(text) from None
    if retry == "safe":
        raise RefusedError(text) from None
    if retry == "same-stamp":
        raise UnknownOutcomeError(text) from None
    # Not from DynaKV's own code: the transport, or something else that listens there.
    text = f"{endpoint}: {code.name}: {text}"
    if code in (_Code.INVALID_ARGUMENT, _Code.FAILED_PRECONDITION, _Code.UNIMPLEMENTED):
        raise UsageError(text) from None
    if code is _Code.RESOURCE_EXHAUSTED:
        raise RefusedError(text) from None
    raise _uncertain(text, writes=writes) from None


def _retry_of(error: grpc.aio.AioRpcError) -> str:
    """Return `retry` of the status's ErrorInfo, empty where there is none."""
    from google.rpc import error_details_pb2, status_pb2

    for name, raw in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin" and isinstance(raw, bytes):
            for detail in status_pb2.Status.FromString(raw).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.metadata.get("retry", ""))
    return ""
