"""Placement: which nodes should hold each shard group of a keyspace.

Consistent hashing with bounded loads (Karger et al. 1997; Mirrokni, Thorup and Zadimoghaddam,
"Consistent Hashing with Bounded Loads", 2016) over equal arcs of the 64-bit ring. Every node
places vnodes, in proportion to its weight; a group walks them clockwise from the start of its arc
and takes distinct nodes, spread over the zones as evenly as possible, and passes nodes that are
full. Full is `ceil(1.10 x share)`, where the share is what zones and weights allow: a lone node in
a zone of its own holds more than its weight says.

Where groups are held already, as few as possible move: every replica stays that may, the rest of
its groups go where the walk leads, and who has less than its share (a newcomer has nothing) takes
groups from those that hold most, those first that its own vnodes are nearest to. With nothing held
this is the plain walk, so a first placement and a change are the same code. `docs/ring.md` has the
measured balance and movement.

The function only proposes: the layout stores the replicas of every group, so two versions of this
code never disagree about where a record lives. Nothing here knows about epochs or moves.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from sortedcontainers import SortedList
from xxhash import xxh3_64_intdigest

from dynakv import limits
from dynakv.core.shares import (
    Candidate,
    Placed,
    by_zone,
    caps_of,
    quotas_of,
    shares_of,
    targets_of,
)

# A placement, what goes into it and what judges it.
__all__ = ("Candidate", "Placed", "propose", "shares_of", "vnodes_of")


def vnodes_of(node_id: str, weight: int) -> list[int]:
    """Return the points that a node places on the 64-bit ring, in no particular order."""
    name = node_id.encode()
    return [
        xxh3_64_intdigest(name + i.to_bytes(4, "little"))
        for i in range(limits.VNODES_PER_WEIGHT * weight)
    ]


def propose(
    candidates: Sequence[Candidate],
    groups: int,
    n: int,
    placed: Placed | None = None,
) -> list[tuple[str, ...]]:
    """Return the `n` distinct nodes of each of the `groups` equal arcs of the ring.

    `placed` is where they are now; None if nothing is placed yet. A replica that stays keeps its
    place before those that come.

    The same for every order of `candidates`. Nodes with weight 0 hold nothing; at least `n` must
    have a weight. No node is above its cap (`caps_of`). Costs about 10 us a group, more where a
    zone is so light that the walk to it is long.
    """
    holders = sorted((c for c in candidates if c.weight > 0), key=lambda c: c.node_id)
    assert len({c.node_id for c in holders}) == len(holders)
    assert 1 <= n <= len(holders)
    assert placed is None or len(placed.replicas) == groups
    return _Placement(holders, groups, n, placed).run()


class _Placement:
    """One run of the algorithm: keep, walk, complete what is short, level what is uneven.

    `room` is how many more groups a node may take. Only `_keep` makes it negative, where a node
    holds more than it shall; `_level` ends that.
    """

    def __init__(
        self, holders: Sequence[Candidate], groups: int, n: int, placed: Placed | None
    ) -> None:
        zones = by_zone(holders)
        self.n = n
        self.zone_of = {c.node_id: c.zone for c in holders}
        self.quotas, self.extras = quotas_of(zones, n)
        self.stored = placed.replicas if placed else ()
        self.holding = frozenset(chain.from_iterable(self.stored))
        caps = caps_of(holders, groups, n)
        self.room = targets_of(holders, groups, n, placed) if placed else dict(caps)
        self.spare = {node_id: caps[node_id] - self.room[node_id] for node_id in caps}
        self.chosen: list[list[str]] = [[] for _ in range(groups)]
        self.ring = SortedList(
            # A token that two nodes share goes to the lesser id: never to who joined first.
            (token, c.node_id)
            for c in holders
            for token in vnodes_of(c.node_id, c.weight)
        )

    def run(self) -> list[tuple[str, ...]]:
        """Return the replicas of every group; callable once."""
        for group, replicas in enumerate(self.stored):
            self._keep(group, replicas)
        for group in range(len(self.chosen)):
            self._walk(group)
        for group, chosen in enumerate(self.chosen):
            while len(chosen) < self.n:
                self._complete(group)
        self._level()
        return [tuple(chosen) for chosen in self.chosen]

    def _from_arc(self, group: int) -> Iterator[str]:
        """Yield the owner of each vnode, clockwise from the start of the group's arc."""
        start = (group << 64) // len(self.chosen)
        for _, node_id in chain(self.ring.irange((start,)), self.ring.irange(maximum=(start,))):
            yield node_id

    def _keep(self, group: int, replicas: Sequence[str]) -> None:
        """Keep as many replicas as the zones allow; where some must go, those with least room."""
        kept: list[str] = []
        for node_id in sorted((r for r in replicas if r in self.room), key=lambda r: -self.room[r]):
            if len(kept) < self.n and self._fits(kept, node_id):
                kept.append(node_id)
                self.room[node_id] -= 1
        self.chosen[group] = [r for r in replicas if r in kept]

    def _walk(self, group: int) -> None:
        """Take the first nodes met that have room, as far as there are any.

        Where most is placed already, those with most room: taken in the order of the walk, it would
        often be left to nodes that hold the last short groups already, and others had to move.
        """
        chosen = self.chosen[group]
        if len(chosen) == self.n:
            return
        met: Iterable[str] = self._from_arc(group)
        if self.stored:
            met = sorted(dict.fromkeys(met), key=lambda node_id: -self.room[node_id])
        for node_id in met:
            if self.room[node_id] > 0 and node_id not in chosen and self._fits(chosen, node_id):
                chosen.append(node_id)
                self.room[node_id] -= 1
                if len(chosen) == self.n:
                    return

    def _fits(self, chosen: Sequence[str], node_id: str) -> bool:
        """Say whether the zones allow a group to hold this node beside those chosen."""
        zone_of, quotas = self.zone_of, self.quotas
        zone = zone_of[node_id]
        counts = {zone: 0}
        for node in chosen:
            counts[zone_of[node]] = counts.get(zone_of[node], 0) + 1
        if counts[zone] < quotas[zone]:
            return True
        if counts[zone] > quotas[zone]:
            return False
        return sum(count > quotas[z] for z, count in counts.items()) < self.extras

    def _complete(self, group: int) -> None:
        """Give a group that found only full nodes one more, by moving replicas of other groups.

        The group takes a full node, which hands another of its groups to the next node, up to one
        that has room. There always is one, since the shares are a fractional placement below the
        caps.
        """
        first = self.chosen[group]
        came: dict[str, tuple[str, int] | None] = {
            node_id: None
            for node_id in dict.fromkeys(self._from_arc(group))
            if node_id not in first and self._fits(first, node_id)
        }
        if not self._lent(first, came):
            first.append(self._shift(came, group))

    def _lent(self, chosen: list[str], fitting: Iterable[str]) -> bool:
        """Let a node below its cap take what another one of its zone was meant to: that moves less.

        Say whether that was possible. Newcomers are not kept from what they were meant to get.
        """
        for lender in sorted(chosen, key=lambda node_id: -self.room[node_id]):
            if self.room[lender] <= 0 or lender not in self.holding:
                continue
            for taker in fitting:
                if self.spare[taker] > 0 and self.zone_of[taker] == self.zone_of[lender]:
                    self.spare[taker] -= 1
                    self.spare[lender] += 1
                    self.room[lender] -= 1
                    chosen.append(taker)
                    return True
        return False

    def _level(self) -> None:
        """Let nodes with room take groups from nodes that hold more than they shall."""
        for taker in self.zone_of:
            if self.room[taker] > 0 and min(self.room.values()) < 0:
                self._take(taker)
        for giver in self.zone_of:
            while self.room[giver] < 0:  # only by way of a third: where zones leave no direct one
                self._shift({giver: None}, None)
                self.room[giver] += 1

    def _take(self, taker: str) -> None:
        """Take groups in the order in which a walk comes by the taker, each from the fullest."""
        ranks = sorted((self._rank(group, taker), group) for group in range(len(self.chosen)))
        for _, group in ranks:
            chosen = self.chosen[group]
            if taker in chosen:
                continue
            for giver in sorted(chosen, key=lambda node_id: (self.room[node_id], node_id)):
                if self.room[giver] >= 0 or self.room[taker] <= 0:
                    break
                if self._fits([c for c in chosen if c != giver], taker):
                    chosen[chosen.index(giver)] = taker
                    self.room[giver] += 1
                    self.room[taker] -= 1
                    break

    def _rank(self, group: int, taker: str) -> int:
        """Return how many other nodes a walk from the group's arc meets before this one."""
        met: dict[str, None] = {}
        for node_id in self._from_arc(group):
            if node_id == taker:
                break
            met[node_id] = None
        return len(met)

    def _shift(self, came: dict[str, tuple[str, int] | None], short: int | None) -> str:
        """Hand groups on from one of the nodes in `came` to one with room; return the first one.

        A shortest augmenting path, as in matroid intersection (Edmonds 1970). The group `short` is
        left alone.
        """
        queue = deque(came)
        while self.room[giver := queue.popleft()] <= 0:
            for other, chosen in enumerate(self.chosen):
                if giver in chosen and other != short:
                    rest = [c for c in chosen if c != giver]
                    for taker in self.zone_of:
                        if taker not in came and taker not in rest and self._fits(rest, taker):
                            came[taker] = (giver, other)
                            queue.append(taker)
        self.room[giver] -= 1
        while (step := came[giver]) is not None:
            before, other = step
            self.chosen[other][self.chosen[other].index(before)] = giver
            giver = before
        return giver
