"""Brings what a read found to the replicas that lack it: before the answer, after it, over damage.

One object per read. It knows which replica answered with what, and so who holds a winner already;
sends it to the others; and counts, where an answer waits for that, who took it. Rows that a replica
found damaged are overwritten with what was merged from enough others (`node/damage.py` says when).
"""

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from dynakv.core.floors import holds
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, with_value
from dynakv.node.context import Context, Placement
from dynakv.node.messages import Failed, Outcome, Save, Saved
from dynakv.node.replica import Replica


class Findings:
    """What a read knows of each of its keys; parallel lists, filled by the read."""

    __slots__ = ("answers", "best", "keys", "settled", "tops")

    def __init__(self, keys: list[bytes]) -> None:
        """Begin with nothing known."""
        self.keys = keys
        self.settled = [False] * len(keys)  # answered to the caller
        self.answers = [0] * len(keys)  # intact answers
        self.best: list[Record | None] = [None] * len(keys)  # merge of the intact answers
        self.tops = [0] * len(keys)  # the highest floor of an answer: `best` stands under it

    def release(self) -> None:
        """Let go of keys and values."""
        self.keys = []
        self.best = []


class WriteBack:
    """Writes winners of one read back. Every entry given to `begin` that was not settled ends in
    exactly one of `settle(entries)` and `hopeless(entries)`, unless the deadline comes first."""

    __slots__ = (
        "_calls",
        "_ctx",
        "_damaged",
        "_deadline_ms",
        "_ended",
        "_findings",
        "_healable",
        "_held",
        "_holders",
        "_hopeless",
        "_placement",
        "_replica",
        "_seen",
        "_settle",
        "_storing",
        "out",
    )

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        placement: Placement,
        findings: Findings,
        holders: int,
        deadline_ms: int,
        settle: Callable[[list[int]], None],
        hopeless: Callable[[list[int]], None],
        ended: Callable[[], None],
    ) -> None:
        """Prepare; `holders` replicas must hold a winner before it is settled (0: none need to).

        `ended` is called after each save was answered; `out` says how many are not.
        """
        self._ctx = ctx
        self._replica = replica
        self._placement = placement
        self._findings = findings
        self._holders = holders
        self._deadline_ms = deadline_ms
        self._settle = settle
        self._hopeless = hopeless
        self._ended = ended
        self.out = 0
        self._damaged: dict[int, list[NodeId]] = {}  # entry -> replicas whose row is damaged
        self._healable: dict[int, list[NodeId]] = {}  # ... and may be overwritten
        # Answers: replica, entries, records, and floors where some is not 0.
        self._seen: list[tuple[NodeId, list[int], list[Record | None], list[int] | None]] = []
        self._held: dict[int, set[NodeId]] = {}  # entries written back -> replicas that hold them
        self._storing: dict[int, int] = {}  # ... -> saves not answered yet
        self._calls: list[int] = []

    def note_seen(
        self,
        replica: NodeId,
        entries: list[int],
        records: list[Record | None],
        floors: list[int] | None,
        broken: list[int],
    ) -> None:
        """Remember who holds what; an answer that was corrupted (`broken`) shows nothing."""
        if broken:
            bad = set(broken)
            good = [place for place, i in enumerate(entries) if i not in bad]
            entries, records = [entries[p] for p in good], [records[p] for p in good]
            floors = None if floors is None else [floors[p] for p in good]
        self._seen.append((replica, entries, records, floors))

    def note_damage(self, replica: NodeId, i: int, outcome: Outcome) -> None:
        """Remember whose row is damaged, and whether it may be overwritten."""
        if outcome in {Outcome.DAMAGED, Outcome.HEALABLE}:
            self._damaged.setdefault(i, []).append(replica)
        if outcome is Outcome.HEALABLE:
            self._healable.setdefault(i, []).append(replica)

    def damaged(self, i: int) -> bool:
        """Say whether some replica's row of the entry is damaged."""
        return i in self._damaged

    def begin(self, entries: list[int]) -> None:
        """Send each winner to every replica not known to hold it; settle what holds already."""
        ctx, findings = self._ctx, self._findings
        stale: dict[NodeId, list[int]] = {}
        enough: list[int] = []
        for i in entries:
            record = findings.best[i]
            if record is None:  # what differed is void (`core/floors.py`)
                if not findings.settled[i]:
                    enough.append(i)
                continue
            holding = self._holding(i, record)
            damaged = self._damaged.get(i, [])
            targets = [r for r in self._replicas_of(i) if r not in holding and r not in damaged]
            for replica in targets:
                stale.setdefault(replica, []).append(i)
            if findings.settled[i]:
                continue
            if len(holding) >= self._holders:
                enough.append(i)
            else:
                self._held[i] = set(holding)
                self._storing[i] = len(targets)
        ctx.counters.read_repairs += len(entries)
        ctx.counters.write_backs += len(entries) - len(enough)
        if enough:
            self._settle(enough)
        for replica in sorted(stale):
            winners = [r for i in sorted(stale[replica]) if (r := findings.best[i]) is not None]
            self._save(replica, sorted(stale[replica]), winners, heals=False)

    def heal(self) -> None:
        """Overwrite damaged rows with what was merged from enough other replicas.

        Not before an entry is answered or its winner chosen: a heal that holds less than the winner
        must not pass for a holder of it.
        """
        if not self._healable:
            return
        keyspace, findings = self._placement.keyspace, self._findings
        enough = max(keyspace.rq, keyspace.n - keyspace.wq + 1)
        for i in [i for i in self._healable if findings.answers[i] >= enough]:
            if not findings.settled[i] and i not in self._storing:
                continue
            # Where no other replica holds anything, nothing, stamped 0.
            record = findings.best[i] or with_value(findings.keys[i], None, 0, 0)
            for replica in self._healable.pop(i):
                if i in self._storing:  # may hold the winner in place of another
                    self._storing[i] += 1
                self._save(replica, [i], [record], heals=True)

    def forget(self) -> None:
        """Ignore the replies to the saves that are still out: the deadline has come."""
        for call in self._calls:
            self._ctx.forget(call)

    def release(self) -> None:
        """Let go of values."""
        self._seen = []

    def _holding(self, i: int, record: Record) -> list[NodeId]:
        holding: list[NodeId] = []
        for replica, entries, records, floors in self._seen:
            place = bisect_left(entries, i)
            if place < len(entries) and entries[place] == i:
                floor = 0 if floors is None else floors[place]
                if holds(records[place], floor, record):
                    holding.append(replica)
        return holding

    def _save(
        self, replica: NodeId, entries: list[int], records: list[Record], *, heals: bool
    ) -> None:
        ctx = self._ctx
        floors = [self._findings.tops[i] for i in entries]
        keyspace, epoch = self._placement.keyspace_id, self._placement.epoch
        save = Save(keyspace, epoch, records, heals=heals, floors=floors)
        then = partial(self._saved, replica, entries)
        self.out += 1
        if replica == ctx.node_id:
            self._replica.save(save, then, own=False)
        else:
            self._calls.append(ctx.ask(replica, save, self._deadline_ms, then))

    def _saved(self, replica: NodeId, entries: list[int], reply: object) -> None:
        self._count_saved(replica, entries, reply)
        self.out -= 1
        self._ended()

    def _count_saved(self, replica: NodeId, entries: list[int], reply: object) -> None:
        """Count a write-back; settle the entries that enough replicas hold now."""
        outcomes = reply.outcomes if isinstance(reply, Saved) else None
        failed = isinstance(reply, Failed)
        done, hopeless = [], []
        for position, i in enumerate(entries):
            if self._findings.settled[i] or i not in self._held:
                continue
            self._storing[i] -= 1
            outcome = Outcome.OK if outcomes is None else outcomes[position]
            if not failed and outcome is Outcome.OK:
                self._held[i].add(replica)  # once, whether by a write-back, a heal or both
            elif outcome is Outcome.FENCED:
                # Old, and read under another floor: only a comparison can bring it there.
                self._want_repair(i, replica)
            if len(self._held[i]) >= self._holders:
                done.append(i)
            elif len(self._held[i]) + self._storing[i] < self._holders:
                hopeless.append(i)
        if done:
            self._settle(done)
        if hopeless:
            self._hopeless(hopeless)

    def _want_repair(self, i: int, replica: NodeId) -> None:
        """Have the group compared: here with that replica, or where this is none with any."""
        group = self._placement.groups_of([self._findings.keys[i]])[0]
        keyspace, own = self._placement.keyspace_id, self._ctx.node_id
        if self._placement.held[group] and replica != own:
            self._ctx.repair_wanted.add(keyspace, group, replica)
            return
        for peer in self._placement.replicas[group]:
            if peer != own:
                self._ctx.repair_wanted.add(keyspace, group, peer)

    def _replicas_of(self, i: int) -> tuple[NodeId, ...]:
        group = self._placement.groups_of([self._findings.keys[i]])[0]
        return self._placement.replicas[group]
