from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRaftGroupsRequest(_message.Message):
    __slots__ = ("keyspace",)
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    def __init__(self, keyspace: _Optional[str] = ...) -> None: ...

class ListRaftGroupsResponse(_message.Message):
    __slots__ = ("node_id", "groups")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    groups: _containers.RepeatedCompositeFieldContainer[RaftGroup]
    def __init__(self, node_id: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[RaftGroup, _Mapping]]] = ...) -> None: ...

class RaftGroup(_message.Message):
    __slots__ = ("keyspace", "group", "role", "term", "leader", "commit", "applied", "last", "entries", "log_bytes", "awake", "followers", "why")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    AWAKE_FIELD_NUMBER: _ClassVar[int]
    FOLLOWERS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    group: int
    role: str
    term: int
    leader: str
    commit: int
    applied: int
    last: int
    entries: int
    log_bytes: int
    awake: bool
    followers: _containers.RepeatedCompositeFieldContainer[RaftFollower]
    why: str
    def __init__(self, keyspace: _Optional[str] = ..., group: _Optional[int] = ..., role: _Optional[str] = ..., term: _Optional[int] = ..., leader: _Optional[str] = ..., commit: _Optional[int] = ..., applied: _Optional[int] = ..., last: _Optional[int] = ..., entries: _Optional[int] = ..., log_bytes: _Optional[int] = ..., awake: bool = ..., followers: _Optional[_Iterable[_Union[RaftFollower, _Mapping]]] = ..., why: _Optional[str] = ...) -> None: ...

class RaftFollower(_message.Message):
    __slots__ = ("node_id", "match", "flow", "learner")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    LEARNER_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    match: int
    flow: str
    learner: bool
    def __init__(self, node_id: _Optional[str] = ..., match: _Optional[int] = ..., flow: _Optional[str] = ..., learner: bool = ...) -> None: ...

class TakeLeadershipRequest(_message.Message):
    __slots__ = ("keyspace", "group")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    group: int
    def __init__(self, keyspace: _Optional[str] = ..., group: _Optional[int] = ...) -> None: ...

class TakeLeadershipResponse(_message.Message):
    __slots__ = ("node_id",)
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    def __init__(self, node_id: _Optional[str] = ...) -> None: ...

class RebalanceLeadersRequest(_message.Message):
    __slots__ = ("keyspace",)
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    def __init__(self, keyspace: _Optional[str] = ...) -> None: ...

class RebalanceLeadersResponse(_message.Message):
    __slots__ = ("node_id", "groups")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    groups: int
    def __init__(self, node_id: _Optional[str] = ..., groups: _Optional[int] = ...) -> None: ...
