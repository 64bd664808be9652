"""What commands do to a Raft group's records, and how often: exactly once."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.core.commands import (
    KEEP_EXPIRY,
    Append,
    Command,
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
from dynakv.core.hlc import reading
from dynakv.core.record import Record, intact, live
from dynakv.core.state_machine import (
    INT64_MAX,
    Session,
    apply,
    outdated,
    session_bytes,
    session_of,
)

NOW_MS = 1_700_000_000_000
WRITER = 9


class Group:
    """A group's state, and commands as its leader proposes them."""

    def __init__(self) -> None:
        self.time = 0
        self.now_ms = NOW_MS
        self.rows: dict[bytes, Record] = {}
        self.sessions: dict[int, Session] = {}

    def run(self, *operations: Operation, **request: int) -> tuple[Result, ...]:
        command = Command(reading(self.now_ms), WRITER, operations, **request)
        applied = apply(command, self.time, self.rows, self.sessions.get(command.client))
        assert applied.time > self.time or not operations
        self.time = applied.time
        for key, row in applied.writes.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                assert intact(row)
                self.rows[key] = row
        if applied.session is not None:
            self.sessions[command.client] = session_of(session_bytes(applied.session))
        return applied.results

    def one(self, operation: Operation, **request: int) -> Result:
        (result,) = self.run(operation, **request)
        return result

    def value(self, key: bytes) -> bytes | None:
        row = self.rows.get(key)
        return row.value if row is not None and live(row, self.now_ms) else None


def done(result: Result) -> Done:
    assert isinstance(result, Done)
    return result


def test_a_put_answers_what_it_replaced() -> None:
    group = Group()
    assert done(group.one(Put(b"k", b"1"))).before is None
    before = done(group.one(Put(b"k", b"2"))).before
    assert before is not None
    assert before.value == b"1"
    assert group.value(b"k") == b"2"


def test_a_delete_removes_the_row_and_says_whether_there_was_a_value() -> None:
    group = Group()
    group.one(Put(b"k", b"1"))
    gone = done(group.one(Delete(b"k")))
    assert gone.applied
    assert gone.before is not None
    assert group.rows == {}
    assert not done(group.one(Delete(b"k"))).applied


@pytest.mark.parametrize(
    ("condition", "on_value", "on_nothing"),
    [
        (IfAbsent(), False, True),
        (IfPresent(), True, False),
        (IfValue(b"v"), True, False),
        (IfValue(b"other"), False, False),
        (IfStamp(reading(NOW_MS), WRITER), True, False),
        (IfStamp(reading(NOW_MS), WRITER + 1), False, False),
    ],
)
@pytest.mark.parametrize(
    "make", [lambda c: Put(b"k", b"new", condition=c), lambda c: Delete(b"k", c)]
)
def test_a_condition_decides(
    make: Callable[[object], Operation], condition: object, on_value: bool, on_nothing: bool
) -> None:
    group = Group()
    assert isinstance(group.one(make(condition)), Done) is on_nothing
    group = Group()
    group.one(Put(b"k", b"v"))
    result = group.one(make(condition))
    if on_value:
        assert isinstance(result, Done)
    else:
        assert result == Unmet(group.rows[b"k"])
        assert group.value(b"k") == b"v"


def test_an_expired_value_is_absent_for_conditions_and_its_row_goes() -> None:
    group = Group()
    group.one(Put(b"k", b"old", ttl_ms=100))
    group.now_ms += 100
    assert group.one(Put(b"k", b"x", condition=IfPresent())) == Unmet(None)
    assert done(group.one(Append(b"k", b"new"))).before is None
    assert group.value(b"k") == b"new"
    assert group.rows[b"k"].expiry_ms == 0


def test_group_time_never_falls_whatever_a_leader_s_clock_says() -> None:
    group = Group()
    group.one(Put(b"k", b"v", ttl_ms=100))
    group.now_ms += 100
    group.one(Put(b"other", b"v"))
    group.now_ms -= 1000  # the next leader's clock is behind
    assert group.one(Put(b"k", b"x", condition=IfPresent())) == Unmet(None)
    stamp = done(group.one(Put(b"k", b"y"))).time
    assert done(group.one(Put(b"k", b"z"))).time > stamp


