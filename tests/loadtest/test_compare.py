"""The comparison: its command line, its arithmetic, its pictures; slow: all of it, small."""

import json
from array import array
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from loadtest import bars, compare, figures, report, systems
from loadtest.bars import Panel
from loadtest.figures import medians, ratios, recovered_s
from loadtest.plain import Second, Tally
from loadtest.systems import System, Usage

# --- the command line ------------------------------------------------------------------------


def test_without_options_everything_is_measured() -> None:
    options = compare.parser().parse_args([])
    assert options.only == ("compare", "open", "grow")
    assert options.grow == ("nodes", "keys", "groups")
    assert options.systems == ("dynakv", "raft", "redis", "etcd")
    assert (options.rate, options.others, options.scenarios) == (5_000, [], None)


def test_the_scenarios_hold_every_dimension() -> None:
    shapes = compare.SCENARIOS.values()
    assert {shape.value_bytes for shape in shapes} == {100, 1 << 10, 64 << 10, 1 << 20}
    assert {shape.connections for shape in shapes} >= {1, 50, 200}
    assert {shape.pipeline for shape in shapes} == {1, 16}
    assert len({shape.distribution for shape in shapes}) == 2
    assert set(compare.QUICK) <= set(compare.SCENARIOS)


@pytest.mark.parametrize(
    "words",
    [
        ["--only", "nothing"],
        ["--grow", "trees"],
        ["--scenarios", "fast"],
        ["--systems", "mysql"],
        ["--with", "other"],
        ["--with", "other=127.0.0.1"],
        ["--with", "=127.0.0.1:1"],
    ],
)
def test_a_wrong_option_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        compare.parser().parse_args(words)
    assert repr(words[1]) in capsys.readouterr().err


def test_another_server_is_named_with_its_places_and_processes() -> None:
    (other,) = compare.parser().parse_args(["--with", "x=127.0.0.1:1,127.0.0.1:2@7,8"]).others
    assert other.name == "x"
    assert other.addresses == ["127.0.0.1:1", "127.0.0.1:2"]
    assert other.pids == [7, 8]
    assert systems.external("x=127.0.0.1:1").pids == []


# --- /proc -----------------------------------------------------------------------------------


def test_cpu_time_is_user_and_system_time_whatever_the_process_is_called() -> None:
    fields = ["S", *map(str, range(4, 53))]  # field 3 and following; 14 and 15 are the times
    assert systems.cpu_ticks(f"42 (a (b) c) {' '.join(fields)}") == 14 + 15


def test_memory_is_what_a_process_holds_now() -> None:
    assert systems.resident_kib("VmHWM:\t  900 kB\nVmRSS:\t  512 kB\nRssAnon:\t 1 kB\n") == 512


def test_written_bytes_are_those_of_the_device() -> None:
    assert (
        systems.written_bytes("rchar: 1\nwchar: 2\nwrite_bytes: 30\ncancelled_write_bytes: 4") == 30
    )


def test_what_files_take_on_disk_is_added_up(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(10_000))
    assert systems.stored_bytes(tmp_path) >= 10_000
    assert systems.stored_bytes(None) == 0


def test_ended_processes_count_as_nothing_and_a_node_that_is_down_is_not_asked() -> None:
    system = System("x", "resp", ["a:1", "b:2"], [2**22 + 1], down=1)
    assert systems.usage(system) == Usage(0.0, 0, 0)
    assert system.serving == ["a:1"]


# --- figures ---------------------------------------------------------------------------------


def tally(done: int, seconds: float = 2.0) -> Tally:
    return Tally(seconds, array("I", [1_000] * done), generator_cpus=0.5)


def test_figures_are_per_second_and_per_request() -> None:
    row = figures.figures(tally(1_000), Usage(1.0, 100, 50), Usage(1.5, 2_100, 550))
    assert row["per_second"] == 500
    assert row["p99_ms"] == 1
    assert row["cpu_s_per_million"] == 500
    assert row["written_bytes_per_op"] == 2
    assert row["stored_bytes_per_op"] == 0.5


