from pathlib import Path

import pytest

from dynakv.errors import UsageError
from dynakv.server import demo_plan
from dynakv.server.config import load


def complaint(text: str, tmp_path: Path) -> str:
    file = tmp_path / "node.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refusal:
        load(file)
    return str(refusal.value)


def test_the_door_is_closed_unless_it_has_an_address() -> None:
    assert load().config.listen.redis is None
    flags = {"listen.redis": "127.0.0.1:6401"}
    assert load(flags=flags).config.listen.redis == "127.0.0.1:6401"


def test_an_address_beyond_loopback_needs_the_word(tmp_path: Path) -> None:
    text = complaint('[listen]\nredis = "0.0.0.0:6379"\n', tmp_path)
    assert text.startswith('listen.redis = "0.0.0.0:6379"')
    assert "listens beyond this machine" in text


def test_two_doors_do_not_share_an_address(tmp_path: Path) -> None:
    text = complaint('[listen]\nredis = "127.0.0.1:50051"\n', tmp_path)
    assert "listen.redis" in text
    assert "must differ from listen.client" in text


def test_redis_numbers_are_each_keyspaces_own(tmp_path: Path) -> None:
    tables = [("default", 3), ("a", 0), ("b", 2), ("c", 2)]
    text = "".join(f'[[keyspaces]]\nname = "{n}"\nredis_number = {i}\n' for n, i in tables)
    first, second, third = complaint(text, tmp_path).splitlines()
    rule = "must be 0 for keyspace 'default' and above 0 for all others"
    assert (first[:29], first.endswith(rule)) == ("keyspaces[0].redis_number = 3", True)
    assert (second[:29], second.endswith(rule)) == ("keyspaces[1].redis_number = 0", True)
    assert third.startswith("keyspaces[3].redis_number = 2")
    assert third.endswith("is another keyspace's")


def test_a_new_cluster_may_begin_with_numbered_keyspaces(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(
        '[[keyspaces]]\nname = "cache"\nredis_number = 3\n'
        '[[keyspaces]]\nname = "default"\nredis_number = 0\n[[keyspaces]]\nname = "other"\n',
        encoding="utf-8",
    )
    assert load(file).config.layout().numbered() == {0: "default", 3: "cache"}


def test_demo_nodes_have_a_redis_port_each() -> None:
    plan = demo_plan.plan(None, None, None)
    assert [node.redis for node in plan.nodes] == [f"127.0.0.1:{6400 + i}" for i in (1, 2, 3)]
    moved = demo_plan.plan(16, 41_000, None)
    ports = {p for n in moved.nodes for p in (n.client_port, n.peer_port, n.redis_port)}
    assert len(ports) == 48
    assert moved.nodes[0].redis_port == 41_051
    free = demo_plan.plan(3, 0, None)
    assert len({p for n in free.nodes for p in (n.client_port, n.peer_port, n.redis_port)}) == 9


def test_a_demo_kept_before_there_was_this_door_goes_on_without(tmp_path: Path) -> None:
    (tmp_path / demo_plan.PLAN).write_text(
        '{"base_port": 0, "nodes": [{"node_id": "n1", "client_port": 1, "peer_port": 2}]}',
        encoding="utf-8",
    )
    assert demo_plan.plan(None, None, tmp_path).nodes[0].redis is None
