"""What Raft keyspaces serve over gRPC, with the real meaning of commands behind the door."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from dynakv.core.commands import Forgotten
from dynakv.errors import Failure, Kind
from dynakv.node.messages import Refused
from dynakv.node.raft_messages import Executed
from dynakv.rpc.servers import serve_clients
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import kvstore_pb2_grpc
from tests.raft_groups import WALL_MS, RaftGroups, keys_in_groups, raft_layout
from tests.rpc.conftest import FakeInbox

Run = Callable[[Coroutine[Any, Any, None]], None]
CODES = grpc.StatusCode
ABSENT = pb.Condition(present=False)


@pytest.fixture
def groups(inbox: FakeInbox) -> RaftGroups:
    inbox.the_layout = raft_layout("r")
    made = RaftGroups(inbox.the_layout)
    inbox.client_reply = made.answer
    return made


@contextlib.asynccontextmanager
async def door(inbox: Any) -> AsyncIterator[Any]:
    server = await serve_clients(inbox, "127.0.0.1:0", wall_ms=lambda: 123)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield kvstore_pb2_grpc.KVStoreStub(channel)
    await server.stop()


async def refused(call: Any) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    trailing = error.trailing_metadata()
    assert trailing is not None
    info = ErrorInfo()
    Status.FromString(trailing["grpc-status-details-bin"]).details[0].Unpack(info)
    return error.code(), error.details() or "", dict(info.metadata)


def request_id(sequence: int, client: int = 5) -> pb.RequestId:
    return pb.RequestId(client=client, sequence=sequence, settled_below=1, issued_ms=WALL_MS)


def test_a_put_is_done_where_its_condition_holds(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            put = pb.PutRequest(keyspace="r", key=b"k", value=b"1", condition=ABSENT, previous=True)
            first = await stub.Put(put)
            assert (first.unmet, first.leader, first.previous.found) == (False, "n2", False)
            second = await stub.Put(put)
            assert (second.unmet, second.HasField("stamp")) == (True, False)
            assert (second.previous.value, second.previous.stamp) == (b"1", first.stamp)
            put.condition.stamp.CopyFrom(first.stamp)
            put.value = b"2"
            third = await stub.Put(put)
            assert (third.unmet, third.previous.value) == (False, b"1")
            swap = pb.Condition(value=b"1")
            assert (
                await stub.Delete(pb.DeleteRequest(keyspace="r", key=b"k", condition=swap))
            ).unmet
            swap = pb.Condition(value=b"2")
            done = await stub.Delete(
                pb.DeleteRequest(keyspace="r", key=b"k", condition=swap, previous=True)
            )
            assert (done.unmet, done.previous.value) == (False, b"2")
            assert not groups.rows

    run(scenario())


def test_append_and_increment_answer_what_they_came_to(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            append = pb.AppendRequest(keyspace="r", key=b"a", suffix=b"xyz")
            assert (await stub.Append(append)).length == 3
            response = await stub.Append(append)
            assert (response.length, response.leader) == (6, "n2")
            assert response.stamp.writer == groups.rows["r", b"a"].value_writer
            increment = pb.IncrementRequest(keyspace="r", key=b"n", amount=-4)
            assert (await stub.Increment(increment)).number == -4
            assert (await stub.Increment(increment)).number == -8
            increment.key = b"a"
            code, text, metadata = await refused(stub.Increment(increment))
            assert (code, text) == (
                CODES.FAILED_PRECONDITION,
                "value is not an integer or out of range",
            )
            assert metadata == {"retry": "never", "leader": "n2"}

    run(scenario())


def test_a_repeated_request_is_answered_as_the_first_time(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            call = pb.IncrementRequest(keyspace="r", key=b"n", amount=1, request_id=request_id(1))
            first, again = await stub.Increment(call), await stub.Increment(call)
            assert (first.number, again.number) == (1, 1)
            assert first.stamp == again.stamp
            call.request_id.sequence = 2
            assert (await stub.Increment(call)).number == 2
            put = pb.PutRequest(keyspace="r", key=b"n", value=b"9", request_id=request_id(3))
            assert (await stub.Put(put)).stamp == (await stub.Put(put)).stamp
            expire = pb.ExpireRequest(keyspace="r", key=b"n", ttl_ms=5, request_id=request_id(4))
            assert (await stub.Expire(expire)).applied
            persist = pb.PersistRequest(keyspace="r", key=b"n", request_id=request_id(5))
            assert (await stub.Persist(persist)).applied
            assert (await stub.Persist(persist)).applied  # of the first time
            persist.request_id.sequence = 6
            assert not (await stub.Persist(persist)).applied
            delete = pb.DeleteRequest(keyspace="r", key=b"n", request_id=request_id(7))
            assert (await stub.Delete(delete)).stamp == (await stub.Delete(delete)).stamp

    run(scenario())


def test_a_deadline_changes_only_as_its_option_says(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            await stub.Put(pb.PutRequest(keyspace="r", key=b"k", value=b"v"))
            expire = pb.ExpireRequest(keyspace="r", key=b"k", ttl_ms=50, when=pb.WHEN_NONE)
            assert (await stub.Expire(expire)).applied
            assert not (await stub.Expire(expire)).applied
            expire.when = pb.WHEN_LATER
            expire.ttl_ms = 60
            assert (await stub.Expire(expire)).applied
            assert groups.rows["r", b"k"].expiry_ms == WALL_MS + 60

    run(scenario())


def test_a_batch_is_done_as_a_whole_or_not_at_all(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    operations = [
        pb.Operation(key=b"{t}a", read=pb.ReadOperation(), condition=ABSENT),
        pb.Operation(key=b"{t}a", put=pb.PutOperation(value=b"1")),
        pb.Operation(key=b"{t}b", increment=5),
    ]

    async def scenario() -> None:
        async with door(inbox) as stub:
            call = pb.ExecuteRequest(
                keyspace="r", batch=pb.Batch(operations=operations), previous=True
            )
            response = await stub.Execute(call)
            kinds = [result.kind for result in response.result.results]
            assert kinds == [pb.OperationResult.KIND_DONE] * 3
            assert (response.result.results[2].number, response.leader) == (5, "n2")
            response = await stub.Execute(call)
            kinds = [result.kind for result in response.result.results]
            unmet, skipped = pb.OperationResult.KIND_UNMET, pb.OperationResult.KIND_SKIPPED
            assert kinds == [unmet, skipped, skipped]
            assert response.result.results[0].previous.value == b"1"
            one, other = keys_in_groups(groups, "r", 2)
            far = [pb.Operation(key=key, increment=1) for key in (one, other)]
            call.batch.CopyFrom(pb.Batch(operations=far))
            code, text, metadata = await refused(stub.Execute(call))
            assert (code, metadata["leader"]) == (CODES.INVALID_ARGUMENT, "n2")
            assert "spans shard groups" in text

    run(scenario())


def test_a_pipeline_runs_batches_in_order_with_reads(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    def increments(*keys: bytes) -> pb.Step:
        batches = [pb.Batch(operations=[pb.Operation(key=key, increment=1)]) for key in keys]
        return pb.Step(execute=pb.ExecuteStep(batches=batches))

    async def scenario() -> None:
        async with door(inbox) as stub:
            read = pb.Step(get=pb.GetStep(keys=[b"a"]))
            call = pb.PipelineRequest(
                keyspace="r", steps=[increments(b"a", b"b"), read, increments(b"a"), read]
            )
            results = (await stub.Pipeline(call)).results
            numbers = [[b.results[0].number for b in r.executed.batches] for r in results[::2]]
            assert numbers == [[1, 1], [2]]
            assert [list(r.found.values) for r in results[1::2]] == [[b"1"], [b"2"]]
            leaders = [(list(x.entries), x.leader) for r in results for x in r.leaders]
            assert leaders == [([0], "n2"), ([1], "n2"), ([0], "n2"), ([0], "n2"), ([0], "n2")]

    run(scenario())


def test_the_leader_stands_in_the_error_of_an_entry(inbox: FakeInbox, run: Run) -> None:
    failure = Failure(Kind.UNAVAILABLE, "no leader here")
    inbox.client_reply = lambda message: [Refused([0], failure, "n3")]

    async def scenario() -> None:
        async with door(inbox) as stub:
            step = pb.Step(get=pb.GetStep(keys=[b"a"]))
            (result,) = (await stub.Pipeline(pb.PipelineRequest(steps=[step]))).results
            assert (result.errors[0].leader, result.errors[0].retry) == ("n3", pb.RETRY_SAFE)
            code, _, metadata = await refused(stub.Get(pb.GetRequest(key=b"a")))
            assert (code, metadata) == (CODES.UNAVAILABLE, {"retry": "safe", "leader": "n3"})

    run(scenario())


def test_a_stale_read_says_how_old_it_may_be(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            response = await stub.Get(pb.GetRequest(keyspace="r", key=b"a", max_age_ms=0))
            assert (response.found, response.leader) == (False, "n2")
            await stub.Get(pb.GetRequest(keyspace="r", key=b"a"))
            step = pb.Step(get=pb.GetStep(keys=[b"a"]))
            await stub.Pipeline(pb.PipelineRequest(keyspace="r", steps=[step], max_age_ms=70))
            ages = [message.max_age_ms for message in inbox.asked]  # type: ignore[union-attr]
            assert ages == [0, None, 70]

    run(scenario())


def test_levels_and_stamps_are_refused_beside_conditions(
    inbox: FakeInbox, groups: RaftGroups, run: Run
) -> None:
    async def scenario() -> None:
        async with door(inbox) as stub:
            put = pb.PutRequest(keyspace="r", key=b"k", condition=ABSENT, w=1)
            put.stamp.time = 4
            code, text, _ = await refused(stub.Put(put))
            assert code is CODES.INVALID_ARGUMENT
            assert text.startswith("put: w and stamp cannot be chosen together with a condition")
            step = pb.Step(execute=pb.ExecuteStep())
            code, text, _ = await refused(stub.Pipeline(pb.PipelineRequest(w=1, steps=[step])))
            assert text.startswith("steps[0].execute: a keyspace in Raft mode knows no level")
            assert not inbox.asked

    run(scenario())


def test_what_is_not_remembered_has_an_unknown_outcome(inbox: FakeInbox, run: Run) -> None:
    inbox.client_reply = lambda message: [Executed([0], [(Forgotten(),)], "n1")]

    async def scenario() -> None:
        async with door(inbox) as stub:
            code, _, metadata = await refused(stub.Append(pb.AppendRequest(key=b"k")))
            assert (code, metadata["retry"]) == (CODES.UNKNOWN, "same-stamp")
            inbox.full = True
            code, _, metadata = await refused(stub.Append(pb.AppendRequest(key=b"k")))
            assert (code, metadata["retry"]) == (CODES.RESOURCE_EXHAUSTED, "safe")

    run(scenario())
