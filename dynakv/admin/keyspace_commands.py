"""The command line of `dynakv-admin keyspace`; what its commands do is in `keyspaces.py`."""

from enum import Enum
from typing import Annotated

import typer

from dynakv.admin.options import Endpoints, Output, OutputOption
from dynakv.client import terminal
from dynakv.errors import UsageError

app = typer.Typer(help="Make, list, change and remove keyspaces.", no_args_is_help=True)


class Level(Enum):
    """How many replicas a request waits for that names no level."""

    ONE = "one"
    QUORUM = "quorum"
    ALL = "all"


class Mode(Enum):
    """How writes are ordered."""

    LEADERLESS = "leaderless"
    ORDERED = "ordered"
    RAFT = "raft"


Name = Annotated[str, typer.Argument(metavar="NAME")]
IfEpoch = Annotated[
    int | None,
    typer.Option("--if-epoch", metavar="E", help="Only while the layout has this epoch."),
]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="How long to wait for all members.")
]
DefaultLevel = Annotated[
    Level | None, typer.Option("--default-level", help="Of requests that name none.")
]
Ttl = Annotated[
    str | None,
    typer.Option("--default-ttl", metavar="TIME", help="Of puts that name none; 0: they stay."),
]
Number = Annotated[
    int | None,
    typer.Option("--redis-number", metavar="N", help="What SELECT calls it, 1 to 63."),
]


@app.command()
def create(
    name: Name,
    *,
    replicas: Annotated[
        int | None,
        typer.Option("--replicas", "-n", metavar="N", help="Wanted copies. [default: 3]"),
    ] = None,
    groups: Annotated[
        int | None,
        typer.Option("--groups", metavar="N", help="A power of two. [default: 256, Raft: 16]"),
    ] = None,
    hash_tags: Annotated[
        bool, typer.Option("--hash-tags", help="Keys with the same {tag} share a group.")
    ] = False,
    mode: Annotated[Mode, typer.Option("--mode")] = Mode.LEADERLESS,
    default_level: DefaultLevel = None,
    default_ttl: Ttl = None,
    redis_number: Number = None,
    if_epoch: IfEpoch = None,
    timeout: Timeout = "10s",
    endpoints: Endpoints = None,
) -> None:
    """Make a keyspace, empty; done when every member has it on its disk.

    Copies, groups, hash tags and mode are fixed for its life. Every member must be up. Exit codes:
    0 done; 1 refused, nothing was done; 3 unknown, `keyspace list` shows what became of it; 64
    usage.
    """
    from dynakv.admin import keyspaces
    from dynakv.client.keyspaces import creation

    request = creation(
        name,
        replicas=replicas,
        groups=groups,
        hash_tags=hash_tags,
        mode=mode.value,
        default_level=None if default_level is None else default_level.value,
        default_ttl=keyspaces.ttl(default_ttl),
        redis_number=redis_number,
        if_epoch=if_epoch,
    )
    raise typer.Exit(keyspaces.change(endpoints, "CreateKeyspace", request, timeout))


@app.command()
def alter(
    name: Name,
    *,
    default_level: DefaultLevel = None,
    default_ttl: Ttl = None,
    redis_number: Number = None,
    no_redis_number: Annotated[
        bool, typer.Option("--no-redis-number", help="Let SELECT not reach it.")
    ] = False,
    if_epoch: IfEpoch = None,
    timeout: Timeout = "10s",
    endpoints: Endpoints = None,
) -> None:
    """Change the defaults or the Redis number of a keyspace; what is not given stays.

    Exit codes as of `keyspace create`.
    """
    from dynakv.admin import keyspaces
    from dynakv.client.keyspaces import alteration

    request = alteration(
        name,
        default_level=None if default_level is None else default_level.value,
        default_ttl=keyspaces.ttl(default_ttl),
        redis_number=redis_number,
        no_redis_number=no_redis_number,
        if_epoch=if_epoch,
    )
    raise typer.Exit(keyspaces.change(endpoints, "AlterKeyspace", request, timeout))


@app.command()
def drop(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: it cannot be undone.")] = False,
    if_epoch: IfEpoch = None,
    timeout: Timeout = "10s",
    endpoints: Endpoints = None,
) -> None:
    """Remove a keyspace with everything in it. The keyspace `default` cannot be dropped.

    Its name may be used again, for a new and empty keyspace. The disks are cleared in the
    background. Exit codes as of `keyspace create`.
    """
    from dynakv.admin import keyspaces
    from dynakv.client.keyspaces import drop as dropping

    if not yes:
        terminal.say(f"this removes keyspace {name} with everything in it, on every node")
        raise UsageError("nothing was removed: say --yes to do it")
    request = dropping(name, if_epoch=if_epoch)
    raise typer.Exit(keyspaces.change(endpoints, "DropKeyspace", request, timeout))


@app.command("list")
def list_(*, output: OutputOption = Output.TABLE, endpoints: Endpoints = None) -> None:
    """Show all keyspaces, and whether every member has them, as the first node that answers sees.

    REPLICAS: wanted / in effect; REDIS: the number for SELECT.
    """
    from dynakv.admin import keyspaces

    found = keyspaces.fetch(endpoints)
    print(keyspaces.as_json(found) if output is Output.JSON else keyspaces.as_table(found))


@app.command()
def show(name: Name, *, output: OutputOption = Output.TABLE, endpoints: Endpoints = None) -> None:
    """Show one keyspace."""
    from dynakv.admin import keyspaces

    found = keyspaces.one_of(keyspaces.fetch(endpoints), name)
    print(keyspaces.one_as_json(found) if output is Output.JSON else keyspaces.as_text(found))
