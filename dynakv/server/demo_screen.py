"""One line of figures that changes while other things happen on the same terminal.

Where nobody types the line is written over and over in place. Beside a prompt the last row of the
terminal is taken out of what scrolls (DECSTBM, as package managers do with their progress bar), so
that an edited line is left alone. Not on a terminal each text is a line of its own.
"""

import os
import sys
from types import TracebackType
from typing import Final, Self

ROWS_MIN: Final = 5  # a smaller terminal has no row to give away


class Screen:
    """The line, on stderr. Use it with `async with` or `with`; the terminal is left as it was."""

    def __init__(self, *, beside_prompt: bool) -> None:
        """Look at stderr; nothing is written yet."""
        self._is_terminal = sys.stderr.isatty()
        self._beside_prompt = beside_prompt
        self._reserved: os.terminal_size | None = None
        self._is_dirty = False  # a line without its end is on the screen

    def __enter__(self) -> Self:
        """Take the row, before a prompt stands in it."""
        if self._beside_prompt and self._is_terminal:
            self.show("")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the row back."""
        if self._reserved is not None:
            _write(f"\x1b7\x1b[r\x1b[{self._reserved.lines};1H\x1b[K\x1b8")
        elif self._is_dirty:
            _write("\n")

    def show(self, text: str) -> None:
        """Show a text in place of the last one."""
        if not self._is_terminal:
            _write(f"{text}\n")
            return
        size = os.get_terminal_size(sys.stderr.fileno())
        text = text[: size.columns - 1]
        if not self._beside_prompt or size.lines < ROWS_MIN:
            self._is_dirty = True
            _write(f"\r{text}\x1b[K")
            return
        if size != self._reserved:
            if self._reserved is not None and self._reserved.lines < size.lines:
                _write(f"\x1b7\x1b[{self._reserved.lines};1H\x1b[K\x1b8")  # what stood there
            self._reserved = size
            # One row down first, in the same column (IND): the cursor may stand in the very row
            # that is taken. Setting the region moves the cursor, so it is saved and restored.
            _write(f"\x1bD\x1b7\x1b[1;{size.lines - 1}r\x1b8\x1b[1A")
        _write(f"\x1b7\x1b[{size.lines};1H\x1b[7m{text}\x1b[0m\x1b[K\x1b8")


def _write(text: str) -> None:
    """Write at once: in two pieces a keystroke's echo could come between them."""
    sys.stderr.write(text)
    sys.stderr.flush()
