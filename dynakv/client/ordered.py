"""Pipelines: requests in the order in which they were written down, in one message.

The node keeps the order wherever it can be seen, within one message. So a request that has to be
tried again takes with it all later ones of its key that a repetition does no harm: reads, and
writes under the stamps they have. In a Raft keyspace a repeated write is not done anew, so there
one that would come behind a later one of its key ends instead.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from dynakv.client import retry, wire
from dynakv.client.core import STAMPED, Core
from dynakv.client.operation import Kind, Op
from dynakv.client.request_ids import no_room
from dynakv.client.retry import Next, Trouble
from dynakv.client.session import mono_ms


async def run(core: Core, ops: Sequence[Op]) -> None:
    """Bring requests of equal terms and deadlines, admitted by `core`, each to its end."""
    pending = list(ops)
    try:
        while pending:
            pending = await _attempt(core, pending)
    finally:
        for op in pending:  # not empty only where the caller was cancelled
            core.abandon(op)


async def _attempt(core: Core, pending: list[Op]) -> list[Op]:
    """Make one attempt and wait if another one is due; return what it is due for."""
    session = core.session
    now_ms = mono_ms()
    first = pending[0]
    tried = max((op.tried for op in pending), key=len)
    endpoint = session.router.choose(first.terms.keyspace, first.key, tried, now_ms)
    attempt_ms = max(retry.cut_ms(first.deadline_ms - now_ms, first.attempt_ms), 1)
    ready = await _identified(core, pending)
    pending, rest = pending[:ready], pending[ready:]
    if not ready:
        return rest[1:]
    steps = wire.steps_of(pending)
    request = wire.request_of(steps, session.clock.writer)
    reply = await session.channels.pipeline(endpoint, request, attempt_ms)
    if isinstance(reply, Trouble):
        answers: list[object] = [reply] * len(pending)
        session.note(endpoint, reply, mono_ms())
    else:
        session.hear(reply.hlc, mono_ms())
        core.learn_leaders(steps, reply)
        answers = wire.answers_of(endpoint, steps, reply)[1]
        for answer in answers:
            if isinstance(answer, Trouble):
                session.note(endpoint, answer, mono_ms())
    again, wait_ms, stale = _sort(core, pending, answers, endpoint)
    if stale:
        await session.refresh()
        for op in stale:
            core.stamp(op)
    if again:
        await asyncio.sleep(wait_ms / 1000)
    return again + rest


async def _identified(core: Core, pending: Sequence[Op]) -> int:
    """Return how many of these can be sent now; 0: the first has ended instead."""
    for place, op in enumerate(pending):
        if op.kind is not Kind.EXECUTE or op.sequence:
            continue
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        while not core.identify(op, partial(_settle, room)):
            if place:
                return place  # those before it may be what it waits for
            left_ms = max(op.deadline_ms - mono_ms(), 0)
            await asyncio.wait({room}, timeout=left_ms / 1000)
            if not room.done():
                core.fail(op, no_room())
                return 0
            room = asyncio.get_running_loop().create_future()
    return len(pending)


def _settle(room: "asyncio.Future[None]") -> None:
    if not room.done():
        room.set_result(None)


def _sort(
    core: Core, pending: Sequence[Op], answers: Sequence[object], endpoint: str
) -> tuple[list[Op], int, list[Op]]:
    """End what has ended; return what goes on, after how many ms, and which need new stamps."""
    now_ms = mono_ms()
    again: list[Op] = []
    stale: list[Op] = []
    waits_ms = [0]
    keys: set[bytes] = set()  # of what goes on
    is_written = any(
        op.kind in STAMPED and not isinstance(answer, Trouble)
        for op, answer in zip(pending, answers, strict=True)
    )
    done_at = {
        op.key: place
        for place, (op, answer) in enumerate(zip(pending, answers, strict=True))
        if op.kind is Kind.EXECUTE and not isinstance(answer, Trouble)
    }
    for place, (op, answer) in enumerate(zip(pending, answers, strict=True)):
        if not isinstance(answer, Trouble):
            if op.key in keys and (op.is_read or op.time):
                op.is_maybe_done = not op.is_read
                again.append(op)
            else:
                core.succeed(op, answer)
            continue
        following = retry.take(op, answer, 1)
        # A new stamp above that of a later write which is done would undo that one.
        if following is Next.RESTAMPED and not is_written:
            stale.append(op)
        elif following is not Next.AGAIN or done_at.get(op.key, -1) > place:
            op.attempts += 1
            core.fail(op, retry.final_error(op, answer))
            continue
        wait_ms = core.wait_ms(op, answer, endpoint, now_ms)
        if wait_ms is None:
            core.fail(op, retry.final_error(op, answer))
        else:
            waits_ms.append(wait_ms)
            keys.add(op.key)
            again.append(op)
    return again, max(waits_ms), [op for op in stale if op in again]
