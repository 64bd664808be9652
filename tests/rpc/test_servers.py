"""Two servers, two ports."""

from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dynakv.errors import UsageError
from dynakv.rpc.servers import serve_clients, serve_peers
from dynakv.v1 import kvstore_pb2_grpc, node_internal_pb2_grpc, ring_pb2

Run = Callable[[Coroutine[Any, Any, None]], None]
RING = ring_pb2.GetRingStateRequest()


def channel_to(port: int) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}")


@pytest.mark.parametrize("serve", [serve_clients, serve_peers])
def test_a_port_in_use_is_a_usage_error_that_names_the_address(
    inbox: Any, run: Run, serve: Any
) -> None:
    async def scenario() -> None:
        first = await serve(inbox, "127.0.0.1:0")
        with pytest.raises(UsageError, match=f"127.0.0.1:{first.port}"):
            await serve(inbox, f"127.0.0.1:{first.port}")
        await first.stop()

    run(scenario())


def test_clients_cannot_reach_peer_methods_and_peers_no_client_methods(
    inbox: Any, run: Run
) -> None:
    async def scenario() -> None:
        clients = await serve_clients(inbox, "127.0.0.1:0")
        peers = await serve_peers(inbox, "127.0.0.1:0")
        async with channel_to(clients.port) as client, channel_to(peers.port) as peer:
            for stub in (
                node_internal_pb2_grpc.NodeInternalStub(client),
                kvstore_pb2_grpc.KVStoreStub(peer),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.GetRingState(RING)
                assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
            for stub in (
                kvstore_pb2_grpc.KVStoreStub(client),
                node_internal_pb2_grpc.NodeInternalStub(peer),
            ):
                assert (await stub.GetRingState(RING)).answered_by == "n1"
        await clients.stop()
        await peers.stop()

    run(scenario())


def test_health_follows_what_the_node_says_of_itself(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        server = await serve_clients(inbox, "127.0.0.1:0")
        async with channel_to(server.port) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", "dynakv.v1.KVStore"):
                request = health_pb2.HealthCheckRequest(service=name)
                assert (await stub.Check(request)).status == 1
                await server.set_serving(serving=False)
                assert (await stub.Check(request)).status == 2
                await server.set_serving(serving=True)
        await server.stop()

    run(scenario())


def test_reflection_lists_the_client_service(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        server = await serve_clients(inbox, "127.0.0.1:0")
        async with channel_to(server.port) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            async for reply in stub.ServerReflectionInfo(iter([request])):
                names = [service.name for service in reply.list_services_response.service]
        assert "dynakv.v1.KVStore" in names
        assert "dynakv.v1.NodeInternal" not in names
        await server.stop()

    run(scenario())
