"""What a client knows of its cluster, and how it keeps that fresh.

The first handshake that any endpoint answers opens the session: from then on the time and the
layout are known. The others are heard as they come. In the background nodes that failed are asked
whether they are back, and from time to time all are asked for the time and the epoch; a newer epoch
makes the client fetch the layout. The layout names the addresses of all nodes; those that nobody
gave are asked in a task of their own, so that neither calls nor given endpoints wait for them.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, Final

from dynakv.client import retry, settings
from dynakv.client.channels import Channels
from dynakv.client.clock import ClientClock
from dynakv.client.retry import Cause, Trouble
from dynakv.client.routing import Router
from dynakv.client.settings import Settings
from dynakv.errors import DynaKVError, RefusedError, UsageError

# A clock that goes on while the machine is suspended: a stamp of the time before would be too old.
_CLOCK_ID: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
REFRESHED_MAX: Final = 5  # nodes asked at a time: their median is good enough


def mono_ms() -> int:
    """Return this machine's monotonic clock in ms."""
    return time.clock_gettime_ns(_CLOCK_ID) // 1_000_000


class Session:
    """The cluster as one client sees it: endpoints, layout, time. For one event loop."""

    def __init__(self, chosen: Settings, random: Random) -> None:
        """Know only the endpoints; `random` draws the writer and spreads load."""
        self._settings = chosen
        self.channels = Channels()
        self.clock = ClientClock(random.getrandbits(64))
        self.router = Router(chosen.endpoints, random, learns=chosen.learn_endpoints)
        self.is_open = False  # a handshake was answered
        self._random = random
        self._cluster_id = 0
        self._mixed: UsageError | None = None
        self._opening: asyncio.Task[None] | None = None
        self._last_trouble = "none of them was asked yet"
        self._due = asyncio.Event()  # something is to be asked before REFRESH_MS have passed
        self._is_time_doubted = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._exploring: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._unknown: dict[str, None] = {}  # keyspaces that the layout did not have just now

    # --- opening and closing -----------------------------------------------------------------

    async def opened(self, deadline_ms: int) -> None:
        """Return once the session is open.

        Raises RefusedError when the deadline passes before, UsageError where endpoints belong to
        different clusters.
        """
        if not self.is_open:
            if self._opening is None:
                self._opening = self.spawn(self._open())
            left_s = max(deadline_ms - mono_ms(), 0) / 1000
            done, _ = await asyncio.wait({self._opening}, timeout=left_s)
            for opening in done:
                if opening.cancelled():
                    raise RefusedError("this client was closed; nothing was sent")
                opening.result()  # raises what went wrong in us
        if self._mixed is not None:
            raise self._mixed
        if not self.is_open:
            raise RefusedError(
                f"no endpoint answered in time; tried {', '.join(self.router.given)}; "
                f"the last said: {self._last_trouble}; nothing was sent"
            )

    def is_ready(self, keyspace: str) -> bool:
        """Say whether the session is open and the keyspace's mode is known."""
        return self.is_open and (self.router.knows(keyspace) or keyspace in self._unknown)

    async def ready(self, keyspace: str, deadline_ms: int) -> None:
        """Return once the session is open, having asked for a keyspace that is not known.

        It may be newer than the layout known, and a Raft keyspace takes no stamps. Raises as
        `opened`.
        """
        await self.opened(deadline_ms)
        if self.is_ready(keyspace):
            return
        if self._looking is None or self._looking.done():
            self._looking = self.spawn(self._look())
        left_s = max(deadline_ms - mono_ms(), 0) / 1000
        await asyncio.wait({self._looking}, timeout=left_s)
        if not self.router.knows(keyspace):
            # Not asked for again at once: a name that does not exist must not cost twice.
            self._unknown[keyspace] = None
            loop = asyncio.get_running_loop()
            loop.call_later(self._settings.probe_ms / 1000, self._unknown.pop, keyspace, None)

    async def _look(self) -> None:
        there = self.router.choose_any((), mono_ms())
        ring = await self.channels.ring(there, settings.CONNECT_MS)
        if not isinstance(ring, Trouble) and ring.cluster_id == self._cluster_id:
            self.learn(ring)

    async def close(self) -> None:
        """End what runs in the background and close the channels."""
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await self.channels.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background until it is done or the client closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _open(self) -> None:
        """Return once an endpoint has answered; the others go on being asked."""
        wait_ms = settings.BACKOFF_MS
        while True:
            asked = [self.spawn(self.greet(endpoint)) for endpoint in self.router.given]
            for one in asyncio.as_completed(asked):
                await one
                if self.is_open or self._mixed is not None:
                    self.spawn(self._stay_fresh())
                    return
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, settings.BACKOFF_MS_MAX)

    # --- handshakes --------------------------------------------------------------------------

    async def greet(self, endpoint: str) -> None:
        """Shake hands with a node and learn what it says; fetch its layout where that is newer."""
        sent_ms = mono_ms()
        reply = await self.channels.handshake(endpoint, settings.CONNECT_MS)
        if isinstance(reply, Trouble):
            self._last_trouble = reply.text
            self._gone(endpoint)
            return
        if not self._belongs(endpoint, reply.cluster_id, reply.node_id):
            self._gone(endpoint)
            return
        self.clock.learn(endpoint, reply.wall_ms, reply.hlc, sent_ms, mono_ms())
        self.router.identify(endpoint, reply.node_id)
        if reply.epoch > self.router.epoch:
            ring = await self.channels.ring(endpoint, settings.CONNECT_MS)
            if not isinstance(ring, Trouble):  # without a layout any node will do
                self.learn(ring)
        self.router.answered(endpoint)
        self._let_go()
        self.is_open = self._mixed is None

    def _belongs(self, endpoint: str, cluster_id: int, node_id: str) -> bool:
        """Say whether a node is one of ours. Two clusters behind one client are a mistake.

        But not where a learned address leads elsewhere from here, as those behind a tunnel may.
        """
        if endpoint not in self.router.given:
            return cluster_id == self._cluster_id and self.router.admits(endpoint, node_id)
        if not self._cluster_id:
            self._cluster_id = cluster_id
        if cluster_id == self._cluster_id:
            return True
        text = (
            f"endpoints: {endpoint} belongs to cluster {cluster_id:016x}, others to "
            f"{self._cluster_id:016x}; give the endpoints of one cluster"
        )
        self._last_trouble = text
        if not self.router.is_known(endpoint):  # not one whose address changed hands since
            self._mixed = UsageError(text)
            self.is_open = False
        return False

    # --- learned addresses -------------------------------------------------------------------

    def learn(self, ring: Any) -> None:
        """Take a layout in and ask at the addresses that it names."""
        self.router.learn(ring)
        self._let_go()
        self._explore(self.router.absent)

    def _let_go(self) -> None:
        for endpoint in self.router.take_dropped():
            self.clock.forget(endpoint)
            self.spawn(self.channels.forget(endpoint))

    def _explore(self, endpoints: Sequence[str], *, anew: bool = False) -> None:
        """Ask learned addresses in the background, one round at a time."""
        if not endpoints and not anew:
            return
        if self._exploring is None or self._exploring.done():
            self._exploring = self.spawn(self._explored(endpoints, anew=anew))

    async def _explored(self, endpoints: Sequence[str], *, anew: bool) -> None:
        if anew:  # nodes that were not heard from have no address; others may have moved
            there = self.router.choose_any((), mono_ms())
            ring = await self.channels.ring(there, settings.CONNECT_MS)
            if not isinstance(ring, Trouble) and ring.cluster_id == self._cluster_id:
                self.router.learn(ring)
                self._let_go()
            endpoints = self.router.absent
        await self._greet_all(endpoints)

    # --- staying fresh -----------------------------------------------------------------------

    def failed(self, endpoint: str) -> None:
        """Avoid an endpoint until it answers a handshake."""
        self._gone(endpoint)
        self.clock.forget(endpoint)
        self._due.set()

    def _gone(self, endpoint: str) -> None:
        self.router.failed(endpoint)
        if endpoint not in self.router.given:
            self.clock.forget(endpoint)

    def hear(self, hlc: int, now_ms: int) -> None:
        """Follow the clock of a reply; where it is too far off, ask for the time."""
        if not self.clock.hear(hlc, now_ms):
            self._is_time_doubted = True
            self._due.set()

    async def refresh(self) -> None:
        """Ask some nodes for the time and the epoch."""
        endpoints = self.router.endpoints
        some = self._random.sample(endpoints, min(len(endpoints), REFRESHED_MAX))
        await self._greet_all(some)

    async def _greet_all(self, endpoints: Sequence[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for endpoint in endpoints:
                group.create_task(self.greet(endpoint))

    async def _stay_fresh(self) -> None:
        asked_ms = refreshed_ms = mono_ms()
        while True:
            due_ms = refreshed_ms + self._settings.refresh_ms
            if self.router.down or self.router.lost or self._is_time_doubted:
                due_ms = min(due_ms, asked_ms + self._settings.probe_ms)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(due_ms - mono_ms(), 0) / 1000):
                    await self._due.wait()
            self._due.clear()
            asks_ms = mono_ms()
            if asks_ms < due_ms:
                continue  # woken because something is due earlier now
            asked_ms = asks_ms
            if self._is_time_doubted or asks_ms >= refreshed_ms + self._settings.refresh_ms:
                self._is_time_doubted = False
                refreshed_ms = asks_ms
                await self.refresh()
                self._explore((), anew=self.router.lacks_addresses)
            self._explore(self.router.absent if self.router.down else self.router.lost)
            await self._greet_all(self.router.down)

    # --- calls that concern no single key, or a range of them ---------------------------------

    async def ask(self, call: Any, deadline_ms: int, attempt_ms: int) -> Any:
        """Return the reply of `call(endpoint, attempt_ms)`, a read, at whichever node answers.

        Raises UsageError, and RefusedError when the deadline passes.
        """
        tried: tuple[str, ...] = ()
        await self.opened(deadline_ms)
        while True:
            now_ms = mono_ms()
            endpoint = self.router.choose_any(tried, now_ms)
            left_ms = max(retry.cut_ms(deadline_ms - now_ms, attempt_ms), 1)
            reply = await call(endpoint, left_ms)
            now_ms = mono_ms()
            if not isinstance(reply, Trouble):
                self.hear(reply.hlc, now_ms)
                return reply
            tried = (*tried, endpoint)
            error = _error_of(reply, len(tried))
            if isinstance(error, UsageError):
                raise error
            self.note(endpoint, reply, now_ms)
            fresh = self.router.has_fresh(tried, now_ms)
            wait_ms = self._random.randint(
                *retry.backoff_ms(len(tried), reply.cause, has_fresh=fresh)
            )
            if now_ms + wait_ms >= deadline_ms or self.channels.is_closed:
                raise error
            await asyncio.sleep(wait_ms / 1000)

    def note(self, endpoint: str, trouble: Trouble, now_ms: int) -> None:
        """Remember what a failure says about the node."""
        if trouble.cause.is_node_gone:
            self.failed(endpoint)
        elif trouble.cause in (Cause.REFUSED, Cause.BUSY):
            self.router.refused(endpoint, now_ms)


def _error_of(trouble: Trouble, attempts: int) -> DynaKVError:
    text = trouble.text if attempts == 1 else f"{trouble.text} (the last of {attempts} attempts)"
    if trouble.cause is Cause.USAGE:
        return UsageError(text)
    return RefusedError(text)
