"""The one tree of errors that leave DynaKV, sorted by what the caller may do next.

    DynaKVError
    +-- UsageError            the request can never succeed: change it, do not retry
    +-- RefusedError          nothing was done: a retry is safe
    +-- UnknownOutcomeError   it may have happened: retry only with the same stamp or request id
    +-- PeerError             another node broke the protocol or belongs to another cluster
    +-- StorageError          this node's disk can no longer be trusted: the process stops

Inside the pure layers an expected failure is a value (`Failure`), not an exception; doors and
clients turn one into the other. A message names the thing, the limit and the actual value.
"""

from enum import Enum

from msgspec import Struct


class DynaKVError(Exception):
    """The root of the tree; never raised itself."""


class UsageError(DynaKVError):
    """The request is wrong in itself."""


class RefusedError(DynaKVError):
    """Nothing was done; the same request may succeed later or at another node."""


class UnknownOutcomeError(DynaKVError):
    """The write may exist now or appear later."""


class PeerError(DynaKVError):
    """A peer sent something that no member of this cluster sends."""


class StorageError(DynaKVError):
    """The data directory is foreign, newer, damaged or failing."""


class Kind(Enum):
    """What a failure allows the caller to do next, and the status a door shows."""

    INVALID = "invalid"  # usage: the request breaks a limit or names nothing real
    PRECONDITION = "precondition"  # usage: needs a mode or state that is not given
    UNAVAILABLE = "unavailable"  # refused: too few replicas, or the node's clock is doubted
    EXHAUSTED = "exhausted"  # refused: a queue is full, come back later
    TIMEOUT = "timeout"  # a read that found too few answers in time: nothing was changed
    UNKNOWN = "unknown"  # a write that may have happened


class Failure(Struct, frozen=True, gc=False):
    """An expected failure as a value: what kind, and a sentence for a person."""

    kind: Kind
    reason: str

    def error(self) -> DynaKVError:
        """Return the exception that says the same."""
        return _ERRORS[self.kind](self.reason)


_ERRORS: dict[Kind, type[DynaKVError]] = {
    Kind.INVALID: UsageError,
    Kind.PRECONDITION: UsageError,
    Kind.UNAVAILABLE: RefusedError,
    Kind.EXHAUSTED: RefusedError,
    Kind.TIMEOUT: RefusedError,
    Kind.UNKNOWN: UnknownOutcomeError,
}
