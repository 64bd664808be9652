"""Names of facts: small durable values that a node keeps in memory as a whole (`Remembered.facts`).

A name is a kind and what it is about, joined by slashes; the value is MessagePack of whatever the
sub-machine that owns the kind says. Facts are few (some per shard group, some per peer) and small
(at most a few kibibytes): what is large or many is a record, or has a table of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from dynakv.core.layout import Layout

CLEAN: Final = "clean"  # of a group: its hash tree's leaves, flushed while nothing was written
CUT: Final = "cut"  # of a group: its fence and its floor
RECOVERING: Final = "recovering"  # of a group: what it must merge before it answers again
# Of a hidden keyspace of hints whose keyspace was dropped, with how many groups it has in the place
# of a group: its rows are being removed.
DROPPED_HINTS: Final = "dropped_hints"
RAFT_PEER: Final = "raft_peer"  # of a Raft keyspace's node: whose votes count in its name
PEER: Final = "peer"  # of a peer: incarnation and commit sequence

LAYOUT: Final = "layout"  # core.layout.encode of the one in force, since it is not the first one
# The directory was restored, and perhaps had a newer layout in force before: until all members were
# asked, what it learns of a keyspace that it does not know is not that this one is new.
RESTORED: Final = "restored"


def of_restored(layout: Layout, node_id: str, why: str) -> dict[str, bytes]:
    """Return what a directory that forgot has to remember: all its groups recover. O(groups)."""
    marks = {RESTORED: why.encode()}
    for keyspace in layout.keyspaces:
        for group, replicas in enumerate(keyspace.placement):
            if node_id in replicas:
                marks[group_name(RECOVERING, int(keyspace.keyspace_id), group)] = why.encode()
    return marks


def group_name(kind: str, keyspace: int, group: int) -> str:
    """Return the name of a fact about a shard group."""
    return f"{kind}/{keyspace:016x}/{group}"


def peer_name(kind: str, node_id: str) -> str:
    """Return the name of a fact about a peer."""
    return f"{kind}/{node_id}"


def about_groups(facts: Mapping[str, bytes], kind: str) -> Iterator[tuple[int, int, bytes]]:
    """Return (keyspace id, group, fact) of all facts of a kind about groups."""
    for name, fact in facts.items():
        if name.startswith(f"{kind}/"):
            _, keyspace, group = name.split("/")
            yield int(keyspace, 16), int(group), fact


def about_peers(facts: Mapping[str, bytes], kind: str) -> Iterator[tuple[str, bytes]]:
    """Return (node id, fact) of all facts of a kind about peers."""
    for name, fact in facts.items():
        if name.startswith(f"{kind}/"):
            yield name.split("/", 1)[1], fact
