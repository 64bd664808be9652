"""One gRPC channel per node, and calls on it that end in a reply or in what is known of a failure.

A call is sent only over a connection that stands: so a node that is gone costs no unknown outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from dynakv import limits
from dynakv.client import settings, wire
from dynakv.client.retry import Cause, Trouble
from dynakv.v1 import keyspaces_pb2, ring_pb2
from dynakv.v1 import kvstore_pb2 as pb

Call = Callable[..., Awaitable[Any]]

_SERVICE: Final = "/dynakv.v1.KVStore/"
_STATE = grpc.ChannelConnectivity
_Closed = grpc.aio.UsageError  # what a call on a closed channel raises
_METHODS: Final[dict[str, tuple[type[Message], type[Message]]]] = {
    "Pipeline": (pb.PipelineRequest, pb.PipelineResponse),
    "List": (pb.ListRequest, pb.ListResponse),
    "Handshake": (pb.HandshakeRequest, pb.HandshakeResponse),
    "CreateKeyspace": (keyspaces_pb2.CreateKeyspaceRequest, keyspaces_pb2.CreateKeyspaceResponse),
    "AlterKeyspace": (keyspaces_pb2.AlterKeyspaceRequest, keyspaces_pb2.AlterKeyspaceResponse),
    "DropKeyspace": (keyspaces_pb2.DropKeyspaceRequest, keyspaces_pb2.DropKeyspaceResponse),
    "ListKeyspaces": (keyspaces_pb2.ListKeyspacesRequest, keyspaces_pb2.ListKeyspacesResponse),
    "GetRingState": (ring_pb2.GetRingStateRequest, ring_pb2.GetRingStateResponse),
}
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
    # A proxy of the environment is for the web, not for the nodes beside us.
    ("grpc.enable_http_proxy", 0),
    # A node that restarts is looked for often: that costs one refused connection.
    ("grpc.initial_reconnect_backoff_ms", limits.RECONNECT_MS),
    ("grpc.min_reconnect_backoff_ms", limits.CONNECT_MS_MAX),
    ("grpc.max_reconnect_backoff_ms", limits.RECONNECT_MS_MAX),
    # A connection through a cut cable is given up while calls wait for it.
    ("grpc.keepalive_time_ms", 5 * limits.KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
    # Clients of one process are independent of each other.
    ("grpc.use_local_subchannel_pool", 1),
]


class _Node:
    """The channel to one endpoint and its calls by name."""

    def __init__(self, endpoint: str) -> None:
        self.channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        self.calls: dict[str, Call] = {
            name: cast(
                "Call",
                self.channel.unary_unary(
                    _SERVICE + name,
                    request_serializer=request.SerializeToString,
                    response_deserializer=response.FromString,
                ),
            )
            for name, (request, response) in _METHODS.items()
        }


class Channels:
    """Channels by endpoint, opened on first use; for one event loop."""

    def __init__(
        self, nodes_attempt_ms: int = limits.ATTEMPT_MS, grace_ms: int = settings.GRACE_MS
    ) -> None:
        """Open nothing yet.

        `nodes_attempt_ms` is after how long nodes answer by themselves, `grace_ms` how much later
        than it should a node may answer.
        """
        self._nodes_attempt_ms = nodes_attempt_ms
        self._grace_ms = grace_ms
        self._nodes: dict[str, _Node] = {}
        self.is_closed = False

    async def close(self) -> None:
        """Close all channels; calls under way and later ones end in trouble."""
        self.is_closed = True
        nodes, self._nodes = list(self._nodes.values()), {}
        for node in nodes:
            await node.channel.close()

    async def forget(self, endpoint: str) -> None:
        """Close the channel to an endpoint, once the calls under way have had their time."""
        node = self._nodes.pop(endpoint, None)
        if node is not None:
            try:
                await node.channel.close(limits.DEADLINE_MS_MAX / 1000)
            finally:  # where the client is closed meanwhile
                await node.channel.close()

    async def pipeline(
        self, endpoint: str, request: pb.PipelineRequest, attempt_ms: int
    ) -> pb.PipelineResponse | Trouble:
        """Run a pipeline."""
        reply: pb.PipelineResponse | Trouble
        reply = await self._reply(endpoint, "Pipeline", request, attempt_ms)
        return reply

    async def list(
        self, endpoint: str, request: pb.ListRequest, attempt_ms: int
    ) -> pb.ListResponse | Trouble:
        """Return a page of a listing."""
        reply: pb.ListResponse | Trouble
        reply = await self._reply(endpoint, "List", request, attempt_ms)
        return reply

    async def handshake(self, endpoint: str, attempt_ms: int) -> pb.HandshakeResponse | Trouble:
        """Ask who answers at an endpoint and what time it is there."""
        reply: pb.HandshakeResponse | Trouble
        reply = await self._reply(endpoint, "Handshake", pb.HandshakeRequest(), attempt_ms)
        return reply

    async def ring(self, endpoint: str, attempt_ms: int) -> ring_pb2.GetRingStateResponse | Trouble:
        """Return the layout."""
        request = ring_pb2.GetRingStateRequest()
        reply: ring_pb2.GetRingStateResponse | Trouble
        reply = await self._reply(endpoint, "GetRingState", request, attempt_ms)
        return reply

    async def call(self, endpoint: str, name: str, request: Message, attempt_ms: int) -> Any:
        """Return the reply of a method that is called seldom, or the trouble."""
        if attempt_ms == self._nodes_attempt_ms:
            attempt_ms -= 1  # what a node does without a deadline differs from method to method
        return await self._reply(endpoint, name, request, attempt_ms)

    async def _reply(self, endpoint: str, name: str, request: Message, attempt_ms: int) -> Any:
        """Return the reply or the trouble; raises CancelledError where the caller is cancelled."""
        if self.is_closed:
            return Trouble(Cause.UNREACHED, "the client is closed")
        node = self._nodes.get(endpoint)
        if node is None:
            node = self._nodes[endpoint] = _Node(endpoint)
        # Under its own default the node answers just in time, with a word about each key; a
        # deadline that travels with the call ends here, and the answer is thrown away.
        timeout_s = None if attempt_ms == self._nodes_attempt_ms else attempt_ms / 1000
        silence_ms = attempt_ms + self._grace_ms
        try:
            async with asyncio.timeout(silence_ms / 1000):
                if not await _connected(node.channel):
                    return Trouble(Cause.UNREACHED, f"{endpoint}: cannot be connected to")
                return await node.calls[name](request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return wire.trouble_of(error, endpoint)
        except TimeoutError:
            return Trouble(Cause.LOST, f"{endpoint}: no answer within {silence_ms} ms")
        except (asyncio.CancelledError, _Closed) as error:
            # A channel that is closed cancels its calls; their callers go on.
            trouble = self._trouble_of_closing(endpoint, is_sent=not isinstance(error, _Closed))
            if trouble is None:
                raise
            return trouble

    def _trouble_of_closing(self, endpoint: str, *, is_sent: bool) -> Trouble | None:
        """Return what closing a channel made of a call; None where its caller was cancelled."""
        task = asyncio.current_task()
        if task is None or task.cancelling():
            return None
        if self.is_closed:
            return Trouble(Cause.LOST, "the client was closed")
        cause = Cause.LOST if is_sent else Cause.UNREACHED
        return Trouble(cause, f"{endpoint}: no longer an address of the cluster")


async def _connected(channel: grpc.aio.Channel) -> bool:
    """Say whether the channel connects; the first failure counts, where gRPC would go on trying."""
    if channel.get_state() is _STATE.READY:
        return True
    try:
        async with asyncio.timeout(settings.CONNECT_MS / 1000):
            while True:
                state = channel.get_state(try_to_connect=True)
                if state is _STATE.READY:
                    return True
                if state in (_STATE.TRANSIENT_FAILURE, _STATE.SHUTDOWN):
                    return False
                await channel.wait_for_state_change(state)
    except TimeoutError:
        return False
