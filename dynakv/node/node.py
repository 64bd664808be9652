"""The node: one match over everything it can be asked, the index of all behaviour.

    Node(remembered, config, random, now)
    node.heard(header, now)                  a frame arrived; its messages follow
    node.asked(call, message, now, sender)   a client or a peer wants something
    node.answered(call, reply, now)          a peer or STORE replied, or could not
    node.tick(now)                           time passed
    node.take_effects()                      what the shell has to do now
    node.wake_at()                           when the next tick is due, monotonic milliseconds

It never waits, reads no clock and opens no file; the shells do (`server/driver.py`, `sim/`). Client
messages of one turn that fit together become one operation when the turn ends, in `take_effects`:
one stamp run, one deadline and one ask per peer serve them all.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import assert_never

from dynakv import limits
from dynakv.core.gossip_messages import Probe, ProbeFor, Question, Sync
from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, DropKeyspace
from dynakv.core.layout import Layout, Level
from dynakv.core.table import Remembered
from dynakv.errors import Failure
from dynakv.node.antientropy import AntiEntropy
from dynakv.node.clean_marks import CleanMarks
from dynakv.node.collection import Collection
from dynakv.node.compare import Comparer
from dynakv.node.config import Config
from dynakv.node.context import Context
from dynakv.node.dropping import Dropping
from dynakv.node.expire import ExpireBatch
from dynakv.node.fencing import Fencing
from dynakv.node.figures import NodeFigures, node_figures
from dynakv.node.get import GetBatch
from dynakv.node.gossip import Gossiping
from dynakv.node.healer import Healer
from dynakv.node.heartbeat import Heartbeat
from dynakv.node.hints import Hints
from dynakv.node.horizon import Horizon
from dynakv.node.keyspaces import Keyspaces
from dynakv.node.layout_messages import AdoptLayout, ChangeKeyspaces, FetchLayout
from dynakv.node.layouts import Layouts
from dynakv.node.messages import (
    FRAME_VERSION,
    Answer,
    Beat,
    ClientMessage,
    Effect,
    Expire,
    Failed,
    Get,
    Header,
    List,
    Load,
    Now,
    PeerMessage,
    PeerReply,
    Put,
    Reason,
    RecordsMessage,
    Refused,
    RepairMessage,
    Save,
    Scan,
    entries_in,
)
from dynakv.node.minorities import Minorities
from dynakv.node.put import PutBatch, put_bytes
from dynakv.node.raft import Raft
from dynakv.node.raft_figures import RaftFigures, raft_figures
from dynakv.node.raft_messages import (
    Execute,
    FetchSnapshot,
    Forward,
    ForwardRead,
    ForwardScan,
    RaftJoin,
    RaftStep,
)
from dynakv.node.rebuild import Rebuilds
from dynakv.node.recovery import Recovery
from dynakv.node.recovery_task import RecoveryTask
from dynakv.node.repair_messages import Compare, Fence, RaiseFloor, ScanLeaves
from dynakv.node.replica import Replica
from dynakv.node.rounds import Rounds
from dynakv.node.scan import QuorumScan
from dynakv.node.stamping import Stamper
from dynakv.node.validate import refusal, replicas_wanted

__all__ = ["Config", "Node"]


class Node:
    """One member of the cluster, as a deterministic machine."""

    def __init__(self, remembered: Remembered, config: Config, random: Random, now: Now) -> None:
        """Begin a life on what the data directory remembers."""
        self._ctx = Context(remembered, config, random, now)
        self._replica = Replica(self._ctx)
        self._comparer = Comparer(self._ctx)
        self._clean_marks = CleanMarks(self._ctx)
        self._rebuilds = Rebuilds(self._ctx)
        self._healer = Healer(self._ctx, self._replica)
        self._stamper = Stamper(self._ctx)
        self._dropping = Dropping(self._ctx)
        self._fencing = Fencing(self._ctx, self._dropping.floor_raised)
        self.anti_entropy = AntiEntropy(self._ctx, self._replica, self._fencing.follow)
        self.rounds = Rounds(self._ctx, self.anti_entropy)
        self.recovery = Recovery(self._ctx, self.anti_entropy)
        RecoveryTask(self._ctx)
        horizon = Horizon(self._ctx, self.recovery, self._stamper)
        self._heartbeat = Heartbeat(self._ctx, horizon)
        self._gossip = Gossiping(self._ctx) if config.gossip else None
        self._hints = Hints(self._ctx)
        Minorities(self._ctx)
        self.collection = Collection(self._ctx, self._fencing, self.anti_entropy.sync)
        self.raft = Raft(self._ctx)
        self._layouts = Layouts(self._ctx, self._hints.forget_keyspace, self.recovery.mark)
        self._keyspaces = Keyspaces(self._ctx, self._layouts)
        self._puts: dict[object, PutBatch] = {}
        self._gets: dict[object, GetBatch] = {}
        self._commit_sequence = remembered.commit_sequence

    @property
    def context(self) -> Context:
        """The shared state, for shells that report on it."""
        return self._ctx

    @property
    def hints(self) -> Hints:
        """What is kept for peers that were away."""
        return self._hints

    @property
    def layout(self) -> Layout:
        """The layout in force."""
        return self._ctx.layout

    def heard(self, header: Header, now: Now) -> bool:
        """Take note of a frame's header; False: not of this cluster, use nothing of the frame."""
        self._at(now)
        ctx = self._ctx
        known = header.cluster_id == ctx.layout.cluster_id and header.node_id in ctx.peers
        if not known or header.version != FRAME_VERSION:
            ctx.counters.foreign_frames += 1
            return False
        if not ctx.clock.observe(header.hlc, ctx.believed_ms()):
            ctx.counters.refused_stamps += 1
        ctx.members.heard(header.node_id, now.mono_ms)
        self._layouts.heard(header)
        return True

    def asked(
        self, call: int, message: ClientMessage | PeerMessage, now: Now, sender: str | None = None
    ) -> None:
        """Serve a client's message (no sender) or a peer's; `Answer` effects carry the reply."""
        self._at(now)
        match message:
            case Put() | Get() | Expire() | List() | Execute():
                self._serve(call, message)
            case CreateKeyspace() | AlterKeyspace() | DropKeyspace():
                self._keyspaces.change(call, message)
            case Save():
                self._replica.save(message, partial(self._reply, call), own=False)
            case Load():
                self._replica.load(message, partial(self._reply, call))
            case Scan():
                self._replica.scan(message, partial(self._reply, call))
            case Beat() | Probe() | ProbeFor() | Sync():
                self._live(message, sender or "", partial(self._reply, call))
            case Compare() | ScanLeaves() | Fence() | RaiseFloor():
                self._repair(message, sender or "", partial(self._reply, call))
            case (
                RaftStep()
                | RaftJoin()
                | Forward()
                | ForwardRead()
                | ForwardScan()
                | FetchSnapshot()
            ):
                self.raft.asked(sender or "", message, partial(self._reply, call))
            case ChangeKeyspaces() | AdoptLayout() | FetchLayout():
                self._keyspaces.asked(message, partial(self._reply, call))
            case _:
                assert_never(message)

    def _live(
        self, message: Beat | Question, sender: str, reply: Callable[[PeerReply], None]
    ) -> None:
        """Answer a peer that says it lives, or asks who does."""
        if isinstance(message, Beat):
            reply(self._heartbeat.answer(sender, message))
        elif self._gossip is None:
            reply(Failed(Reason.UNSUPPORTED))
        else:
            self._gossip.asked(sender, message, reply)

    def _repair(
        self, message: RepairMessage, sender: str, reply: Callable[[PeerReply], None]
    ) -> None:
        """Serve a peer that compares or collects."""
        match message:
            case Compare():
                self.rounds.asked_by(sender, message)
                self._comparer.compare(message, reply)
            case ScanLeaves():
                self._comparer.scan_leaves(message, reply)
            case Fence():
                self._fencing.fence(message, reply)
            case RaiseFloor():
                self._fencing.raise_floor(message, reply)
            case _:
                assert_never(message)

    def answered(self, call: int, reply: object, now: Now) -> None:
        """Take the one reply to an ask; one that came too late is dropped."""
        self._at(now)
        self._ctx.answered(call, reply)

    def committed(self, sequence: int) -> None:
        """Take note of the durable commit sequence, before the replies of that transaction."""
        self._commit_sequence = sequence

    def disk_full(self, *, full: bool) -> None:
        """Take note whether less of the disk than its reserve is free: then nothing is saved."""
        if full != self._ctx.disk_full:
            self._ctx.disk_full = full
            self._ctx.note("disk_full" if full else "disk_has_room")

    def drain(self, then: Callable[[], None], now: Now) -> None:
        """Flush what makes the next start cheap, then call `then`; nothing is asked any more."""
        self._at(now)
        self._clean_marks.drain(then)

    def resign(self, now: Now) -> None:
        """Let others lead the Raft groups that this node leads: it will stop soon."""
        self._at(now)
        self.raft.consensus.leadership.resign()

    def tick(self, now: Now) -> None:
        """Let time pass."""
        self._at(now)
        self._ctx.run_timers()

    def wake_at(self) -> int | None:
        """Return the monotonic moment at which a tick is due."""
        return self._ctx.wake_at()

    def take_effects(self) -> list[Effect]:
        """End the turn: start the operations it gathered, return what the shell has to do."""
        for batches in (self._puts, self._gets):
            for shape in list(batches):  # in the order in which they were begun
                batches.pop(shape).start()
        self.raft.flush()
        effects, self._ctx.effects = self._ctx.effects, []
        return effects

    def repair(self, keyspace_id: int | None, group: int | None, now: Now) -> list[int]:
        """Compare with every peer: all, a keyspace or a group; return the ids of the tasks."""
        self._at(now)
        return self.rounds.repair(keyspace_id, group)

    def figures(self) -> NodeFigures:
        """Return what the node knows of itself, for operators."""
        return node_figures(
            self._ctx, self._commit_sequence, self._hints.pending(), self.collection
        )

    def raft_figures(self) -> list[RaftFigures]:
        """Return what the node knows of its Raft groups."""
        return raft_figures(self._ctx, self.raft.consensus)

    def take_leadership(self, keyspace_id: int, group: int, now: Now) -> str:
        """Ask for the leadership of a Raft group; return why that is not possible, or nothing."""
        self._at(now)
        return self.raft.consensus.leadership.take((keyspace_id, group))

    def rebalance_leaders(self, keyspace_id: int | None, now: Now) -> int:
        """Hand over the Raft groups that others should lead; return how many."""
        self._at(now)
        return self.raft.consensus.leadership.rebalance(keyspace_id)

    def header(self) -> Header:
        """Return what heads a frame that leaves now."""
        ctx = self._ctx
        return Header(
            FRAME_VERSION,
            ctx.node_id,
            ctx.layout.cluster_id,
            ctx.remembered.incarnation,
            self._commit_sequence,
            ctx.layout.epoch,
            ctx.clock.last,
        )

    def _at(self, now: Now) -> None:
        ctx = self._ctx
        if now is ctx.now:
            return
        ctx.now = now
        if ctx.guard.look(now.wall_ms, now.mono_ms):
            ctx.note("clock_leapt", wall_ms=now.wall_ms)
            self._heartbeat.hurry()

    def _reply(self, call: int, reply: PeerReply) -> None:
        self._ctx.effects.append(Answer(call, reply))

    def _serve(self, call: int, message: RecordsMessage) -> None:
        failure = refusal(self._ctx, message)
        if failure is not None:
            self._refuse(call, message, failure)
            return
        placement = self._ctx.by_name[message.keyspace]
        keyspace = placement.keyspace
        deadline_ms = self._ctx.deadline(message.timeout_ms)
        if placement.raft:
            self.raft.serve(call, message, placement, deadline_ms)
            return
        match message:
            case Put():
                w = replicas_wanted(placement, message.level, message.w, keyspace.wq)
                self._put(call, message, w, deadline_ms)
            case Get():
                r = replicas_wanted(placement, message.level, message.r, keyspace.rq)
                # Only the levels quorum and all promise that reads never go backwards.
                level = message.level or keyspace.settings.default_level
                promised = not message.r and level is not Level.ONE
                holders = keyspace.n - keyspace.rq + 1 if promised else 0
                self._get(call, message, r, holders, deadline_ms)
            case Expire():
                w = replicas_wanted(placement, message.level, message.w, keyspace.wq)
                ctx = self._ctx
                ExpireBatch(
                    ctx, self._replica, self._stamper, call, message, w, deadline_ms
                ).start()
            case List():
                QuorumScan(self._ctx, self._replica, call, message, deadline_ms).start()
            case Execute():
                raise AssertionError("`refusal` lets none pass")
            case _:
                assert_never(message)

    def _put(self, call: int, put: Put, w: int, deadline_ms: int) -> None:
        shape = (
            put.keyspace,
            w,
            deadline_ms,
            put.previous,
            put.ttls_ms is None,
            put.expiries_ms is None,
            put.times is None,
        )
        batch = self._puts.get(shape)
        full = batch is not None and (
            batch.size + len(put.keys) > limits.COALESCED_KEYS_MAX
            or batch.value_bytes + put_bytes(put) > limits.COALESCED_BYTES_MAX
        )
        if batch is None or full:
            if batch is not None:
                batch.start()
            batch = PutBatch(self._ctx, self._replica, self._stamper, put, w, deadline_ms)
            self._puts[shape] = batch
        batch.add(call, put)

    def _get(self, call: int, get: Get, r: int, holders: int, deadline_ms: int) -> None:
        shape = (get.keyspace, r, holders, deadline_ms)
        batch = self._gets.get(shape)
        if batch is None or batch.size + len(get.keys) > limits.COALESCED_KEYS_MAX:
            if batch is not None:
                batch.start()
            batch = GetBatch(self._ctx, self._replica, get, r, holders, deadline_ms)
            self._gets[shape] = batch
        batch.add(call, get)

    def _refuse(self, call: int, message: ClientMessage, failure: Failure) -> None:
        count = entries_in(message)
        self._ctx.counters.failed_entries += count
        self._ctx.effects.append(Answer(call, Refused(list(range(count)), failure)))
