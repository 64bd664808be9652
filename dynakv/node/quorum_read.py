"""Reads keys from their replicas: as many answers as needed, merged, and written back.

A quorum read may answer only when n - rq + 1 replicas hold what it answers: otherwise the next
quorum read could miss it and go backwards. Replicas that answered with the winner count; the others
are written to first (Attiya, Bar-Noy and Dolev, 1995; the lesson of many a store's read repair).
Whatever else turns out stale is repaired after the answer. Rows that a replica found damaged count
as no answer and are healed from the others.
"""

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from dynakv.core.layout import NodeId
from dynakv.core.record import Record, covers, intact, merge, with_value
from dynakv.errors import Failure, Kind
from dynakv.node.callers import nobody
from dynakv.node.context import Context, Placement
from dynakv.node.messages import Failed, Load, Loaded, Outcome, Save, Saved
from dynakv.node.replica import Replica


class QuorumRead:
    """Reads keys from r replicas each; many keys, one ask per replica and round.

    Every entry ends in exactly one of `found(entries, records)`, where `records` is parallel to all
    keys, and `failed(entries, failure)`.
    """

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        placement: Placement,
        keys: list[bytes],
        r: int,
        holders: int,
        deadline_ms: int,
        found: Callable[[list[int], list[Record | None]], None],
        failed: Callable[[list[int], Failure], None],
    ) -> None:
        """Prepare; `holders` replicas must hold an answer before it leaves (0: none need to)."""
        self._ctx = ctx
        self._replica = replica
        self._placement = placement
        self._keys = keys
        self._needed = max(r, holders)
        self._holders = holders
        self._deadline_ms = deadline_ms
        self._found = found
        self._failed = failed
        n = len(keys)
        self._open = n  # entries not answered yet
        self._settled = [False] * n
        self._answers = [0] * n  # intact answers
        self._lost = [0] * n  # replicas that certainly give no intact answer
        self._best: list[Record | None] = [None] * n  # merge of the intact answers
        self._mixed: set[int] = set()  # entries whose answers differ
        self._damaged: dict[int, list[NodeId]] = {}  # entry -> replicas whose row is damaged
        self._healable: dict[int, list[NodeId]] = {}  # ... and may be overwritten
        self._seen: list[tuple[NodeId, list[int], list[Record | None]]] = []
        self._spare: dict[NodeId, list[int]] = {}  # replica -> entries it was not asked about yet
        self._held: dict[int, set[NodeId]] = {}  # entries written back -> replicas that hold them
        self._storing: dict[int, int] = {}  # ... -> saves not answered yet
        self._calls: list[int] = []
        self._out = 0  # loads and saves not answered yet
        self._over = False  # past the deadline

    def start(self) -> None:
        """Ask as many replicas as are needed, the own one and live ones first."""
        ctx = self._ctx
        asked: dict[NodeId, list[int]] = {}
        for replicas, entries in self._placement.split(self._keys).items():
            for position, replica in enumerate(self._by_preference(replicas)):
                chosen = asked if position < self._needed else self._spare
                chosen.setdefault(replica, []).extend(entries)
        ctx.at(self._deadline_ms, self._expire)
        if self._spare:
            ctx.at(ctx.now.mono_ms + ctx.config.hedge_ms, self._hedge)
        for replica in sorted(asked, key=lambda replica: replica == ctx.node_id):
            self._load(replica, sorted(asked[replica]))

    def _by_preference(self, replicas: tuple[NodeId, ...]) -> list[NodeId]:
        ctx = self._ctx
        turn = ctx.counters.gets % len(replicas)  # spreads the work over equal candidates
        rotated = replicas[turn:] + replicas[:turn]
        own = ctx.node_id
        return sorted(rotated, key=lambda r: 0 if r == own else 1 if ctx.members.up(r) else 2)

    def _load(self, replica: NodeId, entries: list[int]) -> None:
        ctx, keys = self._ctx, self._keys
        if len(entries) < len(keys):
            keys = [keys[i] for i in entries]
        load = Load(self._placement.keyspace_id, self._placement.epoch, keys)
        then = partial(self._loaded, replica, entries)
        self._out += 1
        if replica == ctx.node_id:
            self._replica.load(load, then, own=True)
        else:
            self._calls.append(ctx.ask(replica, load, self._deadline_ms, then))

    def _loaded(self, replica: NodeId, entries: list[int], reply: object) -> None:
        if self._over:
            return
        if isinstance(reply, Failed):
            self._count_lost(entries)
        else:
            assert isinstance(reply, Loaded)
            self._take_all(replica, entries, reply)
        if self._healable:
            self._heal()
        self._ended()

    def _ended(self) -> None:
        """Count a load or save as answered; after the last one there is nothing to keep."""
        self._out -= 1
        if not (self._out or self._open):
            self._release()

    def _take_all(self, replica: NodeId, entries: list[int], reply: Loaded) -> None:
        records = reply.records
        if reply.outcomes is None:
            self._merge(replica, entries, records)
            return
        triples = list(zip(entries, records, reply.outcomes, strict=True))
        good = [(i, record) for i, record, o in triples if o is Outcome.OK]
        self._merge(replica, [i for i, _ in good], [record for _, record in good])
        self._sort_out(replica, [(i, o) for i, _, o in triples if o is not Outcome.OK])

    def _sort_out(self, replica: NodeId, outcomes: list[tuple[int, Outcome]]) -> None:
        """Deal with entries that came without an answer."""
        later = [i for i, outcome in outcomes if outcome is Outcome.LATER]
        wanted = [i for i in later if not self._settled[i] or i in self._damaged]
        if wanted:
            self._load(replica, wanted)
        for i, outcome in outcomes:
            if outcome in {Outcome.DAMAGED, Outcome.HEALABLE}:
                self._damaged.setdefault(i, []).append(replica)
            if outcome is Outcome.HEALABLE:
                self._healable.setdefault(i, []).append(replica)
        self._count_lost([i for i, outcome in outcomes if outcome is not Outcome.LATER])

    def _merge(self, replica: NodeId, entries: list[int], records: list[Record | None]) -> None:
        """Take the answers of one replica; answer or write back what is complete.

        Past the needed ones, an answer only shows what to repair; while a winner is being written
        back nothing may change it, since the replicas that took it are being counted.
        """
        best, answers, needed = self._best, self._answers, self._needed
        own = replica == self._ctx.node_id
        ready: list[int] = []
        late: list[int] = []
        broken: list[int] = []
        for i, record in zip(entries, records, strict=True):
            complete = answers[i] >= needed
            if complete and not self._settled[i]:
                continue
            # Equality with an answer that was verified before stands for verification.
            if best[i] != record:
                if record is not None and not own and not self._answers_key(i, record):
                    broken.append(i)
                    continue
                self._take(i, record)
                if complete:
                    late.append(i)
            answers[i] += 1
            if answers[i] == needed:
                ready.append(i)
        self._note_seen(replica, entries, records, broken)
        clean = [i for i in ready if i not in self._mixed] if self._mixed else ready
        if clean:
            self._settle(clean)
        if len(clean) < len(ready) or late:
            self._write_back([i for i in ready if i in self._mixed] + late)
        if broken:
            self._count_lost(broken)

    def _note_seen(
        self,
        replica: NodeId,
        entries: list[int],
        records: list[Record | None],
        broken: list[int],
    ) -> None:
        """Remember who holds what; an answer that was corrupted shows nothing."""
        if broken:
            bad = set(broken)
            pairs = [(i, r) for i, r in zip(entries, records, strict=True) if i not in bad]
            entries, records = [i for i, _ in pairs], [r for _, r in pairs]
        self._seen.append((replica, entries, records))

    def _answers_key(self, i: int, record: Record) -> bool:
        return record.key == self._keys[i] and intact(record)

    def _take(self, i: int, record: Record | None) -> None:
        """Merge an answer that differs from what was known; the first is taken as it is."""
        known = self._best[i]
        if self._answers[i]:
            self._mixed.add(i)
        if record is not None:
            self._best[i] = record if known is None else merge(known, record)

    def _settle(self, entries: list[int]) -> None:
        for i in entries:
            self._settled[i] = True
        self._open -= len(entries)
        self._found(entries, self._best)

    def _write_back(self, entries: list[int]) -> None:
        """Send each winner to every replica not known to hold it; answer what holds already."""
        ctx = self._ctx
        stale: dict[NodeId, list[int]] = {}
        enough: list[int] = []
        for i in entries:
            record = self._best[i]
            assert record is not None
            holding = self._holding(i, record)
            damaged = self._damaged.get(i, [])
            targets = [r for r in self._replicas_of(i) if r not in holding and r not in damaged]
            for replica in targets:
                stale.setdefault(replica, []).append(i)
            if self._settled[i]:
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
            winners = [r for i in sorted(stale[replica]) if (r := self._best[i]) is not None]
            self._save(replica, sorted(stale[replica]), winners, heals=False)

    def _holding(self, i: int, record: Record) -> list[NodeId]:
        holding: list[NodeId] = []
        for replica, entries, records in self._seen:
            place = bisect_left(entries, i)
            if place < len(entries) and entries[place] == i:
                theirs = records[place]
                if theirs is not None and covers(theirs, record):
                    holding.append(replica)
        return holding

    def _save(
        self, replica: NodeId, entries: list[int], records: list[Record], *, heals: bool
    ) -> None:
        ctx = self._ctx
        save = Save(self._placement.keyspace_id, self._placement.epoch, records, heals=heals)
        then = partial(self._saved, replica, entries)
        self._out += 1
        if replica == ctx.node_id:
            self._replica.save(save, then, own=False)
        else:
            self._calls.append(ctx.ask(replica, save, self._deadline_ms, then))

    def _saved(self, replica: NodeId, entries: list[int], reply: object) -> None:
        self._count_saved(replica, entries, reply)
        self._ended()

    def _count_saved(self, replica: NodeId, entries: list[int], reply: object) -> None:
        """Count a write-back; answer the entries that enough replicas hold now."""
        outcomes = reply.outcomes if isinstance(reply, Saved) else None
        failed = isinstance(reply, Failed)
        done, hopeless = [], []
        for position, i in enumerate(entries):
            if self._settled[i] or i not in self._held:
                continue
            self._storing[i] -= 1
            if not failed and (outcomes is None or outcomes[position] is Outcome.OK):
                self._held[i].add(replica)  # once, whether by a write-back, a heal or both
            if len(self._held[i]) >= self._holders:
                done.append(i)
            elif len(self._held[i]) + self._storing[i] < self._holders:
                hopeless.append(i)
        if done:
            self._settle(done)
        if hopeless:
            self._fail(hopeless, "too few replicas took the winner of differing answers")

    def _heal(self) -> None:
        """Overwrite damaged rows with what was merged from enough other replicas.

        Not before an entry is answered or its winner chosen: a heal that holds less than the winner
        must not pass for a holder of it.
        """
        keyspace = self._placement.keyspace
        enough = max(keyspace.rq, keyspace.n - keyspace.wq + 1)
        for i in [i for i in self._healable if self._answers[i] >= enough]:
            if not self._settled[i] and i not in self._storing:
                continue
            # Where no other replica holds anything, nothing, stamped 0.
            record = self._best[i] or with_value(self._keys[i], None, 0, 0)
            for replica in self._healable.pop(i):
                if i in self._storing:  # may hold the winner in place of another
                    self._storing[i] += 1
                self._save(replica, [i], [record], heals=True)

    def _count_lost(self, entries: list[int]) -> None:
        n = self._placement.keyspace.n
        for i in entries:
            self._lost[i] += 1
        hopeless = [i for i in entries if not self._settled[i] and n - self._lost[i] < self._needed]
        if hopeless:
            self._fail(hopeless, "too few replicas answered")
        self._ask_spare(entries)

    def _ask_spare(self, entries: list[int] | None = None) -> None:
        """Ask the replicas not asked yet about entries (None: all that are open)."""
        wanted = None if entries is None else set(entries)
        for replica in sorted(self._spare):
            spare = self._spare[replica]
            asked = [
                i
                for i in spare
                if (not self._settled[i] or i in self._damaged) and (wanted is None or i in wanted)
            ]
            if asked:
                chosen = set(asked)
                self._spare[replica] = [i for i in spare if i not in chosen]
                self._load(replica, sorted(asked))

    def _hedge(self) -> None:
        if self._open:
            self._ctx.counters.hedged_reads += 1
            self._ask_spare()

    def _expire(self) -> None:
        for call in self._calls:
            self._ctx.forget(call)
        self._over = True
        if self._open:
            self._fail(
                [i for i, settled in enumerate(self._settled) if not settled],
                "too few replicas answered in time",
                Kind.TIMEOUT,
            )
        self._release()

    def _release(self) -> None:
        """Let go of values and callers: the deadline's timer keeps this object until it fires."""
        self._over = True
        self._keys = []
        self._seen = []
        self._best = []
        self._found = self._failed = nobody

    def _fail(self, entries: list[int], why: str, kind: Kind = Kind.UNAVAILABLE) -> None:
        for i in entries:
            self._settled[i] = True
        self._open -= len(entries)
        reason = (
            f"{why}: {self._needed} of {self._placement.keyspace.n} are needed"
            f" (keyspace {self._placement.name})"
        )
        self._failed(entries, Failure(kind, reason))

    def _replicas_of(self, i: int) -> tuple[NodeId, ...]:
        group = self._placement.groups_of([self._keys[i]])[0]
        return self._placement.replicas[group]
