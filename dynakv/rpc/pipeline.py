"""Pipelines: many requests of mixed kinds in one call, column by column.

Each step becomes one message of the node. Steps that have no key in common, or only read it, are
handed over together; a step that could be seen out of order waits for all before it. So a pipeline
costs as many round trips as it has visible orderings, mostly one.

The whole request is checked before any of it is done.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import assert_never

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.layout import DEFAULT_KEYSPACE, Level
from dynakv.core.record import Record
from dynakv.errors import Failure, UsageError
from dynakv.node.messages import (
    KEEP_EXPIRY,
    ClientReply,
    Expire,
    Expired,
    Found,
    Get,
    Put,
    Refused,
    Stored,
)
from dynakv.node.raft_messages import Execute, Executed
from dynakv.rpc import commands, status
from dynakv.rpc.collector import FULL, Collector, submit
from dynakv.rpc.fields import check_times, deadline_ms, level_of, observed
from dynakv.rpc.ports import Inbox
from dynakv.v1 import kvstore_pb2 as pb

StepMessage = Put | Get | Expire | Execute


async def run(
    inbox: Inbox, request: pb.PipelineRequest, timeout_ms: Callable[[], int]
) -> list[pb.StepResult] | Failure:
    """Return one result per step, or a Failure where nothing at all was done.

    `timeout_ms` says what is left of the caller's deadline, 0 without one. Raises UsageError where
    the request contradicts itself or holds too many keys.
    """
    messages = messages_of(inbox, request)
    answers: list[list[ClientReply]] = [[] for _ in messages]
    running: list[tuple[int, Collector]] = []
    seen = _Seen()
    started = False
    for place, message in enumerate(messages):
        entries = _entries_in(message)
        if not entries:
            continue  # the node answers entries: there is none to answer
        keys = _keys_of(message)
        if seen.conflicts(message, keys):
            await _finish(running, answers)
            seen = _Seen()
        seen.add(message, keys)
        collector = submit(inbox, replace(message, timeout_ms=timeout_ms()), entries)
        if collector is not None:
            running.append((place, collector))
            started = True
        elif started:
            answers[place] = [Refused(list(range(entries)), FULL)]
        else:
            return FULL
    await _finish(running, answers)
    return [_result_of(message, parts) for message, parts in zip(messages, answers, strict=True)]


async def _finish(running: list[tuple[int, Collector]], answers: list[list[ClientReply]]) -> None:
    for place, collector in running:
        answers[place] = await collector.parts()
    running.clear()


def _entries_in(message: StepMessage) -> int:
    return len(message.batches) if isinstance(message, Execute) else len(message.keys)


def _keys_of(message: StepMessage) -> list[bytes]:
    if isinstance(message, Execute):
        return [operation.key for batch in message.batches for operation in batch]
    return message.keys


class _Seen:
    """The keys of the steps that run side by side."""

    __slots__ = ("_read", "_written")

    def __init__(self) -> None:
        self._read: set[bytes] = set()
        self._written: set[bytes] = set()

    def conflicts(self, message: StepMessage, keys: list[bytes]) -> bool:
        """Say whether the message's order against those steps can be seen."""
        if not self._written.isdisjoint(keys):
            return True
        return not isinstance(message, Get) and not self._read.isdisjoint(keys)

    def add(self, message: StepMessage, keys: list[bytes]) -> None:
        (self._read if isinstance(message, Get) else self._written).update(keys)


# --- in --------------------------------------------------------------------------------------


def messages_of(inbox: Inbox, request: pb.PipelineRequest) -> list[StepMessage]:
    """Return a message for each step, without a timeout.

    Raises UsageError for unknown kinds and levels, columns that do not fit, times out of range,
    and more than REQUEST_KEYS_MAX keys.
    """
    level = level_of(request.level)
    if request.ByteSize() > limits.REQUEST_BYTES_MAX:  # cheap, and a little more than the values
        size = sum(len(value) for step in request.steps for value in step.put.values)
        if size > limits.REQUEST_BYTES_MAX:
            raise UsageError(
                f"values of the pipeline have {size} bytes together:"
                f" at most {limits.REQUEST_BYTES_MAX} are allowed"
            )
    messages = [
        _execute_of(inbox, f"steps[{i}].execute", step.execute, request)
        if step.WhichOneof("kind") == "execute"
        else _message_of(f"steps[{i}]", step, request, level)
        for i, step in enumerate(request.steps)
    ]
    keys = sum(len(_keys_of(message)) for message in messages)
    if keys > limits.REQUEST_KEYS_MAX:
        raise UsageError(
            f"the pipeline has {keys} keys; at most {limits.REQUEST_KEYS_MAX} fit into one"
        )
    return messages


