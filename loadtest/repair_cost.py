"""`python -m loadtest.repair_cost`: what comparing replicas all the time costs the clients.

Three DynaKV nodes under a closed loop of puts. In each round one window with repair paused
(`dynakv-admin repair --pause`), and one in which every node compares itself with both peers every
`--every` seconds; by themselves nodes do that every 10 minutes, and with half of the peers. The
writes under way make replicas differ at any moment, so that there is something to list and ship.
The windows of a round change places from round to round, and a machine that others use as well
slows both alike. Prints the rates, their medians and the ratio.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from dynakv.client.connection import Connection
from dynakv.v1 import tasks_pb2 as pb
from loadtest import links, plain, systems
from loadtest.plain import Shape
from loadtest.systems import System

LOOK_S: Final = 0.5  # between two looks whether a node's comparisons have ended
MODES: Final = ("paused", "comparing")


async def pause(system: System, *, paused: bool) -> None:
    """Pause or resume what all nodes compare by themselves."""
    for address in system.clients:
        async with Connection([address]) as connection:
            await connection.pause_repair(paused=paused)


async def compare_always(address: str, every_s: float, tasks: list[pb.Task]) -> None:
    """Let a node compare itself again and again; `tasks` gets what ended."""
    async with Connection([address]) as connection:
        while True:
            due = plain.clock() + every_s
            begun = set((await connection.start_repair("", None)).task_ids)
            while True:
                await asyncio.sleep(LOOK_S)
                told = await connection.tasks()
                ours = [task for task in told.tasks if task.task_id in begun]
                if not any(task.state == pb.TASK_STATE_RUNNING for task in ours):
                    tasks += ours
                    break
            await asyncio.sleep(max(0.0, due - plain.clock()))


async def window(
    system: System, shape: Shape, mode: str, seconds: float, every_s: float
) -> dict[str, Any]:
    """Measure one window; return its figures."""
    await pause(system, paused=mode == "paused")
    tasks: list[pb.Task] = []
    busy = []
    if mode == "comparing":
        busy = [asyncio.create_task(compare_always(a, every_s, tasks)) for a in system.clients]
    async with links.connected(system.protocol, system.addresses, shape.connections) as connected:
        tally, (before, after) = await plain.closed(
            connected, shape, seconds, min(1.0, seconds / 5), lambda: systems.usage(system)
        )
    for task in busy:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return {
        "mode": mode,
        "per_second": round(tally.done / seconds),
        "p99_ms": round(plain.percentile_ms(tally.latencies, 99), 1),
        "errors": dict(tally.errors),
        "comparisons": len(tasks),
        "shipped_bytes": sum(task.bytes for task in tasks),
        "node_cpus": round((after.cpu_s - before.cpu_s) / seconds, 2),
    }


def measure(rounds: int, seconds: float, every_s: float, shape: Shape) -> list[dict[str, Any]]:
    """Return the figures of all windows, as they were measured."""
    found: list[dict[str, Any]] = []
    with systems.dynakv() as (system, _):

        async def fill() -> None:
            async with links.connected(system.protocol, system.addresses, 16) as connected:
                await plain.fill(connected, shape)

        asyncio.run(fill())
        for number in range(rounds):
            for mode in MODES if number % 2 == 0 else MODES[::-1]:
                load = replace(shape, seed=number)
                row = asyncio.run(window(system, load, mode, seconds, every_s))
                row["round"] = number
                print(json.dumps(row), file=sys.stderr, flush=True)
                found.append(row)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.repair_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=1.0, help="0: without a break")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--read-share", type=float, default=0.0)
    parser.add_argument("--keys", type=int, default=10_000)
    given = parser.parse_args(arguments)
    shape = Shape(
        given.read_share,
        keys=given.keys,
        connections=given.connections,
        pipeline=given.pipeline,
    )
    rows = measure(given.rounds, given.seconds, given.every, shape)
    medians = {
        mode: statistics.median(row["per_second"] for row in rows if row["mode"] == mode)
        for mode in MODES
    }
    ratios = [
        comparing["per_second"] / paused["per_second"]
        for number in range(given.rounds)
        for paused in rows
        for comparing in rows
        if (paused["round"], paused["mode"]) == (number, "paused")
        and (comparing["round"], comparing["mode"]) == (number, "comparing")
    ]
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} load {os.getloadavg()[0]:.1f}:"
        f" paused {medians['paused']:,.0f}/s, comparing {medians['comparing']:,.0f}/s,"
        f" ratio of medians {medians['comparing'] / medians['paused']:.2f},"
        f" median of the rounds' ratios {statistics.median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
