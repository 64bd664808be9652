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
from dynakv.errors import UsageError

app = terminal.application("dynakv", "DynaKV: a leaderless, replicated key-value store.")
config_app = typer.Typer(help="Check or show a configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")
demo_app = typer.Typer()
app.add_typer(demo_app, name="demo")


class Format(Enum):
    """How `config show` writes."""

    TOML = "toml"
    JSON = "json"


class Keys(Enum):
    """Which keys a demo's load asks for."""

    UNIFORM = "uniform"
    ZIPF = "zipf"


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
ListenRedis = Annotated[
    str | None,
    typer.Option(
        "--listen-redis", metavar="HOST:PORT", help="Redis protocol for clients. Default: none."
    ),
]
PeerVia = Annotated[
    str | None,
    typer.Option(
        "--peer-via",
        metavar="ID=HOST:PORT,...",
        help="Dial these peers at another address than the member list's, such as a tunnel's.",
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

WithLoad = Annotated[
    Keys | None,
    typer.Option("--with-load", help="Read and write all the time, and show how that goes."),
]
LoadRate = Annotated[
    int | None,
    typer.Option("--load-rate", metavar="N", help="Operations per second. [default: 500]"),
]
Prompt = Annotated[
    bool | None,
    typer.Option("--prompt/--no-prompt", help="Take commands from stdin. [default: on a terminal]"),
]
Links = Annotated[
    bool | None,
    typer.Option(
        "--links/--no-links",
        help="Let the links between nodes be cut and slowed. [default: with a prompt]",
    ),
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
    listen_redis: ListenRedis = None,
    peer_via: PeerVia = None,
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
def restore(
    *,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="DIR", help="Of the node, which must not run.")
    ],
    snapshot: Annotated[
        Path, typer.Option("--snapshot", metavar="FILE", help="One of this node's own.")
    ],
    discard_old: Annotated[
        bool, typer.Option("--discard-old", help="Remove the old database; needs --yes.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone.")] = False,
) -> None:
    """Put a snapshot in the place of a node's database.

    The old database stays in a folder beside it. When the node is started again it takes writes,
    but of each shard group answers nothing until it has merged enough other replicas: so nothing is
    lost that was acknowledged since, and nothing comes back that was deleted.
    """
    from dynakv.server.restore_command import run

    if discard_old and not yes:
        raise UsageError("--discard-old cannot be undone: say --yes to do it")
    run(data_dir, snapshot, discard=discard_old)


@demo_app.callback(invoke_without_command=True)
def demo(
    ctx: typer.Context,
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
    with_load: WithLoad = None,
    load_rate: LoadRate = None,
    prompt: Prompt = None,
    links: Links = None,
    once: Annotated[
        bool, typer.Option("--once", help="Write, read, show the ring, stop, exit.")
    ] = False,
) -> None:
    """Run a whole cluster on this machine, one process a node, until Ctrl-C.

    On a terminal a prompt can kill, restart, pause, partition and slow the nodes: type help.
    """
    if ctx.invoked_subcommand is not None:
        # A flag that was not given is None; of --once, which is on or off, only on can be told.
        given = [p for p in ctx.params if ctx.params[p] is not (False if p == "once" else None)]
        if given:
            flag = "--" + given[0].replace("_", "-")
            raise UsageError(
                f"{flag} belongs to the demo itself, not to '{ctx.invoked_subcommand}'"
            )
        return
    from dynakv.server.demo import Options, run_demo
    from dynakv.server.demo_load import Distribution

    load = None if with_load is None else Distribution(with_load.value)
    options = Options(nodes, persist, base_port, once, prompt, links, load, load_rate)
    raise typer.Exit(run_demo(options))


@demo_app.command("attach")
def demo_attach(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The demo's --persist directory.")
    ] = None,
    base_port: Annotated[
        int | None,
        typer.Option("--base-port", metavar="P", help="The demo's. [default: the only one]"),
    ] = None,
) -> None:
    """Open the prompt of a running demo in this terminal."""
    from dynakv.server.demo_attach import attach

    if directory is not None and base_port is not None:
        raise UsageError("DIR and --base-port exclude each other")
    raise typer.Exit(attach(base_port, directory))


@config_app.command("check")
def config_check(
    ctx: typer.Context,
    config: File = None,
    node_id: NodeId = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    listen_client: ListenClient = None,
    listen_peer: ListenPeer = None,
    listen_redis: ListenRedis = None,
    peer_via: PeerVia = None,
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
    listen_redis: ListenRedis = None,
    peer_via: PeerVia = None,
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
