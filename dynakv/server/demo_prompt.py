"""Reading commands from a person or a pipe.

On a terminal lines are edited with readline, which remembers them and completes commands and nodes;
otherwise they are read as they come and shown before their answers, so that the output of a script
can be followed. Blocking on purpose: the demo runs this in a thread beside its event loop, an
attached prompt has nothing else to do.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from dynakv.client import terminal
from dynakv.server.demo_commands import LINE_BYTES_MAX, VERBS
from dynakv.server.demo_control import Reply

PROMPT: Final = "dynakv> "
_READ_BYTES: Final = 65_536


def is_edited() -> bool:
    """Say whether a person types at a terminal and sees the answers there."""
    return _is_terminal(0) and _is_terminal(1)


def asks_for_prompt() -> bool:
    """Say whether stdin is a terminal, so that somebody may type."""
    return _is_terminal(0)


def lines(nodes: Sequence[str]) -> Iterator[str]:
    """Yield what is typed or piped in."""
    return _edited(nodes) if is_edited() else lines_of(0)


def serve(run: Callable[[str], Reply], lines: Iterable[str]) -> bool:
    """Hand every line to `run` and show its answer, until one leaves or there are no more.

    Answers go to stdout, complaints to stderr. Returns whether all commands succeeded.
    """
    is_well = True
    for line in lines:
        reply = run(line)
        if reply.leaves:
            break
        is_well = is_well and reply.ok
        if reply.ok and reply.text:
            print(reply.text, flush=True)
        elif reply.text:
            terminal.say(reply.text)
    return is_well


@contextlib.contextmanager
def restored_terminal() -> Iterator[None]:
    """Leave the terminal as it was, also where a thread still waits in readline."""
    if not _is_terminal(0):
        yield
        return
    import termios

    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _edited(nodes: Sequence[str]) -> Iterator[str]:
    with contextlib.suppress(ImportError):  # a Python without readline: no history, no editing
        import readline

        readline.set_completer(completer(nodes, readline.get_begidx))
        readline.set_completer_delims(" ,|>")
        readline.parse_and_bind("tab: complete")
        # It would have to be switched off again at an end that a thread does not see.
        readline.parse_and_bind("set enable-bracketed-paste off")
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return
        except UnicodeDecodeError:
            terminal.say("that is not UTF-8")


def lines_of(fd: int) -> Iterator[str]:
    """Yield the lines of a file descriptor, the last one also without its end.

    Read past Python's buffer of stdin: at the end of the process its lock must not be held by a
    thread that still waits.
    """
    rest = b""
    typed = _is_terminal(fd)
    while True:
        if typed:
            print(PROMPT, end="", file=sys.stderr, flush=True)
        while b"\n" not in rest:
            chunk = os.read(fd, _READ_BYTES)
            if not chunk:
                break
            rest += chunk
            if len(rest) > 2 * LINE_BYTES_MAX and b"\n" not in rest:
                rest = rest[: LINE_BYTES_MAX + 1]  # enough to be refused for its length
        if not rest:
            return
        raw, _, rest = rest.partition(b"\n")
        line = os.fsdecode(raw.removesuffix(b"\r"))
        if not typed:
            terminal.say(f"{PROMPT}{line[:200]}".encode(errors="replace").decode())
        yield line


def completer(
    nodes: Sequence[str], begins_at: Callable[[], int]
) -> Callable[[str, int], str | None]:
    """Return what readline asks: commands at the beginning of a line, nodes further on."""

    def complete(text: str, place: int) -> str | None:
        words = nodes if begins_at() else VERBS
        fitting = [f"{word} " for word in words if word.startswith(text)]
        return fitting[place] if place < len(fitting) else None

    return complete


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
