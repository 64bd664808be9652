"""How many commands of a connection may be unanswered, so that their replies fit into memory.

A thousand short requests may ask for a gigabyte, and how large a reply will be nobody knows before
it is there. So the number follows the replies of late, as a congestion window does: few at first
and after large ones, up to all of RESP_UNANSWERED_MAX after small ones. What it does not foresee
are large replies right behind many small ones: those may once be as many as were let in.
"""

from dynakv import limits


class Window:
    """The bound of one connection. Invariant: 1 <= slots <= RESP_UNANSWERED_MAX."""

    __slots__ = ("_reply_bytes", "slots")

    def __init__(self) -> None:
        """Begin with a guess."""
        self._reply_bytes = limits.RESP_REPLY_BYTES_GUESS
        self.slots = _slots_for(self._reply_bytes)

    def sent(self, replies: int, size: int) -> None:
        """Take note of replies, of so many bytes together, that left at once."""
        mean = size // replies
        if mean < self._reply_bytes:
            if self.slots == limits.RESP_UNANSWERED_MAX:
                return  # the usual case: small ones, as ever
            mean = (self._reply_bytes + mean) // 2
        self._reply_bytes = mean
        self.slots = _slots_for(mean)


def _slots_for(reply_bytes: int) -> int:
    room = limits.RESP_HELD_BYTES_MAX // max(1, reply_bytes)
    return min(limits.RESP_UNANSWERED_MAX, max(1, room))
