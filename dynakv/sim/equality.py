"""Whether replicas are equal: their rows, and the hash trees that are to say so.

It is the only judge that looks into a node: at its trees, which nobody else shows, and at whether
all groups have recovered.
"""

from collections.abc import Sequence

from dynakv.core.hashtree import LEAVES, leaf_of
from dynakv.core.layout import Keyspace
from dynakv.core.record import Record, intact
from dynakv.sim.process import Process

_SHOWN = 6  # differences in one message


class Equality:
    """Compares the disks and trees of all replicas."""

    def __init__(self, keyspace: Keyspace, processes: Sequence[Process]) -> None:
        """Judge these processes."""
        self._keyspace_id = int(keyspace.keyspace_id)
        self._placement = keyspace.placement
        self._processes = {process.name: process for process in processes}

    def unequal(self) -> list[str]:
        """Return in words where replicas differ or do not know that they are equal."""
        rows = {name: self._rows(process) for name, process in self._processes.items()}
        found: list[str] = []
        for group, replicas in enumerate(self._placement):
            first = rows[replicas[0]][group]
            for name in replicas:
                mine = rows[name][group]
                if mine != first:
                    keys = sorted({*mine.items()} ^ {*first.items()}, key=lambda item: item[0])
                    found.append(f"group {group} of {replicas[0]} and {name}: {keys[:2]}")
                damaged = [row.key for row in mine.values() if not intact(row)]
                if self._recovers(name, group):
                    found.append(f"group {group} of {name} still recovers")
                if damaged:
                    found.append(f"group {group} of {name}: damaged {damaged[:2]}")
            if self._roots_differ(group, replicas):
                found.append(f"group {group}: roots differ or are unknown")
            if len(found) >= _SHOWN:
                break
        return found

    def wrong_trees(self) -> list[str]:
        """Return in words which known trees do not stand for the rows on their disk."""
        found: list[str] = []
        for name, process in self._processes.items():
            node = process.node
            if node is None:
                continue
            trees = node.context.trees
            if trees.drifts:
                found.append(f"{name}: {trees.drifts} drifts")
            for group, rows in enumerate(self._rows(process)):
                leaves = trees.leaves(self._keyspace_id, group)
                if leaves is not None and leaves != _leaves_of(list(rows.values())):
                    found.append(f"{name}: the tree of group {group} is not that of its rows")
        return found

    def _roots_differ(self, group: int, replicas: Sequence[str]) -> bool:
        roots = []
        for name in replicas:
            node = self._processes[name].node
            roots.append(node and node.context.trees.root(self._keyspace_id, group))
        return None in roots or len(set(roots)) > 1

    def _recovers(self, name: str, group: int) -> bool:
        node = self._processes[name].node
        return node is not None and (self._keyspace_id, group) in node.context.recovering

    def _rows(self, process: Process) -> list[dict[bytes, Record]]:
        """Return the rows of each group by their keys. O(rows)."""
        groups: list[dict[bytes, Record]] = [{} for _ in self._placement]
        for (keyspace, group, key), row in process.disk.rows.items():
            if keyspace == self._keyspace_id:
                groups[group][key] = row
        return groups


def _leaves_of(rows: list[Record]) -> list[int]:
    leaves = [0] * LEAVES
    for row in rows:
        leaves[leaf_of(row.key)] ^= row.checksum
    return leaves
