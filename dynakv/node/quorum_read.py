"""Reads keys from their replicas: as many answers as needed, merged, and written back.

A quorum read may answer only when n - rq + 1 replicas hold what it answers: otherwise the next
quorum read could miss it and go backwards. Replicas that answered with the winner count; the others
are written to first (Attiya, Bar-Noy and Dolev, 1995; the lesson of many a store's read repair).
Whatever else turns out stale is repaired after the answer. Rows that a replica found damaged count
as no answer and are healed from the others. `node/write_back.py` does all that writing.
"""

from collections.abc import Callable
from functools import partial
from itertools import repeat

from dynakv.core.floors import merge_under
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, intact, merge
from dynakv.errors import Failure, Kind
from dynakv.node.callers import nobody
from dynakv.node.context import Context, Placement
from dynakv.node.messages import Failed, Load, Loaded, Outcome
from dynakv.node.replica import Replica
from dynakv.node.write_back import Findings, WriteBack


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
        self._needed = max(r, holders)
        self._deadline_ms = deadline_ms
        self._found = found
        self._failed = failed
        self._findings = Findings(keys)
        self._writes = WriteBack(
            ctx,
            replica,
            placement,
            self._findings,
            holders,
            deadline_ms,
            self._settle,
            self._not_written_back,
            self._ended,
        )
        self._open = len(keys)  # entries not answered yet
        # How many answers all entries have, as long as these are all alike and nothing failed.
        self._even: int | None = 0
        self._lost = [0] * len(keys)  # replicas that certainly give no intact answer
        self._mixed: set[int] = set()  # entries whose answers differ
        self._spare: dict[NodeId, list[int]] = {}  # replica -> entries it was not asked about yet
        self._calls: list[int] = []
        self._out = 0  # loads not answered yet
        self._over = False  # past the deadline

    def start(self) -> None:
        """Ask as many replicas as are needed, the own one and live ones first."""
        ctx = self._ctx
        needed, own = self._needed, ctx.node_id
        asked: dict[NodeId, list[int]] = {}
        sets = self._placement.split(self._findings.keys)
        for replicas, entries in sets.items():
            for position, replica in enumerate(self._by_preference(replicas)):
                chosen = asked if position < needed else self._spare
                if replica in chosen:
                    chosen[replica] = chosen[replica] + entries
                else:
                    chosen[replica] = entries
        ctx.at(self._deadline_ms, self._expire)
        if self._spare:
            ctx.pace.read(len(self._findings.keys))
            ctx.at(ctx.now.mono_ms + ctx.pace.hedge_after_ms(), self._hedge)
        if len(sets) > 1:
            asked = {replica: sorted(entries) for replica, entries in asked.items()}
        for replica, entries in asked.items():
            if replica != own:
                self._load(replica, entries)
        if own in asked:  # last: the others are further away
            self._load(own, asked[own])

    def _by_preference(self, replicas: tuple[NodeId, ...]) -> list[NodeId]:
        ctx = self._ctx
        turn = ctx.counters.gets % len(replicas)  # spreads the work over equal candidates
        rotated = replicas[turn:] + replicas[:turn]
        own = ctx.node_id
        now_ms, up, slow = ctx.now.mono_ms, ctx.members.up, ctx.pace.slow
        ranks = [
            0 if r == own else 3 if not up(r) else 2 if slow(r, now_ms) else 1 for r in rotated
        ]
        if sum(ranks) < len(ranks):  # all are well, and the own one is among them
            return [own, *[r for r in rotated if r != own]]
        return [r for _, _, r in sorted(zip(ranks, range(len(ranks)), rotated, strict=True))]

    def _load(self, replica: NodeId, entries: list[int]) -> None:
        ctx, keys = self._ctx, self._findings.keys
        if len(entries) < len(keys):
            keys = [keys[i] for i in entries]
        load = Load(self._placement.keyspace_id, self._placement.epoch, keys)
        then = partial(self._loaded, replica, entries, ctx.now.mono_ms)
        self._out += 1
        if replica == ctx.node_id:
            self._replica.load(load, then, own=True)
        else:
            self._calls.append(ctx.ask(replica, load, self._deadline_ms, then))

    def _loaded(self, replica: NodeId, entries: list[int], asked_ms: int, reply: object) -> None:
        if replica != self._ctx.node_id:
            self._ctx.pace.loaded(self._ctx.now.mono_ms - asked_ms)
        if self._over:
            return
        if isinstance(reply, Failed):
            self._count_lost(entries)
        else:
            assert isinstance(reply, Loaded)
            self._take_all(replica, entries, reply)
        self._writes.heal()
        self._out -= 1
        self._ended()

    def _ended(self) -> None:
        """After the last load or save was answered there is nothing to keep."""
        if not (self._out or self._writes.out or self._open):
            self._release()

    def _take_all(self, replica: NodeId, entries: list[int], reply: Loaded) -> None:
        records, floors, outcomes = reply.records, reply.floors, reply.outcomes
        if outcomes is None:
            self._merge(replica, entries, records, floors)
            return
        good = [place for place, outcome in enumerate(outcomes) if outcome is Outcome.OK]
        self._merge(
            replica,
            [entries[place] for place in good],
            [records[place] for place in good],
            None if floors is None else [floors[place] for place in good],
        )
        pairs = zip(entries, outcomes, strict=True)
        self._sort_out(replica, [(i, o) for i, o in pairs if o is not Outcome.OK])

    def _sort_out(self, replica: NodeId, outcomes: list[tuple[int, Outcome]]) -> None:
        """Deal with entries that came without an answer."""
        later = [i for i, outcome in outcomes if outcome is Outcome.LATER]
        wanted = [i for i in later if self._of_use(i)]
        if wanted:
            self._load(replica, wanted)
        for i, outcome in outcomes:
            self._writes.note_damage(replica, i, outcome)
        self._count_lost([i for i, outcome in outcomes if outcome is not Outcome.LATER])

    def _of_use(self, i: int) -> bool:
        """Say whether a further answer is of use: to the caller, or to heal a damaged row."""
        return not self._findings.settled[i] or self._writes.damaged(i)

    def _merge(
        self,
        replica: NodeId,
        entries: list[int],
        records: list[Record | None],
        floors: list[int] | None,
    ) -> None:
        """Take the answers of one replica; answer or write back what is complete.

        Past the needed ones, an answer only shows what to repair; while a winner is being written
        back nothing may change it, since the replicas that took it are being counted.
        """
        if self._all_alike(replica, entries, records, floors):
            return
        self._even = None
        best, answers, needed = self._findings.best, self._findings.answers, self._needed
        settled, tops = self._findings.settled, self._findings.tops
        own = replica == self._ctx.node_id
        ready: list[int] = []
        late: list[int] = []
        broken: list[int] = []
        for i, record, floor in zip(entries, records, floors or repeat(0)):  # noqa: B905 - endless
            complete = answers[i] >= needed
            if complete and not settled[i]:
                continue
            # Equality with an answer that was verified before stands for verification.
            if best[i] != record:
                if record is not None and not own and not self._answers_key(i, record):
                    broken.append(i)
                    continue
                self._take(i, record, floor)
                if complete:
                    late.append(i)
            elif floor > tops[i]:
                tops[i] = floor
            answers[i] += 1
            if answers[i] == needed:
                ready.append(i)
        self._writes.note_seen(replica, entries, records, floors, broken)
        self._conclude(ready, late)
        if broken:
            self._count_lost(broken)

    def _all_alike(
        self,
        replica: NodeId,
        entries: list[int],
        records: list[Record | None],
        floors: list[int] | None,
    ) -> bool:
        """Take an answer that is like those before it, for all entries; False: it is not.

        What nearly every answer is: as `_merge`, for a third of the time.
        """
        findings, even = self._findings, self._even
        count = len(findings.best)
        if even is None or even >= self._needed or floors is not None or len(entries) < count:
            return False
        if even:
            if findings.best != records:
                return False
        elif replica == self._ctx.node_id or self._answer_keys(records):
            findings.best[:] = records
        else:
            return False
        self._even = even + 1
        findings.answers[:] = [even + 1] * count
        self._writes.note_seen(replica, entries, records, None, [])
        if even + 1 == self._needed:
            self._settle(entries)
        return True

    def _answer_keys(self, records: list[Record | None]) -> bool:
        keys = self._findings.keys
        return all(
            record is None or (record.key == key and intact(record))
            for key, record in zip(keys, records, strict=True)
        )

    def _conclude(self, ready: list[int], late: list[int]) -> None:
        """Answer the entries that are ready; write back where answers differed."""
        clean = [i for i in ready if i not in self._mixed] if self._mixed else ready
        if clean:
            self._settle(clean)
        if len(clean) < len(ready) or late:
            self._writes.begin([i for i in ready if i in self._mixed] + late)

    def _answers_key(self, i: int, record: Record) -> bool:
        return record.key == self._findings.keys[i] and intact(record)

    def _take(self, i: int, record: Record | None, floor: int) -> None:
        """Merge an answer that differs from what was known; the first is taken as it is."""
        best, tops = self._findings.best, self._findings.tops
        if not self._findings.answers[i]:
            best[i], tops[i] = record, floor
            return
        self._mixed.add(i)
        if floor or tops[i]:
            self._hear(i, max(floor, tops[i]))
            best[i], tops[i] = merge_under(best[i], tops[i], record, floor)
        elif record is not None:
            known = best[i]
            best[i] = record if known is None else merge(known, record)

    def _hear(self, i: int, floor: int) -> None:
        """Let the own replica adopt a higher floor that another stands under."""
        group = self._placement.groups_of([self._findings.keys[i]])[0]
        self._ctx.cuts.hear(self._placement.keyspace_id, group, floor)

    def _settle(self, entries: list[int]) -> None:
        settled = self._findings.settled
        for i in entries:
            settled[i] = True
        self._open -= len(entries)
        self._found(entries, self._findings.best)

    def _not_written_back(self, entries: list[int]) -> None:
        self._fail(entries, "too few replicas took the winner of differing answers")

    def _count_lost(self, entries: list[int]) -> None:
        self._even = None
        n = self._placement.keyspace.n
        for i in entries:
            self._lost[i] += 1
        settled = self._findings.settled
        hopeless = [i for i in entries if not settled[i] and n - self._lost[i] < self._needed]
        if hopeless:
            self._fail(hopeless, "too few replicas answered")
        self._ask_spare(entries)

    def _ask_spare(self, entries: list[int] | None = None) -> None:
        """Ask the replicas not asked yet about entries (None: all that are open)."""
        wanted = None if entries is None else set(entries)
        for replica in sorted(self._spare):
            spare = self._spare[replica]
            asked = [i for i in spare if self._of_use(i) and (wanted is None or i in wanted)]
            if asked:
                chosen = set(asked)
                self._spare[replica] = [i for i in spare if i not in chosen]
                self._load(replica, sorted(asked))

    def _hedge(self) -> None:
        """Ask the remaining replicas too, or look again later whether that may be."""
        if not self._open or self._over:
            return
        ctx = self._ctx
        if ctx.pace.may_hedge(self._open):
            ctx.counters.hedged_reads += 1
            self._ask_spare()
        else:
            ctx.at(ctx.now.mono_ms + ctx.config.hedge_ms, self._hedge)

    def _expire(self) -> None:
        for call in self._calls:
            self._ctx.forget(call)
        self._writes.forget()
        self._over = True
        if self._open:
            self._fail(
                [i for i, settled in enumerate(self._findings.settled) if not settled],
                "too few replicas answered in time",
                Kind.TIMEOUT,
            )
        self._release()

    def _release(self) -> None:
        """Let go of values and callers: the deadline's timer keeps this object until it fires."""
        self._over = True
        self._findings.release()
        self._writes.release()
        self._found = self._failed = nobody

    def _fail(self, entries: list[int], why: str, kind: Kind = Kind.UNAVAILABLE) -> None:
        for i in entries:
            self._findings.settled[i] = True
        self._open -= len(entries)
        reason = (
            f"{why}: {self._needed} of {self._placement.keyspace.n} are needed"
            f" (keyspace {self._placement.name})"
        )
        self._failed(entries, Failure(kind, reason))
