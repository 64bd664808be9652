"""What is claimed of a member, which claim beats which, and how long a suspicion lasts.

SWIM (Das, Gupta and Motivala, 2002, section 4.2): who does not answer is first only suspected, and
may refute that with a higher counter, which nobody but the member itself raises. Lifeguard (Dadgar,
Phillips and Currey, 2018): a suspicion that nobody confirms lasts longer (section III.B), and who
finds itself slow gives everybody else more time (section III.A).

The refutation counter is what SWIM calls an incarnation number; here that word belongs to the data
directory. Nothing in this module counts towards a quorum.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from dynakv import limits


class State(Enum):
    """What is believed of a member."""

    ALIVE = "alive"
    SUSPECT = "suspect"  # did not answer; counts as alive until that has lasted
    DEAD = "dead"
    LEFT = "left"  # said itself that it stops


class Needs(Enum):
    """Which counter a claim needs to replace the one that is held."""

    SAME = "the same or a higher one"
    HIGHER = "a higher one"


# (held, heard) -> what the heard claim needs. Accusations need no higher counter than what they
# accuse; taking one back does, so that only the accused can do it. Read as an order: a higher
# counter wins, and of equal ones the later of alive, suspect, dead, left.
TRANSITIONS: Final = {
    (State.ALIVE, State.ALIVE): Needs.HIGHER,
    (State.ALIVE, State.SUSPECT): Needs.SAME,
    (State.ALIVE, State.DEAD): Needs.SAME,
    (State.ALIVE, State.LEFT): Needs.SAME,
    (State.SUSPECT, State.ALIVE): Needs.HIGHER,
    (State.SUSPECT, State.SUSPECT): Needs.HIGHER,
    (State.SUSPECT, State.DEAD): Needs.SAME,
    (State.SUSPECT, State.LEFT): Needs.SAME,
    (State.DEAD, State.ALIVE): Needs.HIGHER,
    (State.DEAD, State.SUSPECT): Needs.HIGHER,
    (State.DEAD, State.DEAD): Needs.HIGHER,
    (State.DEAD, State.LEFT): Needs.SAME,
    (State.LEFT, State.ALIVE): Needs.HIGHER,
    (State.LEFT, State.SUSPECT): Needs.HIGHER,
    (State.LEFT, State.DEAD): Needs.HIGHER,
    (State.LEFT, State.LEFT): Needs.HIGHER,
}


class Claim(Struct, frozen=True, array_like=True):
    """What somebody says of a member; a member nobody has heard of starts alive with 0."""

    state: State
    counter: int  # the member's refutation counter


def beats(heard: Claim, held: Claim) -> bool:
    """Say whether a heard claim replaces the one that is held."""
    if TRANSITIONS[held.state, heard.state] is Needs.SAME:
        return heard.counter >= held.counter
    return heard.counter > held.counter


# How much of the way from the longest to the shortest time n of k confirmations go, in thousandths:
# log(n + 1) / log(k + 1).
_WAY: Final = {0: (1000,), 1: (0, 1000), 2: (0, 631, 1000), 3: (0, 500, 792, 1000)}
CONFIRMATIONS_MAX: Final = 3  # more make it no shorter


class Suspicion:
    """A member under suspicion: who accuses it, since when, and when it counts as dead."""

    __slots__ = ("_accusers", "_confirmations", "began_ms", "longest_ms", "shortest_ms")

    def __init__(self, accuser: str, others: int, now_ms: int, scale: tuple[int, int]) -> None:
        """Begin with one accuser; `others` may confirm it; `scale` is the shortest and longest."""
        self.began_ms = now_ms
        self.shortest_ms, self.longest_ms = scale
        self._confirmations = min(CONFIRMATIONS_MAX, max(0, others))
        self._accusers = {accuser: None}

    def confirm(self, accuser: str) -> bool:
        """Take note of one more accuser; True if that shortens the time."""
        if accuser in self._accusers or len(self._accusers) > self._confirmations:
            return False
        self._accusers[accuser] = None
        return True

    @property
    def ends_ms(self) -> int:
        """When the member counts as dead, unless it refutes before."""
        way = _WAY[self._confirmations][len(self._accusers) - 1]
        shorter_ms = (self.longest_ms - self.shortest_ms) * way // 1000
        return self.began_ms + self.longest_ms - shorter_ms

    def forgive(self, gap_ms: int) -> None:
        """Give the member the time during which nobody here could have heard it."""
        self.began_ms += gap_ms


class Health:
    """How far this node believes its own eyes: 0 fully, up to a bound at which it waits longest."""

    __slots__ = ("score",)

    def __init__(self) -> None:
        """Begin healthy."""
        self.score = 0

    def worse(self, by: int) -> None:
        """Take note of signs that this node itself is slow or cut off."""
        self.score = min(limits.HEALTH_MAX, self.score + by)

    def better(self) -> None:
        """Take note of an answer in time."""
        self.score = max(0, self.score - 1)

    def scaled(self, ms: int) -> int:
        """Return a time as this node should wait it."""
        return ms * (self.score + 1)
