"""Tasks beside a stream."""

import asyncio
from typing import Any

from dynakv.rpc.tasks import start


def test_what_a_task_raises_is_reported_at_once_and_its_cancellation_is_not() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def scenario() -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))
        failing, waiting = start(fail()), start(asyncio.Event().wait())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(failing, waiting, return_exceptions=True)
        await asyncio.sleep(0)
        assert [str(what["exception"]) for what in reported] == ["broken"]

    asyncio.run(scenario())
