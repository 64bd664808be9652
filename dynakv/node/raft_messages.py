"""What a node is asked of Raft keyspaces: by clients, and by peers on behalf of theirs.

    clients  -> node   Execute                      answered by Executed, Refused (`messages.py`)
    node    <-> peers  RaftStep                     answered by RaftStepped, Failed
                       RaftJoin                     answered by RaftJoined, Failed
                       Forward ForwardRead ...      answered by Forwarded ReadForwarded ..., Failed

The plain messages Put, Get, Expire and List serve Raft keyspaces as well; Execute is for what only
such a keyspace offers: conditions, appends, increments, batches that happen as a whole, and request
ids that make retries exactly once. Operations and their results are those of `core/commands.py`.

A peer's ask ends in exactly one reply, at once for RaftStep: the answers of Raft are messages of
their own. A Forward is answered when the last of its commands is decided.
"""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from dynakv import limits
from dynakv.core.commands import Command, Operation, Result
from dynakv.core.raft.messages import MemberId, Message
from dynakv.core.raft_rows import Replacement
from dynakv.core.record import Record


class Execute(Struct, frozen=True, gc=False):
    """Run batches of operations; one entry is one batch. Parallel lists.

    All keys of a batch belong to one shard group (a hash tag sees to that). A batch takes place as
    a whole or not at all. `clients[i]` with `sequences[i]` is the request id of entry i: whoever
    asks again under it, at any node, gets the outcome of the first time. Without (None, or client
    0) the node gives each entry an id of its own, so that its own retries are exactly once.
    """

    keyspace: str
    batches: list[tuple[Operation, ...]]
    clients: list[int] | None = None  # uint64, drawn at random by each client instance
    sequences: list[int] | None = None  # rising per client; 1 or more
    settled_below: list[int] | None = None  # of lower ones the client awaits no answer any more
    issued_ms: list[int] | None = None  # the client's wall clock at the first attempt of the entry
    previous: bool = False  # also answer the records that were replaced, removed, or in the way
    timeout_ms: int = 0  # 0: the node's default


class Executed(Struct, frozen=True, gc=False):
    """What became of these entries of an Execute; all of them were applied by a quorum.

    `results[i]`: one result per operation of the batch. `leader`: the node that leads their groups,
    empty where this node does not know; ask it next time and save a hop.
    """

    entries: list[int]
    results: list[tuple[Result, ...]]
    leader: str = ""


# --- peers -----------------------------------------------------------------------------------


class RaftStep(Struct, frozen=True, gc=False):
    """Messages of Raft groups for the receiver; parallel lists. One a peer and turn.

    `incarnation` is that of the sender's data directory: a node that lost it votes no more.
    `sleeping`: of the groups that the sender leads, those in which nothing is going on: who agrees
    stops their ticks (keyspace id, group, term).
    """

    keyspaces: list[int]  # ids
    groups: list[int]
    messages: list[Message]
    sleeping: list[tuple[int, int, int]] = []
    incarnation: int = 0


class RaftStepped(Struct, frozen=True, gc=False):
    """The messages were taken; what comes of them is told by messages of their own.

    `strangers`: of the sender's members, those that count no more (keyspace id, group, member):
    another incarnation of its data directory spoke for them before, or they were replaced.
    """

    strangers: list[tuple[int, int, MemberId]] = []


class RaftJoin(Struct, frozen=True, gc=False):
    """Admit these members in place of the sender's former ones, which forgot; parallel lists."""

    keyspaces: list[int]
    groups: list[int]
    members: list[MemberId]
    incarnation: int


class JoinOutcome(Struct, frozen=True, gc=False):
    """What the receiver knows of one group that a node wants to join."""

    admitted: bool  # the receiver leads it, and the member takes part, at least as a learner
    replacements: tuple[Replacement, ...]  # so that the newcomer knows who speaks to it


class RaftJoined(Struct, frozen=True, gc=False):
    """Parallel to the groups asked for; a member becomes a voter once it has caught up."""

    outcomes: list[JoinOutcome]


class Verdict(IntEnum):
    """What became of one forwarded command or read. The numbers are part of the wire format."""

    DONE = 0
    NOT_LEADER = 1  # nothing was done here: ask `leader`, or wait until there is one
    BUSY = 2  # nothing was done here: too much is waiting in this group
    LOST = 3  # leadership ended meanwhile: the command may be done yet; the id tells when retried
    DAMAGED = 4  # the row fails its checksum


class Forward(Struct, frozen=True, gc=False):
    """Propose these commands to the group that you lead; their times are still to be set."""

    keyspace: int  # id
    epoch: int
    group: int
    commands: list[Command]  # each with a request id


class Forwarded(Struct, frozen=True, gc=False):
    """One verdict a command; results are empty where it is not DONE. `leader`: as far as known."""

    verdicts: list[Verdict]
    results: list[tuple[Result, ...]]
    leader: str = ""


class ForwardRead(Struct, frozen=True, gc=False):
    """Say what the group that you lead holds under these keys, once you know that you lead it."""

    keyspace: int
    epoch: int
    group: int
    keys: list[bytes]


class ReadForwarded(Struct, frozen=True, gc=False):
    """Live records only, None where there is none; empty unless the verdict is DONE."""

    verdict: Verdict
    records: list[Record | None]
    leader: str = ""


class ForwardScan(Struct, frozen=True, gc=False):
    """Say what a group that you lead holds in this range, in key order."""

    keyspace: int
    epoch: int
    group: int
    start: bytes
    after: bytes | None
    end: bytes | None
    rows_max: int
    keys_only: bool


class ScanForwarded(Struct, frozen=True, gc=False):
    """A page of live records; `next` None: nothing further, else all up to it was looked at."""

    verdict: Verdict
    records: list[Record]
    next: bytes | None
    leader: str = ""


class FetchSnapshot(Struct, frozen=True, gc=False):
    """Give the next page of the snapshot at `index` of this group that you told me of."""

    keyspace: int
    group: int
    index: int
    page: int  # 0, 1, ...: the same page may be asked for again, an earlier one not


class SnapshotPage(Struct, frozen=True, gc=False):
    """A page; `gone`: there is no such snapshot (any more), wait to be told of another one."""

    gone: bool
    records: list[Record]  # of the group's keys, rising
    sessions: list[tuple[int, bytes]]  # client, `state_machine.session_bytes`
    last: bool


RaftMessage = RaftStep | RaftJoin | Forward | ForwardRead | ForwardScan | FetchSnapshot
RaftReply = RaftStepped | RaftJoined | Forwarded | ReadForwarded | ScanForwarded | SnapshotPage

Outgoing = list[tuple[tuple[int, int], Message]]  # with keyspace id and group

NOTHING_DONE_VERDICTS: Final = frozenset({Verdict.NOT_LEADER, Verdict.BUSY})


def parts_of(outgoing: Outgoing) -> list[Outgoing]:
    """Return the messages in pieces of one ask each; one piece at least."""
    parts: list[Outgoing] = [[]]
    size = 0
    for where, message in outgoing:
        weight = sum(len(entry.data) for entry in message.entries)
        if parts[-1] and size + weight > limits.RAFT_FRAME_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append((where, message))
        size += weight
    return parts
