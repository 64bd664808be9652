"""Open and closed loops on a clock that jumps, against a server that answers when it is told to."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest

from dynakv.errors import RefusedError
from dynakv.v1 import kvstore_pb2 as pb
from loadtest.generator import CALL_S, Generator, Load, Schedule, Tally, _written
from loadtest.keys import Distribution, Sizes

LOAD = Load(
    endpoints=("nowhere:1",),
    connections=1,
    workers=10,
    read_share=1.0,
    distribution=Distribution.UNIFORM,
    keys=100,
    sizes=Sizes(10, 10),
    batch=1,
    level=0,
    seconds=10.0,
    warmup_s=0.0,
    seed=1,
)
OPEN = replace(LOAD, interval_s=0.01)  # 100 a second


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever nothing is left to run."""

    seconds = 1_000.0

    def time(self) -> float:
        return self.seconds

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.seconds = max(self.seconds, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class FakeStub:
    """Answers after as many seconds as `delay` says of the moment of asking."""

    def __init__(self, loop: FastLoop, delay: Callable[[float], float]) -> None:
        self.requests: list[Any] = []
        self._loop, self._delay = loop, delay
        self._began = loop.time()

    async def _answer(self, request: Any, reply: Any) -> Any:
        self.requests.append(request)
        await asyncio.sleep(self._delay(self._loop.time() - self._began))
        return reply

    async def Get(self, request: pb.GetRequest, **_: object) -> pb.GetResponse:
        return await self._answer(request, pb.GetResponse(found=True))

    async def Put(self, request: pb.PutRequest, **_: object) -> pb.PutResponse:
        return await self._answer(request, pb.PutResponse())

    async def Pipeline(self, request: pb.PipelineRequest, **_: object) -> pb.PipelineResponse:
        (step,) = request.steps
        result = pb.StepResult()
        if step.HasField("get"):  # the first key failed, the second one is not there
            count = len(step.get.keys)
            result.found.CopyFrom(pb.FoundEntries(found=[False, False] + [True] * (count - 2)))
            result.errors.append(pb.EntryErrors(entries=[0], code=14, retry=pb.RETRY_SAFE))
        reply = pb.PipelineResponse(results=[result])
        return await self._answer(request, reply)


class DeadStub(FakeStub):
    async def Get(self, request: pb.GetRequest, **_: object) -> pb.GetResponse:
        self.requests.append(request)
        metadata = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, metadata, metadata)


def sent(
    load: Load, delay: Callable[[float], float], stub_of: type[FakeStub] = FakeStub
) -> tuple[Tally, FakeStub]:
    loop = FastLoop()
    try:
        stub = stub_of(loop, delay)
        generator = Generator(load, loop.time)
        return loop.run_until_complete(generator.run([stub])), stub
    finally:
        loop.close()


def stall(moment: float) -> float:
    """Answer in 1 ms, but nothing at all between seconds 5 and 7."""
    return 7.0 - moment if 5.0 <= moment < 7.0 else 0.001


def test_a_stall_shows_in_the_percentiles_of_an_open_loop() -> None:
    tally, _ = sent(OPEN, stall)
    get = tally.latencies["get"]
    assert get.count == 1000
    # A fifth of all requests was due while nothing was answered, and waited 1 s on average.
    assert get.ms(79) < 10
    assert get.ms(90) == pytest.approx(1_000, rel=0.05)
    assert get.max_ms == pytest.approx(2_000, rel=0.02)


def test_a_closed_loop_hides_the_same_stall() -> None:
    tally, _ = sent(replace(LOAD, workers=1), stall)
    assert tally.latencies["get"].ms(99.9) < 10


def test_an_open_loop_keeps_its_rate_whatever_the_latency() -> None:
    fast, _ = sent(OPEN, lambda _: 0.001)
    slow, _ = sent(OPEN, lambda _: 0.09)
    assert fast.latencies["get"].count == slow.latencies["get"].count == 1000
    assert slow.late.max_ms < 1


