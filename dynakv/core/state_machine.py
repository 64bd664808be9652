"""What a committed command makes of the records of a Raft group: the same on every replica.

Pure and deterministic: outcome = f(state, command). Group time is the greatest reading that any
command brought so far; it alone decides expiry and gives the stamps, so a follower with a wrong
clock comes to the same. A deleted or expired key needs no tombstone here, since all replicas apply
the same log: its row goes.

Exactly once: each client's outcomes are kept with the state (and so with its snapshots) until the
client says that it settled them, within a bound in number and in time. A request id from before
what is kept is answered Forgotten and never run again. (Ongaro, 2014, section 6.3.)
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, msgpack
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.commands import (
    KEEP_EXPIRY,
    Append,
    Command,
    Condition,
    Delete,
    Done,
    Expire,
    Forgotten,
    IfAbsent,
    IfPresent,
    IfStamp,
    IfValue,
    Increment,
    Operation,
    Overwrite,
    Put,
    Read,
    Result,
    Skipped,
    Unmet,
    When,
    Wrong,
)
from dynakv.core.hlc import wall_ms_of
from dynakv.core.record import (
    NO_EXPIRY,
    Record,
    live,
    merge,
    with_expiry,
    with_value,
    written,
)

INT64_MAX: Final = (1 << 63) - 1
INT64_MIN: Final = -(1 << 63)
_DIGITS_MAX: Final = 20  # of an int64, with its sign


class Session(Struct, frozen=True, array_like=True):
    """What is remembered of one client's requests.

    Invariant: `outcomes` is sorted by sequence, and every sequence in it is at least `floor`.
    """

    floor: int  # lower sequences are settled or forgotten
    used_ms: int  # group time of its last command, or when that was issued where it is later
    outcomes: tuple[tuple[int, tuple[Result, ...]], ...]


class Applied(Struct, frozen=True):
    """What a command did. `writes`: None removes the row; `session`: None leaves it as it is."""

    time: int  # group time from now on
    writes: dict[bytes, Record | None]
    results: tuple[Result, ...]
    session: Session | None


_Kept = tuple[int, tuple[Result, ...]]  # sequence, and what it came to
_Outcome = tuple[Result, Record | None]  # of one operation, and the row that it leaves behind
_decode_session: Final = msgpack.Decoder(Session).decode


def session_of(raw: bytes) -> Session:
    """Return the session of `session_bytes`. Raises msgspec.DecodeError on anything else."""
    return _decode_session(raw)


def session_bytes(session: Session) -> bytes:
    """Return a session as it is stored."""
    return msgpack.encode(session)


def outdated(session: Session, time: int) -> bool:
    """Say whether a session may be dropped: every id that it knows is too old to be run anyway."""
    return wall_ms_of(time) - session.used_ms > 2 * limits.REQUEST_WINDOW_MS


def apply(
    command: Command, time: int, rows: Mapping[bytes, Record], session: Session | None
) -> Applied:
    """Return what a command does to a group whose time is `time`.

    `rows` holds the rows of the command's keys as far as there are any, `session` is the client's.
    """
    first = max(time + 1, command.time)
    last = first + len(command.operations) - 1
    now_ms = wall_ms_of(first)
    if not command.client:
        writes, results = _run(command, first, rows)
        return Applied(last, writes, results, None)
    session = session or Session(0, 0, ())
    known = _known(command, now_ms, session)
    if known is not None:
        return Applied(last, {}, known, None)
    writes, results = _run(command, first, rows)
    return Applied(last, writes, results, _remember(command, now_ms, session, results))


def _known(command: Command, now_ms: int, session: Session) -> tuple[Result, ...] | None:
    """Return the outcome of a request that is not to be run, None for one that is new."""
    for sequence, outcome in session.outcomes:
        if sequence == command.sequence:
            return outcome
    late = now_ms - command.issued_ms > limits.REQUEST_WINDOW_MS
    if late or command.sequence < session.floor:
        return (Forgotten(),) * len(command.operations)
    return None


def _remember(
    command: Command, now_ms: int, session: Session, results: tuple[Result, ...]
) -> Session:
    kept = [
        *(pair for pair in session.outcomes if pair[0] >= command.settled_below),
        (command.sequence, results),
    ]
    kept.sort(key=lambda pair: pair[0])
    floor = max(session.floor, command.settled_below)
    if len(kept) > limits.REQUEST_OUTCOMES_MAX:
        beyond = len(kept) - limits.REQUEST_OUTCOMES_MAX
        floor = max(floor, kept[beyond - 1][0] + 1)
        kept = kept[beyond:]
    if command.previous:
        kept = _within_bytes(kept)
    # Group time may stand still for long where leaders doubt their clocks, and then leap.
    return Session(floor, max(now_ms, command.issued_ms), tuple(kept))


def _within_bytes(kept: list[_Kept]) -> list[_Kept]:
    """Return the outcomes; from the oldest on those become Forgotten that show too much together.

    Their requests are still known as done, and so are not run again.
    """
    room = limits.REQUEST_OUTCOME_BYTES_MAX
    bounded: list[_Kept] = []
    for sequence, results in reversed(kept):
        room -= sum(map(_shown_bytes, results))
        if room < 0 and bounded:
            results = (Forgotten(),) * len(results)  # noqa: PLW2901 - what is remembered of it
        bounded.append((sequence, results))
    bounded.reverse()
    return bounded


def _shown_bytes(result: Result) -> int:
    match result:
        case Done(before=Record(value=bytes(value))) | Unmet(found=Record(value=bytes(value))):
            return len(value)
        case _:
            return 0


def _run(
    command: Command, first: int, rows: Mapping[bytes, Record]
) -> tuple[dict[bytes, Record | None], tuple[Result, ...]]:
    """Run the operations one after the other; all of them take place, or none."""
    now_ms = wall_ms_of(first)
    state: dict[bytes, Record | None] = {}
    results: list[Result] = []
    failed = False
    for i, operation in enumerate(command.operations):
        key = operation.key
        found = state[key] if key in state else rows.get(key)
        old = found if live(found, now_ms) else None
        result, new = _one(operation, old, now_ms, first + i, command.writer)
        failed = failed or not isinstance(result, Done)
        results.append(result)
        if isinstance(result, Done):
            # An expired row goes with whatever is done to its key.
            state[key] = new
    if not command.previous:
        results = [_brief(result) for result in results]
    if failed:
        return {}, tuple(r if not isinstance(r, Done) else Skipped() for r in results)
    writes = {key: row for key, row in state.items() if row is not rows.get(key)}
    return writes, tuple(results)


def _brief(result: Result) -> Result:
    """Return the result without the record that it shows."""
    if isinstance(result, Done):
        return replace(result, before=None)
    return Unmet(None) if isinstance(result, Unmet) else result


def _one(operation: Operation, old: Record | None, now_ms: int, time: int, writer: int) -> _Outcome:
    """Return the result of one operation, and the row that it leaves behind."""
    match operation:
        case Put() | Delete() | Read():
            return _conditional(operation, old, now_ms, time, writer)
        case Append():
            return _appended(operation, old, time, writer)
        case Overwrite():
            return _overwritten(operation, old, time, writer)
        case Increment():
            return _incremented(operation, old, time, writer)
        case Expire():
            return _expired(operation, old, now_ms, time, writer)


def _conditional(
    operation: Put | Delete | Read, old: Record | None, now_ms: int, time: int, writer: int
) -> _Outcome:
    if not _holds(operation.condition, old):
        return Unmet(old), old
    match operation:
        case Put():
            new = _put(operation, old, now_ms, time, writer)
        case Delete():
            new = None
        case Read():
            new = old
    return Done(isinstance(operation, Put) or old is not None, time, writer, old), new


def _holds(condition: Condition | None, old: Record | None) -> bool:
    match condition:
        case None:
            return True
        case IfAbsent():
            return old is None
        case IfPresent():
            return old is not None
        case IfValue(value):
            return old is not None and old.value == value
        case IfStamp(time, writer):
            return old is not None and (old.value_time, old.value_writer) == (time, writer)


def _put(put: Put, old: Record | None, now_ms: int, time: int, writer: int) -> Record | None:
    """Return the row of a put, None where its deadline lies in the past."""
    if put.expires_ms == KEEP_EXPIRY:
        if old is None:
            return written(put.key, put.value, 0, time, writer)
        return merge(old, with_value(put.key, put.value, time, writer))
    expires_ms = put.expires_ms or (now_ms + put.ttl_ms if put.ttl_ms else 0)
    if 0 < expires_ms <= now_ms:
        return None
    return written(put.key, put.value, expires_ms, time, writer)


def _changed(
    key: bytes, old: Record | None, value: bytes, time: int, writer: int
) -> tuple[Result, Record | None]:
    """Return the outcome of an operation that sets a value and leaves the expiry as it is."""
    if len(value) > limits.VALUE_BYTES_HARD_MAX:
        reason = f"value would have {len(value)} bytes: at most {limits.VALUE_BYTES_HARD_MAX}"
        return Wrong(f"{reason} are allowed"), old
    if old is None:
        new = written(key, value, 0, time, writer)
    else:
        new = merge(old, with_value(key, value, time, writer))
    return Done(True, time, writer, old, len(value)), new


def _appended(append: Append, old: Record | None, time: int, writer: int) -> _Outcome:
    return _changed(append.key, old, _value(old) + append.suffix, time, writer)


def _overwritten(overwrite: Overwrite, old: Record | None, time: int, writer: int) -> _Outcome:
    offset, part, value = overwrite.offset, overwrite.part, _value(old)
    if offset < 0 or offset + len(part) > limits.VALUE_BYTES_HARD_MAX:
        return Wrong(
            f"offset is {offset} for {len(part)} bytes: the value may end at"
            f" {limits.VALUE_BYTES_HARD_MAX} at most"
        ), old
    if not part:
        return Done(False, time, writer, old, len(value)), old
    whole = value[:offset].ljust(offset, b"\0") + part + value[offset + len(part) :]
    return _changed(overwrite.key, old, whole, time, writer)


def _incremented(increment: Increment, old: Record | None, time: int, writer: int) -> _Outcome:
    number = _number(old)
    if number is None:
        return Wrong("value is not an integer or out of range"), old
    number += increment.amount
    if not INT64_MIN <= number <= INT64_MAX:
        return Wrong("increment or decrement would overflow"), old
    done, new = _changed(increment.key, old, b"%d" % number, time, writer)
    assert isinstance(done, Done)
    return replace(done, number=number), new


def _number(old: Record | None) -> int | None:
    """Return the int64 that a value shows in its one canonical decimal form, None if none."""
    if old is None:
        return 0
    value = _value(old)
    if len(value) > _DIGITS_MAX or not value.removeprefix(b"-").isdigit():
        return None
    number = int(value)
    canonical = b"%d" % number == value
    return number if canonical and INT64_MIN <= number <= INT64_MAX else None


def _expired(expire: Expire, old: Record | None, now_ms: int, time: int, writer: int) -> _Outcome:
    if old is None:
        return Done(False, time, writer), None
    expires_ms = expire.expires_ms or (now_ms + expire.ttl_ms if expire.ttl_ms else 0)
    had_ms = old.expiry_ms
    if not _meets(expire.when, had_ms, expires_ms) or had_ms == expires_ms == NO_EXPIRY:
        return Done(False, time, writer, old), old
    if 0 < expires_ms <= now_ms:
        return Done(True, time, writer, old), None
    return (
        Done(True, time, writer, old),
        merge(old, with_expiry(expire.key, expires_ms, time, writer)),
    )


def _meets(when: When, had_ms: int, new_ms: int) -> bool:
    had, new = had_ms or INT64_MAX, new_ms or INT64_MAX
    match when:
        case When.ALWAYS:
            return True
        case When.NONE:
            return had_ms == NO_EXPIRY
        case When.SOME:
            return had_ms != NO_EXPIRY
        case When.LATER:
            return new > had
        case When.EARLIER:
            return new < had


def _value(old: Record | None) -> bytes:
    return b"" if old is None or old.value is None else old.value
