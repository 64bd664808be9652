"""Put and delete: stamp, ask all replicas to save, answer at w.

The coordinator's own replica gets the same message as any other. An entry is decided when w
replicas have it on disk, or when w cannot be reached any more: then it was refused if no replica
can have taken it, and its outcome is unknown otherwise. DeCandia et al., "Dynamo" (2007), section
4.5, without its sloppy quorum: only replicas of the key count.
"""

from collections.abc import Callable
from functools import partial
from itertools import repeat

from dynakv.core.hlc import wall_ms_of
from dynakv.core.layout import NodeId
from dynakv.core.record import Record, live, merge, with_value, written
from dynakv.errors import Failure, Kind
from dynakv.node.callers import Callers
from dynakv.node.context import Context, Placement
from dynakv.node.messages import (
    KEEP_EXPIRY,
    NOTHING_DONE,
    Failed,
    Outcome,
    Put,
    Save,
    Saved,
    Stored,
)
from dynakv.node.replica import Replica
from dynakv.node.stamping import Stamper

_SETTLED = -(1 << 20)  # in a count of acknowledgements: this entry was answered as failed


class PutBatch:
    """Puts of one turn that share keyspace, level and deadline, served as one operation."""

    __slots__ = (
        "_callers",
        "_ctx",
        "_deadline_ms",
        "_expiries_ms",
        "_keys",
        "_placement",
        "_previous",
        "_records",
        "_replica",
        "_stamper",
        "_times",
        "_ttls_ms",
        "_values",
        "_w",
        "_writers",
    )

    def __init__(
        self, ctx: Context, replica: Replica, stamper: Stamper, first: Put, w: int, deadline_ms: int
    ) -> None:
        """Begin a batch of puts like `first`, which is not yet added."""
        self._ctx = ctx
        self._replica = replica
        self._stamper = stamper
        self._placement = ctx.by_name[first.keyspace]
        self._w = w
        self._deadline_ms = deadline_ms
        self._previous = first.previous
        self._callers = Callers(ctx)
        self._keys: list[bytes] = []
        self._values: list[bytes | None] = []
        self._ttls_ms: list[int] | None = None if first.ttls_ms is None else []
        self._expiries_ms: list[int] | None = None if first.expiries_ms is None else []
        self._times: list[int] | None = None if first.times is None else []
        self._writers: list[int] | None = None if first.times is None else []
        self._records: list[Record] = []

    @property
    def size(self) -> int:
        """How many entries the batch has."""
        return len(self._keys)

    def add(self, call: int, put: Put) -> None:
        """Append a message's entries; it has the same columns as the first."""
        self._callers.add(call, len(put.keys))
        self._keys += put.keys
        self._values += put.values
        if self._ttls_ms is not None:
            self._ttls_ms += put.ttls_ms or ()
        if self._expiries_ms is not None:
            self._expiries_ms += put.expiries_ms or ()
        if self._times is not None and self._writers is not None:
            self._times += put.times or ()
            self._writers += put.writers or ()

    def start(self) -> None:
        """Stamp the entries, now or when the clock allows it, and write them."""
        refusal = self._stamper.refusal()
        if refusal is not None:
            self._callers.refuse_all(refusal.kind, refusal.reason)
        elif self._times is None:
            self._stamper.take(len(self._keys), self._stamped)
        else:
            # The clock follows what clients stamp, so that later writes stand above theirs.
            self._ctx.clock.observe(max(self._times), self._ctx.believed_ms())
            self._begin()

    def _stamped(self, first: int) -> None:
        self._times = list(range(first, first + len(self._keys)))
        self._begin()

    def _begin(self) -> None:
        self._records = self._stamp()
        self._ctx.counters.puts += len(self._keys)
        QuorumWrite(
            self._ctx,
            self._replica,
            self._placement,
            self._records,
            self._w,
            self._deadline_ms,
            self._stored,
            self._callers.refuse,
            previous=self._previous,
        ).start()

    def _stamp(self) -> list[Record]:
        """Return the records of all entries, each under its stamp."""
        times = self._times
        assert times is not None
        writers = self._writers or repeat(self._ctx.writer)
        default_ttl_ms = self._placement.keyspace.settings.default_ttl_ms
        if self._ttls_ms is None and self._expiries_ms is None and not default_ttl_ms:
            return [
                written(key, value, 0, time, writer)
                for key, value, time, writer in zip(
                    self._keys, self._values, times, writers, strict=False
                )
            ]
        return [
            _expiring(key, value, time, writer, expiry_ms, ttl_ms or default_ttl_ms)
            for key, value, time, writer, expiry_ms, ttl_ms in zip(
                self._keys,
                self._values,
                times,
                writers,
                self._expiries_ms or repeat(0),
                self._ttls_ms or repeat(0),
                strict=False,
            )
        ]

    def _stored(self, entries: list[int], seen: list[Record | None]) -> None:
        records = self._records
        now_ms = self._ctx.believed_ms()

        def part(own: list[int], mine: list[int]) -> Stored:
            previous = None
            if self._previous:
                previous = [seen[i] if live(seen[i], now_ms) else None for i in mine]
            return Stored(
                own,
                [records[i].value_time for i in mine],
                [records[i].value_writer for i in mine],
                previous,
            )

        self._callers.answer(entries, part)


