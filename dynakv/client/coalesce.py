"""Puts calls that are made at the same time into one message.

A lane collects the calls for one node that can share a message. Nagle's idea without its delay
(RFC 896): what comes while nothing is under way leaves at the end of the loop's turn; what comes
later waits until a message returns, a full one has gathered, or it has waited for LINGER_MS. So
messages grow exactly when the node or the network is the slower side. No I/O, no clock of its own.
"""

from collections import deque
from typing import NamedTuple

from dynakv.client import settings
from dynakv.client.operation import Op, Terms


class LaneKey(NamedTuple):
    """What calls must have in common to share a message."""

    endpoint: str
    terms: Terms
    attempt_ms: int  # of this attempt
    reads: bool  # apart from writes, which wait for disks


class Lane:
    """The queue of one kind of message to one node, and when it may leave."""

    __slots__ = (
        "_bytes",
        "_queue",
        "in_flight",
        "is_flushing",
        "is_lingering",
        "key",
        "keys_max",
        "partial_in_flight_max",
    )

    def __init__(
        self,
        key: LaneKey,
        keys_max: int = settings.BATCH_KEYS_MAX,
        partial_in_flight_max: int = settings.PARTIAL_IN_FLIGHT_MAX,
    ) -> None:
        """Begin empty. With `keys_max` 1 nothing is coalesced and nothing waits."""
        self.key = key
        self.keys_max = keys_max
        self.partial_in_flight_max = partial_in_flight_max
        self.in_flight = 0
        self.is_flushing = False  # the shell's: a flush is due at the end of this turn
        self.is_lingering = False  # the shell's: a flush is due when LINGER_MS have passed
        self._queue: deque[Op] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._queue and not self.in_flight

    def add(self, op: Op) -> None:
        """Append a call."""
        self._queue.append(op)
        self._bytes += op.size_bytes

    def take(self, keys_max: int, *, overdue: bool = False) -> list[Op]:
        """Return the calls of a message that is to leave now, oldest first; empty: wait.

        `keys_max` bounds this message besides the lane's own bound, `overdue` says that the oldest
        call has waited long enough. Who gets a message says `returned` when it is answered.
        """
        queue = self._queue
        if not queue or not self._may_leave(keys_max, overdue=overdue):
            return []
        most = min(self.keys_max, keys_max)
        batch: list[Op] = []
        size = 0
        while queue and len(batch) < most:
            op = queue[0]
            if op.batch_max:
                most = min(most, op.batch_max)
                if len(batch) >= most:
                    break
            if batch and size + op.size_bytes > settings.BATCH_BYTES_MAX:
                break
            size += op.size_bytes
            batch.append(queue.popleft())
        self._bytes -= size
        self.in_flight += 1
        return batch

    def _may_leave(self, keys_max: int, *, overdue: bool) -> bool:
        if self.keys_max == 1:
            return True
        if self.in_flight < self.partial_in_flight_max:
            return True
        is_full = (
            len(self._queue) >= min(self.keys_max, keys_max)
            or self._bytes >= settings.BATCH_BYTES_MAX
        )
        return (is_full or overdue) and self.in_flight < settings.IN_FLIGHT_MAX

    def returned(self) -> None:
        """Take note that a message was answered or failed."""
        assert self.in_flight > 0
        self.in_flight -= 1

    def drain(self) -> list[Op]:
        """Return all that waits and keep nothing of it."""
        waiting = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        return waiting


class AnswerSize:
    """Guesses how many keys a read may ask for, so that the answer stays within bounds.

    The largest values seen lately count: an answer that is too large is thrown away as a whole.
    """

    __slots__ = ("_value_bytes",)

    def __init__(self) -> None:
        """Expect small values until large ones are seen."""
        self._value_bytes = 1.0

    def saw(self, answer_bytes: int, keys: int) -> None:
        """Take note of an answer: up at once, down slowly."""
        mean = answer_bytes / keys
        if mean >= self._value_bytes:
            self._value_bytes = mean
        else:
            self._value_bytes += (mean - self._value_bytes) / 16

    def was_too_large(self, keys: int) -> None:
        """Take note that an answer for so many keys did not fit."""
        self.saw(2 * settings.ANSWER_BYTES_MAX, keys)

    def keys_max(self) -> int:
        """Return how many keys the next read may ask for, at least 1."""
        return max(1, int(settings.ANSWER_BYTES_MAX / max(self._value_bytes, 1.0)))
