"""A run of `dynakv-cli batch`: the file in, progress and failed lines on stderr, an exit code."""

import asyncio
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from dynakv.client import batch, terminal
from dynakv.client.batch import Fate, Outcome, Totals
from dynakv.client.batch_lines import Format, entries, format_of
from dynakv.client.connection import Connection, Reach
from dynakv.errors import RefusedError, UsageError

PROGRESS_S: Final = 0.2  # between two looks on a terminal, where one line is written anew
PROGRESS_FILE_S: Final = 10.0  # where it goes into a file, line by line


async def run(connection: Connection, file: str, form: str | None, reach: Reach) -> int:
    """Write the lines of a file, `-` is stdin; return the exit code of the worst line.

    Raises UsageError before anything was written: no such file, keyspace, or number of replicas.
    """
    if threading.current_thread() is threading.main_thread():
        # A read of stdin that waits must end at the first Ctrl-C; asyncio's own takes two.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with _opened(file) as lines:
        parsed = entries(lines, format_of(file, Format(form) if form else None))
        await _check(connection, reach)
        totals = Totals()
        progress = Progress(totals)
        ending = ""
        try:
            await batch.run(connection, parsed, reach, totals, progress.report)
        except RefusedError as error:
            ending = str(error)
        except (KeyboardInterrupt, asyncio.CancelledError):
            ending = "interrupted; of lines behind these a message may have been done"
            raise
        finally:
            progress.end()
            if ending:
                terminal.say(f"dynakv-cli: {ending}")
    return int(totals.worst)


class Progress:
    """Says on stderr which lines failed, and now and then how far it is."""

    def __init__(
        self,
        totals: Totals,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
    ) -> None:
        """Report on `totals`, to stderr."""
        self._totals = totals
        self._clock = clock
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._began = self._said = clock()

    def report(self, failed: Sequence[Outcome]) -> None:
        """Take note of a message that was answered."""
        if failed and self._terminal:
            self._write("\r\x1b[K")
        for first, last, outcome in _runs(failed):
            lines = f"line {first}" if first == last else f"lines {first} to {last}"
            self._write(f"{lines}: {_WORDS[outcome.fate]}{outcome.text}\n")
        now = self._clock()
        if now - self._said >= (PROGRESS_S if self._terminal else PROGRESS_FILE_S):
            self._said = now
            self._write(f"\r\x1b[K{self._text()}" if self._terminal else f"{self._text()}\n")

    def end(self) -> None:
        """Say how it went."""
        self._write(f"\r\x1b[K{self._text()}\n" if self._terminal else f"{self._text()}\n")

    def _text(self) -> str:
        counts = self._totals.counts
        seconds = self._clock() - self._began
        parts = [f"{counts[Fate.DONE]:,} done"]
        for fate, name in _NAMES.items():
            if counts[fate]:
                parts.append(f"{counts[fate]:,} {name}")
        rate = self._totals.lines / seconds if seconds > 0 else 0.0
        return f"{', '.join(parts)} in {seconds:.1f} s ({rate:,.0f} lines/s)"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


_WORDS: Final = {
    Fate.WRONG: "",
    Fate.REFUSED: "refused, nothing was done: ",
    Fate.UNKNOWN: "unknown outcome: ",
}
_NAMES: Final = {
    Fate.WRONG: "wrong",
    Fate.REFUSED: "refused",
    Fate.UNKNOWN: "of unknown outcome",
}


def _runs(failed: Sequence[Outcome]) -> Iterator[tuple[int, int, Outcome]]:
    """Yield the first and the last line of each run that failed for one reason."""
    first = 0
    for i in range(1, len(failed) + 1):
        one = failed[first]
        if i < len(failed) and (failed[i].fate, failed[i].text) == (one.fate, one.text):
            continue
        yield one.line, failed[i - 1].line, one
        first = i


@contextlib.contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    """Yield the lines as text in which any byte survives."""
    if file == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("FILE is -, but nothing is piped in")
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")  # type: ignore[union-attr]
        yield sys.stdin
        return
    with contextlib.ExitStack() as stack:
        try:
            lines = stack.enter_context(
                Path(file).open(encoding="utf-8-sig", errors="surrogateescape", newline="")
            )
        except OSError as error:
            raise UsageError(f"FILE = {file!r}: cannot be read: {error.strerror}") from None
        yield lines


async def _check(connection: Connection, reach: Reach) -> None:
    """Refuse what would fail every line alike."""
    state = await connection.ring_state()
    found = next((k for k in state.keyspaces if k.name == reach.keyspace), None)
    if found is None:
        known = ", ".join(k.name for k in state.keyspaces)
        raise UsageError(f"keyspace {reach.keyspace!r} does not exist; there are {known}")
    if reach.replicas > found.n:
        raise UsageError(
            f"--w = {reach.replicas}: must be between 1 and {found.n}, the replicas of keyspace "
            f"{reach.keyspace}"
        )
