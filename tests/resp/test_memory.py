"""Answered commands leave nothing behind: slots are invisible to the garbage collector."""

import gc
from collections.abc import Iterator

import pytest

from dynakv.resp.columns import Column
from dynakv.resp.connection import Connection
from tests.resp.harness import Client, World


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


def test_answered_commands_keep_no_column_alive(world: World, client: Client) -> None:
    before = alive(Column)
    for _ in range(50):
        client.send_all("SET a 1", "SET b 2", "SET a 3", "GET a", "GET a", "DEL b", "SET c 1 EX 9")
        world.run()
        world.node.asked.clear()
    assert alive(Column) == before


def test_reads_of_one_hot_key_form_no_endless_chain(world: World, client: Client) -> None:
    before = alive(Column)
    # One read is always unanswered, so the books of the connection are never empty.
    for _ in range(300):
        client.send_all("GET hot")
        world.turns()
        if len(world.node.waiting) > 1:
            world.node.answer()
        world.turns()
        world.node.asked.clear()
    assert alive(Column) <= before + 5


def test_closed_connection_is_let_go_with_what_it_still_waited_for(world: World) -> None:
    before = alive(Connection)
    for _ in range(10):
        client = world.client()
        client.send_all("SET a 1", "GET a", "GET b", "SET b 1")
        world.turns()
        client.connection.connection_lost(None)
        del client
    world.run()
    world.node.asked.clear()
    assert alive(Connection) <= before + 1
