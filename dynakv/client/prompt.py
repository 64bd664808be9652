"""`dynakv-cli` without arguments: commands one by one, typed or piped in, on one connection.

Words are split as a POSIX shell splits them. `ring`, `status` and the like are dynakv-admin's: they
run as a process of their own, since a client knows nothing of the admin commands. On a terminal
there are a history and completion of the commands by Tab; piped in, a command that failed does not
stop the ones behind it, and the first failure's code is the exit code.
"""

import asyncio
import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from dynakv.client import listing, output, terminal, texts
from dynakv.client.atomic_connection import AtomicConnection
from dynakv.client.connection import Range, Reach
from dynakv.client.exits import EXIT_CODES, EXIT_NOT_FOUND
from dynakv.errors import DynaKVError, RefusedError, UsageError
from dynakv.v1.kvstore_pb2 import Condition

NAME: Final = "dynakv-cli"
LIST_KEYS: Final = 100  # of a list without a limit, so that a prompt stays readable
HISTORY_LINES_MAX: Final = 1_000

HELP: Final = """\
put KEY VALUE [TTL]     write a key; TTL as 30s, 12h, 7d
get KEY                 print its value
delete KEY...           delete keys
expire KEY TTL          let a key expire
persist KEY             take its deadline off
append KEY VALUE        add to the end of a value (Raft keyspaces, as are the next three)
incr KEY [BY]           add to a number
cas KEY EXPECTED VALUE  write where it has this value
getdel KEY              delete a key and print the value it had
list [PREFIX [LIMIT]]   print keys and values in order, 100 where no limit is given
use KEYSPACE            work in another keyspace
ring, status, key KEY, what-if --down NODE,..., keyspace list|create|...
                        as dynakv-admin; options as there
help, exit              words with spaces stand in quotes; Ctrl-D also ends"""

_ADMIN: Final = ("keyspace", "ring", "status", "key", "what-if")

Run = Callable[[Coroutine[Any, Any, int]], int]


class Prompt:
    """The commands, on one connection and in one keyspace."""

    def __init__(self, endpoints: Sequence[str], keyspace: str, run: Run) -> None:
        """Work through `endpoints`; `run` runs a coroutine to its end in the prompt's loop."""
        self._endpoints = endpoints
        self._connection = AtomicConnection(endpoints)
        self._reach = Reach(keyspace)
        self._run = run
        self._commands: dict[str, Callable[[list[str]], Coroutine[Any, Any, int]]] = {
            "put": self._put,
            "get": self._get,
            "delete": self._delete,
            "expire": self._expire,
            "persist": self._persist,
            "append": self._append,
            "incr": self._incr,
            "cas": self._cas,
            "getdel": self._getdel,
            "list": self._list,
            "use": self._use,
            "help": _help,
        }

    @property
    def commands(self) -> list[str]:
        """The first words that are known."""
        return sorted([*self._commands, *_ADMIN, "exit", "quit"])

    def do(self, line: str) -> int | None:
        """Do what a line says and return its exit code; None where it asks to end."""
        try:
            words = shlex.split(line, comments=True)
            if not words:
                return 0
            if words[0] in ("exit", "quit"):
                return None
            if words[0] in _ADMIN:
                return self._admin(words)
            command = self._commands.get(words[0])
            if command is None:
                raise UsageError(f"no such command {words[0]!r}; help lists them all")
            return self._run(command(words[1:]))
        except ValueError as error:
            return terminal.complain(
                NAME, UsageError(f"{error}; words with spaces stand in quotes")
            )
        except DynaKVError as error:
            return terminal.complain(NAME, error, EXIT_CODES)

    async def close(self) -> int:
        """Close the connection."""
        await self._connection.__aexit__(None, None, None)
        return 0

    async def _put(self, words: list[str]) -> int:
        key, value, *ttl = _counted("put KEY VALUE [TTL]", words, 2, 3)
        ttl_ms = texts.ttl_ms(ttl[0], "TTL") if ttl else 0
        version = await self._connection.put(
            texts.key_bytes(key), os.fsencode(value), self._reach, ttl_ms=ttl_ms
        )
        _say_ok(texts.stamp(version.time, version.writer))
        return 0

    async def _get(self, words: list[str]) -> int:
        (key,) = _counted("get KEY", words, 1, 1)
        try:
            found = await self._connection.get(texts.key_bytes(key), self._reach)
        except RefusedError:  # nothing is lost by another try, elsewhere where a node is gone
            found = await self._connection.get(texts.key_bytes(key), self._reach)
        if found.value is None:
            return _no_value(key)
        output.write(found.value + b"\n")
        return 0

    async def _delete(self, words: list[str]) -> int:
        for key in _counted("delete KEY...", words, 1, None):
            version = await self._connection.delete(texts.key_bytes(key), self._reach)
            _say_ok(texts.stamp(version.time, version.writer))
        return 0

    async def _expire(self, words: list[str]) -> int:
        key, ttl = _counted("expire KEY TTL", words, 2, 2)
        ttl_ms = texts.ttl_ms(ttl, "TTL")
        is_applied = await self._connection.expire(texts.key_bytes(key), ttl_ms, self._reach)
        return _say_ok() if is_applied else _no_value(key)

    async def _persist(self, words: list[str]) -> int:
        (key,) = _counted("persist KEY", words, 1, 1)
        is_applied = await self._connection.persist(texts.key_bytes(key), self._reach)
        return _say_ok() if is_applied else _no_value(key)

    async def _append(self, words: list[str]) -> int:
        key, value = _counted("append KEY VALUE", words, 2, 2)
        length = await self._connection.append(
            texts.key_bytes(key), os.fsencode(value), self._reach
        )
        print(length, flush=True)
        return 0

    async def _incr(self, words: list[str]) -> int:
        key, by = [*_counted("incr KEY [BY]", words, 1, 2), "1"][:2]
        try:
            amount = int(by)
        except ValueError:
            raise UsageError(f"BY = {by!r}: must be an integer") from None
        if abs(amount) >= 1 << 63:
            raise UsageError(f"BY = {by}: must have 63 bits at most")
        print(await self._connection.increment(texts.key_bytes(key), amount, self._reach))
        return 0

    async def _cas(self, words: list[str]) -> int:
        key, expected, value = _counted("cas KEY EXPECTED VALUE", words, 3, 3)
        condition = Condition(value=os.fsencode(expected))
        outcome = await self._connection.put_if(
            texts.key_bytes(key), os.fsencode(value), condition, self._reach
        )
        if outcome.version is not None:
            return _say_ok(texts.stamp(outcome.version.time, outcome.version.writer))
        if outcome.found.value is None:
            return _no_value(key)
        terminal.say(f"{NAME}: {texts.shown(os.fsencode(key))!r} has another value")
        return EXIT_NOT_FOUND

    async def _getdel(self, words: list[str]) -> int:
        (key,) = _counted("getdel KEY", words, 1, 1)
        found = await self._connection.get_and_delete(texts.key_bytes(key), self._reach)
        if found.value is None:
            return _no_value(key)
        output.write(found.value + b"\n")
        return 0

    async def _list(self, words: list[str]) -> int:
        prefix, limit = [*_counted("list [PREFIX [LIMIT]]", words, 0, 2), "", ""][:2]
        most = texts.count(limit, "LIMIT") if limit else LIST_KEYS
        lines = output.Lines(output.Output.TABLE, keys_only=False)
        wanted = Range(prefix=os.fsencode(prefix))
        reach = Reach(self._reach.keyspace, timeout_ms=listing.TIMEOUT_MS)
        shown = 0
        async for items in listing.pages(self._connection, wanted, most, reach):
            output.write(lines.of(items))
            shown += len(items)
        if shown == most and not limit:
            terminal.say(f"the first {most}; list PREFIX LIMIT shows more")
        return 0

    async def _use(self, words: list[str]) -> int:
        (name,) = _counted("use KEYSPACE", words, 1, 1)
        state = await self._connection.ring_state()
        known = [keyspace.name for keyspace in state.keyspaces]
        if name not in known:
            raise UsageError(f"keyspace {name!r} does not exist; there are {', '.join(known)}")
        self._reach = Reach(name)
        return _say_ok()

    def _admin(self, words: list[str]) -> int:
        """Run a command of dynakv-admin beside us, on our terminal."""
        command = [sys.executable, "-m", "dynakv.admin", *words]
        if words[0] in ("ring", "key") and self._reach.keyspace:
            command += ["--keyspace", self._reach.keyspace]
        environment = {**os.environ, "DYNAKV_ENDPOINTS": ",".join(self._endpoints)}
        sys.stdout.flush()
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


