from dynakv.v1 import keyspaces_pb2 as _keyspaces_pb2
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

class RaftVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RAFT_VERDICT_UNSPECIFIED: _ClassVar[RaftVerdict]
    RAFT_VERDICT_DONE: _ClassVar[RaftVerdict]
    RAFT_VERDICT_NOT_LEADER: _ClassVar[RaftVerdict]
    RAFT_VERDICT_BUSY: _ClassVar[RaftVerdict]
    RAFT_VERDICT_LOST: _ClassVar[RaftVerdict]
    RAFT_VERDICT_DAMAGED: _ClassVar[RaftVerdict]
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
RAFT_VERDICT_UNSPECIFIED: RaftVerdict
RAFT_VERDICT_DONE: RaftVerdict
RAFT_VERDICT_NOT_LEADER: RaftVerdict
RAFT_VERDICT_BUSY: RaftVerdict
RAFT_VERDICT_LOST: RaftVerdict
RAFT_VERDICT_DAMAGED: RaftVerdict

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
    __slots__ = ("call", "timeout_ms", "save", "load", "beat", "scan", "compare", "scan_leaves", "fence", "raise_floor", "change_keyspaces", "adopt_layout", "fetch_layout", "raft_step", "raft_forward", "raft_read", "raft_scan", "raft_fetch", "raft_join", "probe", "probe_for", "sync")
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
    CHANGE_KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    ADOPT_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    FETCH_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    RAFT_STEP_FIELD_NUMBER: _ClassVar[int]
    RAFT_FORWARD_FIELD_NUMBER: _ClassVar[int]
    RAFT_READ_FIELD_NUMBER: _ClassVar[int]
    RAFT_SCAN_FIELD_NUMBER: _ClassVar[int]
    RAFT_FETCH_FIELD_NUMBER: _ClassVar[int]
    RAFT_JOIN_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    PROBE_FOR_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
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
    change_keyspaces: ChangeKeyspaces
    adopt_layout: AdoptLayout
    fetch_layout: FetchLayout
    raft_step: RaftStep
    raft_forward: RaftForward
    raft_read: RaftRead
    raft_scan: RaftScan
    raft_fetch: RaftFetch
    raft_join: RaftJoin
    probe: Probe
    probe_for: ProbeFor
    sync: Sync
    def __init__(self, call: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., save: _Optional[_Union[Save, _Mapping]] = ..., load: _Optional[_Union[Load, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ..., scan: _Optional[_Union[Scan, _Mapping]] = ..., compare: _Optional[_Union[Compare, _Mapping]] = ..., scan_leaves: _Optional[_Union[ScanLeaves, _Mapping]] = ..., fence: _Optional[_Union[Fence, _Mapping]] = ..., raise_floor: _Optional[_Union[RaiseFloor, _Mapping]] = ..., change_keyspaces: _Optional[_Union[ChangeKeyspaces, _Mapping]] = ..., adopt_layout: _Optional[_Union[AdoptLayout, _Mapping]] = ..., fetch_layout: _Optional[_Union[FetchLayout, _Mapping]] = ..., raft_step: _Optional[_Union[RaftStep, _Mapping]] = ..., raft_forward: _Optional[_Union[RaftForward, _Mapping]] = ..., raft_read: _Optional[_Union[RaftRead, _Mapping]] = ..., raft_scan: _Optional[_Union[RaftScan, _Mapping]] = ..., raft_fetch: _Optional[_Union[RaftFetch, _Mapping]] = ..., raft_join: _Optional[_Union[RaftJoin, _Mapping]] = ..., probe: _Optional[_Union[Probe, _Mapping]] = ..., probe_for: _Optional[_Union[ProbeFor, _Mapping]] = ..., sync: _Optional[_Union[Sync, _Mapping]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("call", "saved", "loaded", "beaten", "failed", "scanned", "compared", "leaves_scanned", "fenced", "floor_raised", "keyspaces_changed", "layout_adopted", "layout_fetched", "raft_stepped", "raft_forwarded", "raft_found", "raft_listed", "raft_page", "raft_joined", "probed", "probed_for", "synced")
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
    KEYSPACES_CHANGED_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_ADOPTED_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FETCHED_FIELD_NUMBER: _ClassVar[int]
    RAFT_STEPPED_FIELD_NUMBER: _ClassVar[int]
    RAFT_FORWARDED_FIELD_NUMBER: _ClassVar[int]
    RAFT_FOUND_FIELD_NUMBER: _ClassVar[int]
    RAFT_LISTED_FIELD_NUMBER: _ClassVar[int]
    RAFT_PAGE_FIELD_NUMBER: _ClassVar[int]
    RAFT_JOINED_FIELD_NUMBER: _ClassVar[int]
    PROBED_FIELD_NUMBER: _ClassVar[int]
    PROBED_FOR_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
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
    keyspaces_changed: KeyspacesChanged
    layout_adopted: LayoutAdopted
    layout_fetched: LayoutFetched
    raft_stepped: RaftStepped
    raft_forwarded: RaftForwarded
    raft_found: RaftFound
    raft_listed: RaftListed
    raft_page: RaftPage
    raft_joined: RaftJoined
    probed: Probed
    probed_for: ProbedFor
    synced: Sync
    def __init__(self, call: _Optional[int] = ..., saved: _Optional[_Union[Saved, _Mapping]] = ..., loaded: _Optional[_Union[Loaded, _Mapping]] = ..., beaten: _Optional[_Union[Beaten, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ..., scanned: _Optional[_Union[Scanned, _Mapping]] = ..., compared: _Optional[_Union[Compared, _Mapping]] = ..., leaves_scanned: _Optional[_Union[LeavesScanned, _Mapping]] = ..., fenced: _Optional[_Union[Fenced, _Mapping]] = ..., floor_raised: _Optional[_Union[FloorRaised, _Mapping]] = ..., keyspaces_changed: _Optional[_Union[KeyspacesChanged, _Mapping]] = ..., layout_adopted: _Optional[_Union[LayoutAdopted, _Mapping]] = ..., layout_fetched: _Optional[_Union[LayoutFetched, _Mapping]] = ..., raft_stepped: _Optional[_Union[RaftStepped, _Mapping]] = ..., raft_forwarded: _Optional[_Union[RaftForwarded, _Mapping]] = ..., raft_found: _Optional[_Union[RaftFound, _Mapping]] = ..., raft_listed: _Optional[_Union[RaftListed, _Mapping]] = ..., raft_page: _Optional[_Union[RaftPage, _Mapping]] = ..., raft_joined: _Optional[_Union[RaftJoined, _Mapping]] = ..., probed: _Optional[_Union[Probed, _Mapping]] = ..., probed_for: _Optional[_Union[ProbedFor, _Mapping]] = ..., synced: _Optional[_Union[Sync, _Mapping]] = ...) -> None: ...

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

class RaftStep(_message.Message):
    __slots__ = ("keyspaces", "groups", "kinds", "receivers", "senders", "terms", "log_terms", "indexes", "commits", "rejects", "hints", "read_rounds", "contexts", "entry_counts", "entry_terms", "entry_indexes", "entry_kinds", "entry_contents", "snapshot_places", "snapshots", "sleeping_keyspaces", "sleeping_groups", "sleeping_terms", "incarnation")
    KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    RECEIVERS_FIELD_NUMBER: _ClassVar[int]
    SENDERS_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    LOG_TERMS_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    REJECTS_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    READ_ROUNDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNTS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_TERMS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_INDEXES_FIELD_NUMBER: _ClassVar[int]
    ENTRY_KINDS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_CONTENTS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_PLACES_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    SLEEPING_KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    SLEEPING_GROUPS_FIELD_NUMBER: _ClassVar[int]
    SLEEPING_TERMS_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    keyspaces: _containers.RepeatedScalarFieldContainer[int]
    groups: _containers.RepeatedScalarFieldContainer[int]
    kinds: _containers.RepeatedScalarFieldContainer[int]
    receivers: _containers.RepeatedScalarFieldContainer[int]
    senders: _containers.RepeatedScalarFieldContainer[int]
    terms: _containers.RepeatedScalarFieldContainer[int]
    log_terms: _containers.RepeatedScalarFieldContainer[int]
    indexes: _containers.RepeatedScalarFieldContainer[int]
    commits: _containers.RepeatedScalarFieldContainer[int]
    rejects: _containers.RepeatedScalarFieldContainer[bool]
    hints: _containers.RepeatedScalarFieldContainer[int]
    read_rounds: _containers.RepeatedScalarFieldContainer[int]
    contexts: _containers.RepeatedScalarFieldContainer[bytes]
    entry_counts: _containers.RepeatedScalarFieldContainer[int]
    entry_terms: _containers.RepeatedScalarFieldContainer[int]
    entry_indexes: _containers.RepeatedScalarFieldContainer[int]
    entry_kinds: _containers.RepeatedScalarFieldContainer[int]
    entry_contents: _containers.RepeatedScalarFieldContainer[bytes]
    snapshot_places: _containers.RepeatedScalarFieldContainer[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[RaftSnapshot]
    sleeping_keyspaces: _containers.RepeatedScalarFieldContainer[int]
    sleeping_groups: _containers.RepeatedScalarFieldContainer[int]
    sleeping_terms: _containers.RepeatedScalarFieldContainer[int]
    incarnation: int
    def __init__(self, keyspaces: _Optional[_Iterable[int]] = ..., groups: _Optional[_Iterable[int]] = ..., kinds: _Optional[_Iterable[int]] = ..., receivers: _Optional[_Iterable[int]] = ..., senders: _Optional[_Iterable[int]] = ..., terms: _Optional[_Iterable[int]] = ..., log_terms: _Optional[_Iterable[int]] = ..., indexes: _Optional[_Iterable[int]] = ..., commits: _Optional[_Iterable[int]] = ..., rejects: _Optional[_Iterable[bool]] = ..., hints: _Optional[_Iterable[int]] = ..., read_rounds: _Optional[_Iterable[int]] = ..., contexts: _Optional[_Iterable[bytes]] = ..., entry_counts: _Optional[_Iterable[int]] = ..., entry_terms: _Optional[_Iterable[int]] = ..., entry_indexes: _Optional[_Iterable[int]] = ..., entry_kinds: _Optional[_Iterable[int]] = ..., entry_contents: _Optional[_Iterable[bytes]] = ..., snapshot_places: _Optional[_Iterable[int]] = ..., snapshots: _Optional[_Iterable[_Union[RaftSnapshot, _Mapping]]] = ..., sleeping_keyspaces: _Optional[_Iterable[int]] = ..., sleeping_groups: _Optional[_Iterable[int]] = ..., sleeping_terms: _Optional[_Iterable[int]] = ..., incarnation: _Optional[int] = ...) -> None: ...

class RaftStepped(_message.Message):
    __slots__ = ("keyspaces", "groups", "members")
    KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    keyspaces: _containers.RepeatedScalarFieldContainer[int]
    groups: _containers.RepeatedScalarFieldContainer[int]
    members: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keyspaces: _Optional[_Iterable[int]] = ..., groups: _Optional[_Iterable[int]] = ..., members: _Optional[_Iterable[int]] = ...) -> None: ...

class RaftJoin(_message.Message):
    __slots__ = ("keyspaces", "groups", "members", "incarnation")
    KEYSPACES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    keyspaces: _containers.RepeatedScalarFieldContainer[int]
    groups: _containers.RepeatedScalarFieldContainer[int]
    members: _containers.RepeatedScalarFieldContainer[int]
    incarnation: int
    def __init__(self, keyspaces: _Optional[_Iterable[int]] = ..., groups: _Optional[_Iterable[int]] = ..., members: _Optional[_Iterable[int]] = ..., incarnation: _Optional[int] = ...) -> None: ...

class RaftJoined(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[RaftJoinOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[RaftJoinOutcome, _Mapping]]] = ...) -> None: ...

class RaftJoinOutcome(_message.Message):
    __slots__ = ("admitted", "members", "nodes", "incarnations")
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    INCARNATIONS_FIELD_NUMBER: _ClassVar[int]
    admitted: bool
    members: _containers.RepeatedScalarFieldContainer[int]
    nodes: _containers.RepeatedScalarFieldContainer[str]
    incarnations: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, admitted: bool = ..., members: _Optional[_Iterable[int]] = ..., nodes: _Optional[_Iterable[str]] = ..., incarnations: _Optional[_Iterable[int]] = ...) -> None: ...

class RaftSnapshot(_message.Message):
    __slots__ = ("index", "term", "voters", "voters_outgoing", "learners", "learners_next", "auto_leave", "content")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    VOTERS_FIELD_NUMBER: _ClassVar[int]
    VOTERS_OUTGOING_FIELD_NUMBER: _ClassVar[int]
    LEARNERS_FIELD_NUMBER: _ClassVar[int]
    LEARNERS_NEXT_FIELD_NUMBER: _ClassVar[int]
    AUTO_LEAVE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    index: int
    term: int
    voters: _containers.RepeatedScalarFieldContainer[int]
    voters_outgoing: _containers.RepeatedScalarFieldContainer[int]
    learners: _containers.RepeatedScalarFieldContainer[int]
    learners_next: _containers.RepeatedScalarFieldContainer[int]
    auto_leave: bool
    content: bytes
    def __init__(self, index: _Optional[int] = ..., term: _Optional[int] = ..., voters: _Optional[_Iterable[int]] = ..., voters_outgoing: _Optional[_Iterable[int]] = ..., learners: _Optional[_Iterable[int]] = ..., learners_next: _Optional[_Iterable[int]] = ..., auto_leave: bool = ..., content: _Optional[bytes] = ...) -> None: ...

class RaftForward(_message.Message):
    __slots__ = ("keyspace", "epoch", "group", "commands")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    group: int
    commands: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., group: _Optional[int] = ..., commands: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RaftForwarded(_message.Message):
    __slots__ = ("verdicts", "results", "leader")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedScalarFieldContainer[RaftVerdict]
    results: _containers.RepeatedScalarFieldContainer[bytes]
    leader: str
    def __init__(self, verdicts: _Optional[_Iterable[_Union[RaftVerdict, str]]] = ..., results: _Optional[_Iterable[bytes]] = ..., leader: _Optional[str] = ...) -> None: ...

class RaftRead(_message.Message):
    __slots__ = ("keyspace", "epoch", "group", "keys")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    group: int
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., group: _Optional[int] = ..., keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RaftFound(_message.Message):
    __slots__ = ("verdict", "records", "leader")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    verdict: RaftVerdict
    records: Records
    leader: str
    def __init__(self, verdict: _Optional[_Union[RaftVerdict, str]] = ..., records: _Optional[_Union[Records, _Mapping]] = ..., leader: _Optional[str] = ...) -> None: ...

class RaftScan(_message.Message):
    __slots__ = ("keyspace", "epoch", "group", "start", "after", "end", "rows_max", "keys_only")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ROWS_MAX_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    epoch: int
    group: int
    start: bytes
    after: bytes
    end: bytes
    rows_max: int
    keys_only: bool
    def __init__(self, keyspace: _Optional[int] = ..., epoch: _Optional[int] = ..., group: _Optional[int] = ..., start: _Optional[bytes] = ..., after: _Optional[bytes] = ..., end: _Optional[bytes] = ..., rows_max: _Optional[int] = ..., keys_only: bool = ...) -> None: ...

class RaftListed(_message.Message):
    __slots__ = ("verdict", "records", "next", "leader")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    verdict: RaftVerdict
    records: Records
    next: bytes
    leader: str
    def __init__(self, verdict: _Optional[_Union[RaftVerdict, str]] = ..., records: _Optional[_Union[Records, _Mapping]] = ..., next: _Optional[bytes] = ..., leader: _Optional[str] = ...) -> None: ...

class RaftFetch(_message.Message):
    __slots__ = ("keyspace", "group", "index", "page")
    KEYSPACE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    keyspace: int
    group: int
    index: int
    page: int
    def __init__(self, keyspace: _Optional[int] = ..., group: _Optional[int] = ..., index: _Optional[int] = ..., page: _Optional[int] = ...) -> None: ...

class RaftPage(_message.Message):
    __slots__ = ("gone", "records", "clients", "sessions", "last")
    GONE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    gone: bool
    records: Records
    clients: _containers.RepeatedScalarFieldContainer[int]
    sessions: _containers.RepeatedScalarFieldContainer[bytes]
    last: bool
    def __init__(self, gone: bool = ..., records: _Optional[_Union[Records, _Mapping]] = ..., clients: _Optional[_Iterable[int]] = ..., sessions: _Optional[_Iterable[bytes]] = ..., last: bool = ...) -> None: ...

class Beat(_message.Message):
    __slots__ = ("cluster_id", "layout_digest", "wall_ms", "client_address", "epoch")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    layout_digest: int
    wall_ms: int
    client_address: str
    epoch: int
    def __init__(self, cluster_id: _Optional[int] = ..., layout_digest: _Optional[int] = ..., wall_ms: _Optional[int] = ..., client_address: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class Beaten(_message.Message):
    __slots__ = ("cluster_id", "layout_digest", "wall_ms", "client_address", "was_alive_ms", "up_ms", "epoch")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WAS_ALIVE_MS_FIELD_NUMBER: _ClassVar[int]
    UP_MS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    layout_digest: int
    wall_ms: int
    client_address: str
    was_alive_ms: int
    up_ms: int
    epoch: int
    def __init__(self, cluster_id: _Optional[int] = ..., layout_digest: _Optional[int] = ..., wall_ms: _Optional[int] = ..., client_address: _Optional[str] = ..., was_alive_ms: _Optional[int] = ..., up_ms: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class ChangeKeyspaces(_message.Message):
    __slots__ = ("create", "alter", "drop", "timeout_ms")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    ALTER_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    create: _keyspaces_pb2.CreateKeyspaceRequest
    alter: _keyspaces_pb2.AlterKeyspaceRequest
    drop: _keyspaces_pb2.DropKeyspaceRequest
    timeout_ms: int
    def __init__(self, create: _Optional[_Union[_keyspaces_pb2.CreateKeyspaceRequest, _Mapping]] = ..., alter: _Optional[_Union[_keyspaces_pb2.AlterKeyspaceRequest, _Mapping]] = ..., drop: _Optional[_Union[_keyspaces_pb2.DropKeyspaceRequest, _Mapping]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class KeyspacesChanged(_message.Message):
    __slots__ = ("epoch", "keyspace_id", "kind", "reason")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEYSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    keyspace_id: int
    kind: str
    reason: str
    def __init__(self, epoch: _Optional[int] = ..., keyspace_id: _Optional[int] = ..., kind: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class AdoptLayout(_message.Message):
    __slots__ = ("layout",)
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    layout: bytes
    def __init__(self, layout: _Optional[bytes] = ...) -> None: ...

class LayoutAdopted(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...

class FetchLayout(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LayoutFetched(_message.Message):
    __slots__ = ("layout",)
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    layout: bytes
    def __init__(self, layout: _Optional[bytes] = ...) -> None: ...

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

class Claims(_message.Message):
    __slots__ = ("node_ids", "states", "counters", "accusers")
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    ACCUSERS_FIELD_NUMBER: _ClassVar[int]
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    states: _containers.RepeatedScalarFieldContainer[_ring_pb2.GossipState]
    counters: _containers.RepeatedScalarFieldContainer[int]
    accusers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node_ids: _Optional[_Iterable[str]] = ..., states: _Optional[_Iterable[_Union[_ring_pb2.GossipState, str]]] = ..., counters: _Optional[_Iterable[int]] = ..., accusers: _Optional[_Iterable[str]] = ...) -> None: ...

class Vitals(_message.Message):
    __slots__ = ("beat", "version", "load", "clock_offset_ms", "disk_used_bytes", "disk_free_bytes")
    BEAT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    DISK_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    beat: int
    version: str
    load: int
    clock_offset_ms: int
    disk_used_bytes: int
    disk_free_bytes: int
    def __init__(self, beat: _Optional[int] = ..., version: _Optional[str] = ..., load: _Optional[int] = ..., clock_offset_ms: _Optional[int] = ..., disk_used_bytes: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("cluster_id", "vitals", "rumors")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    VITALS_FIELD_NUMBER: _ClassVar[int]
    RUMORS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    vitals: Vitals
    rumors: Claims
    def __init__(self, cluster_id: _Optional[int] = ..., vitals: _Optional[_Union[Vitals, _Mapping]] = ..., rumors: _Optional[_Union[Claims, _Mapping]] = ...) -> None: ...

class Probed(_message.Message):
    __slots__ = ("cluster_id", "vitals", "rumors")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    VITALS_FIELD_NUMBER: _ClassVar[int]
    RUMORS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    vitals: Vitals
    rumors: Claims
    def __init__(self, cluster_id: _Optional[int] = ..., vitals: _Optional[_Union[Vitals, _Mapping]] = ..., rumors: _Optional[_Union[Claims, _Mapping]] = ...) -> None: ...

class ProbeFor(_message.Message):
    __slots__ = ("cluster_id", "target", "rumors")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    RUMORS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    target: str
    rumors: Claims
    def __init__(self, cluster_id: _Optional[int] = ..., target: _Optional[str] = ..., rumors: _Optional[_Union[Claims, _Mapping]] = ...) -> None: ...

class ProbedFor(_message.Message):
    __slots__ = ("cluster_id", "reached", "rumors")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    RUMORS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    reached: bool
    rumors: Claims
    def __init__(self, cluster_id: _Optional[int] = ..., reached: bool = ..., rumors: _Optional[_Union[Claims, _Mapping]] = ...) -> None: ...

class Sync(_message.Message):
    __slots__ = ("cluster_id", "claims", "vitals")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    VITALS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    claims: Claims
    vitals: _containers.RepeatedCompositeFieldContainer[Vitals]
    def __init__(self, cluster_id: _Optional[int] = ..., claims: _Optional[_Union[Claims, _Mapping]] = ..., vitals: _Optional[_Iterable[_Union[Vitals, _Mapping]]] = ...) -> None: ...
