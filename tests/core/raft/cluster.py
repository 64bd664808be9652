"""A small random world for Raft members: their disks, a network that loses and reorders, one dice.

Every step is one event of one member: a tick, a message, half of a Ready, a crash. A Ready is
taken, and finished later: in between the process may die, and what was not synced is gone; the
messages that may leave early do so half of the time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from dynakv.core.raft.config import Config
from dynakv.core.raft.member import Role
from dynakv.core.raft.membership import (
    Change,
    ChangeKind,
    MemberChange,
    Transition,
    decode_change,
    members_of,
)
from dynakv.core.raft.messages import (
    EARLY_KINDS,
    NO_MEMBERS,
    Entry,
    EntryKind,
    HardState,
    Kind,
    MemberId,
    Membership,
    Message,
    Snapshot,
)
from dynakv.core.raft.node import RaftNode, Ready, Remembered
from tests.core.raft.checks import Checks, require

NOTHING = HardState()
MEMBERS_MAX = 7  # of a whole run; ids are never used again
START = Membership((MemberId(1), MemberId(2), MemberId(3)))


@dataclass(frozen=True)
class Disk:
    """What a disk holds, as one value; `state` stands for all that was applied."""

    hard_state: HardState = NOTHING
    membership: Membership = NO_MEMBERS
    applied: int = 0
    applied_term: int = 0
    state: int = 0
    offset: int = 0
    offset_term: int = 0
    entries: tuple[Entry, ...] = ()

    @property
    def last(self) -> int:
        return self.offset + len(self.entries)

    def holds(self, index: int, term: int) -> bool:
        if index <= self.offset:
            return True  # it was applied: somebody has checked it
        return index <= self.last and self.entries[index - self.offset - 1].term == term

    def remembered(self) -> Remembered:
        return Remembered(
            self.hard_state,
            self.membership,
            self.applied,
            self.offset,
            self.offset_term,
            self.entries,
        )


# A group begins behind its first entry, so that a blank member, which knows no membership, can get
# nothing but a snapshot.
FIRST = Disk(HardState(1, commit=1), START, applied=1, applied_term=1, offset=1, offset_term=1)


class Process:
    """One member on one disk, whose newest writes may not be synced yet."""

    def __init__(self, member: MemberId, disk: Disk) -> None:
        self.id = member
        self.durable = self.written = disk
        self.node: RaftNode | None = None
        self.ready: Ready | None = None
        self.early_sent = False


class Cluster:
    """A run. The same seed is the same run."""

    def __init__(self, seed: int, persist: Callable[[Disk], Disk] = lambda disk: disk) -> None:
        self.random = random = Random(seed)
        self.checks = Checks()
        self.network: list[Message] = []
        self.cut: set[tuple[int, int]] = set()
        self.loss = random.choice([0.0, 0.02, 0.1, 0.3])
        self.copies = random.choice([0.0, 0.05])
        self.crashes = random.choice([0.0, 0.02, 0.06])
        self.sync_failures = random.choice([0.0, 0.1])
        self.knobs = {
            "election_ticks": random.choice([3, 6]),
            "pre_vote": random.random() < 0.8,
            "check_quorum": random.random() < 0.8,
            "message_bytes_max": random.choice([1, 100, 10_000]),
            "committed_bytes_max": random.choice([1, 200, 10_000]),
            "inflight_messages_max": random.choice([1, 2, 8]),
            "uncommitted_bytes_max": random.choice([200, 10_000]),
        }
        self.wipes = False  # a planted bug: a crash may lose the whole disk
        self._persist = persist
        self._sequence = 0
        self.processes = {m: Process(m, FIRST) for m in START.voters}
        for process in self.processes.values():
            self.start(process)

    # --- life and death ----------------------------------------------------------------------

    def start(self, process: Process) -> None:
        process.written = process.durable
        config = Config(member_id=process.id, **self.knobs)

        def newest() -> Snapshot | None:
            disk = process.written
            if not disk.applied or self.random.random() < 0.2:
                return None
            data = disk.state.to_bytes(8)
            return Snapshot(disk.applied, disk.applied_term, disk.membership, data)

        process.node = RaftNode(config, process.durable.remembered(), self.random, newest)
        self.checks.begins(process.node)

    def crash(self, process: Process) -> None:
        process.node = process.ready = None
        if self.wipes and self.random.random() < 0.5:
            process.durable = FIRST
        process.written = process.durable

    def check(self, process: Process) -> None:
        if process.node is not None:
            self.checks.member(process.node, self._holds)

    def _holds(self, member: int, index: int, term: int) -> bool:
        process = self.processes.get(MemberId(member))
        return process is not None and process.durable.holds(index, term)

    # --- a Ready, in two halves --------------------------------------------------------------

    def begin(self, process: Process) -> None:
        assert process.node is not None
        ready = process.ready = process.node.ready()
        process.early_sent = self.random.random() < 0.5
        if process.early_sent:
            self._send(process, [m for m in ready.messages if m.kind in EARLY_KINDS])
        for read in ready.read_states:
            self.checks.may_read(read.context, read.index)

    def finish(self, process: Process) -> None:
        node, ready = process.node, process.ready
        assert node is not None
        assert ready is not None
        if self.random.random() < self.sync_failures * (not self.quiet):
            self.crash(process)
            return
        process.written = self._transaction(process, ready)
        if ready.must_sync or self.random.random() < 0.1:
            process.durable = process.written
        late = [m for m in ready.messages if m.kind not in EARLY_KINDS or not process.early_sent]
        self._send(process, late)
        process.ready = None
        node.advance()

    def _transaction(self, process: Process, ready: Ready) -> Disk:
        disk = process.written
        if ready.hard_state is not None:
            disk = replace(disk, hard_state=ready.hard_state)
        if ready.snapshot is not None:
            s = ready.snapshot
            self.checks.counts["snapshots"] += 1
            state = int.from_bytes(s.data)
            disk = replace(
                disk,
                membership=s.membership,
                applied=s.index,
                applied_term=s.term,
                state=state,
                offset=s.index,
                offset_term=s.term,
                entries=(),
            )
            self.checks.applied(process.id, s.index, state, process.node.member.tracker.membership)
        if ready.entries:
            keep = ready.entries[0].index - 1 - disk.offset
            disk = replace(disk, entries=disk.entries[:keep] + ready.entries)
        for entry in ready.committed:
            disk = self._apply(process, disk, entry)
        return self._persist(disk)

    def _apply(self, process: Process, disk: Disk, entry: Entry) -> Disk:
        require(
            entry.index == disk.applied + 1, "applied in order", process.id, entry, disk.applied
        )
        membership = disk.membership
        if entry.kind is not EntryKind.NORMAL:
            self.checks.counts["changes"] += 1
            assert process.node is not None
            membership = process.node.apply_change(decode_change(entry.data))
            for member in members_of(membership):
                if member not in self.processes:
                    self.processes[member] = Process(member, Disk())
                    self.start(self.processes[member])
        state = (disk.state * 1_000_003 + entry.index * 31 + len(entry.data)) % (1 << 61)
        state = (state + int.from_bytes(entry.data[-6:])) % (1 << 61)
        self.checks.applied(process.id, entry.index, state, membership)
        return replace(
            disk,
            membership=membership,
            applied=entry.index,
            applied_term=entry.term,
            state=state,
        )

    def _send(self, process: Process, messages: list[Message]) -> None:
        disk = process.durable
        h = disk.hard_state
        for message in messages:
            if message.kind not in EARLY_KINDS:
                self.checks.sends(message, h.term, h.vote, disk.last)
            if (process.id, message.to) in self.cut or self.random.random() < self.loss:
                continue
            self.network.append(message)
            if self.random.random() < self.copies:
                self.network.append(message)

    # --- events ------------------------------------------------------------------------------

    quiet = False  # the liveness phase: no faults

    def deliver(self) -> Process | None:
        """Deliver one message: mostly an old one, sometimes any."""
        if not self.network:
            return None
        span = len(self.network) if self.random.random() < 0.2 else min(4, len(self.network))
        message = self.network.pop(self.random.randrange(span))
        process = self.processes.get(message.to)
        if process is None or process.node is None:
            return None
        if (message.sender, message.to) in self.cut and message.kind is not Kind.TRANSFER_LEADER:
            return None
        term = process.node.member.term
        process.node.step(message)
        if message.kind is Kind.PRE_VOTE:
            require(process.node.member.term == term, "a pre-vote raises no term", process.id)
        return process

    def step(self) -> None:
        """Let one random thing happen, and look at whom it happened to."""
        random = self.random
        process = random.choice(list(self.processes.values()))
        dice = random.random()
        if process.node is None:
            if dice < 0.2:
                self.start(process)
        elif dice < 0.42:
            process = self.deliver() or process
        elif dice < 0.72:
            self.turn(process)
        elif dice < 0.79:
            process.node.tick()
        elif dice < 0.95:
            self._request(process)
        elif dice < 0.95 + self.crashes / 2:
            self.crash(process)
        elif dice > 0.995:
            self._links()
        self.check(process)

    def turn(self, process: Process) -> None:
        if process.ready is not None:
            self.finish(process)
        elif process.node is not None and process.node.has_ready():
            self.begin(process)

    def _request(self, process: Process) -> None:
        node, random = process.node, self.random
        assert node is not None
        self._sequence += 1
        name = self._sequence.to_bytes(6)
        match random.choices(range(6), weights=[10, 8, 3, 1, 3, 1])[0]:
            case 0:
                node.propose([name * random.choice([1, 1, 8])])
            case 1:
                self.checks.asks_to_read(name)
                node.read_index(name)
            case 2:
                node.propose_change(self._change(node))
            case 3:
                node.transfer_leader(MemberId(random.randint(1, len(self.processes))))
            case 4:
                self._compact(process)
            case 5:
                peer = MemberId(random.randint(1, len(self.processes)))
                node.report_snapshot(peer, failed=random.random() < 0.5)
                node.report_unreachable(peer)

    def _change(self, node: RaftNode) -> Change:
        random = self.random
        if node.member.tracker.membership.joint and random.random() < 0.8:
            return Change()
        changes = []
        for _ in range(random.choice([1, 1, 2, 3])):
            highest = min(len(self.processes) + len(changes) + 1, MEMBERS_MAX)
            member = MemberId(random.randint(1, highest))
            kind = random.choice([ChangeKind.ADD_VOTER, ChangeKind.REMOVE, ChangeKind.ADD_LEARNER])
            changes.append(MemberChange(kind, member))
        made = Change(tuple(changes), random.choice(list(Transition)))
        # What cannot be applied must not be proposed: that is the node's part of the contract.
        voters = set(node.member.tracker.membership.voters)
        for change in changes:
            if change.kind is ChangeKind.ADD_VOTER:
                voters.add(change.member)
            else:
                voters.discard(change.member)
        return made if voters else Change()

    def _compact(self, process: Process) -> None:
        assert process.node is not None
        durable = process.durable
        index = min(durable.applied, process.node.member.log.applied) - self.random.randint(0, 3)
        if index <= durable.offset:
            return
        process.node.compact(index)
        term = durable.entries[index - durable.offset - 1].term
        for name in ("durable", "written"):
            disk = getattr(process, name)
            kept = disk.entries[index - disk.offset :]
            setattr(process, name, replace(disk, offset=index, offset_term=term, entries=kept))

    def _links(self) -> None:
        random = self.random
        self.cut.clear()
        ids = list(self.processes)
        match random.randrange(4):
            case 0:
                side = {i for i in ids if random.random() < 0.5}
                self.cut = {(a, b) for a in ids for b in ids if (a in side) != (b in side)}
            case 1:
                leads = [
                    p.id
                    for p in self.processes.values()
                    if p.node is not None and p.node.member.role is Role.LEADER
                ]
                alone = random.choice(leads or ids)
                self.cut = {(a, b) for a in ids for b in ids if alone in (a, b)}
            case 2:
                self.cut = {(a, b) for a in ids for b in ids if random.random() < 0.3}
            case _:
                pass

    # --- runs --------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Let things happen, then heal everything: the group must serve again, and agree."""
        for _ in range(steps):
            self.step()
        self.heal()

    def heal(self) -> None:
        self.quiet = True
        self.cut.clear()
        self.loss = self.crashes = self.copies = 0.0
        for process in self.processes.values():
            if process.node is None:
                self.start(process)
        for i in range(60 * int(self.knobs["election_ticks"])):
            self._fair_round()
            if i % 20 == 19:
                self._report_snapshots()
        leader = self._leader()
        require(leader is not None, "a leader after healing", self.states())
        goal = None
        for _ in range(60):
            if goal is None and leader.node.propose([b"the last one"]) is None:
                goal = leader.node.member.log.last
            self._fair_round()
        members = members_of(leader.node.member.tracker.membership)
        behind = [m for m in members if goal is None or self.processes[m].written.applied < goal]
        require(not behind, "everybody follows after healing", behind, goal, self.states())

    def _report_snapshots(self) -> None:
        """Tell every member that its snapshots got lost: only the node can know that."""
        for process in self.processes.values():
            for peer in self.processes:
                process.node.report_snapshot(peer, failed=True)

    def _fair_round(self) -> None:
        """One tick for everybody, and all that follows from it."""
        for process in self.processes.values():
            process.node.tick()
            self.check(process)
        for _ in range(200):
            busy = bool(self.network)
            while self.network:
                process = self.deliver()
                if process is not None:
                    self.check(process)
            for process in list(self.processes.values()):
                if process.ready is not None or process.node.has_ready():
                    self.turn(process)
                    self.check(process)
                    busy = True
            if not busy:
                return

    def _leader(self) -> Process | None:
        leads = [p for p in self.processes.values() if p.node.member.role is Role.LEADER]
        return max(leads, key=lambda p: p.node.member.term, default=None)

    def states(self) -> list[str]:
        return [
            f"{p.id}: {p.node.member.role.value} term {p.node.member.term} "
            f"{p.node.member.log.describe()} {p.node.member.tracker.membership}"
            for p in self.processes.values()
            if p.node is not None
        ]
