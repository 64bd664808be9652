"""What the sub-machines of one node share: knobs, clocks, asks in flight, timers, effects."""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

from msgspec import Struct

from dynakv import limits
from dynakv.core import facts
from dynakv.core.cache import RecordCache
from dynakv.core.clock_guard import ClockGuard
from dynakv.core.hashtree import HashTrees
from dynakv.core.hlc import HybridClock
from dynakv.core.layout import Keyspace, Layout, Mode, NodeId, decode, group_shift, token_of
from dynakv.core.members import Members
from dynakv.core.record import Record
from dynakv.core.suspicion import State
from dynakv.core.table import Remembered
from dynakv.node.config import Config
from dynakv.node.cuts import Cuts
from dynakv.node.damage import DamagedRows
from dynakv.node.messages import (
    STORE,
    Ask,
    Effect,
    Failed,
    MemberView,
    Note,
    Now,
    Outcome,
    Reason,
)
from dynakv.node.pace import Pace
from dynakv.node.repair_wanted import RepairWanted
from dynakv.node.row_writes import RowWrites
from dynakv.node.tasks import Tasks

Then = Callable[[object], None]  # gets the reply to an ask


class Counters:
    """How often what happened since the start; plain integers that the shell reads."""

    __slots__ = (
        "clean_marks",
        "clock_refusals",
        "damaged_rows",
        "failed_entries",
        "fenced_records",
        "floors_adopted",
        "foreign_frames",
        "gets",
        "groups_collected",
        "groups_compared",
        "groups_differing",
        "heals_tried",
        "hedged_reads",
        "hints_delivered",
        "hints_dropped_for_age",
        "hints_dropped_for_space",
        "hints_kept",
        "old_minorities",
        "puts",
        "read_repairs",
        "rebuilds",
        "rebuilt_rows",
        "records_dropped",
        "refused_stamps",
        "repair_bytes_in",
        "repair_bytes_out",
        "repair_keys_listed",
        "repair_records_in",
        "repair_records_out",
        "repair_rounds",
        "repairs_failed",
        "scrubbed_groups",
        "write_backs",
    )

    def __init__(self) -> None:
        """Begin at zero."""
        for name in self.__slots__:
            setattr(self, name, 0)

    clean_marks: int
    clock_refusals: int
    damaged_rows: int
    failed_entries: int
    fenced_records: int
    floors_adopted: int
    foreign_frames: int
    gets: int
    groups_collected: int
    groups_compared: int
    groups_differing: int
    heals_tried: int
    hedged_reads: int
    hints_delivered: int
    hints_dropped_for_age: int
    hints_dropped_for_space: int
    hints_kept: int
    old_minorities: int
    puts: int
    read_repairs: int
    rebuilds: int
    rebuilt_rows: int
    records_dropped: int
    refused_stamps: int
    repair_bytes_in: int
    repair_bytes_out: int
    repair_keys_listed: int
    repair_records_in: int
    repair_records_out: int
    repair_rounds: int
    repairs_failed: int
    scrubbed_groups: int
    write_backs: int


class Placement:
    """One keyspace of the layout in force, in the form that requests need."""

    __slots__ = (
        "_everywhere",
        "epoch",
        "hash_tags",
        "held",
        "keyspace",
        "keyspace_id",
        "name",
        "raft",
        "raft_groups",
        "replicas",
        "shift",
    )

    def __init__(self, keyspace: Keyspace, node_id: NodeId) -> None:
        """Prepare look-ups for the node `node_id`."""
        self.keyspace = keyspace
        self.keyspace_id = int(keyspace.keyspace_id)
        self.epoch = keyspace.epoch
        self.name = keyspace.settings.name
        self.hash_tags = keyspace.settings.hash_tags
        self.shift = group_shift(keyspace.settings.groups)
        # One tuple object per distinct set of replicas, so that equal sets compare by identity.
        distinct: dict[tuple[NodeId, ...], tuple[NodeId, ...]] = {}
        self.replicas = [distinct.setdefault(r, r) for r in map(_in_order, keyspace.placement)]
        self._everywhere = next(iter(distinct)) if len(distinct) == 1 else None
        mine = [node_id in replicas for replicas in self.replicas]
        self.raft = keyspace.settings.mode is Mode.RAFT
        # Groups whose replicas merge, compare and collect; those of a Raft keyspace have a log.
        self.held = [False] * len(mine) if self.raft else mine
        self.raft_groups = [i for i, here in enumerate(mine) if here] if self.raft else []

    def holds(self, group: int) -> bool:
        """Say whether there is such a group and this node is a replica of it."""
        return 0 <= group < len(self.held) and self.held[group]

    def groups_of(self, keys: list[bytes]) -> list[int]:
        """Return the shard group of each key."""
        shift = self.shift
        hash_tags = self.hash_tags
        return [token_of(key, hash_tags=hash_tags) >> shift for key in keys]

    def split(self, keys: list[bytes]) -> dict[tuple[NodeId, ...], list[int]]:
        """Return for each distinct set of replicas the indices of its keys, ascending."""
        if self._everywhere is not None:  # as many nodes as replicas: no need to look
            return {self._everywhere: list(range(len(keys)))} if keys else {}
        sets: dict[tuple[NodeId, ...], list[int]] = {}
        replicas = self.replicas
        for i, group in enumerate(self.groups_of(keys)):
            where = replicas[group]
            if where in sets:
                sets[where].append(i)
            else:
                sets[where] = [i]
        return sets


