"""What the comparison found, as Markdown and as pictures."""

from collections.abc import Iterator, Sequence
from typing import Any

from loadtest.bars import Panel
from loadtest.figures import COLUMNS, comparison_tables, panels, ratios, table

Result = dict[str, Any]


def markdown(result: Result) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"`{result['command']}`, {result['date'].replace('T', ' ').removesuffix('+00:00')} UTC,"
    yield (
        f"{result['cpus']} CPUs shared by all servers and the generator, Python"
        f" {result['python']}, load average {result['load_before']:.1f} before and"
        f" {result['load_after']:.1f} after."
    )
    if "systems" in result:
        yield "Systems: " + ", ".join(f"{n} ({v})" for n, v in result["systems"].items()) + "."
    if "measurements" in result:
        yield from _comparison(result["measurements"], list(result["systems"]))
    if "open" in result:
        yield from _open(result["open"])
    if "growth" in result:
        yield from _growth(result["growth"])
    for why in result.get("failures", ()):
        yield from ("", f"**Not measured** because of an error: {why}")


def _comparison(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[str]:
    yield from comparison_tables(rows)
    for other in names[1:]:
        yield from ("", f"**{names[0]} in {other}** (throughput; median, least and most of rounds)")
        yield ""
        found = ratios(rows, names[0], other)
        yield from table(
            ("load", "kind", "ratio", "least", "most"),
            ([r["scenario"], r["kind"], r["ratio"], r["least"], r["most"]] for r in found),
        )
    most = max((row["generator_cpus"] for row in rows), default=0.0)
    yield from ("", f"The generator used at most {most:.2f} of one CPU.")


def _open(found: dict[str, Any]) -> Iterator[str]:
    yield from ("", "**Open loop** (latency from the moment a request was due, ms)", "")
    yield from table(
        ("kind", "offered/s", "done/s", "p50", "p99", "p99.9", "failed", "sent late, p99"),
        (
            [
                r["kind"],
                r["offered"],
                r["per_second"],
                r["p50_ms"],
                r["p99_ms"],
                r["p99.9_ms"],
                sum(r["errors"].values()),
                r["sent_late_p99_ms"],
            ]
            for r in found["rate"]
        ),
    )
    if "stopped" in found:
        stopped = found["stopped"]
        yield ""
        yield (
            f"**A replica stands still** from second {stopped['stopped_from']} to"
            f" {stopped['stopped_to']}, {stopped['offered']:,.0f} requests a second"
        )
        yield ""
        yield from table(
            ("second", "put p99 ms", "puts failed", "get p99 ms", "gets failed"),
            (
                [
                    p["second"],
                    p["p99_ms"],
                    sum(p["errors"].values()),
                    g["p99_ms"],
                    sum(g["errors"].values()),
                ]
                for p, g in zip(stopped["put"], stopped["get"], strict=True)
            ),
        )
    over = found["overload"]
    after = over["recovered_s"]
    yield ""
    yield f"**Overload**: {over['offered']:,.0f} puts a second were offered for"
    yield f"{over['seconds_of_overload']} s, {over['offered_of_capacity']:g} times what a closed"
    yield f"loop reached; {over['done_per_second']:,.0f} a second of them were done; failed:"
    yield f"{_counts(over['shed'])}. Of the calm load afterwards failed:"
    yield f"{_counts(over['failed_after'])}. p99 of a calm second was below"
    yield f"{over['calm_p99_ms_max']:.0f} ms, without a failure, " + (
        f"{after} s after the overload and from then on." if after is not None else "never again."
    )


def _counts(errors: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {said}" for said, count in errors.items()) or "nothing"


def _growth(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for which in dict.fromkeys(row["grows"] for row in rows):
        yield from ("", f"**Growth with {which}** (200 connections, 16 deep)", "")
        yield from table(
            (which, "kind", *(title for _, title in COLUMNS), "MiB of the largest node"),
            (
                [r["size"], r["kind"], *(r[name] for name, _ in COLUMNS), r.get("resident_mb")]
                for r in rows
                if r["grows"] == which
            ),
        )


def pictures(result: Result) -> Iterator[tuple[str, tuple[str, list[Panel]]]]:
    """Yield file names and what `bars.svg` takes."""
    date = result["date"]
    for kind in ("put", "get"):
        rows = [row for row in result.get("measurements", ()) if row["kind"] == kind]
        if rows:
            yield f"{kind}s", (f"{kind}s, {date}", panels(rows))
    growth = result.get("growth", ())
    for which in dict.fromkeys(row["grows"] for row in growth):
        some = [row for row in growth if row["grows"] == which]
        yield f"grow-{which}", (f"DynaKV by {which}, {date}", panels(some, "size", "kind"))
    if "open" in result:
        yield "open", (f"DynaKV, open loop, p99 of each second, {date}", _seconds(result["open"]))


def _seconds(found: dict[str, Any]) -> list[Panel]:
    made = []
    if "stopped" in found:
        put, get = found["stopped"]["put"], found["stopped"]["get"]
        rows = [[p["p99_ms"], g["p99_ms"]] for p, g in zip(put, get, strict=True)]
        names = [str(row["second"]) for row in put]
        title = "a replica stands still in the middle third, p99 ms"
        made.append(Panel(title, names, ("put", "get"), rows))
    seconds = found["overload"]["seconds"]
    title = "three calm seconds, overload, calm again: p99 ms"
    names = [str(row["second"]) for row in seconds]
    made.append(Panel(title, names, ("put",), [[row["p99_ms"]] for row in seconds]))
    return made
