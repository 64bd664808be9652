"""Expire and persist: write only the expiry register of keys that are there.

The stamp is taken first, then the key is read at a quorum. Nothing is written where the key is
absent, or where the stamp is not below the deadline seen: such a write could revive a value that
other readers have already found expired.
"""

from dynakv.core.hlc import wall_ms_of
from dynakv.core.record import Record, live, with_expiry, written
from dynakv.errors import Failure, Kind
from dynakv.node.callers import Callers
from dynakv.node.context import Context
from dynakv.node.messages import Expire, Expired
from dynakv.node.quorum_read import QuorumRead
from dynakv.node.quorum_write import QuorumWrite
from dynakv.node.replica import Replica
from dynakv.node.stamping import Stamper


class ExpireBatch:
    """One Expire message; rare beside puts and gets, so each is an operation of its own."""

    def __init__(
        self,
        ctx: Context,
        replica: Replica,
        stamper: Stamper,
        call: int,
        expire: Expire,
        w: int,
        deadline_ms: int,
    ) -> None:
        """Prepare the message that came under `call`."""
        self._ctx = ctx
        self._replica = replica
        self._stamper = stamper
        self._expire = expire
        self._placement = ctx.by_name[expire.keyspace]
        self._w = w
        self._deadline_ms = deadline_ms
        self._callers = Callers(ctx)
        self._callers.add(call, len(expire.keys))
        self._first_time = 0

    def start(self) -> None:
        """Stamp, then read."""
        refusal = self._stamper.refusal()
        if refusal is not None:
            self._callers.refuse_all(refusal.kind, refusal.reason)
        else:
            self._stamper.take(
                len(self._expire.keys),
                self._deadline_ms,
                self._stamped,
                self._callers.refuse_all,
            )

    def _stamped(self, first: int) -> None:
        self._first_time = first
        keyspace = self._placement.keyspace
        QuorumRead(
            self._ctx,
            self._replica,
            self._placement,
            self._expire.keys,
            keyspace.rq,
            keyspace.n - keyspace.rq + 1,
            self._deadline_ms,
            self._found,
            self._callers.refuse,
        ).start()

    def _found(self, entries: list[int], records: list[Record | None]) -> None:
        """Write the expiry of the live ones among the entries read."""
        now_ms = self._ctx.believed_ms()
        written_entries: list[int] = []
        changes: list[Record] = []
        overtaken: list[int] = []
        for i in entries:
            record = records[i]
            wall_ms = wall_ms_of(self._first_time + i)
            if record is None or not live(record, max(now_ms, wall_ms)):
                continue
            change = self._change(i, record.key)
            if not _newer(change, record):
                # So that the retry stands above it.
                newest = max(record.value_time, record.expiry_time)
                self._ctx.clock.observe(newest, self._ctx.believed_ms())
                overtaken.append(i)
                continue
            written_entries.append(i)
            changes.append(change)
        if overtaken:
            self._callers.refuse(
                overtaken,
                Failure(
                    Kind.UNAVAILABLE,
                    "nothing was written: whoever wrote the key had a clock ahead of this node's;"
                    " retry",
                ),
            )
        chosen = {*written_entries, *overtaken}
        absent = [i for i in entries if i not in chosen]
        if absent:
            self._answer(absent, applied=False)
        if not changes:
            return

        def stored(positions: list[int], _: list[Record | None]) -> None:
            self._answer([written_entries[p] for p in positions], applied=True)

        def failed(positions: list[int], failure: Failure) -> None:
            self._callers.refuse([written_entries[p] for p in positions], failure)

        QuorumWrite(
            self._ctx,
            self._replica,
            self._placement,
            changes,
            self._w,
            self._deadline_ms,
            stored,
            failed,
        ).start()

    def _change(self, i: int, key: bytes) -> Record:
        time, writer = self._first_time + i, self._ctx.writer
        expiry_ms = self._expire.expiries_ms[i] if self._expire.expiries_ms else 0
        ttl_ms = self._expire.ttls_ms[i] if self._expire.ttls_ms else 0
        if not expiry_ms and ttl_ms:
            expiry_ms = wall_ms_of(time) + ttl_ms
        if 0 < expiry_ms <= wall_ms_of(time):
            return written(key, None, 0, time, writer)
        return with_expiry(key, expiry_ms, time, writer)

    def _answer(self, entries: list[int], *, applied: bool) -> None:
        self._callers.answer(entries, lambda own, _: Expired(own, [applied] * len(own)))


def _newer(change: Record, record: Record) -> bool:
    """Say whether each register that the change writes stands above that of the record."""
    expiry = (change.expiry_time, change.expiry_writer) > (
        record.expiry_time,
        record.expiry_writer,
    )
    if not change.value_time:
        return expiry
    value = (change.value_time, change.value_writer) > (record.value_time, record.value_writer)
    return expiry and value
