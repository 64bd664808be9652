"""Runs a load in several processes that begin together, and adds up what they counted.

Python runs one thread at a time, so one process of the generator saturates one core: more
processes, not more workers, find the limit of a cluster that is faster than that.
"""

import asyncio
import multiprocessing
import queue
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from typing import Any, Final

from dynakv.errors import RefusedError
from loadtest.generator import CALL_S, Generator, Load, Tally, connected
from loadtest.histogram import Latencies

START_S: Final = 60.0  # for all processes to import, prepare their tables and connect


def run(load: Load, count: int) -> Tally:
    """Return what `count` processes counted, each sending what `load` says.

    Their keys differ, and open loops take turns. Raises RefusedError where one of them fails.
    """
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    barrier = context.Barrier(count)
    loads = [
        replace(load, seed=load.seed + i, offset_s=load.interval_s * i / count)
        for i in range(count)
    ]
    children = [
        context.Process(target=_child, args=(one, barrier, results), daemon=True) for one in loads
    ]
    for child in children:
        child.start()
    total = Tally()
    try:
        within_s = START_S + load.warmup_s + load.seconds + 2 * CALL_S
        for _ in children:
            why, counted = results.get(timeout=within_s)
            if why:
                raise RefusedError(f"a load generator failed: {why}")
            total.add(_unpacked(counted))
    except queue.Empty:
        raise RefusedError(f"a load generator did not end within {within_s:.0f} s") from None
    finally:
        for child in children:
            child.join(timeout=5)
            child.kill()
            child.join()
    return total


def _child(load: Load, barrier: Barrier, results: Any) -> None:
    """Run one process's part and hand back its tally, or what went wrong."""
    loop_factory = None
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:  # not on every platform: asyncio's own loop does
        pass
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            tally = runner.run(_measured(load, barrier))
    except Exception as error:  # noqa: BLE001 - the border of the process: the parent reports it
        barrier.abort()
        results.put((f"{type(error).__name__}: {error}", {}))
    else:
        results.put(("", _packed(tally)))


async def _measured(load: Load, barrier: Barrier) -> Tally:
    generator = Generator(load)
    channels, stubs = await connected(load)
    await asyncio.to_thread(barrier.wait, START_S)
    tally = await generator.run(stubs)
    for channel in channels:
        await channel.close()
    return tally


def _packed(tally: Tally) -> dict[str, Any]:
    """Return a tally in plain values: a histogram holds an array of C that cannot be pickled."""
    return {
        "done": tally.done,
        "missing": tally.missing,
        "failed": tally.failed,
        "unsent": tally.unsent,
        "cpu_s": tally.cpu_s,
        "late": tally.late.encoded(),
        "latencies": {kind: some.encoded() for kind, some in tally.latencies.items()},
    }


def _unpacked(packed: dict[str, Any]) -> Tally:
    plain = {name: packed[name] for name in ("done", "missing", "failed", "unsent", "cpu_s")}
    latencies = {kind: Latencies.decoded(raw) for kind, raw in packed["latencies"].items()}
    return Tally(latencies=latencies, late=Latencies.decoded(packed["late"]), **plain)
