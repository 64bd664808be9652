"""Tasks that run beside a stream."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run `work` as a task; what it raises reaches the loop's exception handler at once.

    Asyncio alone reports it when the task is collected, which for a stream's writer may be never.
    """
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_raise)
    return task


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
