import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynakv.client import terminal
from dynakv.server.main import app


def run(*words: str) -> int:
    return terminal.exit_code("dynakv", app, {}, list(words))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("DYNAKV__"):
            monkeypatch.delenv(name)


def test_config_check_accepts_a_right_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "check", "--node-id", "a", "--cluster", "a=localhost:1,b=localhost:2") == 0
    assert capsys.readouterr() == ("", "configuration is right: 2 members\n")


def test_config_check_makes_every_complaint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dynakv.toml"
    file.write_text("[limits]\nvalue_byte_max = 1\n[timing]\nhedge_ms = 0\n")
    assert run("config", "check", "--config", str(file)) == 64
    assert capsys.readouterr().err == (
        f"dynakv: limits.value_byte_max = 1 ({file}): unknown key; did you mean "
        "'limits.value_bytes_max'?\n"
        f"dynakv: timing.hedge_ms = 0 ({file}): must be at least 1\n"
    )


def test_config_show_prints_values_and_origins(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "show", "--node-id", "n7", "-o", "json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["config"]["node"]["id"] == "n7"
    assert shown["origins"] == {"node.id": "--node-id"}


def test_a_flag_left_out_does_not_hide_insecure_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dynakv.toml"
    file.write_text("insecure = true\n")
    words = ["config", "show", "-c", str(file), "--listen-client", "0.0.0.0:50051"]
    assert run(*words) == 0
    assert 'client = "0.0.0.0:50051"  # --listen-client' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["start", "--weight", "x"], "Invalid value for '--weight'"),
        (["start", "--weight", "65"], "node.weight = 65 (--weight): must be at most 64"),
        (["start", "--bogus"], "No such option: --bogus"),
        (["start", "--config", "/nowhere"], "/nowhere: No such file or directory"),
        (["start", "--listen-client", "0.0.0.0:1"], "say insecure = true (--insecure)"),
        (["start", "--listen-client", "localhost:x"], "must have a port between 0 and 65535"),
        (["demo", "--nodes", "0"], "--nodes = 0: must be between 1 and 16"),
        (["demo", "--base-port", "80"], "--base-port = 80: must be between 1024 and 65419, or 0"),
        (["config", "show", "-o", "yaml"], "'yaml' is not one of 'toml', 'json'"),
    ],
)
def test_bad_words_are_usage_errors_of_one_line(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    output = capsys.readouterr()
    assert output.out == ""
    assert text in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("module", ["dynakv.server.main", "dynakv.admin.main", "dynakv.client.cli"])
def test_help_needs_none_of_the_heavy_libraries(module: str) -> None:
    heavy = ["grpc", "pydantic", "rich", "structlog", "asyncio", "aiosqlite"]
    script = (
        f"import sys; from {module} import app; app(['--help'], standalone_mode=False); "
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert "Usage:" in done.stdout
    assert done.stderr == "[]\n"
