"""What calls return: frozen values, the same for both clients."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from dynakv.core.hlc import COUNTER_MAX, wall_ms_of
from dynakv.errors import DynaKVError, RefusedError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stamp(Struct, frozen=True, gc=False, order=True):
    """The version of a write: unique, and totally ordered by time and then by writer."""

    time: int  # uint64: wall-clock ms << 16 | counter
    writer: int  # uint64, drawn once per client or node

    @property
    def wall_ms(self) -> int:
        """The wall-clock part, Unix time in ms."""
        return wall_ms_of(self.time)

    def __str__(self) -> str:
        """Return `wall_ms+counter@writer`."""
        return f"{self.wall_ms}+{self.time & COUNTER_MAX}@{self.writer:016x}"


class Entry(Struct, frozen=True, gc=False):
    """What was found under a key."""

    key: bytes
    value: bytes | None  # None: no such key; in a listing with keys_only: left out
    stamp: Stamp | None  # of the value, or of the delete that removed it; None: never written
    expires_at_ms: int = 0  # Unix time in ms; 0: never

    @property
    def expires_at(self) -> datetime | None:
        """When the value ends, in UTC; None: never."""
        if not self.expires_at_ms:
            return None
        return _EPOCH + timedelta(milliseconds=self.expires_at_ms)


class Written(Struct, frozen=True, gc=False):
    """What became of a put or a delete."""

    stamp: Stamp  # the version written
    # What was seen under the key before, as observed and not atomically with the write; after a
    # retry it may be what the first attempt wrote. None where it was not asked for.
    previous: Entry | None = None


class Attempt(Struct, frozen=True, gc=False):
    """What became of a write under a condition; true where it was done."""

    applied: bool
    stamp: Stamp | None  # the version written; None where the condition does not hold
    found: Entry  # what was there before, or is in the way: exact, and the same at any repetition

    def __bool__(self) -> bool:
        """Return whether the write was done."""
        return self.applied


class RingMember(Struct, frozen=True):
    """A node as the answering node sees it."""

    node_id: str
    endpoint: str | None  # where this client reaches it; None: none of its endpoints is this node
    zone: str
    region: str
    weight: int  # share of the ring; 0 holds no records
    up: bool | None  # None: no belief yet


class RingKeyspace(Struct, frozen=True):
    """A keyspace and who holds its shard groups. Always rq + wq > n."""

    name: str
    mode: str  # leaderless, ordered or raft
    n: int  # replicas in effect
    rq: int  # answers of a quorum read
    wq: int  # durable copies of a quorum write
    hash_tags: bool
    default_level: str
    default_ttl_ms: int  # 0: none
    groups: tuple[tuple[str, ...], ...]  # node ids of the replicas of each group


class Ring(Struct, frozen=True):
    """The layout of the cluster."""

    answered_by: str
    cluster_id: int
    epoch: int
    members: tuple[RingMember, ...]  # sorted by node id
    keyspaces: tuple[RingKeyspace, ...]  # sorted by name


class ConditionError(RefusedError):
    """A check of a transaction does not hold: nothing was done.

    `found` says what is there instead, by the position of the operation that checked it.
    """

    def __init__(self, found: Mapping[int, Entry]) -> None:
        """Say what was found; at least one entry."""
        self.found = dict(found)
        place, first = next(iter(self.found.items()))
        there = "has no value" if first.value is None else f"has another value ({first.stamp})"
        super().__init__(f"operation {place}: {first.key!r} {there}; nothing was done")


class BatchError(DynaKVError):
    """Some entries of a batch failed; the others are done.

    `results` is parallel to what the call was given and holds a DynaKVError where an entry failed;
    `errors` has only those, by position. Each says for itself whether a retry is safe.
    """

    def __init__(self, results: Sequence[object]) -> None:
        """Sum up results of which at least one is an error."""
        self.results = list(results)
        self.errors: dict[int, DynaKVError] = {
            i: result for i, result in enumerate(results) if isinstance(result, DynaKVError)
        }
        place, first = next(iter(self.errors.items()))
        super().__init__(
            f"{len(self.errors)} of {len(results)} entries failed; "
            f"entry {place}: {type(first).__name__}: {first}"
        )
