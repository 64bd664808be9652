"""One node, put together: store, node, driver, links and doors; and how it ends.

The first SIGTERM, SIGINT or SIGHUP drains: health says NOT_SERVING, and for REFUSING_MS clients are
refused in words. Then the Redis door and after it the gRPC door close, each with up to DRAIN_MS for
calls under way; peers are served until then. Last the hash trees are flushed and the WAL is moved
into the database. The second
signal ends the process at once, which loses nothing that was acknowledged. So does a disk that can
no longer be trusted, with exit code 70: nothing more is written.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any, Final, TypeVar

import structlog

from dynakv import __version__, limits
from dynakv.client.terminal import EXIT_SOFTWARE
from dynakv.core import layout as layouts
from dynakv.core.address import joined, parsed
from dynakv.errors import RefusedError, StorageError, UsageError
from dynakv.node.node import Config as NodeConfig
from dynakv.node.node import Node
from dynakv.resp import door as resp
from dynakv.rpc import servers
from dynakv.rpc.peers import Peers
from dynakv.server import notify
from dynakv.server.config import Config
from dynakv.server.driver import Driver, read_clocks
from dynakv.storage.snapshot import Snapshots
from dynakv.storage.store import Store

STDIN_BYTES: Final = 4_096

Door = TypeVar("Door", servers.Server, resp.Server)

log = structlog.get_logger()


async def serve(config: Config, *, until_stdin_closes: bool = False) -> int:
    """Run the node until a signal, or with `until_stdin_closes` until stdin ends; return 0.

    Raises StorageError where the data directory is refused and RefusedError where an address is
    taken.
    """
    stop = asyncio.Event()
    _on_stop(stop, until_stdin_closes=until_stdin_closes)
    layout = layouts.encode(config.layout())
    try:
        store = await Store.open(config.node.data_dir, config.node_id, layout)
    except StorageError as error:
        raise StorageError(f"node {config.node_id} cannot start: {error}") from None
    try:
        await _serve_with(store, config, stop)
    finally:
        await store.close()
    log.info("stopped", node_id=config.node_id)
    return 0


async def _serve_with(store: Store, config: Config, stop: asyncio.Event) -> None:
    """Open the doors, stay until `stop` is set, and drain."""
    random = Random(secrets.randbits(64))  # noqa: S311 - spreads load, hides nothing
    node = Node(store.remembered, _node_config(config), random, read_clocks())
    driver = Driver(node, store)
    snapshots = Snapshots(
        store,
        config.storage.snapshots_dir,
        wal_bytes_max=config.storage.snapshot_wal_bytes_max,
    )
    async with AsyncExitStack() as ending:
        ending.callback(_no_halt_from_here, driver)
        ending.push_async_callback(snapshots.stop)
        addresses = {
            str(m.node_id): config.peers.via.get(m.node_id, m.address)
            for m in driver.layout().members
            if m.node_id != config.node_id
        }
        peers = Peers(driver, addresses)
        ending.push_async_callback(peers.close)
        driver.start(peers)
        peer_door = await _opened(servers.serve_peers(driver, config.peer_address))
        ending.push_async_callback(peer_door.stop)
        ending.push_async_callback(driver.flush)
        client_door = await _opened(
            servers.serve_clients(driver, config.listen.client, snapshots=snapshots)
        )
        # Last in, first out: clients are drained while the node still reaches its peers.
        ending.push_async_callback(client_door.stop, limits.DRAIN_MS / 1000)
        if config.listen.redis is not None:
            redis_door = await _opened(_redis_door(driver, config, config.listen.redis))
            ending.push_async_callback(redis_door.stop, limits.DRAIN_MS / 1000)
        _say_ready(config, store, driver, client_door.port)
        notify.ready()
        await _stopped_or_halted(stop, driver)
        log.info("draining", node_id=config.node_id, unanswered_keys=driver.unanswered())
        notify.stopping()
        await client_door.set_serving(serving=False)
        # Who asks during this phase is told to go elsewhere; a closed door would only cut him off.
        driver.drain()
        await asyncio.sleep(limits.REFUSING_MS / 1000)


async def _stopped_or_halted(stop: asyncio.Event, driver: Driver) -> None:
    stopped = asyncio.create_task(stop.wait())
    ends: list[asyncio.Future[Any]] = [stopped, driver.halted]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    _exit_if_halted(driver)


def _no_halt_from_here(driver: Driver) -> None:
    """Whether it drained or was refused an address: that the last turns find the store closed is
    no failing disk."""
    _exit_if_halted(driver)
    driver.halted.cancel()


def _exit_if_halted(driver: Driver) -> None:
    if driver.halted.done():  # and logged
        sys.stderr.flush()
        # At once, past all cleaning up: storage threads may hang in the disk that failed.
        os._exit(EXIT_SOFTWARE)


def _redis_door(driver: Driver, config: Config, address: str) -> Awaitable[resp.Server]:
    return resp.serve(
        driver,
        address,
        value_bytes_max=config.limits.value_bytes_max,
    )


async def _opened(opening: Awaitable[Door]) -> Door:
    """Return the door, or say that its address is taken: not the request is wrong, the moment."""
    try:
        return await opening
    except UsageError as error:
        raise RefusedError(str(error)) from None


def _node_config(config: Config) -> NodeConfig:
    timing = config.timing
    return NodeConfig(
        node_id=config.node_id,
        client_address=_reachable(config),
        value_bytes_max=config.limits.value_bytes_max,
        cache_bytes_max=config.storage.cache_bytes_max,
        clock_bound_ms=timing.clock_bound_ms,
        attempt_ms=timing.attempt_ms,
        hedge_ms=timing.hedge_ms,
        heartbeat_ms=timing.heartbeat_ms,
        suspect_ms=timing.suspect_ms,
        horizon_ms=timing.horizon_ms,
        recover_after_ms=timing.recover_after_ms,
        hint_bytes_max=config.hints.bytes_max,
        hint_age_ms=config.hints.age_ms,
        hint_pause_ms=config.hints.pause_ms,
        cut_age_ms=config.collection.cut_age_ms,
        collect_every_ms=config.collection.every_ms,
        collect_pause_ms=config.collection.pause_ms,
        repair=config.repair.enabled,
        repair_interval_ms=config.repair.interval_ms,
        repair_pause_ms=config.repair.pause_ms,
        repair_sessions=config.repair.sessions,
        clean_after_ms=config.repair.clean_after_ms,
        scrub_every_ms=config.repair.scrub_every_ms,
    )


def _reachable(config: Config) -> str:
    """Return where clients reach this node: an address bound on every interface names none, so the
    host then is the one under which the peers know this node. Empty where the port is not fixed."""
    host, port = parsed(config.listen.client)
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = parsed(config.peer_address)[0]
    return joined(host, port) if port else ""


def _say_ready(config: Config, store: Store, driver: Driver, port: int) -> None:
    """Log the one line that tools wait for."""
    layout = driver.layout()
    log.info(
        "ready",
        node_id=config.node_id,
        client=joined(parsed(config.listen.client)[0], port),
        peer=config.peer_address,
        redis=config.listen.redis,
        data_dir=str(config.node.data_dir),
        incarnation=f"{store.remembered.incarnation:016x}",
        starts=store.remembered.starts,
        cluster_id=f"{layout.cluster_id:016x}",
        epoch=layout.epoch,
        members=len(layout.members),
        pid=os.getpid(),
        version=__version__,
    )


def _on_stop(stop: asyncio.Event, *, until_stdin_closes: bool) -> None:
    """Let signals, and with `until_stdin_closes` the end of stdin, set the event."""
    loop = asyncio.get_running_loop()

    def asked(number: int) -> Callable[[], None]:
        def on_signal() -> None:
            if stop.is_set():
                # Nothing acknowledged is only in memory: there is nothing to lose.
                os._exit(128 + number)
            stop.set()

        return on_signal

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked(number))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        loop.add_signal_handler(signal.SIGHUP, asked(signal.SIGHUP))
    if until_stdin_closes:
        stdin = sys.stdin.fileno()

        def on_input() -> None:
            if not os.read(stdin, STDIN_BYTES):
                loop.remove_reader(stdin)
                stop.set()

        loop.add_reader(stdin, on_input)
