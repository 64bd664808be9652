"""Open loops: latency at a given rate, with a replica that stands still, and under overload.

Requests are due at a fixed rate and their latency counts from then. Nodes 1 and 2 are asked in the
run with the stopped replica, which is node 3: what is measured is how a quorum fares without it,
and not that a stopped node does not answer its own clients.
"""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from loadtest import figures, links, plain
from loadtest.plain import Shape
from loadtest.systems import System

OVERLOAD: Final = 3.0  # of what a closed loop reaches
CALM: Final = 0.3
BEFORE_S: Final = 3  # seconds of the calm load before the overload
CALM_MS: Final = 100.0  # recovered: nothing fails, and p99 is below this ...
CALM_TIMES: Final = 2.0  # ... or below so many times the worst of the seconds before ...
CALM_MS_MAX: Final = 1_000.0  # ... which must not itself be a failure to serve the calm load


async def at_rate(system: System, kind: str, rate: float, seconds: int) -> dict[str, Any]:
    """Return latency at `rate` requests a second; the first second does not count."""
    shape = Shape(read_share=float(kind == "get"), connections=50)
    counted, late_ms = await _run(system, shape, [rate] * (seconds + 1))
    kept = plain.Tally(seconds=float(seconds))
    for second in counted[1:]:
        kept.latencies.extend(second.latencies)
        kept.errors.update(second.errors)
    return {
        "kind": kind,
        "offered": rate,
        "per_second": kept.done / seconds,
        **{f"p{p:g}_ms": plain.percentile_ms(kept.latencies, p) for p in (50, 99, 99.9)},
        "errors": dict(kept.errors),
        "sent_late_p99_ms": late_ms,
    }


async def stopped(system: System, rate: float, seconds: int) -> dict[str, Any]:
    """Return each second of a run of three parts: whole, one replica stopped, running again."""
    replica = system.pids[-1]

    def at_second(second: int) -> None:
        if second == seconds:
            os.kill(replica, signal.SIGSTOP)
        elif second == 2 * seconds:
            os.kill(replica, signal.SIGCONT)

    result: dict[str, Any] = {"offered": rate, "stopped_from": seconds, "stopped_to": 2 * seconds}
    asked = System(system.name, system.protocol, system.addresses[:-1])
    try:
        for kind in ("put", "get"):
            shape = Shape(read_share=float(kind == "get"), connections=50)
            counted, late_ms = await _run(asked, shape, [rate] * (3 * seconds), at_second)
            result[kind] = figures.seconds_rows(counted)
            result[f"{kind}_sent_late_p99_ms"] = late_ms
    finally:
        os.kill(replica, signal.SIGCONT)
    return result


async def overload(system: System, seconds: int, calm_seconds: int) -> dict[str, Any]:
    """Return what became of three times the load that the system can do, and the time after it."""
    shape = Shape(read_share=0.0, connections=200, pipeline=16)
    async with links.connected(system.protocol, system.addresses, shape.connections) as connected:
        most, _ = await plain.closed(connected, shape, 2.0, 0.5)
    capacity = most.done / most.seconds
    calm = capacity * CALM
    rates = [calm] * BEFORE_S + [capacity * OVERLOAD] * seconds + [calm] * calm_seconds
    counted, late_ms = await _run(system, shape, rates)
    rows = figures.seconds_rows(counted)
    over = BEFORE_S + seconds
    heavy, after = rows[BEFORE_S:over], rows[over:]
    # The first second holds the connections' beginning.
    before_ms = max(row["p99_ms"] for row in rows[1:BEFORE_S])
    bound_ms = min(max(CALM_MS, CALM_TIMES * before_ms), CALM_MS_MAX)
    return {
        "capacity": capacity,
        "offered": capacity * OVERLOAD,
        "offered_of_capacity": OVERLOAD,
        "seconds_of_overload": seconds,
        "done_per_second": sum(row["done"] for row in heavy) / seconds,
        "shed": _errors(heavy),
        "failed_after": _errors(after),
        "calm_p99_ms_max": bound_ms,
        "recovered_s": figures.recovered_s(rows, over, bound_ms),
        "seconds": rows,
        "sent_late_p99_ms": late_ms,
    }


def _errors(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row["errors"])
    return dict(total)


async def _run(
    system: System, shape: Shape, rates: Sequence[float], at_second: Any = plain.nothing
) -> tuple[list[plain.Second], float]:
    async with links.connected(system.protocol, system.serving, shape.connections) as connected:
        return await plain.opened(connected, shape, rates, at_second)
