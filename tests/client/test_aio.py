"""AsyncClient against fake nodes: what arrives there, and what callers see of failures."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dynakv import AsyncClient
from dynakv.client import settings
from dynakv.client.pipelines import AsyncPipeline
from dynakv.client.results import BatchError, Entry, Stamp
from dynakv.core.layout import Level
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError, UsageError
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.client import fakes
from tests.client.fakes import (
    CODES,
    FakeNode,
    World,
    aborts,
    answers,
    fails_entries,
    favourite,
    is_silent,
    run,
)


def keys_of(request: pb.PipelineRequest) -> list[bytes]:
    return [k for step in request.steps for k in getattr(step, str(step.WhichOneof("kind"))).keys]


def stamps_of(world: World) -> list[tuple[int, int]]:
    """The stamps of all puts that arrived, anywhere."""
    return [
        (when, step.put.writers[0])
        for request in world.requests
        for step in request.steps
        for when in step.put.times
    ]


# --- results ---------------------------------------------------------------------------------


def test_a_value_is_written_read_and_deleted() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            written = await client.put("k", "v")
            assert await client.get(b"k") == b"v"
            entry = await client.get_entry("k")
            assert entry == Entry(b"k", b"v", written.stamp)
            assert await client.expire("k", timedelta(seconds=1))
            assert await client.persist("k")
            deleted = await client.delete("k")
            assert deleted.stamp > written.stamp
            assert await client.get("k") is None
            assert await client.get_entry("k") == Entry(b"k", None, deleted.stamp)
            assert await client.get_entry("other") == Entry(b"other", None, None)
            assert not await client.persist("other")

    run(scenario)


def test_previous_says_what_was_there_before() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            first = await client.put("k", "1", previous=True)
            assert first.previous == Entry(b"k", None, None)
            second = await client.delete("k", previous=True)
            assert second.previous is not None
            assert second.previous.value == b"1"

    run(scenario)


def test_an_entry_shows_its_deadline_in_utc() -> None:
    entry = Entry(b"k", b"v", Stamp(1, 2), 1_700_000_000_123)
    assert entry.expires_at == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert Entry(b"k", b"v", Stamp(1, 2)).expires_at is None


def test_level_replicas_keyspace_and_expiry_reach_the_node() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints, keyspace="ks", level="all") as client:
            await client.put("k", "v", ttl=timedelta(milliseconds=7))
            moment = datetime(2100, 1, 1, tzinfo=UTC)
            await client.put("k", "v", expires_at=moment, level=Level.ONE, keyspace="other")
            await client.put("k", "v", keep_ttl=True, w=2, previous=True)
            await client.get("k", r=3)
            await client.expire("k", expires_at=moment)
        one, two, three, four, five = world.requests
        assert (one.keyspace, one.level, list(one.steps[0].put.ttls_ms)) == (
            *("ks", ring_pb2.LEVEL_ALL),
            [7],
        )
        assert (two.keyspace, two.level) == ("other", ring_pb2.LEVEL_ONE)
        moment_ms = int(moment.timestamp() * 1000)
        assert list(two.steps[0].put.expires_at_ms) == [moment_ms]
        put = three.steps[0].put
        assert (three.w, put.keep_ttl, put.previous) == (2, True, True)
        assert four.r == 3
        assert list(five.steps[0].expire.expires_at_ms) == [moment_ms]

    run(scenario, nodes=1)


# --- coalescing ------------------------------------------------------------------------------


async def get_all(client: AsyncClient, count: int) -> list[bytes | None]:
    return await asyncio.gather(*(client.get(f"k{i}") for i in range(count)))


def test_concurrent_calls_share_one_message() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            assert await get_all(client, 64) == [None] * 64
        assert [len(keys_of(request)) for request in world.requests] == [1, 64]

    run(scenario, nodes=1)


def test_without_coalescing_every_call_is_a_message() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints, coalesce=False) as client:
            await get_all(client, 9)
        assert [len(keys_of(request)) for request in world.requests] == [1] * 9

    run(scenario)


def test_reads_do_not_wait_for_writes() -> None:
    async def scenario(world: World) -> None:
        done = asyncio.Event()
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(fakes.waits_for(done))
            put = asyncio.create_task(client.put("a", "1"))
            await world.until(lambda: len(world.requests) == 2)
            assert await client.get("b") is None
            assert not put.done()
            done.set()
            await put

    run(scenario, nodes=1)


def test_calls_with_other_terms_travel_apart() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            await asyncio.gather(
                client.get("a"), client.get("b", r=3), client.get("c", level="all")
            )
        assert sorted(map(keys_of, world.requests[1:])) == [[b"a"], [b"b"], [b"c"]]

    run(scenario, nodes=1)


def test_writes_of_all_kinds_share_a_message_of_a_step_each() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            await asyncio.gather(
                *(client.put(f"a{i}", "1") for i in range(3)),
                client.delete("b"),
                client.put("c", "1", keep_ttl=True),
                client.put("d", "1", ttl=timedelta(1)),
                client.expire("e", timedelta(1)),
                client.persist("f"),
            )
        (request,) = world.requests[1:]
        kinds = [str(step.WhichOneof("kind")) for step in request.steps]
        assert kinds == ["put", "put", "delete", "expire", "persist"]
        assert list(request.steps[0].put.ttls_ms) == [0, 0, 0, 86_400_000]

    run(scenario, nodes=1)


def test_what_comes_while_a_message_is_under_way_leaves_together_when_it_returns() -> None:
    async def scenario(world: World) -> None:
        done = asyncio.Event()
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(fakes.waits_for(done))
            first = asyncio.create_task(client.get("first"))
            await world.until(lambda: len(world.requests) == 2)
            rest = []
            for i in range(5):
                rest.append(asyncio.create_task(client.get(f"k{i}")))
                await asyncio.sleep(0)
            done.set()
            await asyncio.gather(first, *rest)
        assert [len(keys_of(request)) for request in world.requests] == [1, 1, 5]

    run(scenario, nodes=1)


def test_one_slow_message_holds_up_nothing_for_long() -> None:
    async def scenario(world: World) -> None:
        done = asyncio.Event()
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(fakes.waits_for(done))
            slow = asyncio.create_task(client.get("slow"))
            await world.until(lambda: len(world.requests) == 2)
            assert await client.get("fast") is None
            assert not slow.done()
            done.set()
            await slow

    run(scenario, nodes=1)


# --- failures --------------------------------------------------------------------------------

LOST = (CODES.UNAVAILABLE, None)
SAFE = (CODES.UNAVAILABLE, "safe")


@pytest.mark.parametrize(
    "failure",
    [
        aborts(*LOST),
        aborts(*LOST, done=True),
        aborts(CODES.UNKNOWN, "same-stamp", done=True),
        aborts(*SAFE),
        aborts(CODES.RESOURCE_EXHAUSTED, "safe"),
        fails_entries(pb.RETRY_SAFE, CODES.UNAVAILABLE),
        fails_entries(pb.RETRY_SAME_STAMP, CODES.UNKNOWN, done=True),
        fails_entries(99, CODES.UNKNOWN),
    ],
)
def test_a_write_is_repeated_elsewhere_under_its_first_stamp(failure: fakes.Script) -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(failure)
            written = await client.put("k", "v")
            stamp = (written.stamp.time, written.stamp.writer)
            assert stamps_of(world) == [stamp, stamp]
            assert (
                len([n for n in world.nodes if any(r.steps[0].HasField("put") for r in n.requests)])
                == 2
            )
            assert await client.get("k") == b"v"

    run(scenario)


def test_a_read_is_repeated_until_a_node_answers() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            world.script(aborts(*LOST), aborts(CODES.UNKNOWN, None), aborts(*SAFE), answers())
            assert await client.get("k") is None
        assert len(world.requests) == 4

    run(scenario)


def test_a_usage_error_is_not_repeated() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            world.script(fails_entries(pb.RETRY_NEVER, CODES.INVALID_ARGUMENT, "w is 9"))
            with pytest.raises(UsageError, match=r"^127\.0\.0\.1:\d+: w is 9$"):
                await client.put("k", "v", w=9)
        assert len(world.requests) == 1

    run(scenario)


def test_an_expire_that_may_have_happened_is_not_repeated() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(aborts(*LOST))
            with pytest.raises(UnknownOutcomeError, match="the write may have happened"):
                await client.expire("k", timedelta(1))
            assert len(world.requests) == 2
            world.script(aborts(*SAFE))
            assert not await client.persist("k")

    run(scenario)


def test_innocent_calls_of_a_message_survive_a_wrong_one() -> None:
    async def refuses_big(node: fakes.FakeNode, request: pb.PipelineRequest, _: object) -> object:
        if b"big" not in keys_of(request):
            return None
        fail = fails_entries(pb.RETRY_NEVER, CODES.INVALID_ARGUMENT, "value has 9 bytes")
        return await fail(node, request, None)

    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(*[refuses_big] * 50)
            puts = [client.put(f"k{i}", "v") for i in range(40)]
            results = await asyncio.gather(*puts, client.put("big", "v"), return_exceptions=True)
        assert isinstance(results.pop(), UsageError)
        assert not [result for result in results if isinstance(result, BaseException)]
        assert len(world.values) == 40

    run(scenario, nodes=1)


def test_an_answer_that_is_too_large_is_asked_for_in_parts() -> None:
    async def is_large(
        node: fakes.FakeNode, request: pb.PipelineRequest, context: object
    ) -> object:
        if len(keys_of(request)) > 3:
            text = "Received message larger than max (9 vs. 4)"
            await aborts(CODES.RESOURCE_EXHAUSTED, None, text)(node, request, context)
        return None

    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(*[is_large] * 100)
            assert await get_all(client, 64) == [None] * 64

    run(scenario, nodes=1)


STALE = fails_entries(pb.RETRY_NEVER, CODES.INVALID_ARGUMENT, "stamp is 70000 ms old: at most ...")


def test_a_refused_stamp_is_renewed_once_after_asking_for_the_time() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            asked = world.nodes[0].handshakes
            world.ahead_ms = 70_000
            world.script(STALE)
            written = await client.put("k", "v")
            assert world.nodes[0].handshakes > asked
            assert abs(written.stamp.wall_ms - world.wall_ms()) < 500
            first, second = stamps_of(world)
            assert second == (written.stamp.time, written.stamp.writer)
            assert first != second
            world.script(STALE, STALE)
            with pytest.raises(UsageError, match="stamp is 70000 ms old"):
                await client.put("k", "v")

    run(scenario, nodes=1)


def test_a_write_that_may_have_happened_is_never_stamped_anew() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            world.script(aborts(*LOST, done=True), STALE)
            with pytest.raises(UnknownOutcomeError):
                await client.put("k", "v")
            assert len(set(stamps_of(world))) == 1

    run(scenario)


def test_a_call_ends_with_its_deadline_and_says_what_is_known() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints, timeout=0.2) as client:
            await client.get("warm", timeout=5)
            world.script(*[aborts(*SAFE)] * 50)
            with pytest.raises(RefusedError, match="as told"):
                await client.put("k", "v")
            world.script(aborts(*LOST), *[aborts(*SAFE)] * 50)
            with pytest.raises(UnknownOutcomeError, match="the write may have happened"):
                await client.put("k", "v")
            world.script(*[aborts(*LOST)] * 50)
            with pytest.raises(RefusedError, match="nothing was changed"):
                await client.get("k")

    run(scenario)


def test_a_silent_node_costs_one_attempt() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints, attempt_timeout=0.05) as client:
            await client.get("warm")
            world.script(is_silent())
            written = await client.put("k", "v")
            assert world.values[b"k"][:2] == (written.stamp.time, written.stamp.writer)

    run(scenario)


def test_calls_that_wait_for_a_node_that_breaks_go_elsewhere() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            served = await favourite(client._core, world)
            done = asyncio.Event()
            served.script.append(fakes.waits_for(done))
            calls = [asyncio.create_task(client.put(f"k{i}", "v")) for i in range(50)]
            await world.until(lambda: served.requests)
            await served.stop()
            await asyncio.gather(*calls)
            assert len(world.values) == 50
            done.set()

    run(scenario)


def test_a_hung_node_gets_no_more_than_what_is_under_way() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints, attempt_timeout=0.3) as client:
            served = await favourite(client._core, world)
            served.script.extend([is_silent()] * 100)
            full = bytes(settings.BATCH_BYTES_MAX)  # a message of its own
            await client.put_many([(f"k{i}", full) for i in range(settings.IN_FLIGHT_MAX + 3)])
            assert len(served.requests) == settings.IN_FLIGHT_MAX

    run(scenario)


def test_no_endpoint_is_a_refusal_that_names_them() -> None:
    async def scenario() -> None:
        async with AsyncClient("127.0.0.1:1,127.0.0.1:2", timeout=0.1) as client:
            with pytest.raises(RefusedError, match=r"tried 127\.0\.0\.1:1, 127\.0\.0\.1:2; "):
                await client.get("k")

    asyncio.run(scenario())


def test_endpoints_of_two_clusters_are_refused() -> None:
    async def scenario(world: World) -> None:
        world.nodes[1].cluster_id = 8
        async with AsyncClient(world.endpoints, timeout=1) as client:

            async def until_both_have_answered() -> None:
                while True:
                    await client.get("k")

            with pytest.raises(UsageError, match="belongs to cluster 000000000000000"):
                await until_both_have_answered()
            with pytest.raises(UsageError, match="give the endpoints of one cluster"):
                await client.get_many(["k"])

    run(scenario, nodes=2)


# --- life ------------------------------------------------------------------------------------


def test_closing_ends_calls_and_refuses_new_ones() -> None:
    async def scenario(world: World) -> None:
        client = AsyncClient(world.endpoints)
        await client.get("warm")
        world.script(is_silent(), is_silent())
        calls = [client.put("k", "v"), client.get("k")]
        tasks = [asyncio.create_task(call) for call in calls]
        await world.until(lambda: len(world.requests) == 3)
        await client.close()
        put, get = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(put, UnknownOutcomeError)
        assert isinstance(get, RefusedError)
        with pytest.raises(RefusedError, match="this client is closed"):
            await client.get("k")
        await client.close()

    run(scenario, nodes=1)


def test_closing_ends_what_waits_for_its_next_attempt() -> None:
    async def scenario(world: World) -> None:
        client = AsyncClient(world.endpoints)
        await client.get("warm")
        world.script(*[aborts(*LOST)] * 4, *[aborts(*SAFE)] * 50)
        call = asyncio.create_task(client.put("k", "v"))
        await world.until(lambda: len(world.requests) == 6)
        await client.close()
        await asyncio.sleep(0)
        assert call.done()  # not only when its next attempt would have been due
        with pytest.raises(UnknownOutcomeError):
            await call

    run(scenario, nodes=1)


@pytest.mark.parametrize(
    "begin",
    [
        lambda client: client.count(),
        lambda client: filled(client.pipeline()).execute(),
        lambda client: client.get_many(["k"]),
    ],
)
def test_closing_ends_calls_of_every_kind(begin: Callable[[AsyncClient], Any]) -> None:
    async def scenario(world: World) -> None:
        client = AsyncClient(world.endpoints)
        await client.get("warm")
        world.script(*[is_silent()] * 3)
        call = asyncio.create_task(begin(client))
        await world.until(lambda: len(world.nodes[0].script) < 3)
        await client.close()
        with pytest.raises(DynaKVError):
            await call

    run(scenario, nodes=1)


def filled(pipe: AsyncPipeline) -> AsyncPipeline:
    pipe.put("k", "v")
    return pipe


def test_closing_refuses_calls_that_wait_for_the_first_answer() -> None:
    async def scenario() -> None:
        client = AsyncClient("127.0.0.1:1")
        call = asyncio.create_task(client.get("k"))
        for _ in range(3):
            await asyncio.sleep(0)
        await client.close()
        with pytest.raises(RefusedError, match="was closed; nothing was sent"):
            await call

    asyncio.run(scenario())


def test_a_client_stays_in_its_loop() -> None:
    client = AsyncClient("127.0.0.1:1", timeout=0.01)

    async def use() -> None:
        await client.get("k")

    with pytest.raises(RefusedError, match="no endpoint answered"):
        asyncio.run(use())
    with pytest.raises(RefusedError, match="another event loop"):
        asyncio.run(use())


def test_a_call_that_was_cancelled_is_not_repeated() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.get("warm")
            done = asyncio.Event()

            async def lost_later(*args: object) -> None:
                await done.wait()
                await aborts(*LOST)(*args)  # type: ignore[arg-type]

            world.script(lost_later)
            task = asyncio.create_task(client.put("k", "v"))
            await world.until(lambda: len(world.requests) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            done.set()
            await client.get("later")
        assert len(stamps_of(world)) == 1

    run(scenario)


# --- many keys -------------------------------------------------------------------------------


def test_batches_return_results_in_the_order_of_their_keys() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            written = await client.put_many({f"k{i}": str(i) for i in range(1500)})
            assert written == sorted(written, key=lambda w: w.stamp)
            keys = [f"k{i}" for i in (1499, 0, 7, 0)]
            assert await client.get_many(keys) == [b"1499", b"0", b"7", b"0"]
            await client.delete_many(keys)
            assert await client.get_many(["k0", "k1"]) == [None, b"1"]
            assert await client.get_many([]) == []
        assert max(len(keys_of(r)) for r in world.requests) <= settings.BATCH_KEYS_MAX

    run(scenario)


def test_the_later_value_of_a_key_in_a_batch_wins() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.put_many([("k", "1"), ("k", "2")])
            assert await client.get("k") == b"2"

    run(scenario)


def test_a_batch_error_has_a_result_for_each_entry() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.put("a", "1")
            bad = fails_entries(
                pb.RETRY_NEVER, CODES.INVALID_ARGUMENT, "no", which=lambda key: key == b"b"
            )
            world.script(*[bad] * 10)
            with pytest.raises(
                BatchError, match=r"1 of 3 entries failed; entry 1: UsageError: "
            ) as e:
                await client.get_many(["a", "b", "c"])
            assert [*e.value.results[::2]] == [b"1", None]
            assert list(e.value.errors) == [1]

    run(scenario, nodes=1)


# --- pipelines -------------------------------------------------------------------------------


def test_a_pipeline_keeps_its_order() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            async with client.pipeline() as pipe:
                first = pipe.put("k", "1")
                one = pipe.get("k")
                pipe.put("k", "2")
                two = pipe.get_entry("k")
                there = pipe.expire("k", timedelta(1))
                pipe.delete("k")
                none = pipe.get("k")
                gone = pipe.persist("k")
                with pytest.raises(UsageError, match="has not been run yet"):
                    one.result()
            assert one.result() == b"1"
            assert two.result().value == b"2"
            assert none.result() is None
            assert first.result().stamp < two.result().stamp
            assert (there.result(), gone.result()) == (True, False)
            assert len(world.requests) == 1
            assert await client.pipeline().execute() == []

    run(scenario)


def test_a_repeated_entry_of_a_pipeline_takes_the_later_ones_of_its_key_along() -> None:
    async def put_fails(node: FakeNode, request: pb.PipelineRequest, _: Any) -> Any:
        response = node.apply(request)
        del node.world.values[b"a"]
        for column in (response.results[1].found.found, response.results[1].found.values):
            column[0] = type(column[0])()
        response.results[0].errors.add(entries=[0], code=14, retry=pb.RETRY_SAFE)
        return response

    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            world.script(put_fails)
            async with client.pipeline() as pipe:
                pipe.put("a", "1")
                pipe.put("b", "1")
                a, b = pipe.get("a"), pipe.get("b")
            assert (a.result(), b.result()) == (b"1", b"1")
        first, second = sorted(world.requests, key=lambda r: -len(r.steps[0].put.keys))
        assert keys_of(first) == [b"a", b"b", b"a", b"b"]
        assert keys_of(second) == [b"a", b"a"]
        assert first.steps[0].put.times[0] == second.steps[0].put.times[0]

    run(scenario)


def test_a_pipeline_with_failures_raises_and_keeps_the_other_results() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints, timeout=0.2) as client:
            await client.get("warm", timeout=5)
            world.script(*[fails_entries(99, CODES.UNKNOWN, which=lambda key: key == b"b")] * 50)
            pipe = client.pipeline()
            a, b = pipe.put("a", "1"), pipe.put("b", "1")
            expired = pipe.expire("b", timedelta(1))
            with pytest.raises(BatchError, match="2 of 3 entries failed"):
                await pipe.execute()
            assert a.result().stamp.time
            for later in (b, expired):
                with pytest.raises(UnknownOutcomeError):
                    later.result()
            with pytest.raises(UsageError, match="has been run: begin a new one"):
                pipe.get("a")

    run(scenario)


def test_a_pipeline_whose_block_raised_does_not_run() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.pipeline() as pipe:
                    pipe.put("a", str(1 // 0))
        assert not world.requests

    run(scenario)


def test_a_pipeline_is_bounded() -> None:
    async def scenario() -> None:
        async with AsyncClient("127.0.0.1:1") as client:
            pipe = client.pipeline()
            for i in range(1000):
                pipe.get(f"k{i}")
            with pytest.raises(UsageError, match="has 1000 requests: must have at most 1000"):
                pipe.get("one too many")
            pipe = client.pipeline()
            pipe.put("a", b"x" * (8 << 20))
            pipe.put("b", b"x" * (8 << 20))
            with pytest.raises(UsageError, match="have 16777217 bytes: must have at most 16777216"):
                pipe.put("c", "x")

    asyncio.run(scenario())


# --- ranges and the ring ---------------------------------------------------------------------


def test_a_listing_follows_its_cursors_through_failures() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.put_many([(f"k{i}", str(i)) for i in range(5)])
            await client.put("other", "v")
            world.script(answers(), aborts(*LOST), aborts(*SAFE))
            entries = [entry async for entry in client.list(prefix="k")]
            assert [entry.value for entry in entries] == [b"0", b"1", b"2", b"3", b"4"]
            assert entries[0].stamp is not None
            keys = [e async for e in client.list(start="k3", end="l", keys_only=True, page_keys=1)]
            assert [(entry.key, entry.value) for entry in keys] == [(b"k3", None), (b"k4", None)]
            assert await client.count() == 6
            assert await client.count(prefix="k") == 5

    run(scenario)


def test_a_wrong_listing_is_not_repeated() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            world.script(aborts(CODES.INVALID_ARGUMENT, "never", "keyspace 'x' does not exist"))
            with pytest.raises(UsageError, match="keyspace 'x' does not exist"):
                await client.count(keyspace="x")
        assert sum(len(node.lists) for node in world.nodes) == 1

    run(scenario)


def test_the_ring_shows_where_each_node_is_reached() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints[:1]) as client:
            ring = await client.ring()
        assert [(m.node_id, m.endpoint, m.up) for m in ring.members] == [
            ("n1", world.endpoints[0], None),
            ("n2", None, None),
            ("n3", None, None),
        ]
        (keyspace,) = ring.keyspaces
        assert (keyspace.mode, keyspace.default_level) == ("leaderless", "quorum")
        assert keyspace.groups == (("n1", "n2", "n3"),) * 4

    run(scenario)
