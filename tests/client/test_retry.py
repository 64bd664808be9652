"""The table of what may be repeated, without any I/O."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from dynakv import limits
from dynakv.client import retry, settings
from dynakv.client.operation import Kind, Op, Terms
from dynakv.client.retry import Cause, Next, Trouble
from dynakv.client.wire import troubles_of
from dynakv.core.layout import Mode
from dynakv.errors import Failure, RefusedError, UnknownOutcomeError, UsageError
from dynakv.node.messages import Put
from dynakv.node.validate import refusal
from dynakv.rpc import status
from dynakv.v1 import kvstore_pb2 as pb

C, N = Cause, Next


def op_of(kind: Kind, *, time: int = 0) -> Op:
    done: Any = asyncio.Future
    op = Op(kind, b"k", Terms("default", 0), done, 10_000, 2_000)
    op.time = time
    return op


def taken(op: Op, cause: Cause, batch_keys: int = 1) -> Next:
    return retry.take(op, Trouble(cause, "text"), batch_keys)


@pytest.mark.parametrize(
    ("cause", "of_get", "of_put", "of_expire"),
    [
        (C.USAGE, N.END, N.END, N.END),
        (C.STAMP, N.END, N.RESTAMPED, N.END),
        (C.REFUSED, N.AGAIN, N.AGAIN, N.AGAIN),
        (C.BUSY, N.AGAIN, N.AGAIN, N.AGAIN),
        (C.UNREACHED, N.AGAIN, N.AGAIN, N.AGAIN),
        (C.SAME_STAMP, N.AGAIN, N.AGAIN, N.END),
        (C.LOST, N.AGAIN, N.AGAIN, N.END),
        (C.TOO_LARGE, N.END, N.AGAIN, N.END),
    ],
)
def test_reads_and_stamped_writes_are_repeated_and_others_only_if_nothing_was_done(
    cause: Cause, of_get: Next, of_put: Next, of_expire: Next
) -> None:
    assert taken(op_of(Kind.GET), cause) is of_get
    assert taken(op_of(Kind.PUT, time=1), cause) is of_put
    assert taken(op_of(Kind.EXPIRE), cause) is of_expire


@pytest.mark.parametrize("cause", [C.SAME_STAMP, C.LOST, C.TOO_LARGE])
def test_only_writes_can_have_happened(cause: Cause) -> None:
    for kind, maybe in ((Kind.GET, False), (Kind.PUT, True), (Kind.PERSIST, True)):
        op = op_of(kind, time=1)
        taken(op, cause)
        assert op.is_maybe_done is maybe


def test_a_refusal_leaves_no_doubt_behind() -> None:
    op = op_of(Kind.PUT, time=1)
    for cause in (C.REFUSED, C.BUSY, C.UNREACHED, C.STAMP):
        taken(op, cause)
    assert not op.is_maybe_done


def test_a_stamp_is_renewed_once_and_never_after_doubt() -> None:
    op = op_of(Kind.PUT, time=1)
    assert taken(op, C.STAMP) is N.RESTAMPED
    assert taken(op, C.STAMP) is N.END
    doubtful = op_of(Kind.DELETE, time=1)
    taken(doubtful, C.LOST)
    assert taken(doubtful, C.STAMP) is N.END


def test_a_message_with_a_wrong_entry_is_divided_until_it_stands_alone() -> None:
    op = op_of(Kind.GET)
    sizes = []
    keys = settings.BATCH_KEYS_MAX
    while taken(op, C.USAGE, keys) is N.SMALLER:
        keys = op.batch_max
        sizes.append(keys)
    assert sizes == [64, 8, 1]


@pytest.mark.parametrize(
    ("cause", "maybe_done", "error"),
    [
        (C.USAGE, False, UsageError),
        (C.STAMP, False, UsageError),
        (C.REFUSED, False, RefusedError),
        (C.LOST, False, RefusedError),
        (C.LOST, True, UnknownOutcomeError),
        (C.REFUSED, True, UnknownOutcomeError),
        (C.USAGE, True, UnknownOutcomeError),
    ],
)
def test_the_final_error_says_what_the_caller_may_do(
    cause: Cause, maybe_done: bool, error: type[Exception]
) -> None:
    op = op_of(Kind.PUT, time=1)
    op.is_maybe_done = maybe_done
    op.attempts = 3
    found = retry.final_error(op, Trouble(cause, "n1: text"))
    assert type(found) is error
    assert str(found).startswith("n1: text (the last of 3 attempts)")


def test_the_first_retry_goes_at_once_to_a_fresh_node_and_later_ones_wait_longer() -> None:
    waits = [retry.backoff_ms(i, C.LOST, has_fresh=True) for i in range(1, 10)]
    assert waits[:4] == [(0, 0), (25, 50), (50, 100), (100, 200)]
    assert waits[-1] == (500, 1000)
    assert retry.backoff_ms(1, C.LOST, has_fresh=False) == (12, 25)
    assert retry.backoff_ms(1, C.BUSY, has_fresh=True) == (12, 25)
    assert retry.backoff_ms(10**6, C.LOST, has_fresh=False) == (500, 1000)


def test_the_last_attempt_is_cut_to_what_is_left_in_whole_buckets() -> None:
    assert retry.cut_ms(10_000, 2_000) == 2_000
    assert retry.cut_ms(2_000, 2_000) == 2_000
    assert retry.cut_ms(1_999, 2_000) == 1_900
    assert retry.cut_ms(42, 2_000) == 42
    assert retry.cut_ms(-1, 2_000) == 0


# --- what the server really says -------------------------------------------------------------

NOW_MS = 1_700_000_000_000


def servers_failure(time_ms: int) -> Failure:
    """Return what the node's own check says of a put stamped at that time."""
    keyspace = SimpleNamespace(n=3, settings=SimpleNamespace(mode=Mode.LEADERLESS))
    ctx: Any = SimpleNamespace(
        by_name={"default": SimpleNamespace(keyspace=keyspace, name="default")},
        believed_ms=lambda: NOW_MS,
        clock=SimpleNamespace(latest_accepted=lambda now: (now + limits.CLOCK_BOUND_MS) << 16),
        counters=SimpleNamespace(refused_stamps=0),
        config=SimpleNamespace(
            value_bytes_max=limits.VALUE_BYTES_MAX,
            clock_bound_ms=limits.CLOCK_BOUND_MS,
            stamp_age_ms_max=limits.STAMP_AGE_MS_MAX,
        ),
    )
    failure = refusal(ctx, Put("default", [b"k"], [b"v"], times=[time_ms << 16], writers=[1]))
    assert failure is not None
    return failure


@pytest.mark.parametrize("off_ms", [-70_000, 5_000])
def test_the_nodes_complaints_about_stamps_are_recognised(off_ms: int) -> None:
    errors = status.entry_errors([0], servers_failure(NOW_MS + off_ms))
    (trouble,) = troubles_of(pb.StepResult(errors=[errors]), "n1").values()
    assert trouble.cause is C.STAMP
