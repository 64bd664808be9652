"""Terminals in which a page is run: a shell, a Python, and one that a demo has for itself.

Each stays open from block to block, as a reader's would. Everything that is waited for has a bound,
and what was started is gone when the block of a `with` statement ends.
"""

import contextlib
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.docs.pages import Block, fits

STEP_S: Final = 60.0  # for one block; a loaded machine may be slow
END_S: Final = 20.0  # for a program to stop when it was told to
PROMPT: Final = "dynakv> "
_ROWS_COLUMNS: Final = (50, 200)  # so wide that no line is broken
_DONE: Final = re.compile("\x1e(\\d+)\n")  # a separator that no output has, and an exit code
_PYTHON: Final = """
import sys, traceback
space = {"__name__": "__main__"}
for line in sys.stdin:
    path, code = line.rstrip(), 0
    try:
        exec(compile(open(path).read(), path, "exec"), space)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    print(f"\\x1e{code}", flush=True)
"""


class Terminal:
    """A program, and what it writes to stdout and stderr together."""

    def __init__(self, process: "subprocess.Popen[bytes]", reads: int, writes: int) -> None:
        """Take a program that runs, and the descriptors to read it from and write to it."""
        self.process = process
        self._reads = reads
        self._writes = writes

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the program, in words first: a demo that is killed leaves its directory behind."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(ProcessLookupError):  # nothing of it is left, as it should be
            os.killpg(self.process.pid, signal.SIGKILL)
        for descriptor in {self._reads, self._writes}:
            os.close(descriptor)

    def send(self, text: str) -> None:
        """Type something."""
        os.write(self._writes, text.encode())

    def read(self, ends: Sequence[str | re.Pattern[str]], within_s: float) -> str:
        """Return what is printed until it ends with one of `ends`, or until the program ends."""
        end = time.monotonic() + within_s
        raw = b""
        while True:
            text = raw.decode(errors="replace").replace("\r\n", "\n")
            for one in ends:
                if text.endswith(one) if isinstance(one, str) else one.search(text):
                    return text
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._reads], [], [], left)[0]:
                raise AssertionError(f"not done within {within_s:.0f} s; so far:\n{text}")
            try:
                chunk = os.read(self._reads, 65_536)
            except OSError:  # what a pseudo-terminal says when the other side is closed
                chunk = b""
            if not chunk:
                return text
            raw += chunk


class Runner(Terminal):
    """A shell or a Python that runs one file after the other and says when each is done."""

    def __init__(self, words: Sequence[str], calls: str, cwd: Path, env: Mapping[str, str]) -> None:
        """Start it; `calls` is what to send it for a file `{}`."""
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        # Descriptors of our own: those of the process object are closed with it.
        super().__init__(process, os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
        process.stdout.close()
        process.stdin.close()
        self._calls = calls
        self._cwd = cwd

    def run(self, block: Block, within_s: float) -> tuple[str, int]:
        """Return what a block prints, and its exit code."""
        file = self._cwd / f".block-{block.line}"
        file.write_text(block.text)
        self.send(self._calls.format(shlex.quote(str(file))))
        text = self.read([_DONE], within_s)
        done = _DONE.search(text)
        assert done is not None, f"the program ended:\n{text}"
        return text[: done.start()], int(done[1])


def shell(cwd: Path, env: Mapping[str, str]) -> Runner:
    """Return a shell."""
    calls = ". {} < /dev/null; printf '\\036%s\\n' $?\n"
    return Runner(["bash", "--noprofile", "--norc"], calls, cwd, env)


def python(cwd: Path, env: Mapping[str, str]) -> Runner:
    """Return a Python in which the names of one block are known to the next."""
    return Runner([sys.executable, "-u", "-c", _PYTHON], "{}\n", cwd, env)


class Demo(Terminal):
    """`dynakv demo` on a terminal of its own."""

    def __init__(self, command: str, base_port: int, cwd: Path, env: Mapping[str, str]) -> None:
        """Start what the page says, on other ports."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *_ROWS_COLUMNS, 0, 0))
        words = [*shlex.split(command), "--base-port", str(base_port)]
        found = env["PATH"].partition(os.pathsep)[0]
        process = subprocess.Popen(
            [str(Path(found) / words[0]), *words[1:]],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env={**env, "TERM": "dumb"},
            start_new_session=True,
        )
        os.close(theirs)
        super().__init__(process, ours, ours)

    def started(self, within_s: float) -> str:
        """Return what it prints until it has its prompt."""
        text = self.read([PROMPT], within_s)
        assert text.endswith(PROMPT), f"the demo ended:\n{text}"
        return text

    def talk(self, block: Block, within_s: float) -> str:
        """Type the commands of a console block and return the whole conversation."""
        told = PROMPT
        for line in block.text.splitlines():
            command = line.removeprefix(PROMPT.rstrip()).strip()
            if line.startswith(PROMPT) and command:
                self.send(f"{command}\n")
                told += self.read([PROMPT], within_s)
        return told


def assert_prints(block: Block, printed: str, expected: str) -> None:
    """Fail with both texts where they do not fit."""
    if not fits(printed, expected):
        raise AssertionError(
            f"line {block.line}, {block.word}:\n{block.text}\n"
            f"--- the page says\n{expected}\n--- it printed\n{printed}"
        )
