from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_ONE: _ClassVar[Level]
    LEVEL_QUORUM: _ClassVar[Level]
    LEVEL_ALL: _ClassVar[Level]

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_LEADERLESS: _ClassVar[Mode]
    MODE_ORDERED: _ClassVar[Mode]
    MODE_RAFT: _ClassVar[Mode]

class MemberState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMBER_STATE_UNSPECIFIED: _ClassVar[MemberState]
    MEMBER_STATE_UP: _ClassVar[MemberState]
    MEMBER_STATE_DOWN: _ClassVar[MemberState]

class GossipState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GOSSIP_STATE_UNSPECIFIED: _ClassVar[GossipState]
    GOSSIP_STATE_ALIVE: _ClassVar[GossipState]
    GOSSIP_STATE_SUSPECT: _ClassVar[GossipState]
    GOSSIP_STATE_DEAD: _ClassVar[GossipState]
    GOSSIP_STATE_LEFT: _ClassVar[GossipState]
LEVEL_UNSPECIFIED: Level
LEVEL_ONE: Level
LEVEL_QUORUM: Level
LEVEL_ALL: Level
MODE_UNSPECIFIED: Mode
MODE_LEADERLESS: Mode
MODE_ORDERED: Mode
MODE_RAFT: Mode
MEMBER_STATE_UNSPECIFIED: MemberState
MEMBER_STATE_UP: MemberState
MEMBER_STATE_DOWN: MemberState
GOSSIP_STATE_UNSPECIFIED: GossipState
GOSSIP_STATE_ALIVE: GossipState
GOSSIP_STATE_SUSPECT: GossipState
GOSSIP_STATE_DEAD: GossipState
GOSSIP_STATE_LEFT: GossipState

class GetRingStateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRingStateResponse(_message.Message):
    __slots__ = ("answered_by", "hlc", "cluster_id", "epoch", "digest", "members", "keyspaces")
    ANSWERED_BY_FIELD_NUMBER: _ClassVar[int]
    HLC_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    answered_by: str
    hlc: int
    cluster_id: int
    epoch: int
    digest: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    keyspaces: _containers.RepeatedCompositeFieldContainer[Keyspace]
    def __init__(self, answered_by: _Optional[str] = ..., hlc: _Optional[int] = ..., cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ..., digest: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., keyspaces: _Optional[_Iterable[_Union[Keyspace, _Mapping]]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("node_id", "address", "zone", "region", "weight", "state", "client_address", "gossip")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GOSSIP_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    address: str
    zone: str
    region: str
    weight: int
    state: MemberState
    client_address: str
    gossip: GossipState
    def __init__(self, node_id: _Optional[str] = ..., address: _Optional[str] = ..., zone: _Optional[str] = ..., region: _Optional[str] = ..., weight: _Optional[int] = ..., state: _Optional[_Union[MemberState, str]] = ..., client_address: _Optional[str] = ..., gossip: _Optional[_Union[GossipState, str]] = ...) -> None: ...

class Keyspace(_message.Message):
    __slots__ = ("keyspace_id", "name", "mode", "replicas_wanted", "n", "rq", "wq", "hash_tags", "default_level", "default_ttl_ms", "groups", "group_count", "epoch", "redis_number")
    KEYSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_WANTED_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    RQ_FIELD_NUMBER: _ClassVar[int]
    WQ_FIELD_NUMBER: _ClassVar[int]
    HASH_TAGS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LEVEL_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REDIS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    keyspace_id: int
    name: str
    mode: Mode
    replicas_wanted: int
    n: int
    rq: int
    wq: int
    hash_tags: bool
    default_level: Level
    default_ttl_ms: int
    groups: _containers.RepeatedCompositeFieldContainer[ShardGroup]
    group_count: int
    epoch: int
    redis_number: int
    def __init__(self, keyspace_id: _Optional[int] = ..., name: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., replicas_wanted: _Optional[int] = ..., n: _Optional[int] = ..., rq: _Optional[int] = ..., wq: _Optional[int] = ..., hash_tags: bool = ..., default_level: _Optional[_Union[Level, str]] = ..., default_ttl_ms: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[ShardGroup, _Mapping]]] = ..., group_count: _Optional[int] = ..., epoch: _Optional[int] = ..., redis_number: _Optional[int] = ...) -> None: ...

class ShardGroup(_message.Message):
    __slots__ = ("replicas",)
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    replicas: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, replicas: _Optional[_Iterable[int]] = ...) -> None: ...
