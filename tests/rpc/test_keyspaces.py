"""The methods about keyspaces: what reaches the node, and what comes back."""

from types import SimpleNamespace
from typing import Any

from dynakv import limits
from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, DropKeyspace
from dynakv.core.layout import KeyspaceSettings, Level
from dynakv.errors import Failure, Kind
from dynakv.node.figures import PeerFigures
from dynakv.node.layout_messages import Changed
from dynakv.node.messages import Refused
from dynakv.rpc.collector import FULL
from dynakv.rpc.keyspaces import CHANGE_MS, KeyspaceMethods
from dynakv.v1 import keyspaces_pb2 as pb
from dynakv.v1 import ring_pb2


class Context:
    """A call with so many seconds left."""

    def __init__(self, left_s: float | None = None) -> None:
        self._left_s = left_s

    def time_remaining(self) -> float | None:
        return self._left_s


def test_changes_reach_the_node_and_their_epoch_comes_back(inbox: Any, run: Any) -> None:
    inbox.client_reply = lambda message: [Changed([0], 5, 99)]
    methods = KeyspaceMethods(inbox)

    async def scenario() -> None:
        context: Any = Context()
        request = pb.CreateKeyspaceRequest(name="k", groups=16, if_epoch=4)
        created = await methods.create(request, context)
        level = ring_pb2.LEVEL_ONE
        altered = await methods.alter(
            pb.AlterKeyspaceRequest(name="k", default_level=level), context
        )
        left: Any = Context(3.0)
        dropped = await methods.drop(pb.DropKeyspaceRequest(name="k"), left)
        for response in (created, altered, dropped):
            assert not isinstance(response, Failure)
            assert (response.epoch, response.keyspace_id) == (5, 99)

    run(scenario())
    assert inbox.asked == [
        CreateKeyspace(KeyspaceSettings("k", groups=16), 4, CHANGE_MS),
        AlterKeyspace("k", Level.ONE, timeout_ms=CHANGE_MS),
        DropKeyspace("k", timeout_ms=3_000 - limits.ANSWER_MS),
    ]


def test_a_refusal_is_handed_on_and_so_is_a_full_queue(inbox: Any, run: Any) -> None:
    failure = Failure(Kind.UNAVAILABLE, "n3 is down")
    inbox.client_reply = lambda message: [Refused([0], failure)]
    methods = KeyspaceMethods(inbox)

    async def scenario() -> None:
        context: Any = Context()
        assert await methods.drop(pb.DropKeyspaceRequest(name="k"), context) is failure
        inbox.full = True
        assert await methods.drop(pb.DropKeyspaceRequest(name="k"), context) is FULL

    run(scenario())


def test_the_list_says_who_is_behind_and_leaves_the_groups_out(inbox: Any, run: Any) -> None:
    peers = [
        PeerFigures("n2", True, 0, epoch=1),
        PeerFigures("n3", False, None),
    ]
    inbox.figures = lambda: SimpleNamespace(node=SimpleNamespace(newest_epoch=2, peers=peers))

    async def scenario() -> None:
        context: Any = Context()
        found = await KeyspaceMethods(inbox).list(pb.ListKeyspacesRequest(), context)
        assert (found.answered_by, found.epoch, found.newest_epoch) == ("n1", 1, 2)
        assert list(found.behind) == ["n3"]
        (keyspace,) = found.keyspaces
        assert (keyspace.name, keyspace.group_count, keyspace.redis_number) == ("default", 4, 0)
        assert not keyspace.groups

    run(scenario())
