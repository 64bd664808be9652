"""Loads: what is asked for, counted and timed, against links without a network."""

import asyncio
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from loadtest import plain
from loadtest.keys import Distribution
from loadtest.links import GET, PUT, Link, Requests
from loadtest.plain import Shape, Source, Tally, percentile_ms


class Echo(Link):
    """Answers everything in the next turn, with what `outcome` says of a key."""

    def __init__(self, outcome: Callable[[str, bytes], str] = lambda kind, key: "") -> None:
        super().__init__()
        self.open = True
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.batches: list[int] = []
        self._outcome = outcome

    def send(self, requests: Requests, tag: Any) -> None:
        self.sent += requests
        self.batches.append(len(requests))
        asyncio.get_running_loop().call_soon(self._answer, list(requests), tag)

    def _answer(self, requests: Requests, tag: Any) -> None:
        for kind, key, _ in requests:
            self.on_reply(tag, self._outcome(kind, key), plain.clock())

    def _forgotten(self) -> list[Any]:
        return []


@pytest.mark.parametrize(("share", "gets"), [(0.0, 0), (1.0, 1_000), (0.8, 800), (0.5, 500)])
def test_puts_and_gets_come_in_the_share_asked_for(share: float, gets: int) -> None:
    made = Source(Shape(share, value_bytes=10, keys=100)).take(1_000)
    assert abs(sum(kind == GET for kind, _, _ in made) - gets) <= 1
    assert all(len(value) == (0 if kind == GET else 10) for kind, _, value in made)


def test_a_zipfian_load_has_popular_keys_and_a_uniform_one_has_not() -> None:
    def most(distribution: Distribution) -> int:
        keys = [key for _, key, _ in Source(Shape(0.0, distribution, keys=1_000)).take(10_000)]
        return max(keys.count(key) for key in set(keys))

    assert most(Distribution.ZIPFIAN) > 5 * most(Distribution.UNIFORM)


def test_percentiles_are_times_that_were_measured() -> None:
    times = array("I", range(1_000, 101_000, 1_000))  # 1 to 100 ms
    assert percentile_ms(times, 50) == 50
    assert percentile_ms(times, 99) == 99
    assert percentile_ms(times, 100) == 100
    assert percentile_ms(array("I"), 50) == 0


def test_replies_are_counted_by_what_they_say() -> None:
    tally = Tally(seconds=1.0)
    for outcome in ("", "missing", "OVERLOADED", "OVERLOADED"):
        tally.note(outcome, 0.002)
    assert (tally.done, tally.missing, tally.errors) == (2, 1, {"OVERLOADED": 2})
    assert list(tally.latencies) == [2_000, 2_000]


def test_a_closed_loop_keeps_as_many_under_way_as_asked_for() -> None:
    some = [Echo(), Echo()]
    edges = iter((1, 2))
    tally, seen = asyncio.run(
        plain.closed(some, Shape(0.0, keys=100, pipeline=4), 0.05, 0.01, lambda: next(edges))
    )
    assert all(set(link.batches) == {4} for link in some)
    assert 0 < tally.done < sum(len(link.sent) for link in some)  # the warm-up does not count
    assert (seen, tally.unanswered) == ([1, 2], 0)


def test_a_link_that_never_answers_is_given_up() -> None:
    class Silent(Echo):
        def _answer(self, requests: Requests, tag: Any) -> None:
            pass

    some = [Silent(), Echo()]
    tally, _ = asyncio.run(plain.closed(some, Shape(0.0, pipeline=4), 0.05, 0.0, answer_s=0.05))
    assert tally.unanswered == 4
    assert tally.done


def test_an_open_loop_sends_what_is_due_and_counts_from_then() -> None:
    link = Echo(lambda kind, key: "")
    begun: list[int] = []
    seconds, _ = asyncio.run(plain.opened([link], Shape(0.0), [100, 50], begun.append))
    assert [second.sent for second in seconds] == [100, 50]
    assert [len(second.latencies) for second in seconds] == [100, 50]
    assert begun == [0, 1]
    assert set(link.batches) == {1}


def test_latency_of_an_open_loop_counts_from_when_a_request_was_due() -> None:
    async def run() -> None:
        running = plain._Open([], Source(Shape(0.0)), 2)
        running.began = 100.0
        running._reply(1.5, "", 101.75)
        assert not running.seconds[0].latencies
        assert list(running.seconds[1].latencies) == [250_000]

    asyncio.run(run())


def test_an_open_loop_counts_failures_and_what_is_never_answered() -> None:
    class Half(Echo):
        def _answer(self, requests: Requests, tag: Any) -> None:
            if len(self.sent) % 2:
                super()._answer(requests, tag)

    closed = Echo()
    closed.open = False
    some = [Half(lambda kind, key: "OVERLOADED"), closed]
    (second,), _ = asyncio.run(plain.opened(some, Shape(0.0), [100], answer_s=0.05))
    assert second.errors["CLOSED"] == 50
    assert second.errors["OVERLOADED"] + second.errors["UNANSWERED"] == 50
    assert not second.latencies


def test_every_key_is_written_once_and_again_where_it_was_refused() -> None:
    refused: list[bytes] = []

    def outcome(kind: str, key: bytes) -> str:
        assert kind == PUT
        if key.endswith(b"7") and key not in refused:
            refused.append(key)
            return "UNAVAILABLE"
        return ""

    link = Echo(outcome)
    asyncio.run(plain.fill([link], Shape(0.0, keys=100)))
    assert len({key for _, key, _ in link.sent}) == 100
    assert len(refused) == 10
    sent = [key for _, key, _ in link.sent]
    assert all(sent.count(key) > 1 for key in refused)
