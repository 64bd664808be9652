"""The `dynakv-admin` command: look at a running cluster.

Only the command line is here; what a command does is imported when it runs, so that `--help` and
completion answer at once. Exit codes: 0 healthy, or done; 1 the command failed; 2 degraded; 3
unavailable; 4 unknown, since no node answered; 64 usage.
"""

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand

from dynakv.admin import keyspace_commands, raft_commands, snapshot_commands
from dynakv.admin.options import Endpoints, Keyspace, Output, OutputOption
from dynakv.client import terminal
from dynakv.errors import UsageError

if TYPE_CHECKING:
    from dynakv.v1.ring_pb2 import GetRingStateResponse

EXIT_LOST: Final = 3  # some key would lose a quorum

app = terminal.application(
    "dynakv-admin",
    "Look at a running DynaKV cluster.\n\nExit codes: 0 healthy, or done; 1 failed; 2 degraded; "
    "3 unavailable; 4 unknown, no node answered; 64 usage.",
)

app.add_typer(snapshot_commands.app, name="snapshot")
app.add_typer(keyspace_commands.app, name="keyspace")
app.add_typer(raft_commands.app, name="raft")


NEW_NODE: Final = "NODE[:ZONE[:WEIGHT]]"


def _change(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text)


class RingOutput(Enum):
    """How a ring is written to stdout."""

    TABLE = "table"
    JSON = "json"
    SVG = "svg"


class Wanted(Enum):
    """What can be waited for."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"


class _OptionalInterval(TyperCommand):
    """A command whose `--watch` may stand alone, which typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--watch" in args:
            from dynakv.admin.status_command import with_interval

            args = with_interval(args)
        return super().parse_args(ctx, args)


@app.command(cls=_OptionalInterval)
def status(
    *,
    output: OutputOption = Output.TABLE,
    watch: Annotated[
        str | None,
        typer.Option("--watch", metavar="[SECONDS]", help="Look again and again, every 2 s."),
    ] = None,
    wait_for: Annotated[
        Wanted | None,
        typer.Option("--wait-for", help="Look until it is so or better, then end."),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="TIME", help="Of --wait-for. [default: 30s]"),
    ] = None,
    endpoints: Endpoints = None,
) -> None:
    """Ask every node, say in a sentence how the cluster is, and show what each node says.

    Takes less than two seconds whatever state the nodes are in. ROWS are those of the node's
    database: every key ever written there, so deleted and expired ones count. CLOCK is the node's
    clock against the others'. WAITING are keys of clients without an answer yet. The verdict counts
    replicas that are up, not whether they hold the same: ALL SINCE says when every replica of a
    keyspace was last compared with every other one, TO DROP how many deleted and expired records
    are old enough to go.
    """
    import asyncio
    import sys

    from dynakv.admin import status_command
    from dynakv.admin.status import State
    from dynakv.admin.tables import colorful
    from dynakv.client.endpoints import endpoints as chosen

    if timeout is not None and wait_for is None:
        raise UsageError("--timeout is for --wait-for")
    wanted = State(wait_for.value) if wait_for is not None else None
    plan = status_command.Plan(watch, wanted, timeout, json=output is Output.JSON)
    looking = status_command.run(
        chosen(endpoints), plan, color=colorful(), clear=sys.stdout.isatty()
    )
    raise typer.Exit(asyncio.run(looking))


@app.command()
def ring(
    *,
    output: Annotated[RingOutput, typer.Option("--output", "-o")] = RingOutput.TABLE,
    groups: Annotated[
        bool, typer.Option("--groups", help="Also list each shard group's replicas.")
    ] = False,
    vnodes: Annotated[bool, typer.Option("--vnodes", help="Also list each vnode's token.")] = False,
    keyspace: Keyspace = "default",
    endpoints: Endpoints = None,
) -> None:
    """Show which node holds how much of a keyspace, as the first endpoint that answers sees it."""
    import asyncio

    from dynakv.admin import ring as rings
    from dynakv.admin.tables import colorful
    from dynakv.client.endpoints import endpoints as chosen

    state = asyncio.run(_ring_state(chosen(endpoints)))
    drawn = output is RingOutput.SVG
    shown = rings.view(state, keyspace, groups=groups or drawn, vnodes=vnodes)
    if drawn:
        from dynakv.admin.ring_svg import as_svg

        print(as_svg(shown))
    elif output is RingOutput.JSON:
        print(rings.as_json(shown))
    else:
        print(rings.as_table(shown, color=colorful()))


