"""Get: ask replicas, merge at r, write the winner back where the level promises it, then answer.

A quorum read may answer only when n - rq + 1 replicas hold what it answers: otherwise the next
quorum read could miss it and go backwards. Replicas that answered with the winner count; the others
are written to first (Attiya, Bar-Noy and Dolev, 1995; the lesson of many a store's read repair).
Whatever else turns out stale is repaired after the answer.
"""

from collections.abc import Callable
from functools import partial

from dynakv.core.record import Record, covers, expired, intact, merge
from dynakv.errors import Failure, Kind
from dynakv.node.callers import Callers
from dynakv.node.context import Context, Placement
from dynakv.node.messages import Failed, Found, Get, Load, Loaded, Outcome, Save, Saved
from dynakv.node.replica import Replica


class GetBatch:
    """Gets of one turn that share keyspace, level and deadline, served as one operation."""

    __slots__ = (
        "_callers",
        "_ctx",
        "_deadline_ms",
        "_holders",
        "_keys",
        "_placement",
        "_r",
        "_replica",
    )

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        first: Get,
        r: int,
        holders: int,
        deadline_ms: int,
    ) -> None:
        """Begin a batch of gets like `first`, which is not yet added."""
        self._ctx = ctx
        self._replica = replica
        self._placement = ctx.by_name[first.keyspace]
        self._r = r
        self._holders = holders
        self._deadline_ms = deadline_ms
        self._callers = Callers(ctx)
        self._keys: list[bytes] = []

    @property
    def size(self) -> int:
        """How many entries the batch has."""
        return len(self._keys)

    def add(self, call: int, get: Get) -> None:
        """Append a message's entries."""
        self._callers.add(call, len(get.keys))
        self._keys += get.keys

    def start(self) -> None:
        """Read the entries."""
        if not self._ctx.guard.trusted:
            self._ctx.counters.clock_refusals += 1
            self._callers.refuse_all(
                Kind.UNAVAILABLE, f"node {self._ctx.node_id} does not trust its clock"
            )
            return
        self._ctx.counters.gets += len(self._keys)
        QuorumRead(
            self._ctx,
            self._replica,
            self._placement,
            self._keys,
            self._r,
            self._holders,
            self._deadline_ms,
            self._found,
            self._callers.refuse,
        ).start()

    def _found(self, entries: list[int], records: list[Record | None]) -> None:
        now_ms = self._ctx.believed_ms()

        def part(own: list[int], mine: list[int]) -> Found:
            return Found(own, [_seen(records[i], now_ms) for i in mine])

        self._callers.answer(entries, part)


