"""What the commands of a demo do.

Commands that change something run one at a time, whoever gave them; looking, reading and writing
does not wait for them.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from dynakv.admin import raft
from dynakv.admin import ring as rings
from dynakv.client import texts
from dynakv.client.connection import Connection, Reach, UnreachableError
from dynakv.core.layout import group_shift, token_of
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError, UsageError
from dynakv.server import demo_status
from dynakv.server.demo_commands import (
    HELP,
    Command,
    Get,
    Heal,
    Help,
    Kill,
    Leaders,
    Partition,
    Pause,
    Put,
    Quit,
    Restart,
    Resume,
    Ring,
    Slow,
    Status,
    parsed,
)
from dynakv.server.demo_links import Links
from dynakv.server.demo_nodes import Child, State
from dynakv.server.demo_status import Views

SERVES_MS: Final = 15_000  # for a node that was restarted; a loaded machine may be slow
NOTICED_MS: Final = 1_000  # for the others to see a broken connection
SETTLES_MS: Final = 3_000  # for nodes to see each other; nobody waits longer for a nicer picture
LOOK_MS: Final = 50
CALL_MS: Final = 3_000  # of one put or get: beyond the node's own attempt of 2 s
VALUE_CHARACTERS_MAX: Final = 2_000  # of a value shown


class Reply(Struct, frozen=True):
    """What became of a line: a text to show, and whether the prompt is to be left."""

    text: str
    ok: bool = True
    leaves: bool = False


class Control:
    """The commands of one demo. Use it in the event loop of its children."""

    def __init__(self, children: Sequence[Child], links: Links | None) -> None:
        """Begin with children that are started or about to be."""
        self.children = {child.node.node_id: child for child in children}
        self._links = links
        self._changing = asyncio.Lock()

    async def run(self, line: str) -> Reply:
        """Do what a line says; whatever goes wrong is a text, never an exception."""
        try:
            command = parsed(line, list(self.children))
            if command is None:
                return Reply("")
            if isinstance(command, Quit):
                return Reply("", leaves=True)
            return Reply(await self._done(command))
        except DynaKVError as error:
            return Reply(_complaint(error), ok=False)
        except Exception as error:  # noqa: BLE001 - the border: the user gets one line
            return Reply(f"internal error: {type(error).__name__}: {error}", ok=False)

    async def settled(self, within_ms: int = SETTLES_MS) -> Views:
        """Return what the running nodes see, once they see each other or `within_ms` is over.

        Links that are cut are not waited for.
        """
        return await self._until(self._see_each_other, within_ms)

    async def _until(self, fits: Callable[[Views], bool], within_ms: int) -> Views:
        """Return the first views that fit, or the last ones after `within_ms`."""
        end = time.monotonic() + within_ms / 1000
        while True:
            views = await demo_status.views_of(self.children.values())
            if fits(views) or time.monotonic() > end:
                return views
            await asyncio.sleep(LOOK_MS / 1000)

    async def _done(self, command: Command) -> str:
        match command:
            case Help() | Quit():
                return HELP
            case Status() | Ring() | Leaders():
                return await self._shown(command)
            case Put():
                return await self._put(command)
            case Get():
                return await self._get(command)
            case _:
                async with self._changing:
                    return await self._changed(command)

    async def _shown(self, command: Status | Ring | Leaders) -> str:
        match command:
            case Status():
                views = await demo_status.views_of(self.children.values())
                return demo_status.as_text(list(self.children.values()), views, self._links)
            case Ring():
                view = structs.replace(await self._any_view(), groups=None)
                return rings.as_table(view, color=False)
            case Leaders():
                return await self._leaders()

    async def _changed(self, command: Command) -> str:
        match command:
            case Kill():
                return await self._each(command.nodes, self._kill)
            case Restart():
                return await self._each(command.nodes, self._restart)
            case Pause():
                return await self._each(command.nodes, self._pause)
            case Resume():
                return await self._each(command.nodes, self._resume)
            case _:
                return await self._relinked(command)

    async def _relinked(self, command: Command) -> str:
        match command:
            case Partition():
                return self._partition(command)
            case Slow():
                return self._slow(command)
            case Heal():
                return await self._heal()
            case _:
                raise AssertionError(command)

    # --- processes ---------------------------------------------------------------------------

    async def _each(
        self, nodes: Sequence[str], change: Callable[[Child], Coroutine[Any, Any, str]]
    ) -> str:
        """Return a line a node; one that refuses does not keep the others from their turn."""
        lines = []
        for node in nodes:
            try:
                lines.append(await change(self.children[node]))
            except UsageError as error:
                lines.append(str(error))
        return "\n".join(lines)

    async def _kill(self, child: Child) -> str:
        name = child.node.node_id
        _refuse_unless(child, State.RUNNING, State.PAUSED)
        pid = child.pid
        await child.kill()
        await self._until(lambda views: not _sees(views, name), NOTICED_MS)
        return f"{name} (pid {pid}) is killed; 'restart {name}' brings it back with its data"

    async def _restart(self, child: Child) -> str:
        name = child.node.node_id
        if child.state in (State.RUNNING, State.PAUSED):
            await child.stop()
        began = time.monotonic()
        await child.start()
        while await demo_status.view_of(child.node.client) is None:
            if child.state is not State.RUNNING:
                raise UsageError(f"{name} ended while it started; see its log")
            if time.monotonic() - began > SERVES_MS / 1000:
                raise UsageError(f"{name} did not begin to serve in {SERVES_MS} ms; see its log")
            await asyncio.sleep(LOOK_MS / 1000)
        took_ms = (time.monotonic() - began) * 1000
        await self.settled()
        return f"{name} (pid {child.pid}) serves again after {took_ms:.0f} ms"

    async def _pause(self, child: Child) -> str:
        name = child.node.node_id
        _refuse_unless(child, State.RUNNING)
        child.pause()
        return f"{name} is paused: it holds its connections and says nothing ('resume {name}')"

    async def _resume(self, child: Child) -> str:
        _refuse_unless(child, State.PAUSED)
        child.resume()
        await self.settled()
        return f"{child.node.node_id} goes on"

    # --- links -------------------------------------------------------------------------------

    def _partition(self, command: Partition) -> str:
        links = self._the_links()
        sides = command.sides
        for i, side in enumerate(sides):
            for other in sides[i + 1 :]:
                links.cut(side, other)
                if not command.one_way:
                    links.cut(other, side)
        if command.one_way:
            return (
                f"what {_list(sides[0])} sends to {_list(sides[1])} is lost; the nodes notice "
                "within seconds ('status'), 'heal' undoes it"
            )
        shown = " | ".join(_list(side) for side in sides)
        return (
            f"cut: {shown}; nothing passes. The nodes notice within seconds ('status'), "
            "'heal' undoes it"
        )

    def _slow(self, command: Slow) -> str:
        self._the_links().slow(command.node, command.delay_ms)
        if not command.delay_ms:
            return f"{command.node} is no longer slow"
        return (
            f"each message from and to {command.node} takes {command.delay_ms} ms longer, "
            f"a round trip {2 * command.delay_ms} ms; 'slow {command.node} 0' undoes it"
        )

    async def _heal(self) -> str:
        self._the_links().heal()
        views = await self.settled(2 * SETTLES_MS)
        text = "all links are open and fast again"
        if self._see_each_other(views):
            return f"{text}, and the running nodes see each other"
        return f"{text}; not all nodes see each other yet ('status')"

    def _the_links(self) -> Links:
        if self._links is None:
            raise UsageError(
                "this demo has no links to cut or slow: it runs without a prompt or with "
                "--no-links; start it with --links"
            )
        return self._links

    def _see_each_other(self, views: Views) -> bool:
        """Say whether every running node sees all others that it can reach."""
        for name, view in views.items():
            if view is None:
                return False
            up = demo_status.seen_up(view)
            for other in views:
                if other != name and other not in up and not self._is_cut(name, other):
                    return False
        return True

    def _is_cut(self, a: str, b: str) -> bool:
        links = self._links
        return links is not None and (links.is_cut(a, b) or links.is_cut(b, a))

    # --- keys --------------------------------------------------------------------------------

    async def _put(self, command: Put) -> str:
        async with self._connection(command.via) as connection:
            version = await connection.put(command.key, command.value, Reach(timeout_ms=CALL_MS))
            through = self._name_of(connection)
        view = await demo_status.view_of(connection.endpoint)
        replicas = "" if view is None else f", replicas {_list(replicas_of(view, command.key))}"
        stamp = texts.stamp(version.time, version.writer)
        return f"OK through {through}{replicas}\n  stamp {stamp}"

    async def _get(self, command: Get) -> str:
        async with self._connection(command.via) as connection:
            found = await connection.get(command.key, Reach(timeout_ms=CALL_MS))
            through = self._name_of(connection)
        shown = "(no value)"
        if found.value is not None:
            shown = found.value.decode(errors="backslashreplace")
            if len(shown) > VALUE_CHARACTERS_MAX:
                rest = len(shown) - VALUE_CHARACTERS_MAX
                shown = f"{shown[:VALUE_CHARACTERS_MAX]}... ({rest} characters more)"
        if found.version is None:
            return f"{shown}\n  never written, through {through}"
        stamp = texts.stamp(found.version.time, found.version.writer)
        return f"{shown}\n  stamp {stamp}, through {through}"

    def _connection(self, via: str | None) -> Connection:
        """Return a connection to the node named, else to the first that runs and is reachable."""
        if via is not None:
            child = self.children[via]
            _refuse_unless(child, State.RUNNING)
            return Connection([child.node.client], demo_status.CONNECT_MS)
        running = [c.node.client for c in self.children.values() if c.state is State.RUNNING]
        if not running:
            raise UnreachableError("no node runs")
        return Connection(running, demo_status.CONNECT_MS)

    def _name_of(self, connection: Connection) -> str:
        at = connection.endpoint
        return next(c.node.node_id for c in self.children.values() if c.node.client == at)

    async def _leaders(self) -> str:
        clients = {name: child.node.client for name, child in self.children.items()}
        told = await raft.told_by(clients, "")
        if all(isinstance(said, str) for said in told.values()):
            raise UnreachableError("no node answers")
        return raft.as_table(raft.views(told), told)

    async def _any_view(self) -> rings.Ring:
        for child in self.children.values():
            if child.state is State.RUNNING:
                view = await demo_status.view_of(child.node.client)
                if view is not None:
                    return view
        raise UnreachableError("no node answers")


def replicas_of(view: rings.Ring, key: bytes) -> list[str]:
    """Return the nodes that hold a key; the demo's keyspace has no hash tags."""
    assert view.groups is not None
    group = token_of(key, hash_tags=False) >> group_shift(view.group_count)
    return view.groups[group].replicas


def _sees(views: Views, node: str) -> bool:
    return any(view is not None and node in demo_status.seen_up(view) for view in views.values())


def _complaint(error: DynaKVError) -> str:
    """Return what a person is told of an error: what may have happened stands first."""
    match error:
        case UnreachableError():
            return "no running node can be reached ('status' shows them)"
        case RefusedError():
            return f"refused: {error}"
        case UnknownOutcomeError():
            return f"unknown outcome: {error}"
        case _:
            return str(error)


def _refuse_unless(child: Child, *states: State) -> None:
    if child.state not in states:
        allowed = " or ".join(state.value for state in states)
        raise UsageError(f"{child.node.node_id} is {child.state.value}, not {allowed}")


def _list(nodes: Sequence[str]) -> str:
    return ", ".join(nodes)
