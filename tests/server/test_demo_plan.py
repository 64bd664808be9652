import socket
from pathlib import Path

import pytest

from dynakv.errors import RefusedError, UsageError
from dynakv.server import demo_plan
from dynakv.server.ports import HOST, PORTS, free_ports


def test_the_default_ports_are_those_of_three_local_nodes() -> None:
    plan = demo_plan.plan(None, None, None)
    assert plan.endpoints() == "127.0.0.1:50051,127.0.0.1:50052,127.0.0.1:50053"
    assert plan.members() == "n1=127.0.0.1:50151,n2=127.0.0.1:50152,n3=127.0.0.1:50153"


def test_a_base_port_moves_all_of_them() -> None:
    plan = demo_plan.plan(2, 41_000, None)
    assert plan.endpoints() == "127.0.0.1:41001,127.0.0.1:41002"
    assert plan.members() == "n1=127.0.0.1:41101,n2=127.0.0.1:41102"


def test_base_port_0_takes_distinct_free_ports() -> None:
    plan = demo_plan.plan(16, 0, None)
    demo_plan.refuse_taken_ports(plan)
    ports = [port for node in plan.nodes for port in (node.client_port, node.peer_port)]
    assert len(set(ports)) == 32


def test_free_ports_are_none_that_the_kernel_gives_away_to_connections() -> None:
    assert set(free_ports(50)) <= set(PORTS)
    assert PORTS.stop <= 32_768


def test_more_ports_than_there_are_is_an_error() -> None:
    with pytest.raises(OSError, match="no 20000 free ports between 18000 and 31999"):
        free_ports(20_000)


@pytest.mark.parametrize(
    ("nodes", "base_port", "sentence"),
    [
        (0, None, "--nodes = 0: must be between 1 and 16"),
        (17, None, "--nodes = 17: must be between 1 and 16"),
        (None, 1023, "--base-port = 1023: must be between 1024 and 65419, or 0"),
        (None, 65420, "--base-port = 65420: must be between 1024 and 65419, or 0"),
        (None, -1, "--base-port = -1: must be between 1024 and 65419, or 0"),
    ],
)
def test_numbers_outside_their_limits_are_usage_errors(
    nodes: int | None, base_port: int | None, sentence: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        demo_plan.plan(nodes, base_port, None)
    assert str(refusal.value) == sentence


def test_a_kept_directory_remembers_its_plan(tmp_path: Path) -> None:
    plan = demo_plan.plan(2, 0, tmp_path)
    demo_plan.remember(plan, tmp_path)
    assert demo_plan.plan(None, None, tmp_path) == plan
    assert demo_plan.plan(2, 0, tmp_path) == plan


def test_a_kept_directory_refuses_other_ports_or_nodes(tmp_path: Path) -> None:
    demo_plan.remember(demo_plan.plan(None, 41_000, tmp_path), tmp_path)
    with pytest.raises(UsageError, match="know each other by the ports of --base-port 41000"):
        demo_plan.plan(None, 42_000, tmp_path)
    with pytest.raises(UsageError, match="is a demo of 3 nodes"):
        demo_plan.plan(5, None, tmp_path)


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"has files in it, but no demo\.json"):
        demo_plan.plan(None, None, tmp_path)


def test_a_plan_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with pytest.raises(UsageError, match="is not the plan of a demo"):
        demo_plan.plan(None, None, tmp_path)


def test_a_persist_that_is_no_directory_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        demo_plan.plan(None, None, tmp_path / "file")


def test_a_taken_port_is_named_with_the_way_out() -> None:
    plan = demo_plan.plan(1, 0, None)
    with socket.socket() as taken:
        taken.bind((HOST, plan.nodes[0].peer_port))
        taken.listen()
        with pytest.raises(RefusedError) as refusal:
            demo_plan.refuse_taken_ports(plan)
    assert str(refusal.value) == (
        f"port {plan.nodes[0].peer_port} (n1, peers) is already in use; stop what listens there, "
        "or choose other ports with --base-port (0 takes free ones)"
    )
