"""Recorded histories in the forms in which others publish them, and in ours.

* Jepsen's log of a compare-and-set register (`*.log`):
  `INFO  jepsen.util - 3  :invoke  :cas  [3 0]`. One register for the whole file. A cas whose
  `:fail` repeats its arguments found another value; a `:fail` with a reason such as `:timed-out`
  did nothing. Lines of no client are passed over.
* Clojure maps of an append object per key (`*.txt`):
  `{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}`.
* JSON lines (anything else), see `linearizability_history.py`.

The first two have no times: the order of their lines is the clock.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from dynakv.errors import UsageError
from dynakv.sim.linearizability_history import (
    MISMATCH,
    Event,
    Operation,
    operations,
    parsed,
)
from dynakv.sim.linearizability_models import APPEND, CAS_REGISTER, LIST_APPEND, REGISTER, Model

_CLIENT: Final = re.compile(r"jepsen\.util - \d")
_JEPSEN: Final = re.compile(
    r"INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.*\S)\s*"
)
_MAP: Final = re.compile(
    r"\{:process (\d+), :type :(invoke|ok|fail|info), :f :(get|put|append), "
    r':key "([^"]*)", :value (?:"([^"]*)"|nil)\}\s*'
)


def read(path: Path) -> tuple[list[Operation], Model]:
    """Return a file's operations and the model that they are of. Raises UsageError, OSError."""
    with path.open(encoding="utf-8") as lines:
        try:
            if path.suffix in _FORMS:
                parse, model = _FORMS[path.suffix]
                return operations(parse(lines)), model
            found = operations(parsed(lines))
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
    return found, _model_of(found)


def jepsen(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a register's log."""
    for number, line in enumerate(lines, 1):
        if _CLIENT.search(line) is None:
            continue
        match = _JEPSEN.fullmatch(line)
        if match is None:
            raise UsageError(f"line {number} is no event of a register's log: {line.strip():.80}")
        process, kind, f, text = match.groups()
        if text.startswith(":"):
            yield Event(int(process), kind, f, "", None, number, error=text[1:])
        else:
            error = MISMATCH if kind == "fail" and f == "cas" else ""
            yield Event(int(process), kind, f, "", _value(text, number), number, error=error)


def _value(text: str, number: int) -> Hashable:
    if text == "nil":
        return None
    try:
        if text.startswith("["):
            old, new = text.strip("[]").split()
            return int(old), int(new)
        return int(text)
    except ValueError:
        raise UsageError(f"line {number}: {text!r} is no value of a register") from None


def maps(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of an append object's maps."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _MAP.fullmatch(line)
        if match is None:
            raise UsageError(f"line {number} is no event of an append object: {line.strip():.80}")
        process, kind, f, key, value = match.groups()
        yield Event(int(process), kind, f, key, value, number)


def _model_of(found: Sequence[Operation]) -> Model:
    kinds = {operation.f for operation in found}
    if "append" in kinds:
        lists = any(isinstance(operation.result, tuple) for operation in found)
        return LIST_APPEND if lists else APPEND
    return CAS_REGISTER if "cas" in kinds else REGISTER


_FORMS: Final[dict[str, tuple[Callable[[Iterable[str]], Iterator[Event]], Model]]] = {
    ".log": (jepsen, CAS_REGISTER),
    ".txt": (maps, APPEND),
}
