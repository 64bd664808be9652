"""What all connections ask in one turn of the event loop, column by column.

GET, SET and DEL of one key are what a store is judged by. They make no message, no future and no
callback of their own: each adds its key and its reply slot to the open column of its scope, and
once per turn every column becomes one message of the node. Its reply goes down the column, fills
the slots, and each connection touched is flushed once. Everything rarer goes through `asks.py`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from dynakv import limits
from dynakv.core.commands import Operation, Result
from dynakv.core.layout import Level
from dynakv.errors import Failure, Kind
from dynakv.node.messages import ClientMessage, ClientReply, Found, Get, Put, Refused, Stored
from dynakv.node.raft_messages import Execute, Executed
from dynakv.node.validate_batches import batches_bytes
from dynakv.resp import replies
from dynakv.resp.replies import OK, ONE, ZERO
from dynakv.rpc.ports import Inbox

FULL: Final = Failure(
    Kind.EXHAUSTED,
    "overloaded: this node has too many unfinished requests; nothing was done, come back later",
)


Executing = Callable[[Sequence[Result] | Failure], None]  # gets what became of a batch


class Receiver(Protocol):
    """What a column needs of a connection."""

    dirty: bool  # flushed at the end of this turn
    null: bytes  # the null of its protocol version

    def flush(self) -> None:
        """Send the replies that are complete and in order."""


class Slot(Struct, gc=False):
    """The place of one reply in its connection's order; the command is unanswered while None.

    `link` of a write is the column that holds it, so that a later write of the same key may follow
    in the same column; of a read it is an earlier unanswered read of the same key.
    """

    reply: bytes | None
    connection: Receiver
    link: object = None


class Turn:
    """The open columns of one turn, and the connections to flush at its end."""

    __slots__ = (
        "_dirty",
        "_flushing",
        "_inbox",
        "_open",
        "_soon",
        "_submitting",
        "misses",
        "reads",
    )

    def __init__(self, inbox: Inbox, soon: Callable[[Callable[[], None]], object]) -> None:
        """Submit to `inbox`; `soon` runs a callback in the loop's next turn."""
        self._inbox = inbox
        self._soon = soon
        self._open: list[Column] = []
        self._dirty: deque[Receiver] = deque()
        self._submitting = False
        self._flushing = False
        self.reads = 0  # keys read by GET
        self.misses = 0  # of which had no value

    def begin(self, column: "Column") -> None:
        """Add a column that is submitted at the end of this turn."""
        self._open.append(column)
        if not self._submitting:
            self._submitting = True
            self._soon(self._submit)

    def submit(self, message: ClientMessage, take: Callable[[ClientReply], None]) -> bool:
        """Hand a message to the node; False: nothing was taken."""
        return self._inbox.client(message, take)

    def answered(self, connection: Receiver) -> None:
        """Flush the connection at the end of this turn."""
        if not connection.dirty:
            connection.dirty = True
            self._dirty.append(connection)
            if not self._flushing:
                self._flushing = True
                self._soon(self._flush)

    def _submit(self) -> None:
        self._submitting = False
        columns, self._open = self._open, []
        for column in columns:
            column.close()

    def _flush(self) -> None:
        self._flushing = False
        dirty = self._dirty
        for _ in range(len(dirty)):  # who gets dirty meanwhile is flushed in the next turn
            dirty.popleft().flush()


class Column:
    """Keys of one scope and their slots, parallel; ends as one message."""

    __slots__ = ("closed", "keys", "scope", "slots", "turn")

    def __init__(self, scope: "Scope", turn: Turn) -> None:
        """Begin empty."""
        self.scope = scope
        self.turn = turn
        self.keys: list[bytes] = []
        self.slots: list[Slot] = []
        self.closed = False
        turn.begin(self)

    def close(self) -> None:
        """Hand the column to the node; it takes no more keys. May be called again."""
        if self.closed:
            return
        self.closed = True
        self.scope.forget(self)
        if not self.turn.submit(self.message(), self.take):
            self.take(Refused(list(range(len(self.keys))), FULL))

    def message(self) -> ClientMessage:
        """Return the message that asks for all of it."""
        raise NotImplementedError

    def take(self, part: ClientReply) -> None:
        """Answer some of the entries."""
        raise NotImplementedError

    def refuse(self, part: ClientReply) -> None:
        """Answer entries that failed, all with one text."""
        assert isinstance(part, Refused)
        reply = replies.failure(part.failure)
        slots, answered = self.slots, self.turn.answered
        for i in part.entries:
            slot = slots[i]
            slot.reply = reply
            answered(slot.connection)


