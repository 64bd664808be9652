"""The commands of `dynakv-cli` that write what was there before has a say in, and `put`."""

import os
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dynakv.client import terminal
from dynakv.client.cli_options import (
    Endpoints,
    Key,
    Keyspace,
    LevelOption,
    Replicas,
    Timeout,
    key_of,
    no_value,
    print_version,
    reach_of,
    run,
    value_of,
)
from dynakv.client.exits import EXIT_NOT_FOUND
from dynakv.errors import UsageError

if TYPE_CHECKING:
    from dynakv.client.atomic_connection import AtomicConnection, Outcome
    from dynakv.client.connection import Value, Version
    from dynakv.v1.kvstore_pb2 import Condition

Amount = Annotated[int, typer.Argument(metavar="[BY]", help="What to add; may be negative.")]


def put(
    key: Key,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="Read from stdin where left out; not empty there."),
    ] = None,
    *,
    ttl: Annotated[
        str | None, typer.Option("--ttl", metavar="TIME", help="Expire after this: 30s, 12h, 7d.")
    ] = None,
    keep_ttl: Annotated[
        bool, typer.Option("--keep-ttl", help="Leave the deadline that the key has.")
    ] = False,
    if_absent: Annotated[
        bool, typer.Option("--if-absent", help="Only where it has no value. Raft keyspaces only.")
    ] = False,
    if_present: Annotated[
        bool, typer.Option("--if-present", help="Only where it has a value. Raft keyspaces only.")
    ] = False,
    if_stamp: Annotated[
        str | None,
        typer.Option(
            "--if-stamp", metavar="STAMP", help="Only under this stamp. Raft keyspaces only."
        ),
    ] = None,
    level: LevelOption = None,
    w: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Write a key; print OK and the stamp. Exit 1 where its condition does not hold."""
    from dynakv.client import texts

    ttl_ms = 0 if ttl is None else texts.ttl_ms(ttl)
    if ttl_ms and keep_ttl:
        raise UsageError("--ttl and --keep-ttl exclude each other")
    condition = _condition(absent=if_absent, present=if_present, stamp=if_stamp)
    if condition is not None and (level is not None or w is not None):
        raise UsageError("--level and --w are for leaderless keyspaces, which know no conditions")
    bounds = reach_of(keyspace, level, w, "--w", timeout)
    content = value_of(value)
    if condition is not None:

        async def try_to_write(connection: "AtomicConnection") -> "Outcome":
            return await connection.put_if(
                key_of(key), content, condition, bounds, ttl_ms=ttl_ms, keep_ttl=keep_ttl
            )

        _print_outcome(key, run(endpoints, try_to_write))
        return

    async def write(connection: "AtomicConnection") -> "Version":
        return await connection.put(key_of(key), content, bounds, ttl_ms=ttl_ms, keep_ttl=keep_ttl)

    print_version(run(endpoints, write))


def cas(
    key: Key,
    expected: Annotated[str, typer.Argument(metavar="EXPECTED", help="The value it must have.")],
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="Read from stdin where left out; not empty there."),
    ] = None,
    *,
    ttl: Annotated[
        str | None, typer.Option("--ttl", metavar="TIME", help="Expire after this: 30s, 12h, 7d.")
    ] = None,
    keep_ttl: Annotated[
        bool, typer.Option("--keep-ttl", help="Leave the deadline that the key has.")
    ] = False,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Write a key of a Raft keyspace where it has a certain value; exit 1 where it has not.

    Prints OK and the stamp. `put --if-stamp` and `put --if-absent` compare otherwise.
    """
    from dynakv.client import texts
    from dynakv.v1.kvstore_pb2 import Condition

    ttl_ms = 0 if ttl is None else texts.ttl_ms(ttl)
    if ttl_ms and keep_ttl:
        raise UsageError("--ttl and --keep-ttl exclude each other")
    bounds = reach_of(keyspace, None, None, "", timeout)
    content = value_of(value)
    condition = Condition(value=os.fsencode(expected))

    async def write(connection: "AtomicConnection") -> "Outcome":
        return await connection.put_if(
            key_of(key), content, condition, bounds, ttl_ms=ttl_ms, keep_ttl=keep_ttl
        )

    _print_outcome(key, run(endpoints, write))


def append(
    key: Key,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="Read from stdin where left out; not empty there."),
    ] = None,
    *,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Add to the end of a value of a Raft keyspace; print its new length in bytes."""
    bounds = reach_of(keyspace, None, None, "", timeout)
    suffix = value_of(value)

    async def write(connection: "AtomicConnection") -> int:
        return await connection.append(key_of(key), suffix, bounds)

    print(run(endpoints, write), flush=True)


def incr(
    key: Key,
    by: Amount = 1,
    *,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Add to a number of a Raft keyspace, 1 where BY is left out; print what it came to."""
    if abs(by) >= 1 << 63:
        raise UsageError(f"BY = {by}: must be between -{(1 << 63) - 1} and {(1 << 63) - 1}")
    bounds = reach_of(keyspace, None, None, "", timeout)

    async def write(connection: "AtomicConnection") -> int:
        return await connection.increment(key_of(key), by, bounds)

    print(run(endpoints, write), flush=True)


def getdel(
    key: Key,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="The value's bytes alone, without a newline.")
    ] = False,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Delete a key of a Raft keyspace and print the value that it had; exit 1 for none."""
    from dynakv.client import output

    bounds = reach_of(keyspace, None, None, "", timeout)

    async def write(connection: "AtomicConnection") -> "Value":
        return await connection.get_and_delete(key_of(key), bounds)

    found = run(endpoints, write)
    if found.value is None:
        no_value(key)
    output.write(found.value if raw else found.value + b"\n")


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (put, cas, append, incr, getdel):
        app.command()(command)


def _condition(*, absent: bool, present: bool, stamp: str | None) -> "Condition | None":
    from dynakv.client import texts
    from dynakv.v1.kvstore_pb2 import Condition, Stamp

    if absent + present + (stamp is not None) > 1:
        raise UsageError("--if-absent, --if-present and --if-stamp exclude each other")
    if stamp is not None:
        time, writer = texts.stamp_parts(stamp, "--if-stamp")
        return Condition(stamp=Stamp(time=time, writer=writer))
    return Condition(present=present) if absent or present else None


def _print_outcome(key: str, outcome: "Outcome") -> None:
    if outcome.version is None:
        _unmet(key, outcome.found)
    print_version(outcome.version)


def _unmet(key: str, found: "Value") -> NoReturn:
    from dynakv.client import texts

    shown = os.fsencode(key).decode(errors="backslashreplace")
    if found.version is None or found.value is None:
        there = "it has no value"
    else:
        there = (
            f"it has another value, stamp {texts.stamp(found.version.time, found.version.writer)}"
        )
    terminal.say(f"dynakv-cli: {shown!r} was not written: {there}")
    raise typer.Exit(EXIT_NOT_FOUND)
