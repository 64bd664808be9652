import contextlib
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable

import pytest

from dynakv.server import demo_screen
from dynakv.server.demo_screen import Screen


def written_to_terminal(rows: int, show: Callable[[], None]) -> str:
    """Return what `show` writes to a stderr that is a terminal of 30 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 30, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
        show()
    written = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
        while more := os.read(ours, 65_536):
            written += more
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def two_texts(*, beside_prompt: bool) -> Callable[[], None]:
    def show() -> None:
        with Screen(beside_prompt=beside_prompt) as screen:
            screen.show("one")
            screen.show("2" * 50)

    return show


def test_off_a_terminal_each_text_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    two_texts(beside_prompt=True)()
    assert capsys.readouterr().err == "one\n" + 50 * "2" + "\n"


def test_alone_on_a_terminal_one_line_is_written_over() -> None:
    written = written_to_terminal(24, two_texts(beside_prompt=False))
    assert written == "\rone\x1b[K\r" + 29 * "2" + "\x1b[K\n"


def test_beside_a_prompt_the_last_row_is_taken_and_given_back() -> None:
    written = written_to_terminal(24, two_texts(beside_prompt=True))
    taken, _, rest = written.partition("\x1b8\x1b[1A")
    assert taken.endswith("\x1b[1;23r")
    assert rest.count("\x1b[24;1H") == 4  # the empty text, both texts, and its clearing
    assert rest.count("\x1b7") == rest.count("\x1b8")
    assert rest.endswith("\x1b7\x1b[r\x1b[24;1H\x1b[K\x1b8")


def test_a_small_terminal_keeps_all_its_rows() -> None:
    written = written_to_terminal(demo_screen.ROWS_MIN - 1, two_texts(beside_prompt=True))
    assert "r\x1b8" not in written
