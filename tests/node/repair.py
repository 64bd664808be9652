"""What tests of repair share: groups, records behind somebody's back, trees, rows."""

from dynakv.core.hashtree import LEAVES, leaf_of
from dynakv.core.record import Record, intact, written
from dynakv.node.messages import Save, Saved
from tests.node.cluster import START, Cluster


def stamped(ms: int, counter: int = 0) -> int:
    """Return a reading some milliseconds after the start."""
    return (START.wall_ms + ms) << 16 | counter


def keyspace_of(cluster: Cluster) -> int:
    return int(cluster.layout.keyspaces[0].keyspace_id)


def keys_of(cluster: Cluster, group: int, count: int) -> list[bytes]:
    """Return keys of a group, in order."""
    placement = cluster.nodes["n1"].context.by_id[keyspace_of(cluster)]
    keys = (b"%06d" % i for i in range(200 * count + 2_000))
    return [key for key in keys if placement.groups_of([key]) == [group]][:count]


def record(key: bytes, value: bytes | None = b"v", ms: int = 0) -> Record:
    return written(key, value, 0, stamped(ms), 1)


def give(cluster: Cluster, node: str, *records: Record) -> None:
    """Let a replica save records behind the others' back."""
    keyspace = cluster.layout.keyspaces[0]
    for each in records:
        save = Save(int(keyspace.keyspace_id), keyspace.epoch, [each], floors=[0])
        (reply,) = cluster.ask(save, node)
        assert reply == Saved(None, None)


def rows(cluster: Cluster, node: str, group: int) -> dict[bytes, object]:
    """Return what lies on a node's disk of a group."""
    disk = cluster.disks[node]
    return {key: row for (_, of, key), row in disk.rows.items() if of == group}


def tree_fits(cluster: Cluster, node: str, group: int) -> bool:
    """Say whether a node's tree of a group is known and stands for what lies on its disk."""
    leaves = [0] * LEAVES
    for row in rows(cluster, node, group).values():
        if isinstance(row, Record) and intact(row):
            leaves[leaf_of(row.key)] ^= row.checksum
    return cluster.nodes[node].context.trees.leaves(keyspace_of(cluster), group) == leaves
