"""`dynakv-cli batch`: writes of a file, a few hundred lines a message.

Lines are JSON objects or rows of CSV; both name the same fields. Messages go one after the other,
and no message has a key twice, so that lines take effect in their order even where part of a
message is tried again. What a node refuses without having done anything is sent again a few times;
what may have happened is not, since a repetition would be a second write. A message that a node
finds wrong is cut in two until the wrong lines stand alone.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from dynakv.client.batch_lines import Entry, Op, Wrong
from dynakv.client.connection import Connection, Reach
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError, UsageError
from dynakv.v1 import kvstore_pb2 as pb

MESSAGE_ENTRIES: Final = 200  # more hardly makes it faster, and a failure concerns more lines
MESSAGE_BYTES: Final = 1 << 20  # of keys and values; a larger entry goes alone
TRIES: Final = 6
PAUSE_MS: Final = 100  # after the first refusal; twice as long after each further one


class Fate(IntEnum):
    """What became of a line; of two the greater is the graver."""

    DONE = 0
    WRONG = 1  # the line breaks a rule, or the key to expire has no value
    REFUSED = 2  # nothing was done
    UNKNOWN = 3  # the write may exist


class Outcome(Struct, frozen=True):
    """A line that was not done, and why."""

    line: int
    fate: Fate
    text: str


class Totals:
    """How many lines met which fate; the progress of a run."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Fate, 0)

    def add(self, fate: Fate, count: int = 1) -> None:
        self.counts[fate] += count

    @property
    def lines(self) -> int:
        return sum(self.counts.values())

    @property
    def worst(self) -> Fate:
        return max((fate for fate, count in self.counts.items() if count), default=Fate.DONE)


async def run(
    connection: Connection,
    lines: Iterable[Entry | Wrong],
    reach: Reach,
    totals: Totals,
    report: Callable[[Sequence[Outcome]], None],
) -> None:
    """Write all lines; `totals` counts them, `report` gets the failures after each message.

    Raises RefusedError once every entry of a message was refused, until the end of its tries: the
    cluster is away, and the lines behind would only wait for the same.
    """
    for message in messages(lines):
        entries = [line for line in message if isinstance(line, Entry)]
        failed = [
            Outcome(line.line, Fate.WRONG, line.text) for line in message if isinstance(line, Wrong)
        ]
        if entries:
            failed += await _written(connection, entries, reach)
        for outcome in failed:
            totals.add(outcome.fate)
        totals.add(Fate.DONE, len(message) - len(failed))
        report(sorted(failed, key=lambda outcome: outcome.line))
        if entries and sum(o.fate is Fate.REFUSED for o in failed) == len(entries):
            raise RefusedError(
                f"stopped behind line {message[-1].line}, where all of a message was refused; "
                "later lines were not read"
            )


def messages(lines: Iterable[Entry | Wrong]) -> Iterator[list[Entry | Wrong]]:
    """Yield the lines in runs that fit a message and hold no key twice."""
    message: list[Entry | Wrong] = []
    keys: set[bytes] = set()
    size = 0
    for line in lines:
        bytes_more = len(line.key) + len(line.value) if isinstance(line, Entry) else 0
        is_full = len(message) == MESSAGE_ENTRIES or size + bytes_more > MESSAGE_BYTES
        if message and (is_full or (isinstance(line, Entry) and line.key in keys)):
            yield message
            message, keys, size = [], set(), 0
        message.append(line)
        size += bytes_more
        if isinstance(line, Entry):
            keys.add(line.key)
    if message:
        yield message


async def _written(connection: Connection, entries: Sequence[Entry], reach: Reach) -> list[Outcome]:
    """Write entries of distinct keys; return those that were not done."""
    failed: list[Outcome] = []
    left = list(entries)
    for attempt in range(TRIES):
        outcomes = await _attempt(connection, left, reach)
        again = {o.line for o in outcomes if o.fate is Fate.REFUSED}
        if attempt == TRIES - 1 or not again:
            return failed + outcomes
        failed += [o for o in outcomes if o.line not in again]
        left = [entry for entry in left if entry.line in again]
        await asyncio.sleep((PAUSE_MS << attempt) / 1000)
    return failed


async def _attempt(connection: Connection, entries: Sequence[Entry], reach: Reach) -> list[Outcome]:
    """Send entries once, those that a node finds wrong in ever smaller messages."""
    steps = _steps_of(entries)
    try:
        results = await connection.pipeline([_step_of(step) for step in steps], reach)
    except DynaKVError as error:
        outcomes = [Outcome(e.line, _fate_of(error), str(error)) for e in entries]
    else:
        outcomes = [
            outcome
            for step, result in zip(steps, results, strict=True)
            for outcome in _outcomes_of(step, result)
        ]
    wrong = {o.line for o in outcomes if o.fate is Fate.WRONG and o.text != _NO_VALUE}
    suspects = [entry for entry in entries if entry.line in wrong]
    if len(suspects) < 2:
        return outcomes
    outcomes = [o for o in outcomes if o.line not in wrong]
    half = len(suspects) // 2
    for part in (suspects[:half], suspects[half:]):
        outcomes += await _attempt(connection, part, reach)
    return outcomes


_NO_VALUE: Final = "the key has no value"


def _steps_of(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return the entries by what is done; their keys differ, so their order does not matter."""
    steps: dict[tuple[Op, bool], list[Entry]] = {}
    for entry in entries:
        steps.setdefault((entry.op, entry.keep_ttl), []).append(entry)
    return list(steps.values())


def _step_of(entries: Sequence[Entry]) -> pb.Step:
    first = entries[0]
    keys = [entry.key for entry in entries]
    ttls_ms = [entry.ttl_ms for entry in entries]
    expires_at_ms = [entry.expires_at_ms for entry in entries]
    match first.op:
        case Op.PUT:
            return pb.Step(
                put=pb.PutStep(
                    keys=keys,
                    values=[entry.value for entry in entries],
                    ttls_ms=ttls_ms if any(ttls_ms) else [],
                    expires_at_ms=expires_at_ms if any(expires_at_ms) else [],
                    keep_ttl=first.keep_ttl,
                )
            )
        case Op.DELETE:
            return pb.Step(delete=pb.DeleteStep(keys=keys))
        case Op.EXPIRE:
            return pb.Step(
                expire=pb.ExpireStep(
                    keys=keys,
                    ttls_ms=ttls_ms if any(ttls_ms) else [],
                    expires_at_ms=expires_at_ms if any(expires_at_ms) else [],
                )
            )
        case Op.PERSIST:
            return pb.Step(persist=pb.PersistStep(keys=keys))


def _outcomes_of(entries: Sequence[Entry], result: pb.StepResult) -> Iterator[Outcome]:
    """Yield what failed of a step."""
    failed: set[int] = set()
    for error in result.errors:
        for place in error.entries:
            failed.add(place)
            yield Outcome(entries[place].line, _FATES.get(error.retry, Fate.UNKNOWN), error.message)
    for place, is_applied in enumerate(result.applied.applied):
        if not is_applied and place not in failed:
            yield Outcome(entries[place].line, Fate.WRONG, _NO_VALUE)


_FATES: Final = {
    pb.RETRY_NEVER: Fate.WRONG,
    pb.RETRY_SAFE: Fate.REFUSED,
    pb.RETRY_SAME_STAMP: Fate.UNKNOWN,
}


def _fate_of(error: DynaKVError) -> Fate:
    match error:
        case UsageError():
            return Fate.WRONG
        case RefusedError():
            return Fate.REFUSED
        case UnknownOutcomeError():
            return Fate.UNKNOWN
        case _:
            return Fate.UNKNOWN
