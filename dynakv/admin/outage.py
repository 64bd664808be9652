"""What is lost while some nodes are away, computed from the layout alone.

Keys are spread evenly over the shard groups of a keyspace by their hash, so the share of groups
that lack a quorum is the share of keys, up to the chance of the hash.
"""

from collections.abc import Iterable, Sequence, Set
from typing import Final

from msgspec import Struct

from dynakv.errors import UsageError
from dynakv.v1 import ring_pb2

_WHOLE: Final = 100


class Loss(Struct, frozen=True):
    """What one keyspace loses; the counts are of its shard groups."""

    keyspace: str
    n: int
    rq: int
    wq: int
    groups: int
    short: int  # lack at least one replica
    no_read: int  # lack the replicas of a quorum read
    no_write: int
    gone: int  # lack every replica: not even level one answers

    @property
    def loses_a_quorum(self) -> bool:
        """Whether some key can no longer be read or written at level quorum."""
        return bool(self.no_read or self.no_write)


def losses(
    state: ring_pb2.GetRingStateResponse, away: Set[str], full: Set[str] = frozenset()
) -> list[Loss]:
    """Return the loss of each keyspace; nodes in `full` still read but save nothing."""
    names = [member.node_id for member in state.members]
    return [_loss(keyspace, names, away, full) for keyspace in state.keyspaces]


def _loss(
    keyspace: ring_pb2.Keyspace, names: Sequence[str], away: Set[str], full: Set[str]
) -> Loss:
    short = no_read = no_write = gone = 0
    for group in keyspace.groups:
        replicas = {names[i] for i in group.replicas}
        readers = len(replicas - away)
        writers = len(replicas - away - full)
        short += readers < len(replicas)
        no_read += readers < keyspace.rq
        no_write += writers < keyspace.wq
        gone += readers == 0
    return Loss(
        keyspace.name,
        keyspace.n,
        keyspace.rq,
        keyspace.wq,
        len(keyspace.groups),
        short,
        no_read,
        no_write,
        gone,
    )


def members_named(text: str, state: ring_pb2.GetRingStateResponse) -> list[str]:
    """Return the node ids of a comma-separated list, each once. Raises UsageError."""
    known = [member.node_id for member in state.members]
    named = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in named if name not in known]
    if unknown or not named:
        what = f"{unknown[0]!r} is no member" if unknown else f"{text!r} names no node"
        raise UsageError(f"--down: {what}; members are {', '.join(known)}")
    return named


def percent(part: int, whole: int) -> str:
    """Return a share for people; what is not nothing and not all is never rounded to it."""
    if not part:
        return "0 %"
    rounded = round(_WHOLE * part / whole)
    if not rounded:
        return "under 1 %"
    if rounded == _WHOLE and part < whole:
        return "over 99 %"
    return f"{rounded} %"


def sentence(found: Iterable[Loss]) -> str:
    """Return what the losses mean for keys, as part of a sentence."""
    found = list(found)
    worst = max(found, key=lambda loss: max(loss.no_read, loss.no_write) / max(loss.groups, 1))
    where = f" of keyspace {worst.keyspace}" if len(found) > 1 else ""
    read = percent(worst.no_read, worst.groups)
    write = percent(worst.no_write, worst.groups)
    if worst.no_read == worst.no_write and worst.no_read:
        return f"{write} of keys{where} have no write quorum and no read quorum"
    if worst.no_read and worst.no_write:
        return f"{write} of keys{where} have no write quorum, {read} no read quorum"
    if worst.no_write:
        return f"{write} of keys{where} have no write quorum"
    if worst.no_read:
        return f"{read} of keys{where} have no read quorum"
    if any(loss.short for loss in found):
        return "every key still has a quorum"
    return "all replicas of every key are up"
