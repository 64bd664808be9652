from dynakv.v1 import ring_pb2 as _ring_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_OK: _ClassVar[Outcome]
    OUTCOME_AHEAD: _ClassVar[Outcome]
    OUTCOME_CORRUPT: _ClassVar[Outcome]
    OUTCOME_DAMAGED: _ClassVar[Outcome]
    OUTCOME_MISPLACED: _ClassVar[Outcome]
    OUTCOME_HEALABLE: _ClassVar[Outcome]
    OUTCOME_LATER: _ClassVar[Outcome]
    OUTCOME_FENCED: _ClassVar[Outcome]
    OUTCOME_RECOVERING: _ClassVar[Outcome]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_UNREACHABLE: _ClassVar[Reason]
    REASON_BROKEN: _ClassVar[Reason]
    REASON_WRONG_EPOCH: _ClassVar[Reason]
    REASON_UNKNOWN_KEYSPACE: _ClassVar[Reason]
    REASON_OVERLOADED: _ClassVar[Reason]
    REASON_UNSUPPORTED: _ClassVar[Reason]
    REASON_FOREIGN: _ClassVar[Reason]
    REASON_NO_SPACE: _ClassVar[Reason]
    REASON_DAMAGED: _ClassVar[Reason]
    REASON_RECOVERING: _ClassVar[Reason]

class Likeness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIKENESS_UNSPECIFIED: _ClassVar[Likeness]
    LIKENESS_EQUAL: _ClassVar[Likeness]
    LIKENESS_DIFFERS: _ClassVar[Likeness]
    LIKENESS_UNKNOWN: _ClassVar[Likeness]
    LIKENESS_LATER: _ClassVar[Likeness]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_OK: Outcome
OUTCOME_AHEAD: Outcome
OUTCOME_CORRUPT: Outcome
OUTCOME_DAMAGED: Outcome
OUTCOME_MISPLACED: Outcome
OUTCOME_HEALABLE: Outcome
OUTCOME_LATER: Outcome
OUTCOME_FENCED: Outcome
OUTCOME_RECOVERING: Outcome
REASON_UNSPECIFIED: Reason
REASON_UNREACHABLE: Reason
REASON_BROKEN: Reason
REASON_WRONG_EPOCH: Reason
REASON_UNKNOWN_KEYSPACE: Reason
REASON_OVERLOADED: Reason
REASON_UNSUPPORTED: Reason
REASON_FOREIGN: Reason
REASON_NO_SPACE: Reason
REASON_DAMAGED: Reason
REASON_RECOVERING: Reason
LIKENESS_UNSPECIFIED: Likeness
LIKENESS_EQUAL: Likeness
LIKENESS_DIFFERS: Likeness
LIKENESS_UNKNOWN: Likeness
LIKENESS_LATER: Likeness

class Header(_message.Message):
    __slots__ = ("version", "node_id", "cluster_id", "incarnation", "commit_sequence", "epoch", "hlc")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HLC_FIELD_NUMBER: _ClassVar[int]
    version: int
    node_id: str
    cluster_id: int
    incarnation: int
    commit_sequence: int
    epoch: int
    hlc: int
    def __init__(self, version: _Optional[int] = ..., node_id: _Optional[str] = ..., cluster_id: _Optional[int] = ..., incarnation: _Optional[int] = ..., commit_sequence: _Optional[int] = ..., epoch: _Optional[int] = ..., hlc: _Optional[int] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("header", "asks", "replies")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    header: Header
    asks: _containers.RepeatedCompositeFieldContainer[Ask]
    replies: _containers.RepeatedCompositeFieldContainer[Reply]
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., asks: _Optional[_Iterable[_Union[Ask, _Mapping]]] = ..., replies: _Optional[_Iterable[_Union[Reply, _Mapping]]] = ...) -> None: ...

