"""What a request to a Raft keyspace is made of, and what its answer means for the caller.

A request there is a batch of operations. Plain writes become batches of one operation, so that
they have request ids as well and their retries are exactly once.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from dynakv.client.operation import Kind, Op
from dynakv.client.results import Attempt, ConditionError, Entry, Stamp, Written
from dynakv.errors import DynaKVError, UnknownOutcomeError, UsageError
from dynakv.v1 import kvstore_pb2 as pb

Result = pb.OperationResult
Shape = Callable[[Sequence[Result]], Any]  # a result for the caller, or the error to raise

_FORGOTTEN: Final = (
    "the cluster does not remember this request any more: it may have happened, and was not"
    " repeated"
)


def batched(op: Op) -> None:
    """Turn a plain write into the batch that does it in a Raft keyspace."""
    key, previous = op.key, op.terms.previous
    match op.kind:
        case Kind.PUT:
            put = pb.PutOperation(
                value=op.value,
                ttl_ms=op.ttl_ms,
                expires_at_ms=op.expires_at_ms,
                keep_ttl=op.keep_ttl,
            )
            op.operations = [pb.Operation(key=key, put=put)]
            op.shape = one(partial(written, key, previous=previous))
        case Kind.DELETE:
            op.operations = [pb.Operation(key=key, delete=pb.DeleteOperation())]
            op.shape = one(partial(written, key, previous=previous))
        case Kind.EXPIRE:
            expire = pb.ExpireOperation(ttl_ms=op.ttl_ms, expires_at_ms=op.expires_at_ms)
            op.operations = [pb.Operation(key=key, expire=expire)]
            op.shape = one(applied)
        case Kind.PERSIST:
            op.operations = [pb.Operation(key=key, expire=pb.ExpireOperation())]
            op.shape = one(applied)
        case _:
            return
    op.kind = Kind.EXECUTE
    op.keep_ttl = False


def condition(expected: bytes | Stamp | None) -> pb.Condition:
    """Return the condition that a key has this value, or this stamp, or (None) no value."""
    if expected is None:
        return pb.Condition(present=False)
    if isinstance(expected, Stamp):
        return pb.Condition(stamp=pb.Stamp(time=expected.time, writer=expected.writer))
    return pb.Condition(value=expected)


# --- what came of it -------------------------------------------------------------------------


def one(shape: Callable[[Result], Any]) -> Shape:
    """Return the shape of a batch of one operation; what cannot be done becomes an error."""

    def shaped(results: Sequence[Result]) -> Any:
        (result,) = results
        return _error_of(result) or shape(result)

    return shaped


def all_of(keys: Sequence[bytes], shapes: Sequence[Callable[[Result], Any]]) -> Shape:
    """Return the shape of a transaction: a result per operation, or one error."""

    def shaped(results: Sequence[Result]) -> Any:
        for result in results:
            if (error := _error_of(result)) is not None:
                return error
        unmet = {
            i: entry(keys[i], result)
            for i, result in enumerate(results)
            if result.kind == Result.KIND_UNMET
        }
        if unmet:
            return ConditionError(unmet)
        return [shape(result) for shape, result in zip(shapes, results, strict=True)]

    return shaped


def _error_of(result: Result) -> DynaKVError | None:
    match result.kind:
        case Result.KIND_WRONG:
            return UsageError(f"{result.reason}; nothing was changed")
        case Result.KIND_DONE | Result.KIND_UNMET | Result.KIND_SKIPPED:
            return None
        case _:  # forgotten, or a word newer than this client, which promises nothing
            return UnknownOutcomeError(_FORGOTTEN)


def written(key: bytes, result: Result, *, previous: bool) -> Written:
    """Return what became of a put or a delete."""
    return Written(_stamp(result), entry(key, result) if previous else None)


def applied(result: Result) -> bool:
    """Return whether an expiry was changed."""
    return result.applied


def number(result: Result) -> int:
    """Return what an increment came to, or how long an append made the value."""
    return result.number


def attempt(key: bytes, result: Result) -> Attempt:
    """Return what became of a write under a condition."""
    is_applied = result.kind == Result.KIND_DONE
    return Attempt(is_applied, _stamp(result) if is_applied else None, entry(key, result))


def value(result: Result) -> bytes | None:
    """Return the value that was there."""
    return result.previous.value if result.previous.found else None


def nothing(_: Result) -> None:
    """Return None: that the batch was done says all."""


def entry(key: bytes, result: Result) -> Entry:
    """Return what was there before, or is in the way."""
    seen = result.previous
    if not seen.found:
        return Entry(key, None, None)
    stamp = Stamp(seen.stamp.time, seen.stamp.writer)
    return Entry(key, seen.value, stamp, seen.expires_at_ms)


def _stamp(result: Result) -> Stamp:
    return Stamp(result.stamp.time, result.stamp.writer)
