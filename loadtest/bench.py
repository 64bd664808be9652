"""`python -m loadtest.bench`: how much a cluster can do, and how long its clients wait.

Without options: a demo cluster of three nodes on free ports, 10,000 keys of 100 bytes loaded,
then 64 workers with 64 requests per message for 5 s of puts and 5 s of gets, closed loop.

    --rate 5000,10000   open loop at these requests a second; latency counts from the moment a
                        request was due (no coordinated omission)
    --batch 1           one request per call (Put and Get instead of Pipeline)
    --read-share 0.95   puts and gets mixed, instead of first puts and then gets
    --distribution both uniform and Zipfian (theta 0.99) in turn, and what one is of the other

Prints a table, and writes all of it as JSON and a plot of latency by percentile. The generator
shares the machine with a demo cluster: the figures are of both together. Latencies are those of
messages, throughput is in requests.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from dynakv.client.endpoints import endpoints as endpoints_of
from dynakv.errors import RefusedError, UsageError
from dynakv.v1 import ring_pb2
from loadtest import plot, processes
from loadtest.cluster import cluster
from loadtest.generator import Load, Tally, fill
from loadtest.histogram import PERCENTILES
from loadtest.keys import Distribution, Sizes

LEVELS = {
    "default": ring_pb2.LEVEL_UNSPECIFIED,
    "one": ring_pb2.LEVEL_ONE,
    "quorum": ring_pb2.LEVEL_QUORUM,
    "all": ring_pb2.LEVEL_ALL,
}
WORKERS_CLOSED, WORKERS_OPEN = 64, 1_000
HEAD = ("load", "keys", "offered/s", "done/s", "p50", "p90", "p99", "p99.9", "max", "failed")
WIDTHS = (12, 8, 10, 10, 9, 9, 9, 9, 9, 8)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--endpoints", help="host:port,... of a running cluster (default: a demo cluster)")
    add("--nodes", type=_positive, default=3, help="of the demo cluster")
    add("--cache-bytes", type=int, help="storage.cache_bytes_max of the demo cluster's nodes")
    add("--distribution", choices=[*Distribution, "both"], default="uniform")
    add("--read-share", type=_share, help="0 to 1 (default: only puts, then only gets)")
    add("--value-bytes", type=_sizes, default=Sizes(100, 100), metavar="SIZE|FROM-TO")
    add("--keys", type=_positive, default=10_000)
    add("--batch", type=_positive, default=64, help="requests per message, up to 1000")
    add("--workers", type=_positive, help=f"default {WORKERS_CLOSED}; open loop {WORKERS_OPEN}")
    add("--connections", type=_positive, help="of each process (default: one per endpoint)")
    add("--processes", type=_positive, default=1)
    add("--rate", type=_rates, default=(0.0,), metavar="N,...", help="requests/s: open loop")
    add("--level", choices=LEVELS, default="default")
    add("--seconds", type=float, default=5.0, help="of each measurement")
    add("--warmup", type=float, default=1.0, help="seconds before each that do not count")
    add("--rounds", type=_positive, default=1, help="how often to repeat all measurements")
    add("--seed", type=int, default=1)
    add("--no-load", action="store_true", help="the keys are there already")
    add("--output", type=Path, default=Path("build/bench"), help="folder for JSON and SVG")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for; exit 1 with a sentence where that cannot be done."""
    options = parser().parse_args(arguments)
    try:
        measure(options, list(arguments or sys.argv[1:]))
    except (RefusedError, UsageError) as error:
        raise SystemExit(f"error: {error}") from None


