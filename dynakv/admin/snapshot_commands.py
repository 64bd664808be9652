"""The command line of `dynakv-admin snapshot`; what its commands do is in `snapshots.py`."""

from typing import Annotated

import typer

from dynakv.admin.options import Endpoints, Output, OutputOption
from dynakv.client import terminal
from dynakv.errors import UsageError

app = typer.Typer(help="Make, list and remove snapshots of nodes.", no_args_is_help=True)

Nodes = Annotated[
    str, typer.Option("--node", metavar="NODE,...|all", help="[default: the one that answers]")
]


@app.command()
def create(
    *,
    node: Nodes = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="[default: the time]")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it is complete.")] = False,
    endpoints: Endpoints = None,
) -> None:
    """Copy a node's database while it serves; it stays on the node's machine.

    A snapshot restores that node and no other (see `dynakv restore`). Snapshots of several nodes
    are of different moments. Exit codes: 0 begun, or with --wait complete; 1 not.
    """
    import asyncio

    from dynakv.admin import snapshots
    from dynakv.client.endpoints import endpoints as chosen

    raise typer.Exit(asyncio.run(snapshots.create(chosen(endpoints), node, name, wait=wait)))


@app.command("list")
def list_(
    *,
    node: Annotated[str, typer.Option("--node", metavar="NODE,...", help="[default: all]")] = "all",
    output: OutputOption = Output.TABLE,
    endpoints: Endpoints = None,
) -> None:
    """Show the snapshots that lie on the nodes, and the one that each is making."""
    import asyncio

    from dynakv.admin import snapshots
    from dynakv.client.endpoints import endpoints as chosen

    as_data = output is Output.JSON
    raise typer.Exit(asyncio.run(snapshots.show(chosen(endpoints), node, as_data=as_data)))


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    node: Nodes = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it: it cannot be undone.")] = False,
    endpoints: Endpoints = None,
) -> None:
    """Remove a snapshot from a node's machine."""
    import asyncio

    from dynakv.admin import snapshots
    from dynakv.client.endpoints import endpoints as chosen

    if not yes:
        terminal.say(f"this removes snapshot {name} of {node or 'the node that answers'}")
        raise UsageError("nothing was removed: say --yes to do it")
    raise typer.Exit(asyncio.run(snapshots.delete(chosen(endpoints), node, name)))
