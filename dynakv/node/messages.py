"""Everything a node is asked and everything it answers; the one language of all doors.

Messages carry lists of keys, parallel column by column: one operation, one deadline and one ask per
peer serve many keys. Three families:

    clients  -> node   Put Get Expire List     answered by Stored Found Expired Listed, Refused
                       Execute                 answered by Executed, Refused (`raft_messages.py`)
                       core.keyspaces.KeyspaceChange       answered by Changed, Refused
    node    <-> peers  Save Load Scan Beat     answered by Saved Loaded Scanned Beaten, Failed
                       Compare ScanLeaves      answered by Compared LeavesScanned, Failed
                       Fence RaiseFloor        answered by Fenced FloorRaised, Failed
                       ChangeKeyspaces             answered by KeyspacesChanged, Failed
                       AdoptLayout FetchLayout     answered by LayoutAdopted LayoutFetched, Failed
                       Probe ProbeFor Sync     answered by Probed ProbedFor Sync, Failed
    node     -> STORE  core.table.Operation and reads          answered by core.table replies

A client's message is answered in one or more parts; each names its entries (indices into the
message's columns) and every entry is answered exactly once. A peer's ask ends in exactly one reply.
"""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from dynakv.core.gossip_messages import Probe, Probed, ProbedFor, ProbeFor, Question, Sync
from dynakv.core.keyspaces import KeyspaceChange
from dynakv.core.layout import Level
from dynakv.core.record import Record
from dynakv.core.suspicion import State
from dynakv.errors import Failure
from dynakv.node.layout_messages import (
    AdoptLayout,
    Changed,
    ChangeKeyspaces,
    FetchLayout,
    KeyspacesChanged,
    LayoutAdopted,
    LayoutFetched,
)
from dynakv.node.raft_messages import Execute, Executed, RaftMessage, RaftReply
from dynakv.node.repair_messages import (
    Compare,
    Compared,
    Fence,
    Fenced,
    FloorRaised,
    LeavesScanned,
    RaiseFloor,
    ScanLeaves,
)

STORE: Final = ""  # the local disk, addressed like one more peer; no node id is empty
KEEP_EXPIRY: Final = -1  # in the column `expiries_ms` of a Put


# --- clients ---------------------------------------------------------------------------------


class Put(Struct, frozen=True, gc=False):
    """Write or delete (value None) keys; parallel lists. A key may occur more than once.

    Expiry of entry i, in this order: `expiries_ms[i]` > 0 is an absolute deadline; KEEP_EXPIRY
    keeps the one stored; `ttls_ms[i]` > 0 counts from the coordinator's clock; else none.
    """

    keyspace: str
    keys: list[bytes]
    values: list[bytes | None]
    ttls_ms: list[int] | None = None
    expiries_ms: list[int] | None = None
    times: list[int] | None = None  # stamps the client chose, with `writers`; None: stamp here
    writers: list[int] | None = None
    level: Level | None = None  # None: the keyspace's default
    w: int = 0  # > 0 overrides the level
    previous: bool = False  # also answer the value as observed before
    timeout_ms: int = 0  # 0: the node's default


class Get(Struct, frozen=True, gc=False):
    """Read keys."""

    keyspace: str
    keys: list[bytes]
    level: Level | None = None
    r: int = 0  # > 0 overrides the level
    timeout_ms: int = 0
    # Of a Raft keyspace: what is answered may be so old, which any replica can say. None: a
    # linearizable read. Elsewhere it is refused.
    max_age_ms: int | None = None


class Expire(Struct, frozen=True, gc=False):
    """Change the expiry of existing keys: `expiries_ms[i]` > 0 absolute, else `ttls_ms[i]` > 0
    from now, else the expiry is removed (persist)."""

    keyspace: str
    keys: list[bytes]
    ttls_ms: list[int] | None = None
    expiries_ms: list[int] | None = None
    level: Level | None = None
    w: int = 0
    timeout_ms: int = 0


class List(Struct, frozen=True, gc=False):
    """List live keys in order, from `start` on and below `end` (None: to the last).

    Not a snapshot: each key is read at some moment between question and answer. It answers as the
    one entry 0.
    """

    keyspace: str
    start: bytes = b""
    end: bytes | None = None
    after: bytes | None = None  # go on behind this key, the `next` of the page before
    limit: int = 0  # keys of the page; 0: as many as fit
    keys_only: bool = False  # records come with empty values
    timeout_ms: int = 0


