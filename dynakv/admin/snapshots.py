"""`dynakv-admin snapshot`: snapshots of nodes, begun, listed and removed.

A snapshot is of one node: those of several nodes are of different moments. It restores a node
(`dynakv restore`), which then takes what it lacks from the others.
"""

import asyncio
from typing import Any, Final

from dynakv.admin import survey
from dynakv.admin.tables import columns, nodes_as_json
from dynakv.client import terminal, texts
from dynakv.client.connection import Connection
from dynakv.v1 import snapshots_pb2 as pb

WITHIN_MS: Final = 5_000
AGAIN_MS: Final = 250  # between two looks
SAY_EVERY: Final = 8  # looks, between two lines about progress
EXIT_FAILED: Final = 1
ALL: Final = "all"
_STATES: Final = {
    pb.SNAPSHOT_STATE_RUNNING: "running",
    pb.SNAPSHOT_STATE_COMPLETE: "complete",
    pb.SNAPSHOT_STATE_FAILED: "failed",
}

Told = dict[str, pb.ListSnapshotsResponse | str]  # node id -> what it said, or why nothing


async def create(endpoints: list[str], nodes: str, name: str, *, wait: bool) -> int:
    """Begin a snapshot on nodes, perhaps wait; return the exit code: 0 begun, or complete."""
    where = await _chosen(endpoints, nodes)

    async def ask(connection: Connection) -> pb.CreateSnapshotResponse:
        return await connection.create_snapshot(name, WITHIN_MS)

    told = await survey.each(where, ask, WITHIN_MS)
    begun: dict[str, str] = {}  # node -> name
    for node, said in told.items():
        if isinstance(said, str):
            terminal.say(f"dynakv-admin: {node} did not begin: {said}")
        else:
            begun[node] = said.snapshot.name
            terminal.say(f"{node}: {said.snapshot.name} begun, {said.snapshot.path}")
    code = 0 if len(begun) == len(where) else EXIT_FAILED
    return max(code, await _wait(where, begun)) if wait else code


async def show(endpoints: list[str], nodes: str, *, as_data: bool) -> int:
    """Print the snapshots of nodes; return 0, or 1 where a node did not tell."""
    told = await _told(await _chosen(endpoints, nodes))
    print(as_json(told) if as_data else as_table(told))
    return EXIT_FAILED if any(isinstance(said, str) for said in told.values()) else 0


async def delete(endpoints: list[str], nodes: str, name: str) -> int:
    """Remove the snapshot of this name on nodes; return 0, or 1 where that failed."""
    where = await _chosen(endpoints, nodes)

    async def ask(connection: Connection) -> pb.DeleteSnapshotResponse:
        return await connection.delete_snapshot(name, WITHIN_MS)

    code = 0
    for node, said in (await survey.each(where, ask, WITHIN_MS)).items():
        if isinstance(said, str):
            terminal.say(f"dynakv-admin: {node} did not remove it: {said}")
            code = EXIT_FAILED
        else:
            terminal.say(f"{node}: {name} removed")
    return code


def as_table(told: Told) -> str:
    """Return all snapshots of all nodes, for a person."""
    rows: list[tuple[str, ...]] = [
        ("NODE", "NAME", "STATE", "SIZE", "AGE", "COMMIT", "ROWS", "TOOK", "PATH")
    ]
    silent: list[str] = []
    for node, said in told.items():
        if isinstance(said, str):
            silent.append(f"{node}: {said}")
        else:
            rows += [_row(node, snapshot, said.wall_ms) for snapshot in said.snapshots]
    lines = list(columns(rows, {3, 4, 5, 6, 7})) if len(rows) > 1 else ["no snapshots"]
    return "\n".join([*lines, *silent])


def as_json(told: Told) -> str:
    """Return the same for programs, on one line."""
    return nodes_as_json(told, _shown)


def _shown(said: pb.ListSnapshotsResponse) -> dict[str, Any]:
    snapshots = [
        {
            "name": s.name,
            "path": s.path,
            "state": _STATES.get(s.state, "unknown"),
            "bytes": s.bytes_done,
            "bytes_estimated": s.bytes_estimated,
            "began_ms": s.began_ms,
            "age_ms": max(0, said.wall_ms - s.began_ms),
            "took_ms": s.took_ms or None,
            "commit_sequence": s.commit_sequence or None,
            "rows": s.rows,
            "error": s.error,
        }
        for s in said.snapshots
    ]
    return {"snapshots": snapshots}


async def _chosen(endpoints: list[str], nodes: str) -> dict[str, str]:
    """Return id and address of the nodes named; "": the one that answers; "all": all."""
    state = await survey.any_state(endpoints)
    where = survey.addresses(state)
    if nodes == ALL:
        return where
    names = [name for name in nodes.split(",") if name] or [state.answered_by]
    return survey.named(where, names)


async def _told(where: dict[str, str]) -> Told:
    async def ask(connection: Connection) -> pb.ListSnapshotsResponse:
        return await connection.snapshots(WITHIN_MS)

    return await survey.each(where, ask, WITHIN_MS)


async def _wait(where: dict[str, str], begun: dict[str, str]) -> int:
    """Look until every snapshot is complete or failed; say how it goes."""
    code, looks = 0, 0
    while begun:
        told = await _told({node: where[node] for node in begun})
        for node, said in told.items():
            name = begun[node]
            if isinstance(said, str):
                terminal.say(f"dynakv-admin: {node}: {said}")
                code = EXIT_FAILED
                del begun[node]
                continue
            mine = [s for s in said.snapshots if s.name == name]
            if mine and mine[-1].state == pb.SNAPSHOT_STATE_RUNNING:
                if looks % SAY_EVERY == 0:
                    terminal.say(f"{node}: {_progress(mine[-1])}")
                continue
            del begun[node]
            if mine and mine[-1].state == pb.SNAPSHOT_STATE_COMPLETE:
                size = texts.size(mine[-1].bytes_done)
                terminal.say(f"{node}: {name} complete, {size}, commit {mine[-1].commit_sequence}")
            else:
                why = mine[-1].error if mine else "it is gone: the node was restarted"
                terminal.say(f"dynakv-admin: {node}: {name} failed: {why}")
                code = EXIT_FAILED
        looks += 1
        if begun:
            await asyncio.sleep(AGAIN_MS / 1000)
    return code


def _progress(snapshot: pb.Snapshot) -> str:
    rate = snapshot.bytes_done * 1000 // max(1, snapshot.took_ms)
    done, whole = texts.size(snapshot.bytes_done), texts.size(snapshot.bytes_estimated)
    return f"{snapshot.name}: {done} of about {whole}, {texts.size(rate)}/s"


def _row(node: str, snapshot: pb.Snapshot, now_ms: int) -> tuple[str, ...]:
    running = snapshot.state == pb.SNAPSHOT_STATE_RUNNING
    complete = snapshot.state == pb.SNAPSHOT_STATE_COMPLETE
    size = texts.size(snapshot.bytes_done)
    return (
        node,
        snapshot.name,
        _STATES.get(snapshot.state, "unknown"),
        f"{size} of {texts.size(snapshot.bytes_estimated)}" if running else size,
        texts.lasting(max(1, now_ms - snapshot.began_ms)),
        f"{snapshot.commit_sequence:,}" if complete else "",
        f"{snapshot.rows:,}" if complete else "",
        texts.lasting(snapshot.took_ms) if snapshot.took_ms else "",
        snapshot.error or snapshot.path,
    )
