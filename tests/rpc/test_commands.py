"""Conditions and batches between protobuf and commands."""

from typing import Any

import pytest

from dynakv.core.commands import (
    KEEP_EXPIRY,
    Append,
    Delete,
    Done,
    Expire,
    Forgotten,
    IfAbsent,
    IfPresent,
    IfStamp,
    IfValue,
    Increment,
    Overwrite,
    Put,
    Read,
    Skipped,
    Unmet,
    When,
    Wrong,
)
from dynakv.core.record import written
from dynakv.errors import UsageError
from dynakv.rpc import commands
from dynakv.v1 import kvstore_pb2 as pb

KINDS = pb.OperationResult


def operation(**fields: Any) -> pb.Operation:
    return pb.Operation(key=b"k", **fields)


def put(**fields: Any) -> pb.Operation:
    return operation(put=pb.PutOperation(value=b"v", **fields))


def one(wire: pb.Operation, ttl_ms: int = 0) -> Any:
    (found,) = commands.batch_of("batch", pb.Batch(operations=[wire]), ttl_ms)
    return found


@pytest.mark.parametrize(
    ("wire", "meant"),
    [
        (put(), Put(b"k", b"v")),
        (put(ttl_ms=5), Put(b"k", b"v", 5)),
        (put(expires_at_ms=9), Put(b"k", b"v", 0, 9)),
        (put(keep_ttl=True), Put(b"k", b"v", 0, KEEP_EXPIRY)),
        (operation(delete=pb.DeleteOperation()), Delete(b"k")),
        (operation(append=b"more"), Append(b"k", b"more")),
        (operation(append=b""), Append(b"k", b"")),
        (operation(overwrite=pb.OverwriteOperation(offset=3, part=b"p")), Overwrite(b"k", 3, b"p")),
        (operation(increment=-2), Increment(b"k", -2)),
        (operation(expire=pb.ExpireOperation(ttl_ms=4)), Expire(b"k", 4)),
        (
            operation(expire=pb.ExpireOperation(expires_at_ms=4, when=pb.WHEN_LATER)),
            Expire(b"k", 0, 4, When.LATER),
        ),
        (operation(read=pb.ReadOperation()), Read(b"k")),
    ],
)
def test_each_operation_is_understood(wire: pb.Operation, meant: object) -> None:
    assert one(wire) == meant


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        (pb.Condition(present=False), IfAbsent()),
        (pb.Condition(present=True), IfPresent()),
        (pb.Condition(value=b""), IfValue(b"")),
        (pb.Condition(stamp=pb.Stamp(time=3, writer=4)), IfStamp(3, 4)),
    ],
)
def test_each_condition_is_understood(condition: pb.Condition, meant: object) -> None:
    for wire in (put(), operation(delete=pb.DeleteOperation()), operation(read=pb.ReadOperation())):
        wire.condition.CopyFrom(condition)
        assert one(wire).condition == meant


def test_puts_without_an_expiry_take_that_of_the_keyspace() -> None:
    assert one(put(), 60) == Put(b"k", b"v", 60)
    assert one(put(ttl_ms=5), 60) == Put(b"k", b"v", 5)
    assert one(put(keep_ttl=True), 60) == Put(b"k", b"v", 0, KEEP_EXPIRY)
    assert one(operation(expire=pb.ExpireOperation()), 60) == Expire(b"k")


@pytest.mark.parametrize(
    ("wire", "complaint"),
    [
        (operation(), "batch.operations[0] is of no kind that this node knows"),
        (put(ttl_ms=-1), "batch.operations[0].ttl_ms is -1; it must not be negative"),
        (put(ttl_ms=1, expires_at_ms=2), "at most one of ttl_ms, expires_at_ms and keep_ttl"),
        (put(ttl_ms=1, keep_ttl=True), "at most one of ttl_ms, expires_at_ms and keep_ttl"),
        (
            operation(expire=pb.ExpireOperation(ttl_ms=1, expires_at_ms=2)),
            "at most one of ttl_ms and expires_at_ms",
        ),
        (
            operation(expire=pb.ExpireOperation(when=9)),  # type: ignore[arg-type]
            "batch.operations[0].when is 9",
        ),
        (
            operation(increment=1, condition=pb.Condition(present=True)),
            "only puts, deletes and reads take one, not increment",
        ),
        (
            operation(delete=pb.DeleteOperation(), condition=pb.Condition()),
            "batch.operations[0].condition is of no kind",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(wire: pb.Operation, complaint: str) -> None:
    with pytest.raises(UsageError) as error:
        one(wire)
    assert complaint in str(error.value)


def test_results_say_what_became_of_each_operation() -> None:
    record = written(b"k", b"old", 0, 7, 8)
    results = (
        Done(True, 5, 6, record, 3),
        Done(False, 5, 6),
        Unmet(record),
        Wrong("no number"),
        Skipped(),
        Forgotten(),
    )
    seen = pb.Observed(found=True, value=b"old", stamp=pb.Stamp(time=7, writer=8))
    stamp = pb.Stamp(time=5, writer=6)
    found = commands.result_of(results, previous=True).results
    assert list(found) == [
        KINDS(kind=KINDS.KIND_DONE, applied=True, stamp=stamp, previous=seen, number=3),
        KINDS(kind=KINDS.KIND_DONE, stamp=stamp, previous=pb.Observed()),
        KINDS(kind=KINDS.KIND_UNMET, previous=seen),
        KINDS(kind=KINDS.KIND_WRONG, reason="no number"),
        KINDS(kind=KINDS.KIND_SKIPPED),
        KINDS(kind=KINDS.KIND_FORGOTTEN),
    ]
    brief = commands.result_of(results, previous=False).results
    assert not any(result.HasField("previous") for result in brief)