def _execute_of(
    inbox: Inbox, name: str, step: pb.ExecuteStep, request: pb.PipelineRequest
) -> Execute:
    if request.level or request.w:
        raise UsageError(f"{name}: a keyspace in Raft mode knows no level and no w; leave them out")
    return commands.execute_of(
        inbox, f"{name}.batches", request.keyspace, step.batches, previous=step.previous
    )


def _message_of(
    name: str, step: pb.Step, request: pb.PipelineRequest, level: Level | None
) -> StepMessage:
    keyspace = request.keyspace or DEFAULT_KEYSPACE
    match step.WhichOneof("kind"):
        case "put":
            return _put_of(f"{name}.put", step.put, request, level)
        case "get":
            age_ms = request.max_age_ms if request.HasField("max_age_ms") else None
            return Get(keyspace, step.get.keys[:], level, request.r, max_age_ms=age_ms)
        case "delete":
            delete = step.delete
            keys: list[bytes] = delete.keys[:]
            times, writers = _stamps(f"{name}.delete", delete, len(keys))
            return Put(
                keyspace,
                keys,
                [None] * len(keys),
                times=times,
                writers=writers,
                level=level,
                w=request.w,
                previous=delete.previous,
            )
        case "expire":
            return _expire_of(f"{name}.expire", step.expire, request, level)
        case "persist":
            return Expire(keyspace, step.persist.keys[:], level=level, w=request.w)
        case _:
            raise UsageError(f"{name} is of no kind that this node knows; nothing was done")


def _put_of(name: str, put: pb.PutStep, request: pb.PipelineRequest, level: Level | None) -> Put:
    keys: list[bytes] = put.keys[:]
    values: list[bytes | None] = list(put.values)
    if len(values) != len(keys):
        raise UsageError(f"{name}.values has {len(values)} entries for {len(keys)} keys")
    ttls_ms, expiries_ms = _expiries(name, put, len(keys))
    if put.keep_ttl:
        if ttls_ms or expiries_ms:
            raise UsageError(f"{name}.keep_ttl excludes ttls_ms and expires_at_ms")
        expiries_ms = [KEEP_EXPIRY] * len(keys)
    times, writers = _stamps(name, put, len(keys))
    return Put(
        request.keyspace or DEFAULT_KEYSPACE,
        keys,
        values,
        ttls_ms,
        expiries_ms,
        times,
        writers,
        level,
        request.w,
        put.previous,
    )


def _expire_of(
    name: str, expire: pb.ExpireStep, request: pb.PipelineRequest, level: Level | None
) -> Expire:
    keys: list[bytes] = expire.keys[:]
    ttls_ms, expiries_ms = _expiries(name, expire, len(keys))
    given = zip(ttls_ms or [0] * len(keys), expiries_ms or [0] * len(keys), strict=True)
    for entry, (ttl_ms, expiry_ms) in enumerate(given):
        if not ttl_ms and not expiry_ms:
            raise UsageError(
                f"{name} entry {entry} needs a ttl or an expiry above 0; persist removes both"
            )
    return Expire(
        request.keyspace or DEFAULT_KEYSPACE, keys, ttls_ms, expiries_ms, level, request.w
    )


def _expiries(
    name: str, step: pb.PutStep | pb.ExpireStep, count: int
) -> tuple[list[int] | None, list[int] | None]:
    ttls_ms = _column(f"{name}.ttls_ms", step.ttls_ms, count)
    expiries_ms = _column(f"{name}.expires_at_ms", step.expires_at_ms, count)
    if ttls_ms:
        check_times(f"{name}.ttls_ms", ttls_ms)
    if expiries_ms:
        check_times(f"{name}.expires_at_ms", expiries_ms)
    if ttls_ms and expiries_ms:
        for entry, (ttl_ms, expiry_ms) in enumerate(zip(ttls_ms, expiries_ms, strict=True)):
            if ttl_ms and expiry_ms:
                raise UsageError(f"{name} entry {entry} has both a ttl and an expiry; give one")
    return ttls_ms, expiries_ms


