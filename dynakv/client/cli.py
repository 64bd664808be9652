"""The `dynakv-cli` command: read, write and list keys from a shell, or at a prompt of its own.

Thin on purpose: words become bytes and milliseconds here, everything else is the connection's and
that of the modules which are imported when a command runs, so that `--help` answers at once.
Exit codes: 0 done; 1 no such key, or the command failed; 2 unavailable (no endpoint, or too few
replicas: nothing was done, try again); 3 unknown outcome (the write may have happened); 64 usage.
"""

import os
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from dynakv import limits
from dynakv.client import cli_writes, terminal
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
)
from dynakv.client.exits import EXIT_CODES
from dynakv.errors import UsageError

if TYPE_CHECKING:
    from dynakv.client.atomic_connection import AtomicConnection
    from dynakv.client.connection import Connection, Value

HELP: Final = """Read and write keys of a DynaKV cluster; without a command at a prompt.

Exit codes: 0 done; 1 no such key, or failed; 2 unavailable, nothing was done; 3 unknown outcome,
the write may have happened; 64 usage.
"""


class Output(Enum):
    """How keys and values are written to stdout."""

    TABLE = "table"
    JSON = "json"
    RAW = "raw"


class Format(Enum):
    """How a batch is written."""

    JSON = "json"
    CSV = "csv"


def _bare() -> None:
    _prompt(None, "")


app = terminal.application("dynakv-cli", HELP, _bare)
cli_writes.register(app)


@app.command()
def get(
    key: Key,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="The value's bytes alone, without a newline.")
    ] = False,
    output: Annotated[
        Output | None,
        typer.Option("--output", "-o", help="json, table, or raw as --raw. [default: a line]"),
    ] = None,
    stamp: Annotated[
        bool, typer.Option("--stamp", help="Also say stamp and deadline, on stderr.")
    ] = False,
    max_age: Annotated[
        str | None,
        typer.Option("--max-age", metavar="TIME", help="It may be so old. Raft keyspaces only."),
    ] = None,
    level: LevelOption = None,
    r: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Print the value of a key and a newline; exit 1 where there is none."""
    if raw and output not in (None, Output.RAW):
        raise UsageError("--raw and --output exclude each other")
    reach = reach_of(keyspace, level, r, "--r", timeout)
    max_age_ms = -1 if max_age is None else _age_ms(max_age)
    if max_age_ms >= 0 and (level is not None or r is not None):
        raise UsageError("--level and --r are for leaderless keyspaces, --max-age for others")

    async def read(connection: "AtomicConnection") -> "Value":
        if max_age_ms >= 0:
            return await connection.get_stale(key_of(key), max_age_ms, reach)
        return await connection.get(key_of(key), reach)

    found = run(endpoints, read)
    if stamp:
        _say_stamp(found)
    if found.value is None:
        no_value(key)
    _print_value(key_of(key), found, Output.RAW if raw else output)


@app.command()
def delete(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...")],
    *,
    level: LevelOption = None,
    w: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Delete keys one by one, whether they exist or not; print OK and the stamp of each."""
    reach = reach_of(keyspace, level, w, "--w", timeout)
    names = [key_of(key) for key in keys]

    async def remove(connection: "Connection") -> None:
        for name in names:
            # Printed at once: what was done before a failure must be known.
            print_version(await connection.delete(name, reach))

    run(endpoints, remove)


