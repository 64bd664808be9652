"""The Raft groups of one node: their turns, their ticks, their frames, their one transaction.

A turn ends with `flush`: each busy group hands its commands and reads to its core, takes a Ready,
and all writes of the turn are one `RaftWrite`, so one fsync serves every group. What may leave
before that leaves at once; votes and answers of followers wait for the reply of STORE ("persisted
before sent"). Everything for one peer is one message a turn, in columns, whatever groups it is of.

Only groups in which something goes on are ticked (`_awake`). A leader whose group has been idle for
a while tells its followers, and those who hold everything as well stop counting with it. Whoever
hears anything of a sleeping group wakes it, and so does the loss of its leader's node.
"""

from collections.abc import Callable
from functools import partial

from dynakv import limits
from dynakv.core.layout import Layout, NodeId
from dynakv.core.raft.member import Role
from dynakv.core.raft.messages import Kind, MemberId, Message
from dynakv.core.raft_rows import data_keyspace
from dynakv.core.raft_write import GroupWrite, RaftWrite, RaftWritten
from dynakv.node.context import Context, Placement
from dynakv.node.messages import STORE, Failed
from dynakv.node.raft_group import Group, Where
from dynakv.node.raft_leadership import RaftLeadership, preferred
from dynakv.node.raft_loading import FIRST_INDEX, RaftLoading
from dynakv.node.raft_messages import Outgoing, RaftReply, RaftStep, RaftStepped, parts_of
from dynakv.node.raft_peers import RaftPeers


