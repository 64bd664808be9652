"""The check of histories finds what it is for."""

import pytest

from tests.process.history import (
    Operation,
    Outcome,
    Stamp,
    missing_on_disks,
    violations,
    wall_ms,
)

pytestmark = pytest.mark.slow

KEY = b"k"


def put(start: float, end: float, value: bytes, stamp: int) -> Operation:
    return Operation("put", KEY, 0, start, end, Outcome.OK, value, (stamp, 1))


def unsettled(start: float, end: float, value: bytes, outcome: Outcome) -> Operation:
    return Operation("put", KEY, 0, start, end, outcome, value)


def delete(start: float, end: float, stamp: int) -> Operation:
    return Operation("delete", KEY, 0, start, end, Outcome.OK, None, (stamp, 1))


def get(start: float, end: float, value: bytes | None, stamp: int) -> Operation:
    version: Stamp | None = (stamp, 1) if stamp else None
    return Operation("get", KEY, 1, start, end, Outcome.OK, value, version)


def test_what_the_promises_allow_is_no_violation() -> None:
    history = [
        get(0, 1, None, 0),
        put(0, 3, b"a", 5),
        get(2, 4, None, 0),  # the put was not acknowledged when it began
        put(4, 5, b"b", 4),  # acknowledged and older already: a clock inside the bound
        get(6, 7, b"a", 5),
        unsettled(6, 8, b"c", Outcome.UNKNOWN),
        get(9, 10, b"c", 8),
        delete(11, 12, 20),
        get(13, 14, None, 20),
    ]
    assert violations(history) == []


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        ([put(0, 1, b"a", 5), get(2, 3, None, 0)], "is older than"),
        ([put(0, 1, b"a", 5), put(1, 2, b"b", 6), get(3, 4, b"a", 5)], "is older than"),
        ([put(0, 9, b"a", 5), get(1, 2, b"a", 5), get(3, 4, None, 0)], "is older than"),
        ([put(0, 1, b"a", 5), delete(2, 3, 6), get(4, 5, b"a", 5)], "is older than"),
        ([get(0, 1, b"z", 5)], "nobody wrote"),
        ([get(0, 1, None, 5)], "nobody made"),
        ([put(0, 1, b"a", 5), get(2, 3, b"a", 6)], "under another stamp"),
        ([unsettled(0, 1, b"a", Outcome.FAILED), get(2, 3, b"a", 6)], "which was refused"),
    ],
)
def test_each_broken_promise_is_found(history: list[Operation], complaint: str) -> None:
    (found,) = violations(history)
    assert complaint in found


def test_a_write_on_too_few_disks_is_found() -> None:
    history = [put(0, 1, b"a", 5), put(2, 3, b"b", 6)]
    disks: list[dict[bytes, Stamp]] = [{KEY: (6, 1)}, {KEY: (5, 1)}, {}]
    assert "is on 1 disks, 2 were promised" in missing_on_disks(history, disks, 2)[0]
    disks[2] = {KEY: (7, 1)}
    assert missing_on_disks(history, disks, 2) == []


def short_lived(start: float, end: float, value: bytes, stamp: int, ttl_ms: int) -> Operation:
    return Operation("put", KEY, 0, start, end, Outcome.OK, value, (stamp, 1), ttl_ms=ttl_ms)


def at(seconds: float) -> int:
    """Return the stamp of this process's monotonic moment."""
    return int(wall_ms(seconds)) << 16


def test_a_value_may_be_seen_until_its_end_and_its_absence_from_then_on() -> None:
    history = [
        short_lived(0, 1, b"a", at(1), 2000),
        get(2, 2.1, b"a", at(1)),
        get(3.4, 3.5, b"a", at(1)),  # inside the clock bound
        get(3.4, 3.5, None, at(1)),
        get(9, 9.1, None, at(1)),
    ]
    assert violations(history) == []


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (get(4, 4.1, b"a", at(1)), "past its end"),
        (get(1.1, 1.2, None, at(1)), "before its end"),
    ],
)
def test_a_value_seen_too_late_or_missed_too_early_is_found(
    read: Operation, complaint: str
) -> None:
    (found,) = violations([short_lived(0, 1, b"a", at(1), 2000), read])
    assert complaint in found
