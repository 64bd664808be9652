"""From counts to figures, from figures to tables: the arithmetic of the comparison."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from loadtest.bars import Panel
from loadtest.plain import Second, Tally, percentile_ms
from loadtest.systems import Usage

Row = dict[str, Any]
COLUMNS: Final = (
    ("per_second", "requests/s"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("p999_ms", "p99.9 ms"),
    ("cpu_s_per_million", "CPU s per million"),
    ("written_bytes_per_op", "bytes written per op"),
    ("stored_bytes_per_op", "file growth, bytes per op"),
)


def figures(tally: Tally, before: Usage, after: Usage, *, measured: bool = True) -> Row:
    """Return the figures of one measurement; without process ids (`measured`) no usage."""
    done = tally.done
    row: Row = {
        "per_second": round(done / tally.seconds, 1),
        "p50_ms": percentile_ms(tally.latencies, 50),
        "p99_ms": percentile_ms(tally.latencies, 99),
        "p999_ms": percentile_ms(tally.latencies, 99.9),
        "cpu_s_per_million": None,
        "written_bytes_per_op": None,
        "stored_bytes_per_op": None,
        "missing": tally.missing,
        "errors": dict(tally.errors),
        "unanswered": tally.unanswered,
        "generator_cpus": round(tally.generator_cpus, 2),
    }
    if done and measured:
        row["cpu_s_per_million"] = round((after.cpu_s - before.cpu_s) / done * 1e6, 1)
        written = after.written_bytes - before.written_bytes
        row["written_bytes_per_op"] = round(written / done, 1)
        row["stored_bytes_per_op"] = round((after.stored_bytes - before.stored_bytes) / done, 1)
    return row


def medians(rows: Iterable[Row], by: Sequence[str]) -> list[Row]:
    """Return one row for each combination of `by`, with the medians over its rounds."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    made = []
    for which, some in groups.items():
        row = dict(zip(by, which, strict=True))
        for name, _ in COLUMNS:
            known = [one[name] for one in some if one[name] is not None]
            row[name] = statistics.median(known) if known else None
        row["rounds"] = len(some)
        row["wrong"] = sum(bad(one) for one in some)
        made.append(row)
    return made


def bad(row: Row) -> int:
    """Return how many requests of a measurement failed, found nothing or were not answered."""
    return int(sum(row["errors"].values()) + row["missing"] + row["unanswered"])


def ratios(rows: Sequence[Row], of: str, to: str) -> list[Row]:
    """Return throughput of one system in throughput of another: the median of the rounds' ratios.

    Both were measured in each round, minutes at most apart, so a slow hour is in both.
    """
    found: dict[tuple[str, str], dict[int, dict[str, float]]] = {}
    for row in rows:
        rounds = found.setdefault((row["scenario"], row["kind"]), {})
        rounds.setdefault(row["round"], {})[row["system"]] = row["per_second"]
    made = []
    for (scenario, kind), rounds in found.items():
        each = [r[of] / r[to] for r in rounds.values() if of in r and r.get(to)]
        if each:
            made.append(
                {
                    "scenario": scenario,
                    "kind": kind,
                    "of": of,
                    "to": to,
                    "ratio": round(statistics.median(each), 3),
                    "least": round(min(each), 3),
                    "most": round(max(each), 3),
                }
            )
    return made


def seconds_rows(seconds: Sequence[Second]) -> list[Row]:
    """Return what happened in each second of an open loop."""
    return [
        {
            "second": number,
            "offered": second.sent,
            "done": len(second.latencies),
            "p50_ms": percentile_ms(second.latencies, 50),
            "p99_ms": percentile_ms(second.latencies, 99),
            "errors": dict(second.errors),
        }
        for number, second in enumerate(seconds)
    ]


def recovered_s(rows: Sequence[Row], calm_from: int, p99_ms_max: float) -> int | None:
    """Return how many seconds after second `calm_from` all is well for good; None: never.

    Well: nothing failed and p99 is within the bound.
    """
    well_from = None
    for row in rows[calm_from:]:
        well = not row["errors"] and row["done"] and row["p99_ms"] <= p99_ms_max
        if not well:
            well_from = None
        elif well_from is None:
            well_from = row["second"]
    return None if well_from is None else well_from - calm_from


# --- tables ----------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell(value) for value in row) + " |"


def cell(value: Any) -> str:
    """Return a figure with as many digits as mean something."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if value else "0"
    return f"{value:,}" if isinstance(value, int) else str(value)


def comparison_tables(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table of puts and one of gets."""
    for kind in dict.fromkeys(row["kind"] for row in rows):
        yield from ("", f"**{kind}s**", "")
        middle = medians([r for r in rows if r["kind"] == kind], ("scenario", "system"))
        head = ["load", "system", *(title for _, title in COLUMNS), "wrong"]
        yield from table(
            head,
            (
                [r["scenario"], r["system"], *(r[name] for name, _ in COLUMNS), r["wrong"]]
                for r in middle
            ),
        )


def panels(rows: Sequence[Row], group: str = "scenario", series: str = "system") -> list[Panel]:
    """Return one panel per column: groups and series as the rows have them, medians as bars."""
    middle = medians(rows, (group, series))
    groups = list(dict.fromkeys(str(row[group]) for row in middle))
    names = list(dict.fromkeys(str(row[series]) for row in middle))
    values = {(str(row[group]), str(row[series])): row for row in middle}
    return [
        Panel(
            title,
            groups,
            names,
            [[values.get((g, name), {}).get(column) for name in names] for g in groups],
        )
        for column, title in COLUMNS
    ]


def replaced(path: Path, mark: str, lines: Iterable[str]) -> None:
    """Put lines between `<!-- MARK -->` and `<!-- /MARK -->` of a page. Raises ValueError."""
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{path} must have {begin} and then {end}, each once")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    body = "\n".join(lines).strip("\n")
    path.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")