class GetColumn(Column):
    """GET: reads of whole values."""

    __slots__ = ()

    def add(self, key: bytes, slot: Slot) -> None:
        """Add a key whose length was checked."""
        keys = self.keys
        keys.append(key)
        self.slots.append(slot)
        if len(keys) == limits.REQUEST_KEYS_MAX:
            self.close()

    def message(self) -> Get:
        """Return the one Get."""
        return Get(self.scope.keyspace, self.keys, self.scope.level)

    def take(self, part: ClientReply) -> None:
        """Turn records into replies."""
        if not isinstance(part, Found):
            self.refuse(part)
            return
        turn, slots, bulk = self.turn, self.slots, replies.bulk
        answered, misses = turn.answered, 0
        for i, record in zip(part.entries, part.records, strict=True):
            slot = slots[i]
            connection = slot.connection
            if record is None or record.value is None:
                slot.reply = connection.null
                misses += 1
            else:
                slot.reply = bulk(record.value)
            if not connection.dirty:
                answered(connection)
        turn.reads += len(part.entries)
        turn.misses += misses


class PutColumn(Column):
    """SET without an expiry."""

    __slots__ = ("_bytes", "values")

    def __init__(self, scope: "Scope", turn: Turn) -> None:
        """Begin empty."""
        super().__init__(scope, turn)
        self.values: list[bytes | None] = []
        self._bytes = 0

    def add(self, key: bytes, value: bytes, slot: Slot) -> None:
        """Add a key and a value whose lengths were checked."""
        keys = self.keys
        keys.append(key)
        self.values.append(value)
        self.slots.append(slot)
        self._bytes += len(value)
        if len(keys) == limits.REQUEST_KEYS_MAX or self._bytes > limits.RESP_COLUMN_BYTES_MAX:
            self.close()

    def message(self) -> Put:
        """Return the one Put."""
        return Put(self.scope.keyspace, self.keys, self.values, level=self.scope.level)

    def take(self, part: ClientReply) -> None:
        """Say OK."""
        if not isinstance(part, Stored):
            self.refuse(part)
            return
        slots, answered = self.slots, self.turn.answered
        for i in part.entries:
            slot = slots[i]
            slot.reply = OK
            if not slot.connection.dirty:
                answered(slot.connection)


class ExpiringColumn(PutColumn):
    """SET with an expiry: both columns of `node.messages.Put`, of which one is 0."""

    __slots__ = ("_expiries_ms", "_ttls_ms")

    def __init__(self, scope: "Scope", turn: Turn) -> None:
        """Begin empty."""
        super().__init__(scope, turn)
        self._ttls_ms: list[int] = []
        self._expiries_ms: list[int] = []

    def expire(self, ttl_ms: int, expiry_ms: int) -> None:
        """Say when the key that is added next ends."""
        self._ttls_ms.append(ttl_ms)
        self._expiries_ms.append(expiry_ms)

    def message(self) -> Put:
        """Return the one Put."""
        scope = self.scope
        return Put(
            scope.keyspace,
            self.keys,
            self.values,
            self._ttls_ms,
            self._expiries_ms,
            level=scope.level,
        )


class DeleteColumn(Column):
    """DEL of one key, which answers whether there was a value as observed."""

    __slots__ = ()

    def add(self, key: bytes, slot: Slot) -> None:
        """Add a key whose length was checked."""
        self.keys.append(key)
        self.slots.append(slot)
        if len(self.keys) == limits.REQUEST_KEYS_MAX:
            self.close()

    def message(self) -> Put:
        """Return the one Put."""
        nothing: list[bytes | None] = [None] * len(self.keys)
        return Put(self.scope.keyspace, self.keys, nothing, level=self.scope.level, previous=True)

    def take(self, part: ClientReply) -> None:
        """Say 1 where there was something."""
        if not isinstance(part, Stored):
            self.refuse(part)
            return
        assert part.previous is not None
        for i, previous in zip(part.entries, part.previous, strict=True):
            slot = self.slots[i]
            slot.reply = ZERO if previous is None else ONE
            self.turn.answered(slot.connection)