def run(endpoints: Sequence[str], keyspace: str) -> int:
    """Read commands from stdin until it ends; return the exit code.

    That is 0 on a terminal, else that of the first command which failed.
    """
    interactive = sys.stdin.isatty()
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")  # a key may be any bytes
    with asyncio.Runner() as runner:
        prompt = Prompt(endpoints, keyspace, runner.run)
        if interactive:
            terminal.say(f"{', '.join(endpoints)}; help lists the commands")
        failed = 0
        with _history(prompt.commands) if interactive else contextlib.nullcontext():
            while (line := _line(interactive=interactive)) is not None:
                try:
                    code = prompt.do(line)
                except KeyboardInterrupt:
                    terminal.say("interrupted; a write may have happened")
                    code = terminal.EXIT_INTERRUPTED
                if code is None:
                    break
                failed = failed or code
        runner.run(prompt.close())
    return 0 if interactive else failed


def _line(*, interactive: bool) -> str | None:
    """Return the next line, None at the end of the input."""
    while True:
        try:
            return input("dynakv> " if interactive else "")
        except EOFError:
            if interactive:
                terminal.say("")
            return None
        except KeyboardInterrupt:
            if not interactive:
                raise
            terminal.say("")  # forget what was typed, as a shell does


@contextlib.contextmanager
def _history(commands: Sequence[str]) -> Any:
    """Remember lines from one prompt to the next, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(state) / "dynakv" / "history"

    def complete(text: str, nth: int) -> str | None:
        if readline.get_begidx():
            return None  # keys are too many to offer
        found = [f"{command} " for command in commands if command.startswith(text)]
        return found[nth] if nth < len(found) else None

    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    with contextlib.suppress(OSError):  # none yet, or not ours to read
        readline.read_history_file(path)
    try:
        yield
    finally:
        readline.set_history_length(HISTORY_LINES_MAX)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it holds values
            readline.write_history_file(path)
        except OSError as error:
            terminal.say(f"{NAME}: the history cannot be kept: {error}")


def _counted(usage: str, words: list[str], least: int, most: int | None) -> list[str]:
    if len(words) < least or (most is not None and len(words) > most):
        raise UsageError(f"usage: {usage}")
    return words


async def _help(words: list[str]) -> int:
    del words
    print(HELP, flush=True)
    return 0


def _say_ok(text: str = "") -> int:
    print(f"OK {text}".rstrip(), flush=True)
    return 0


def _no_value(key: str) -> int:
    terminal.say(f"{NAME}: {texts.shown(os.fsencode(key))!r} has no value")
    return EXIT_NOT_FOUND
