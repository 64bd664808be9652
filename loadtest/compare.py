"""`python -m loadtest.compare`: DynaKV beside redis-server and etcd, in one go.

Starts three DynaKV nodes, three more whose keyspace is in Raft mode, and where they are installed
one redis-server and three etcd members, all with durable writes, and measures one after the other
in each round, so that a machine that others use as well slows all alike. Then open loops at a given
rate, a replica that stands still, overload, and how the cost of DynaKV grows with nodes, keys and
shard groups. Writes JSON, SVG and Markdown to `--output`; `--docs FILE` puts the tables into a
page, between its `<!-- compare -->` marks.

    python -m loadtest.compare                        about 12 minutes
    python -m loadtest.compare --quick                about 2
    python -m loadtest.compare --only compare --scenarios base,16 --with other=127.0.0.1:7100
    python -m loadtest.compare --only grow --grow keys
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from loadtest import bars, figures, growth, links, plain, report, steady, systems
from loadtest.keys import Distribution
from loadtest.plain import Shape
from loadtest.systems import NotThereError, Processes, System

SECTIONS: Final = ("compare", "open", "grow")
SYSTEMS: Final = ("dynakv", "raft", "redis", "etcd")
GROWS: Final = ("nodes", "keys", "groups")
KEYS_BYTES_MAX: Final = 64 << 20  # values of all keys of one load
Running = tuple[System, Processes | None]

BASE: Final = Shape(0.0)
SCENARIOS: Final = {
    "base": BASE,
    "zipfian": replace(BASE, distribution=Distribution.ZIPFIAN),
    "1 KB": replace(BASE, value_bytes=1 << 10),
    "64 KB": replace(BASE, value_bytes=64 << 10),
    "1 MB": replace(BASE, value_bytes=1 << 20, connections=10),
    "1 conn": replace(BASE, connections=1),
    "200 conns": replace(BASE, connections=200),
    "16 deep": replace(BASE, pipeline=16),
    "200 x 16": replace(BASE, connections=200, pipeline=16),
    "node down": BASE,
}
QUICK: Final = ("base", "zipfian", "64 KB", "200 conns", "200 x 16", "node down")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes."""

    rounds: int
    seconds: float
    warmup_s: float
    rate_seconds: int
    stop_seconds: int
    overload_seconds: int
    nodes: tuple[int, ...]
    keys: tuple[int, ...]
    groups: tuple[int, ...]


STANDARD: Final = Plan(3, 1.0, 0.3, 5, 5, 4, (1, 3, 5), (10_000, 100_000, 1_000_000), (1, 16, 256))
SHORT: Final = Plan(1, 0.7, 0.2, 3, 3, 2, (1, 3), (10_000, 50_000), (1, 256))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="python -m loadtest.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--quick", action="store_true")
    add("--only", type=_among(SECTIONS), default=SECTIONS, metavar="SECTION,...")
    add("--systems", type=_among(SYSTEMS), default=SYSTEMS, metavar="NAME,...")
    add(
        "--with",
        dest="others",
        type=_other,
        action="append",
        default=[],
        metavar="NAME=HOST:PORT,...[@PID,...]",
        help="another RESP server, which runs already",
    )
    add("--scenarios", type=_among(tuple(SCENARIOS)), metavar="NAME,...", help="default: all")
    add("--grow", type=_among(GROWS), default=GROWS, metavar="nodes|keys|groups,...")
    add("--rate", type=float, default=5_000.0, help="of the open loops, requests a second")
    add("--rounds", type=int)
    add("--seconds", type=float, help="of each measurement of the comparison")
    add("--output", type=Path, default=Path("build/compare"), help="folder for what is written")
    add("--docs", type=Path, help="a page whose tables are to be replaced")
    return made


def main(arguments: Sequence[str] | None = None, plan: Plan | None = None) -> None:
    """Measure, print and write; exit 1 with a sentence where that cannot be done."""
    options = parser().parse_args(arguments)
    plan = plan or (SHORT if options.quick else STANDARD)
    plan = replace(
        plan, rounds=options.rounds or plan.rounds, seconds=options.seconds or plan.seconds
    )
    result: dict[str, Any] = {
        "command": " ".join(["python -m loadtest.compare", *(arguments or sys.argv[1:])]),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }
    failures: list[str] = []
    with noted(failures):
        _beside_others(result, options, plan, failures)
    with noted(failures):
        _growing(result, options, plan)
    if not {"open", "measurements", "growth"} & set(result):
        raise SystemExit(f"error: {'; '.join(failures)}")
    result["failures"] = failures
    result["load_after"] = os.getloadavg()[0]
    write(result, options.output, options.docs)
    if failures:
        raise SystemExit(1)