def test_append_overwrite_and_increment_keep_the_expiry() -> None:
    group = Group()
    group.one(Put(b"k", b"1", ttl_ms=5000))
    for operation in (Append(b"k", b"2"), Overwrite(b"k", 1, b"3"), Increment(b"k", 4)):
        group.one(operation)
        assert group.rows[b"k"].expiry_ms == NOW_MS + 5000
    assert group.value(b"k") == b"17"
    group.one(Put(b"k", b"kept", expires_ms=KEEP_EXPIRY))
    assert group.rows[b"k"].expiry_ms == NOW_MS + 5000
    group.one(Put(b"k", b"dropped"))
    assert group.rows[b"k"].expiry_ms == 0


def test_overwrite_fills_with_zeros_and_an_empty_part_changes_nothing() -> None:
    group = Group()
    assert done(group.one(Overwrite(b"k", 3, b"ab"))).number == 5
    assert group.value(b"k") == b"\0\0\0ab"
    group.one(Overwrite(b"k", 1, b"x"))
    assert group.value(b"k") == b"\0x\0ab"
    assert not done(group.one(Overwrite(b"absent", 9, b""))).applied
    assert b"absent" not in group.rows
    assert isinstance(group.one(Overwrite(b"k", limits.VALUE_BYTES_HARD_MAX, b"x")), Wrong)
    assert isinstance(group.one(Overwrite(b"k", -1, b"x")), Wrong)


def test_a_value_may_not_grow_beyond_the_limit() -> None:
    group = Group()
    group.one(Put(b"k", bytes(limits.VALUE_BYTES_HARD_MAX)))
    result = group.one(Append(b"k", b"x"))
    assert result == Wrong("value would have 8388609 bytes: at most 8388608 are allowed")


@pytest.mark.parametrize(
    "value", [b"", b"x", b"1 ", b" 1", b"+1", b"01", b"-0", b"1.0", b"9223372036854775808"]
)
def test_what_is_no_integer_is_not_incremented(value: bytes) -> None:
    group = Group()
    group.one(Put(b"k", value))
    assert isinstance(group.one(Increment(b"k", 1)), Wrong)
    assert group.value(b"k") == value


def test_integers_count_and_do_not_overflow() -> None:
    group = Group()
    assert done(group.one(Increment(b"k", 5))).number == 5
    assert done(group.one(Increment(b"k", -7))).number == -2
    group.one(Put(b"k", b"%d" % INT64_MAX))
    assert isinstance(group.one(Increment(b"k", 1)), Wrong)
    assert done(group.one(Increment(b"k", -1))).number == INT64_MAX - 1


@pytest.mark.parametrize(
    ("when", "had_ms", "new_ms", "applied"),
    [
        (When.ALWAYS, 0, 500, True),
        (When.ALWAYS, 500, 0, True),
        (When.ALWAYS, 0, 0, False),
        (When.NONE, 0, 500, True),
        (When.NONE, 900, 500, False),
        (When.SOME, 0, 500, False),
        (When.SOME, 900, 500, True),
        (When.LATER, 900, 901, True),
        (When.LATER, 900, 900, False),
        (When.LATER, 0, 500, False),
        (When.EARLIER, 900, 899, True),
        (When.EARLIER, 900, 900, False),
        (When.EARLIER, 0, 500, True),
    ],
)
def test_expiries_change_as_their_options_say(
    when: When, had_ms: int, new_ms: int, applied: bool
) -> None:
    group = Group()
    group.one(Put(b"k", b"v", expires_ms=NOW_MS + had_ms if had_ms else 0))
    change = Expire(b"k", expires_ms=NOW_MS + new_ms if new_ms else 0, when=when)
    assert done(group.one(change)).applied is applied
    expected_ms = new_ms if applied else had_ms
    assert group.rows[b"k"].expiry_ms == (NOW_MS + expected_ms if expected_ms else 0)
    assert group.value(b"k") == b"v"


