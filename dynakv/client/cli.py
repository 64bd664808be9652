"""The `dynakv-cli` command: put, get, delete, expire and persist keys from a shell.

Thin on purpose: words become bytes and milliseconds here, everything else is the connection's.
Exit codes: 0 done; 1 no such key, or the command failed; 2 unavailable (no endpoint, or too few
replicas: nothing was done, try again); 3 unknown outcome (the write may have happened); 64 usage.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypeVar

import typer

from dynakv import limits
from dynakv.client import terminal
from dynakv.core.layout import Level
from dynakv.errors import RefusedError, UnknownOutcomeError, UsageError

if TYPE_CHECKING:
    from dynakv.client.connection import Connection, Reach, Value, Version

EXIT_NOT_FOUND: Final = 1
EXIT_UNAVAILABLE: Final = 2
EXIT_UNKNOWN: Final = 3
EXIT_CODES: Final[dict[type[BaseException], int]] = {
    RefusedError: EXIT_UNAVAILABLE,
    UnknownOutcomeError: EXIT_UNKNOWN,
}

HELP: Final = """Read and write keys of a DynaKV cluster.

Exit codes: 0 done; 1 no such key, or failed; 2 unavailable, nothing was done; 3 unknown outcome,
the write may have happened; 64 usage.
"""

app = terminal.application("dynakv-cli", HELP)

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


@app.command()
def put(
    key: Key,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="Read from stdin where it is left out.")
    ] = None,
    *,
    ttl: Annotated[
        str | None, typer.Option("--ttl", metavar="TIME", help="Expire after this: 30s, 12h, 7d.")
    ] = None,
    keep_ttl: Annotated[
        bool, typer.Option("--keep-ttl", help="Leave the deadline that the key has.")
    ] = False,
    level: LevelOption = None,
    w: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Write a key; print OK and the stamp of the write."""
    from dynakv.client import texts

    ttl_ms = 0 if ttl is None else texts.ttl_ms(ttl)
    if ttl_ms and keep_ttl:
        raise UsageError("--ttl and --keep-ttl exclude each other")
    reach = _reach(keyspace, level, w, "--w", timeout)
    content = _value(value)

    async def write(connection: "Connection") -> "Version":
        return await connection.put(_key(key), content, reach, ttl_ms=ttl_ms, keep_ttl=keep_ttl)

    _print_version(_run(endpoints, write))


@app.command()
def get(
    key: Key,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="The value's bytes alone, without a newline.")
    ] = False,
    stamp: Annotated[
        bool, typer.Option("--stamp", help="Also say stamp and deadline, on stderr.")
    ] = False,
    level: LevelOption = None,
    r: Annotated[int | None, Replicas] = None,
    keyspace: Keyspace = "default",
    timeout: Timeout = None,
    endpoints: Endpoints = None,
) -> None:
    """Print the value of a key and a newline; exit 1 where there is none."""
    reach = _reach(keyspace, level, r, "--r", timeout)

    async def read(connection: "Connection") -> "Value":
        return await connection.get(_key(key), reach)

    found = _run(endpoints, read)
    if stamp:
        _say_stamp(found)
    if found.value is None:
        _no_value(key)
    sys.stdout.buffer.write(found.value if raw else found.value + b"\n")
    sys.stdout.flush()


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
    reach = _reach(keyspace, level, w, "--w", timeout)
    names = [_key(key) for key in keys]

    async def remove(connection: "Connection") -> None:
        for name in names:
            # Printed at once: what was done before a failure must be known.
            _print_version(await connection.delete(name, reach))

    _run(endpoints, remove)


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
    reach = _reach(keyspace, level, w, "--w", timeout)

    async def change(connection: "Connection") -> bool:
        return await connection.expire(_key(key), ttl_ms, reach)

    _print_applied(key, _run(endpoints, change))


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
    reach = _reach(keyspace, level, w, "--w", timeout)

    async def change(connection: "Connection") -> bool:
        return await connection.persist(_key(key), reach)

    _print_applied(key, _run(endpoints, change))


def main() -> NoReturn:
    """Run the `dynakv-cli` command."""
    terminal.run("dynakv-cli", app, EXIT_CODES)


def _run(endpoints: str | None, use: "Callable[[Connection], Awaitable[Result]]") -> Result:
    """Return what `use` makes of a connection to the first endpoint that can be reached."""
    import asyncio

    from dynakv.client.connection import Connection
    from dynakv.client.endpoints import endpoints as chosen

    names = chosen(endpoints)

    async def connected() -> Result:
        async with Connection(names) as connection:
            return await use(connection)

    return asyncio.run(connected())


def _reach(
    keyspace: str, level: Level | None, replicas: int | None, flag: str, timeout: str | None
) -> "Reach":
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


def _key(text: str) -> bytes:
    """Return the bytes that the shell passed; any bytes but NUL can stand in a word."""
    key = os.fsencode(text)
    if not 1 <= len(key) <= limits.KEY_BYTES_MAX:
        raise UsageError(f"KEY has {len(key)} bytes: must have 1 to {limits.KEY_BYTES_MAX}")
    return key


def _value(text: str | None) -> bytes:
    most = limits.VALUE_BYTES_HARD_MAX
    if text is not None:
        value = os.fsencode(text)
    elif sys.stdin is None or sys.stdin.isatty():
        raise UsageError("VALUE is missing; give it as a word or pipe it in")
    else:
        value = sys.stdin.buffer.read(most + 1)
    if len(value) > most:
        raise UsageError(f"VALUE has more than {most} bytes, the most that any node accepts")
    return value


def _print_version(version: "Version") -> None:
    from dynakv.client import texts

    print("OK", texts.stamp(version.time, version.writer), flush=True)


def _say_stamp(found: "Value") -> None:
    from dynakv.client import texts

    version = found.version
    written = "never" if version is None else texts.stamp(version.time, version.writer)
    expires = texts.moment(found.expires_at_ms) if found.expires_at_ms else "never"
    terminal.say(f"stamp {written}\nexpires {expires}")


def _print_applied(key: str, applied: bool) -> None:
    if not applied:
        _no_value(key)
    print("OK")


def _no_value(key: str) -> NoReturn:
    shown = os.fsencode(key).decode(errors="backslashreplace")
    terminal.say(f"dynakv-cli: {shown!r} has no value")
    raise typer.Exit(EXIT_NOT_FOUND)
