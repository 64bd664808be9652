"""The two gRPC servers of a node: one for clients, one for peers, each on its own port.

Two servers and not two ports of one: a gRPC server serves all of its services on all of its ports.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from grpc import method_handlers_generic_handler
from grpc.aio import Server as GrpcServer
from grpc.aio import server as grpc_server
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dynakv import limits
from dynakv.errors import UsageError
from dynakv.rpc import kvstore, node_internal
from dynakv.rpc.methods import Method
from dynakv.rpc.ports import Inbox, SnapshotKeeper

_OPTIONS: Final = (
    # With it a second node on the same port would start and share its connections.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
    # Peers and clients may probe an idle connection as often as our own links do.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", limits.KEEPALIVE_MS // 2),
    # A client that vanished without a word frees what it holds.
    ("grpc.keepalive_time_ms", limits.CLIENT_KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", limits.CLIENT_KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", limits.CLIENT_KEEPALIVE_TIMEOUT_MS),
)


class Server:
    """A started server."""

    def __init__(
        self, server: GrpcServer, port: int, health_servicer: health.aio.HealthServicer | None
    ) -> None:
        """Wrap a server that listens on `port`."""
        self._server = server
        self._health = health_servicer
        self.port = port  # the one that was bound, where port 0 was asked for

    async def set_serving(self, *, serving: bool) -> None:
        """Say by gRPC health checking whether clients should send requests."""
        if self._health is not None:
            states = health_pb2.HealthCheckResponse
            state = states.SERVING if serving else states.NOT_SERVING
            for name in ("", kvstore.SERVICE.full_name):
                await self._health.set(name, state)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Take no more calls, give running ones `grace_s` seconds, then end them."""
        if self._health is not None:
            await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s or None)


async def serve_clients(
    inbox: Inbox,
    address: str,
    *,
    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    snapshots: SnapshotKeeper | None = None,
) -> Server:
    """Serve KVStore, health checking and reflection on `address` (host:port; port 0: any free).

    Health says SERVING from the start. Raises UsageError where the address cannot be bound.
    """
    # More calls than the node takes operations would only wait in memory.
    server = grpc_server(options=_OPTIONS, maximum_concurrent_rpcs=limits.OPERATIONS_MAX)
    name = kvstore.SERVICE.full_name
    _add(server, name, kvstore.KVStore(inbox, wall_ms, snapshots).handlers())
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection(
        (name, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    started = Server(server, await _start(server, address, "clients"), health_servicer)
    await started.set_serving(serving=True)
    return started


async def serve_peers(inbox: Inbox, address: str) -> Server:
    """Serve NodeInternal on `address` (host:port; port 0: any free).

    Raises UsageError where the address cannot be bound.
    """
    server = grpc_server(options=_OPTIONS)
    name = node_internal.SERVICE.full_name
    _add(server, name, node_internal.NodeInternal(inbox).handlers())
    return Server(server, await _start(server, address, "peers"), None)


def _add(server: GrpcServer, service: str, handlers: Mapping[str, Method]) -> None:
    server.add_generic_rpc_handlers((method_handlers_generic_handler(service, dict(handlers)),))


async def _start(server: GrpcServer, address: str, whom: str) -> int:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise UsageError(
            f"cannot listen on {address} for {whom}: another process uses the port, or the "
            "address is none of this machine; choose another address"
        ) from error
    await server.start()
    return port