def test_a_deadline_in_the_past_is_a_delete_and_an_absent_key_has_none() -> None:
    group = Group()
    group.one(Put(b"k", b"v"))
    assert done(group.one(Expire(b"k", expires_ms=NOW_MS - 1))).applied
    assert group.rows == {}
    assert not done(group.one(Expire(b"k", ttl_ms=100))).applied
    group.one(Put(b"k", b"v", expires_ms=1))
    assert group.rows == {}


def test_a_batch_is_done_as_a_whole_or_not_at_all() -> None:
    group = Group()
    results = group.run(Put(b"a", b"1"), Increment(b"a", 1), Put(b"b", b"2", condition=IfAbsent()))
    assert all(isinstance(result, Done) for result in results)
    assert (group.value(b"a"), group.value(b"b")) == (b"2", b"2")
    results = group.run(Delete(b"a"), Put(b"c", b"3"), Put(b"b", b"4", condition=IfAbsent()))
    assert results == (Skipped(), Skipped(), Unmet(group.rows[b"b"]))
    assert (group.value(b"a"), group.value(b"c")) == (b"2", None)


REQUEST = {"client": 7, "issued_ms": NOW_MS}


def test_a_read_shows_the_record_and_holds_its_batch_to_a_condition() -> None:
    group = Group()
    group.run(Put(b"k", b"1"))
    row = group.rows[b"k"]
    increment = Increment(b"n", 1)
    stamp = IfStamp(row.value_time, row.value_writer)
    read, _ = group.run(Read(b"k", stamp), increment)
    assert isinstance(read, Done)
    assert (read.applied, read.before) == (True, row)
    assert group.rows[b"k"] == row
    assert group.run(Read(b"k", IfAbsent()), increment) == (Unmet(row), Skipped())
    (absent,) = group.run(Read(b"none"))
    assert isinstance(absent, Done)
    assert (absent.applied, absent.before) == (False, None)
    assert group.value(b"n") == b"1"


def test_a_retry_is_answered_as_the_first_time_and_done_once() -> None:
    group = Group()
    first = group.one(Increment(b"k", 1), sequence=1, **REQUEST)
    group.one(Increment(b"k", 10))
    assert group.one(Increment(b"k", 1), sequence=1, **REQUEST) == first
    assert group.value(b"k") == b"11"
    failed = group.one(Put(b"k", b"x", condition=IfAbsent()), sequence=2, **REQUEST)
    group.one(Delete(b"k"))
    assert group.one(Put(b"k", b"x", condition=IfAbsent()), sequence=2, **REQUEST) == failed
    assert group.value(b"k") is None


def test_requests_of_one_client_may_arrive_in_any_order() -> None:
    group = Group()
    group.one(Increment(b"k", 1), sequence=5, **REQUEST)
    group.one(Increment(b"k", 1), sequence=3, **REQUEST)
    group.one(Increment(b"k", 1), sequence=5, **REQUEST)
    assert group.value(b"k") == b"2"
    group.one(Increment(b"k", 1), client=8, sequence=5, issued_ms=NOW_MS)
    assert group.value(b"k") == b"3"


def test_what_is_settled_is_forgotten_and_never_run_again() -> None:
    group = Group()
    group.one(Increment(b"k", 1), sequence=1, **REQUEST)
    group.one(Increment(b"k", 1), sequence=2, settled_below=2, **REQUEST)
    assert [sequence for sequence, _ in group.sessions[7].outcomes] == [2]
    assert group.one(Increment(b"k", 1), sequence=1, **REQUEST) == Forgotten()
    assert group.value(b"k") == b"2"


def test_a_request_older_than_the_window_is_not_run() -> None:
    group = Group()
    group.now_ms += limits.REQUEST_WINDOW_MS
    assert isinstance(group.one(Increment(b"k", 1), sequence=1, **REQUEST), Done)
    group.now_ms += 1
    assert group.one(Increment(b"k", 1), sequence=2, **REQUEST) == Forgotten()