def test_a_closed_loop_sends_as_fast_as_it_is_answered() -> None:
    tally, _ = sent(LOAD, lambda _: 0.1)
    assert tally.done == pytest.approx(10 * 10 / 0.1, rel=0.02)
    assert tally.latencies["get"].ms(50) == pytest.approx(100, rel=0.01)


def test_what_is_due_while_all_workers_are_busy_waits_and_the_wait_counts() -> None:
    tally, _ = sent(replace(OPEN, workers=1, seconds=2.0), lambda _: 0.02)  # half of the rate
    assert tally.latencies["get"].max_ms == pytest.approx(2_000, rel=0.05)
    assert tally.done == pytest.approx(100, abs=2)
    assert tally.unsent == 0


def test_what_stays_unsent_long_after_the_end_is_counted() -> None:
    tally, _ = sent(replace(OPEN, workers=1), lambda _: 1.0)
    assert tally.latencies["get"].count == pytest.approx(10 + CALL_S, abs=1)
    assert tally.latencies["get"].count + tally.unsent == 1000


def test_the_warm_up_does_not_count() -> None:
    tally, stub = sent(replace(OPEN, warmup_s=5.0), lambda now: 1.0 if now < 3 else 0.001)
    assert len(stub.requests) == pytest.approx(1500, abs=1)
    assert tally.latencies["get"].count == pytest.approx(1000, abs=1)
    assert tally.latencies["get"].max_ms < 10


def test_failures_are_counted_by_kind_and_class_and_are_no_latencies() -> None:
    tally, stub = sent(OPEN, lambda _: 0.0, DeadStub)
    assert tally.failed == {("get", "refused UNAVAILABLE (transport)"): 1000}
    assert tally.latencies["get"].count == tally.done == 0
    assert len(stub.requests) == 1000


def test_entries_of_a_message_fail_and_miss_one_by_one() -> None:
    tally, stub = sent(replace(OPEN, batch=10, interval_s=0.1), lambda _: 0.001)
    assert {len(request.steps[0].get.keys) for request in stub.requests} == {10}
    assert tally.failed == {("get", "refused UNAVAILABLE"): 100}
    assert tally.missing == 100
    assert tally.done == 900


class StartingStub(FakeStub):
    """Refuses the first two messages, as a node does that has just started."""

    async def Pipeline(self, request: pb.PipelineRequest, **_: object) -> pb.PipelineResponse:
        await self._answer(request, None)
        result = pb.StepResult()
        if len(self.requests) <= 2:
            result.errors.append(pb.EntryErrors(entries=[0], code=14, message="no trust yet"))
        return pb.PipelineResponse(results=[result])


@pytest.mark.parametrize("refuses_for_ever", [False, True])
def test_loading_repeats_what_is_refused_but_not_for_ever(refuses_for_ever: bool) -> None:
    loop = FastLoop()
    stub = StartingStub(loop, lambda _: 0.001)
    request = pb.PipelineRequest(steps=[pb.Step(put=pb.PutStep(keys=[b"k"], values=[b"v"]))])
    try:
        if refuses_for_ever:
            stub.requests = Forgetful()
            with pytest.raises(RefusedError, match="no trust yet"):
                loop.run_until_complete(_written(stub, request))
        else:
            loop.run_until_complete(_written(stub, request))
            assert stub.requests == [request] * 3
    finally:
        loop.close()


class Forgetful(list[Any]):
    """A list that stays empty."""

    def append(self, item: Any) -> None:
        pass


def test_the_read_share_is_kept() -> None:
    tally, stub = sent(replace(OPEN, read_share=0.8, interval_s=0.002), lambda _: 0.001)
    gets = sum(isinstance(request, pb.GetRequest) for request in stub.requests)
    assert gets / len(stub.requests) == pytest.approx(0.8, abs=0.02)
    assert tally.latencies["get"].count == gets
    puts = [request for request in stub.requests if isinstance(request, pb.PutRequest)]
    assert {len(request.value) for request in puts} == {10}


def test_processes_that_take_turns_are_due_between_each_other() -> None:
    schedule = Schedule(replace(OPEN, offset_s=0.005), 0.0)
    assert [schedule.next(0.0) for _ in range(3)] == pytest.approx([0.005, 0.015, 0.025])
