from dynakv.v1 import node_status_pb2 as _node_status_pb2
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

class Retry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETRY_UNSPECIFIED: _ClassVar[Retry]
    RETRY_NEVER: _ClassVar[Retry]
    RETRY_SAFE: _ClassVar[Retry]
    RETRY_SAME_STAMP: _ClassVar[Retry]
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

class PutRequest(_message.Message):
    __slots__ = ("keyspace", "key", "value", "ttl_ms", "expires_at_ms", "keep_ttl", "level", "w", "previous", "stamp")
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
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., keep_ttl: bool = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ..., previous: bool = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("hlc", "stamp", "previous")
    HLC_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    stamp: Stamp
    previous: Observed
    def __init__(self, hlc: _Optional[int] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., previous: _Optional[_Union[Observed, _Mapping]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("keyspace", "key", "level", "r")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    level: _ring_pb2.Level
    r: int
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., r: _Optional[int] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("hlc", "found", "value", "stamp", "expires_at_ms")
    HLC_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    found: bool
    value: bytes
    stamp: Stamp
    expires_at_ms: int
    def __init__(self, hlc: _Optional[int] = ..., found: bool = ..., value: _Optional[bytes] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("keyspace", "key", "level", "w", "previous", "stamp")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    level: _ring_pb2.Level
    w: int
    previous: bool
    stamp: Stamp
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ..., previous: bool = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("hlc", "stamp", "previous")
    HLC_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    stamp: Stamp
    previous: Observed
    def __init__(self, hlc: _Optional[int] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., previous: _Optional[_Union[Observed, _Mapping]] = ...) -> None: ...

class ExpireRequest(_message.Message):
    __slots__ = ("keyspace", "key", "ttl_ms", "expires_at_ms", "level", "w")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    ttl_ms: int
    expires_at_ms: int
    level: _ring_pb2.Level
    w: int
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ...) -> None: ...

class ExpireResponse(_message.Message):
    __slots__ = ("hlc", "applied")
    HLC_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    applied: bool
    def __init__(self, hlc: _Optional[int] = ..., applied: bool = ...) -> None: ...

class PersistRequest(_message.Message):
    __slots__ = ("keyspace", "key", "level", "w")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    level: _ring_pb2.Level
    w: int
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., w: _Optional[int] = ...) -> None: ...

class PersistResponse(_message.Message):
    __slots__ = ("hlc", "applied")
    HLC_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    applied: bool
    def __init__(self, hlc: _Optional[int] = ..., applied: bool = ...) -> None: ...

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
    __slots__ = ("keyspace", "level", "r", "w", "steps")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    level: _ring_pb2.Level
    r: int
    w: int
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, keyspace: _Optional[str] = ..., level: _Optional[_Union[_ring_pb2.Level, str]] = ..., r: _Optional[int] = ..., w: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("put", "get", "delete", "expire", "persist")
    PUT_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_FIELD_NUMBER: _ClassVar[int]
    PERSIST_FIELD_NUMBER: _ClassVar[int]
    put: PutStep
    get: GetStep
    delete: DeleteStep
    expire: ExpireStep
    persist: PersistStep
    def __init__(self, put: _Optional[_Union[PutStep, _Mapping]] = ..., get: _Optional[_Union[GetStep, _Mapping]] = ..., delete: _Optional[_Union[DeleteStep, _Mapping]] = ..., expire: _Optional[_Union[ExpireStep, _Mapping]] = ..., persist: _Optional[_Union[PersistStep, _Mapping]] = ...) -> None: ...

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

class PipelineResponse(_message.Message):
    __slots__ = ("hlc", "results")
    HLC_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    results: _containers.RepeatedCompositeFieldContainer[StepResult]
    def __init__(self, hlc: _Optional[int] = ..., results: _Optional[_Iterable[_Union[StepResult, _Mapping]]] = ...) -> None: ...

class StepResult(_message.Message):
    __slots__ = ("stored", "found", "applied", "errors")
    STORED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    stored: StoredEntries
    found: FoundEntries
    applied: AppliedEntries
    errors: _containers.RepeatedCompositeFieldContainer[EntryErrors]
    def __init__(self, stored: _Optional[_Union[StoredEntries, _Mapping]] = ..., found: _Optional[_Union[FoundEntries, _Mapping]] = ..., applied: _Optional[_Union[AppliedEntries, _Mapping]] = ..., errors: _Optional[_Iterable[_Union[EntryErrors, _Mapping]]] = ...) -> None: ...

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

class EntryErrors(_message.Message):
    __slots__ = ("entries", "code", "reason", "message", "retry")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedScalarFieldContainer[int]
    code: int
    reason: str
    message: str
    retry: Retry
    def __init__(self, entries: _Optional[_Iterable[int]] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retry: _Optional[_Union[Retry, str]] = ...) -> None: ...

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
