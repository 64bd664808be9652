"""Brings records to their replicas and counts who has them on disk.

An entry is decided when w replicas have it on disk, or when w cannot be reached any more: then it
was refused if no replica can have taken it, and its outcome is unknown otherwise. DeCandia et al.,
"Dynamo" (2007), section 4.5, without its sloppy quorum: only replicas of the key count.

When every replica has answered, or at the deadline, what a replica did not take becomes a hint for
it (`node/hints.py`), if any replica took it. That is so for all that was acknowledged and for what
is unknown for good reason, never for what was refused: hints decide nothing, and count for nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from dynakv.core.layout import NodeId
from dynakv.core.record import Record, merge
from dynakv.errors import Failure, Kind
from dynakv.node.callers import nobody
from dynakv.node.context import Context, Placement
from dynakv.node.messages import NOTHING_DONE, Failed, Outcome, Save, Saved
from dynakv.node.replica import Replica

_SETTLED: Final = -(1 << 20)  # added to a count of acknowledgements: answered as failed


class QuorumWrite:
    """Brings records to w of their replicas; many keys, one ask per replica.

    Every entry ends in exactly one of `stored(entries, previous)` and `failed(entries, failure)`;
    `previous` is parallel to all records, and empty where it was not wanted.
    """

    __slots__ = (
        "_acks",
        "_asked",
        "_calls",
        "_ctx",
        "_deadline_ms",
        "_even",
        "_failed",
        "_lost",
        "_missed",
        "_placement",
        "_previous",
        "_records",
        "_replica",
        "_stored",
        "_undecided",
        "_unsure",
        "_w",
        "_wants_previous",
    )

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        placement: Placement,
        records: list[Record],
        w: int,
        deadline_ms: int,
        stored: Callable[[list[int], list[Record | None]], None],
        failed: Callable[[list[int], Failure], None],
        *,
        previous: bool = False,
    ) -> None:
        """Prepare; `deadline_ms` is monotonic."""
        self._ctx = ctx
        self._replica = replica
        self._placement = placement
        self._records = records
        self._w = w
        self._deadline_ms = deadline_ms
        self._stored = stored
        self._failed = failed
        self._wants_previous = previous
        self._previous: list[Record | None] = [None] * len(records) if previous else []
        self._undecided = len(records)
        self._acks = [0] * len(records)  # replicas that hold the entry on disk, plus _SETTLED
        self._even: int | None = 0  # the count of all entries, while they are alike, none lost
        self._lost = [0] * len(records)  # replicas that certainly do not answer OK any more
        self._unsure: set[int] = set()  # entries that a lost replica may have taken all the same
        self._calls: list[int] = []
        self._asked: dict[NodeId, list[int]] = {}  # replicas that have not answered yet
        # What did not reach whom; the outcome where the replica said it.
        self._missed: list[tuple[NodeId, list[int], Outcome | None]] = []

    def start(self) -> None:
        """Ask all replicas of all entries, the own one last: the others are further away."""
        ctx, own = self._ctx, self._ctx.node_id
        keys = [record.key for record in self._records]
        asked: dict[NodeId, list[int]] = {}
        sets = self._placement.split(keys)
        for replicas, entries in sets.items():
            up = sum(replica == own or ctx.members.up(replica) for replica in replicas)
            if up < self._w:
                self._fail(entries, Kind.UNAVAILABLE, self._too_few("up", up, len(replicas)))
                continue
            for replica in replicas:
                asked[replica] = asked[replica] + entries if replica in asked else entries
        if not asked:
            return  # all refused: no timer that would keep them
        if len(sets) > 1:
            asked = {replica: sorted(entries) for replica, entries in asked.items()}
        self._asked = asked
        ctx.at(self._deadline_ms, self._expire)
        whole = self._save(self._records)
        for replica in [replica for replica in asked if replica != own]:
            self._ask(replica, asked[replica], whole)
        if own in asked:
            self._ask(own, asked[own], whole)

    def _save(self, records: list[Record]) -> Save:
        placement = self._placement
        return Save(placement.keyspace_id, placement.epoch, records, self._wants_previous)

    def _ask(self, replica: NodeId, entries: list[int], whole: Save) -> None:
        """Ask for these entries; whoever gets all of them gets one and the same message."""
        ctx = self._ctx
        save = whole
        if len(entries) < len(whole.records):
            save = self._save([whole.records[i] for i in entries])
        then = partial(self._saved, replica, entries)
        if replica == ctx.node_id:
            self._replica.save(save, then, own=True)
        else:
            self._calls.append(ctx.ask(replica, save, self._deadline_ms, then))

    def _saved(self, replica: NodeId, entries: list[int], reply: object) -> None:
        if self._asked.pop(replica, None) is None:
            return  # the own disk, after the deadline
        self._take(replica, entries, reply)
        if not self._undecided:
            self._let_go_of_callers()
        if not self._asked:
            self._finish()

    def _let_go_of_callers(self) -> None:
        """All is answered: what follows concerns only replicas that are still out."""
        self._previous = []
        self._stored = self._failed = nobody

    def _finish(self) -> None:
        """Nobody is out any more: keep hints, then let go of values, for the timer keeps this."""
        for replica, entries, outcome in self._missed:
            taken = [self._records[i] for i in entries if self._has_acks(i)]
            if taken:
                self._ctx.missed(self._placement, replica, taken, outcome)
        self._missed = []
        self._records = []

    def _has_acks(self, i: int) -> bool:
        acks = self._acks[i]
        return (acks if acks >= 0 else acks - _SETTLED) > 0

    def _take(self, replica: NodeId, entries: list[int], reply: object) -> None:
        if isinstance(reply, Failed):
            self._missed.append((replica, entries, None))
            self._count_lost(entries, sure=reply.reason in NOTHING_DONE)
            return
        assert isinstance(reply, Saved)
        if self._previous and reply.before is not None:
            self._observe(entries, reply.before)
        if reply.outcomes is None:
            self._count(entries)
            return
        by_outcome: dict[Outcome, list[int]] = {}
        for i, outcome in zip(entries, reply.outcomes, strict=True):
            by_outcome.setdefault(outcome, []).append(i)
        self._count(by_outcome.pop(Outcome.OK, []))
        for outcome, lost in by_outcome.items():
            self._missed.append((replica, lost, outcome))
            self._count_lost(lost, sure=True)

    def _count(self, entries: list[int]) -> None:
        acks, w, lost = self._acks, self._w, self._lost
        if self._even is not None and len(entries) == len(acks):  # as below, for all at once
            self._even += 1
            acks[:] = [self._even] * len(acks)
            if self._even == w:
                self._undecided = 0
                self._stored(entries, self._previous)
            return
        self._even = None
        reachable = self._placement.keyspace.n - w  # replicas that may be lost
        decided, unknown = [], []
        for i in entries:
            acks[i] += 1
            if acks[i] == w:
                decided.append(i)
            elif lost[i] > reachable and 0 < acks[i] < w:
                unknown.append(i)  # the last that could still have refused it took it
        if decided:
            self._undecided -= len(decided)
            self._stored(decided, self._previous)
        if unknown:
            self._fail(unknown, Kind.UNKNOWN, self._no_quorum())

    def _count_lost(self, entries: list[int], *, sure: bool) -> None:
        """Count replicas that will not acknowledge; decide entries that cannot reach w."""
        self._even = None
        n = self._placement.keyspace.n
        refused, unknown = [], []
        for i in entries:
            self._lost[i] += 1
            if not sure:
                self._unsure.add(i)
            acks = self._acks[i]
            if acks < 0 or acks >= self._w or n - self._lost[i] >= self._w:
                continue
            if acks or i in self._unsure:
                unknown.append(i)
            elif self._lost[i] == n:
                refused.append(i)
            # else: replicas that are still out decide whether it was refused or is unknown
        if refused:
            self._fail(refused, Kind.UNAVAILABLE, self._too_few("able to take it", 0, n))
        if unknown:
            self._fail(unknown, Kind.UNKNOWN, self._no_quorum())

    def _observe(self, entries: list[int], before: list[Record | None]) -> None:
        for i, record in zip(entries, before, strict=True):
            seen = self._previous[i]
            if record is not None:
                self._previous[i] = record if seen is None else merge(seen, record)

    def _expire(self) -> None:
        """End at the deadline: what is undecided may have happened."""
        for call in self._calls:
            self._ctx.forget(call)
        if self._undecided:
            open_ones = [i for i, acks in enumerate(self._acks) if 0 <= acks < self._w]
            self._fail(open_ones, Kind.UNKNOWN, self._no_quorum())
        self._let_go_of_callers()
        # The own disk, if it is late, still takes the records, or this process ends.
        out = [(replica, e) for replica, e in self._asked.items() if replica != self._ctx.node_id]
        self._missed += [(replica, sorted(entries), None) for replica, entries in out]
        self._asked = {}
        self._finish()

    def _fail(self, entries: list[int], kind: Kind, reason: str) -> None:
        self._even = None
        for i in entries:
            self._acks[i] += _SETTLED
        self._undecided -= len(entries)
        self._failed(entries, Failure(kind, reason))

    def _too_few(self, what: str, count: int, n: int) -> str:
        return (
            f"nothing was written: {count} of {n} replicas are {what}, w={self._w} is needed"
            f" (keyspace {self._placement.name})"
        )

    def _no_quorum(self) -> str:
        return (
            f"the write may have happened: fewer than w={self._w} of {self._placement.keyspace.n}"
            f" replicas confirmed it (keyspace {self._placement.name});"
            " retry with the same stamp"
        )
