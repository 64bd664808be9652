"""Rumours: claims about members that ride on messages which are sent anyway.

SWIM, section 4.1: each rumour is passed on a number of times that grows with the logarithm of the
members, those told least often first, and a message takes as many as its budget of bytes holds. So
news reaches all with high probability, and what a member sends does not grow with their number.
"""

from collections.abc import Iterable

from msgspec import Struct

from dynakv import limits
from dynakv.core.suspicion import Claim


class Rumor(Struct, frozen=True, array_like=True):
    """A claim about a member, and who made it: for suspicions, whose confirmations count."""

    node_id: str
    claim: Claim
    accuser: str

    @property
    def size(self) -> int:
        """How many bytes of a message's budget it takes, about."""
        return len(self.node_id) + len(self.accuser) + limits.RUMOR_FRAME_BYTES


class Rumors:
    """The rumours that this node still passes on; of each member only the last one."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        """Begin with none."""
        self._told: dict[str, tuple[Rumor, int]] = {}  # by member: and how often it was told

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._told)

    def add(self, rumor: Rumor) -> None:
        """Pass a rumour on, instead of an earlier one about the same member."""
        self._told.pop(rumor.node_id, None)
        self._told[rumor.node_id] = (rumor, 0)

    def forget(self, node_id: str) -> None:
        """Tell nothing about a member any more."""
        self._told.pop(node_id, None)

    def take(self, members: int, first: Iterable[Rumor] = ()) -> tuple[Rumor, ...]:
        """Return what the next message carries, within its budget: `first`, then the least told.

        Each one taken counts as told; those told often enough for so many members end here.
        O(rumours log rumours).
        """
        taken = list(first)
        if not self._told:
            return tuple(taken)
        left = limits.RUMOR_BYTES_MAX - sum(rumor.size for rumor in taken)
        named = [rumor.node_id for rumor in taken]
        times_max = limits.RUMOR_TIMES * members.bit_length()
        # Stable: of those told equally often the older news goes first.
        for rumor, times in sorted(self._told.values(), key=lambda told: told[1]):
            if rumor.size > left:
                break
            if rumor.node_id in named:
                continue
            taken.append(rumor)
            left -= rumor.size
            if times + 1 >= times_max:
                del self._told[rumor.node_id]
            else:
                self._told[rumor.node_id] = (rumor, times + 1)
        return tuple(taken)
