"""Put and delete: puts of one turn as one operation, stamped and written to their replicas."""

from itertools import repeat

from dynakv.core.hlc import wall_ms_of
from dynakv.core.record import Record, live, with_value, written
from dynakv.node.callers import Callers
from dynakv.node.context import Context
from dynakv.node.messages import KEEP_EXPIRY, Put, Stored
from dynakv.node.quorum_write import QuorumWrite
from dynakv.node.replica import Replica
from dynakv.node.stamping import Stamper


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
        "value_bytes",
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
        self.value_bytes = 0

    @property
    def size(self) -> int:
        """How many entries the batch has."""
        return len(self._keys)

    def add(self, call: int, put: Put) -> None:
        """Append a message's entries; it has the same columns as the first."""
        self._callers.add(call, len(put.keys))
        self._keys += put.keys
        self._values += put.values
        self.value_bytes += put_bytes(put)
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
            self._stamper.take(
                len(self._keys), self._deadline_ms, self._stamped, self._callers.refuse_all
            )
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


def put_bytes(put: Put) -> int:
    """Return the bytes of a put's values. O(entries)."""
    return sum(len(value) for value in put.values if value is not None)


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