def _expiring(
    key: bytes, value: bytes | None, time: int, writer: int, expiry_ms: int, ttl_ms: int
) -> Record:
    """Return the record of one entry with its expiry; one that is over already is a delete."""
    if value is None:
        return written(key, None, 0, time, writer)
    if expiry_ms == KEEP_EXPIRY:
        return with_value(key, value, time, writer)
    wall_ms = wall_ms_of(time)
    if expiry_ms == 0 and ttl_ms:
        expiry_ms = wall_ms + ttl_ms
    if 0 < expiry_ms <= wall_ms:
        return written(key, None, 0, time, writer)
    return written(key, value, expiry_ms, time, writer)


class QuorumWrite:
    """Brings records to w of their replicas; many keys, one ask per replica.

    Every entry ends in exactly one of `stored(entries, previous)` and `failed(entries, failure)`;
    `previous` is parallel to all records, and empty where it was not wanted.
    """

    __slots__ = (
        "_acks",
        "_calls",
        "_ctx",
        "_deadline_ms",
        "_failed",
        "_lost",
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
        self._acks = [0] * len(records)  # replicas that hold the entry on disk, or _SETTLED
        self._lost = [0] * len(records)  # replicas that certainly do not answer OK any more
        self._unsure: set[int] = set()  # entries that a lost replica may have taken all the same
        self._calls: list[int] = []

    def start(self) -> None:
        """Ask all replicas of all entries, the own one last: the others are further away."""
        ctx, own = self._ctx, self._ctx.node_id
        keys = [record.key for record in self._records]
        asked: dict[NodeId, list[int]] = {}
        for replicas, entries in self._placement.split(keys).items():
            up = sum(replica == own or ctx.members.up(replica) for replica in replicas)
            if up < self._w:
                self._fail(entries, Kind.UNAVAILABLE, self._too_few("up", up, len(replicas)))
                continue
            for replica in replicas:
                asked.setdefault(replica, []).extend(entries)
        ctx.at(self._deadline_ms, self._expire)
        for replica in sorted(asked, key=lambda replica: replica == own):
            self._ask(replica, sorted(asked[replica]))

    def _ask(self, replica: NodeId, entries: list[int]) -> None:
        ctx = self._ctx
        records = self._records
        if len(entries) < len(records):
            records = [records[i] for i in entries]
        save = Save(self._placement.keyspace_id, ctx.layout.epoch, records, self._wants_previous)
        if replica == ctx.node_id:
            self._replica.save(save, partial(self._saved, entries), own=True)
        else:
            then = partial(self._saved, entries)
            self._calls.append(ctx.ask(replica, save, self._deadline_ms, then))

    def _saved(self, entries: list[int], reply: object) -> None:
        if isinstance(reply, Failed):
            self._count_lost(entries, sure=reply.reason in NOTHING_DONE)
            return
        assert isinstance(reply, Saved)
        if self._previous and reply.before is not None:
            self._observe(entries, reply.before)
        if reply.outcomes is None:
            self._count(entries)
        else:
            pairs = list(zip(entries, reply.outcomes, strict=True))
            self._count([i for i, outcome in pairs if outcome is Outcome.OK])
            self._count_lost([i for i, outcome in pairs if outcome is not Outcome.OK], sure=True)

    def _count(self, entries: list[int]) -> None:
        acks, w = self._acks, self._w
        decided = []
        for i in entries:
            acks[i] += 1
            if acks[i] == w:
                decided.append(i)
        if decided:
            self._undecided -= len(decided)
            self._stored(decided, self._previous)

    def _count_lost(self, entries: list[int], *, sure: bool) -> None:
        """Count replicas that will not acknowledge; decide entries that cannot reach w."""
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
        self._records = []

    def _fail(self, entries: list[int], kind: Kind, reason: str) -> None:
        for i in entries:
            self._acks[i] = _SETTLED
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
