"""The values of the Raft core: log entries, the durable state, messages, and what a turn hands out.

One `Message` serves every kind. Its fields are those of the paper's calls side by side, so that the
frame between two nodes can carry the messages of many groups in parallel columns, and so that the
rule about terms is written once. The names follow Ongaro's dissertation (Consensus: Bridging
Theory and Practice, 2014); where etcd's Raft gave a thing its common name, that name is used.
"""

from enum import IntEnum
from typing import Final, NewType

from msgspec import Struct

MemberId = NewType("MemberId", int)  # uint64; belongs to one incarnation of a node, never reused

NOBODY: Final = MemberId(0)  # stands for "no leader" and "no vote"; no member has it
# Where the storage messages of `storage_messages.py` go; no member has these ids either.
APPEND_THREAD: Final = MemberId((1 << 64) - 1)
APPLY_THREAD: Final = MemberId((1 << 64) - 2)


class Kind(IntEnum):
    """What a message is. The numbers are part of the wire format."""

    CAMPAIGN = 0  # local: the election timeout passed, or somebody asked for an election
    BEAT = 1  # local: the heartbeat timeout passed
    PROPOSE = 2
    APPEND = 3
    APPEND_REPLY = 4
    VOTE = 5
    VOTE_REPLY = 6
    SNAPSHOT = 7
    HEARTBEAT = 8
    HEARTBEAT_REPLY = 9
    UNREACHABLE = 10  # local: messages to `sender` are being lost
    SNAPSHOT_STATUS = 11  # local: the snapshot for `sender` arrived, or not (`reject`)
    CHECK_QUORUM = 12  # local: an election timeout of leadership passed
    TRANSFER_LEADER = 13  # `sender` is to lead
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_REPLY = 16
    PRE_VOTE = 17
    PRE_VOTE_REPLY = 18
    STORAGE_APPEND = 19
    STORAGE_APPEND_REPLY = 20
    STORAGE_APPLY = 21
    STORAGE_APPLY_REPLY = 22
    FORGET_LEADER = 23  # local: the leader is known to be gone


# Never taken from another node.
LOCAL_KINDS: Final = frozenset(
    {
        Kind.CAMPAIGN,
        Kind.BEAT,
        Kind.UNREACHABLE,
        Kind.SNAPSHOT_STATUS,
        Kind.CHECK_QUORUM,
        Kind.STORAGE_APPEND,
        Kind.STORAGE_APPEND_REPLY,
        Kind.STORAGE_APPLY,
        Kind.STORAGE_APPLY_REPLY,
    }
)
# Taken only from whom the configuration knows.
REPLY_KINDS: Final = frozenset(
    {
        Kind.APPEND_REPLY,
        Kind.VOTE_REPLY,
        Kind.HEARTBEAT_REPLY,
        Kind.UNREACHABLE,
        Kind.READ_INDEX_REPLY,
        Kind.PRE_VOTE_REPLY,
        Kind.STORAGE_APPEND_REPLY,
        Kind.STORAGE_APPLY_REPLY,
    }
)
# May leave before the Ready they came with is durable: what a leader says to its followers rests on
# its own durable vote and on nothing newer (a leader counts its own copy of an entry only when it
# is durable), and requests that are passed on promise nothing. Votes, requests for votes and all
# replies of followers wait. etcd lets requests for votes go early, too, with asynchronous storage:
# a candidate that then loses unsynced entries could be elected by votes for the longer log.
EARLY_KINDS: Final = frozenset(
    {
        Kind.PROPOSE,
        Kind.APPEND,
        Kind.SNAPSHOT,
        Kind.HEARTBEAT,
        Kind.TRANSFER_LEADER,
        Kind.TIMEOUT_NOW,
        Kind.READ_INDEX,
        Kind.READ_INDEX_REPLY,
    }
)


class EntryKind(IntEnum):
    """What a log entry is. The numbers are part of the disk format."""

    NORMAL = 0  # for the state machine; empty `data`: nothing to do (the first of each leader)
    CHANGE_ONE = 1  # one membership change, never through a joint configuration
    CHANGE = 2  # membership changes; empty `data`: leave the joint configuration


class Entry(Struct, frozen=True, gc=False):
    """One entry of the log. `data` of a change is `membership.encode_change`."""

    term: int = 0
    index: int = 0
    kind: EntryKind = EntryKind.NORMAL
    data: bytes = b""


class Membership(Struct, frozen=True, gc=False):
    """Who takes part, and how: sorted tuples of member ids.

    Joint while `voters_outgoing` is not empty: elections and commits then need a majority of both
    (dissertation, section 4.3). Invariant: `learners` shares no id with either tuple of voters;
    `learners_next` is part of `voters_outgoing`; both extras and `auto_leave` only while joint.
    """

    voters: tuple[MemberId, ...] = ()
    voters_outgoing: tuple[MemberId, ...] = ()
    learners: tuple[MemberId, ...] = ()
    learners_next: tuple[MemberId, ...] = ()  # voters that become learners when joint ends
    auto_leave: bool = False  # the leader ends the joint configuration as soon as it is applied

    @property
    def joint(self) -> bool:
        """Whether two majorities are needed."""
        return bool(self.voters_outgoing)


NO_MEMBERS: Final = Membership()


class Snapshot(Struct, frozen=True, gc=False):
    """A state machine at `index`, with the membership that was in force there.

    `data` is what the node makes of it: the state itself, or where to fetch it.
    """

    index: int
    term: int
    membership: Membership
    data: bytes = b""


class HardState(Struct, frozen=True, gc=False):
    """What must survive a restart beside the log. Invariant: none of the two numbers ever falls."""

    term: int = 0
    vote: MemberId = NOBODY  # given in `term`
    commit: int = 0


class Message(Struct, frozen=True, gc=False):
    """What one member says to another, or (local kinds) the node to its own member."""

    kind: Kind
    to: MemberId = NOBODY
    sender: MemberId = NOBODY
    term: int = 0  # 0: local, or passed on for somebody
    log_term: int = 0  # of the entry at `index`
    index: int = 0  # APPEND: of the entry before `entries`; APPEND_REPLY: last match, or rejected
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    vote: MemberId = NOBODY  # STORAGE_APPEND: of the hard state
    reject: bool = False
    hint: int = 0  # of a rejected append: where the logs may match
    read_round: int = 0  # of a heartbeat: the newest round of reads it confirms (readindex.py)
    context: bytes = b""  # of a read: the caller's; of a vote: TRANSFER if the leader asked for it
    snapshot: Snapshot | None = None
    replies: tuple["Message", ...] = ()  # of a storage message: to deliver when it is done


TRANSFER: Final = b"transfer"  # `context` of a VOTE that may disturb a living leader


class ReadState(Struct, frozen=True, gc=False):
    """The read of that context may be served once `index` is applied."""

    index: int
    context: bytes


class Refusal(IntEnum):
    """Why a message or a request was not taken; nothing was done."""

    NO_LEADER = 1
    NOT_A_MEMBER = 2  # this node leads, but is no longer part of the configuration
    TRANSFERRING = 3  # leadership is being handed over
    TOO_MUCH_UNCOMMITTED = 4  # the quota of uncommitted bytes is used up
    FORWARDING_DISABLED = 5
    CHANGE_REFUSED = 6  # the change does not fit the configuration; an empty entry took its place
    TOO_MANY_READS = 7
    LOCAL_MESSAGE = 8  # a peer sent what only the node itself may say
    UNKNOWN_PEER = 9  # a reply from somebody outside of the configuration
