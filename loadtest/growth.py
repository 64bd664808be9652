"""How the cost of DynaKV grows with its nodes, its keys and its shard groups.

Each size is a fresh cluster (keys: one cluster that is filled further), the load is the same: 200
connections, 16 requests deep, values of 100 bytes.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from loadtest import figures, links, plain, systems
from loadtest.plain import Shape
from loadtest.systems import System

LOAD: Final = Shape(0.0, connections=200, pipeline=16)


def measure(
    sizes: Mapping[str, Sequence[int]], seconds: float, say: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each size and kind. Raises NotThereError, ValueError."""
    for which, some in sizes.items():
        if which == "keys":
            with systems.dynakv() as (system, _):
                for size in some:
                    say(f"growth: {size:,} keys")
                    shape = replace(LOAD, keys=size)
                    yield from asyncio.run(_measured(system, shape, seconds, which, size))
            continue
        for size in some:
            say(f"growth: {size} {which}")
            cluster = systems.dynakv(size) if which == "nodes" else systems.dynakv(groups=size)
            with cluster as (system, _):
                yield from asyncio.run(_measured(system, LOAD, seconds, which, size))


async def _measured(
    system: System, shape: Shape, seconds: float, which: str, size: int
) -> list[dict[str, Any]]:
    rows = []
    for kind in ("put", "get"):
        opened = links.connected(system.protocol, system.addresses, shape.connections)
        async with opened as connected:
            if kind == "put":
                await plain.fill(connected, shape)
            tally, (before, after) = await plain.closed(
                connected,
                replace(shape, read_share=float(kind == "get")),
                seconds,
                0.5,
                lambda: systems.usage(system),
            )
        row = figures.figures(tally, before, after)
        row["resident_mb"] = systems.resident_mb(system)
        rows.append({"grows": which, "size": size, "kind": kind, "round": 0, **row})
    return rows
