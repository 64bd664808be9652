"""How a batch is cut into messages, and what becomes of each of its lines."""

import asyncio
from collections.abc import Iterator, Sequence

import grpc
import pytest

from dynakv.client import batch
from dynakv.client.batch import Fate, Outcome, Totals
from dynakv.client.batch_lines import Entry, Op, Wrong
from dynakv.client.connection import Connection, Reach
from dynakv.errors import RefusedError
from dynakv.v1 import kvstore_pb2 as pb
from tests.client.cli_store import CliStore, serving


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliStore]:
    monkeypatch.setattr(batch, "PAUSE_MS", 0)
    fake = CliStore()
    with serving(fake):
        yield fake


def put(line: int, key: str = "", value: bytes = b"v") -> Entry:
    return Entry(line, Op.PUT, (key or f"k{line}").encode(), value)


def run(store: CliStore, lines: Sequence[Entry | Wrong]) -> tuple[Totals, list[Outcome]]:
    totals = Totals()
    failed: list[Outcome] = []

    async def written() -> None:
        async with Connection([store.endpoint]) as connection:
            await batch.run(connection, lines, Reach(), totals, failed.extend)

    asyncio.run(written())
    return totals, failed


def test_messages_hold_a_few_hundred_lines_and_no_key_twice() -> None:
    lines = [put(i) for i in range(450)]
    assert [len(m) for m in batch.messages(lines)] == [200, 200, 50]
    again = [put(1, "a"), put(2, "b"), put(3, "a"), put(4, "a")]
    assert [[e.line for e in m] for m in batch.messages(again)] == [[1, 2], [3], [4]]


def test_messages_are_bounded_in_bytes_and_one_large_line_goes_alone() -> None:
    lines = [put(1), put(2, value=bytes(2 << 20)), put(3), put(4, value=bytes(900_000)), put(5)]
    assert [[e.line for e in m] for m in batch.messages(lines)] == [[1], [2], [3, 4, 5]]


def test_all_kinds_of_lines_are_done_in_one_message(store: CliStore) -> None:
    store.values = {b"d": b"1", b"e": b"1", b"p": b"1"}
    lines = [
        Entry(1, Op.PUT, b"a", b"x", ttl_ms=5),
        Entry(2, Op.PUT, b"b", b"y", keep_ttl=True),
        Entry(3, Op.DELETE, b"d"),
        Entry(4, Op.EXPIRE, b"e", ttl_ms=7),
        Entry(5, Op.PERSIST, b"p"),
    ]
    totals, failed = run(store, lines)
    assert failed == []
    assert totals.counts[Fate.DONE] == 5
    assert totals.worst is Fate.DONE
    (request,) = store.pipelines()
    puts = [step.put for step in request.steps if step.HasField("put")]
    assert [(list(s.keys), list(s.ttls_ms), s.keep_ttl) for s in puts] == [
        ([b"a"], [5], False),
        ([b"b"], [], True),
    ]
    assert store.values == {b"a": b"x", b"b": b"y", b"e": b"1", b"p": b"1"}


def test_wrong_lines_and_missing_keys_fail_alone(store: CliStore) -> None:
    lines = [put(1), Wrong(2, "no JSON"), Entry(3, Op.EXPIRE, b"x", ttl_ms=1), put(4)]
    totals, failed = run(store, lines)
    assert failed == [
        Outcome(2, Fate.WRONG, "no JSON"),
        Outcome(3, Fate.WRONG, "the key has no value"),
    ]
    assert (totals.counts[Fate.DONE], totals.worst) == (2, Fate.WRONG)
    assert set(store.values) == {b"k1", b"k4"}


def test_one_value_that_a_node_refuses_does_not_fail_its_neighbours(store: CliStore) -> None:
    # As a node does it: a step with one wrong value is refused with all of its entries.
    original = store._step

    def step(step: pb.Step) -> pb.StepResult:
        if b"bad" not in step.put.values:
            return original(step)
        result = pb.StepResult()
        count = len(step.put.keys)
        result.errors.add(entries=range(count), message="too large", retry=pb.RETRY_NEVER)
        return result

    store._step = step  # type: ignore[method-assign]
    lines = [put(i, value=b"bad" if i in (37, 38, 150) else b"v") for i in range(200)]
    totals, failed = run(store, lines)
    assert failed == [Outcome(i, Fate.WRONG, "too large") for i in (37, 38, 150)]
    assert len(store.values) == totals.counts[Fate.DONE] == 197
    assert len(store.pipelines()) < 50


def test_what_was_refused_is_sent_again_and_nothing_else(store: CliStore) -> None:
    refusals = {b"k2": 2}

    def judge(key: bytes, value: bytes) -> tuple[int, str] | None:
        left = refusals.get(key, 0)
        refusals[key] = left - 1
        return (pb.RETRY_SAFE, "busy") if left > 0 else None

    store.judge = judge
    totals, failed = run(store, [put(1), put(2), put(3)])
    assert failed == []
    assert totals.counts[Fate.DONE] == 3
    sent = [[k for s in r.steps for k in s.put.keys] for r in store.pipelines()]
    assert sent == [[b"k1", b"k2", b"k3"], [b"k2"], [b"k2"]]


def test_an_unknown_outcome_is_never_sent_again(store: CliStore) -> None:
    store.judge = lambda key, value: (pb.RETRY_SAME_STAMP, "late") if key == b"k2" else None
    totals, failed = run(store, [put(1), put(2)])
    assert failed == [Outcome(2, Fate.UNKNOWN, "late")]
    assert totals.worst is Fate.UNKNOWN
    assert len(store.pipelines()) == 1


def test_a_message_whose_answer_was_lost_is_unknown_as_a_whole(store: CliStore) -> None:
    store.failures = [(grpc.StatusCode.UNAVAILABLE, None)]
    totals, failed = run(store, [put(1), put(2)])
    assert [o.fate for o in failed] == [Fate.UNKNOWN, Fate.UNKNOWN]
    assert len(store.pipelines()) == 1
    assert totals.lines == 2


def test_a_cluster_that_is_away_stops_the_batch(store: CliStore) -> None:
    store.judge = lambda key, value: (pb.RETRY_SAFE, "too few replicas")
    totals = Totals()
    failed: list[Outcome] = []

    async def written() -> None:
        async with Connection([store.endpoint]) as connection:
            lines = (put(i) for i in range(1, 1_000))
            await batch.run(connection, lines, Reach(), totals, failed.extend)

    with pytest.raises(RefusedError, match="stopped behind line 200"):
        asyncio.run(written())
    assert totals.counts[Fate.REFUSED] == len(failed) == 200
    assert len(store.pipelines()) == batch.TRIES