def measure(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Load, measure, print and write. Raises RefusedError and UsageError."""
    report: dict[str, Any] = {
        "command": ["python", "-m", "loadtest.bench", *arguments],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg(),
        "measurements": [],
    }
    with _endpoints(options) as endpoints:
        if not options.no_load:
            print(f"loading {options.keys:,} keys of {options.value_bytes} bytes", file=sys.stderr)
            asyncio.run(fill(load_of(options, endpoints, 0.0, Distribution.UNIFORM, 0.0)))
        print(_row(HEAD), flush=True)
        for load, offered in _loads(options, endpoints):
            tally = processes.run(load, options.processes)
            measured = measurement(load, offered, tally)
            report["measurements"].append(measured)
            print("\n".join(rows(measured)), flush=True)
    for line in ratios(report["measurements"]):
        print(line)
    _write(options.output, report)


@contextlib.contextmanager
def _endpoints(options: argparse.Namespace) -> Iterator[list[str]]:
    if options.endpoints:
        yield endpoints_of(options.endpoints)
        return
    environment = {}
    if options.cache_bytes is not None:
        environment["DYNAKV__STORAGE__CACHE_BYTES_MAX"] = str(options.cache_bytes)
    with cluster(options.nodes, environment) as endpoints:
        yield endpoints


def _loads(
    options: argparse.Namespace, endpoints: Sequence[str]
) -> Iterator[tuple[Load, float | None]]:
    """Yield what is measured, in order, with the rate offered (None: closed loop).

    Distributions take turns, so that a machine that becomes slower is no advantage of either.
    """
    shares = (0.0, 1.0) if options.read_share is None else (options.read_share,)
    both = options.distribution == "both"
    distributions = list(Distribution) if both else [Distribution(options.distribution)]
    for _ in range(options.rounds):
        for rate, share, distribution in product(options.rate, shares, distributions):
            yield load_of(options, endpoints, share, distribution, rate), rate or None


def load_of(
    options: argparse.Namespace,
    endpoints: Sequence[str],
    read_share: float,
    distribution: Distribution,
    rate: float,
) -> Load:
    """Return what the first of the processes is to send; `processes.run` shares it out."""
    workers = options.workers or (WORKERS_OPEN if rate else WORKERS_CLOSED)
    return Load(
        endpoints=tuple(endpoints),
        connections=options.connections or len(endpoints),
        workers=max(workers // options.processes, 1),
        read_share=read_share,
        distribution=distribution,
        keys=options.keys,
        sizes=options.value_bytes,
        batch=options.batch,
        level=LEVELS[options.level],
        seconds=options.seconds,
        warmup_s=options.warmup,
        seed=options.seed,
        interval_s=options.batch * options.processes / rate if rate else 0.0,
    )


def measurement(load: Load, offered: float | None, tally: Tally) -> dict[str, Any]:
    """Return one measurement as JSON has it."""
    names = {0.0: "put", 1.0: "get"}
    return {
        "load": names.get(load.read_share, f"{load.read_share:.0%} get"),
        "distribution": load.distribution.value,
        "loop": "closed" if offered is None else "open",
        "offered_per_second": offered,
        "per_second": round(tally.done / load.seconds, 1),
        "failed": {f"{kind}: {said}": n for (kind, said), n in sorted(tally.failed.items())},
        "missing": tally.missing,
        "unsent": tally.unsent,
        "latency_ms": {
            kind: {
                "messages": latencies.count,
                **{f"p{p:g}": latencies.ms(p) for p in PERCENTILES},
                "max": latencies.max_ms,
                "mean": round(latencies.mean_ms, 3),
                "curve": latencies.curve(),
            }
            for kind, latencies in tally.latencies.items()
            if latencies.count
        },
        "late_p99_ms": tally.late.ms(99.0),
        "generator_cpus": round(tally.cpu_s / (load.seconds + load.warmup_s), 2),
        "workers": load.workers,
        "connections": load.connections,
        "batch": load.batch,
        "keys": load.keys,
        "value_bytes": str(load.sizes),
    }


def rows(measured: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table for one measurement: one for each kind of request in it."""
    failed = sum(measured["failed"].values())
    offered = measured["offered_per_second"]
    for kind, ms in (measured["latency_ms"] or {measured["load"]: {}}).items():
        times = [f"{ms[p]:.2f}" if ms else "-" for p in ("p50", "p90", "p99", "p99.9", "max")]
        title = kind if measured["load"] in ("put", "get") else f"{measured['load']}: {kind}"
        rate = f"{offered:,.0f}" if offered else "closed"
        done = f"{measured['per_second']:,.0f}"
        yield _row((title, measured["distribution"], rate, done, *times, f"{failed:,}"))
    for said, count in measured["failed"].items():
        yield f"    {count:,} requests failed: {said}"
    if measured["missing"]:
        yield f"    {measured['missing']:,} gets found nothing"
    if measured["unsent"]:
        yield f"    {measured['unsent']:,} requests were due and never sent: the rate is too high"
    if measured["late_p99_ms"] > 10:
        yield (
            f"    p99 from due to sent: {measured['late_p99_ms']:.0f} ms, "
            f"the generator using {measured['generator_cpus']} CPUs: all workers were busy, "
            "or the generator is the bottleneck (--processes)"
        )


def ratios(measurements: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what Zipfian throughput is of uniform throughput, medians of all rounds."""
    found: dict[tuple[str, float | None], dict[str, list[float]]] = {}
    for m in measurements:
        by_distribution = found.setdefault((m["load"], m["offered_per_second"]), {})
        by_distribution.setdefault(m["distribution"], []).append(m["per_second"])
    for (title, _), rates in found.items():
        if len(rates) == 2:
            zipfian, uniform = (statistics.median(rates[d]) for d in ("zipfian", "uniform"))
            if uniform:
                yield f"{title}: Zipfian / uniform = {zipfian / uniform:.2f}"


def _row(cells: Sequence[str]) -> str:
    aligned = [str.ljust] * 2 + [str.rjust] * (len(WIDTHS) - 2)
    return " ".join(a(c, w) for a, c, w in zip(aligned, cells, WIDTHS, strict=True)).rstrip()


def _write(directory: Path, report: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / report["date"].replace(":", "").replace("+0000", "Z")
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    curves = [
        (f"{_label(m, kind)}, {m['per_second']:,.0f}/s", [(p, ms) for p, ms in values["curve"]])
        for m in report["measurements"]
        for kind, values in m["latency_ms"].items()
    ]
    title = f"DynaKV, latency of a message by percentile, {report['date']}"
    stem.with_suffix(".svg").write_text(plot.svg(title, curves))
    print(f"written: {stem}.json, {stem}.svg", file=sys.stderr)


def _label(measured: dict[str, Any], kind: str) -> str:
    offered = measured["offered_per_second"]
    return f"{kind} {measured['distribution']}" + (f" at {offered:,.0f}/s" if offered else "")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text}: must be between 0 and 1")
    return share


def _rates(text: str) -> tuple[float, ...]:
    rates = tuple(float(part) for part in text.split(","))
    if any(rate <= 0 for rate in rates):
        raise argparse.ArgumentTypeError(f"{text}: must be above 0")
    return rates


def _sizes(text: str) -> Sizes:
    try:
        return Sizes.parsed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