@app.command()
def key(
    name: Annotated[str, typer.Argument(metavar="KEY", help="1 to 4,096 bytes.")],
    *,
    output: OutputOption = Output.TABLE,
    keyspace: Keyspace = "default",
    endpoints: Endpoints = None,
) -> None:
    """Show where a key lives and what each of its replicas holds itself.

    Exit codes: 0 all replicas agree; 2 they differ, or one did not answer; 4 none answered.
    """
    import asyncio

    from dynakv.admin import key as keys
    from dynakv.admin import survey
    from dynakv.admin.tables import colorful
    from dynakv.client import texts
    from dynakv.client.endpoints import endpoints as chosen

    raw = texts.key_bytes(name)
    asked = chosen(endpoints)

    async def look() -> keys.KeyView:
        where = keys.place(await survey.any_state(asked), keyspace, raw)
        return keys.view(raw, where, await survey.inspect(where.replicas, raw, keyspace))

    shown = asyncio.run(look())
    print(keys.as_json(shown) if output is Output.JSON else keys.as_table(shown, color=colorful()))
    raise typer.Exit(shown.exit_code)


@app.command("what-if")
def what_if(
    *,
    down: Annotated[
        str, typer.Option("--down", metavar="NODE,...", help="Nodes to think away.")
    ] = "",
    join: Annotated[list[str] | None, _change("--join", NEW_NODE, "A node that comes.")] = None,
    leave: Annotated[list[str] | None, _change("--leave", "NODE,...", "Nodes that go.")] = None,
    replace: Annotated[
        list[str] | None, _change("--replace", f"OLD={NEW_NODE}", "One for another.")
    ] = None,
    weight: Annotated[
        list[str] | None, _change("--set-weight", "NODE=WEIGHT", "A share that changes.")
    ] = None,
    zone: Annotated[
        list[str] | None, _change("--set-zone", "NODE=ZONE", "A node that stands elsewhere.")
    ] = None,
    output: OutputOption = Output.TABLE,
    endpoints: Endpoints = None,
) -> None:
    """Say which share of the keys would lose a quorum with nodes down, or what a change would move.

    Computed from the layout, whatever state the nodes are in now; nothing is changed. Changes may
    be given together and more than once. Exit codes: 0 every key keeps its quorums; 3 some would
    lose one.
    """
    import asyncio

    from dynakv.admin import outage, ring_change, survey
    from dynakv.admin import what_if as what_ifs
    from dynakv.client.endpoints import endpoints as chosen

    wanted = ring_change.Wanted(join or (), leave or (), replace or (), weight or (), zone or ())
    changing = wanted != ring_change.Wanted((), (), (), (), ())
    if bool(down) == changing:
        raise UsageError("name either nodes that are --down or a change such as --join n4")
    state = asyncio.run(survey.any_state(chosen(endpoints)))
    if changing:
        moved = ring_change.view(state, ring_change.changes_of(wanted, state))
        as_json = output is Output.JSON
        print(ring_change.as_json(moved) if as_json else ring_change.as_table(moved))
        return
    shown = what_ifs.view(state, outage.members_named(down, state))
    print(what_ifs.as_json(shown) if output is Output.JSON else what_ifs.as_table(shown))
    raise typer.Exit(EXIT_LOST if shown.loses_a_quorum else 0)


