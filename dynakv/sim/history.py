"""What clients did and saw, as records that the checkers judge."""

from dataclasses import dataclass

from dynakv.core.record import Record

Stamp = tuple[int, int]  # (time, writer) of a register; (0, 0): never written
NEVER: Stamp = (0, 0)


class Violation(Exception):  # noqa: N818 - not an error of the simulator but its finding
    """An invariant does not hold."""

    def __init__(self, rule: str, text: str) -> None:
        """Name the rule of the test plan and say what was seen."""
        super().__init__(f"{rule}: {text}")
        self.rule = rule


@dataclass(slots=True, eq=False)
class Write:
    """One logical write of one key; a retry with the same stamp is the same write.

    Invariant: a write of unknown outcome is never `refused`.
    """

    key: bytes
    value: bytes | None = None  # None: a delete, or a change of expiry only
    changes: str = "put"  # or "expire"
    keeps: bool = False  # a put that keeps the expiry
    ttl_ms: int = 0
    expiry_ms: int = 0
    stamp: Stamp | None = None  # as soon as it is known
    started_us: int = 0
    ended_us: int = 0  # 0: while an attempt is open
    open_attempts: int = 0
    possible: bool = False  # an attempt was acknowledged or its outcome is unknown
    acknowledged: bool = False
    refused: bool = False  # certainly not done
    surfaced: bool = False  # somebody read it, or it lay on a disk

    def __str__(self) -> str:
        """Describe the write on one line."""
        state = "refused" if self.refused else "open" if self.open_attempts else "possible"
        return (
            f"{self.changes} key={self.key!r} value={_short(self.value)} keeps={self.keeps}"
            f" ttl_ms={self.ttl_ms} expiry_ms={self.expiry_ms} stamp={stamp_text(self.stamp)}"
            f" [{self.started_us}..{self.ended_us}] {state}"
        )


@dataclass(slots=True, eq=False)
class Read:
    """One read of one key, with what had to be visible when it began."""

    key: bytes
    started_us: int
    value_floor: Stamp
    expiry_floor: Stamp
    strong: bool  # must see what was acknowledged at a quorum before
    raises: bool  # promises that no later strong read sees less


class KeyState:
    """What is known of one key."""

    __slots__ = ("expiry_floor", "value_floor", "writes")

    def __init__(self) -> None:
        """Begin with a key that nobody wrote."""
        self.value_floor = NEVER
        self.expiry_floor = NEVER
        self.writes: list[Write] = []


def may_kill(write: Write, *, newer: bool) -> bool:
    """Say whether a write can have made its key's value vanish; `newer`: than that value."""
    if write.ttl_ms or write.expiry_ms:
        return True  # a deadline counts also for values that keep it
    return newer and write.changes == "put" and write.value is None


def value_stamp(record: Record) -> Stamp:
    """Return the stamp of the value register."""
    return record.value_time, record.value_writer


def expiry_stamp(record: Record) -> Stamp:
    """Return the stamp of the expiry register."""
    return record.expiry_time, record.expiry_writer


def stamp_text(stamp: Stamp | None) -> str:
    """Return a stamp for a person: wall clock, counter and writer."""
    if stamp is None:
        return "?"
    time, writer = stamp
    return f"{time >> 16}.{time & 0xFFFF}@{writer:x}"


def record_text(record: Record | None) -> str:
    """Describe a record on one line."""
    if record is None:
        return "absent"
    return (
        f"value={_short(record.value)} at {stamp_text(value_stamp(record))}"
        f" expiry_ms={record.expiry_ms} at {stamp_text(expiry_stamp(record))}"
    )


def _short(value: bytes | None) -> str:
    return "none" if value is None else repr(value[:24])
