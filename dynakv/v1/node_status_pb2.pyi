from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Held(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HELD_UNSPECIFIED: _ClassVar[Held]
    HELD_NOTHING: _ClassVar[Held]
    HELD_VALUE: _ClassVar[Held]
    HELD_TOMBSTONE: _ClassVar[Held]
    HELD_EXPIRED: _ClassVar[Held]
    HELD_DAMAGED: _ClassVar[Held]
HELD_UNSPECIFIED: Held
HELD_NOTHING: Held
HELD_VALUE: Held
HELD_TOMBSTONE: Held
HELD_EXPIRED: Held
HELD_DAMAGED: Held

class GetNodeStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetNodeStatusResponse(_message.Message):
    __slots__ = ("node_id", "version", "cluster_id", "epoch", "layout_digest", "hlc", "wall_ms", "incarnation", "starts", "uptime_ms", "commit_sequence", "clock", "peers", "load", "cache", "store", "counters", "disk_full", "hints", "collection", "recovering_groups", "rounds", "tree_drifts", "horizon_ms")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    HLC_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    DISK_FULL_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    RECOVERING_GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    TREE_DRIFTS_FIELD_NUMBER: _ClassVar[int]
    HORIZON_MS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    version: str
    cluster_id: int
    epoch: int
    layout_digest: int
    hlc: int
    wall_ms: int
    incarnation: int
    starts: int
    uptime_ms: int
    commit_sequence: int
    clock: ClockStatus
    peers: _containers.RepeatedCompositeFieldContainer[PeerStatus]
    load: LoadStatus
    cache: CacheStatus
    store: StoreStatus
    counters: _containers.ScalarMap[str, int]
    disk_full: bool
    hints: _containers.RepeatedCompositeFieldContainer[HintStatus]
    collection: CollectionStatus
    recovering_groups: int
    rounds: _containers.RepeatedCompositeFieldContainer[RoundStatus]
    tree_drifts: int
    horizon_ms: int
    def __init__(self, node_id: _Optional[str] = ..., version: _Optional[str] = ..., cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ..., layout_digest: _Optional[int] = ..., hlc: _Optional[int] = ..., wall_ms: _Optional[int] = ..., incarnation: _Optional[int] = ..., starts: _Optional[int] = ..., uptime_ms: _Optional[int] = ..., commit_sequence: _Optional[int] = ..., clock: _Optional[_Union[ClockStatus, _Mapping]] = ..., peers: _Optional[_Iterable[_Union[PeerStatus, _Mapping]]] = ..., load: _Optional[_Union[LoadStatus, _Mapping]] = ..., cache: _Optional[_Union[CacheStatus, _Mapping]] = ..., store: _Optional[_Union[StoreStatus, _Mapping]] = ..., counters: _Optional[_Mapping[str, int]] = ..., disk_full: bool = ..., hints: _Optional[_Iterable[_Union[HintStatus, _Mapping]]] = ..., collection: _Optional[_Union[CollectionStatus, _Mapping]] = ..., recovering_groups: _Optional[int] = ..., rounds: _Optional[_Iterable[_Union[RoundStatus, _Mapping]]] = ..., tree_drifts: _Optional[int] = ..., horizon_ms: _Optional[int] = ...) -> None: ...

class CollectionStatus(_message.Message):
    __slots__ = ("waiting", "waits_for")
    class WaitingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class WaitsForEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WAITING_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    waiting: _containers.ScalarMap[str, int]
    waits_for: _containers.ScalarMap[str, int]
    def __init__(self, waiting: _Optional[_Mapping[str, int]] = ..., waits_for: _Optional[_Mapping[str, int]] = ...) -> None: ...

class RoundStatus(_message.Message):
    __slots__ = ("keyspace", "node_id", "age_ms", "took_ms")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    node_id: str
    age_ms: int
    took_ms: int
    def __init__(self, keyspace: _Optional[str] = ..., node_id: _Optional[str] = ..., age_ms: _Optional[int] = ..., took_ms: _Optional[int] = ...) -> None: ...

class HintStatus(_message.Message):
    __slots__ = ("node_id", "rows", "bytes", "age_ms")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    rows: int
    bytes: int
    age_ms: int
    def __init__(self, node_id: _Optional[str] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ..., age_ms: _Optional[int] = ...) -> None: ...

class ClockStatus(_message.Message):
    __slots__ = ("trusted", "leaps")
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    LEAPS_FIELD_NUMBER: _ClassVar[int]
    trusted: bool
    leaps: int
    def __init__(self, trusted: bool = ..., leaps: _Optional[int] = ...) -> None: ...

class PeerStatus(_message.Message):
    __slots__ = ("node_id", "up", "clock_offset_ms", "silent_ms")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    SILENT_MS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    up: bool
    clock_offset_ms: int
    silent_ms: int
    def __init__(self, node_id: _Optional[str] = ..., up: bool = ..., clock_offset_ms: _Optional[int] = ..., silent_ms: _Optional[int] = ...) -> None: ...

class LoadStatus(_message.Message):
    __slots__ = ("client_keys", "peer_keys", "client_keys_max")
    CLIENT_KEYS_FIELD_NUMBER: _ClassVar[int]
    PEER_KEYS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_KEYS_MAX_FIELD_NUMBER: _ClassVar[int]
    client_keys: int
    peer_keys: int
    client_keys_max: int
    def __init__(self, client_keys: _Optional[int] = ..., peer_keys: _Optional[int] = ..., client_keys_max: _Optional[int] = ...) -> None: ...

class CacheStatus(_message.Message):
    __slots__ = ("bytes", "bytes_max", "entries", "hits", "misses")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    bytes_max: int
    entries: int
    hits: int
    misses: int
    def __init__(self, bytes: _Optional[int] = ..., bytes_max: _Optional[int] = ..., entries: _Optional[int] = ..., hits: _Optional[int] = ..., misses: _Optional[int] = ...) -> None: ...

class StoreStatus(_message.Message):
    __slots__ = ("rows", "rows_written", "database_bytes", "wal_bytes", "disk_free_share")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROWS_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    DATABASE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_SHARE_FIELD_NUMBER: _ClassVar[int]
    rows: int
    rows_written: int
    database_bytes: int
    wal_bytes: int
    disk_free_share: float
    def __init__(self, rows: _Optional[int] = ..., rows_written: _Optional[int] = ..., database_bytes: _Optional[int] = ..., wal_bytes: _Optional[int] = ..., disk_free_share: _Optional[float] = ...) -> None: ...

class InspectKeyRequest(_message.Message):
    __slots__ = ("keyspace", "key")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    key: bytes
    def __init__(self, keyspace: _Optional[str] = ..., key: _Optional[bytes] = ...) -> None: ...

class InspectKeyResponse(_message.Message):
    __slots__ = ("node_id", "hlc", "token", "group", "replica", "held", "value_time", "value_writer", "expires_at_ms", "expiry_time", "expiry_writer", "value_bytes", "checksum")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    HLC_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_TIME_FIELD_NUMBER: _ClassVar[int]
    VALUE_WRITER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_WRITER_FIELD_NUMBER: _ClassVar[int]
    VALUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    hlc: int
    token: int
    group: int
    replica: bool
    held: Held
    value_time: int
    value_writer: int
    expires_at_ms: int
    expiry_time: int
    expiry_writer: int
    value_bytes: int
    checksum: int
    def __init__(self, node_id: _Optional[str] = ..., hlc: _Optional[int] = ..., token: _Optional[int] = ..., group: _Optional[int] = ..., replica: bool = ..., held: _Optional[_Union[Held, str]] = ..., value_time: _Optional[int] = ..., value_writer: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., expiry_time: _Optional[int] = ..., expiry_writer: _Optional[int] = ..., value_bytes: _Optional[int] = ..., checksum: _Optional[int] = ...) -> None: ...