@app.command(cls=_OptionalInterval)
def tasks(
    *,
    output: OutputOption = Output.TABLE,
    watch: Annotated[
        str | None,
        typer.Option("--watch", metavar="[SECONDS]", help="Look again and again, every 2 s."),
    ] = None,
    endpoints: Endpoints = None,
) -> None:
    """Show what every node works on: anti-entropy, repairs, rebuilds, sweeps, recovery, hints.

    DONE counts shard groups, for deliveries of hints it counts hints; SHIPPED are bytes of keys and
    values in either direction.
    """
    import asyncio
    import sys

    from dynakv.admin import status_command
    from dynakv.admin import tasks as task_lists
    from dynakv.client.endpoints import endpoints as chosen

    interval_ms = 0 if watch is None else status_command.interval_ms(watch)
    looking = task_lists.show(
        chosen(endpoints),
        interval_ms,
        as_data=output is Output.JSON,
        clear=sys.stdout.isatty(),
    )
    raise typer.Exit(asyncio.run(looking))


@app.command()
def repair(
    *,
    keyspace: Annotated[
        str, typer.Option("--keyspace", "-k", metavar="NAME", help="[default: all]")
    ] = "",
    group: Annotated[
        int | None, typer.Option("--group", "-g", metavar="N", min=0, help="One shard group.")
    ] = None,
    node: Annotated[
        str, typer.Option("--node", metavar="NODE,...", help="Nodes to repair. [default: all]")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until all replicas are equal.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Of --wait. [default: 10m]")
    ] = None,
    pause: Annotated[
        bool, typer.Option("--pause", help="Let nodes compare nothing by themselves.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let them do so again.")] = False,
    endpoints: Endpoints = None,
) -> None:
    """Let nodes compare their replicas with those of their peers now, and ship what differs.

    They do so by themselves, every 10 minutes and after each return, unless they are paused: until
    --resume, or a restart of the node. Hints, recovery and the collection of deleted keys go on.
    Exit codes: 0 begun, or with --wait equal; 1 some node did not begin, or was not equal in time.
    """
    import asyncio

    from dynakv.admin import repair as repairs
    from dynakv.client import texts
    from dynakv.client.endpoints import endpoints as chosen

    if timeout is not None and not wait:
        raise UsageError("--timeout is for --wait")
    if group is not None and not keyspace:
        raise UsageError("--group is one of a keyspace: name it with --keyspace")
    nodes = tuple(name for name in node.split(",") if name)
    if pause or resume:
        if pause and resume:
            raise UsageError("--pause or --resume, not both")
        if wait or keyspace:
            raise UsageError("--pause and --resume go with --node only: they are for all of a node")
        raise typer.Exit(asyncio.run(repairs.pause(chosen(endpoints), nodes, paused=pause)))
    timeout_ms = repairs.WAIT_MS
    if timeout is not None:
        timeout_ms = texts.duration_ms(timeout, "--timeout", repairs.WAIT_MS_MAX)
    plan = repairs.Plan(keyspace, group, nodes, wait, timeout_ms)
    raise typer.Exit(asyncio.run(repairs.run(chosen(endpoints), plan)))


@app.command()
def recover(
    *,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Let it answer with what it holds.")
    ] = False,
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="That has forgotten.")],
    keyspace: Annotated[
        str, typer.Option("--keyspace", "-k", metavar="NAME", help="[default: all]")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone.")] = False,
    endpoints: Endpoints = None,
) -> None:
    """End the recovery of a node whose other replicas will not come back.

    A node that was restored, or was away for too long, recovers by itself; only where too few other
    replicas can ever answer does it need this. Says first what may be lost.
    """
    import asyncio

    from dynakv.admin import recover as recoveries
    from dynakv.client.endpoints import endpoints as chosen

    if not accept_loss:
        raise UsageError("a node recovers by itself; --accept-loss ends that with what it holds")
    raise typer.Exit(asyncio.run(recoveries.accept(chosen(endpoints), node, keyspace, yes=yes)))


def main() -> NoReturn:
    """Run the `dynakv-admin` command."""
    terminal.run("dynakv-admin", app)


async def _ring_state(endpoints: list[str]) -> "GetRingStateResponse":
    from dynakv.client.connection import Connection

    async with Connection(endpoints) as connection:
        return await connection.ring_state()