@contextlib.contextmanager
def noted(failures: list[str]) -> Iterator[None]:
    """Go on after an error, and note it: what was measured before took minutes."""
    try:
        yield
    except (NotThereError, ValueError, OSError) as error:
        failures.append(str(error))
        say(f"error: {error}")


def _beside_others(
    result: dict[str, Any], options: argparse.Namespace, plan: Plan, failures: list[str]
) -> None:
    if not {"compare", "open"} & set(options.only):
        return
    with contextlib.ExitStack() as stack:
        running = list(_started(options, stack))
        result["systems"] = {system.name: system.version for system, _ in running}
        if "open" in options.only:
            with noted(failures):
                result["open"] = _open_loops(running[0][0], options, plan)
        if "compare" in options.only:
            rows = result["measurements"] = []
            rows.extend(_compared(running, options, plan))


def _growing(result: dict[str, Any], options: argparse.Namespace, plan: Plan) -> None:
    if "grow" in options.only:
        sizes = {which: getattr(plan, which) for which in options.grow}
        rows = result["growth"] = []
        rows.extend(growth.measure(sizes, plan.seconds, say))


def write(result: dict[str, Any], output: Path, docs: Path | None) -> None:
    """Write JSON, SVG and Markdown, and print the Markdown."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "compare.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, picture in report.pictures(result):
        (output / f"{name}.svg").write_text(bars.svg(*picture))
    lines = list(report.markdown(result))
    (output / "compare.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    if docs is not None:
        figures.replaced(docs, "compare", lines)
    say(f"written: {output}/compare.json, compare.md, *.svg")


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def _started(options: argparse.Namespace, stack: contextlib.ExitStack) -> Iterator[Running]:
    starts: dict[str, Any] = {
        "dynakv": systems.dynakv,
        "raft": partial(systems.dynakv, raft=True),
        "redis": systems.redis,
        "etcd": systems.etcd,
    }
    for name in options.systems:
        try:
            yield stack.enter_context(starts[name]())
        except NotThereError as error:
            if name in {"dynakv", "raft"}:
                raise
            say(f"left out: {error}")
    for other in options.others:
        asyncio.run(systems.until_writable(other))
        yield other, None


def _compared(
    running: Sequence[Running], options: argparse.Namespace, plan: Plan
) -> Iterator[dict[str, Any]]:
    chosen = options.scenarios or (QUICK if options.quick else tuple(SCENARIOS))
    # The one that ends nodes comes last: nobody starts them again.
    for scenario in sorted(chosen, key=lambda name: name == "node down"):
        shape = SCENARIOS[scenario]
        shape = replace(shape, keys=min(shape.keys, KEYS_BYTES_MAX // shape.value_bytes))
        judged = list(running)
        if scenario == "node down":
            judged = [(s, p) for s, p in running if p is not None and len(s.pids) > 1]
            for system, processes in judged:
                assert processes is not None
                systems.take_down(system, processes)
        for number in range(plan.rounds):
            turn = number % max(len(judged), 1)
            for system, _ in judged[turn:] + judged[:turn]:
                for row in asyncio.run(_both_kinds(system, shape, plan)):
                    row.update(scenario=scenario, system=system.name, round=number)
                    say(
                        f"{scenario:10} {system.name:11} {row['kind']}:"
                        f" {row['per_second']:10,.0f}/s, p99 {row['p99_ms']:.1f} ms"
                    )
                    yield row


async def _both_kinds(system: System, shape: Shape, plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for kind in ("put", "get"):
        load = replace(shape, read_share=float(kind == "get"))
        async with links.connected(system.protocol, system.serving, shape.connections) as connected:
            if kind == "put":
                await plain.fill(connected, load)
            tally, (before, after) = await plain.closed(
                connected, load, plan.seconds, plan.warmup_s, lambda: systems.usage(system)
            )
        row = figures.figures(tally, before, after, measured=bool(system.pids))
        rows.append({"kind": kind, **row, "load_average": os.getloadavg()[0]})
    return rows


def _open_loops(system: System, options: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with links.connected(system.protocol, system.addresses, 16) as connected:
            await plain.fill(connected, BASE)
        made: dict[str, Any] = {"rate": []}
        for kind in ("put", "get"):
            say(f"open loop: {kind}s at {options.rate:,.0f}/s")
            row = await steady.at_rate(system, kind, options.rate, plan.rate_seconds)
            made["rate"].append(row)
        say("open loop: a replica stands still")
        if len(system.pids) > 2:
            made["stopped"] = await steady.stopped(system, options.rate, plan.stop_seconds)
        say("open loop: overload")
        made["overload"] = await steady.overload(system, plan.overload_seconds, 12)
        return made

    return asyncio.run(run())


def _among(names: Sequence[str]) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        chosen = tuple(part.strip() for part in text.split(","))
        for name in chosen:
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return chosen

    return parse


def _other(text: str) -> System:
    try:
        return systems.external(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
