"""Scenario files in the format of etcd's `datadriven` tests: directive, input, `----`, output.

A case is a line `command key key=value key=(a,b)`, input lines, a line `----`, and the expected
output up to a blank line (or, between doubled `----` lines, with blank lines in it).
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

OWN_SCENARIOS = Path(__file__).parent / "scenarios"
_TOKEN = re.compile(r"[^\s=()]+(?:=(?:\([^)]*\)|[^\s]*))?|\([^)]*\)")


@dataclass
class Case:
    """One directive of a scenario."""

    line: int
    command: str
    arguments: list[tuple[str, list[str]]]
    input: str
    expected: str = field(default="")

    def values(self, key: str) -> list[str]:
        """Return the values of every argument of that name."""
        return [v for k, values in self.arguments if k == key for v in values]

    def names(self) -> list[str]:
        """Return the arguments without a value, in order."""
        return [k for k, values in self.arguments if not values]


def parse_line(line: str) -> tuple[str, list[tuple[str, list[str]]]]:
    """Return the command and its arguments."""
    tokens = _TOKEN.findall(line)
    arguments = []
    for token in tokens[1:]:
        key, _, value = token.partition("=")
        if value.startswith("("):
            values = [v.strip() for v in re.split(r"[,\s]+", value[1:-1].strip()) if v.strip()]
        else:
            values = [value] if value else []
        arguments.append((key, values))
    return tokens[0], arguments


def cases(path: Path) -> Iterator[Case]:
    """Yield the cases of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        if not line or line.startswith("#"):
            continue
        first = at
        while line.endswith("\\"):
            line = line[:-1] + " " + lines[at].strip()
            at += 1
        command, arguments = parse_line(line)
        taken = []
        while lines[at] != "----":
            taken.append(lines[at])
            at += 1
        at += 1
        expected = []
        if at < len(lines) and lines[at] == "----":
            at += 1
            while lines[at : at + 2] != ["----", "----"]:
                expected.append(lines[at])
                at += 1
            at += 2
        else:
            while at < len(lines) and lines[at]:
                expected.append(lines[at])
                at += 1
        yield Case(first, command, arguments, "\n".join(taken), "\n".join(expected))


def foreign_folder() -> Path:
    """Return where scenarios of etcd-io/raft are looked for."""
    default = Path(__file__).resolve().parents[4] / "shared" / "raft-testdata"
    return Path(os.environ.get("DYNAKV_RAFT_TESTDATA") or default)


def scenarios(kind: str) -> list[object]:
    """Return the scenario files of that kind, ours and etcd's, as parameters of a test."""
    found = [p for root in (OWN_SCENARIOS, foreign_folder()) for p in (root / kind).glob("*.txt")]
    if any(foreign_folder().glob("*.txt")):  # etcd's own folders are flat: told by their content
        found += [p for p in foreign_folder().glob("*.txt") if kind_of(p) == kind]
    parameters: list[object] = [
        pytest.param(p, id=f"{p.parent.parent.name}-{p.stem}") for p in sorted(found)
    ]
    if not any(foreign_folder().rglob("*.txt")):
        reason = f"no scenarios of etcd-io/raft in {foreign_folder()}"
        parameters.append(pytest.param(None, marks=pytest.mark.skip(reason=reason)))
    return parameters


def rewritten(path: Path, run: Callable[[Case], str]) -> str:
    """Return the file with what `run` says in place of what is expected; for new scenarios."""
    lines = path.read_text(encoding="utf-8").splitlines()
    out: list[str] = []
    start = 0
    for case in cases(path):
        separator = lines.index("----", case.line - 1)
        out += [*lines[start : separator + 1], run(case).rstrip("\n")]
        start = separator + 1 + len(case.expected.splitlines())
    return "\n".join([*out, *lines[start:]]) + "\n"


def kind_of(path: Path) -> str:
    """Return which interpreter a file is for, by its commands."""
    commands = {case.command for case in cases(path)}
    if commands <= {"committed", "vote"}:
        return "quorum"
    return "confchange" if commands <= {"simple", "enter-joint", "leave-joint"} else "interaction"


def differences(
    path: Path, run: Callable[[Case], str], same: Callable[[str], object] = str
) -> list[str]:
    """Run a file; return what differs, seen through `same`."""
    wrong = []
    for case in cases(path):
        actual = run(case)
        if same(actual.rstrip("\n")) != same(case.expected.rstrip("\n")):
            wrong.append(
                f"{path.name}:{case.line}: {case.command}\n--- expected\n{case.expected}\n"
                f"--- actual\n{actual}"
            )
    return wrong
