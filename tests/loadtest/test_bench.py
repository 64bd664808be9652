"""The bench's command line, its shares and its table; slow: all of it against real nodes."""

import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from loadtest import bench
from loadtest.bench import load_of, measurement, parser, ratios, rows
from loadtest.generator import Load, Tally
from loadtest.keys import Distribution


def load(*words: str, rate: float = 0.0, share: float = 0.0) -> Load:
    options = parser().parse_args(words)
    return load_of(options, ["a:1", "b:2", "c:3"], share, Distribution.UNIFORM, rate)


def test_without_options_it_is_64_workers_with_64_requests_a_message() -> None:
    made = load()
    assert (made.workers, made.batch, made.keys, made.connections) == (64, 64, 10_000, 3)
    assert str(made.sizes) == "100"
    assert made.interval_s == 0


def test_processes_share_workers_and_rate() -> None:
    made = load("--processes", "4", "--workers", "100", "--batch", "10", rate=2_000.0)
    assert made.workers == 25
    assert made.interval_s * 2_000 == pytest.approx(4 * 10)  # each sends 50 messages a second


def test_an_open_loop_has_room_for_many_messages_under_way() -> None:
    assert load(rate=100.0).workers > load().workers


@pytest.mark.parametrize(
    "words",
    [
        ("--read-share", "1.5"),
        ("--rate", "0"),
        ("--rate", "100,-1"),
        ("--batch", "0"),
        ("--value-bytes", "9m"),
        ("--distribution", "normal"),
    ],
)
def test_wrong_options_are_usage_errors(words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words)
    assert caught.value.code == 2


def test_a_measurement_gives_throughput_percentiles_and_failures() -> None:
    tally = Tally(done=5_000, missing=3, failed=Counter({("put", "refused UNAVAILABLE"): 64}))
    for ms in range(1, 101):
        tally.latencies["put"].record(ms / 1000)
    measured = measurement(load(), None, tally)
    assert measured["per_second"] == 1_000
    assert measured["latency_ms"]["put"]["p50"] == pytest.approx(50, rel=0.01)
    assert "get" not in measured["latency_ms"]
    row, *notes = rows(measured)
    assert row.split()[:4] == ["put", "uniform", "closed", "1,000"]
    assert row.split()[-1] == "64"
    assert any("64 requests failed: put: refused UNAVAILABLE" in note for note in notes)
    assert any("3 gets found nothing" in note for note in notes)


def test_a_measurement_in_which_everything_failed_still_has_its_row() -> None:
    tally = Tally(failed=Counter({("put", "unknown UNAVAILABLE (transport)"): 640}))
    row, _ = rows(measurement(load(), None, tally))
    assert row.split() == ["put", "uniform", "closed", "0", *"-----", "640"]


def test_a_rate_that_was_not_kept_is_said() -> None:
    tally = Tally(unsent=128)
    tally.late.record(3.0)
    notes = list(rows(measurement(load(rate=1e6), 1e6, tally)))[1:]
    assert any("128 requests were due and never sent" in note for note in notes)
    assert any("from due to sent: 3" in note for note in notes)


def test_zipfian_is_compared_with_uniform_by_the_medians_of_all_rounds() -> None:
    measurements = [
        {"load": "get", "offered_per_second": None, "distribution": d, "per_second": rate}
        for d, some in (("uniform", (90, 100, 500)), ("zipfian", (10, 95, 96)))
        for rate in some
    ]
    assert list(ratios(measurements)) == ["get: Zipfian / uniform = 0.95"]
    assert not list(ratios(measurements[:3]))


@pytest.mark.slow
def test_it_measures_a_demo_cluster_from_two_processes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--seconds", "1", "--warmup", "0.2", "--keys", "500", "--batch", "5"]
    words += ["--processes", "2", "--workers", "4", "--distribution", "both"]
    bench.main([*words, "--read-share", "0.5", "--rate", "500", "--output", str(tmp_path)])
    (written,) = tmp_path.glob("*.json")
    report = json.loads(written.read_text())
    assert [m["distribution"] for m in report["measurements"]] == ["uniform", "zipfian"]
    for measured in report["measurements"]:
        assert measured["failed"] == {}
        assert measured["missing"] == 0
        assert 200 < measured["per_second"] < 600
        messages = sum(ms["messages"] for ms in measured["latency_ms"].values())
        assert messages == pytest.approx(100, abs=4)
    assert "Zipfian / uniform" in capfd.readouterr().out
    ET.fromstring(next(tmp_path.glob("*.svg")).read_text())


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"127\.0\.0\.1:1"):
        bench.main(["--endpoints", "127.0.0.1:1", "--output", str(tmp_path)])
