"""Shares: how many shard groups each node should hold, by weight and zone.

A share is what weights ask for as far as the zones' quotas and "a group at most once per node" let
them. Two bounds follow from it. The cap, `ceil(1.10 x share)`, is never exceeded. And in a cluster
that already holds groups, `targets_of` says how many of them each node shall end with, so that no
more has to be copied over the network than the change of shares asks for.

Pure arithmetic; which groups these are is for `core/ring.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heapreplace
from math import floor
from typing import Final

from msgspec import Struct

CAP_PERCENT: Final = 110  # of a node's share; tighter moves more on a join, looser balances less


class Candidate(Struct, frozen=True):
    """A node that may hold data; weight 0 holds none."""

    node_id: str
    zone: str
    weight: int


class Placed(Struct, frozen=True):
    """Where the groups of a keyspace are now, and who shared them."""

    candidates: Sequence[Candidate]
    n: int
    replicas: Sequence[Sequence[str]]  # of each group; some may be no candidates any more


def caps_of(candidates: Sequence[Candidate], groups: int, n: int) -> dict[str, int]:
    """Return for each node with a weight the greatest number of groups it may be given."""
    return {
        node_id: min(groups, -(-share * groups * CAP_PERCENT // 100))
        for node_id, share in shares_of(candidates, n).items()
    }


def shares_of(candidates: Sequence[Candidate], n: int) -> dict[str, Fraction]:
    """Return for each node with a weight the fraction of all groups it should hold: 0 < share <= 1.

    Shares follow the weights as far as the zones' quotas and "a group at most once per node" let
    them; they add up to `n`.
    """
    holders = [c for c in candidates if c.weight > 0]
    zones = by_zone(holders)
    quotas, _ = quotas_of(zones, n)
    per_zone = _fill(
        {zone: sum(c.weight for c in members) for zone, members in zones.items()},
        quotas,
        {zone: min(quotas[zone] + 1, len(members)) for zone, members in zones.items()},
        Fraction(n),
    )
    shares: dict[str, Fraction] = {}
    for zone, members in zones.items():
        weights = {c.node_id: c.weight for c in members}
        shares |= _fill(
            weights, dict.fromkeys(weights, 0), dict.fromkeys(weights, 1), per_zone[zone]
        )
    return shares


def targets_of(
    candidates: Sequence[Candidate], groups: int, n: int, placed: Placed
) -> dict[str, int]:
    """Return for each node with a weight how many groups it shall hold, near what it holds.

    They add up to `groups x n`, stay within the caps, and some placement that spreads the replicas
    over the zones has them. A node keeps what it holds. Where its share rises it gets as much more,
    but not more than its share: a newcomer gets just that. What this takes comes from the nodes
    that hold most, and what became free goes to those that hold least, as measured by their shares.
    Nodes that were below their share before are not brought up to it: a change moves no more than
    it must.
    """
    zones = by_zone([c for c in candidates if c.weight > 0])
    quotas, extras = quotas_of(zones, n)
    caps = caps_of(candidates, groups, n)
    shares = {node_id: share * groups for node_id, share in shares_of(candidates, n).items()}
    former = shares_of(placed.candidates, placed.n)
    held = Counter(node_id for replicas in placed.replicas for node_id in replicas)
    wanted = {
        node_id: min(
            caps[node_id], _grown(held[node_id], share, share - former.get(node_id, 0) * groups)
        )
        for node_id, share in shares.items()
    }
    # First the zones: a zone's sum is bound by its quota, whatever its nodes hold.
    names = {zone: [c.node_id for c in members] for zone, members in zones.items()}
    most = {z: min(quotas[z] + bool(extras), len(members)) for z, members in zones.items()}
    per_zone = _near(
        {z: sum((shares[name] for name in names[z]), Fraction()) for z in zones},
        {z: sum(wanted[name] for name in names[z]) for z in zones},
        {z: quotas[z] * groups for z in zones},
        {z: min(most[z] * groups, sum(caps[name] for name in names[z])) for z in zones},
        groups * n,
    )
    targets: dict[str, int] = {}
    for zone, members in names.items():
        targets |= _near(
            {name: shares[name] for name in members},
            wanted,
            dict.fromkeys(members, 0),
            caps,
            per_zone[zone],
        )
    return targets


def _grown(held: int, share: Fraction, rise: Fraction) -> int:
    """Return what is held and what a rising share adds, to the nearest whole group."""
    if rise <= 0 or held >= share:
        return held
    return max(held, floor(min(share, held + rise) + Fraction(1, 2)))


def _near(
    shares: Mapping[str, Fraction],
    wanted: Mapping[str, int],
    lows: Mapping[str, int],
    highs: Mapping[str, int],
    amount: int,
) -> dict[str, int]:
    """Divide `amount` by the keys of `shares`, each part near what is wanted, from low to high.

    The shares are above 0. O(amount x log parts) at worst.
    """
    parts = {k: max(lows[k], min(wanted[k], highs[k])) for k in shares}
    missing = amount - sum(parts.values())
    step, bounds = (1, highs) if missing > 0 else (-1, lows)
    # The least loaded first where parts grow, the most loaded first where they shrink.
    queue = [(step * parts[k] / shares[k], k) for k in shares if parts[k] != bounds[k]]
    heapify(queue)
    for _ in range(abs(missing)):
        _, k = queue[0]
        parts[k] += step
        if parts[k] == bounds[k]:
            heappop(queue)
        else:
            heapreplace(queue, (step * parts[k] / shares[k], k))
    return parts


def by_zone(holders: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    zones: dict[str, list[Candidate]] = {}
    for candidate in sorted(holders, key=lambda c: (c.zone, c.node_id)):
        zones.setdefault(candidate.zone, []).append(candidate)
    return zones


def quotas_of(zones: Mapping[str, Sequence[Candidate]], n: int) -> tuple[dict[str, int], int]:
    """Return how many replicas of a group each zone holds at least, and how many hold one more."""
    quotas = dict.fromkeys(zones, 0)
    left = n
    while True:
        growing = [zone for zone, members in zones.items() if quotas[zone] < len(members)]
        if not growing or len(growing) > left:
            return quotas, left
        for zone in growing:
            quotas[zone] += 1
        left -= len(growing)


def _fill(
    weights: Mapping[str, int],
    lows: Mapping[str, int],
    highs: Mapping[str, int],
    amount: Fraction,
) -> dict[str, Fraction]:
    """Divide `amount` in proportion to the weights, each part kept within its low and high.

    The parts are `clamp(level x weight, low, high)` for the one level at which they add up. Exact,
    because a cap rounds up: a share of 2.0000000000000004 must not buy another group.
    """

    def at(level: Fraction) -> dict[str, Fraction]:
        return {
            k: max(Fraction(lows[k]), min(level * weight, Fraction(highs[k])))
            for k, weight in weights.items()
        }

    marks = sorted({Fraction(bound[k], w) for k, w in weights.items() for bound in (lows, highs)})
    # The sum rises with the level and is linear between two marks.
    below = max(mark for mark in marks if sum(at(mark).values()) <= amount)
    missing = amount - sum(at(below).values())
    slope = sum(w for k, w in weights.items() if lows[k] <= below * w < highs[k])
    return at(below + missing / slope) if missing else at(below)
