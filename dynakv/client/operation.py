"""One key's request on its way: what was asked, and what its attempts have left behind."""

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from dynakv.client.request_ids import Window
    from dynakv.v1 import kvstore_pb2 as pb

PER_KEY_BYTES: Final = 32  # what an entry costs on the wire beside key and value, about


class Kind(IntEnum):
    """What is to be done with the key. The number orders the steps of a message."""

    GET = 0
    PUT = 1
    DELETE = 2
    EXPIRE = 3
    PERSIST = 4
    EXECUTE = 5  # operations of a Raft keyspace, under a request id


class Terms(NamedTuple):
    """What a message says once for all of its keys; hashable, so that equal ones share messages."""

    keyspace: str
    level: int  # of the wire
    r: int = 0
    w: int = 0
    previous: bool = False
    max_age_ms: int = -1  # of reads in Raft keyspaces; -1: as fresh as there is


class Op:
    """One key's request.

    Invariant: `time` is set for puts and deletes before their first attempt, and changes only while
    `is_maybe_done` is false: one logical write never exists under two stamps. In Raft keyspaces
    every write is an EXECUTE: its `sequence` is set before the first attempt and never changes.
    """

    __slots__ = (
        "attempt_ms",
        "attempts",
        "batch_max",
        "deadline_ms",
        "done",
        "expires_at_ms",
        "is_counted",
        "is_maybe_done",
        "is_restamped",
        "issued_ms",
        "keep_ttl",
        "key",
        "kind",
        "operations",
        "sequence",
        "shape",
        "size_bytes",
        "terms",
        "time",
        "tried",
        "ttl_ms",
        "value",
        "wants_entry",
        "window",
    )

    def __init__(
        self,
        kind: Kind,
        key: bytes,
        terms: Terms,
        done: "asyncio.Future[Any]",
        deadline_ms: int,
        attempt_ms: int,
        *,
        value: bytes = b"",
    ) -> None:
        """Ask for `kind` of `key`; `done` gets its one result or error."""
        self.kind = kind
        self.key = key
        self.terms = terms
        self.done = done
        self.deadline_ms = deadline_ms  # monotonic: no attempt goes on beyond it
        self.attempt_ms = attempt_ms
        self.value = value
        self.size_bytes = len(key) + len(value) + PER_KEY_BYTES
        self.ttl_ms = 0
        self.expires_at_ms = 0
        self.keep_ttl = False
        self.wants_entry = False
        self.time = 0  # of the stamp; 0: the coordinator stamps
        self.attempts = 0
        self.tried: tuple[str, ...] = ()  # endpoints of the attempts that failed
        self.batch_max = 0  # keys of the message it may travel in; 0: any number
        self.is_maybe_done = False  # an attempt may have written
        self.is_restamped = False
        self.is_counted = False  # the core's: it is among the unfinished ones
        self.operations: Sequence[pb.Operation] = ()  # of an EXECUTE, and what its results mean
        self.shape: Callable[[Sequence[pb.OperationResult]], Any] | None = None
        self.window: Window | None = None  # where its request id is of
        self.sequence = 0  # of the request id; 0: it has none yet
        self.issued_ms = 0  # the cluster's clock when it got it

    @property
    def is_read(self) -> bool:
        """Whether nothing is written, so that any repetition is safe."""
        return self.kind is Kind.GET

    @property
    def is_repeatable(self) -> bool:
        """Whether a repetition is the same write: it has a stamp or a request id."""
        return bool(self.time or self.sequence)
