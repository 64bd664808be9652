from dynakv.v1 import keyspaces_pb2 as _keyspaces_pb2
from dynakv.v1 import node_status_pb2 as _node_status_pb2
from dynakv.v1 import raft_pb2 as _raft_pb2
from dynakv.v1 import ring_pb2 as _ring_pb2
from dynakv.v1 import snapshots_pb2 as _snapshots_pb2
from dynakv.v1 import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class When(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_ALWAYS: _ClassVar[When]
    WHEN_NONE: _ClassVar[When]
    WHEN_SOME: _ClassVar[When]
    WHEN_LATER: _ClassVar[When]
    WHEN_EARLIER: _ClassVar[When]

class Retry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETRY_UNSPECIFIED: _ClassVar[Retry]
    RETRY_NEVER: _ClassVar[Retry]
    RETRY_SAFE: _ClassVar[Retry]
    RETRY_SAME_STAMP: _ClassVar[Retry]
WHEN_ALWAYS: When
WHEN_NONE: When
WHEN_SOME: When
WHEN_LATER: When
WHEN_EARLIER: When
RETRY_UNSPECIFIED: Retry
RETRY_NEVER: Retry
RETRY_SAFE: Retry
RETRY_SAME_STAMP: Retry

class Stamp(_message.Message):
    __slots__ = ("time", "writer")
    TIME_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    time: int
    writer: int
    def __init__(self, time: _Optional[int] = ..., writer: _Optional[int] = ...) -> None: ...

class Observed(_message.Message):
    __slots__ = ("found", "value", "stamp", "expires_at_ms")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    found: bool
    value: bytes
    stamp: Stamp
    expires_at_ms: int
    def __init__(self, found: bool = ..., value: _Optional[bytes] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("present", "value", "stamp")
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    present: bool
    value: bytes
    stamp: Stamp
    def __init__(self, present: bool = ..., value: _Optional[bytes] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ...) -> None: ...

class RequestId(_message.Message):
    __slots__ = ("client", "sequence", "settled_below", "issued_ms")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_BELOW_FIELD_NUMBER: _ClassVar[int]
    ISSUED_MS_FIELD_NUMBER: _ClassVar[int]
    client: int
    sequence: int
    settled_below: int
    issued_ms: int
    def __init__(self, client: _Optional[int] = ..., sequence: _Optional[int] = ..., settled_below: _Optional[int] = ..., issued_ms: _Optional[int] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("keyspace", "key", "value", "ttl_ms", "expires_at_ms", "keep_ttl", "level", "w", "previous", "stamp", "condition", "request_id")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    value: bytes
    ttl_ms: int
    expires_at_ms: int
    keep_ttl: bool
    level: _ring_pb2.Level
    w: int
    previous: bool
    stamp: Stamp
    condition: Condition
    request_id: RequestId
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., keep_ttl: bool = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ..., previous: bool = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("hlc", "stamp", "previous", "unmet", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    UNMET_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    stamp: Stamp
    previous: Observed
    unmet: bool
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., previous: _Optional[_Union[Observed, _Mapping]] = ..., unmet: bool = ..., leader: _Optional[str] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("keyspace", "key", "level", "r", "max_age_ms")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    level: _ring_pb2.Level
    r: int
    max_age_ms: int
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., r: _Optional[int] = ..., max_age_ms: _Optional[int] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("hlc", "found", "value", "stamp", "expires_at_ms", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    found: bool
    value: bytes
    stamp: Stamp
    expires_at_ms: int
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., found: bool = ..., value: _Optional[bytes] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., expires_at_ms: _Optional[int] = ..., leader: _Optional[str] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("keyspace", "key", "level", "w", "previous", "stamp", "condition", "request_id")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    level: _ring_pb2.Level
    w: int
    previous: bool
    stamp: Stamp
    condition: Condition
    request_id: RequestId
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ..., previous: bool = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("hlc", "stamp", "previous", "unmet", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    UNMET_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    stamp: Stamp
    previous: Observed
    unmet: bool
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., previous: _Optional[_Union[Observed, _Mapping]] = ..., unmet: bool = ..., leader: _Optional[str] = ...) -> None: ...

class ExpireRequest(_message.Message):
    __slots__ = ("keyspace", "key", "ttl_ms", "expires_at_ms", "level", "w", "request_id", "when")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    ttl_ms: int
    expires_at_ms: int
    level: _ring_pb2.Level
    w: int
    request_id: RequestId
    when: When
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ..., when: _Optional[_Union[When, str]] = ...) -> None: ...

class ExpireResponse(_message.Message):
    __slots__ = ("hlc", "applied", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    applied: bool
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., applied: bool = ..., leader: _Optional[str] = ...) -> None: ...

class PersistRequest(_message.Message):
    __slots__ = ("keyspace", "key", "level", "w", "request_id")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    level: _ring_pb2.Level
    w: int
    request_id: RequestId
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class PersistResponse(_message.Message):
    __slots__ = ("hlc", "applied", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    applied: bool
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., applied: bool = ..., leader: _Optional[str] = ...) -> None: ...

class AppendRequest(_message.Message):
    __slots__ = ("keyspace", "key", "suffix", "request_id")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    suffix: bytes
    request_id: RequestId
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., suffix: _Optional[bytes] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("hlc", "stamp", "length", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    stamp: Stamp
    length: int
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., length: _Optional[int] = ..., leader: _Optional[str] = ...) -> None: ...

class IncrementRequest(_message.Message):
    __slots__ = ("keyspace", "key", "amount", "request_id")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    amount: int
    request_id: RequestId
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., amount: _Optional[int] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class IncrementResponse(_message.Message):
    __slots__ = ("hlc", "stamp", "number", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    stamp: Stamp
    number: int
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., number: _Optional[int] = ..., leader: _Optional[str] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ("keyspace", "batch", "previous")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    batch: Batch
    previous: bool
    def __init__(self, keyspace: _Optional[str] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., previous: bool = ...) -> None: ...

class ExecuteResponse(_message.Message):
    __slots__ = ("hlc", "result", "leader")
    HLC_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    result: BatchResult
    leader: str
    def __init__(self, hlc: _Optional[int] = ..., result: _Optional[_Union[BatchResult, _Mapping]] = ..., leader: _Optional[str] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("operations", "request_id")
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[Operation]
    request_id: RequestId
    def __init__(self, operations: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., request_id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("key", "condition", "put", "delete", "append", "overwrite", "increment", "expire", "read")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    condition: Condition
    put: PutOperation
    delete: DeleteOperation
    append: bytes
    overwrite: OverwriteOperation
    increment: int
    expire: ExpireOperation
    read: ReadOperation
    def __init__(self, key: _Optional[bytes] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ..., put: _Optional[_Union[PutOperation, _Mapping]] = ..., delete: _Optional[_Union[DeleteOperation, _Mapping]] = ..., append: _Optional[bytes] = ..., overwrite: _Optional[_Union[OverwriteOperation, _Mapping]] = ..., increment: _Optional[int] = ..., expire: _Optional[_Union[ExpireOperation, _Mapping]] = ..., read: _Optional[_Union[ReadOperation, _Mapping]] = ...) -> None: ...

class PutOperation(_message.Message):
    __slots__ = ("value", "ttl_ms", "expires_at_ms", "keep_ttl")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    value: bytes
    ttl_ms: int
    expires_at_ms: int
    keep_ttl: bool
    def __init__(self, value: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., keep_ttl: bool = ...) -> None: ...

class DeleteOperation(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OverwriteOperation(_message.Message):
    __slots__ = ("offset", "part")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    offset: int
    part: bytes
    def __init__(self, offset: _Optional[int] = ..., part: _Optional[bytes] = ...) -> None: ...

class ExpireOperation(_message.Message):
    __slots__ = ("ttl_ms", "expires_at_ms", "when")
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    ttl_ms: int
    expires_at_ms: int
    when: When
    def __init__(self, ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., when: _Optional[_Union[When, str]] = ...) -> None: ...

class ReadOperation(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BatchResult(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OperationResult]
    def __init__(self, results: _Optional[_Iterable[_Union[OperationResult, _Mapping]]] = ...) -> None: ...

class OperationResult(_message.Message):
    __slots__ = ("kind", "applied", "stamp", "previous", "number", "reason")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[OperationResult.Kind]
        KIND_DONE: _ClassVar[OperationResult.Kind]
        KIND_UNMET: _ClassVar[OperationResult.Kind]
        KIND_WRONG: _ClassVar[OperationResult.Kind]
        KIND_SKIPPED: _ClassVar[OperationResult.Kind]
        KIND_FORGOTTEN: _ClassVar[OperationResult.Kind]
    KIND_UNSPECIFIED: OperationResult.Kind
    KIND_DONE: OperationResult.Kind
    KIND_UNMET: OperationResult.Kind
    KIND_WRONG: OperationResult.Kind
    KIND_SKIPPED: OperationResult.Kind
    KIND_FORGOTTEN: OperationResult.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    kind: OperationResult.Kind
    applied: bool
    stamp: Stamp
    previous: Observed
    number: int
    reason: str
    def __init__(self, kind: _Optional[_Union[OperationResult.Kind, str]] = ..., applied: bool = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., previous: _Optional[_Union[Observed, _Mapping]] = ..., number: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("keyspace", "prefix", "start", "end", "cursor", "limit", "keys_only")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    prefix: bytes
    start: bytes
    end: bytes
    cursor: bytes
    limit: int
    keys_only: bool
    def __init__(self, keyspace: _Optional[str] = ..., prefix: _Optional[bytes] = ..., start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., cursor: _Optional[bytes] = ..., limit: _Optional[int] = ..., keys_only: bool = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("hlc", "entries", "next_cursor")
    HLC_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    entries: _containers.RepeatedCompositeFieldContainer[ListedEntry]
    next_cursor: bytes
    def __init__(self, hlc: _Optional[int] = ..., entries: _Optional[_Iterable[_Union[ListedEntry, _Mapping]]] = ..., next_cursor: _Optional[bytes] = ...) -> None: ...

class ListedEntry(_message.Message):
    __slots__ = ("key", "value", "stamp", "expires_at_ms")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    stamp: Stamp
    expires_at_ms: int
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class PipelineRequest(_message.Message):
    __slots__ = ("keyspace", "level", "r", "w", "steps", "max_age_ms")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    level: _ring_pb2.Level
    r: int
    w: int
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    max_age_ms: int
    def __init__(self, keyspace: _Optional[str] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., r: _Optional[int] = ..., w: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., max_age_ms: _Optional[int] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("put", "get", "delete", "expire", "persist", "execute")
    PUT_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_FIELD_NUMBER: _ClassVar[int]
    PERSIST_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_FIELD_NUMBER: _ClassVar[int]
    put: PutStep
    get: GetStep
    delete: DeleteStep
    expire: ExpireStep
    persist: PersistStep
    execute: ExecuteStep
    def __init__(self, put: _Optional[_Union[PutStep, _Mapping]] = ..., get: _Optional[_Union[GetStep, _Mapping]] = ..., delete: _Optional[_Union[DeleteStep, _Mapping]] = ..., expire: _Optional[_Union[ExpireStep, _Mapping]] = ..., persist: _Optional[_Union[PersistStep, _Mapping]] = ..., execute: _Optional[_Union[ExecuteStep, _Mapping]] = ...) -> None: ...

class PutStep(_message.Message):
    __slots__ = ("keys", "values", "ttls_ms", "expires_at_ms", "keep_ttl", "previous", "times", "writers")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TTLS_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    WRITERS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    values: _containers.RepeatedScalarFieldContainer[bytes]
    ttls_ms: _containers.RepeatedScalarFieldContainer[int]
    expires_at_ms: _containers.RepeatedScalarFieldContainer[int]
    keep_ttl: bool
    previous: bool
    times: _containers.RepeatedScalarFieldContainer[int]
    writers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., values: _Optional[_Iterable[bytes]] = ..., ttls_ms: _Optional[_Iterable[int]] = ..., expires_at_ms: _Optional[_Iterable[int]] = ..., keep_ttl: bool = ..., previous: bool = ..., times: _Optional[_Iterable[int]] = ..., writers: _Optional[_Iterable[int]] = ...) -> None: ...

class GetStep(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class DeleteStep(_message.Message):
    __slots__ = ("keys", "previous", "times", "writers")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    WRITERS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    previous: bool
    times: _containers.RepeatedScalarFieldContainer[int]
    writers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., previous: bool = ..., times: _Optional[_Iterable[int]] = ..., writers: _Optional[_Iterable[int]] = ...) -> None: ...

class ExpireStep(_message.Message):
    __slots__ = ("keys", "ttls_ms", "expires_at_ms")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    TTLS_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    ttls_ms: _containers.RepeatedScalarFieldContainer[int]
    expires_at_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., ttls_ms: _Optional[_Iterable[int]] = ..., expires_at_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class PersistStep(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ExecuteStep(_message.Message):
    __slots__ = ("batches", "previous")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[Batch]
    previous: bool
    def __init__(self, batches: _Optional[_Iterable[_Union[Batch, _Mapping]]] = ..., previous: bool = ...) -> None: ...

class PipelineResponse(_message.Message):
    __slots__ = ("hlc", "results")
    HLC_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    results: _containers.RepeatedCompositeFieldContainer[StepResult]
    def __init__(self, hlc: _Optional[int] = ..., results: _Optional[_Iterable[_Union[StepResult, _Mapping]]] = ...) -> None: ...

class StepResult(_message.Message):
    __slots__ = ("stored", "found", "applied", "executed", "leaders", "errors")
    STORED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    LEADERS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    stored: StoredEntries
    found: FoundEntries
    applied: AppliedEntries
    executed: ExecutedEntries
    leaders: _containers.RepeatedCompositeFieldContainer[EntryLeader]
    errors: _containers.RepeatedCompositeFieldContainer[EntryErrors]
    def __init__(self, stored: _Optional[_Union[StoredEntries, _Mapping]] = ..., found: _Optional[_Union[FoundEntries, _Mapping]] = ..., applied: _Optional[_Union[AppliedEntries, _Mapping]] = ..., executed: _Optional[_Union[ExecutedEntries, _Mapping]] = ..., leaders: _Optional[_Iterable[_Union[EntryLeader, _Mapping]]] = ..., errors: _Optional[_Iterable[_Union[EntryErrors, _Mapping]]] = ...) -> None: ...

class StoredEntries(_message.Message):
    __slots__ = ("times", "writers", "previous")
    TIMES_FIELD_NUMBER: _ClassVar[int]
    WRITERS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    times: _containers.RepeatedScalarFieldContainer[int]
    writers: _containers.RepeatedScalarFieldContainer[int]
    previous: _containers.RepeatedCompositeFieldContainer[Observed]
    def __init__(self, times: _Optional[_Iterable[int]] = ..., writers: _Optional[_Iterable[int]] = ..., previous: _Optional[_Iterable[_Union[Observed, _Mapping]]] = ...) -> None: ...

class FoundEntries(_message.Message):
    __slots__ = ("found", "values", "times", "writers", "expires_at_ms")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    WRITERS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    found: _containers.RepeatedScalarFieldContainer[bool]
    values: _containers.RepeatedScalarFieldContainer[bytes]
    times: _containers.RepeatedScalarFieldContainer[int]
    writers: _containers.RepeatedScalarFieldContainer[int]
    expires_at_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, found: _Optional[_Iterable[bool]] = ..., values: _Optional[_Iterable[bytes]] = ..., times: _Optional[_Iterable[int]] = ..., writers: _Optional[_Iterable[int]] = ..., expires_at_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class AppliedEntries(_message.Message):
    __slots__ = ("applied",)
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    applied: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, applied: _Optional[_Iterable[bool]] = ...) -> None: ...

class ExecutedEntries(_message.Message):
    __slots__ = ("batches",)
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[BatchResult]
    def __init__(self, batches: _Optional[_Iterable[_Union[BatchResult, _Mapping]]] = ...) -> None: ...

class EntryLeader(_message.Message):
    __slots__ = ("entries", "leader")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedScalarFieldContainer[int]
    leader: str
    def __init__(self, entries: _Optional[_Iterable[int]] = ..., leader: _Optional[str] = ...) -> None: ...

class EntryErrors(_message.Message):
    __slots__ = ("entries", "code", "reason", "message", "retry", "leader")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedScalarFieldContainer[int]
    code: int
    reason: str
    message: str
    retry: Retry
    leader: str
    def __init__(self, entries: _Optional[_Iterable[int]] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retry: _Optional[_Union[Retry, str]] = ..., leader: _Optional[str] = ...) -> None: ...

class HandshakeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HandshakeResponse(_message.Message):
    __slots__ = ("cluster_id", "node_id", "epoch", "hlc", "wall_ms")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HLC_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    node_id: str
    epoch: int
    hlc: int
    wall_ms: int
    def __init__(self, cluster_id: _Optional[int] = ..., node_id: _Optional[str] = ..., epoch: _Optional[int] = ..., hlc: _Optional[int] = ..., wall_ms: _Optional[int] = ...) -> None: ...
