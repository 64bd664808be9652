"""What an Execute must satisfy; a part of `validate.py`. Each refusal names field, value, limit."""

from collections.abc import Iterable

from dynakv import limits
from dynakv.core.commands import (
    KEEP_EXPIRY,
    Append,
    Delete,
    Expire,
    IfValue,
    Increment,
    Operation,
    Overwrite,
    Put,
    Read,
)
from dynakv.node.context import Context, Placement
from dynakv.node.raft_messages import Execute

_INT64_MAX = (1 << 63) - 1
_UINT64_MAX = (1 << 64) - 1


def batches_reason(ctx: Context, placement: Placement, execute: Execute) -> str | None:
    """Return why the message can never be served as it is, or None."""
    batches = execute.batches
    if not batches or not all(batches):
        return "batch is empty: 1 operation at least is needed"
    count = sum(map(len, batches))
    if count > limits.REQUEST_KEYS_MAX:
        return f"a request has {count} operations: 1 to {limits.REQUEST_KEYS_MAX} are allowed"
    reason = _ids(execute)
    for batch in batches:
        for operation in batch:
            reason = reason or _operation(ctx, operation)
        if len(batch) > 1 and reason is None:
            reason = _one_group(placement, [operation.key for operation in batch])
    size = batches_bytes(batches)
    if reason is None and size > limits.REQUEST_BYTES_MAX:
        return (
            f"values of the request have {size} bytes together:"
            f" at most {limits.REQUEST_BYTES_MAX} are allowed"
        )
    return reason


def batches_bytes(batches: Iterable[tuple[Operation, ...]]) -> int:
    """Return the bytes of the keys and values that batches carry."""
    return sum(len(op.key) + len(_content(op)) for batch in batches for op in batch)


def _content(operation: Operation) -> bytes:
    match operation:
        case Put():
            return operation.value
        case Append():
            return operation.suffix
        case Overwrite():
            return operation.part
        case _:
            return b""


def _ids(execute: Execute) -> str | None:
    columns = (execute.clients, execute.sequences, execute.settled_below, execute.issued_ms)
    count = len(execute.batches)
    if any(column is not None and len(column) != count for column in columns):
        return f"columns of the request differ in length from its {count} batches"
    if execute.clients is None:
        return None
    if execute.sequences is None or execute.issued_ms is None:
        return "request id: clients come with sequences and issued_ms"
    numbers = [*execute.clients, *execute.sequences, *(execute.settled_below or ())]
    if not all(0 <= number <= _UINT64_MAX for number in numbers):
        return "request id: client, sequence and settled_below are 64-bit numbers"
    for client, sequence in zip(execute.clients, execute.sequences, strict=True):
        if client and not sequence:
            return "request id: sequence is 0: 1 or more is allowed"
    return None


def _one_group(placement: Placement, keys: list[bytes]) -> str | None:
    groups = placement.groups_of(keys)
    for key, group in zip(keys, groups, strict=True):
        if group != groups[0]:
            hint = (
                "let its keys share a {hash tag}"
                if placement.hash_tags
                else "give it keys of one group, or make a keyspace with hash tags"
            )
            return (
                f"a batch spans shard groups: key {keys[0]!r} is of group {groups[0]}, key {key!r}"
                f" of group {group}; {hint}"
            )
    return None


def _operation(ctx: Context, operation: Operation) -> str | None:
    length = len(operation.key)
    if not 1 <= length <= limits.KEY_BYTES_MAX:
        return f"key has {length} bytes: 1 to {limits.KEY_BYTES_MAX} are allowed"
    value_max = ctx.config.value_bytes_max
    content = len(_content(operation))
    condition = operation.condition if isinstance(operation, Put | Delete | Read) else None
    if isinstance(condition, IfValue):
        content = max(content, len(condition.value))
    if content > value_max:
        return (
            f"value has {content} bytes: at most {value_max} are allowed (limits.value_bytes_max)"
        )
    if isinstance(operation, Increment) and not -_INT64_MAX <= operation.amount <= _INT64_MAX:
        return f"increment is {operation.amount}: -{_INT64_MAX} to {_INT64_MAX} is allowed"
    if isinstance(operation, Put | Expire):
        return _times(operation)
    return None


def _times(operation: Put | Expire) -> str | None:
    if not 0 <= operation.ttl_ms <= limits.TTL_MS_MAX:
        return f"ttl_ms is {operation.ttl_ms}: 1 to {limits.TTL_MS_MAX} is allowed, 0 means none"
    lowest = KEEP_EXPIRY if isinstance(operation, Put) else 0
    if not lowest <= operation.expires_ms <= limits.EXPIRY_MS_MAX:
        return (
            f"expires_at_ms is {operation.expires_ms}: 1 to {limits.EXPIRY_MS_MAX} is allowed,"
            " 0 means none"
        )
    return None
