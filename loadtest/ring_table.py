"""How even placement is and what a change moves: `python -m loadtest.ring_table`.

Arithmetic only, no cluster. For each number of nodes and zones, the worst of several sets of names:

* first: the balance of a first placement on so many nodes;
* join: copies that one node more makes necessary, as a multiple of its ideal share, and the balance
  after it;
* leave: copies that one node fewer makes necessary, as a multiple of what that node held, and the
  balance after it;
* grown: the balance of a cluster that began with three nodes and grew by one join after the other,
  and the greatest multiple that one of these joins moved.

A balance is the least and the most that a node holds, as parts of its ideal share.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dynakv.core import ring_plan
from dynakv.core.layout import KeyspaceSettings, Layout, Member, NodeId, first_layout

NODES: Final = (3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 40, 50)
ZONES: Final = (1, 2, 3)
GROUPS: Final = 256
NAMES: Final = ("n", "node-", "kv.example.org/")
BEGUN: Final = 3


class Balance(Struct, frozen=True):
    """The least and the most that a node holds, as parts of its ideal share."""

    least: float
    most: float

    def __str__(self) -> str:
        """Return it as a cell of a table."""
        return f"{self.least:.2f} to {self.most:.2f}"


class Row(Struct, frozen=True):
    """The worst of all sets of names for one number of nodes and zones."""

    zones: int
    nodes: int
    first: Balance
    join: float
    joined: Balance
    leave: float
    left: Balance
    grown: Balance
    grown_join: float


def table(nodes: Sequence[int], zones: Sequence[int], groups: int) -> Iterator[Row]:
    """Yield the rows, those of each number of zones together."""
    for spread in zones:
        grown = [_grown(name, spread, groups, max(nodes)) for name in NAMES]
        for count in nodes:
            yield _row(count, spread, groups, [(g[count][0], g[count][1]) for g in grown])


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the rows as a table in Markdown."""
    head = "zones | nodes | first | join moves | then | leave moves | then | grown | a join moved"
    cells = [
        f"{r.zones} | {r.nodes} | {r.first} | {r.join:.2f} | {r.joined}"
        f" | {r.leave:.2f} | {r.left} | {r.grown} | {r.grown_join:.2f}"
        for r in rows
    ]
    return [f"| {line} |" for line in (head, " | ".join(["---"] * 9), *cells)]


def _row(count: int, zones: int, groups: int, grown: Sequence[tuple[Layout, float]]) -> Row:
    firsts, joins, joined, leaves, left = [], [], [], [], []
    for name in NAMES:
        members = _members(name, zones, count + 1)
        settings = [KeyspaceSettings("default", groups=groups)]
        first = first_layout(members[:-1], settings)
        change = _planned(first, ring_plan.Join(members[-1]))
        firsts.append(_balance(first))
        joins.append(_multiple(change))
        joined.append(_balance(change.after))
        gone = change.after.members[0].node_id
        back = _planned(change.after, ring_plan.Leave(gone))
        held = ring_plan.loads(back.before.keyspaces[0])[gone]
        leaves.append(ring_plan.copies(back.before.keyspaces[0], back.after.keyspaces[0]) / held)
        left.append(_balance(back.after))
    return Row(
        zones,
        count,
        _worst(firsts),
        max(joins),
        _worst(joined),
        max(leaves),
        _worst(left),
        _worst([_balance(layout) for layout, _ in grown]),
        max(moved for _, moved in grown),
    )


def _grown(name: str, zones: int, groups: int, count: int) -> dict[int, tuple[Layout, float]]:
    """Return the layout at each size up to `count`, and what the last join moved (0: none yet)."""
    members = _members(name, zones, count)
    at = first_layout(members[:BEGUN], [KeyspaceSettings("default", groups=groups)])
    found = {len(at.members): (at, 0.0)}
    for member in members[BEGUN:]:
        change = _planned(at, ring_plan.Join(member))
        at = change.after
        found[len(at.members)] = (at, _multiple(change))
    return found


def _members(name: str, zones: int, count: int) -> list[Member]:
    members = [Member(NodeId(f"{name}{i}"), f"127.0.0.1:{i}") for i in range(count)]
    return [replace(m, zone=f"z{i % zones}") for i, m in enumerate(members)]


def _planned(layout: Layout, change: ring_plan.Change) -> ring_plan.Plan:
    found = ring_plan.plan(layout, [change])
    assert isinstance(found, ring_plan.Plan), found
    return found


def _multiple(change: ring_plan.Plan) -> float:
    """Return what is copied as a multiple of what only rising shares would copy."""
    copied = ring_plan.copies(change.before.keyspaces[0], change.after.keyspaces[0])
    ideal = float(ring_plan.ideal_copies(change, change.before.keyspaces[0].settings.name))
    return copied / ideal if ideal else 0.0


def _balance(layout: Layout) -> Balance:
    keyspace = layout.keyspaces[0]
    held = ring_plan.loads(keyspace)
    ideal = ring_plan.ideal_loads(layout.members, keyspace)
    parts = [float(held.get(node_id, 0) / share) for node_id, share in ideal.items()]
    return Balance(min(parts), max(parts))


def _worst(found: Sequence[Balance]) -> Balance:
    return Balance(min(b.least for b in found), max(b.most for b in found))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.ring_table", description=__doc__)
    parser.add_argument("--groups", type=int, default=GROUPS, help=f"default {GROUPS}")
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES)
    parser.add_argument("--zones", type=int, nargs="+", default=ZONES)
    chosen = parser.parse_args(arguments)
    print(*lines(list(table(chosen.nodes, chosen.zones, chosen.groups))), sep="\n")


if __name__ == "__main__":
    main()
