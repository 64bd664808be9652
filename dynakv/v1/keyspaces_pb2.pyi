from dynakv.v1 import ring_pb2 as _ring_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateKeyspaceRequest(_message.Message):
    __slots__ = ("name", "mode", "replicas", "groups", "hash_tags", "default_level", "default_ttl_ms", "redis_number", "if_epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    HASH_TAGS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LEVEL_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    REDIS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    IF_EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    mode: _ring_pb2.Mode
    replicas: int
    groups: int
    hash_tags: bool
    default_level: _ring_pb2.Level
    default_ttl_ms: int
    redis_number: int
    if_epoch: int
    def __init__(self, name: _Optional[str] = ..., mode: _Optional[_Union[_ring_pb2.Mode, str]] = ..., replicas: _Optional[int] = ..., groups: _Optional[int] = ..., hash_tags: bool = ..., default_level: _Optional[_Union[_ring_pb2.Level, str]] = ..., default_ttl_ms: _Optional[int] = ..., redis_number: _Optional[int] = ..., if_epoch: _Optional[int] = ...) -> None: ...

class CreateKeyspaceResponse(_message.Message):
    __slots__ = ("hlc", "epoch", "keyspace_id")
    HLC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEYSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    epoch: int
    keyspace_id: int
    def __init__(self, hlc: _Optional[int] = ..., epoch: _Optional[int] = ..., keyspace_id: _Optional[int] = ...) -> None: ...

class AlterKeyspaceRequest(_message.Message):
    __slots__ = ("name", "default_level", "default_ttl_ms", "redis_number", "no_redis_number", "if_epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LEVEL_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    REDIS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    NO_REDIS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    IF_EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    default_level: _ring_pb2.Level
    default_ttl_ms: int
    redis_number: int
    no_redis_number: bool
    if_epoch: int
    def __init__(self, name: _Optional[str] = ..., default_level: _Optional[_Union[_ring_pb2.Level, str]] = ..., default_ttl_ms: _Optional[int] = ..., redis_number: _Optional[int] = ..., no_redis_number: bool = ..., if_epoch: _Optional[int] = ...) -> None: ...

class AlterKeyspaceResponse(_message.Message):
    __slots__ = ("hlc", "epoch", "keyspace_id")
    HLC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEYSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    epoch: int
    keyspace_id: int
    def __init__(self, hlc: _Optional[int] = ..., epoch: _Optional[int] = ..., keyspace_id: _Optional[int] = ...) -> None: ...

class DropKeyspaceRequest(_message.Message):
    __slots__ = ("name", "if_epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IF_EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    if_epoch: int
    def __init__(self, name: _Optional[str] = ..., if_epoch: _Optional[int] = ...) -> None: ...

class DropKeyspaceResponse(_message.Message):
    __slots__ = ("hlc", "epoch", "keyspace_id")
    HLC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEYSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    epoch: int
    keyspace_id: int
    def __init__(self, hlc: _Optional[int] = ..., epoch: _Optional[int] = ..., keyspace_id: _Optional[int] = ...) -> None: ...

class ListKeyspacesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListKeyspacesResponse(_message.Message):
    __slots__ = ("hlc", "answered_by", "epoch", "newest_epoch", "behind", "keyspaces")
    HLC_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_BY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    NEWEST_EPOCH_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    hlc: int
    answered_by: str
    epoch: int
    newest_epoch: int
    behind: _containers.RepeatedScalarFieldContainer[str]
    keyspaces: _containers.RepeatedCompositeFieldContainer[_ring_pb2.Keyspace]
    def __init__(self, hlc: _Optional[int] = ..., answered_by: _Optional[str] = ..., epoch: _Optional[int] = ..., newest_epoch: _Optional[int] = ..., behind: _Optional[_Iterable[str]] = ..., keyspaces: _Optional[_Iterable[_Union[_ring_pb2.Keyspace, _Mapping]]] = ...) -> None: ...
