"""A KVStore of one process that also lists and takes pipelines, for the commands' tests."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc, ring_pb2
from tests.client.conftest import STAMP, FakeStore

PAGE = 3
Verdict = Callable[[bytes, bytes], tuple[int, str] | None]


class CliStore(FakeStore):
    """Pages of three keys. `judge` says of a key and value what fails: a pb.Retry and a text."""

    def __init__(self) -> None:
        super().__init__()
        self.judge: Verdict = lambda key, value: None
        self.expiries: dict[bytes, int] = {}
        self.failures: list[tuple[grpc.StatusCode, str | None]] = []  # of the next calls

    def List(self, request: pb.ListRequest, context: Any) -> pb.ListResponse:
        self._take(request, context)
        found = [
            key
            for key in sorted(self.values)
            if key.startswith(request.prefix)
            and key >= request.start
            and (not request.end or key < request.end)
            and key > request.cursor
        ]
        size = min(request.limit or PAGE, PAGE)
        entries = [
            pb.ListedEntry(
                key=key,
                value=b"" if request.keys_only else self.values[key],
                stamp=STAMP,
                expires_at_ms=self.expiries.get(key, 0),
            )
            for key in found[:size]
        ]
        cursor = found[size - 1] if len(found) > size else b""
        return pb.ListResponse(entries=entries, next_cursor=cursor)

    def Pipeline(self, request: pb.PipelineRequest, context: Any) -> pb.PipelineResponse:
        self._take(request, context)
        return pb.PipelineResponse(results=[self._step(step) for step in request.steps])

    def GetRingState(
        self, request: ring_pb2.GetRingStateRequest, context: Any
    ) -> ring_pb2.GetRingStateResponse:
        self._take(request, context)
        return ring_pb2.GetRingStateResponse(
            answered_by="n1",
            keyspaces=[ring_pb2.Keyspace(name="default", n=3), ring_pb2.Keyspace(name="ks", n=3)],
        )

    def pipelines(self) -> list[pb.PipelineRequest]:
        return [r for r in self.requests if isinstance(r, pb.PipelineRequest)]

    def _take(self, request: Any, context: Any) -> None:
        self.failure = self.failures.pop(0) if self.failures else None
        super()._take(request, context)

    def _step(self, step: pb.Step) -> pb.StepResult:
        kind = step.WhichOneof("kind")
        keys = list(getattr(step, str(kind)).keys)
        values = list(step.put.values) if kind == "put" else [b""] * len(keys)
        result = pb.StepResult()
        applied = []
        for i, (key, value) in enumerate(zip(keys, values, strict=True)):
            trouble = self.judge(key, value)
            if trouble is not None:
                retry, text = trouble
                result.errors.add(entries=[i], message=text, retry=retry)  # type: ignore[arg-type]
            elif kind == "put":
                self.values[key] = value
            elif kind == "delete":
                self.values.pop(key, None)
            applied.append(trouble is None and key in self.values)
        if kind in ("expire", "persist"):
            result.applied.applied.extend(applied)
        else:
            result.stored.SetInParent()
        return result


@contextlib.contextmanager
def serving(fake: FakeStore) -> Iterator[str]:
    """Serve the fake, yield its endpoint."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    kvstore_pb2_grpc.add_KVStoreServicer_to_server(fake, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    fake.endpoint = f"127.0.0.1:{port}"
    server.start()
    try:
        yield fake.endpoint
    finally:
        server.stop(None).wait()
