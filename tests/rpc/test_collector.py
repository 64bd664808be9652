"""Putting the parts of an answer together."""

import asyncio
from typing import Any

from dynakv.errors import Failure, Kind
from dynakv.node.messages import Get, Refused, Stored
from dynakv.rpc.collector import Collector, submit

FIRST = Stored([1, 2], [5, 6], [7, 8], None)
SECOND = Refused([0], Failure(Kind.TIMEOUT, "late"))


def test_an_answer_is_complete_when_every_entry_is_answered() -> None:
    async def scenario() -> None:
        collector = Collector(3)
        waiting = asyncio.create_task(collector.parts())
        collector.take(FIRST)
        await asyncio.sleep(0)
        assert not waiting.done()
        collector.take(SECOND)
        assert await waiting == [FIRST, SECOND]

    asyncio.run(scenario())


def test_parts_for_a_caller_who_went_away_are_dropped() -> None:
    async def scenario() -> None:
        collector = Collector(2)
        waiting = asyncio.create_task(collector.parts())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        collector.take(FIRST)

    asyncio.run(scenario())


def test_a_full_inbox_gives_nothing_to_wait_for(inbox: Any) -> None:
    async def scenario() -> None:
        inbox.full = True
        assert submit(inbox, Get("default", [b"k"])) is None

    asyncio.run(scenario())
