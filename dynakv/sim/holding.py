"""A pause in the middle of a turn: what a coordinator stamped leaves long after it was stamped.

The node has decided, its shell has done part of it, and then the process stands still: as long as
a collection takes, or longer. Where the coordinator is no replica of the key, the replicas go on
without it, and may have collected the key's group when the write at last arrives.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dynakv.core.table import MergeRecords
from dynakv.node.messages import Ask, Effect, Save


class Hold(NamedTuple):
    """What a pause waits for, and how long it lasts."""

    saves: int  # of clients' records that still leave, of those in the turn
    span_us: int
    stranger: bool  # only in a turn in which this node saves nothing itself


def left_of(effects: Sequence[Effect], hold: Hold) -> int | None:
    """Return how many effects of a turn leave before the pause; None: it waits for another turn."""
    fresh = [i for i, effect in enumerate(effects) if _fresh(effect) is not None]
    own = any(isinstance(e, Ask) and isinstance(e.message, MergeRecords) for e in effects)
    if not fresh or (own and hold.stranger):
        return None
    return fresh[min(hold.saves, len(fresh) - 1)]


def saves_in(effects: Sequence[Effect]) -> Iterator[Save]:
    """Yield what clients wrote, of what is left of a turn."""
    return (save for save in map(_fresh, effects) if save is not None)


def _fresh(effect: Effect) -> Save | None:
    """Return the Save that an effect sends, unless it vouches for what it read from a replica."""
    message = effect.message if isinstance(effect, Ask) else None
    return message if isinstance(message, Save) and message.floors is None else None
