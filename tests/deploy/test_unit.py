"""The systemd unit and the configuration file that it starts with."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.client.terminal import EXIT_SOFTWARE, EXIT_USAGE
from dynakv.server.config import load
from tests.deploy.files import DEPLOY, unit

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def service(key: str) -> str:
    (value,) = unit()["Service"][key]
    return value


def start_words(instance: str) -> list[str]:
    words = shlex.split(service("ExecStart").replace("%i", instance))
    assert words[:2] == ["/opt/dynakv/bin/dynakv", "start"]
    return words[2:]


def test_the_start_command_fits_the_example_configuration() -> None:
    words = start_words("n1")
    flags = dict(zip(words[::2], words[1::2], strict=True))
    assert flags.pop("--config") == "/etc/dynakv/n1.toml"
    named = {"--node-id": "node.id", "--data-dir": "node.data_dir"}
    config = load(DEPLOY / "dynakv.toml", {named[flag]: flags[flag] for flag in flags}).config
    assert config.node_id == "n1"
    assert str(config.node.data_dir) == "/var/lib/dynakv/n1"
    assert "dynakv/%i" in service("StateDirectory").split()


def test_the_node_says_itself_when_it_is_ready() -> None:
    assert service("Type") == "notify"
    assert service("NotifyAccess") == "main"


def test_a_node_that_gave_up_for_good_is_not_started_again() -> None:
    prevented = {int(code) for code in service("RestartPreventExitStatus").split()}
    assert prevented == {EXIT_USAGE, EXIT_SOFTWARE}


def test_there_is_time_to_drain_and_room_for_all_connections() -> None:
    assert int(service("TimeoutStopSec")) > limits.DRAIN_MS / 1000
    assert int(service("LimitNOFILE")) > 2 * limits.OPERATIONS_MAX


def local_copy(directory: Path) -> Path:
    """Return the unit as an instance, with an executable that this machine has."""
    copy = directory / "dynakv@n1.service"
    text = (DEPLOY / "dynakv@.service").read_text()
    copy.write_text(text.replace("/opt/dynakv/bin/dynakv", sys.executable))
    return copy


@needs_systemd
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    assert ANALYZE is not None
    command = [ANALYZE, "verify", "--recursive-errors=no", str(local_copy(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "dynakv@n1.service" not in done.stderr


@needs_systemd
def test_the_unit_leaves_an_attacker_little(tmp_path: Path) -> None:
    assert ANALYZE is not None
    command = [ANALYZE, "security", "--offline=true", "--threshold=20", "--no-pager"]
    done = subprocess.run(
        [*command, str(local_copy(tmp_path))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_what_the_example_shows_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    example = DEPLOY / "dynakv.toml"
    text, shown = re.subn(r"(?m)^# (\w+ = |\[\[)", r"\1", example.read_text())
    assert shown > 8
    copy = tmp_path / "dynakv.toml"
    copy.write_text(text)
    plain, uncommented = load(example).config, load(copy).config
    for section in ("storage", "limits", "timing"):
        assert getattr(uncommented, section) == getattr(plain, section)
    (keyspace,) = uncommented.keyspaces
    assert keyspace.replicas == 3