class Consensus:
    """The members that this node has, by (keyspace id, group)."""

    def __init__(self, ctx: Context) -> None:
        """Begin to load the groups that the layout gives this node."""
        self._ctx = ctx
        self.groups: dict[Where, Group] = {}
        self.stopped: dict[Where, str] = {}  # members that take part no more, and why
        self.on_leader: Callable[[Where], None] = _nobody
        self.on_snapshot: Callable[[str, Group, Message], None] = _nobody
        self.on_installed: Callable[[Group], None] = _nobody
        self.on_stopped: Callable[[Where, bool], None] = _nobody  # it forgot, or met damage
        self.on_learner: Callable[[Group], None] = _nobody  # of a former life of this node
        self._leaders: dict[Where, NodeId | None] = {}
        self._busy: dict[Where, None] = {}
        self._awake: dict[Where, None] = {}
        self._outbox: dict[NodeId, Outgoing] = {}
        self._sleeping: dict[NodeId, list[tuple[int, int, int]]] = {}
        self._told_to_sleep: dict[Where, tuple[str, int]] = {}  # in this turn, by whom and its term
        self._ticking = False
        self._loading = RaftLoading(ctx, self._loaded, self._stays_out)
        self._peers = RaftPeers(ctx)
        self._looking = False
        self._balance_at_ms = ctx.now.mono_ms + ctx.config.raft_balance_ms
        self.leadership = RaftLeadership(ctx, self.groups, self.busy)
        self._layout: Layout | None = None
        self._follow_layout()

    def placement(self, keyspace: int) -> Placement | None:
        """Return the Raft keyspace of that id."""
        placement = self._ctx.by_id.get(keyspace)
        if placement is None or not placement.raft:
            return None
        return placement

    def busy(self, where: Where) -> None:
        """Take note that a group has something to do at the end of the turn."""
        if where in self.groups:
            self._busy[where] = None
            self.wake(where)

    def wake(self, where: Where) -> None:
        """Let time go on in a group."""
        if where in self._awake:
            return
        group = self.groups[where]
        if not group.broken:
            group.raft.wake()
            group.idle_ticks = 0
            self._awake[where] = None
            self._tick_later()

    def asleep(self, where: Where) -> bool:
        """Say whether the group's ticks have stopped."""
        return where not in self._awake

    def _loaded(self, group: Group) -> None:
        where = group.where
        self.groups[where] = group
        self._awake[where] = None
        self._tick_later()
        member = group.raft.member
        if not (group.state.blank or member.id in group.state.membership.voters):
            self.on_learner(group)
        first = member.log.last == FIRST_INDEX and member.id == preferred(group)
        if first or (len(group.nodes) == 1 and not group.state.blank):
            group.raft.campaign()  # a new group need not wait for its first timeout
        self._busy[where] = None

    # --- peers -------------------------------------------------------------------------------

    def step(self, sender: str, step: RaftStep, reply: Callable[[RaftReply], None]) -> None:
        """Take a peer's messages for all groups of this node."""
        founding, strangers = self._sort_out(sender, step)
        for keyspace, places in founding.items():
            if self._peers.stranger(keyspace, sender, step.incarnation):
                strangers += places
            take = partial(self._take, sender, step, places)
            self._peers.when_known(keyspace, sender, step.incarnation, take)
        for keyspace, number, term in step.sleeping:
            self._told_to_sleep[keyspace, number] = (sender, term)
        told = [(step.keyspaces[i], step.groups[i], step.messages[i].sender) for i in strangers]
        reply(RaftStepped(told))

    def _sort_out(self, sender: str, step: RaftStep) -> tuple[dict[int, list[int]], list[int]]:
        """Take what replacements say; return what founders say, by keyspace, and who was one."""
        founding: dict[int, list[int]] = {}
        replaced: list[int] = []
        former: list[int] = []
        for place, where in enumerate(zip(step.keyspaces, step.groups, strict=True)):
            group = self.groups.get(where)
            member = step.messages[place].sender
            if group is None or group.nodes.get(member) != sender:
                if group is not None and group.founders.get(member) == sender:
                    former.append(place)
                continue  # still being loaded, or never ours: as if it had been lost
            if member not in group.incarnations:
                founding.setdefault(where[0], []).append(place)
            elif group.incarnations[member] == step.incarnation:
                replaced.append(place)
        self._take(sender, step, replaced)
        return founding, former

    def _take(self, sender: str, step: RaftStep, places: list[int]) -> None:
        """Take some of the messages."""
        for place in places:
            group = self.groups.get((step.keyspaces[place], step.groups[place]))
            message = step.messages[place]
            if group is None or group.nodes.get(message.sender) != sender:
                continue  # no more, since the sender's incarnation was made known
            if message.to == group.raft.member.id:
                if _forgot(group, message):
                    self._stop(group, "its log was lost", forgot=True)
                    continue
                self.busy(group.where)
                if message.snapshot is not None and message.kind is Kind.SNAPSHOT:
                    self.on_snapshot(sender, group, message)
                else:
                    group.raft.step(message)

    def _sleep(self, where: Where, leader: str, term: int) -> None:
        """Stop the ticks of a group whose leader says that it sleeps, if nothing is missing."""
        group = self.groups.get(where)
        if group is None:
            return
        if group.leader == leader and group.raft.member.term == term and group.raft.may_sleep():
            self._awake.pop(where, None)

    # --- the end of a turn -------------------------------------------------------------------

    def flush(self) -> None:
        """Let every busy group do what it can, write for all of them at once, send the frames."""
        if self._ctx.layout is not self._layout:
            self._follow_layout()
        if self._busy:
            self._take_turns()
        if self._told_to_sleep:
            told, self._told_to_sleep = self._told_to_sleep, {}
            for where, (leader, term) in told.items():
                self._sleep(where, leader, term)
        if self._outbox or self._sleeping:
            self._send_frames()

    def _take_turns(self) -> None:
        ctx = self._ctx
        time = max(ctx.clock.last, ctx.believed_ms() << 16) if ctx.guard.trusted else 0
        writes: dict[Where, GroupWrite] = {}
        while self._busy:
            busy, self._busy = self._busy, {}
            for where in busy:
                group = self.groups[where]
                group.begin_turn_end(time, ctx.writer)
                write = group.next_ready(self._send)
                if group.reads_wait:
                    self._busy[where] = None
                if write is not None:
                    assert where not in writes
                    writes[where] = write
                self._see_leader(group)
        if writes:
            written = partial(self._written, list(writes))
            ctx.ask(STORE, RaftWrite(list(writes.values())), 0, written)

    def _written(self, wheres: list[Where], reply: object) -> None:
        assert isinstance(reply, RaftWritten)
        for where, outcome in zip(wheres, reply.groups, strict=True):
            group = self.groups.get(where)
            if group is None:
                continue  # its keyspace was dropped meanwhile
            if not group.uncached:
                place = data_keyspace(where[0], outcome.state.generation)
                for key, row in outcome.rows.items():
                    self._ctx.cache.stored(place, key, row)
            generation = group.state.generation
            group.written(outcome, self._send)
            if group.state.generation != generation:
                self.on_installed(group)
            if outcome.damaged is not None:
                self._stop(group, f"the row of key {outcome.damaged!r} is damaged", forgot=False)
                continue
            self._compact(group)
            self._busy[where] = None

    def _stop(self, group: Group, why: str, *, forgot: bool) -> None:
        """Let a member take part in nothing: it does not know all that it has acknowledged."""
        where = group.where
        group.drop()
        self._let_go(where)
        self._stays_out(where, why, forgot=forgot)

    def _stays_out(self, where: Where, why: str, *, forgot: bool = True) -> None:
        self.stopped[where] = why
        self._ctx.note("raft_group_stopped", group=where[1], why=why)
        self.on_stopped(where, forgot)

    def begin_blank(self, where: Where, member: MemberId) -> Group | None:
        """Take part in a group again, as a member that knows nothing; None: it is no more."""
        self._loading.begin_blank(where, member)
        return self.groups.get(where)

    def _let_go(self, where: Where) -> None:
        self.groups.pop(where, None)
        self._awake.pop(where, None)
        self._busy.pop(where, None)
        self._leaders.pop(where, None)
        self.leadership.forget(where)

    def _compact(self, group: Group) -> None:
        """Forget old entries, a few at a time; who lags further behind gets a snapshot."""
        log, config = group.raft.member.log, self._ctx.config
        bytes_max = min(config.raft_log_bytes_max, limits.RAFT_LOGS_BYTES_MAX // len(self.groups))
        end = log.offset
        if log.applied - log.offset > config.raft_log_entries_max:
            end = log.applied - config.raft_log_entries_kept
        if log.bytes > bytes_max:
            end = max(end, log.index_within(bytes_max * 3 // 4))
        if end > log.offset:
            # A snapshot under way goes on where the kept log begins.
            end = min([end, *(offer.index for offer in group.offers.values())])
            group.raft.compact(min(end, log.offset + limits.RAFT_COMPACTED_MAX))

    def _see_leader(self, group: Group) -> None:
        leader = group.leader
        if self._leaders.get(group.where) != leader:
            self._leaders[group.where] = leader
            self.leadership.changed(group)
            if leader is not None:
                self.on_leader(group.where)

    # --- frames ------------------------------------------------------------------------------

    def _send(self, group: Group, messages: tuple[Message, ...]) -> None:
        for message in messages:
            peer = group.nodes.get(message.to)
            if peer not in (None, self._ctx.node_id):  # who this node was is gone
                self._outbox.setdefault(peer, []).append((group.where, message))

    def _send_frames(self) -> None:
        outbox, self._outbox = self._outbox, {}
        sleeping, self._sleeping = self._sleeping, {}
        for peer in outbox | sleeping:
            parts = parts_of(outbox.get(peer, []))
            asleep = sleeping.get(peer, [])
            for part in parts[:-1]:
                self._ask(peer, part, [])
            self._ask(peer, parts[-1], asleep)

    def _ask(self, peer: NodeId, part: Outgoing, asleep: list[tuple[int, int, int]]) -> None:
        ctx = self._ctx
        step = RaftStep(
            [where[0] for where, _ in part],
            [where[1] for where, _ in part],
            [message for _, message in part],
            asleep,
            ctx.remembered.incarnation,
        )

        def stepped(reply: object) -> None:
            if isinstance(reply, Failed):
                self._unreachable(part)
            elif isinstance(reply, RaftStepped) and reply.strangers:
                self._end_members(reply.strangers)

        election_ms = limits.RAFT_ELECTION_TICKS * ctx.config.raft_tick_ms
        ctx.ask(peer, step, ctx.now.mono_ms + election_ms, stepped)

    def _end_members(self, strangers: list[tuple[int, int, MemberId]]) -> None:
        """Stop members that others know of a former directory, or replaced since."""
        for keyspace, number, member in strangers:
            group = self.groups.get((keyspace, number))
            if group is not None and group.raft.member.id == member:
                self._stop(group, "its directory was lost", forgot=True)

    def _unreachable(self, part: Outgoing) -> None:
        """Let the leaders among the senders stop sending ahead to a peer that hears nothing."""
        for where, message in part:
            group = self.groups.get(where)
            if group is None or group.raft.member.role is not Role.LEADER:
                continue
            if message.kind is Kind.SNAPSHOT:
                group.raft.report_snapshot(message.to, failed=True)
                self._busy[where] = None
            elif message.kind is Kind.APPEND:
                group.raft.report_unreachable(message.to)

    # --- time --------------------------------------------------------------------------------

    def _tick_later(self) -> None:
        if not self._ticking:
            self._ticking = True
            ctx = self._ctx
            ctx.at(ctx.now.mono_ms + ctx.config.raft_tick_ms, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        for where in list(self._awake):
            group = self.groups[where]
            if group.leads and group.idle and group.raft.may_sleep():
                group.idle_ticks += 1
                if group.idle_ticks >= limits.RAFT_IDLE_TICKS:
                    self._put_to_sleep(group)
                    continue
            group.raft.tick()
            if group.offers:
                ticks_ms = limits.RAFT_OFFER_TICKS * self._ctx.config.raft_tick_ms
                group.end_old_offers(self._ctx.now.mono_ms - ticks_ms)
            self._busy[where] = None
        if self._awake:
            self._tick_later()

    def _put_to_sleep(self, group: Group) -> None:
        del self._awake[group.where]
        for peer in group.nodes.values():
            if peer != self._ctx.node_id:
                told = (*group.where, group.raft.member.term)
                self._sleeping.setdefault(peer, []).append(told)

    def _look_around_later(self) -> None:
        if not self._looking:
            self._looking = True
            ctx = self._ctx
            soon_ms = limits.RAFT_LOOK_TICKS * ctx.config.raft_tick_ms
            wait_ms = min(soon_ms, ctx.config.raft_balance_ms)
            ctx.at(ctx.now.mono_ms + wait_ms, self._look_around)

    def _look_around(self) -> None:
        """Wake the groups whose leader's node seems lost; now and then balance."""
        ctx = self._ctx
        self._looking = False
        if any(placement.raft for placement in ctx.by_id.values()):
            self._look_around_later()
        if not all(ctx.members.up(peer) for peer in ctx.peers):
            for where, group in self.groups.items():
                leader = group.leader
                if leader != ctx.node_id and not (leader and ctx.members.up(leader)):
                    self.wake(where)
        if ctx.now.mono_ms >= self._balance_at_ms:
            self._balance_at_ms = ctx.now.mono_ms + ctx.config.raft_balance_ms
            self._peers.bind_heard()
            self.leadership.balance()

    # --- layout ------------------------------------------------------------------------------

    def _follow_layout(self) -> None:
        """Let go of the groups of dropped keyspaces, load those of new ones."""
        ctx = self._ctx
        self._layout = ctx.layout
        for where in [w for w in self.groups if self.placement(w[0]) is None]:
            self.groups[where].drop()
            self._let_go(where)
        self._peers.forget_dropped()
        for placement in list(ctx.by_id.values()):
            if placement.raft:
                self._loading.load(placement)
                self._look_around_later()


def _forgot(group: Group, message: Message) -> bool:
    """Say whether a leader knows of entries here that are gone: this member's log was lost.

    A heartbeat tells no commit beyond what this member is known to hold.
    """
    member = group.raft.member
    held = member.log.last
    return message.kind is Kind.HEARTBEAT and message.term >= member.term and message.commit > held


def _nobody(*_: object) -> None:
    """Stand for whoever will want to hear of it."""
