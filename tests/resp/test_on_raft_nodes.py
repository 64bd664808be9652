"""The same stories against real nodes in one process: doors and Raft fit together."""

import pytest

from dynakv.core.layout import Layout, Mode
from dynakv.node.messages import entries_in
from tests.node.cluster import Cluster
from tests.node.raft_nodes import RaftNodes
from tests.resp.harness import FakeNode, World
from tests.resp.redis_replies import STORIES, Err
from tests.resp.test_plans import plain

PATIENCE_MS = 10_000


class Tagged(RaftNodes):
    """Three nodes whose Raft keyspace has hash tags."""

    def __init__(self) -> None:
        Cluster.__init__(self, 3, mode=Mode.RAFT, hash_tags=True)


class Door(FakeNode):
    """An inbox of one of these nodes, each message at the next one: most are no leader."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Tagged()
        self._asked = 0

    def layout(self) -> Layout:
        return self.cluster.layout

    def answer(self, place: int = 0) -> None:
        self.waiting.rotate(-place)
        message, answer = self.waiting.popleft()
        self.waiting.rotate(place)
        self._asked += 1
        call = self.cluster.submit(message, f"n{self._asked % 3 + 1}")
        self.cluster.run()
        waited_ms = 0
        while sum(len(p.entries) for p in self.cluster.parts(call)) < entries_in(message):  # type: ignore[attr-defined]
            assert waited_ms < PATIENCE_MS, message
            self.cluster.pass_ms(50)
            waited_ms += 50
        for part in self.cluster.parts(call):
            answer(part)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.mark.parametrize("name", [*STORIES])
def test_the_replies_are_those_of_redis(door: Door, name: str) -> None:
    world = World(door)
    world.now_ms = door.cluster.now.wall_ms
    client = world.client()
    client.say("FLUSHDB")
    for command, reply in STORIES[name]:
        found = plain(client.say(command))
        assert found == reply, command
        assert isinstance(found, Err) is isinstance(reply, Err), command
