"""Three containers that find each other: checked without an engine, by their very settings."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from dynakv import limits
from dynakv.server import demo_plan, process
from dynakv.server.config import Config, load
from tests.deploy.files import DEPLOY, compose, image_environment, instructions

SERVICES = ("n1", "n2", "n3")


def environment(service: str) -> dict[str, str]:
    """Return all of DynaKV's variables in a container."""
    given = {**image_environment(), **compose()["services"][service]["environment"]}
    return {name: value for name, value in given.items() if name.startswith("DYNAKV__")}


def config(service: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value)
    return load().config


def test_the_services_are_the_members() -> None:
    assert tuple(compose()["services"]) == SERVICES
    lists = {environment(service)["DYNAKV__CLUSTER__MEMBERS"] for service in SERVICES}
    assert len(lists) == 1
    assert re.findall(r"(\w+)=(\w+):50151", lists.pop()) == [(s, s) for s in SERVICES]


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_a_right_node_under_its_own_name(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(service, monkeypatch)
    assert made.node_id == service == compose()["services"][service]["hostname"]
    assert made.peer_address == f"{service}:50151"
    assert len(made.members()) == 3


@pytest.mark.parametrize("service", SERVICES)
def test_the_port_told_to_clients_is_the_one_published_on_loopback(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published,) = compose()["services"][service]["ports"]
    host, outside, inside = published.split(":")
    assert host == "127.0.0.1"
    assert outside == inside
    assert process._reachable(config(service, monkeypatch)) == f"{service}:{outside}"


def test_every_node_has_a_volume_of_its_own_where_its_data_are() -> None:
    volumes = [compose()["services"][service]["volumes"] for service in SERVICES]
    where = image_environment()["DYNAKV__NODE__DATA_DIR"]
    assert volumes == [[f"{service}:{where}"] for service in SERVICES]
    assert set(compose()["volumes"]) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_health_is_asked_with_the_script_that_the_image_holds(service: str) -> None:
    check = compose()["services"][service]["healthcheck"]["test"]
    copied = [rest.split()[-1] for word, rest in instructions() if word == "COPY"]
    assert check[0] == "CMD"
    assert check[-1] in copied


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_may_do_no_more_than_it_needs(service: str) -> None:
    made = compose()["services"][service]
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in made["security_opt"]
    assert made["build"]["dockerfile"] == "deploy/Dockerfile"
    assert int(made["stop_grace_period"].rstrip("s")) > limits.DRAIN_MS / 1000


def run(words: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_the_entry_command_serves_with_the_settings_of_the_services(tmp_path: Path) -> None:
    plan = demo_plan.plan(3, 0, None)
    entry = json.loads(next(rest for word, rest in instructions() if word == "ENTRYPOINT"))
    command = json.loads(next(rest for word, rest in instructions() if word == "CMD"))
    assert entry == ["dynakv"]
    running = []
    variables = []
    try:
        for service, node in zip(SERVICES, plan.nodes, strict=True):
            # The names of the containers' network are replaced by free ports of this machine.
            variables.append(
                {
                    **environment(service),
                    "DYNAKV__CLUSTER__MEMBERS": plan.members(),
                    "DYNAKV__LISTEN__CLIENT": f"0.0.0.0:{node.client_port}",
                    "DYNAKV__NODE__DATA_DIR": str(tmp_path / service),
                }
            )
            checked = run(["-m", "dynakv", "config", "check"], variables[-1])
            assert checked.returncode == 0, checked.stderr
            with (tmp_path / f"{service}.log").open("wb") as log:
                words = [sys.executable, "-m", "dynakv", *command]
                running.append(
                    subprocess.Popen(words, env={**os.environ, **variables[-1]}, stderr=log)
                )
        for given in variables:
            until_healthy(given)
        running[0].send_signal(signal.SIGTERM)
        assert running[0].wait(30) == 0
        assert run([str(DEPLOY / "healthcheck.py")], variables[0]).returncode == 1
    finally:
        for one in running:
            one.kill()
            one.wait()


def until_healthy(variables: Mapping[str, str]) -> None:
    end = time.monotonic() + 30
    while (done := run([str(DEPLOY / "healthcheck.py")], variables)).returncode:
        assert time.monotonic() < end, done.stdout + done.stderr
