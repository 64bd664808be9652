"""Keyspaces through the clients: a change is sent once, and what became of it is told exactly."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dynakv import AsyncClient, Client
from dynakv.client.keyspaces import KeyspaceChanged
from dynakv.errors import RefusedError, UnknownOutcomeError, UsageError
from dynakv.v1 import keyspaces_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.client.fakes import CODES, World, aborts, is_silent, run


def requests(world: World) -> list[Any]:
    return [request for _, request in world.changes]


def test_changes_say_what_was_asked_for_and_leave_the_rest_to_the_cluster() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            assert await client.keyspaces.create("plain") == KeyspaceChanged(2, 9)
            await client.keyspaces.create(
                "k",
                replicas=2,
                groups=16,
                hash_tags=True,
                mode="raft",
                default_level="all",
                default_ttl=timedelta(minutes=1),
                redis_number=3,
                if_epoch=2,
            )
            await client.keyspaces.alter("k", default_ttl=timedelta(0), no_redis_number=True)
            assert await client.keyspaces.alter("k", default_level="one") == KeyspaceChanged(5, 9)
            assert await client.keyspaces.drop("k", if_epoch=5) == KeyspaceChanged(6, 9)
        assert requests(world) == [
            pb.CreateKeyspaceRequest(name="plain"),
            pb.CreateKeyspaceRequest(
                name="k",
                replicas=2,
                groups=16,
                hash_tags=True,
                mode=ring_pb2.MODE_RAFT,
                default_level=ring_pb2.LEVEL_ALL,
                default_ttl_ms=60_000,
                redis_number=3,
                if_epoch=2,
            ),
            pb.AlterKeyspaceRequest(name="k", default_ttl_ms=0, no_redis_number=True),
            pb.AlterKeyspaceRequest(name="k", default_level=ring_pb2.LEVEL_ONE),
            pb.DropKeyspaceRequest(name="k", if_epoch=5),
        ]

    run(scenario)


def test_the_list_is_what_one_node_sees() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            found = await client.keyspaces.list()
        assert (found.epoch, found.newest_epoch, found.behind) == (1, 2, ("n3",))
        default, other = found.keyspaces
        assert (default.name, default.mode, default.default_level) == (
            "default",
            "leaderless",
            "quorum",
        )
        assert (default.replicas, default.n, default.rq, default.wq) == (3, 2, 1, 2)
        assert (default.groups, default.redis_number, default.hash_tags) == (256, 0, False)
        assert (other.keyspace_id, other.default_ttl_ms, other.redis_number) == (9, 60_000, None)

    run(scenario)


@pytest.mark.parametrize(
    ("code", "retry", "error"),
    [
        (CODES.FAILED_PRECONDITION, "never", UsageError),
        (CODES.INVALID_ARGUMENT, "never", UsageError),
        (CODES.UNAVAILABLE, "safe", RefusedError),
        (CODES.UNKNOWN, "same_stamp", UnknownOutcomeError),
        (CODES.INTERNAL, None, UnknownOutcomeError),
    ],
)
def test_a_change_is_sent_once_and_its_failure_says_whether_it_was_done(
    code: Any, retry: str | None, error: type[Exception]
) -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            world.script(aborts(code, retry, "as the node said"))
            with pytest.raises(error, match="as the node said"):
                await client.keyspaces.create("k")
        assert len(world.changes) == 1

    run(scenario)


def test_a_change_without_an_answer_in_time_may_have_happened() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.keyspaces.list()
            world.script(is_silent())
            with pytest.raises(UnknownOutcomeError, match="list the keyspaces to see"):
                await client.keyspaces.drop("k", timeout=timedelta(milliseconds=100))
        assert len(world.changes) == 1

    run(scenario)


def test_another_node_is_asked_only_where_no_connection_could_be_made() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            await client.keyspaces.list()
            await world.nodes[0].stop()
            await world.nodes[1].stop()
            changed = await client.keyspaces.create("k")
        assert changed.epoch == 2
        assert [node for node, _ in world.changes] == ["n3"]

    run(scenario)


def test_where_no_node_is_reached_nothing_was_done() -> None:
    async def scenario(world: World) -> None:
        for node in world.nodes:
            await node.stop()
        async with AsyncClient(world.endpoints) as client:
            with pytest.raises(RefusedError):
                await client.keyspaces.create("k", timeout=timedelta(milliseconds=300))
        assert world.changes == []

    run(scenario)


WRONG: list[tuple[Callable[[Client], object], str]] = [
    (lambda c: c.keyspaces.create(""), "keyspace has 0 bytes: must have 1 to 64"),
    (lambda c: c.keyspaces.create("x" * 65), "keyspace has 65 bytes: must have 1 to 64"),
    (lambda c: c.keyspaces.create("k", replicas=0), "replicas = 0: must be an int from 1 to 16"),
    (lambda c: c.keyspaces.create("k", replicas=True), "replicas = True: must be an int"),
    (lambda c: c.keyspaces.create("k", groups=4_097), "groups = 4097: .* from 1 to 4096"),
    (lambda c: c.keyspaces.create("k", redis_number=-1), "redis_number = -1: .* from 1 to 63"),
    (lambda c: c.keyspaces.alter("k", redis_number=64), "redis_number = 64: .* from 1 to 63"),
    (lambda c: c.keyspaces.create("k", mode="paxos"), "mode = 'paxos': must be one of leaderless"),
    (lambda c: c.keyspaces.create("k", default_level="most"), "level = 'most': must be one of"),
    (lambda c: c.keyspaces.create("k", default_ttl=timedelta(-1)), "ttl"),
    (lambda c: c.keyspaces.drop("k", if_epoch=0), "if_epoch = 0: must be an int from 1"),
]


@pytest.mark.parametrize(("call", "words"), WRONG)
def test_what_can_never_be_made_is_refused_before_anything_is_sent(
    call: Callable[[Client], object], words: str
) -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(UsageError, match=words):
        call(client)


def test_the_synchronous_client_does_the_same(world: World) -> None:
    with Client(world.endpoints) as client:
        assert client.keyspaces.create("k", groups=4).epoch == 2
        assert client.keyspaces.alter("k", redis_number=5).epoch == 3
        assert client.keyspaces.drop("k").epoch == 4
        assert [k.name for k in client.keyspaces.list().keyspaces] == ["default", "k"]
    assert [type(request).__name__ for request in requests(world)] == [
        "CreateKeyspaceRequest",
        "AlterKeyspaceRequest",
        "DropKeyspaceRequest",
    ]


def test_calls_at_the_same_time_are_changes_of_their_own() -> None:
    async def scenario(world: World) -> None:
        async with AsyncClient(world.endpoints) as client:
            made = await asyncio.gather(*(client.keyspaces.create(f"k{i}") for i in range(5)))
        assert sorted(change.epoch for change in made) == [2, 3, 4, 5, 6]

    run(scenario)