@app.command()
def expire(
    key: Key,
    ttl: Annotated[str, typer.Argument(metavar="TIME", help="From now: 30s, 12h, 7d.")],
    *,
    level: LevelOption = None,
    w: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Let an existing key expire; exit 1 where there is none."""
    from dynakv.client import texts

    ttl_ms = texts.ttl_ms(ttl, "TIME")
    reach = reach_of(keyspace, level, w, "--w", timeout)

    async def change(connection: "Connection") -> bool:
        return await connection.expire(key_of(key), ttl_ms, reach)

    _print_applied(key, run(endpoints, change))


@app.command()
def persist(
    key: Key,
    *,
    level: LevelOption = None,
    w: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Take the deadline off an existing key; exit 1 where there is none."""
    reach = reach_of(keyspace, level, w, "--w", timeout)

    async def change(connection: "Connection") -> bool:
        return await connection.persist(key_of(key), reach)

    _print_applied(key, run(endpoints, change))


@app.command("list")
def list_keys(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Keys that begin with it.")] = "",
    *,
    start: Annotated[str, typer.Option("--start", metavar="KEY", help="The first one.")] = "",
    end: Annotated[str, typer.Option("--end", metavar="KEY", help="Stay below this one.")] = "",
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="N", help="Stop after so many. [default: all]")
    ] = None,
    keys_only: Annotated[bool, typer.Option("--keys-only", help="Leave out values.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Print only how many there are.")] = False,
    output: Annotated[
        Output,
        typer.Option("--output", "-o", help="A table cuts long values; json and raw do not."),
    ] = Output.TABLE,
    keyspace: Keyspace = "default",
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Of a page. [default: 10s]")
    ] = None,
    endpoints: Endpoints = None,
) -> None:
    """Print keys in the order of their bytes. No snapshot: each is read at a moment of its own.

    What json prints, a line a key, is a batch that writes the same keys again.
    """
    from dynakv.client import listing, texts
    from dynakv.client.connection import Range

    if prefix and (start or end):
        raise UsageError("PREFIX excludes --start and --end")
    reach = reach_of(keyspace, None, None, "", timeout or f"{listing.TIMEOUT_MS}ms")
    wanted = Range(os.fsencode(prefix), os.fsencode(start), os.fsencode(end), keys_only or count)
    most = texts.count(limit, "--limit") if limit is not None else None

    async def read(connection: "Connection") -> int:
        return await listing.show(
            connection, wanted, most, reach, None if count else output.value, keys_only=keys_only
        )

    shown = run(endpoints, read)
    if count:
        print(shown)


@app.command()
def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Lines to write; - reads stdin.")],
    *,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="[default: csv for a FILE named so, else json]"),
    ] = None,
    level: LevelOption = None,
    w: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Write many keys: JSON objects, one a line, or CSV whose first row names the columns.

    Fields: op (put, delete, expire, persist; put where it is left out), key, value, ttl (as 30s),
    ttl_ms, expires_at_ms, keep_ttl; key_base64 and value_base64 for bytes that are no text. Lines
    take effect in their order. Progress and each line that failed go to stderr. The exit code is
    that of the worst line: 1 wrong, 2 refused, 3 unknown outcome.
    """
    from dynakv.client import batch_run

    reach = reach_of(keyspace, level, w, "--w", timeout)

    async def write(connection: "Connection") -> int:
        return await batch_run.run(connection, file, form.value if form else None, reach)

    raise typer.Exit(run(endpoints, write))


@app.command()
def shell(*, keyspace: Keyspace = "default", endpoints: Endpoints = None) -> None:
    """Take commands one by one, from a prompt or from stdin; `help` lists them."""
    _prompt(endpoints, keyspace)


def main() -> NoReturn:
    """Run the `dynakv-cli` command."""
    terminal.run("dynakv-cli", app, EXIT_CODES)


def _prompt(endpoints: str | None, keyspace: str) -> NoReturn:
    from dynakv.client import prompt
    from dynakv.client.endpoints import endpoints as chosen

    raise typer.Exit(prompt.run(chosen(endpoints), keyspace))


def _age_ms(text: str) -> int:
    from dynakv.client import texts

    return texts.duration_ms(text, "--max-age", limits.STALE_MS_MAX)


def _print_value(key: bytes, found: "Value", form: Output | None) -> None:
    from dynakv.client import output

    assert found.value is not None
    match form:
        case None:
            output.write(found.value + b"\n")
        case Output.RAW:
            output.write(found.value)
        case Output.JSON:
            output.write(output.value_as_json(key, found))
        case Output.TABLE:
            output.write(output.value_as_table(key, found))


def _say_stamp(found: "Value") -> None:
    from dynakv.client import texts

    version = found.version
    written = "never" if version is None else texts.stamp(version.time, version.writer)
    expires = texts.moment(found.expires_at_ms) if found.expires_at_ms else "never"
    terminal.say(f"stamp {written}\nexpires {expires}")


def _print_applied(key: str, applied: bool) -> None:
    if not applied:
        no_value(key)
    print("OK")
