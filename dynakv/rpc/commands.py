"""Conditions, batches and their results, between protobuf and `core.commands`.

Refused here is only what the protobuf form could say and `node.raft_messages` could not; the node
checks the rest, for all doors alike.
"""

from collections.abc import Callable, Sequence
from typing import Final

from dynakv.core import commands
from dynakv.core.commands import (
    KEEP_EXPIRY,
    Append,
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
from dynakv.core.layout import DEFAULT_KEYSPACE
from dynakv.errors import UsageError
from dynakv.node.raft_messages import Execute
from dynakv.rpc.fields import check_times, observed
from dynakv.rpc.ports import Inbox
from dynakv.v1 import kvstore_pb2 as pb

_OFFSET_MAX: Final = (1 << 62) - 1  # far beyond any value: the group answers that it is too much


def default_ttl_ms(inbox: Inbox, keyspace: str) -> int:
    """Return the TTL of puts that name no expiry; 0: none. Commands carry it themselves."""
    found = inbox.layout().keyspace(keyspace)
    return 0 if found is None else found.settings.default_ttl_ms


# --- in --------------------------------------------------------------------------------------


def execute_of(
    inbox: Inbox,
    name: str,
    keyspace: str,
    batches: Sequence[pb.Batch],
    *,
    previous: bool,
    timeout_ms: int = 0,
) -> Execute:
    """Return the message that runs these batches; `name` is what complaints call them.

    Raises UsageError where one contradicts itself.
    """
    keyspace = keyspace or DEFAULT_KEYSPACE
    ttl_ms = default_ttl_ms(inbox, keyspace)
    ids = [batch.request_id for batch in batches]
    return Execute(
        keyspace,
        [batch_of(f"{name}[{i}]", batch, ttl_ms) for i, batch in enumerate(batches)],
        [request_id.client for request_id in ids],
        [request_id.sequence for request_id in ids],
        [request_id.settled_below for request_id in ids],
        [request_id.issued_ms for request_id in ids],
        previous,
        timeout_ms,
    )


def batch_of(name: str, batch: pb.Batch, ttl_ms: int) -> tuple[Operation, ...]:
    """Return the operations of a batch; `ttl_ms` is the keyspace's own. Raises UsageError."""
    return tuple(
        _operation(f"{name}.operations[{i}]", operation, ttl_ms)
        for i, operation in enumerate(batch.operations)
    )


def _operation(name: str, wire: pb.Operation, default_ttl_ms: int) -> Operation:
    kind = wire.WhichOneof("kind")
    make = _MAKERS.get(str(kind))
    if make is None:
        raise UsageError(f"{name} is of no kind that this node knows; nothing was done")
    operation = make(name, wire, default_ttl_ms)
    if not wire.HasField("condition") or isinstance(operation, Put | Delete | Read):
        return operation
    raise UsageError(f"{name}.condition: only puts, deletes and reads take one, not {kind}")


def _put(name: str, wire: pb.Operation, default_ttl_ms: int) -> Operation:
    put = wire.put
    return put_of(
        name,
        wire.key,
        put.value,
        (put.ttl_ms, put.expires_at_ms),
        default_ttl_ms,
        condition_of(name, wire),
        keep=put.keep_ttl,
    )


def put_of(
    name: str,
    key: bytes,
    value: bytes,
    times_ms: tuple[int, int],
    default_ttl_ms: int,
    condition: Condition | None,
    *,
    keep: bool,
) -> Put:
    """Return a put with its ttl and absolute expiry. Raises UsageError where it has both."""
    ttl_ms, expires_ms = times_ms
    check_times(f"{name}.ttl_ms", (ttl_ms,))
    check_times(f"{name}.expires_at_ms", (expires_ms,))
    if bool(ttl_ms) + bool(expires_ms) + keep > 1:
        raise UsageError(f"{name}: at most one of ttl_ms, expires_at_ms and keep_ttl may be given")
    if keep:
        return Put(key, value, 0, KEEP_EXPIRY, condition)
    if not ttl_ms and not expires_ms:
        ttl_ms = default_ttl_ms
    return Put(key, value, ttl_ms, expires_ms, condition)


def expire_of(name: str, key: bytes, times_ms: tuple[int, int], when: int) -> Expire:
    """Return a change of expiry. Raises UsageError for two times or an unknown `when`."""
    ttl_ms, expires_ms = times_ms
    check_times(f"{name}.ttl_ms", (ttl_ms,))
    check_times(f"{name}.expires_at_ms", (expires_ms,))
    if ttl_ms and expires_ms:
        raise UsageError(f"{name}: at most one of ttl_ms and expires_at_ms may be given")
    try:
        return Expire(key, ttl_ms, expires_ms, When(when))
    except ValueError:
        raise UsageError(f"{name}.when is {when}, which this node does not know") from None


def _delete(name: str, wire: pb.Operation, _: int) -> Operation:
    return Delete(wire.key, condition_of(name, wire))


def _append(_: str, wire: pb.Operation, __: int) -> Operation:
    return Append(wire.key, wire.append)


def _overwrite(_: str, wire: pb.Operation, __: int) -> Operation:
    return Overwrite(wire.key, min(wire.overwrite.offset, _OFFSET_MAX), wire.overwrite.part)


def _increment(_: str, wire: pb.Operation, __: int) -> Operation:
    return Increment(wire.key, wire.increment)


def _expire(name: str, wire: pb.Operation, _: int) -> Operation:
    expire = wire.expire
    return expire_of(name, wire.key, (expire.ttl_ms, expire.expires_at_ms), expire.when)


def _read(name: str, wire: pb.Operation, _: int) -> Operation:
    return Read(wire.key, condition_of(name, wire))


_MAKERS: Final[dict[str, Callable[[str, pb.Operation, int], Operation]]] = {
    "put": _put,
    "delete": _delete,
    "append": _append,
    "overwrite": _overwrite,
    "increment": _increment,
    "expire": _expire,
    "read": _read,
}


def condition_of(
    name: str, request: pb.Operation | pb.PutRequest | pb.DeleteRequest
) -> Condition | None:
    """Return the condition of a request. Raises UsageError for one of an unknown kind."""
    if not request.HasField("condition"):
        return None
    wire = request.condition
    match wire.WhichOneof("kind"):
        case "present":
            return IfPresent() if wire.present else IfAbsent()
        case "value":
            return IfValue(wire.value)
        case "stamp":
            return IfStamp(wire.stamp.time, wire.stamp.writer)
        case _:
            raise UsageError(f"{name}.condition is of no kind that this node knows")


# --- out -------------------------------------------------------------------------------------


def result_of(results: Sequence[Result], *, previous: bool) -> pb.BatchResult:
    """Return what became of a batch."""
    return pb.BatchResult(results=[_result(result, previous=previous) for result in results])


def _result(result: commands.Result, *, previous: bool) -> pb.OperationResult:
    kinds = pb.OperationResult
    match result:
        case Done():
            return pb.OperationResult(
                kind=kinds.KIND_DONE,
                applied=result.applied,
                stamp=pb.Stamp(time=result.time, writer=result.writer),
                previous=observed(result.before) if previous else None,
                number=result.number,
            )
        case Unmet():
            seen = observed(result.found) if previous else None
            return pb.OperationResult(kind=kinds.KIND_UNMET, previous=seen)
        case Wrong():
            return pb.OperationResult(kind=kinds.KIND_WRONG, reason=result.reason)
        case Skipped():
            return pb.OperationResult(kind=kinds.KIND_SKIPPED)
        case Forgotten():
            return pb.OperationResult(kind=kinds.KIND_FORGOTTEN)