RecordsMessage = Put | Get | Expire | List | Execute
ClientMessage = RecordsMessage | KeyspaceChange


def entries_in(message: ClientMessage) -> int:
    """Return how many entries the answer to a message has; one without keys is refused as one."""
    match message:
        case Put() | Get() | Expire():
            return max(len(message.keys), 1)
        case Execute():
            return max(len(message.batches), 1)
        case _:
            return 1


class Stored(Struct, frozen=True, gc=False):
    """These entries of a Put are on w disks. `previous` holds live records only, else None."""

    entries: list[int]
    times: list[int]
    writers: list[int]
    previous: list[Record | None] | None


class Found(Struct, frozen=True, gc=False):
    """What these entries of a Get read: None or a tombstone where there is no value."""

    entries: list[int]
    records: list[Record | None]
    leader: str = ""  # of a Raft keyspace: the node that leads the entries' groups, if known


class Expired(Struct, frozen=True, gc=False):
    """Whether each of these entries had a live value whose expiry now is the one asked for."""

    entries: list[int]
    applied: list[bool]


class Listed(Struct, frozen=True, gc=False):
    """One page of live records in key order. `next` is None on the last page; else go on behind
    it. A page may be empty and still not the last: what it passed was deleted or expired."""

    entries: list[int]
    records: list[Record]
    next: bytes | None


class Refused(Struct, frozen=True, gc=False):
    """These entries failed, all for one reason."""

    entries: list[int]
    failure: Failure
    leader: str = ""  # of a Raft keyspace: the node that leads the entries' groups, if known


ClientReply = Stored | Found | Expired | Listed | Executed | Changed | Refused


# --- peers -----------------------------------------------------------------------------------


class Outcome(IntEnum):
    """What became of one key at one replica."""

    OK = 0
    AHEAD = 1  # the stamp is beyond the clock bound: refused
    CORRUPT = 2  # the checksum did not fit on arrival: refused
    DAMAGED = 3  # the row on disk fails its checksum; it may not be overwritten yet
    MISPLACED = 4  # this node is no replica of the group
    HEALABLE = 5  # as DAMAGED, for so long that nothing it acknowledged is still under way
    LATER = 6  # the reply is full: ask again
    FENCED = 7  # a register at or below the group's fence, which this node does not hold: refused
    RECOVERING = 8  # this node has forgotten what it held of the group: no answer


class Save(Struct, frozen=True, gc=False):
    """Merge these records into yours and make them durable."""

    keyspace: int
    epoch: int
    records: list[Record]
    previous: bool = False  # also answer what was there before
    heals: bool = False  # merged from enough other replicas to overwrite a damaged row
    # Parallel: the floor of the group at the replica from which the record was read. A record read
    # under the receiver's own floor passes its fence. None: fresh writes and hints, which do not.
    floors: list[int] | None = None


class Saved(Struct, frozen=True, gc=False):
    """One outcome per record, None where all are OK; `before` where it was asked for."""

    outcomes: list[Outcome] | None
    before: list[Record | None] | None


class Load(Struct, frozen=True, gc=False):
    """Say what you hold under these keys."""

    keyspace: int
    epoch: int
    keys: list[bytes]


class Loaded(Struct, frozen=True, gc=False):
    """One record per key, None where absent; one outcome per key, None where all are OK.

    `floors`: that of each key's group, None where all are 0. An absent record counts as every
    record that is droppable under its floor (`core.record.droppable`).
    """

    outcomes: list[Outcome] | None
    records: list[Record | None]
    floors: list[int] | None = None


class Scan(Struct, frozen=True, gc=False):
    """Say what you hold in these shard groups, in key order over all of them."""

    keyspace: int
    epoch: int
    groups: list[int]
    start: bytes
    after: bytes | None
    end: bytes | None
    rows_max: int
    keys_only: bool


