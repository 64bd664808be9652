"""Nodes of one process for the tests of the clients: they answer from a dict, or as they are told.

A fake node follows its `script` first: each entry serves one Pipeline call and may answer, abort,
or do nothing. All nodes of a `World` share its data, as replicas that always agree would.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from dynakv.client.core import Core
from dynakv.client.session import mono_ms
from dynakv.v1 import keyspaces_pb2, kvstore_pb2_grpc, ring_pb2
from dynakv.v1 import kvstore_pb2 as pb

CODES = grpc.StatusCode
Script = Callable[["FakeNode", pb.PipelineRequest, Any], Awaitable[pb.PipelineResponse | None]]


class World:
    """The data, the clock and the layout of a fake cluster."""

    def __init__(self, nodes: int = 3) -> None:
        self.values: dict[bytes, tuple[int, int, bytes | None, int]] = {}
        self.ahead_ms = 0  # of the cluster's clock against the real one
        self.epoch = 1
        self.nodes = [FakeNode(self, f"n{i}") for i in range(1, nodes + 1)]
        self.members = list(self.nodes)  # those that the layout names
        self.addresses: dict[str, str] = {}  # client addresses that it tells, by node id
        self._changed = asyncio.Event()
        self.placement: list[Sequence[int]] = [range(nodes)] * 4  # replicas of each group
        self.changes: list[tuple[str, Any]] = []  # of keyspaces: node id and request

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    @property
    def endpoints(self) -> list[str]:
        return [node.endpoint for node in self.nodes]

    @property
    def requests(self) -> list[pb.PipelineRequest]:
        """All pipelines that arrived, node by node."""
        return [request for node in self.nodes for request in node.requests]

    def script(self, *steps: Script) -> None:
        """Let the next calls go as told, whichever node they reach."""
        shared = deque(steps)
        for node in self.nodes:
            node.script = shared

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition on what has arrived at the nodes."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def arrived(self) -> None:
        self._changed.set()


class FakeNode(kvstore_pb2_grpc.KVStoreServicer):
    """A node that remembers what it was asked."""

    def __init__(self, world: World, node_id: str) -> None:
        self.world = world
        self.node_id = node_id
        self.cluster_id = 7
        self.endpoint = ""
        self.script: deque[Script] = deque()
        self.requests: list[pb.PipelineRequest] = []
        self.lists: list[pb.ListRequest] = []
        self.handshakes = 0
        self.server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        kvstore_pb2_grpc.add_KVStoreServicer_to_server(self, self.server)  # type: ignore[no-untyped-call]
        port = self.server.add_insecure_port(self.endpoint or "127.0.0.1:0")
        self.endpoint = f"127.0.0.1:{port}"
        await self.server.start()

    async def stop(self) -> None:
        assert self.server is not None
        await self.server.stop(None)

    async def Handshake(self, request: Any, context: Any) -> pb.HandshakeResponse:
        self.handshakes += 1
        self.world.arrived()
        wall_ms = self.world.wall_ms()
        return pb.HandshakeResponse(
            cluster_id=self.cluster_id,
            node_id=self.node_id,
            epoch=self.world.epoch,
            hlc=wall_ms << 16,
            wall_ms=wall_ms,
        )

    async def GetRingState(self, request: Any, context: Any) -> ring_pb2.GetRingStateResponse:
        addresses = self.world.addresses
        members = [
            ring_pb2.Member(
                node_id=n.node_id, weight=1, client_address=addresses.get(n.node_id, "")
            )
            for n in self.world.members
        ]
        keyspace = ring_pb2.Keyspace(
            name="default",
            mode=ring_pb2.MODE_LEADERLESS,
            n=3,
            rq=2,
            wq=2,
            default_level=ring_pb2.LEVEL_QUORUM,
            groups=[ring_pb2.ShardGroup(replicas=group) for group in self.world.placement],
        )
        return ring_pb2.GetRingStateResponse(
            answered_by=self.node_id,
            hlc=self.world.wall_ms() << 16,
            cluster_id=self.cluster_id,
            epoch=self.world.epoch,
            members=members,
            keyspaces=[keyspace],
        )

    async def ListKeyspaces(
        self, request: Any, context: Any
    ) -> keyspaces_pb2.ListKeyspacesResponse:
        keyspace = ring_pb2.Keyspace(
            name="default",
            keyspace_id=7,
            mode=ring_pb2.MODE_LEADERLESS,
            n=2,
            rq=1,
            wq=2,
            replicas_wanted=3,
            group_count=256,
            default_level=ring_pb2.LEVEL_QUORUM,
            redis_number=0,
        )
        other = ring_pb2.Keyspace(name="k", keyspace_id=9, default_ttl_ms=60_000, hash_tags=True)
        return keyspaces_pb2.ListKeyspacesResponse(
            answered_by=self.node_id,
            epoch=self.world.epoch,
            newest_epoch=self.world.epoch + 1,
            behind=["n3"],
            keyspaces=[keyspace, other],
        )

    async def CreateKeyspace(
        self, request: Any, context: Any
    ) -> keyspaces_pb2.CreateKeyspaceResponse:
        return keyspaces_pb2.CreateKeyspaceResponse(**await self._changed(request, context))

    async def AlterKeyspace(
        self, request: Any, context: Any
    ) -> keyspaces_pb2.AlterKeyspaceResponse:
        return keyspaces_pb2.AlterKeyspaceResponse(**await self._changed(request, context))

    async def DropKeyspace(self, request: Any, context: Any) -> keyspaces_pb2.DropKeyspaceResponse:
        return keyspaces_pb2.DropKeyspaceResponse(**await self._changed(request, context))

    async def _changed(self, request: Any, context: Any) -> dict[str, Any]:
        self.world.changes.append((self.node_id, request))
        step = self.script.popleft() if self.script else None
        if step is not None:
            await step(self, pb.PipelineRequest(), context)
        self.world.epoch += 1
        return {"epoch": self.world.epoch, "keyspace_id": 9}

    async def List(self, request: pb.ListRequest, context: Any) -> pb.ListResponse:
        self.lists.append(pb.ListRequest.FromString(request.SerializeToString()))
        if self.script:
            step = self.script.popleft()
            self.world.arrived()
            await step(self, pb.PipelineRequest(), context)
        after = request.cursor[1:]
        keys = [
            key
            for key in sorted(self.world.values)
            if key > after and key.startswith(request.prefix) and key >= request.start
            if not request.end or key < request.end
        ]
        page = keys[: request.limit or 2]
        entries = []
        for key in page:
            when, writer, value, _ = self.world.values[key]
            stamp = pb.Stamp(time=when, writer=writer)
            shown = b"" if request.keys_only else value
            entries.append(pb.ListedEntry(key=key, value=shown, stamp=stamp))
        cursor = b"\x01" + page[-1] if len(page) < len(keys) else b""
        return pb.ListResponse(hlc=self.world.wall_ms() << 16, entries=entries, next_cursor=cursor)

    async def Pipeline(self, request: pb.PipelineRequest, context: Any) -> pb.PipelineResponse:
        self.requests.append(request)
        step = self.script.popleft() if self.script else None
        self.world.arrived()
        if step is not None:
            answer = await step(self, request, context)
            if answer is not None:
                return answer
        return self.apply(request)

    def apply(self, request: pb.PipelineRequest) -> pb.PipelineResponse:
        """Do what the request says."""
        results = [self._step(step) for step in request.steps]
        return pb.PipelineResponse(hlc=self.world.wall_ms() << 16, results=results)

    def _step(self, step: pb.Step) -> pb.StepResult:
        values = self.world.values
        match step.WhichOneof("kind"):
            case "get":
                found = [values.get(key, (0, 0, None, 0)) for key in step.get.keys]
                return pb.StepResult(
                    found=pb.FoundEntries(
                        found=[value is not None for _, _, value, _ in found],
                        values=[value or b"" for _, _, value, _ in found],
                        times=[when for when, _, _, _ in found],
                        writers=[writer for _, writer, _, _ in found],
                        expires_at_ms=[expiry for _, _, _, expiry in found],
                    )
                )
            case "put":
                put = step.put
                ttls = put.ttls_ms or [0] * len(put.keys)
                return self._write(put, list(put.values), list(ttls))
            case "delete":
                return self._write(step.delete, [None] * len(step.delete.keys), None)
            case _:
                keys = step.expire.keys or step.persist.keys
                applied = [values.get(key, (0, 0, None, 0))[2] is not None for key in keys]
                return pb.StepResult(applied=pb.AppliedEntries(applied=applied))

    def _write(self, step: Any, values: list[Any], ttls: list[int] | None) -> pb.StepResult:
        stored = pb.StoredEntries()
        for i, (key, value, when) in enumerate(zip(step.keys, values, step.times, strict=True)):
            writer = step.writers[0]
            before = self.world.values.get(key, (0, 0, None, 0))
            ttl = ttls[i] if ttls else 0
            after = (when, writer, value, (when >> 16) + ttl if ttl else 0)
            self.world.values[key] = max(before, after, key=lambda record: record[:2])
            stored.times.append(when)
            stored.writers.append(writer)
            if step.previous:
                stored.previous.append(
                    pb.Observed(found=before[2] is not None, value=before[2] or b"")
                )
        return pb.StepResult(stored=stored)


# --- what a node may be told -----------------------------------------------------------------


def answers() -> Script:
    """Serve the call as usual."""

    async def serve(node: FakeNode, request: pb.PipelineRequest, context: Any) -> None:
        return None

    return serve


def aborts(
    code: grpc.StatusCode, retry: str | None, text: str = "as told", *, done: bool = False
) -> Script:
    """End the call with a status; retry None: as the transport does, without an ErrorInfo."""

    async def serve(node: FakeNode, request: pb.PipelineRequest, context: Any) -> None:
        if done:
            node.apply(request)
        trailing = ()
        if retry is not None:
            info = error_details_pb2.ErrorInfo(domain="dynakv", metadata={"retry": retry})
            detail = AnyMessage()
            detail.Pack(info)
            status = status_pb2.Status(code=code.value[0], message=text, details=[detail])
            trailing = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(code, text, trailing)

    return serve


def fails_entries(
    retry: Any,
    code: grpc.StatusCode,
    text: str = "as told",
    *,
    done: bool = False,
    which: Callable[[bytes], bool] = lambda key: True,
) -> Script:
    """Answer, with an error for the entries of some keys."""

    async def serve(
        node: FakeNode, request: pb.PipelineRequest, context: Any
    ) -> pb.PipelineResponse:
        before = dict(node.world.values)
        response = node.apply(request)
        for step, result in zip(request.steps, response.results, strict=True):
            keys = getattr(step, str(step.WhichOneof("kind"))).keys
            entries = [i for i, key in enumerate(keys) if which(key)]
            if entries:
                result.errors.add(entries=entries, code=code.value[0], message=text, retry=retry)
            for i in entries if not done else ():
                node.world.values.pop(keys[i], None)
                if keys[i] in before:
                    node.world.values[keys[i]] = before[keys[i]]
        return response

    return serve


def is_silent() -> Script:
    """Never answer."""

    async def serve(node: FakeNode, request: pb.PipelineRequest, context: Any) -> None:
        await asyncio.Event().wait()

    return serve


def waits_for(event: asyncio.Event) -> Script:
    """Answer as usual once the event is set."""

    async def serve(node: FakeNode, request: pb.PipelineRequest, context: Any) -> None:
        await event.wait()

    return serve


async def favourite(core: Core, world: World) -> FakeNode:
    """Return the node that gets all calls, once it is known who answers where."""
    router = core.session.router
    core.attach()
    await core.session.opened(mono_ms() + 5_000)
    while len(router.endpoints_by_node()) < len(world.nodes):  # noqa: ASYNC110 - no event says so
        await asyncio.sleep(0)
    chosen = router.choose("default", b"k", (), 0)
    return next(node for node in world.nodes if node.endpoint == chosen)


# --- running ---------------------------------------------------------------------------------


@asynccontextmanager
async def world(nodes: int = 3) -> AsyncIterator[World]:
    """Yield a started fake cluster."""
    made = World(nodes)
    for node in made.nodes:
        await node.start()
    try:
        yield made
    finally:
        for node in made.nodes:
            await node.stop()


def run(scenario: Callable[[World], Coroutine[Any, Any, None]], nodes: int = 3) -> None:
    """Run a scenario against a fake cluster; ten seconds mean that something never came."""

    async def bounded() -> None:
        async with asyncio.timeout(10), world(nodes) as made:
            await scenario(made)

    asyncio.run(bounded())