# Gets a keyspace, a replica, records of it that some other replica took and this one perhaps not,
# and what the replica said to them (None: nothing).
Missed = Callable[[Placement, NodeId, list[Record], Outcome | None], None]


class Differing(Struct, frozen=True):
    """Outlines by key that one replica of a group has and the other one lacks: a session's page."""

    placement: Placement
    group: int
    peer: NodeId
    here: dict[bytes, Record]
    there: dict[bytes, Record]


class Context:
    """The state shared by a node's sub-machines; only the node's own turn touches it."""

    def __init__(self, remembered: Remembered, config: Config, random: Random, now: Now) -> None:
        """Begin a life of the node at the moment `now`, with the layout it remembers."""
        layout = decode(remembered.layout)
        self.config = config
        self.node_id = config.node_id
        self.random = random
        self.now = now
        self.remembered = remembered
        self.writer = remembered.incarnation
        self.clock = HybridClock(remembered.ceiling_ms, config.clock_bound_ms)
        self.guard = ClockGuard(
            now.wall_ms, now.mono_ms, len(layout.members), config.clock_bound_ms
        )
        self.cache = RecordCache(config.cache_bytes_max)
        self.trees = HashTrees(empty=remembered.empty)
        self.cuts = Cuts(remembered.facts)
        # Groups of which this node has forgotten what it held; they answer nothing.
        self.recovering: dict[tuple[int, int], None] = {
            (keyspace, group): None
            for keyspace, group, _ in facts.about_groups(remembered.facts, facts.RECOVERING)
        }
        self.damaged_rows = DamagedRows(config.heal_after_ms)
        self.repair_wanted = RepairWanted()
        self.missed: Missed = _nobody_keeps  # what a replica did not take of a write
        self.differing: Callable[[Differing], None] = _nobody_looks  # what sessions find
        self.writes = RowWrites(self._ask_store)
        self.tasks = Tasks()
        self.repair_paused = not config.repair  # operators may pause and resume it
        self.counters = Counters()
        self.effects: list[Effect] = []
        self.layout = layout
        self.layout_digest = layout.digest()
        self.newest_epoch = layout.epoch  # of any layout of this cluster that was heard of
        self.peers = [m.node_id for m in layout.members if m.node_id != config.node_id]
        self.disk_full = False  # below its reserve: nothing more is saved here
        self.client_addresses: dict[str, str] = {}  # of the peers heard from
        self.foreign: dict[str, None] = {}  # peers that mean another cluster or layout
        self.beliefs: Callable[[], dict[str, State]] = dict  # what gossip says of the peers
        self.pace = Pace(self.peers, config.hedge_ms)
        self.members = Members(self.peers, now.mono_ms, config.suspect_ms)
        self.peer_epochs: dict[str, tuple[int, int]] = {}  # incarnation, epoch of its layout
        self.beaten: dict[str, None] = {}  # peers that answered a heartbeat of this life
        self.by_name: dict[str, Placement] = {}
        self.by_id: dict[int, Placement] = {}
        self._place()
        # A call id holds incarnation and count of starts, so that a reply to a former life, also
        # one before a restore, matches nothing.
        self._calls = (remembered.incarnation + remembered.starts) % (1 << 24) << 40
        self._asks: dict[int, tuple[Then, str]] = {}
        # What waits for each moment, and these moments as a heap.
        self._timers: dict[int, list[Callable[[], None]]] = {}
        self._due: list[int] = []

    def adopt(self, layout: Layout) -> None:
        """Put a durable layout of the same members in force.

        What is under way goes on with the placement it began with. What memory holds of dropped
        keyspaces is let go of. O(entries of the cache) where there are any.
        """
        assert layout.members == self.layout.members
        assert layout.epoch > self.layout.epoch
        before = self.by_id
        self.layout = layout
        self.layout_digest = layout.digest()
        self.newest_epoch = max(self.newest_epoch, layout.epoch)
        self._place()
        for keyspace in self.by_id:
            if keyspace not in before:
                self.trees.created(keyspace)
        for keyspace in before:
            if keyspace not in self.by_id:
                for memory in (self.cache, self.trees, self.damaged_rows, self.writes, self.tasks):
                    memory.drop(keyspace)

    def _place(self) -> None:
        placements = [self._placement_of(keyspace) for keyspace in self.layout.keyspaces]
        self.by_name = {placement.name: placement for placement in placements}
        self.by_id = {placement.keyspace_id: placement for placement in placements}

    def _placement_of(self, keyspace: Keyspace) -> Placement:
        known = self.by_id.get(int(keyspace.keyspace_id))
        same = known is not None and known.keyspace == keyspace
        return known if known is not None and same else Placement(keyspace, self.config.node_id)

    def believed_ms(self) -> int:
        """Return the wall clock to judge by now."""
        return self.guard.believed_ms(self.now.mono_ms)

    def epoch_of(self, peer: str) -> int | None:
        """Return the epoch of the layout that a peer was heard to have in force."""
        known = self.peer_epochs.get(peer)
        return None if known is None else known[1]

    def member_views(self) -> dict[str, MemberView]:
        """Return what this node believes of each member."""
        beliefs = self.beliefs()
        views = {str(self.node_id): MemberView(True, self.config.client_address, 0, State.ALIVE)}
        for peer in self.peers:
            address = self.client_addresses.get(peer, "")
            offset_ms = self.guard.offset_ms(peer)
            views[peer] = MemberView(
                self.members.up(peer), address, offset_ms, beliefs.get(peer, State.ALIVE)
            )
        return views

    def ask(
        self, to: str, message: object, deadline_ms: int, then: Then, *, paced: bool = True
    ) -> int:
        """Hand a message to a peer or STORE; `then` gets the one reply. Return the call id.

        `paced`: how long the reply takes says how fast the peer is.
        """
        self._calls = call = self._calls + 1
        self._asks[call] = (then, to)
        if paced:
            self.pace.asked(to, call, self.now.mono_ms)
        self.effects.append(Ask(call, to, message, deadline_ms))
        return call

    def _ask_store(self, message: object, then: Then) -> None:
        self.ask(STORE, message, 0, then)

    def forget(self, call: int) -> None:
        """Ignore the reply to this call, if it still comes."""
        waiting = self._asks.pop(call, None)
        if waiting is not None:
            self.pace.ended(waiting[1], call)

    def answered(self, call: int, reply: object) -> None:
        """Give a reply to whoever waits for it; one that nobody waits for is dropped."""
        waiting = self._asks.pop(call, None)
        if waiting is None:
            return
        then, to = waiting
        self.pace.ended(to, call)
        failed = isinstance(reply, Failed)
        if failed and reply.reason is Reason.UNREACHABLE and self.members.broken(to):  # type: ignore[attr-defined]
            self.note("peer_down", peer=to, why="unreachable")
        then(reply)
        if not failed and to != STORE and not self.members.up(to):
            self.peer_answered(to)

    def peer_answered(self, peer: str) -> None:
        """Take note that a peer can be reached: it gave a good reply, to whatever it was asked."""
        if peer not in self.foreign and self.members.answered(peer, self.now.mono_ms):
            self.note("peer_up", peer=peer)

    def at(self, mono_ms: int, wake: Callable[[], None]) -> None:
        """Call `wake` in the first tick at or after this monotonic moment, in coarse buckets."""
        bucket = _rounded_up(mono_ms, limits.TIMER_BUCKET_MS)
        waiting = self._timers.get(bucket)
        if waiting is None:
            self._timers[bucket] = [wake]
            heappush(self._due, bucket)
        else:
            waiting.append(wake)

    def run_timers(self) -> None:
        """Call what is due."""
        due = self._due
        while due and due[0] <= self.now.mono_ms:
            for wake in self._timers.pop(heappop(due)):
                wake()

    def wake_at(self) -> int | None:
        """Return the next monotonic moment at which `run_timers` has work."""
        return self._due[0] if self._due else None

    def deadline(self, timeout_ms: int) -> int:
        """Return the end of an attempt that begins now, rounded up to its bucket."""
        end_ms = self.now.mono_ms + (timeout_ms or self.config.attempt_ms)
        return _rounded_up(end_ms, limits.DEADLINE_BUCKET_MS)

    def note(self, event: str, **fields: str | int) -> None:
        """Report a rare change of state."""
        self.effects.append(Note(event, fields))


def _nobody_keeps(
    placement: Placement, peer: NodeId, records: list[Record], outcome: Outcome | None
) -> None:
    """Keep no hints, as long as nobody offers to (`node/hints.py`)."""


def _nobody_looks(found: Differing) -> None:
    """Raise no alarm, as long as nobody offers to (`node/minorities.py`)."""


def _rounded_up(mono_ms: int, bucket_ms: int) -> int:
    return -(-mono_ms // bucket_ms) * bucket_ms


def _in_order(replicas: tuple[NodeId, ...]) -> tuple[NodeId, ...]:
    return tuple(sorted(replicas))
