"""Tables and colors on a terminal."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

GREEN: Final = "\x1b[32m"
YELLOW: Final = "\x1b[33m"
RED: Final = "\x1b[31m"
_PLAIN: Final = "\x1b[0m"


def columns(rows: Sequence[Sequence[str]], right: set[int]) -> Iterator[str]:
    """Yield the rows with their columns aligned, those in `right` to the right.

    A row may be shorter than the first; its last cell then runs on and widens no column.
    """
    count = len(rows[0])
    widths = [
        max(
            (len(row[i]) for row in rows if i < len(row) - 1 or i == len(row) - 1 == count - 1),
            default=0,
        )
        for i in range(count)
    ]
    for row in rows:
        cells = (
            text.rjust(width) if i in right and len(row) == count else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=False))
        )
        yield "  ".join(cells).rstrip()


def painted(text: str, color: str | None) -> str:
    """Return the text in a color; None leaves it as it is."""
    return f"{color}{text}{_PLAIN}" if color else text


def colorful() -> bool:
    """Say whether stdout is a terminal whose user wants color; see no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def nodes_as_json(told: Mapping[str, T | str], shown: Callable[[T], dict[str, Any]]) -> str:
    """Return what nodes told, by id, for programs; a text is why a node told nothing."""
    return json.dumps(
        {
            "nodes": [
                {"node": node, **({"error": said} if isinstance(said, str) else shown(said))}
                for node, said in told.items()
            ]
        }
    )
