"""How many keys of clients a node takes at once, by the speed at which it answers them.

A node that takes whatever comes fails everything when too much comes: requests wait until their
deadline, and the work that was put into them is lost. So the door refuses what would wait too long.
How long that is follows from Little's law: what is unanswered, divided by what is answered a
second. The bound is that speed times ADMITTED_WAIT_MS, measured anew every ADMISSION_WINDOW_MS, as
CoDel (Nichols and Jacobson, "Controlling queue delay", 2012) looks at the time in a queue rather
than at its length: a queue that is empty again soon is a burst, which is welcome, so the bound
holds only while the wait is long, and opens again when it is short.

A speed is known only while there is work: windows in which nothing was left to do say nothing.
Reads and writes have a bound each, since a write waits for disks and a read does not.

Pure: the time is an argument, in monotonic milliseconds.
"""

from typing import Final

from dynakv import limits

_PER_S: Final = 1_000


class Admission:
    """Admits keys of one kind of request. Large values count as more keys, as the driver says.

    Invariant: `waiting` is what was admitted and not answered;
    ADMITTED_KEYS_MIN <= keys_max <= INBOX_CLIENT_KEYS_MAX.
    """

    __slots__ = ("_answered", "_emptied", "_looked_ms", "_rate", "_refused", "keys_max", "waiting")

    def __init__(self, now_ms: int) -> None:
        """Begin open: nothing is known of the speed."""
        self.waiting = 0
        self.keys_max = limits.INBOX_CLIENT_KEYS_MAX
        self._rate = 0  # keys answered a second while there was work; 0: not known
        # Of the window under way:
        self._looked_ms = now_ms
        self._answered = 0
        self._refused = False
        self._emptied = True  # nothing was left to do at some moment

    def admit(self, keys: int, timeout_ms: int, now_ms: int) -> bool:
        """Count a message in, or refuse it; `timeout_ms` is when its caller gives up.

        A node without work takes any message, however large.
        """
        if now_ms - self._looked_ms >= limits.ADMISSION_WINDOW_MS:
            self._look(now_ms)
        room = self.keys_max
        if timeout_ms < limits.ATTEMPT_MS:  # who waits for less finds less room
            room = room * timeout_ms // limits.ATTEMPT_MS
        if self.waiting and self.waiting + keys > room:
            self._refused = True
            return False
        self.waiting += keys
        return True

    def answered(self, keys: int) -> None:
        """Count keys out."""
        self.waiting -= keys
        self._answered += keys
        if not self.waiting:
            self._emptied = True

    def _look(self, now_ms: int) -> None:
        """End a window: measure the speed, and set the bound by it where the wait is long."""
        if not self._emptied:
            rate = self._answered * _PER_S // (now_ms - self._looked_ms)
            faster = rate > self._rate
            # Answers come in lumps, a transaction each. Rather too long a queue than an idle node.
            self._rate += (rate - self._rate) // (2 if faster else 4)
        bound = self._rate * limits.ADMITTED_WAIT_MS // _PER_S
        if self._refused or self.waiting > bound:
            self.keys_max = max(bound, limits.ADMITTED_KEYS_MIN)
        else:
            self.keys_max *= 2
        self.keys_max = min(self.keys_max, limits.INBOX_CLIENT_KEYS_MAX)
        self._looked_ms = now_ms
        self._answered = 0
        self._refused = False
        self._emptied = not self.waiting
