"""A member as its node drives it: requests in, one `Ready` at a time out.

    node.tick(); node.step(message); node.propose(data); ...      in any order
    if node.has_ready():
        ready = node.ready()
        (1) send those of ready.messages whose kind is in EARLY_KINDS, if that helps
        (2) in one transaction: hard state, entries (cutting off what stands at their indexes),
            snapshot, and the effects of `committed` with the applied index; durable if `must_sync`.
            Each applied membership change is told by `apply_change`, in order.
        (3) send the other messages
        node.advance()

Between `ready` and `advance` messages may be stepped, and wait for the next Ready. Nothing of a
Ready may be skipped; a node that crashes in between begins anew from what is durable.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from dynakv.core.raft import raft, reconfigure, replication, storage_messages
from dynakv.core.raft.config import Config
from dynakv.core.raft.log import Log
from dynakv.core.raft.member import Member, Role, SnapshotSource
from dynakv.core.raft.membership import Change, encode_change
from dynakv.core.raft.messages import (
    APPEND_THREAD,
    APPLY_THREAD,
    LOCAL_KINDS,
    NO_MEMBERS,
    NOBODY,
    REPLY_KINDS,
    Entry,
    EntryKind,
    HardState,
    Kind,
    MemberId,
    Membership,
    Message,
    ReadState,
    Refusal,
    Snapshot,
)


class Remembered(Struct, frozen=True):
    """What a disk says of a member when its life begins."""

    hard_state: HardState = HardState()
    membership: Membership = NO_MEMBERS  # in force at `applied`
    applied: int = 0
    offset: int = 0  # last compacted index, or the snapshot's, and its term
    offset_term: int = 0
    entries: Sequence[Entry] = ()  # all behind `offset`


class SoftState(Struct, frozen=True, gc=False):
    """What may change without a trace on disk."""

    lead: MemberId
    role: Role


class Ready(Struct, frozen=True):
    """What a member asks of its node; empty parts are None or ()."""

    soft_state: SoftState | None
    hard_state: HardState | None
    read_states: tuple[ReadState, ...]
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None
    committed: tuple[Entry, ...]
    messages: tuple[Message, ...]
    # Whether the transaction must be durable before `advance` and the messages that are not early.
    # A risen commit index and applied entries alone need not be: they can be learnt again.
    must_sync: bool


class RaftNode:
    """One member and its Ready in flight."""

    __slots__ = ("_after_advance", "_hard_state", "_in_flight", "_soft_state", "member")

    def __init__(
        self,
        config: Config,
        remembered: Remembered,
        random: Random,
        snapshot_source: SnapshotSource,
    ) -> None:
        """Begin a life; many members of a node share one `random`."""
        r = remembered
        log = Log(r.offset, r.offset_term, r.entries, config.committed_bytes_max)
        self.member = member = Member(config, r.hard_state, log, random, snapshot_source)
        reconfigure.restore(member, r.membership)
        if r.applied > log.applied:
            log.applied_to(r.applied, 0)
        member.become_follower(member.term, MemberId(0))
        # What the last Ready said, or the disk.
        self._soft_state = self._soft()
        self._hard_state = member.hard_state
        self._after_advance: tuple[Message, ...] = ()
        self._in_flight = False

    # --- in ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let one tick pass."""
        raft.tick(self.member)

    def step(self, message: Message) -> Refusal | None:
        """Take a message of a peer, or the reply to a storage message."""
        local = message.sender in (APPEND_THREAD, APPLY_THREAD)
        if not local:
            if message.kind in LOCAL_KINDS:
                return Refusal.LOCAL_MESSAGE
            if message.kind in REPLY_KINDS and message.sender not in self.member.tracker.progress:
                return Refusal.UNKNOWN_PEER
        return raft.step(self.member, message)

    def campaign(self) -> None:
        """Hold an election now, if this member may."""
        raft.step(self.member, Message(Kind.CAMPAIGN))

    def propose(self, data: Sequence[bytes]) -> Refusal | None:
        """Propose entries for the state machine, here or through the leader."""
        entries = tuple(Entry(data=d) for d in data)
        return raft.step(self.member, Message(Kind.PROPOSE, sender=self.member.id, entries=entries))

    def propose_change(self, change: Change, kind: EntryKind = EntryKind.CHANGE) -> Refusal | None:
        """Propose a membership change; an empty one leaves a joint configuration."""
        entry = Entry(kind=kind, data=encode_change(change))
        return raft.step(
            self.member, Message(Kind.PROPOSE, sender=self.member.id, entries=(entry,))
        )

    def apply_change(self, change: Change) -> Membership:
        """Take a committed change into force, while its entry is being applied."""
        return reconfigure.apply(self.member, change)

    def read_index(self, context: bytes) -> Refusal | None:
        """Ask for the index that a linearizable read must wait for; `read_states` answers.

        No answer comes where the leader is lost meanwhile: the caller's deadline decides.
        """
        return raft.step(
            self.member, Message(Kind.READ_INDEX, sender=self.member.id, context=context)
        )

    def transfer_leader(self, to: MemberId) -> Refusal | None:
        """Ask the leader to hand over to a voter; what becomes of it shows in who leads."""
        return raft.step(self.member, Message(Kind.TRANSFER_LEADER, sender=to))

    def forget_leader(self) -> None:
        """Vote for others at once: the leader is known to be gone."""
        raft.step(self.member, Message(Kind.FORGET_LEADER))

    def report_unreachable(self, peer: MemberId) -> None:
        """Say that messages to a peer are being lost."""
        raft.step(self.member, Message(Kind.UNREACHABLE, sender=peer))

    def report_snapshot(self, peer: MemberId, *, failed: bool) -> None:
        """Say how the sending of a snapshot ended."""
        raft.step(self.member, Message(Kind.SNAPSHOT_STATUS, sender=peer, reject=failed))

    def offer_snapshots(self) -> None:
        """Send to those who need a snapshot, now that there is one."""
        member = self.member
        if member.role is not Role.LEADER:
            return
        for peer in member.tracker.others(member.id):
            if member.log.term(member.tracker.progress[peer].next - 1) is None:
                replication.send_append(member, peer)

    def compact(self, index: int) -> int:
        """Forget the log up to `index`, at most what is applied; return how many entries.

        A snapshot at or behind it must be at hand: who is further behind needs it.
        """
        return self.member.log.compact(index)

    # --- out ---------------------------------------------------------------------------------

    def has_ready(self) -> bool:
        """Say whether `ready` would hand out anything. O(1): asked in every turn."""
        member = self.member
        log = member.log
        return bool(
            member.messages
            or member.after_append
            or member.read_states
            or log.in_progress < log.last
            or log.next_snapshot() is not None
            or log.has_next_committed(unstable=not member.config.async_storage)
            or self._hard_changed()
            or self._soft_changed()
        )

    def ready(self) -> Ready:
        """Hand out what is to be done; `advance` must follow before the next one."""
        assert not self._in_flight, "one Ready at a time"
        member = self.member
        log = member.log
        config = member.config
        entries = log.next_entries()
        snapshot = log.next_snapshot()
        committed = log.next_committed(unstable=not config.async_storage)
        hard_state = member.hard_state if self._hard_changed() else None
        soft_state = self._soft() if self._soft_changed() else None
        must_sync = bool(entries or snapshot) or (
            (member.term, member.vote) != (self._hard_state.term, self._hard_state.vote)
        )
        if config.async_storage:
            messages = self._storage_work(entries, hard_state, snapshot, committed)
        else:
            messages = self._outgoing(snapshot, committed)
        ready = Ready(
            soft_state=soft_state,
            hard_state=hard_state,
            read_states=tuple(member.read_states),
            entries=entries,
            snapshot=snapshot,
            committed=committed,
            messages=messages,
            must_sync=must_sync,
        )
        self._accept(ready)
        return ready

    def advance(self) -> None:
        """Take note that all of the last Ready is done."""
        assert self._in_flight, "advance without a Ready"
        self._in_flight = False
        after, self._after_advance = self._after_advance, ()
        for message in after:
            raft.step(self.member, message)

    def _outgoing(
        self, snapshot: Snapshot | None, committed: tuple[Entry, ...]
    ) -> tuple[Message, ...]:
        """Return the messages to others; keep what comes back to this member for `advance`."""
        member = self.member
        to_self = [m for m in member.after_append if m.to == member.id]
        own = storage_messages.append_reply(member, snapshot)
        if own is not None:
            to_self.append(own)
        if committed:
            to_self.append(storage_messages.apply_reply(member, committed))
        self._after_advance = tuple(to_self)
        others = [m for m in member.after_append if m.to != member.id]
        return (*member.messages, *others)

    def _storage_work(
        self,
        entries: tuple[Entry, ...],
        hard_state: HardState | None,
        snapshot: Snapshot | None,
        committed: tuple[Entry, ...],
    ) -> tuple[Message, ...]:
        member = self.member
        messages = list(member.messages)
        order = storage_messages.append_message(member, entries, hard_state, snapshot)
        if order is not None:
            messages.append(order)
        if committed:
            messages.append(storage_messages.apply_message(member, committed))
        return tuple(messages)

    def _accept(self, ready: Ready) -> None:
        member = self.member
        if ready.soft_state is not None:
            self._soft_state = ready.soft_state
        if ready.hard_state is not None:
            self._hard_state = ready.hard_state
        # New lists rather than cleared ones: an empty list of a group that sleeps is small.
        member.messages = []
        member.after_append = []
        member.read_states = []
        if member.reads is not None:
            member.reads.heartbeats_left()
        member.log.accept_unstable()
        unstable = not member.config.async_storage
        if ready.committed:
            member.log.accept_applying(ready.committed, unstable=unstable)
        self._in_flight = unstable

    # --- sleep -------------------------------------------------------------------------------

    def may_sleep(self) -> bool:
        """Say whether ticks can stop: all is replicated, applied and answered, on this side.

        Only a leader knows that the others hold everything, so it decides, and tells them; each of
        them then asks itself. A sleeping group costs its memory and nothing else.
        """
        member = self.member
        log = member.log
        if self._in_flight or self.has_ready() or log.applied < log.last or member.lead == NOBODY:
            return False
        if member.role is not Role.LEADER:
            return member.role is Role.FOLLOWER
        if member.reads or member.transferee or member.tracker.membership.joint:
            return False
        return all(p.match == log.last for p in member.tracker.progress.values())

    def wake(self) -> None:
        """Let time go on after a sleep: a message came, or the leader's node seems to be gone.

        A follower's lease on its leader is over, since nobody counted the ticks; it campaigns
        within one more election timeout. A leader has a whole one to hear from its followers.
        """
        member = self.member
        leads = member.role is Role.LEADER
        member.election_elapsed = 0 if leads else member.config.election_ticks

    # --- facts -------------------------------------------------------------------------------

    def _soft(self) -> SoftState:
        return SoftState(self.member.lead, self.member.role)

    def _soft_changed(self) -> bool:
        member = self.member
        return member.lead != self._soft_state.lead or member.role is not self._soft_state.role

    def _hard_changed(self) -> bool:
        member = self.member
        said = self._hard_state
        return (
            member.term != said.term
            or member.vote != said.vote
            or member.log.committed != said.commit
        )
