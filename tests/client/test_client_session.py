"""How a client keeps up with its cluster: layout, time, nodes that come back."""

import asyncio
from random import Random

import pytest

from dynakv.client.channels import Channels
from dynakv.client.core import Core
from dynakv.client.operation import Kind, Op, Terms
from dynakv.client.retry import Cause, Trouble
from dynakv.client.session import mono_ms
from dynakv.client.settings import Settings
from dynakv.errors import RefusedError
from dynakv.v1 import kvstore_pb2 as pb
from tests.client.fakes import CODES, World, aborts, favourite, is_silent, run, waits_for

TERMS = Terms("default", 0)


async def core_of(world: World, *, refresh_ms: int = 10_000, probe_ms: int = 10_000) -> Core:
    chosen = Settings(
        tuple(world.endpoints), "default", 0, refresh_ms=refresh_ms, probe_ms=probe_ms
    )
    core = Core(chosen, Random(1))
    core.attach()
    await core.session.opened(mono_ms() + 5_000)
    return core


def submit(core: Core, kind: Kind = Kind.GET, key: bytes = b"k") -> "asyncio.Future[object]":
    done = core.attach().create_future()
    core.submit(Op(kind, key, TERMS, done, mono_ms() + 5_000, 2_000))
    return done


def test_a_node_that_came_back_is_used_again() -> None:
    async def scenario(world: World) -> None:
        core = await core_of(world, probe_ms=1)
        node = await favourite(core, world)
        await submit(core)
        await node.stop()
        while core.session.router.down != (node.endpoint,):
            await submit(core)
        await node.start()
        asked = len(node.requests)
        while len(node.requests) == asked:
            await submit(core)
        await core.close()

    run(scenario)


def test_a_newer_epoch_brings_the_new_layout() -> None:
    async def scenario(world: World) -> None:
        world.placement = [[0]]
        core = await core_of(world, refresh_ms=1)
        while not world.nodes[0].requests:  # once it is known who answers where
            await submit(core)
        world.placement, world.epoch = [[2]], 2
        while not world.nodes[2].requests:
            await submit(core)
        await core.close()

    run(scenario)


def test_a_cluster_whose_clock_moved_is_asked_for_the_time() -> None:
    async def scenario(world: World) -> None:
        core = await core_of(world, probe_ms=1)
        world.ahead_ms = 3_600_000
        while True:
            written = await submit(core, Kind.PUT)
            if abs(written.stamp.wall_ms - world.wall_ms()) < 500:  # type: ignore[attr-defined]
                break
        await core.close()

    run(scenario)


def test_unfinished_calls_are_bounded_and_leave_their_places() -> None:
    async def scenario(world: World) -> None:
        core = await core_of(world)
        done = asyncio.Event()
        world.script(waits_for(done))
        first = submit(core)
        await world.until(lambda: world.requests)
        core.unfinished_max = 1
        with pytest.raises(RefusedError, match="has 1 unfinished requests, the most it holds"):
            submit(core)
        done.set()
        await first
        await submit(core)
        await core.close()

    run(scenario)


def test_failures_success_and_cancelling_all_give_their_places_back() -> None:
    async def scenario(world: World) -> None:
        core = await core_of(world)
        world.script(aborts(CODES.UNAVAILABLE, None), aborts(CODES.INVALID_ARGUMENT, "never"))
        failing = submit(core, Kind.PUT)
        await asyncio.wait([failing])
        assert failing.exception() is not None
        gone = submit(core)
        gone.cancel()
        await submit(core)
        assert core.unfinished == 0
        await core.close()

    run(scenario)


def test_a_node_that_keeps_silent_beyond_its_own_deadline_is_given_up() -> None:
    async def scenario(world: World) -> None:
        channels = Channels(nodes_attempt_ms=20, grace_ms=10)
        world.script(is_silent())
        reply = await channels.pipeline(world.endpoints[0], pb.PipelineRequest(), 20)
        assert reply == Trouble(Cause.LOST, f"{world.endpoints[0]}: no answer within 30 ms")
        await channels.close()

    run(scenario)


def test_a_node_that_cannot_be_reached_was_sent_nothing() -> None:
    async def scenario() -> None:
        channels = Channels()
        reply = await channels.pipeline("127.0.0.1:1", pb.PipelineRequest(), 2_000)
        assert reply == Trouble(Cause.UNREACHED, "127.0.0.1:1: cannot be connected to")
        await channels.close()

    asyncio.run(scenario())
