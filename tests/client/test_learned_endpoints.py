"""One endpoint is given; the layout names the others."""

import asyncio
import socket
from collections.abc import Callable
from random import Random

from dynakv.client.channels import Channels
from dynakv.client.core import Core
from dynakv.client.operation import Kind, Op, Terms
from dynakv.client.routing import Router
from dynakv.client.session import mono_ms
from dynakv.client.settings import Settings
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.client.fakes import World, run, waits_for

TERMS = Terms("default", 0)
NOBODY = "127.0.0.1:1"
A, B, C = "127.0.0.1:11", "127.0.0.1:12", "127.0.0.1:13"


async def core_of(world: World, *, learns: bool = True, probe_ms: int = 10_000) -> Core:
    """Return the core of a client that was given the first node alone."""
    chosen = Settings(
        (world.nodes[0].endpoint,), "default", 0, probe_ms=probe_ms, learn_endpoints=learns
    )
    core = Core(chosen, Random(1))
    core.attach()
    await core.session.opened(mono_ms() + 5_000)
    return core


def tell(world: World) -> None:
    world.addresses = {node.node_id: node.endpoint for node in world.nodes}


def submit(core: Core, key: bytes = b"k", kind: Kind = Kind.PUT) -> "asyncio.Future[object]":
    done = core.attach().create_future()
    core.submit(Op(kind, key, TERMS, done, mono_ms() + 5_000, 2_000))
    return done


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - no event says so
        await asyncio.sleep(0)


def test_calls_go_on_through_learned_endpoints_when_the_given_node_dies() -> None:
    async def scenario(world: World) -> None:
        tell(world)
        core = await core_of(world)
        await until(lambda: len(core.session.router.endpoints) == 3)
        await world.nodes[0].stop()
        for i in range(20):
            await submit(core, b"%d" % i)
        assert world.nodes[1].requests or world.nodes[2].requests
        await core.close()

    run(scenario)


def test_calls_go_to_a_replica_at_a_learned_endpoint() -> None:
    async def scenario(world: World) -> None:
        tell(world)
        world.placement = [[2]]
        core = await core_of(world)
        await until(lambda: len(core.session.router.endpoints) == 3)
        await submit(core)
        assert [len(node.requests) for node in world.nodes] == [0, 0, 1]
        await core.close()

    run(scenario)


def test_learning_can_be_switched_off() -> None:
    async def scenario(world: World) -> None:
        tell(world)
        world.placement = [[2]]
        core = await core_of(world, learns=False)
        await submit(core)
        assert core.session.router.endpoints == (world.nodes[0].endpoint,)
        assert not core.session.router.absent
        assert [node.handshakes for node in world.nodes[1:]] == [0, 0]
        await core.close()

    run(scenario)


def test_learned_addresses_that_refuse_or_are_silent_are_never_chosen() -> None:
    async def scenario(world: World) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            world.addresses = {"n2": NOBODY, "n3": f"127.0.0.1:{silent.getsockname()[1]}"}
            world.placement = [[1, 2]]
            core = await core_of(world)
            given = (world.nodes[0].endpoint,)
            for i in range(50):
                await submit(core, b"%d" % i)
                assert core.session.router.endpoints == given
            assert len(world.nodes[0].requests) == 50  # each at its first attempt
            await core.close()

    run(scenario)


def test_a_learned_address_of_another_cluster_or_node_is_not_used() -> None:
    async def scenario(world: World) -> None:
        world.nodes[1].cluster_id = 8
        world.addresses = {"n2": world.nodes[1].endpoint, "n9": world.nodes[2].endpoint}
        world.members.append(type(world.nodes[2])(world, "n9"))
        core = await core_of(world)
        await until(lambda: world.nodes[1].handshakes and world.nodes[2].handshakes)
        exploring = core.session._exploring
        assert exploring is not None
        await exploring
        await submit(core)
        assert core.session.router.endpoints == (world.nodes[0].endpoint,)
        await core.close()

    run(scenario)


def test_a_learned_node_that_came_back_takes_part_again() -> None:
    async def scenario(world: World) -> None:
        tell(world)
        world.placement = [[2]]
        core = await core_of(world, probe_ms=1)
        router, node = core.session.router, world.nodes[2]
        await until(lambda: len(router.endpoints) == 3)
        await node.stop()
        await submit(core)
        await until(lambda: router.lost == (node.endpoint,))
        await submit(core)
        await node.start()
        await until(lambda: len(router.endpoints) == 3)
        await submit(core)
        assert node.requests
        await core.close()

    run(scenario)


def test_calls_under_way_end_well_on_a_channel_that_is_given_up() -> None:
    async def scenario(world: World) -> None:
        channels, node, let = Channels(), world.nodes[0], asyncio.Event()
        world.script(waits_for(let))
        call = asyncio.create_task(channels.pipeline(node.endpoint, pb.PipelineRequest(), 5_000))
        await world.until(lambda: node.requests)
        leaving = asyncio.create_task(channels.forget(node.endpoint))
        await asyncio.sleep(0)
        let.set()
        assert isinstance(await call, pb.PipelineResponse)
        await leaving
        await channels.close()

    run(scenario)


def ring(epoch: int = 1, **addresses: str) -> ring_pb2.GetRingStateResponse:
    members = [ring_pb2.Member(node_id=n, client_address=a) for n, a in addresses.items()]
    return ring_pb2.GetRingStateResponse(epoch=epoch, members=members)


def router() -> Router:
    made = Router([A], Random(1))
    made.identify(A, "na")
    made.learn(ring(na=A, nb=B))
    made.identify(B, "nb")
    return made


def test_an_endpoint_is_dropped_when_the_layout_no_longer_names_it() -> None:
    made = router()
    assert made.endpoints == (A, B)
    made.learn(ring(2, na=A, nc=C))
    assert (made.endpoints, made.absent, made.take_dropped()) == ((A,), (C,), [B])
    assert made.take_dropped() == []
    assert not made.admits(B, "nb")


def test_a_node_that_has_not_heard_of_another_does_not_take_its_address_away() -> None:
    made = router()
    made.learn(ring(na=A, nb=""))
    assert made.endpoints == (A, B)


def test_a_given_endpoint_is_never_dropped() -> None:
    made = router()
    made.learn(ring(2, nb=B))
    assert made.endpoints == (A, B)


def test_a_node_behind_a_given_endpoint_is_not_learned_under_a_second_name() -> None:
    made = router()
    made.learn(ring(na=C, nb=B))
    assert made.absent == ()


def test_a_learned_endpoint_that_failed_leaves_until_it_answers() -> None:
    made = router()
    made.failed(B)
    assert (made.endpoints, made.lost, made.down) == ((A,), (B,), ())
    assert made.choose("default", b"k", (A,), 0) == A
    made.identify(B, "nb")
    assert (made.endpoints, made.lost) == ((A, B), ())


def test_what_is_no_address_is_not_learned_and_their_number_is_bounded() -> None:
    made = Router([A], Random(1))
    made.learn(ring(n1="unix:/tmp/s", n2="host", n3="host:0", n4="b:1"))
    assert made.absent == ("b:1",)
    made.learn(ring(2, **{f"n{i}": f"h{i}:1" for i in range(1_000)}))
    assert len(made.absent) == 256