def _seen(record: Record | None, now_ms: int) -> Record | None:
    """Return what a reader sees of a record: an expired one as its tombstone."""
    if record is None or not record.expiry_ms or not expired(record, now_ms):
        return record
    return Record(
        record.key,
        None,
        record.value_time,
        record.value_writer,
        record.expiry_ms,
        record.expiry_time,
        record.expiry_writer,
        record.checksum,
    )


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
        self._damaged: dict[int, list[str]] = {}  # entry -> replicas whose row is damaged
        self._seen: list[tuple[str, list[int], list[Record | None]]] = []
        self._spare: dict[str, list[int]] = {}  # replica -> entries it was not asked about yet
        self._held: dict[int, int] = {}  # entries being written back -> replicas that hold them
        self._storing: dict[int, int] = {}  # ... -> replicas asked to store them
        self._calls: list[int] = []
        self._over = False  # past the deadline

    def start(self) -> None:
        """Ask as many replicas as are needed, the own one and live ones first."""
        ctx = self._ctx
        asked: dict[str, list[int]] = {}
        for replicas, entries in self._placement.split(self._keys).items():
            for position, replica in enumerate(self._by_preference(replicas)):
                chosen = asked if position < self._needed else self._spare
                chosen.setdefault(replica, []).extend(entries)
        ctx.at(self._deadline_ms, self._expire)
        if self._spare:
            ctx.at(ctx.now.mono_ms + ctx.config.hedge_ms, self._hedge)
        for replica in sorted(asked, key=lambda replica: replica == ctx.node_id):
            self._load(replica, sorted(asked[replica]))

    def _by_preference(self, replicas: tuple[str, ...]) -> list[str]:
        ctx = self._ctx
        turn = ctx.counters.gets % len(replicas)  # spreads the work over equal candidates
        rotated = replicas[turn:] + replicas[:turn]
        own = ctx.node_id
        return sorted(rotated, key=lambda r: 0 if r == own else 1 if ctx.members.up(r) else 2)

    def _load(self, replica: str, entries: list[int]) -> None:
        ctx, keys = self._ctx, self._keys
        if len(entries) < len(keys):
            keys = [keys[i] for i in entries]
        load = Load(self._placement.keyspace_id, ctx.layout.epoch, keys)
        then = partial(self._loaded, replica, entries)

        if replica == ctx.node_id:
            self._replica.load(load, then)
        else:
            self._calls.append(ctx.ask(replica, load, self._deadline_ms, then))

    def _loaded(self, replica: str, entries: list[int], reply: object) -> None:
        if self._over:
            return
        if isinstance(reply, Failed):
            self._count_lost(entries)
            return
        assert isinstance(reply, Loaded)
        records = reply.records
        if reply.outcomes is not None:
            bad = [i for i, o in zip(entries, reply.outcomes, strict=True) if o is not Outcome.OK]
            for i in bad:
                self._damaged.setdefault(i, []).append(replica)
            pairs = zip(entries, records, reply.outcomes, strict=True)
            good = [(i, record) for i, record, o in pairs if o is Outcome.OK]
            entries, records = [i for i, _ in good], [record for _, record in good]
            self._merge(replica, entries, records)
            self._count_lost(bad)
        else:
            self._merge(replica, entries, records)
        if self._damaged:
            self._heal()

    def _merge(self, replica: str, entries: list[int], records: list[Record | None]) -> None:
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
                if record is not None and not own and not intact(record):
                    broken.append(i)
                    continue
                self._take(i, record)
                if complete:
                    late.append(i)
            answers[i] += 1
            if answers[i] == needed:
                ready.append(i)
        self._seen.append((replica, entries, records))
        clean = [i for i in ready if i not in self._mixed] if self._mixed else ready
        if clean:
            self._settle(clean)
        if len(clean) < len(ready) or late:
            self._write_back([i for i in ready if i in self._mixed] + late)
        if broken:
            self._count_lost(broken)

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
        stale: dict[str, list[int]] = {}
        enough: list[int] = []
        for i in entries:
            record = self._best[i]
            assert record is not None
            holding = self._holding(i, record)
            damaged = self._damaged.get(i, ())
            targets = [r for r in self._replicas_of(i) if r not in holding and r not in damaged]
            for replica in targets:
                stale.setdefault(replica, []).append(i)
            if self._settled[i]:
                continue
            if len(holding) >= self._holders:
                enough.append(i)
            else:
                self._held[i] = len(holding)
                self._storing[i] = len(targets)
        ctx.counters.read_repairs += len(entries)
        ctx.counters.write_backs += len(entries) - len(enough)
        if enough:
            self._settle(enough)
        for replica in sorted(stale):
            self._save(replica, sorted(stale[replica]), heals=False)

    def _holding(self, i: int, record: Record) -> list[str]:
        holding = []
        for replica, entries, records in self._seen:
            if i in entries:
                theirs = records[entries.index(i)]
                if theirs is not None and covers(theirs, record):
                    holding.append(replica)
        return holding

    def _save(self, replica: str, entries: list[int], *, heals: bool) -> None:
        ctx = self._ctx
        records = [record for i in entries if (record := self._best[i]) is not None]
        save = Save(self._placement.keyspace_id, ctx.layout.epoch, records, heals=heals)

        then = partial(self._saved, entries)
        if replica == ctx.node_id:
            self._replica.save(save, then, own=False)
        else:
            self._calls.append(ctx.ask(replica, save, self._deadline_ms, then))

    def _saved(self, entries: list[int], reply: object) -> None:
        """Count a write-back; answer the entries that enough replicas hold now."""
        outcomes = reply.outcomes if isinstance(reply, Saved) else None
        failed = isinstance(reply, Failed)
        done, hopeless = [], []
        for position, i in enumerate(entries):
            if self._settled[i] or i not in self._held:
                continue
            self._storing[i] -= 1
            if not failed and (outcomes is None or outcomes[position] is Outcome.OK):
                self._held[i] += 1
            if self._held[i] >= self._holders:
                done.append(i)
            elif self._held[i] + self._storing[i] < self._holders:
                hopeless.append(i)
        if done:
            self._settle(done)
        if hopeless:
            self._fail(hopeless, "too few replicas took the winner of differing answers")

    def _heal(self) -> None:
        """Overwrite damaged rows with what was merged from enough other replicas."""
        keyspace = self._placement.keyspace
        enough = max(keyspace.rq, keyspace.n - keyspace.wq + 1)
        for i in [i for i in self._damaged if self._answers[i] >= enough]:
            for replica in self._damaged.pop(i):
                if self._best[i] is not None:
                    self._save(replica, [i], heals=True)

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
                self._spare[replica] = [i for i in spare if i not in asked]
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
        self._seen = []
        self._best = []

    def _fail(self, entries: list[int], why: str, kind: Kind = Kind.UNAVAILABLE) -> None:
        for i in entries:
            self._settled[i] = True
        self._open -= len(entries)
        reason = (
            f"{why}: {self._needed} of {self._placement.keyspace.n} are needed"
            f" (keyspace {self._placement.name})"
        )
        self._failed(entries, Failure(kind, reason))

    def _replicas_of(self, i: int) -> tuple[str, ...]:
        group = self._placement.groups_of([self._keys[i]])[0]
        return self._placement.replicas[group]