class Ask(_message.Message):
    __slots__ = ("call", "timeout_ms", "save", "load", "beat", "scan", "compare", "scan_leaves", "fence", "raise_floor")
    CALL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    SAVE_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    SCAN_FIELD_NUMBER: _ClassVar[int]
    COMPARE_FIELD_NUMBER: _ClassVar[int]
    SCAN_LEAVES_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    RAISE_FLOOR_FIELD_NUMBER: _ClassVar[int]
    call: int
    timeout_ms: int
    save: Save
    load: Load
    beat: Beat
    scan: Scan
    compare: Compare
    scan_leaves: ScanLeaves
    fence: Fence
    raise_floor: RaiseFloor
    def __init__(self, call: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., save: _Optional[_Union[Save, _Mapping]] = ..., load: _Optional[_Union[Load, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ..., scan: _Optional[_Union[Scan, _Mapping]] = ..., compare: _Optional[_Union[Compare, _Mapping]] = ..., scan_leaves: _Optional[_Union[ScanLeaves, _Mapping]] = ..., fence: _Optional[_Union[Fence, _Mapping]] = ..., raise_floor: _Optional[_Union[RaiseFloor, _Mapping]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("call", "saved", "loaded", "beaten", "failed", "scanned", "compared", "leaves_scanned", "fenced", "floor_raised")
    CALL_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    BEATEN_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SCANNED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    LEAVES_SCANNED_FIELD_NUMBER: _ClassVar[int]
    FENCED_FIELD_NUMBER: _ClassVar[int]
    FLOOR_RAISED_FIELD_NUMBER: _ClassVar[int]
    call: int
    saved: Saved
    loaded: Loaded
    beaten: Beaten
    failed: Failed
    scanned: Scanned
    compared: Compared
    leaves_scanned: LeavesScanned
    fenced: Fenced
    floor_raised: FloorRaised
    def __init__(self, call: _Optional[int] = ..., saved: _Optional[_Union[Saved, _Mapping]] = ..., loaded: _Optional[_Union[Loaded, _Mapping]] = ..., beaten: _Optional[_Union[Beaten, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ..., scanned: _Optional[_Union[Scanned, _Mapping]] = ..., compared: _Optional[_Union[Compared, _Mapping]] = ..., leaves_scanned: _Optional[_Union[LeavesScanned, _Mapping]] = ..., fenced: _Optional[_Union[Fenced, _Mapping]] = ..., floor_raised: _Optional[_Union[FloorRaised, _Mapping]] = ...) -> None: ...

class Records(_message.Message):
    __slots__ = ("keys", "values", "tombstones", "absent", "value_times", "value_writers", "expiries_ms", "expiry_times", "expiry_writers", "checksums")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONES_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    VALUE_TIMES_FIELD_NUMBER: _ClassVar[int]
    VALUE_WRITERS_FIELD_NUMBER: _ClassVar[int]
    EXPIRIES_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_TIMES_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_WRITERS_FIELD_NUMBER: _ClassVar[int]
    CHECKSUMS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    values: _containers.RepeatedScalarFieldContainer[bytes]
    tombstones: _containers.RepeatedScalarFieldContainer[int]
    absent: _containers.RepeatedScalarFieldContainer[int]
    value_times: _containers.RepeatedScalarFieldContainer[int]
    value_writers: _containers.RepeatedScalarFieldContainer[int]
    expiries_ms: _containers.RepeatedScalarFieldContainer[int]
    expiry_times: _containers.RepeatedScalarFieldContainer[int]
    expiry_writers: _containers.RepeatedScalarFieldContainer[int]
    checksums: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., values: _Optional[_Iterable[bytes]] = ..., tombstones: _Optional[_Iterable[int]] = ..., absent: _Optional[_Iterable[int]] = ..., value_times: _Optional[_Iterable[int]] = ..., value_writers: _Optional[_Iterable[int]] = ..., expiries_ms: _Optional[_Iterable[int]] = ..., expiry_times: _Optional[_Iterable[int]] = ..., expiry_writers: _Optional[_Iterable[int]] = ..., checksums: _Optional[_Iterable[int]] = ...) -> None: ...

class Save(_message.Message):
    __slots__ = ("keyspace", "epoch", "records", "previous", "heals", "floors")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    HEALS_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    records: Records
    previous: bool
    heals: bool
    floors: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., records: _Optional[_Union[Records, _Mapping]] = ..., previous: bool = ..., heals: bool = ..., floors: _Optional[_Iterable[int]] = ...) -> None: ...

class Saved(_message.Message):
    __slots__ = ("outcomes", "before")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedScalarFieldContainer[Outcome]
    before: Records
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, str]]] = ..., before: _Optional[_Union[Records, _Mapping]] = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("keyspace", "epoch", "keys")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Loaded(_message.Message):
    __slots__ = ("outcomes", "records", "floors")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedScalarFieldContainer[Outcome]
    records: Records
    floors: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, str]]] = ..., records: _Optional[_Union[Records, _Mapping]] = ..., floors: _Optional[_Iterable[int]] = ...) -> None: ...

class Scan(_message.Message):
    __slots__ = ("keyspace", "epoch", "groups", "start", "after", "end", "rows_max", "keys_only")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ROWS_MAX_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    groups: _containers.RepeatedScalarFieldContainer[int]
    start: bytes
    after: bytes
    end: bytes
    rows_max: int
    keys_only: bool
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., groups: _Optional[_Iterable[int]] = ..., start: _Optional[bytes] = ..., after: _Optional[bytes] = ..., end: _Optional[bytes] = ..., rows_max: _Optional[int] = ..., keys_only: bool = ...) -> None: ...

