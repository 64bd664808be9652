"""Histories of clients: JSON lines on one monotonic clock, and the operations they tell of.

One event a line: `{"process": 3, "type": "invoke", "f": "write", "key": "k1", "value": "3/17",
"t_mono_ns": 1234, "node": "n2", "stamp": null, "error": null}`. A client (`process`) asks for one
thing at a time. Its `invoke` is followed by

* `ok`    with what was read in `value`;
* `fail`  where certainly nothing was done. A cas that found another value is a `fail` with the
          error `mismatch`: it did nothing, but it saw something;
* `info`  where the outcome is unknown: a timeout, or any error after sending. Never `fail` then.
          The same holds for an `invoke` that nothing follows.

Every value written to a key is unique, so that a read names its write, and a key has at most ten
clients, since the search for an order is exponential in them: the recorder insists on both.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TextIO

from dynakv.errors import UsageError

TYPES: Final = ("invoke", "ok", "fail", "info")
WRITES: Final = ("write", "put", "append", "cas")
MISMATCH: Final = "mismatch"
CLIENTS_MAX: Final = 10  # per key


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history; `at` is a moment on the history's one clock."""

    process: int
    type: str
    f: str
    key: str
    value: Hashable
    at: int
    node: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asked for and what it learned.

    Invariant: `ended` is None exactly where the outcome is unknown; then `result` means nothing.
    """

    process: int
    f: str
    key: str
    value: Hashable  # asked for
    started: int
    ended: int | None = None
    result: Hashable = None
    mismatch: bool = False  # a cas that found another value
    order: int = 0  # among those asked for at the same moment
    node: str = ""

    def __str__(self) -> str:
        """Describe the operation on one line."""
        what = f"{self.f} {self.result!r}" if self.f in ("read", "get") else self.f
        if self.value is not None:
            what += f" {self.value!r}"
        if self.mismatch:
            what += " (mismatch)"
        return f"{what} by process {self.process} at {self.started}..{self.ended}"


def operations(events: Iterable[Event]) -> list[Operation]:
    """Return the operations of a history, those that certainly failed left out.

    Events of one process must come in its order. Raises UsageError where they are at odds.
    """
    asked: dict[int, tuple[int, Event]] = {}
    found: list[Operation] = []
    for order, event in enumerate(events):
        if event.type == "invoke":
            if event.process in asked:
                raise UsageError(f"event {order + 1}: process {event.process} asks twice at once")
            asked[event.process] = order, event
            continue
        if event.process not in asked:
            raise UsageError(f"event {order + 1}: process {event.process} had asked for nothing")
        place, invoke = asked.pop(event.process)
        if (event.f, event.key) != (invoke.f, invoke.key) or event.at < invoke.at:
            raise UsageError(f"event {order + 1}: {event} is no answer to {invoke}")
        mismatch = event.type == "fail" and event.f == "cas" and event.error == MISMATCH
        if event.type != "fail" or mismatch:
            ended = None if event.type == "info" else event.at
            found.append(_operation(invoke, place, ended, event.value, mismatch=mismatch))
    found += [_operation(invoke, place, None, None) for place, invoke in asked.values()]
    return sorted(found, key=lambda operation: operation.order)


def _operation(
    invoke: Event, place: int, ended: int | None, result: Hashable, *, mismatch: bool = False
) -> Operation:
    return Operation(
        invoke.process,
        invoke.f,
        invoke.key,
        invoke.value,
        invoke.at,
        ended,
        result if invoke.f in ("read", "get") else None,
        mismatch,
        place,
        invoke.node,
    )


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of JSON lines. Raises UsageError with the number of a bad line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _event(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                said = f"no {error}" if isinstance(error, KeyError) else error
                raise UsageError(f"line {number} is not an event: {said}") from None


def _event(fields: dict[str, Any]) -> Event:
    process, at, kind = fields["process"], fields["t_mono_ns"], fields["type"]
    f, key = fields["f"], fields["key"]
    if not isinstance(process, int) or not isinstance(at, int):
        raise TypeError("process and t_mono_ns must be integers")
    if kind not in TYPES:
        raise ValueError(f"type {kind!r} is none of {', '.join(TYPES)}")
    if not isinstance(f, str) or not isinstance(key, str):
        raise TypeError("f and key must be texts")
    value = frozen(fields.get("value"))
    return Event(
        process, kind, f, key, value, at, fields.get("node") or "", fields.get("error") or ""
    )


def frozen(value: Any) -> Hashable:
    """Return a JSON value as one that can be compared and kept: lists become tuples."""
    if isinstance(value, list):
        return tuple(frozen(one) for one in value)
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"value {value!r:.40} must be a text, a whole number, null, or a list of these")


class Recorder:
    """Writes a history down while it happens; one for all clients of a process."""

    def __init__(self, out: TextIO, clock: Callable[[], int]) -> None:
        """`clock` returns monotonic ns, the same for all that write to one history."""
        self._out = out
        self._clock = clock
        self._asked: dict[int, tuple[str, str, str]] = {}
        self._written: set[tuple[str, Hashable]] = set()
        self._clients: dict[str, set[int]] = {}

    def invoke(self, process: int, f: str, key: str, value: Any = None, node: str = "") -> None:
        """Call right before sending.

        Raises ValueError for a value that was written to the key before, and for too many clients.
        """
        if process in self._asked:
            raise ValueError(f"process {process} asks twice at once")
        clients = self._clients.setdefault(key, set())
        clients.add(process)
        if len(clients) > CLIENTS_MAX:
            raise ValueError(f"key {key!r} has {len(clients)} clients of at most {CLIENTS_MAX}")
        if f in WRITES:
            written = key, frozen(value[1] if f == "cas" else value)
            if written in self._written:
                raise ValueError(f"{value!r:.40} was written to {key!r} before")
            self._written.add(written)
        self._asked[process] = f, key, node
        self._write(process, "invoke", value, None, None)

    def ok(self, process: int, value: Any = None, stamp: Any = None) -> None:
        """Call right after the answer; `value` is what was read."""
        self._write(process, "ok", value, stamp, None)
        del self._asked[process]

    def fail(self, process: int, error: str) -> None:
        """Certainly nothing was done."""
        self._write(process, "fail", None, None, error)
        del self._asked[process]

    def info(self, process: int, error: str) -> None:
        """Nobody knows: a timeout, or an error after sending."""
        self._write(process, "info", None, None, error)
        del self._asked[process]

    def _write(self, process: int, kind: str, value: Any, stamp: Any, error: str | None) -> None:
        f, key, node = self._asked[process]
        event = {
            "process": process,
            "type": kind,
            "f": f,
            "key": key,
            "value": value,
            "t_mono_ns": self._clock(),
            "node": node,
            "stamp": stamp,
            "error": error,
        }
        self._out.write(json.dumps(event) + "\n")
