"""A KVStore of one process: answers from a dict, or fails as a test wants it to; a fake cluster."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc, ring_pb2
from tests.client import fakes
from tests.client.fakes import World

STAMP = pb.Stamp(time=(1_700_000_000_123 << 16) | 4, writer=0xFF)


class FakeStore(kvstore_pb2_grpc.KVStoreServicer):
    """Remembers requests; `failure` is (code, retry) for every call, retry None: no ErrorInfo."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.values: dict[bytes, bytes] = {}
        self.requests: list[Any] = []
        self.failure: tuple[grpc.StatusCode, str | None] | None = None

    def Put(self, request: pb.PutRequest, context: Any) -> pb.PutResponse:
        self._take(request, context)
        self.values[request.key] = request.value
        return pb.PutResponse(stamp=STAMP)

    def Get(self, request: pb.GetRequest, context: Any) -> pb.GetResponse:
        self._take(request, context)
        value = self.values.get(request.key)
        if value is None:
            return pb.GetResponse()
        return pb.GetResponse(found=True, value=value, stamp=STAMP, expires_at_ms=1_700_000_060_000)

    def Delete(self, request: pb.DeleteRequest, context: Any) -> pb.DeleteResponse:
        self._take(request, context)
        self.values.pop(request.key, None)
        return pb.DeleteResponse(stamp=STAMP)

    def Expire(self, request: pb.ExpireRequest, context: Any) -> pb.ExpireResponse:
        self._take(request, context)
        return pb.ExpireResponse(applied=request.key in self.values)

    def Persist(self, request: pb.PersistRequest, context: Any) -> pb.PersistResponse:
        self._take(request, context)
        return pb.PersistResponse(applied=request.key in self.values)

    def GetRingState(
        self, request: ring_pb2.GetRingStateRequest, context: Any
    ) -> ring_pb2.GetRingStateResponse:
        self._take(request, context)
        return ring_pb2.GetRingStateResponse(answered_by="n1")

    def _take(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        if self.failure is None:
            return
        code, retry = self.failure
        if retry is not None:
            info = error_details_pb2.ErrorInfo(domain="dynakv", metadata={"retry": retry})
            detail = AnyMessage()
            detail.Pack(info)
            status = status_pb2.Status(code=code.value[0], message="as told", details=[detail])
            context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(code, "as told")


@pytest.fixture
def store() -> Iterator[FakeStore]:
    """Yield a fake that listens on `store.endpoint`."""
    fake = FakeStore()
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    kvstore_pb2_grpc.add_KVStoreServicer_to_server(fake, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    fake.endpoint = f"127.0.0.1:{port}"
    server.start()
    yield fake
    server.stop(None).wait()


@pytest.fixture
def world() -> Iterator[World]:
    """Yield fake nodes that live in a loop of another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = fakes.world()
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
