"""Request ids: what makes a client's retries in Raft keyspaces exactly once.

A shard group remembers the outcomes of a client's last requests; who asks again under the same id
gets the outcome of the first time. What the client says that it settled is forgotten, and beyond
256 outcomes the oldest is (`limits.REQUEST_OUTCOMES_MAX`). So a client keeps no more than that
between its oldest unanswered request to a group and its newest: an id that is still awaited is
never forgotten. Each group has a client id and a count of its own here, since one slow group would
hold up the count of all. No I/O, no clock.
"""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from dynakv import limits
from dynakv.errors import RefusedError

SEQUENCES_MAX: Final = limits.REQUEST_OUTCOMES_MAX


class Window:
    """The ids of one client's requests to one shard group.

    Invariant: every issued sequence below `floor` is settled, and at most SEQUENCES_MAX are not.
    """

    __slots__ = ("_next", "_open", "client", "floor", "waiting")

    def __init__(self, client: int) -> None:
        """Begin with sequence 1 of the client id `client`, which is not 0."""
        self.client = client
        self.floor = 1  # the lowest sequence that is still awaited, else the next one
        self._next = 1
        self._open: set[int] = set()
        self.waiting: deque[Callable[[], None]] = deque()  # to be called when there is room

    @property
    def is_full(self) -> bool:
        """Whether another sequence must wait until the oldest is settled."""
        return self._next - self.floor >= SEQUENCES_MAX

    def issue(self) -> int:
        """Return the next sequence; the window must not be full."""
        assert not self.is_full
        sequence = self._next
        self._next += 1
        self._open.add(sequence)
        return sequence

    def settle(self, sequence: int) -> None:
        """Take note that nobody awaits the outcome of this sequence any more."""
        self._open.discard(sequence)
        while self.floor < self._next and self.floor not in self._open:
            self.floor += 1


class RequestIds:
    """The windows of one client, by keyspace and shard group (-1: the group is not known)."""

    def __init__(self, random: Random) -> None:
        """Draw client ids from `random`."""
        self._random = random
        self._windows: dict[tuple[str, int], Window] = {}

    def window(self, keyspace: str, group: int) -> Window:
        """Return the window of a group."""
        window = self._windows.get((keyspace, group))
        if window is None:
            client = self._random.randrange(1, 1 << 64)
            window = self._windows[keyspace, group] = Window(client)
        return window

    def take_waiting(self) -> Iterable[Callable[[], None]]:
        """Return all that waits for room, and keep nothing of it."""
        found = [call for window in self._windows.values() for call in window.waiting]
        for window in self._windows.values():
            window.waiting.clear()
        return found


def no_room() -> RefusedError:
    """Return the error of a request that got no id before its deadline."""
    return RefusedError(
        f"{SEQUENCES_MAX} requests of this client to one shard group are unanswered, the most "
        "that are remembered there; nothing was sent"
    )
