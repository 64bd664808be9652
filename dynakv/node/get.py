"""Get: gets of one turn as one operation, and what a reader sees of a record."""

from dynakv.core.record import Record, expired
from dynakv.errors import Kind
from dynakv.node.callers import Callers
from dynakv.node.context import Context
from dynakv.node.messages import Found, Get
from dynakv.node.quorum_read import QuorumRead
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
            seen = [records[i] for i in mine]
            return Found(
                own,
                [r if r is None or not r.expiry_ms else _seen(r, now_ms) for r in seen],
            )

        self._callers.answer(entries, part)


def _seen(record: Record, now_ms: int) -> Record:
    """Return what a reader sees of a record with an expiry: an expired one as its tombstone."""
    if not expired(record, now_ms):
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
