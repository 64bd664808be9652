"""The check that containers are asked with, against a real health service."""

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dynakv.rpc.kvstore import SERVICE
from tests.deploy.files import DEPLOY

States = health_pb2.HealthCheckResponse


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", DEPLOY / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def served() -> Iterator[tuple[health.HealthServicer, int]]:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(None).wait()


def code(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["healthcheck.py", *words])
    return int(script().main())


@pytest.mark.parametrize(("state", "expected"), [(States.SERVING, 0), (States.NOT_SERVING, 1)])
def test_only_a_node_that_serves_is_healthy(
    served: tuple[health.HealthServicer, int],
    state: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servicer, port = served
    servicer.set(SERVICE.full_name, state)
    assert code(monkeypatch, f"127.0.0.1:{port}") == expected


def test_an_address_of_every_interface_is_asked_on_loopback(
    served: tuple[health.HealthServicer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    servicer, port = served
    servicer.set(SERVICE.full_name, States.SERVING)
    monkeypatch.setenv("DYNAKV__LISTEN__CLIENT", f"0.0.0.0:{port}")
    assert code(monkeypatch) == 0


def test_a_node_that_is_gone_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code(monkeypatch, "127.0.0.1:1") == 1
    assert "127.0.0.1:1: UNAVAILABLE" in capsys.readouterr().out