def test_nothing_done_and_nothing_measured_give_no_usage() -> None:
    assert figures.figures(tally(0), Usage(), Usage(1.0, 1, 1))["cpu_s_per_million"] is None
    row = figures.figures(tally(5), Usage(), Usage(), measured=False)
    assert row["written_bytes_per_op"] is None


def row(system: str, number: int, per_second: float, **more: Any) -> dict[str, Any]:
    made = figures.figures(tally(1), Usage(), Usage())
    made.update(scenario="base", kind="put", system=system, round=number)
    made.update(per_second=per_second, **more)
    return made


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    rows = [row("a", 0, 10.0), row("b", 0, 10.0), row("a", 1, 90.0), row("b", 1, 30.0)]
    rows += [row("a", 2, 8.0), row("b", 2, 4.0), row("a", 3, 1.0)]
    (found,) = ratios(rows, "a", "b")
    assert (found["ratio"], found["least"], found["most"]) == (2.0, 1.0, 3.0)
    assert ratios(rows, "a", "nobody") == []


def test_medians_leave_out_what_was_not_measured_and_add_up_what_went_wrong() -> None:
    rows = [row("a", i, v, errors={"X": 1}, missing=1) for i, v in enumerate((1.0, 5.0, 2.0))]
    rows[0]["cpu_s_per_million"] = None
    rows[1]["cpu_s_per_million"] = rows[2]["cpu_s_per_million"] = 7.0
    (middle,) = medians(rows, ("scenario", "system"))
    assert (middle["per_second"], middle["cpu_s_per_million"], middle["wrong"]) == (2.0, 7.0, 6)


def second(p99_us: int, errors: int = 0) -> Second:
    return Second(array("I", [p99_us]), Counter({"X": errors} if errors else {}), 1 + errors)


def test_recovery_is_from_when_on_all_is_well_for_good() -> None:
    calm, slow, failing = second(1_000), second(900_000), second(1_000, errors=1)
    rows = figures.seconds_rows([slow, slow, failing, calm, slow, calm, calm])
    assert recovered_s(rows, 2, 100.0) == 3
    assert recovered_s(rows[:5], 2, 100.0) is None
    assert recovered_s(figures.seconds_rows([slow, calm]), 1, 100.0) == 0
    assert recovered_s(figures.seconds_rows([slow, Second()]), 1, 100.0) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1234.5, "1,234"), (0.256, "0.26"), (0.0, "0"), (1_000, "1,000"), ("x", "x")],
)
def test_figures_have_the_digits_that_mean_something(value: object, text: str) -> None:
    assert figures.cell(value) == text


# --- what is written -------------------------------------------------------------------------


def result() -> dict[str, Any]:
    rows = [row(s, i, 5.0) for s in ("DynaKV", "etcd <3>") for i in (0, 1)]
    seconds = figures.seconds_rows([second(1_000), second(2_000, errors=3)])
    rate = {"kind": "put", "offered": 5.0, "per_second": 5.0, "errors": {}, "sent_late_p99_ms": 1.0}
    rate.update({"p50_ms": 1.0, "p99_ms": 2.0, "p99.9_ms": 3.0})
    over = {"offered": 9.0, "offered_of_capacity": 3.0, "done_per_second": 3.0, "seconds": seconds}
    over.update(seconds_of_overload=1, shed={"OVERLOADED": 6}, failed_after={})
    over.update(recovered_s=2, calm_p99_ms_max=100.0)
    stopped = {"offered": 5.0, "stopped_from": 1, "stopped_to": 2, "put": seconds, "get": seconds}
    grown = [{**row("x", 0, 5.0), "grows": "keys", "size": size} for size in (10, 100)]
    return {
        "command": "python -m loadtest.compare",
        "date": "2026-01-01T00:00+00:00",
        "cpus": 2,
        "python": "3",
        "load_before": 1.0,
        "load_after": 2.0,
        "systems": {"DynaKV": "this revision", "etcd <3>": "3"},
        "measurements": rows,
        "open": {"rate": [rate], "stopped": stopped, "overload": over},
        "growth": grown,
    }


