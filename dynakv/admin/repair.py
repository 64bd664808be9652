"""`dynakv-admin repair`: lets nodes compare themselves with their peers now, and may wait for it.

Every chosen node compares with every peer that shares shard groups with it. With `wait` a node
whose comparison failed (a tree was being rebuilt, a peer was away) begins again until time is over.
"""

import asyncio
import time
from typing import Final

from msgspec import Struct

from dynakv.admin import survey, tasks
from dynakv.client import terminal, texts
from dynakv.client.connection import Connection
from dynakv.v1 import tasks_pb2 as pb

WAIT_MS: Final = 600_000
WAIT_MS_MAX: Final = 24 * 3_600_000
AGAIN_MS: Final = 500  # between two looks
SAY_MS: Final = 2_000  # between two lines about progress
EXIT_FAILED: Final = 1


class Plan(Struct, frozen=True):
    """What the options ask for."""

    keyspace: str = ""  # empty: all
    group: int | None = None
    nodes: tuple[str, ...] = ()  # none: all
    wait: bool = False
    timeout_ms: int = WAIT_MS


async def run(endpoints: list[str], plan: Plan) -> int:
    """Start repair and perhaps wait; return the exit code: 0 started, or all compared equal."""
    state = await survey.any_state(endpoints)
    where = survey.addresses(state)
    where = survey.named(where, plan.nodes or list(where))
    started = await _start(where, plan)
    silent = {node: said for node, said in started.items() if isinstance(said, str)}
    for node, why in silent.items():
        terminal.say(f"dynakv-admin: {node} did not begin: {why}")
    ids = {node: list(said.task_ids) for node, said in started.items() if not isinstance(said, str)}
    count = sum(map(len, ids.values()))
    terminal.say(f"{count} comparisons begun on {len(ids)} of {len(where)} nodes")
    if not plan.wait:
        return EXIT_FAILED if silent else 0
    equal = await _wait(where, ids, plan)
    return 0 if equal else EXIT_FAILED


async def pause(endpoints: list[str], nodes: tuple[str, ...], *, paused: bool) -> int:
    """Pause what nodes compare by themselves, or let them go on; return 1 if not all did."""
    where = survey.addresses(await survey.any_state(endpoints))
    where = survey.named(where, nodes or list(where))

    async def tell(connection: Connection) -> None:
        await connection.pause_repair(paused=paused, timeout_ms=tasks.WITHIN_MS)

    told = await survey.each(where, tell, tasks.WITHIN_MS)
    silent = {node: said for node, said in told.items() if isinstance(said, str)}
    for node, why in silent.items():
        terminal.say(f"dynakv-admin: {node} was not reached: {why}")
    what = "is paused" if paused else "goes on"
    terminal.say(f"repair {what}: {len(told) - len(silent)} of {len(told)} nodes")
    return EXIT_FAILED if silent else 0


async def _start(where: dict[str, str], plan: Plan) -> dict[str, pb.StartRepairResponse | str]:
    async def start(connection: Connection) -> pb.StartRepairResponse:
        return await connection.start_repair(plan.keyspace, plan.group, tasks.WITHIN_MS)

    return await survey.each(where, start, tasks.WITHIN_MS)


async def _wait(where: dict[str, str], ids: dict[str, list[int]], plan: Plan) -> bool:
    """Look until every node's comparisons ended well, or the time is over; say how it goes."""
    end = time.monotonic() + plan.timeout_ms / 1000
    said_at = time.monotonic()
    equal: dict[str, int] = {}  # nodes that are done -> bytes shipped
    why = ""
    while len(equal) < len(where):
        if time.monotonic() >= end:
            left = ", ".join(node for node in where if node not in equal)
            waited = texts.lasting(plan.timeout_ms)
            terminal.say(f"dynakv-admin: not equal within {waited}: {left}: {why or 'it runs'}")
            return False
        await asyncio.sleep(AGAIN_MS / 1000)
        told = await tasks.of_all(where)
        done = total = shipped = 0
        for node, answer in told.items():
            mine = [] if isinstance(answer, str) else _of(answer, ids.get(node))
            done += sum(task.done for task in mine)
            total += sum(task.total for task in mine)
            shipped += sum(task.bytes for task in mine)
            if isinstance(answer, str):
                why = f"{node}: {answer}"
            elif node in ids and len(mine) < len(ids[node]):
                del ids[node]  # restarted meanwhile, or so long ago that it was forgotten
            if node in equal or any(task.state == pb.TASK_STATE_RUNNING for task in mine):
                continue
            if node in ids and all(task.state == pb.TASK_STATE_DONE for task in mine):
                equal[node] = sum(task.bytes for task in mine)
                continue
            why = next((f"{node} {t.about}: {t.why}" for t in mine if t.why), why)
            await _again(node, where, ids, plan)
        if time.monotonic() - said_at >= SAY_MS / 1000:
            said_at = time.monotonic()
            terminal.say(f"{done} of {total} groups compared, {texts.size(shipped)} shipped")
    terminal.say(f"all replicas are equal, {texts.size(sum(equal.values()))} shipped")
    return True


def _of(answer: pb.ListTasksResponse, ids: list[int] | None) -> list[pb.Task]:
    return [task for task in answer.tasks if ids is not None and task.task_id in ids]


async def _again(node: str, where: dict[str, str], ids: dict[str, list[int]], plan: Plan) -> None:
    """Let a node begin anew; one that does not answer is asked at the next look."""
    ids.pop(node, None)
    said = (await _start({node: where[node]}, plan))[node]
    if not isinstance(said, str):
        ids[node] = list(said.task_ids)