class Scanned(_message.Message):
    __slots__ = ("records", "next", "floors")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    records: Records
    next: bytes
    floors: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, records: _Optional[_Union[Records, _Mapping]] = ..., next: _Optional[bytes] = ..., floors: _Optional[_Iterable[int]] = ...) -> None: ...

class Compare(_message.Message):
    __slots__ = ("keyspace", "epoch", "groups", "roots")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    groups: _containers.RepeatedScalarFieldContainer[int]
    roots: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., groups: _Optional[_Iterable[int]] = ..., roots: _Optional[_Iterable[int]] = ...) -> None: ...

class Compared(_message.Message):
    __slots__ = ("likenesses", "floors", "leaves")
    LIKENESSES_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    likenesses: _containers.RepeatedScalarFieldContainer[Likeness]
    floors: _containers.RepeatedScalarFieldContainer[int]
    leaves: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, likenesses: _Optional[_Iterable[_Union[Likeness, str]]] = ..., floors: _Optional[_Iterable[int]] = ..., leaves: _Optional[_Iterable[int]] = ...) -> None: ...

class ScanLeaves(_message.Message):
    __slots__ = ("keyspace", "epoch", "group", "leaves", "after", "rows_max")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ROWS_MAX_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    group: int
    leaves: _containers.RepeatedScalarFieldContainer[int]
    after: bytes
    rows_max: int
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., group: _Optional[int] = ..., leaves: _Optional[_Iterable[int]] = ..., after: _Optional[bytes] = ..., rows_max: _Optional[int] = ...) -> None: ...

class LeavesScanned(_message.Message):
    __slots__ = ("records", "next", "floor")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    records: Records
    next: bytes
    floor: int
    def __init__(self, records: _Optional[_Union[Records, _Mapping]] = ..., next: _Optional[bytes] = ..., floor: _Optional[int] = ...) -> None: ...

class Fence(_message.Message):
    __slots__ = ("keyspace", "epoch", "groups", "cut")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    groups: _containers.RepeatedScalarFieldContainer[int]
    cut: int
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., groups: _Optional[_Iterable[int]] = ..., cut: _Optional[int] = ...) -> None: ...

class Fenced(_message.Message):
    __slots__ = ("taken",)
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    taken: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, taken: _Optional[_Iterable[bool]] = ...) -> None: ...

class RaiseFloor(_message.Message):
    __slots__ = ("keyspace", "epoch", "groups", "floor")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    groups: _containers.RepeatedScalarFieldContainer[int]
    floor: int
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., groups: _Optional[_Iterable[int]] = ..., floor: _Optional[int] = ...) -> None: ...

class FloorRaised(_message.Message):
    __slots__ = ("taken",)
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    taken: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, taken: _Optional[_Iterable[bool]] = ...) -> None: ...

class Beat(_message.Message):
    __slots__ = ("cluster_id", "layout_digest", "wall_ms", "client_address")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    layout_digest: int
    wall_ms: int
    client_address: str
    def __init__(self, cluster_id: _Optional[int] = ..., layout_digest: _Optional[int] = ..., wall_ms: _Optional[int] = ..., client_address: _Optional[str] = ...) -> None: ...

class Beaten(_message.Message):
    __slots__ = ("cluster_id", "layout_digest", "wall_ms", "client_address", "was_alive_ms", "up_ms")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WAS_ALIVE_MS_FIELD_NUMBER: _ClassVar[int]
    UP_MS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    layout_digest: int
    wall_ms: int
    client_address: str
    was_alive_ms: int
    up_ms: int
    def __init__(self, cluster_id: _Optional[int] = ..., layout_digest: _Optional[int] = ..., wall_ms: _Optional[int] = ..., client_address: _Optional[str] = ..., was_alive_ms: _Optional[int] = ..., up_ms: _Optional[int] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: Reason
    def __init__(self, reason: _Optional[_Union[Reason, str]] = ...) -> None: ...

class ReplicateRequest(_message.Message):
    __slots__ = ("header", "save")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SAVE_FIELD_NUMBER: _ClassVar[int]
    header: Header
    save: Save
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., save: _Optional[_Union[Save, _Mapping]] = ...) -> None: ...

class ReplicateResponse(_message.Message):
    __slots__ = ("header", "saved", "failed")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    header: Header
    saved: Saved
    failed: Failed
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., saved: _Optional[_Union[Saved, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("header", "beat")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    header: Header
    beat: Beat
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("header", "beaten", "failed")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    BEATEN_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    header: Header
    beaten: Beaten
    failed: Failed
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., beaten: _Optional[_Union[Beaten, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ...) -> None: ...

class AddNodeRequest(_message.Message):
    __slots__ = ("node_id", "address", "zone", "region", "weight")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    address: str
    zone: str
    region: str
    weight: int
    def __init__(self, node_id: _Optional[str] = ..., address: _Optional[str] = ..., zone: _Optional[str] = ..., region: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class AddNodeResponse(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...