def _stamps(
    name: str, step: pb.PutStep | pb.DeleteStep, count: int
) -> tuple[list[int] | None, list[int] | None]:
    if not step.times and not step.writers:
        return None, None
    if len(step.times) != count:
        raise UsageError(f"{name}.times has {len(step.times)} entries for {count} keys")
    writers = _column(f"{name}.writers", step.writers, count)
    if writers is None and count:
        raise UsageError(f"{name}.times are given without {name}.writers")
    return step.times[:], writers


def _column(name: str, given: Sequence[int], count: int) -> list[int] | None:
    """Return one entry per key of a column that may be empty or hold one entry for all."""
    if not given:
        return None
    if len(given) == 1:
        return [given[0]] * count
    if len(given) != count:
        raise UsageError(f"{name} has {len(given)} entries for {count} keys; give 0, 1 or {count}")
    return list(given)


# --- out -------------------------------------------------------------------------------------


def _result_of(message: StepMessage, parts: Sequence[ClientReply]) -> pb.StepResult:
    result = pb.StepResult()
    count = _entries_in(message)
    for part in parts:
        if isinstance(part, Refused):
            result.errors.append(status.entry_errors(part.entries, part.failure, part.leader))
        elif isinstance(part, Found | Executed) and part.leader:
            result.leaders.add(entries=part.entries, leader=part.leader)
    match message:
        case Put():
            result.stored.SetInParent()
            stored = [part for part in parts if isinstance(part, Stored)]
            _fill_stored(result.stored, stored, count, previous=message.previous)
        case Get():
            result.found.SetInParent()
            _fill_found(result.found, [part for part in parts if isinstance(part, Found)], count)
        case Expire():
            result.applied.SetInParent()
            expired = [part for part in parts if isinstance(part, Expired)]
            _fill_applied(result.applied, expired, count)
        case Execute():
            result.executed.SetInParent()
            executed = [part for part in parts if isinstance(part, Executed)]
            _fill_executed(result.executed, executed, count, previous=message.previous)
        case _:
            assert_never(message)
    return result


def _fill_executed(
    out: pb.ExecutedEntries, parts: Iterable[Executed], count: int, *, previous: bool
) -> None:
    results = [pb.BatchResult()] * count
    for part in parts:
        for entry, batch in zip(part.entries, part.results, strict=True):
            results[entry] = commands.result_of(batch, previous=previous)
    out.batches.extend(results)


def _fill_stored(
    out: pb.StoredEntries, parts: Iterable[Stored], count: int, *, previous: bool
) -> None:
    times, writers = [0] * count, [0] * count
    before: list[Record | None] = [None] * count
    for part in parts:
        seen = part.previous or repeat(None)
        for entry, time, writer, record in zip(
            part.entries, part.times, part.writers, seen, strict=False
        ):
            times[entry] = time
            writers[entry] = writer
            before[entry] = record
    out.times.extend(times)
    out.writers.extend(writers)
    if previous:
        out.previous.extend([observed(record) for record in before])


def _fill_found(out: pb.FoundEntries, parts: Iterable[Found], count: int) -> None:
    values, found = [b""] * count, [False] * count
    times, writers, deadlines = [0] * count, [0] * count, [0] * count
    for part in parts:
        for entry, record in zip(part.entries, part.records, strict=True):
            if record is None:
                continue
            times[entry] = record.value_time
            writers[entry] = record.value_writer
            if record.value is not None:
                found[entry] = True
                values[entry] = record.value
                if record.expiry_ms:
                    deadlines[entry] = deadline_ms(record)
    out.found.extend(found)
    out.values.extend(values)
    out.times.extend(times)
    out.writers.extend(writers)
    if any(deadlines):
        out.expires_at_ms.extend(deadlines)


def _fill_applied(out: pb.AppliedEntries, parts: Iterable[Expired], count: int) -> None:
    applied = [False] * count
    for part in parts:
        for entry, is_applied in zip(part.entries, part.applied, strict=True):
            applied[entry] = is_applied
    out.applied.extend(applied)
