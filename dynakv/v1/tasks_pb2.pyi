from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_RUNNING: _ClassVar[TaskState]
    TASK_STATE_DONE: _ClassVar[TaskState]
    TASK_STATE_FAILED: _ClassVar[TaskState]
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_RUNNING: TaskState
TASK_STATE_DONE: TaskState
TASK_STATE_FAILED: TaskState

class ListTasksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("node_id", "tasks", "repair_paused")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    REPAIR_PAUSED_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    repair_paused: bool
    def __init__(self, node_id: _Optional[str] = ..., tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ..., repair_paused: bool = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("task_id", "kind", "about", "state", "done", "total", "bytes", "age_ms", "took_ms", "left_ms", "why")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    LEFT_MS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    task_id: int
    kind: str
    about: str
    state: TaskState
    done: int
    total: int
    bytes: int
    age_ms: int
    took_ms: int
    left_ms: int
    why: str
    def __init__(self, task_id: _Optional[int] = ..., kind: _Optional[str] = ..., about: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., bytes: _Optional[int] = ..., age_ms: _Optional[int] = ..., took_ms: _Optional[int] = ..., left_ms: _Optional[int] = ..., why: _Optional[str] = ...) -> None: ...

class StartRepairRequest(_message.Message):
    __slots__ = ("keyspace", "group")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    group: int
    def __init__(self, keyspace: _Optional[str] = ..., group: _Optional[int] = ...) -> None: ...

class StartRepairResponse(_message.Message):
    __slots__ = ("node_id", "task_ids")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, node_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class PauseRepairRequest(_message.Message):
    __slots__ = ("paused",)
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    paused: bool
    def __init__(self, paused: bool = ...) -> None: ...

class PauseRepairResponse(_message.Message):
    __slots__ = ("node_id",)
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    def __init__(self, node_id: _Optional[str] = ...) -> None: ...

class AcceptLossRequest(_message.Message):
    __slots__ = ("keyspace",)
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    keyspace: str
    def __init__(self, keyspace: _Optional[str] = ...) -> None: ...

class AcceptLossResponse(_message.Message):
    __slots__ = ("node_id", "groups")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    groups: int
    def __init__(self, node_id: _Optional[str] = ..., groups: _Optional[int] = ...) -> None: ...
