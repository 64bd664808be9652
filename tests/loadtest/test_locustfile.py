"""The Locust users, each run in a process of its own: gevent patches the whole interpreter."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.cluster import cluster

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def locust(
    endpoints: list[str], *words: str, file: str = "loadtest/locustfile.py"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "-f", file, "--headless"]
    return subprocess.run(
        [*command, "-u", "5", "-r", "5", *words],
        cwd=ROOT,
        env={**os.environ, "DYNAKV_ENDPOINTS": ",".join(endpoints)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_users_report_puts_and_gets_apart(tmp_path: Path) -> None:
    with cluster() as endpoints:
        words = ("-t", "3s", "--distribution", "zipfian", "--value-bytes", "1k-4k", "--keys", "50")
        done = locust(endpoints, *words, "--read-share", "0.5", "--csv", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"get", "put", "Aggregated"}
    for name in ("get", "put"):
        assert int(rows[name]["Request Count"]) > 20
        assert int(rows[name]["Failure Count"]) == 0
        assert float(rows[name]["99%"]) > 0
        assert 1024 <= float(rows[name]["Average Content Size"]) <= 4096


def test_a_key_that_is_gone_after_the_fill_is_a_failure(tmp_path: Path) -> None:
    script = tmp_path / "deletes.py"
    script.write_text(
        "from loadtest import locustfile\n"
        "from loadtest.locustfile import KeyValueUser, events, pb, name\n"
        "@events.test_start.add_listener\n"
        "def delete(environment, **_):\n"
        "    stub = locustfile.target_of(environment).stubs[0]\n"
        "    stub.Delete(pb.DeleteRequest(key=name(0)))\n"
    )
    with cluster() as endpoints:
        words = ("-t", "2s", "--keys", "1", "--read-share", "1")
        done = locust(endpoints, *words, file=str(script))
    assert done.returncode == 1
    assert "grpc get: lost: a key that was written is not found" in done.stdout + done.stderr


def test_a_wrong_option_ends_the_run_with_a_sentence() -> None:
    done = locust(["127.0.0.1:1"], "-t", "60s", "--value-bytes", "9g")
    assert done.returncode == 1
    assert "cannot begin: value bytes '9g'" in done.stderr


def test_a_cluster_that_is_not_there_ends_the_run_with_a_sentence() -> None:
    done = locust(["127.0.0.1:1"], "-t", "60s")
    assert done.returncode == 1
    assert "cannot begin: the keys could not be written" in done.stderr
