"""The pages of the documentation as something to run: fenced blocks, and what they must print.

A fenced block with the word `sh`, `python` or `console` is run, `console` being lines typed at the
prompt of the demo together with its answers. A `text` block is what the block before it prints; in
it `...` stands for anything within a line, and on a line of its own for any number of lines. How
many spaces stand between two words is not compared, since tables are as wide as their contents. A
block with a comment `<!-- not run: why -->` before it is shown only.
"""

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).resolve().parents[2]
RUN: Final = ("sh", "python", "console")
_FENCE: Final = re.compile(r"^(?P<fence>```+)(?P<word>\w*)[^`\n]*$")
_NOT_RUN: Final = re.compile(r"^<!-- not run: .+ -->$")
_HEADING: Final = re.compile(r"^#+ (?P<title>.+)$")
_DEFAULT_BASE: Final = 50_050
_DEFAULT_PORT: Final = re.compile(r"\b50[01]5\d\b")


class Block(Struct):
    """A fenced block."""

    word: str  # what stands after the fence
    text: str
    line: int  # of its first line
    section: str  # the heading above it
    runs: bool
    prints: str | None = None  # what the text block after it says


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page in order, those of output joined to what prints it."""
    found: list[Block] = []
    fence, section, runs = "", "", True
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            if line == fence:
                fence = ""
            else:
                found[-1].text += f"{line}\n"
        elif opening := _FENCE.match(line):
            fence = opening["fence"]
            word = opening["word"]
            found.append(Block(word, "", number + 1, section, runs and word in RUN))
            runs = True
        elif line.strip():
            if heading := _HEADING.match(line):
                section = heading["title"]
            runs = not _NOT_RUN.match(line)
    assert not fence, f"the block in line {found[-1].line} has no end"
    return _joined(found)


def _joined(found: list[Block]) -> list[Block]:
    joined: list[Block] = []
    for block in found:
        if block.word != "text":
            joined.append(block)
            continue
        assert joined, f"line {block.line}: output of nothing"
        assert joined[-1].prints is None, f"line {block.line}: output of a block that has one"
        joined[-1].prints = block.text
    return joined


def shifted(text: str, base: int) -> str:
    """Return a page for a demo with another base port: all ports of the default one are moved."""
    return _DEFAULT_PORT.sub(lambda port: str(int(port[0]) - _DEFAULT_BASE + base), text)


def fits(printed: str, expected: str) -> bool:
    """Say whether an output is what a page shows."""
    parts = []
    for line in _plain(expected).splitlines():
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(map(re.escape, line.split("..."))) + r"\n")
    return re.fullmatch("".join(parts), _plain(printed)) is not None


def _plain(text: str) -> str:
    """Return a text with single spaces, none at the ends of lines, and no empty last lines."""
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)
