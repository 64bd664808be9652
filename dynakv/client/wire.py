"""Requests to protobuf, protobuf to results, and statuses to what is known of a failure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from dynakv.client.operation import Kind, Op
from dynakv.client.results import Entry, Ring, RingKeyspace, RingMember, Stamp, Written
from dynakv.client.retry import Cause, Trouble
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import ring_pb2

_MISFIT: Final = "the answer does not fit the question; is this a node of DynaKV?"
_DETAILS: Final = "grpc-status-details-bin"
_DOMAIN: Final = "dynakv"
_STAMP: Final = "stamp "  # how the node's complaints about stamps begin; a test compares
_Code = grpc.StatusCode
_USAGE_CODES: Final = (_Code.INVALID_ARGUMENT, _Code.FAILED_PRECONDITION, _Code.UNIMPLEMENTED)
_TOO_LARGE: Final = "larger than max"  # gRPC's own words; the code alone also means "busy"

# --- requests out ----------------------------------------------------------------------------


def steps_of(ops: Iterable[Op]) -> list[list[Op]]:
    """Return the requests of a message as runs that each make one step, in the given order."""
    return [list(run) for _, run in groupby(ops, attrgetter("kind", "keep_ttl"))]


def ordered_for_steps(ops: list[Op]) -> list[Op]:
    """Return requests that came at the same time in an order of few steps."""
    first = ops[0]
    if all(op.kind is first.kind and op.keep_ttl == first.keep_ttl for op in ops):
        return ops
    return sorted(ops, key=attrgetter("kind", "keep_ttl"))


def request_of(steps: Sequence[Sequence[Op]], writer: int) -> pb.PipelineRequest:
    """Return the message of these steps; all requests have the same terms."""
    terms = steps[0][0].terms
    return pb.PipelineRequest(
        keyspace=terms.keyspace,
        level=terms.level,  # type: ignore[arg-type]
        r=terms.r,
        w=terms.w,
        max_age_ms=None if terms.max_age_ms < 0 else terms.max_age_ms,
        steps=[_step_of(step, writer, previous=terms.previous) for step in steps],
    )


def _step_of(ops: Sequence[Op], writer: int, *, previous: bool) -> pb.Step:
    keys = [op.key for op in ops]
    match ops[0].kind:
        case Kind.GET:
            return pb.Step(get=pb.GetStep(keys=keys))
        case Kind.PUT:
            return pb.Step(
                put=pb.PutStep(
                    keys=keys,
                    values=[op.value for op in ops],
                    ttls_ms=_column([op.ttl_ms for op in ops]),
                    expires_at_ms=_column([op.expires_at_ms for op in ops]),
                    keep_ttl=ops[0].keep_ttl,
                    previous=previous,
                    times=[op.time for op in ops],
                    writers=(writer,),
                )
            )
        case Kind.DELETE:
            times = [op.time for op in ops]
            return pb.Step(
                delete=pb.DeleteStep(keys=keys, previous=previous, times=times, writers=(writer,))
            )
        case Kind.EXPIRE:
            return pb.Step(
                expire=pb.ExpireStep(
                    keys=keys,
                    ttls_ms=_column([op.ttl_ms for op in ops]),
                    expires_at_ms=_column([op.expires_at_ms for op in ops]),
                )
            )
        case Kind.PERSIST:
            return pb.Step(persist=pb.PersistStep(keys=keys))
        case Kind.EXECUTE:
            batches = [_batch_of(op) for op in ops]
            return pb.Step(execute=pb.ExecuteStep(batches=batches, previous=previous))


def _batch_of(op: Op) -> pb.Batch:
    window = op.window
    assert window is not None
    assert op.sequence
    request_id = pb.RequestId(
        client=window.client,
        sequence=op.sequence,
        settled_below=window.floor,
        issued_ms=op.issued_ms,
    )
    return pb.Batch(operations=op.operations, request_id=request_id)


def _column(numbers: list[int]) -> list[int]:
    return numbers if any(numbers) else []


# --- results in ------------------------------------------------------------------------------


def answers_of(
    endpoint: str, steps: Sequence[Sequence[Op]], reply: pb.PipelineResponse
) -> tuple[list[Op], list[Any]]:
    """Return the requests of a message and, parallel to them, a result or a Trouble for each."""
    ops = [op for step in steps for op in step]
    misfit = Trouble(Cause.LOST, f"{endpoint}: {_MISFIT}")
    if len(reply.results) != len(steps):
        return ops, [misfit] * len(ops)
    answers: list[Any] = []
    for step, result in zip(steps, reply.results, strict=True):
        found = results_of(step, result)
        if found is None:
            found = [misfit] * len(step)
        for entry, trouble in troubles_of(result, endpoint).items():
            if entry < len(found):
                found[entry] = trouble
        answers += found
    return ops, answers


def troubles_of(result: pb.StepResult, node: str) -> dict[int, Trouble]:
    """Return what failed of a step, by position."""
    found: dict[int, Trouble] = {}
    for error in result.errors:
        trouble = Trouble(_entry_cause(error), f"{node}: {error.message}")
        for entry in error.entries:
            found[entry] = trouble
    return found


def results_of(ops: Sequence[Op], result: pb.StepResult) -> list[Any] | None:
    """Return a result for each request of a step; those of failed ones mean nothing.

    None where the answer does not fit the question, which no node of DynaKV sends.
    """
    count = len(ops)
    match ops[0].kind:
        case Kind.GET:
            return _found_of(ops, result.found)
        case Kind.PUT | Kind.DELETE:
            return _written_of(ops, result.stored)
        case Kind.EXECUTE:
            return _shaped(ops, result.executed.batches)
        case Kind.EXPIRE | Kind.PERSIST:
            applied = result.applied.applied
            return applied[:] if len(applied) == count else None


def _shaped(ops: Sequence[Op], batches: Sequence[pb.BatchResult]) -> list[Any] | None:
    if len(batches) != len(ops):
        return None
    found: list[Any] = []
    for op, batch in zip(ops, batches, strict=True):
        results = batch.results
        assert op.shape is not None
        if not results:  # an entry that failed: its trouble stands elsewhere
            found.append(None)
        elif len(results) == len(op.operations):
            found.append(op.shape(results))
        else:
            return None
    return found


def leaders_of(result: pb.StepResult) -> Iterator[tuple[int, str]]:
    """Yield which node leads the shard groups of entries of a step, as far as it was said."""
    for told in result.leaders:
        for entry in told.entries:
            yield entry, told.leader
    for error in result.errors:
        if error.leader:
            for entry in error.entries:
                yield entry, error.leader


def _found_of(ops: Sequence[Op], columns: pb.FoundEntries) -> list[Any] | None:
    if not len(ops) == len(columns.found) == len(columns.values):
        return None
    if any(op.wants_entry for op in ops):
        return _entries_of(ops, columns)
    if all(columns.found):
        return columns.values[:]
    return [
        value if found else None for found, value in zip(columns.found, columns.values, strict=True)
    ]


def _entries_of(ops: Sequence[Op], columns: pb.FoundEntries) -> list[Any] | None:
    expiries = columns.expires_at_ms[:] or [0] * len(ops)
    if not len(ops) == len(columns.times) == len(columns.writers) == len(expiries):
        return None
    return [
        Entry(op.key, value if found else None, Stamp(time, writer) if time else None, expires_ms)
        if op.wants_entry
        else (value if found else None)
        for op, found, value, time, writer, expires_ms in zip(
            *(ops, columns.found, columns.values, columns.times, columns.writers, expiries),
            strict=True,
        )
    ]


def _written_of(ops: Sequence[Op], columns: pb.StoredEntries) -> list[Written] | None:
    if not len(ops) == len(columns.times) == len(columns.writers):
        return None
    stamps = map(Stamp, columns.times, columns.writers)
    if not ops[0].terms.previous:
        return list(map(Written, stamps))
    if len(columns.previous) != len(ops):
        return None
    return [
        Written(stamp, observed_of(op.key, seen))
        for op, stamp, seen in zip(ops, stamps, columns.previous, strict=True)
    ]


def observed_of(key: bytes, seen: pb.Observed) -> Entry:
    """Return what was seen before a write."""
    if not seen.found:
        return Entry(key, None, None)
    return Entry(key, seen.value, _stamp_of(seen.stamp), seen.expires_at_ms)


def listed_of(entry: pb.ListedEntry, *, keys_only: bool) -> Entry:
    """Return one entry of a listing."""
    value = None if keys_only else entry.value
    return Entry(entry.key, value, _stamp_of(entry.stamp), entry.expires_at_ms)


def _stamp_of(stamp: pb.Stamp) -> Stamp:
    return Stamp(stamp.time, stamp.writer)


def ring_of(ring: ring_pb2.GetRingStateResponse, endpoints: dict[str, str]) -> Ring:
    """Return the layout for users; `endpoints` says where each node id is reached."""
    ids = [member.node_id for member in ring.members]
    return Ring(
        answered_by=ring.answered_by,
        cluster_id=ring.cluster_id,
        epoch=ring.epoch,
        members=tuple(
            RingMember(
                member.node_id,
                endpoints.get(member.node_id),
                member.zone,
                member.region,
                member.weight,
                _UP.get(member.state),
            )
            for member in ring.members
        ),
        keyspaces=tuple(
            RingKeyspace(
                keyspace.name,
                word(ring_pb2.Mode, keyspace.mode),
                keyspace.n,
                keyspace.rq,
                keyspace.wq,
                keyspace.hash_tags,
                word(ring_pb2.Level, keyspace.default_level),
                keyspace.default_ttl_ms,
                tuple(tuple(ids[i] for i in group.replicas) for group in keyspace.groups),
            )
            for keyspace in ring.keyspaces
        ),
    )


_UP: Final[dict[int, bool]] = {
    int(ring_pb2.MEMBER_STATE_UP): True,
    int(ring_pb2.MEMBER_STATE_DOWN): False,
}


def word(enum: Any, number: int) -> str:
    """Return MODE_RAFT as raft; a number newer than this client as the number."""
    if number not in enum.values():
        return str(number)
    return str(enum.Name(number)).partition("_")[2].lower()


# --- statuses --------------------------------------------------------------------------------

_ENTRY_CAUSES: Final[dict[int, Cause]] = {
    int(pb.RETRY_NEVER): Cause.USAGE,
    int(pb.RETRY_SAFE): Cause.REFUSED,
    int(pb.RETRY_SAME_STAMP): Cause.SAME_STAMP,
}
_CAUSES: Final = {
    "never": Cause.USAGE,
    "safe": Cause.REFUSED,
    "same-stamp": Cause.SAME_STAMP,
}


def _entry_cause(error: pb.EntryErrors) -> Cause:
    # A word newer than this client promises nothing.
    cause = _ENTRY_CAUSES.get(error.retry, Cause.SAME_STAMP)
    return _refined(cause, error.code, error.message)


def _refined(cause: Cause, code: int, message: str) -> Cause:
    if cause is Cause.USAGE and message.startswith(_STAMP):
        return Cause.STAMP
    if cause is Cause.REFUSED and code == _Code.RESOURCE_EXHAUSTED.value[0]:
        return Cause.BUSY
    return cause


def trouble_of(error: grpc.aio.AioRpcError, node: str) -> Trouble:
    """Return what a status says about a call as a whole."""
    code, message = error.code(), error.details() or ""
    word = _retry_word(error)
    if word is not None:
        cause = _CAUSES.get(word, Cause.SAME_STAMP)
        return Trouble(_refined(cause, code.value[0], message), f"{node}: {message}")
    # Not from DynaKV's own code: the transport, or something else that listens there.
    text = f"{node}: {code.name}: {message}"
    if code in _USAGE_CODES:
        return Trouble(Cause.USAGE, text)
    if code is _Code.RESOURCE_EXHAUSTED:
        return Trouble(Cause.TOO_LARGE if _TOO_LARGE in message else Cause.BUSY, text)
    return Trouble(Cause.LOST, text)


def _retry_word(error: grpc.aio.AioRpcError) -> str | None:
    """Return `retry` of the status's ErrorInfo; None where DynaKV did not speak."""
    for name, raw in error.trailing_metadata() or ():
        if name != _DETAILS or not isinstance(raw, bytes):
            continue
        try:
            details = status_pb2.Status.FromString(raw).details
        except DecodeError:
            return None
        for detail in details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == _DOMAIN:
                return str(info.metadata.get("retry", ""))
    return None
