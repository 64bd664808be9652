"""Options, arguments and printed words that the commands of `dynakv-cli` share."""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from dynakv import limits
from dynakv.client import terminal
from dynakv.client.exits import EXIT_NOT_FOUND
from dynakv.core.layout import Level
from dynakv.errors import UsageError

if TYPE_CHECKING:
    from dynakv.client.atomic_connection import AtomicConnection
    from dynakv.client.connection import Reach, Version

Result = TypeVar("Result")
Key = Annotated[str, typer.Argument(metavar="KEY", help="1 to 4,096 bytes.")]
Endpoints = Annotated[
    str | None,
    typer.Option(
        "--endpoints",
        "-e",
        metavar="HOST:PORT,...",
        help="Nodes to try, in this order. [default: $DYNAKV_ENDPOINTS, else 127.0.0.1:50051]",
    ),
]
Keyspace = Annotated[str, typer.Option("--keyspace", "-k", metavar="NAME")]
LevelOption = Annotated[
    Level | None, typer.Option("--level", help="Replicas to wait for. [default: the keyspace's]")
]
Replicas = typer.Option(metavar="N", help="Replicas to wait for, instead of a level.")
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="As 500ms or 5s. [default: 2s]")
]


def run(endpoints: str | None, use: "Callable[[AtomicConnection], Awaitable[Result]]") -> Result:
    """Return what `use` makes of a connection to the first endpoint that can be reached."""
    import asyncio

    from dynakv.client.atomic_connection import AtomicConnection
    from dynakv.client.endpoints import endpoints as chosen

    names = chosen(endpoints)

    async def connected() -> Result:
        async with AtomicConnection(names) as connection:
            return await use(connection)

    return asyncio.run(connected())


def reach_of(
    keyspace: str, level: Level | None, replicas: int | None, flag: str, timeout: str | None
) -> "Reach":
    """Return how far a request goes. Raises UsageError."""
    from dynakv.client import texts
    from dynakv.client.connection import Reach

    if replicas is not None and not 1 <= replicas <= limits.REPLICAS_MAX:
        raise UsageError(f"{flag} = {replicas}: must be between 1 and {limits.REPLICAS_MAX}")
    if replicas is not None and level is not None:
        raise UsageError(f"{flag} and --level exclude each other")
    timeout_ms = 0
    if timeout is not None:
        timeout_ms = texts.duration_ms(timeout, "--timeout", limits.DEADLINE_MS_MAX)
    return Reach(keyspace, level, replicas or 0, timeout_ms)


def key_of(text: str) -> bytes:
    """Return the bytes of KEY. Raises UsageError."""
    from dynakv.client import texts

    return texts.key_bytes(text)


def value_of(text: str | None) -> bytes:
    """Return the bytes of VALUE, read from stdin where it was left out. Raises UsageError."""
    most = limits.VALUE_BYTES_HARD_MAX
    if text is not None:
        value = os.fsencode(text)
    elif sys.stdin is None or sys.stdin.isatty():
        raise UsageError("VALUE is missing; give it as a word or pipe it in")
    else:
        value = sys.stdin.buffer.read(most + 1)
        if not value:  # a forgotten VALUE in a cron job must not erase one
            raise UsageError('VALUE is missing and stdin is empty; an empty value is given as ""')
    if len(value) > most:
        raise UsageError(f"VALUE has more than {most} bytes, the most that any node accepts")
    return value


def print_version(version: "Version") -> None:
    """Say that a write was done."""
    from dynakv.client import texts

    print("OK", texts.stamp(version.time, version.writer), flush=True)


def no_value(key: str) -> NoReturn:
    """Say that there is none, and end."""
    shown = os.fsencode(key).decode(errors="backslashreplace")
    terminal.say(f"dynakv-cli: {shown!r} has no value")
    raise typer.Exit(EXIT_NOT_FOUND)
