"""How far the replicas of each keyspace are known to be alike, as all nodes together tell it.

Two nodes that share shard groups of a keyspace are a pair. Either of them may begin a comparison,
and tells when the last complete one ended; of a pair the younger counts, of a keyspace the oldest
of its pairs: since then every replica was compared with every other one.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from msgspec import Struct

from dynakv.admin.status_nodes import Node
from dynakv.admin.tables import columns
from dynakv.client import texts
from dynakv.v1 import ring_pb2

_HEAD = ("KEYSPACE", "PAIRS COMPARED", "ALL SINCE", "SLOWEST", "TO DROP", "WAITS FOR")


class Repair(Struct, frozen=True):
    """One keyspace; ages and times in milliseconds."""

    keyspace: str
    pairs: int  # of nodes that share shard groups of it
    compared: int  # of those, completely, in the present life of who began it
    oldest_ms: int | None  # age of the oldest of these comparisons; None while some are missing
    slowest_ms: int | None  # what the slowest of these took
    to_drop: int  # deleted and expired records that are old enough, and not yet dropped
    waits_for: list[str]  # members without which groups of some keyspace could not go on


def repairs_of(layout: ring_pb2.GetRingStateResponse, nodes: Sequence[Node]) -> list[Repair]:
    """Return how each keyspace of the layout stands; those in Raft mode have nothing to compare."""
    names = [member.node_id for member in layout.members]
    waits_for = sorted({name for node in nodes for name in node.collection_waits_for})
    return [
        _repair(keyspace, names, nodes, waits_for)
        for keyspace in layout.keyspaces
        if keyspace.mode != ring_pb2.MODE_RAFT
    ]


def _repair(
    keyspace: ring_pb2.Keyspace, names: Sequence[str], nodes: Sequence[Node], waits_for: list[str]
) -> Repair:
    placements = {tuple(group.replicas) for group in keyspace.groups}
    pairs = {
        (names[min(pair)], names[max(pair)])
        for replicas in placements
        for pair in combinations(replicas, 2)
    }
    rounds: dict[tuple[str, str], tuple[int, int]] = {}  # pair -> age and duration of the last
    for node in nodes:
        for told in node.rounds:
            ends = sorted((node.node, told.node), key=names.index) if told.node in names else []
            if told.keyspace == keyspace.name and tuple(ends) in pairs:
                pair = (ends[0], ends[1])
                rounds[pair] = min((told.age_ms, told.took_ms), rounds.get(pair, (1 << 63, 0)))
    to_drop = sum(node.tombstones_waiting.get(keyspace.name, 0) for node in nodes)
    return Repair(
        keyspace.name,
        len(pairs),
        len(rounds),
        max((age for age, _ in rounds.values()), default=None)
        if len(rounds) == len(pairs)
        else None,
        max((took for _, took in rounds.values()), default=None),
        to_drop,
        waits_for if to_drop else [],
    )


def lines(repairs: Iterable[Repair]) -> list[str]:
    """Return a table for people; nothing where no two nodes share anything."""
    rows = [_row(repair) for repair in repairs if repair.pairs]
    return list(columns([_HEAD, *rows], right={2, 3, 4})) if rows else []


def _row(repair: Repair) -> tuple[str, ...]:
    missing = "none yet" if not repair.compared else "not all yet"
    return (
        repair.keyspace,
        f"{repair.compared} of {repair.pairs}",
        missing if repair.oldest_ms is None else f"{texts.lasting(repair.oldest_ms)} ago",
        "-" if repair.slowest_ms is None else texts.lasting(repair.slowest_ms),
        f"{repair.to_drop:,}",
        ", ".join(repair.waits_for) or "-",
    )
