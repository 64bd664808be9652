"""What the driver adds to a node's figures: its queues, its age, its disk."""

import asyncio
from typing import Any

import pytest

from dynakv.errors import StorageError
from dynakv.node.figures import NodeFigures, StoreFigures
from tests.server.shell import FakeNode, Shell, get, ignore, run, turns

NODE = NodeFigures(
    starts=1,
    commit_sequence=2,
    layout_digest=3,
    newest_epoch=1,
    clock_trusted=True,
    clock_leaps=0,
    disk_full=False,
    peers=[],
    cache_bytes=0,
    cache_bytes_max=0,
    cache_entries=0,
    cache_hits=0,
    cache_misses=0,
    hints=[],
    counters={},
)
STORE = StoreFigures(1, 2, 3, 4, 0.5)


class Node(FakeNode):
    def figures(self) -> NodeFigures:
        return NODE


def test_unanswered_keys_and_uptime_stand_beside_the_node_s_own_figures() -> None:
    async def test() -> None:
        shell = Shell(Node())
        await asyncio.sleep(5)
        shell.driver.client(get(3), ignore)
        shell.driver.client(get(4), ignore)
        await turns()
        figures = shell.driver.figures()
        assert figures.node is NODE
        assert (figures.queues.client_keys, figures.queues.peer_keys) == (7, 0)
        assert figures.uptime_ms == 5_000

    run(test)


def test_the_disk_s_part_is_the_disk_s_to_say() -> None:
    async def test() -> None:
        shell = Shell(Node())
        disk: Any = shell.disk

        async def measured() -> StoreFigures:
            return STORE

        async def failed() -> StoreFigures:
            raise StorageError("gone")

        disk.figures = measured
        assert await shell.driver.store_figures() is STORE
        disk.figures = failed
        with pytest.raises(StorageError):
            await shell.driver.store_figures()

    run(test)