def test_the_report_has_tables_that_are_whole(tmp_path: Path) -> None:
    lines = list(report.markdown(result()))
    tables = [line for line in lines if line.startswith("|")]
    assert tables
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|"), line
    text = "\n".join(lines)
    assert "6 OVERLOADED" in text
    assert "2 s after the overload" in text
    assert "| base | put | 1.00 | 1.00 | 1.00 |" in text


def test_an_error_is_noted_and_what_was_measured_is_reported_beside_it() -> None:
    failures: list[str] = []
    with compare.noted(failures):
        raise ValueError("keys could not be written")
    with pytest.raises(ZeroDivisionError), compare.noted(failures):
        raise ZeroDivisionError
    lines = list(report.markdown({**result(), "failures": failures}))
    assert lines[-1] == "**Not measured** because of an error: keys could not be written"
    assert "**Growth with keys** (200 connections, 16 deep)" in lines


def test_pictures_are_valid_and_show_every_figure(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- compare -->\nold\n<!-- /compare -->\nend\n")
    compare.write(result(), tmp_path, page)
    names = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert names == ["grow-keys.svg", "open.svg", "puts.svg"]
    for name in names:
        root = ET.fromstring((tmp_path / name).read_text())
        assert root.tag.endswith("svg")
    text = page.read_text()
    assert text.startswith("# Page\n<!-- compare -->\n`python")
    assert text.endswith("<!-- /compare -->\nend\n")
    assert "old" not in text
    assert json.loads((tmp_path / "compare.json").read_text())["cpus"] == 2
    with pytest.raises(ValueError, match="each once"):
        figures.replaced(page, "nothing", [])


def test_bars_stand_on_the_axis_and_what_is_larger_is_higher() -> None:
    panel = Panel("title <&>", ["g1", "g2"], ["a", "b"], [[1.0, 1_000.0], [None, 0.0]])
    root = ET.fromstring(bars.svg("all", [panel]))
    space = "{http://www.w3.org/2000/svg}"
    rects = [r for r in root.iter(f"{space}rect") if r.get("height") not in ("12", None)][1:]
    small, large = (float(r.get("height", 0)) for r in rects)
    assert 0 < small < large
    bottoms = {round(float(r.get("y", 0)) + float(r.get("height", 0))) for r in rects}
    assert len(bottoms) == 1
    assert ET.fromstring(bars.svg("empty", [Panel("t", [], [], [])])).tag.endswith("svg")


@pytest.mark.slow
def test_the_comparison_runs_at_its_smallest(
    tmp_path: Path,
) -> None:
    tiny = compare.Plan(1, 0.3, 0.1, 1, 1, 1, (1,), (500,), (4,))
    words = ["--scenarios", "base,node down", "--rate", "100"]
    compare.main([*words, "--output", str(tmp_path)], tiny)
    made = json.loads((tmp_path / "compare.json").read_text())
    mine = [r for r in made["measurements"] if r["system"] == "DynaKV"]
    assert [(r["scenario"], r["kind"]) for r in mine] == [
        ("base", "put"),
        ("base", "get"),
        ("node down", "put"),
        ("node down", "get"),
    ]
    for r in made["measurements"]:
        assert r["per_second"] > 0, r
        assert figures.bad(r) == 0, r
        assert r["cpu_s_per_million"] > 0, r
    assert [r["errors"] for r in made["open"]["rate"]] == [{}, {}]
    assert len(made["open"]["stopped"]["put"]) == 3
    assert {(r["grows"], r["kind"]) for r in made["growth"]} == {
        (grows, kind) for grows in ("nodes", "keys", "groups") for kind in ("put", "get")
    }