class Scanned(Struct, frozen=True, gc=False):
    """A page of records in key order, tombstones included.

    `next` None: the groups hold nothing further; else everything up to and including `next` was
    looked at. With `keys_only` values are empty and checksums therefore do not fit. `floors`: that
    of each group of the Scan, None where all are 0.
    """

    records: list[Record]
    next: bytes | None
    floors: list[int] | None = None


class Beat(Struct, frozen=True, gc=False):
    """A heartbeat: who I am, what I believe the layout to be, what my clock says."""

    cluster_id: int
    layout_digest: int
    wall_ms: int
    client_address: str = ""
    epoch: int = 1  # of the layout


class Beaten(Struct, frozen=True, gc=False):
    """The answer to a heartbeat, with the answering node's own view."""

    cluster_id: int
    layout_digest: int
    wall_ms: int
    client_address: str = ""
    was_alive_ms: int = 0  # wall clock, when its former life ended; 0: it had none
    up_ms: int = 0  # since its present life began
    epoch: int = 1  # of the layout


class Reason(IntEnum):
    """Why a whole ask failed."""

    UNREACHABLE = 0  # certainly never handed over: nothing was done
    BROKEN = 1  # the stream broke or time ran out: anything may have happened
    WRONG_EPOCH = 2
    UNKNOWN_KEYSPACE = 3
    OVERLOADED = 4  # refused at the peer's door
    UNSUPPORTED = 5
    FOREIGN = 6  # another cluster, or another layout of the same epoch
    NO_SPACE = 7  # the disk is nearly full
    DAMAGED = 8  # a row of the page fails its checksum
    RECOVERING = 9  # this node has forgotten what it held of a group


NOTHING_DONE: Final = frozenset(set(Reason) - {Reason.BROKEN})


class Failed(Struct, frozen=True, gc=False):
    """The ask failed as a whole."""

    reason: Reason


LayoutMessage = ChangeKeyspaces | AdoptLayout | FetchLayout
LayoutReply = KeyspacesChanged | LayoutAdopted | LayoutFetched
RepairMessage = Compare | ScanLeaves | Fence | RaiseFloor
RepairReply = Compared | LeavesScanned | Fenced | FloorRaised
GossipReply = Probed | ProbedFor | Sync
PeerMessage = Save | Load | Scan | Beat | Question | RepairMessage | LayoutMessage | RaftMessage
PeerReply = (
    Saved | Loaded | Scanned | Beaten | GossipReply | RepairReply | LayoutReply | RaftReply | Failed
)
# Few and small: they neither fill a queue nor find it full, since a busy node is not a dead one.
CONTROL: Final = (Beat, Probe, ProbeFor, Sync)


FRAME_VERSION: Final = 1


class Header(Struct, frozen=True, gc=False):
    """What heads every frame between nodes, once per frame."""

    version: int
    node_id: str
    cluster_id: int
    incarnation: int
    commit_sequence: int
    epoch: int
    hlc: int


class MemberView(Struct, frozen=True, gc=False):
    """What this node believes of a member, itself included."""

    up: bool
    client_address: str  # of its KVStore; empty while it was not heard from
    clock_offset_ms: int | None  # its clock minus ours; None before a sample
    gossip: State = State.ALIVE  # what the members tell each other of it


# --- effects ---------------------------------------------------------------------------------


class Now(Struct, frozen=True, gc=False):
    """Two readings of one moment: the wall clock may leap, the monotonic one never does."""

    wall_ms: int
    mono_ms: int


class Ask(Struct, frozen=True, gc=False):
    """Hand `message` to the peer `to`, or to STORE, and report its reply under `call`."""

    call: int
    to: str
    message: object  # PeerMessage, or core.table.Operation or Read
    deadline_ms: int  # monotonic; a reply after it is of no use. 0 for STORE: no deadline


class Answer(Struct, frozen=True, gc=False):
    """Hand `reply` to whoever asked under `call`: a part for a client, or a peer's reply."""

    call: int
    reply: object  # ClientReply or PeerReply


class Note(Struct, frozen=True, gc=False):
    """A rare change of state, for the log: a name in snake_case and its fields."""

    event: str
    fields: dict[str, str | int]


class Halt(Struct, frozen=True, gc=False):
    """The disk can no longer be trusted: end the process."""

    reason: str


Effect = Ask | Answer | Note | Halt