def test_a_session_may_be_dropped_only_when_its_requests_are_too_old_to_be_run() -> None:
    group = Group()
    group.one(Increment(b"k", 1), sequence=1, **REQUEST)
    session = group.sessions[7]
    group.now_ms += 2 * limits.REQUEST_WINDOW_MS
    group.one(Put(b"other", b""))
    assert not outdated(session, group.time)
    group.now_ms += 1
    group.one(Put(b"other", b""))
    assert outdated(session, group.time)
    del group.sessions[7]
    assert group.one(Increment(b"k", 1), sequence=1, **REQUEST) == Forgotten()


def test_a_session_from_when_group_time_stood_still_is_kept_as_long_as_any_other() -> None:
    group = Group()
    group.now_ms = 5  # a leader that doubts its clock, in a new group
    group.one(Increment(b"k", 1), sequence=1, **REQUEST)
    group.now_ms = NOW_MS
    group.one(Put(b"other", b""))
    assert not outdated(group.sessions[7], group.time)


def test_the_outcomes_kept_of_one_client_are_bounded_and_the_oldest_go_first() -> None:
    group = Group()
    count = limits.REQUEST_OUTCOMES_MAX + 10
    for sequence in range(1, count + 1):
        group.one(Increment(b"k", 1), sequence=sequence, **REQUEST)
    assert len(group.sessions[7].outcomes) == limits.REQUEST_OUTCOMES_MAX
    assert group.one(Increment(b"k", 1), sequence=10, **REQUEST) == Forgotten()
    assert isinstance(group.one(Increment(b"k", 1), sequence=11, **REQUEST), Done)
    assert group.value(b"k") == b"%d" % count


KEYS = st.sampled_from([b"a", b"b"])
OPERATIONS = st.one_of(
    st.builds(Put, KEYS, st.sampled_from([b"", b"1", b"x"]), st.sampled_from([0, 50])),
    st.builds(Put, KEYS, st.just(b"2"), condition=st.sampled_from([IfAbsent(), IfValue(b"1")])),
    st.builds(Delete, KEYS),
    st.builds(Append, KEYS, st.just(b"3")),
    st.builds(Increment, KEYS, st.integers(-2, 2)),
    st.builds(Expire, KEYS, st.sampled_from([0, 30]), st.just(0), st.sampled_from(When)),
)
REQUESTS = st.tuples(
    st.lists(OPERATIONS, min_size=1, max_size=3), st.integers(1, 6), st.integers(0, 40)
)


@given(st.lists(REQUESTS, max_size=12))
def test_repeated_requests_leave_what_each_once_leaves(
    requests: list[tuple[list[Operation], int, int]],
) -> None:
    """Twin: the same log with every later copy of a request id left out, and time passing alike."""
    whole, once = Group(), Group()
    seen: dict[int, tuple[Result, ...]] = {}
    for operations, sequence, passed_ms in requests:
        whole.now_ms += passed_ms
        once.now_ms = whole.now_ms
        answer = whole.run(*operations, client=7, sequence=sequence, issued_ms=NOW_MS)
        if sequence not in seen:
            once.time = max(once.time, whole.time - len(operations))
            seen[sequence] = once.run(*operations)
        assert answer == seen[sequence]
        assert whole.rows == once.rows


@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=3), max_size=12))
def test_stamps_rise_and_what_is_written_is_intact(batches: list[list[Operation]]) -> None:
    group = Group()
    last = 0
    for batch in batches:
        group.run(*batch)
        for row in group.rows.values():
            assert intact(row)
            assert row.value is not None
        assert group.time > last
        last = group.time


def test_outcomes_that_show_too_much_together_are_forgotten_and_still_not_run_again() -> None:
    group = Group()
    size = limits.REQUEST_OUTCOME_BYTES_MAX // 2
    issued = {"client": 5, "issued_ms": NOW_MS}
    values = [bytes([i]) * size for i in range(4)]
    for i, value in enumerate(values):
        group.run(Put(b"k", value), sequence=i + 1, **issued)
    assert group.run(Put(b"k", b"again"), sequence=2, **issued) == (Forgotten(),)
    (newest,) = group.run(Put(b"k", b"again"), sequence=4, **issued)
    assert isinstance(newest, Done)
    assert newest.before is not None
    assert newest.before.value == values[2]
    assert group.rows[b"k"].value == values[3]
