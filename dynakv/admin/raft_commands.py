"""The command line of `dynakv-admin raft`; what its commands do is in `raft.py`."""

from typing import Annotated

import typer

from dynakv.admin.options import Endpoints, Output, OutputOption

app = typer.Typer(
    help="Look at the Raft groups of keyspaces in Raft mode, and say who leads them.",
    no_args_is_help=True,
)

AnyKeyspace = Annotated[
    str, typer.Option("--keyspace", "-k", metavar="NAME", help="[default: all in Raft mode]")
]


@app.command()
def status(
    *, keyspace: AnyKeyspace = "", output: OutputOption = Output.TABLE, endpoints: Endpoints = None
) -> None:
    """Show each Raft group: who leads it, how far it is, and how far its followers lag.

    COMMIT and APPLIED are those of the leader; LAG is in log entries; LOG is what the leader keeps
    of the log. Exit codes: 0 every group has a leader and all its members; 2 some has not; 4 no
    node answered.
    """
    import asyncio

    from dynakv.admin import raft
    from dynakv.client.endpoints import endpoints as chosen

    as_data = output is Output.JSON
    raise typer.Exit(asyncio.run(raft.show(chosen(endpoints), keyspace, as_data=as_data)))


@app.command("transfer-leader")
def transfer_leader(
    *,
    keyspace: Annotated[str, typer.Option("--keyspace", "-k", metavar="NAME")],
    group: Annotated[int, typer.Option("--group", "-g", metavar="N", min=0)],
    to: Annotated[str, typer.Option("--to", metavar="NODE", help="That shall lead it.")],
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME")] = "5s",
    endpoints: Endpoints = None,
) -> None:
    """Let a node lead a Raft group, until it is lost or `raft rebalance` says otherwise.

    The leader must be up, and the node up to date. Exit codes: 0 it leads; 1 it does not.
    """
    import asyncio

    from dynakv import limits
    from dynakv.admin import raft
    from dynakv.client import texts
    from dynakv.client.endpoints import endpoints as chosen

    within_ms = texts.duration_ms(timeout, "--timeout", limits.DEADLINE_MS_MAX)
    moving = raft.transfer(chosen(endpoints), raft.Wish(keyspace, group, to), within_ms)
    raise typer.Exit(asyncio.run(moving))


@app.command()
def rebalance(*, keyspace: AnyKeyspace = "", endpoints: Endpoints = None) -> None:
    """Spread the leaders evenly over the nodes again, now.

    They do so by themselves every few seconds, but for groups that were transferred by hand. Exit
    codes: 0 every node was told; 1 some was not.
    """
    import asyncio

    from dynakv.admin import raft
    from dynakv.client.endpoints import endpoints as chosen

    raise typer.Exit(asyncio.run(raft.rebalance(chosen(endpoints), keyspace)))
