"""Many requests in one call."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import pytest

from dynakv import limits
from dynakv.core.record import written
from dynakv.errors import Failure, Kind, UsageError
from dynakv.node.messages import (
    KEEP_EXPIRY,
    ClientMessage,
    ClientReply,
    Expire,
    Expired,
    Found,
    Get,
    Put,
    Refused,
    Stored,
)
from dynakv.rpc import pipeline
from dynakv.rpc.servers import serve_clients
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc
from tests.rpc.conftest import FakeInbox

Run = Callable[[Coroutine[Any, Any, None]], None]


@contextlib.asynccontextmanager
async def door(inbox: Any) -> AsyncIterator[Any]:
    server = await serve_clients(inbox, "127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield kvstore_pb2_grpc.KVStoreStub(channel)
    await server.stop()


def answered(message: ClientMessage) -> list[ClientReply]:
    """Answer each entry in a part of its own, last one first."""
    entries = reversed(range(len(message.keys)))
    match message:
        case Put():
            return [Stored([i], [10 + i], [20 + i], None) for i in entries]
        case Get():
            return [Found([i], [None]) for i in entries]
        case Expire():
            return [Expired([i], [i == 0]) for i in entries]


def step(**kind: Any) -> pb.Step:
    return pb.Step(**kind)


def request(*steps: pb.Step, **fields: Any) -> pb.PipelineRequest:
    return pb.PipelineRequest(steps=steps, **fields)


GET = step(get=pb.GetStep(keys=[b"a", b"b"]))
PUT = step(put=pb.PutStep(keys=[b"a", b"c"], values=[b"1", b"2"]))


def test_each_kind_becomes_one_message() -> None:
    whole = request(
        PUT,
        GET,
        step(delete=pb.DeleteStep(keys=[b"d"], previous=True)),
        step(expire=pb.ExpireStep(keys=[b"e", b"f"], ttls_ms=[5])),
        step(persist=pb.PersistStep(keys=[b"g"])),
        keyspace="ks",
        r=1,
        w=2,
    )
    assert pipeline.messages_of(FakeInbox(), whole) == [
        Put("ks", [b"a", b"c"], [b"1", b"2"], w=2),
        Get("ks", [b"a", b"b"], r=1),
        Put("ks", [b"d"], [None], w=2, previous=True),
        Expire("ks", [b"e", b"f"], [5, 5], w=2),
        Expire("ks", [b"g"], w=2),
    ]


def test_a_column_of_one_holds_for_all_keys() -> None:
    keys, values = [b"a", b"b"], [b"1", b"2"]
    put = pb.PutStep(keys=keys, values=values, ttls_ms=[7], times=[1, 2], writers=[9])
    (message,) = pipeline.messages_of(FakeInbox(), request(step(put=put)))
    assert message == Put("default", keys, values, [7, 7], None, [1, 2], [9, 9])


def test_keep_ttl_holds_for_all_keys() -> None:
    put = pb.PutStep(keys=[b"a", b"b"], values=[b"1", b"2"], keep_ttl=True)
    (message,) = pipeline.messages_of(FakeInbox(), request(step(put=put)))
    assert isinstance(message, Put)
    assert message.expiries_ms == [KEEP_EXPIRY] * 2


K = [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        (step(put=pb.PutStep(keys=K, values=[b"1"])), "put.values has 1 entries for 3 keys"),
        (step(put=pb.PutStep(keys=K, values=K, ttls_ms=[1, 2])), "put.ttls_ms has 2 entries"),
        (step(put=pb.PutStep(keys=K, values=K, ttls_ms=[1, -2, 3])), "put.ttls_ms is -2"),
        (step(put=pb.PutStep(keys=K, values=K, expires_at_ms=[-1])), "put.expires_at_ms is -1"),
        (
            step(put=pb.PutStep(keys=K, values=K, ttls_ms=[1, 0, 1], expires_at_ms=[0, 1, 1])),
            "entry 2 has both",
        ),
        (step(put=pb.PutStep(keys=K, values=K, ttls_ms=[1], keep_ttl=True)), "keep_ttl"),
        (step(put=pb.PutStep(keys=K, values=K, times=[1])), "put.times has 1 entries"),
        (step(put=pb.PutStep(keys=K, values=K, times=[1, 2, 3])), "without"),
        (step(put=pb.PutStep(keys=K, values=K, writers=[1])), "put.times has 0 entries"),
        (step(delete=pb.DeleteStep(keys=K, times=[1])), "delete.times has 1 entries"),
        (step(expire=pb.ExpireStep(keys=K)), "entry 0 needs"),
        (step(expire=pb.ExpireStep(keys=K, ttls_ms=[1, 2, 0])), "entry 2 needs"),
        (step(), "of no kind"),
        (step(get=pb.GetStep(keys=[b"k"] * limits.REQUEST_KEYS_MAX)), "1002 keys"),
    ],
)
def test_a_bad_step_is_named_and_nothing_of_the_pipeline_is_done(bad: pb.Step, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        pipeline.messages_of(FakeInbox(), request(GET, bad))


def test_parts_in_any_order_make_one_result_per_step(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.client_reply = answered
        async with door(inbox) as stub:
            reply = await stub.Pipeline(
                request(PUT, step(expire=pb.ExpireStep(keys=[b"x", b"y"], ttls_ms=[1])))
            )
        assert reply == pb.PipelineResponse(
            hlc=1_000 << 16,
            results=[
                pb.StepResult(stored=pb.StoredEntries(times=[10, 11], writers=[20, 21])),
                pb.StepResult(applied=pb.AppliedEntries(applied=[True, False])),
            ],
        )

    run(scenario())


def test_found_values_stand_at_their_entries(inbox: Any, run: Run) -> None:
    rows = [None, written(b"b", b"", 9, 1, 2), written(b"c", None, 0, 3, 4)]

    async def scenario() -> None:
        inbox.client_reply = lambda message: [Found([0, 2], rows[::2]), Found([1], rows[1:2])]
        async with door(inbox) as stub:
            reply = await stub.Pipeline(request(step(get=pb.GetStep(keys=K))))
        assert reply.results[0].found == pb.FoundEntries(
            found=[False, True, False],
            values=[b"", b"", b""],
            times=[0, 1, 3],
            writers=[0, 2, 4],
            expires_at_ms=[0, 9, 0],
        )

    run(scenario())


def test_failed_entries_are_named_beside_those_that_succeeded(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        failure = Failure(Kind.UNKNOWN, "1 of 2 replicas answered")
        inbox.client_reply = lambda message: [Refused([1], failure), Stored([0], [5], [6], None)]
        async with door(inbox) as stub:
            reply = await stub.Pipeline(request(PUT))
        assert reply.results[0] == pb.StepResult(
            stored=pb.StoredEntries(times=[5, 0], writers=[6, 0]),
            errors=[
                pb.EntryErrors(
                    entries=[1],
                    code=grpc.StatusCode.UNKNOWN.value[0],
                    reason="UNKNOWN",
                    message="1 of 2 replicas answered",
                    retry=pb.RETRY_SAME_STAMP,
                )
            ],
        )

    run(scenario())


def test_observed_values_are_returned_where_asked_for(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        old = written(b"a", b"old", 0, 1, 2)
        inbox.client_reply = lambda message: [Stored([0, 1], [5, 6], [7, 8], [old, None])]
        async with door(inbox) as stub:
            put = pb.PutStep(keys=[b"a", b"c"], values=[b"1", b"2"], previous=True)
            reply = await stub.Pipeline(request(step(put=put)))
        assert list(reply.results[0].stored.previous) == [
            pb.Observed(found=True, value=b"old", stamp=pb.Stamp(time=1, writer=2)),
            pb.Observed(),
        ]

    run(scenario())


@pytest.mark.parametrize(
    ("second", "waits"),
    [
        (step(get=pb.GetStep(keys=[b"c"])), True),
        (step(get=pb.GetStep(keys=[b"z"])), False),
        (step(delete=pb.DeleteStep(keys=[b"a"])), True),
        (step(persist=pb.PersistStep(keys=[b"z"])), False),
    ],
)
def test_a_step_waits_for_writes_of_its_keys(
    inbox: Any, run: Run, second: pb.Step, waits: bool
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            call = stub.Pipeline(request(PUT, second))
            await inbox.until(lambda: inbox.asked)
            assert len(inbox.asked) == (1 if waits else 2)
            inbox.client_reply = answered
            for message, answer in zip(list(inbox.asked), list(inbox.answers), strict=True):
                for part in answered(message):
                    answer(part)
            await call
        assert len(inbox.asked) == 2

    run(scenario())


def test_a_write_waits_for_reads_of_its_keys_and_reads_do_not(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            call = stub.Pipeline(request(GET, GET, PUT))
            await inbox.until(lambda: inbox.asked)
            assert [type(message) for message in inbox.asked] == [Get, Get]
            inbox.client_reply = answered
            for answer in list(inbox.answers):
                answer(Found([0, 1], [None, None]))
            await call
        assert [type(message) for message in inbox.asked] == [Get, Get, Put]

    run(scenario())


def test_a_step_without_keys_is_answered_without_the_node(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            reply = await stub.Pipeline(request(step(get=pb.GetStep())))
        assert list(reply.results) == [pb.StepResult(found=pb.FoundEntries())]

    run(scenario())
    assert inbox.asked == []


def test_a_full_inbox_refuses_the_whole_call_where_nothing_was_done(inbox: Any, run: Run) -> None:
    async def scenario() -> None:
        inbox.full = True
        async with door(inbox) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Pipeline(request(GET, PUT))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    run(scenario())


def test_an_inbox_that_fills_up_fails_the_later_steps_only(inbox: Any, run: Run) -> None:
    def answer_and_fill(message: ClientMessage) -> list[ClientReply]:
        inbox.full = True
        return answered(message)

    async def scenario() -> None:
        inbox.client_reply = answer_and_fill
        async with door(inbox) as stub:
            reply = await stub.Pipeline(request(GET, PUT))
        assert not reply.results[0].errors
        (errors,) = reply.results[1].errors
        assert list(errors.entries) == [0, 1]
        assert errors.retry == pb.RETRY_SAFE

    run(scenario())
