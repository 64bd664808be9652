"""The `dynakv-admin` command: look at a running cluster.

Exit codes: 0 done, 1 the command failed (no endpoint answered), 64 usage.
"""

import os
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dynakv.client import terminal

if TYPE_CHECKING:
    from dynakv.v1.ring_pb2 import GetRingStateResponse

app = terminal.application("dynakv-admin", "Look at a running DynaKV cluster.")


class Output(Enum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"


@app.command()
def ring(
    *,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    groups: Annotated[
        bool, typer.Option("--groups", help="Also list each shard group's replicas.")
    ] = False,
    vnodes: Annotated[bool, typer.Option("--vnodes", help="Also list each vnode's token.")] = False,
    keyspace: Annotated[str, typer.Option("--keyspace", "-k", metavar="NAME")] = "default",
    endpoints: Annotated[
        str | None,
        typer.Option(
            "--endpoints",
            "-e",
            metavar="HOST:PORT,...",
            help="Nodes to ask, in this order. [default: $DYNAKV_ENDPOINTS, else 127.0.0.1:50051]",
        ),
    ] = None,
) -> None:
    """Show which node holds how much of a keyspace, as one node sees it."""
    import asyncio

    from dynakv.admin import ring as rings
    from dynakv.client.endpoints import endpoints as chosen

    state = asyncio.run(_ring_state(chosen(endpoints)))
    shown = rings.view(state, keyspace, groups=groups, vnodes=vnodes)
    if output is Output.JSON:
        print(rings.as_json(shown))
    else:
        print(rings.as_table(shown, color=_colorful()))


def main() -> NoReturn:
    """Run the `dynakv-admin` command."""
    terminal.run("dynakv-admin", app)


async def _ring_state(endpoints: list[str]) -> "GetRingStateResponse":
    from dynakv.client.connection import Connection

    async with Connection(endpoints) as connection:
        return await connection.ring_state()


def _colorful() -> bool:
    """Say whether stdout is a terminal whose user wants color; see no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
