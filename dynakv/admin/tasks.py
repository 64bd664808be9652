"""`dynakv-admin tasks`: what every node works on beside its requests."""

import asyncio
from typing import Any, Final

from dynakv.admin import survey
from dynakv.admin.tables import columns, nodes_as_json
from dynakv.client import texts
from dynakv.client.connection import Connection
from dynakv.v1 import tasks_pb2 as pb

WITHIN_MS: Final = 1_200
_STATES: Final = {
    pb.TASK_STATE_RUNNING: "running",
    pb.TASK_STATE_DONE: "done",
    pb.TASK_STATE_FAILED: "failed",
}
_CLEAR: Final = "\x1b[H\x1b[J"

Told = dict[str, pb.ListTasksResponse | str]  # node id -> what it said, or why nothing


async def of_all(where: dict[str, str], within_ms: int = WITHIN_MS) -> Told:
    """Return what each node says of its tasks, or why it says nothing."""

    async def ask(connection: Connection) -> pb.ListTasksResponse:
        return await connection.tasks(within_ms)

    return await survey.each(where, ask, within_ms)


def as_table(told: Told) -> str:
    """Return all tasks of all nodes, for a person."""
    rows: list[tuple[str, ...]] = [
        ("NODE", "ID", "TASK", "ABOUT", "STATE", "DONE", "SHIPPED", "SINCE", "LEFT", "")
    ]
    silent: list[str] = []
    paused: list[str] = []
    for node, said in told.items():
        if isinstance(said, str):
            silent.append(f"{node}: {said}")
            continue
        if said.repair_paused:
            paused.append(node)
        rows += [_row(node, task) for task in said.tasks]
    lines = list(columns(rows, {1, 5, 6, 7, 8})) if len(rows) > 1 else ["no tasks"]
    if paused:
        lines.append(f"repair is paused on {', '.join(paused)}")
    return "\n".join([*lines, *silent])


def as_json(told: Told) -> str:
    """Return the same for programs, on one line."""
    return nodes_as_json(told, _shown)


def _shown(said: pb.ListTasksResponse) -> dict[str, Any]:
    tasks = [
        {
            "id": task.task_id,
            "kind": task.kind,
            "about": task.about,
            "state": _STATES.get(task.state, "unknown"),
            "done": task.done,
            "total": task.total,
            "bytes": task.bytes,
            "age_ms": task.age_ms,
            "took_ms": task.took_ms or None,
            "left_ms": task.left_ms or None,
            "why": task.why,
        }
        for task in said.tasks
    ]
    return {"repair_paused": said.repair_paused, "tasks": tasks}


async def show(endpoints: list[str], interval_ms: int, *, as_data: bool, clear: bool) -> int:
    """Print the tasks once, or every `interval_ms` for ever; 0, or 4 where no node told."""
    while True:
        told = await of_all(survey.addresses(await survey.any_state(endpoints)))
        text = as_json(told) if as_data else as_table(told)
        print(_CLEAR + text if clear and interval_ms and not as_data else text, flush=True)
        if not interval_ms:
            return 4 if all(isinstance(said, str) for said in told.values()) else 0
        await asyncio.sleep(interval_ms / 1000)


def _row(node: str, task: pb.Task) -> tuple[str, ...]:
    running = task.state == pb.TASK_STATE_RUNNING
    lasted_ms = task.age_ms if running else task.took_ms
    return (
        node,
        str(task.task_id),
        task.kind,
        task.about,
        _STATES.get(task.state, "unknown"),
        f"{task.done}/{task.total}",
        texts.size(task.bytes),
        texts.lasting(max(1, lasted_ms)),
        texts.lasting(task.left_ms) if task.left_ms else "",
        task.why,
    )