class ExecuteColumn(Column):
    """Batches of operations, each of which one shard group of a Raft keyspace does as a whole."""

    __slots__ = ("_batches", "_bytes", "_count", "_previous", "_thens")

    def __init__(self, scope: "Scope", turn: Turn, *, previous: bool) -> None:
        """Begin empty; `previous`: the results show records."""
        super().__init__(scope, turn)
        self._previous = previous
        self._batches: list[tuple[Operation, ...]] = []
        self._thens: list[Executing] = []
        self._count = 0  # operations
        self._bytes = 0

    def fits(self, operations: Sequence[Operation]) -> bool:
        """Say whether a batch may go along; into an empty column any may."""
        return not self.keys or (
            self._count + len(operations) <= limits.REQUEST_KEYS_MAX
            and self._bytes + batches_bytes([tuple(operations)]) <= limits.RESP_COLUMN_BYTES_MAX
        )

    def run(self, operations: Sequence[Operation], then: Executing) -> None:
        """Add a batch of checked operations; `then` gets its results."""
        self.keys.append(operations[0].key)
        self._batches.append(tuple(operations))
        self._thens.append(then)
        self._count += len(operations)
        self._bytes += batches_bytes([tuple(operations)])

    def message(self) -> Execute:
        """Return the one Execute."""
        return Execute(self.scope.keyspace, self._batches, previous=self._previous)

    def take(self, part: ClientReply) -> None:
        """Hand the results on."""
        if isinstance(part, Refused):
            for i in part.entries:
                self._thens[i](part.failure)
            return
        assert isinstance(part, Executed)
        for i, results in zip(part.entries, part.results, strict=True):
            self._thens[i](results)


class Scope:
    """A keyspace at a level (None: the keyspace's own), with its open columns of this turn."""

    __slots__ = ("_executing", "_turn", "deletes", "expiring", "gets", "keyspace", "level", "puts")

    def __init__(self, keyspace: str, level: Level | None, turn: Turn) -> None:
        """Begin without columns."""
        self.keyspace = keyspace
        self.level = level
        self._turn = turn
        self.gets: GetColumn | None = None
        self.puts: PutColumn | None = None
        self.expiring: ExpiringColumn | None = None
        self.deletes: DeleteColumn | None = None
        self._executing: dict[bool, ExecuteColumn] = {}  # by whether records are shown

    def open_gets(self) -> GetColumn:
        """Open the column of this turn's GETs."""
        self.gets = column = GetColumn(self, self._turn)
        return column

    def open_puts(self) -> PutColumn:
        """Open the column of this turn's plain SETs."""
        self.puts = column = PutColumn(self, self._turn)
        return column

    def open_expiring(self) -> ExpiringColumn:
        """Open the column of this turn's SETs with an expiry."""
        self.expiring = column = ExpiringColumn(self, self._turn)
        return column

    def open_deletes(self) -> DeleteColumn:
        """Open the column of this turn's DELs of one key."""
        self.deletes = column = DeleteColumn(self, self._turn)
        return column

    def executing(self, *, previous: bool) -> ExecuteColumn:
        """Return the column of this turn's batches."""
        column = self._executing.get(previous)
        if column is None:
            column = self._executing[previous] = ExecuteColumn(self, self._turn, previous=previous)
        return column

    def forget(self, column: Column) -> None:
        """Let the next request open a new column."""
        if column is self.gets:
            self.gets = None
        elif column is self.puts:
            self.puts = None
        elif column is self.expiring:
            self.expiring = None
        elif column is self.deletes:
            self.deletes = None
        else:
            self._executing = {k: v for k, v in self._executing.items() if v is not column}
