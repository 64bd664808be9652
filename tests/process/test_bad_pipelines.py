"""Pipelines that no client should send: refused as a whole or entry by entry, nothing else lost."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest

from dynakv.v1 import kvstore_pb2 as pb
from tests.process.bad_input import assert_untouched, contents, served
from tests.process.harness import ALL, Clients, Cluster, refused, retry_of, told

pytestmark = pytest.mark.slow

MIB = 1 << 20
K, K2 = b"known", b"other"
UNKNOWN: Any = 99  # a level that no version has yet
INVALID = grpc.StatusCode.INVALID_ARGUMENT.value[0]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    yield from served(tmp_path_factory.mktemp("bad-pipelines"))


def put(*keys: bytes, **columns: Any) -> pb.Step:
    columns.setdefault("values", [b"v"] * len(keys))
    return pb.Step(put=pb.PutStep(keys=keys, **columns))


def get(*keys: bytes) -> pb.Step:
    return pb.Step(get=pb.GetStep(keys=keys))


def delete(*keys: bytes, **columns: Any) -> pb.Step:
    return pb.Step(delete=pb.DeleteStep(keys=keys, **columns))


def expire(*keys: bytes, **columns: Any) -> pb.Step:
    return pb.Step(expire=pb.ExpireStep(keys=keys, **columns))


def keys(count: int) -> list[bytes]:
    return [b"many/%d" % i for i in range(count)]


# Every request begins with a step that is right: what is refused as a whole does not even do that.
WHOLE: dict[str, tuple[list[pb.Step], str]] = {
    "fewer-values": (
        [put(K, K2, values=[b"v"])],
        r"steps\[1\].put.values has 1 entries for 2 keys",
    ),
    "more-values": ([put(K, values=[b"v"] * 3)], r"steps\[1\].put.values has 3 entries for 1 keys"),
    "no-values": ([put(K, values=[])], r"steps\[1\].put.values has 0 entries for 1 keys"),
    "ttls": (
        [put(K, K2, K, ttls_ms=[1, 2])],
        r"steps\[1\].put.ttls_ms has 2 entries for 3 keys; give 0, 1 or 3",
    ),
    "expiries": (
        [put(K, K2, K, expires_at_ms=[1, 2])],
        r"steps\[1\].put.expires_at_ms has 2 entries for 3 keys; give 0, 1 or 3",
    ),
    "times": (
        [put(K, K2, times=[1], writers=[1, 1])],
        r"steps\[1\].put.times has 1 entries for 2 keys",
    ),
    "writers": (
        [delete(K, K2, K, times=[1, 1, 1], writers=[1, 1])],
        r"steps\[1\].delete.writers has 2 entries for 3 keys; give 0, 1 or 3",
    ),
    "no-writers": (
        [delete(K, times=[1])],
        r"steps\[1\].delete.times are given without steps\[1\].delete.writers",
    ),
    "negative-ttl": (
        [put(K, K2, ttls_ms=[1, -1])],
        r"steps\[1\].put.ttls_ms is -1; it must not be negative",
    ),
    "keep-and-ttl": (
        [put(K, keep_ttl=True, ttls_ms=[1])],
        r"steps\[1\].put.keep_ttl excludes ttls_ms and expires_at_ms",
    ),
    "both-expiries": (
        [expire(K, ttls_ms=[1], expires_at_ms=[1])],
        r"steps\[1\].expire entry 0 has both a ttl and an expiry; give one",
    ),
    "expire-nothing": (
        [expire(K, K2, ttls_ms=[1, 0])],
        r"steps\[1\].expire entry 1 needs a ttl or an expiry above 0; persist removes both",
    ),
    "no-kind": ([pb.Step()], r"steps\[1\] is of no kind that this node knows; nothing was done"),
    "1001-keys": ([get(*keys(1000))], r"the pipeline has 1001 keys; at most 1000 fit into one"),
    "1001-steps": (
        [get(K) for _ in range(1000)],
        r"the pipeline has 1001 keys; at most 1000 fit into one",
    ),
}


def run(cluster: Cluster, story: Callable[[Clients], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with Clients(cluster) as clients:
            await story(clients)

    with cluster.explained():
        asyncio.run(whole())


async def assert_refused(clients: Clients, request: pb.PipelineRequest, sentence: str) -> None:
    before = await contents(clients)
    for place in range(len(clients)):
        error = await refused(clients[place].Pipeline(request, timeout=10))
        assert error.code().name == "INVALID_ARGUMENT", told(error)
        assert re.fullmatch(sentence, error.details() or ""), told(error)
        assert retry_of(error) == "never"
    await assert_untouched(clients, before)


@pytest.mark.parametrize("name", WHOLE)
def test_a_pipeline_that_contradicts_itself_is_refused_as_a_whole(
    cluster: Cluster, name: str
) -> None:
    steps, sentence = WHOLE[name]
    request = pb.PipelineRequest(steps=[put(b"first"), *steps])
    run(cluster, lambda clients: assert_refused(clients, request, sentence))


def test_an_unknown_level_refuses_the_whole_pipeline(cluster: Cluster) -> None:
    request = pb.PipelineRequest(steps=[put(b"first")], level=UNKNOWN)
    run(cluster, lambda clients: assert_refused(clients, request, "level is 99, which .*"))


# What the node, not the form, refuses: the step's entries carry the error, other steps are done.
ENTRIES: dict[str, tuple[dict[str, Any], pb.Step, str]] = {
    "empty-key": ({}, put(K, b""), "key is empty: 1 to 4096 bytes are allowed"),
    "long-key": ({}, get(K, bytes(4097)), "key has 4097 bytes: at most 4096 are allowed"),
    "large-value": (
        {},
        put(K, K2, values=[b"", bytes(MIB + 1)]),
        r"value has 1048577 bytes: at most 1048576 are allowed \(limits.value_bytes_max\)",
    ),
    "huge-ttl": ({}, put(K, ttls_ms=[1 << 62]), r"ttl_ms is 4611686018427387904: 1 to \d+ is .*"),
    "huge-expiry": (
        {},
        expire(K, expires_at_ms=[1 << 62]),
        r"expires_at_ms is 4611686018427387904: 1 to 140737488355327 is allowed, 0 means none",
    ),
    "stamp-ahead": (
        {},
        put(K, times=[(1 << 64) - 1], writers=[1]),
        r"stamp stands \d+ ms ahead of this node's clock: at most 500 ms are allowed",
    ),
    "stamp-old": (
        {},
        delete(K, times=[1], writers=[1]),
        r"stamp is \d+ ms old: at most 60000 ms are allowed",
    ),
    "w-4": ({"w": 4}, put(K), r"w is 4: 1 to 3 is allowed \(keyspace default has n=3\)"),
    "r-2^31": ({"r": 1 << 31}, get(K), r"r is 2147483648: 1 to 3 is allowed \(keyspace .*\)"),
    "keyspace": (
        {"keyspace": "nowhere"},
        get(K),
        "keyspace 'nowhere' does not exist; there are: default",
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_step_that_breaks_a_limit_fails_with_all_its_entries(cluster: Cluster, name: str) -> None:
    fields, step, sentence = ENTRIES[name]

    async def story(clients: Clients) -> None:
        before = await contents(clients)
        request = pb.PipelineRequest(steps=[step], **fields)
        for place in range(len(clients)):
            answer = await clients[place].Pipeline(request, timeout=10)
            (errors,) = answer.results[0].errors
            assert list(errors.entries) == list(range(len(_keys_of(step))))
            assert (errors.code, errors.reason) == (INVALID, "INVALID")
            assert re.fullmatch(sentence, errors.message), errors.message
            assert errors.retry == pb.RETRY_NEVER
        await assert_untouched(clients, before)

    run(cluster, story)


def _keys_of(step: pb.Step) -> list[bytes]:
    return list(getattr(step, step.WhichOneof("kind")).keys)


def test_other_steps_of_the_pipeline_are_done(cluster: Cluster) -> None:
    async def story(clients: Clients) -> None:
        steps = [put(b"good"), put(b"good", b""), get(b"good"), delete(b"good")]
        answer = await clients[1].Pipeline(pb.PipelineRequest(steps=steps), timeout=10)
        assert [len(result.errors) for result in answer.results] == [0, 1, 0, 0]
        assert list(answer.results[2].found.values) == [b"v"]
        assert not (await clients[2].Get(pb.GetRequest(key=b"good"))).found

    run(cluster, story)


def test_an_empty_pipeline_has_no_results(cluster: Cluster) -> None:
    async def story(clients: Clients) -> None:
        before = await contents(clients)
        answer = await clients[0].Pipeline(pb.PipelineRequest(), timeout=10)
        assert len(answer.results) == 0
        answer = await clients[0].Pipeline(pb.PipelineRequest(steps=[put(), get()]), timeout=10)
        assert [result.WhichOneof("kind") for result in answer.results] == ["stored", "found"]
        await assert_untouched(clients, before)

    run(cluster, story)


def test_a_key_may_occur_more_than_once_and_the_last_entry_stays(cluster: Cluster) -> None:
    async def story(clients: Clients) -> None:
        twice = put(b"twice", b"x", b"twice", values=[b"1", b"2", b"3"])
        answer = await clients[0].Pipeline(pb.PipelineRequest(steps=[twice], level=ALL))
        times = answer.results[0].stored.times
        assert times[0] < times[2]
        for place in range(len(clients)):
            found = await clients[place].Pipeline(
                pb.PipelineRequest(steps=[get(b"twice", b"twice")])
            )
            assert list(found.results[0].found.values) == [b"3", b"3"]
        both = delete(b"twice", b"x", b"twice")
        await clients[1].Pipeline(pb.PipelineRequest(steps=[both], level=ALL))

    run(cluster, story)


def test_a_thousand_keys_and_sixteen_mebibytes_fit(cluster: Cluster) -> None:
    async def story(clients: Clients) -> None:
        many = keys(1000)
        await clients[0].Pipeline(pb.PipelineRequest(steps=[put(*many)]), timeout=20)
        found = await clients[1].Pipeline(pb.PipelineRequest(steps=[get(*many)]), timeout=20)
        assert all(found.results[0].found.found)
        await clients[2].Pipeline(pb.PipelineRequest(steps=[delete(*many)], level=ALL), timeout=20)
        large = keys(16)
        step = put(*large, values=[bytes(MIB)] * 16)
        # At `all`: what a slower replica still has under way takes the room of what follows.
        answer = await clients[0].Pipeline(pb.PipelineRequest(steps=[step], level=ALL), timeout=30)
        assert not answer.results[0].errors
        await clients[0].Pipeline(pb.PipelineRequest(steps=[delete(*large)], level=ALL), timeout=30)

    run(cluster, story)


TOO_LARGE = {
    "one-step": [put(*keys(17), values=[bytes(MIB)] * 17)],
    "many-steps": [put(key, values=[bytes(MIB)]) for key in keys(17)],
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_more_than_sixteen_mebibytes_are_refused(cluster: Cluster, name: str) -> None:
    async def story(clients: Clients) -> None:
        before = await contents(clients)
        request = pb.PipelineRequest(steps=TOO_LARGE[name])
        try:
            answer = await clients[0].Pipeline(request, timeout=30)
        except grpc.aio.AioRpcError as error:
            codes, sentences = [error.code().value[0]], [error.details() or ""]
        else:
            errors = [e for result in answer.results for e in result.errors]
            codes, sentences = [e.code for e in errors], [e.message for e in errors]
        assert set(codes) == {INVALID}, sentences
        assert all("17825792 bytes" in s and "16777216" in s for s in sentences), sentences
        await assert_untouched(clients, before)

    run(cluster, story)
