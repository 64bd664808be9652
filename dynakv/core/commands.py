"""What an entry of a Raft group's log asks of its keys, and what applying it answers.

A command is a batch of operations on keys of one shard group, done as a whole or not at all. It
carries everything that the outcome depends on beside the state itself, so that every replica comes
to the same: the leader's clock at the proposal, and the request id by which a retry is recognised
(Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 6.3). `core/state_machine.py`
applies it; Raft itself carries it as bytes (`encode`, `decode`).
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct, msgpack

from dynakv.core.record import Record

KEEP_EXPIRY: Final = -1


class IfAbsent(Struct, frozen=True, tag=0, array_like=True):
    """Only where the key has no value."""


class IfPresent(Struct, frozen=True, tag=1, array_like=True):
    """Only where the key has a value."""


class IfValue(Struct, frozen=True, tag=2, array_like=True):
    """Only where the key has this value."""

    value: bytes


class IfStamp(Struct, frozen=True, tag=3, array_like=True):
    """Only where the key has a value, and under this stamp."""

    time: int
    writer: int


Condition = IfAbsent | IfPresent | IfValue | IfStamp


class Put(Struct, frozen=True, tag=0, array_like=True):
    """Set a value. Expiry: absolute ms, KEEP_EXPIRY, or 0 and a TTL counted from group time."""

    key: bytes
    value: bytes
    ttl_ms: int = 0
    expires_ms: int = 0
    condition: Condition | None = None


class Delete(Struct, frozen=True, tag=1, array_like=True):
    """Remove a value; with an absent key that is done, and says so."""

    key: bytes
    condition: Condition | None = None


class Append(Struct, frozen=True, tag=2, array_like=True):
    """Put bytes behind the value; an absent key counts as empty. The expiry stays."""

    key: bytes
    suffix: bytes


class Overwrite(Struct, frozen=True, tag=3, array_like=True):
    """Put bytes over the value from an offset on, filled up with zeros. The expiry stays."""

    key: bytes
    offset: int
    part: bytes


class Increment(Struct, frozen=True, tag=4, array_like=True):
    """Add to a decimal int64; an absent key counts as 0. The expiry stays."""

    key: bytes
    amount: int


class When(IntEnum):
    """Which expiry a changed one must meet (the options of Redis' EXPIRE)."""

    ALWAYS = 0
    NONE = 1  # NX: the key has no expiry
    SOME = 2  # XX: it has one
    LATER = 3  # GT: the new one is later; no expiry counts as never
    EARLIER = 4  # LT: the new one is earlier


class Expire(Struct, frozen=True, tag=5, array_like=True):
    """Change the expiry of a key with a value; `expires_ms` 0 and `ttl_ms` 0 remove it."""

    key: bytes
    ttl_ms: int = 0
    expires_ms: int = 0
    when: When = When.ALWAYS


class Read(Struct, frozen=True, tag=6, array_like=True):
    """Change nothing: show the record (`before`), and hold the batch to a condition on it."""

    key: bytes
    condition: Condition | None = None


Operation = Put | Delete | Append | Overwrite | Increment | Expire | Read


class Command(Struct, frozen=True, array_like=True):
    """One entry. `client` 0: no request id, the command is run whenever it is applied."""

    time: int  # the leader's HLC reading at the proposal
    writer: int  # the leader's incarnation: the writer of the stamps
    operations: tuple[Operation, ...]
    client: int = 0  # uint64
    sequence: int = 0  # of the client's requests to this group, rising
    settled_below: int = 0  # of the lower ones the client awaits no answer any more
    issued_ms: int = 0  # the client's wall clock at the first attempt
    previous: bool = True  # whether results show records; they are stored for retries


class Done(Struct, frozen=True, tag=0, array_like=True):
    """An operation took place, or found nothing to do (`applied` False: key or expiry absent).

    `before` is the record with the value that was replaced, removed or read, None for no value;
    `number` what an increment came to, or how long an append or overwrite made the value.
    """

    applied: bool
    time: int
    writer: int
    before: Record | None = None
    number: int = 0


class Unmet(Struct, frozen=True, tag=1, array_like=True):
    """The condition does not hold; `found` is the record with the value that is there."""

    found: Record | None


class Wrong(Struct, frozen=True, tag=2, array_like=True):
    """The operation cannot be done on what is there; a sentence for a person."""

    reason: str


class Skipped(Struct, frozen=True, tag=3, array_like=True):
    """Another operation of the batch could not be done, so this one was not either."""


class Forgotten(Struct, frozen=True, tag=4, array_like=True):
    """The request id is older than what is remembered: it may have been run, and is not again."""


Result = Done | Unmet | Wrong | Skipped | Forgotten

_decode_command: Final = msgpack.Decoder(Command).decode
_decode_commands: Final = msgpack.Decoder(tuple[Command, ...]).decode
_decode_results: Final = msgpack.Decoder(tuple[Result, ...]).decode


def encode(command: Command) -> bytes:
    """Return the command as MessagePack."""
    return msgpack.encode(command)


def decode(raw: bytes) -> Command:
    """Return the command of `encode`. Raises msgspec.DecodeError on anything else."""
    return _decode_command(raw)


def encode_all(commands: Sequence[Command]) -> bytes:
    """Return commands that share a log entry, in order; each is still done by itself."""
    return msgpack.encode(commands)


def decode_all(raw: bytes) -> tuple[Command, ...]:
    """Return the commands of `encode_all`. Raises msgspec.DecodeError on anything else."""
    return _decode_commands(raw)


def encode_results(results: tuple[Result, ...]) -> bytes:
    """Return the results of one command as MessagePack."""
    return msgpack.encode(results)


def decode_results(raw: bytes) -> tuple[Result, ...]:
    """Return the results of `encode_results`. Raises msgspec.DecodeError on anything else."""
    return _decode_results(raw)
