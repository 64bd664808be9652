"""The `dynakv` command: run a node, try a cluster, look at a configuration.

Only the command line is here; what a command does is imported when it runs, so that `--help` and
completion answer at once. Exit codes: 0 done, 1 could not start or failed, 64 usage (an unknown
flag, a wrong configuration), 70 the node stopped because its disk can no longer be trusted.
"""

# A parameter here is a flag; the configuration takes them all at once from the context.
# ruff: noqa: ARG001

from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dynakv.client import terminal

app = terminal.application("dynakv", "DynaKV: a leaderless, replicated key-value store.")
config_app = typer.Typer(help="Check or show a configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")


class Format(Enum):
    """How `config show` writes."""

    TOML = "toml"
    JSON = "json"


File = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML configuration file.")
]
NodeId = Annotated[
    str | None, typer.Option("--node-id", metavar="ID", help="This node's name in the cluster.")
]
DataDir = Annotated[
    str | None, typer.Option("--data-dir", metavar="DIR", help="Where this node keeps its data.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ID=HOST:PORT[,ZONE],...",
        help="All members with their peer addresses, alike on every node.",
    ),
]
ListenClient = Annotated[
    str | None, typer.Option("--listen-client", metavar="HOST:PORT", help="gRPC for clients.")
]
ListenPeer = Annotated[
    str | None,
    typer.Option(
        "--listen-peer",
        metavar="HOST:PORT",
        help="gRPC for peers. Default: this node's address in the member list.",
    ),
]
Zone = Annotated[str | None, typer.Option("--zone", metavar="NAME", help="Where this node stands.")]
Region = Annotated[str | None, typer.Option("--region", metavar="NAME")]
Weight = Annotated[
    int | None, typer.Option("--weight", metavar="N", help="Share of the ring; 0: no data.")
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Allow listening beyond loopback without authentication."),
]


@app.command()
def start(
    ctx: typer.Context,
    config: File = None,
    node_id: NodeId = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    listen_client: ListenClient = None,
    listen_peer: ListenPeer = None,
    zone: Zone = None,
    region: Region = None,
    weight: Weight = None,
    insecure: Insecure = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Run one node until SIGTERM or SIGINT.

    Without a member list the node is a cluster of its own. Every flag can also be given as an
    environment variable (DYNAKV__NODE__ID, DYNAKV__LISTEN__CLIENT, ...) or in the file.
    """
    from dynakv.server.config import load
    from dynakv.server.start import run_node

    loaded = load(config, _flags(ctx))
    raise typer.Exit(run_node(loaded.config, until_stdin_closes=until_stdin_closes))


@app.command()
def demo(
    nodes: Annotated[
        int | None, typer.Option("--nodes", "-n", metavar="N", help="How many. [default: 3]")
    ] = None,
    persist: Annotated[
        Path | None,
        typer.Option("--persist", metavar="DIR", help="Keep the data here for a next time."),
    ] = None,
    base_port: Annotated[
        int | None,
        typer.Option(
            "--base-port",
            metavar="P",
            help="Node i listens on P+i for clients and P+100+i for peers; 0 takes free ports. "
            "[default: 50050]",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Write, read, show the ring, stop, exit.")
    ] = False,
) -> None:
    """Run a whole cluster on this machine, one process a node, until Ctrl-C."""
    from dynakv.server.demo import run_demo

    raise typer.Exit(run_demo(nodes, persist, base_port, once=once))


@config_app.command("check")
def config_check(
    ctx: typer.Context,
    config: File = None,
    node_id: NodeId = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    listen_client: ListenClient = None,
    listen_peer: ListenPeer = None,
    zone: Zone = None,
    region: Region = None,
    weight: Weight = None,
    insecure: Insecure = False,
) -> None:
    """Say whether `dynakv start` would accept this configuration; exit 64 if not."""
    from dynakv.server.config import load

    members = load(config, _flags(ctx)).config.cluster.members
    terminal.say(f"configuration is right: {len(members)} member{'s'[: len(members) != 1]}")


@config_app.command("show")
def config_show(
    ctx: typer.Context,
    config: File = None,
    node_id: NodeId = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    listen_client: ListenClient = None,
    listen_peer: ListenPeer = None,
    zone: Zone = None,
    region: Region = None,
    weight: Weight = None,
    insecure: Insecure = False,
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.TOML,
) -> None:
    """Print the effective configuration, and where each value comes from."""
    import json

    from dynakv.server import config_report
    from dynakv.server.config import load

    loaded = load(config, _flags(ctx))
    tables = config_report.as_tables(loaded.config)
    if output is Format.TOML:
        print(config_report.as_toml(tables, loaded.origins))
    else:
        print(json.dumps({"config": tables, "origins": dict(loaded.origins)}, indent=2))


def _flags(ctx: typer.Context) -> dict[str, object]:
    """Return the flags of the configuration by dotted name; None where a flag was not given."""
    from dynakv.server.config import FLAGS

    given = {name: ctx.params[flag[2:].replace("-", "_")] for name, flag in FLAGS.items()}
    # A flag that was left out must not hide `insecure = true` of the file.
    given["insecure"] = given["insecure"] or None
    return given


def main() -> NoReturn:
    """Run the `dynakv` command."""
    terminal.run("dynakv", app)
