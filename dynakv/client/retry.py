"""Whether a request that failed may be tried again, and as what error it ends if not.

What a failure means is said by the server (`retry` of the status's ErrorInfo, or of EntryErrors):
nothing here guesses from status codes what the server could have meant. Where the transport failed
nothing is said, so nothing is assumed: the request may have arrived.

A read may always be repeated. A write may be repeated if nothing was done, or under the stamp of
its first attempt, or in Raft keyspaces its request id, which make the repetition the same write.
Expire and persist carry no stamp of the client: once they may have been done, only the caller can
decide, except in Raft keyspaces.
"""

from enum import Enum

from msgspec import Struct

from dynakv.client import settings
from dynakv.client.operation import Op
from dynakv.errors import DynaKVError, RefusedError, UnknownOutcomeError, UsageError


class Cause(Enum):
    """What is known of a failure."""

    USAGE = "usage"  # the server: change the request
    STAMP = "stamp"  # the server: the stamp is ahead of its clock, or too old
    REFUSED = "refused"  # the server: nothing was done
    BUSY = "busy"  # the server: nothing was done, a queue is full
    SAME_STAMP = "same-stamp"  # the server: the write may exist
    UNREACHED = "unreached"  # the transport: no connection, nothing was sent
    LOST = "lost"  # the transport: no answer, or the connection broke
    TOO_LARGE = "too-large"  # the answer did not fit into a message; a write was done

    @property
    def is_node_gone(self) -> bool:
        """Whether the node is to be avoided until it answers a handshake."""
        return self in (Cause.LOST, Cause.UNREACHED)


class Trouble(Struct, frozen=True):
    """A failure of one attempt, and a sentence for a person that names the node."""

    cause: Cause
    text: str


class Next(Enum):
    """What becomes of a request after a failed attempt."""

    AGAIN = "again"  # elsewhere, as it is
    SMALLER = "smaller"  # in a smaller message, at once
    RESTAMPED = "restamped"  # with a new stamp, after a handshake
    END = "end"  # with `final_error`


def take(op: Op, trouble: Trouble, batch_keys: int) -> Next:
    """Note in `op` what the failure leaves behind and return what is to be done.

    `batch_keys` is how many keys shared the message: what is wrong may be a neighbour's fault.
    Deadlines are the caller's to watch.
    """
    match trouble.cause:
        case Cause.REFUSED | Cause.BUSY | Cause.UNREACHED:
            return Next.AGAIN
        case Cause.SAME_STAMP | Cause.LOST:
            return _maybe_done(op)
        case Cause.STAMP:
            return _stale(op)
        case Cause.TOO_LARGE if not op.is_read:
            return _maybe_done(op)
        case Cause.USAGE | Cause.TOO_LARGE:
            return _smaller(op, batch_keys)


def _stale(op: Op) -> Next:
    # A stamp that is too old may be that of a write which happened long ago.
    if op.is_maybe_done or op.is_restamped or not op.time:
        return Next.END
    op.is_restamped = True
    return Next.RESTAMPED


def _smaller(op: Op, batch_keys: int) -> Next:
    if batch_keys == 1:
        return Next.END
    # Divided by eight: three rounds find the culprit among the most that fit.
    op.batch_max = max(1, batch_keys // 8)
    return Next.SMALLER


def _maybe_done(op: Op) -> Next:
    if op.is_read:
        return Next.AGAIN
    op.is_maybe_done = True
    return Next.AGAIN if op.is_repeatable else Next.END


def final_error(op: Op, trouble: Trouble) -> DynaKVError:
    """Return the error with which a request ends after its last attempt failed."""
    text = trouble.text
    if op.attempts > 1:
        text = f"{text} (the last of {op.attempts} attempts)"
    if op.is_maybe_done:
        return UnknownOutcomeError(f"{text}; the write may have happened")
    if trouble.cause in (Cause.USAGE, Cause.STAMP):
        return UsageError(text)
    return RefusedError(f"{text}; nothing was changed")


def backoff_ms(attempts: int, cause: Cause, *, has_fresh: bool) -> tuple[int, int]:
    """Return the least and the most to wait before the next attempt, after so many failed ones.

    The first retry goes at once to a node that was not tried yet, unless a queue is full: those of
    the others soon are as well. Then it is the upper half of an exponential step, to be drawn from
    at random, so that clients that failed together do not return together.
    """
    if attempts <= 1 and has_fresh and cause is not Cause.BUSY:
        return 0, 0
    step_ms = min(settings.BACKOFF_MS << min(attempts - 1, 16), settings.BACKOFF_MS_MAX)
    return step_ms // 2, step_ms


def cut_ms(left_ms: int, attempt_ms: int) -> int:
    """Return how long the next attempt may take, 0 where the deadline has passed.

    What is left of a deadline is cut to whole buckets, so that late attempts still share messages.
    """
    if left_ms >= attempt_ms:
        return attempt_ms
    if left_ms > settings.BUCKET_MS:
        return left_ms - left_ms % settings.BUCKET_MS
    return max(left_ms, 0)
