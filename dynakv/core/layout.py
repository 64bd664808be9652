"""The layout: an epoch, the members, the keyspaces, and who holds each shard group.

The replicas of every group are stored, not derived: the placement function (`core/ring.py`) only
proposes, so two versions of the code never disagree about where a record lives. Settings of a
keyspace are fixed for life except its defaults and its Redis number; `core/keyspaces.py` says how
they come and go. Cluster id and ids of the first keyspaces are hashes of the member list, so that
all members start with the same layout; later ids are random.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NewType

from msgspec import Struct, msgpack
from xxhash import xxh3_64_intdigest

from dynakv import limits
from dynakv.core import ring

NodeId = NewType("NodeId", str)
KeyspaceId = NewType("KeyspaceId", int)

DEFAULT_KEYSPACE = "default"


class Mode(Enum):
    """How a keyspace orders its writes."""

    LEADERLESS = "leaderless"
    ORDERED = "ordered"
    RAFT = "raft"


class Level(Enum):
    """How many replicas a request waits for."""

    ONE = "one"
    QUORUM = "quorum"
    ALL = "all"


class Member(Struct, frozen=True):
    """A node as the layout knows it."""

    node_id: NodeId
    address: str  # host:port of NodeInternal
    zone: str = ""
    region: str = ""
    weight: int = 1  # share of the ring; 0 holds no data


class KeyspaceSettings(Struct, frozen=True):
    """What an operator chooses for a keyspace."""

    name: str
    mode: Mode = Mode.LEADERLESS
    replicas: int = 3  # wanted N
    groups: int = 256  # a power of two
    hash_tags: bool = False  # the token is that of the {tag} where a key has one
    default_level: Level = Level.QUORUM
    default_ttl_ms: int = 0  # 0: none
    redis_number: int | None = None  # what SELECT calls it; the keyspace `default` is always 0


def default_groups(mode: Mode) -> int:
    """Return how many shard groups a keyspace has where nobody says how many."""
    # Each group of a Raft keyspace has a log and a leader of its own.
    return limits.RAFT_KEYSPACE_GROUPS if mode is Mode.RAFT else KeyspaceSettings("").groups


class Keyspace(Struct, frozen=True):
    """A keyspace with its placement. Invariant: rq + wq > n, and len(placement) == groups."""

    keyspace_id: KeyspaceId
    settings: KeyspaceSettings
    n: int  # effective: min(wanted, members that hold data)
    rq: int  # answers of a quorum read
    wq: int  # durable copies of a quorum write
    placement: tuple[tuple[NodeId, ...], ...]  # replicas of each group
    epoch: int = 1  # of the layout that placed it last: what asks for its records carry


class Layout(Struct, frozen=True):
    """What the members agree on; `epoch` rises with every change."""

    epoch: int
    cluster_id: int
    members: tuple[Member, ...]  # sorted by node_id
    keyspaces: tuple[Keyspace, ...]  # sorted by name

    def keyspace(self, name: str) -> Keyspace | None:
        """Return the keyspace of that name. O(keyspaces)."""
        return next((k for k in self.keyspaces if k.settings.name == name), None)

    def numbered(self) -> dict[int, str]:
        """Return the names of the keyspaces that SELECT reaches, by their numbers, ascending."""
        numbers = {0: DEFAULT_KEYSPACE}
        for keyspace in self.keyspaces:
            number = keyspace.settings.redis_number
            if number is not None and keyspace.settings.name != DEFAULT_KEYSPACE:
                numbers[number] = keyspace.settings.name
        return dict(sorted(numbers.items()))

    def digest(self) -> int:
        """Return a uint64 that differs where two layouts differ."""
        return xxh3_64_intdigest(encode(self))


def first_layout(members: Sequence[Member], keyspaces: Sequence[KeyspaceSettings]) -> Layout:
    """Return the layout of epoch 1 that every member derives alike from the same lists.

    The keyspace `default` is added where `keyspaces` does not name it. Raises nothing: the lists
    are validated where they enter (`server/config.py`).
    """
    members = sorted(members, key=lambda m: m.node_id)
    named = {settings.name: settings for settings in keyspaces}
    named.setdefault(DEFAULT_KEYSPACE, KeyspaceSettings(DEFAULT_KEYSPACE))
    identity = msgpack.encode(members)
    return Layout(
        epoch=1,
        cluster_id=xxh3_64_intdigest(identity),
        members=tuple(members),
        keyspaces=tuple(
            placed(members, named[name], _first_id(named[name], identity), 1)
            for name in sorted(named)
        ),
    )


def _first_id(settings: KeyspaceSettings, identity: bytes) -> KeyspaceId:
    # What decides placement is part of the id: members whose configurations differ in it do not
    # know each other's keyspaces, so that no record can reach a node that places it elsewhere.
    fixed = (settings.name, settings.mode, settings.replicas, settings.groups, settings.hash_tags)
    return KeyspaceId(xxh3_64_intdigest(identity + msgpack.encode(fixed)))


def placed(
    members: Sequence[Member], settings: KeyspaceSettings, keyspace_id: KeyspaceId, epoch: int
) -> Keyspace:
    """Return a keyspace whose groups are placed on these members; `epoch` is its layout's."""
    n = min(settings.replicas, sum(m.weight > 0 for m in members))
    rq, wq = quorums_of(n)
    candidates = [ring.Candidate(m.node_id, m.zone, m.weight) for m in members]
    return Keyspace(
        keyspace_id=keyspace_id,
        settings=settings,
        n=n,
        rq=rq,
        wq=wq,
        placement=tuple(
            tuple(NodeId(node_id) for node_id in replicas)
            for replicas in ring.propose(candidates, settings.groups, n)
        ),
        epoch=epoch,
    )


def quorums_of(n: int) -> tuple[int, int]:
    """Return Rq and Wq for an effective N: a majority writes, and reads meet every write."""
    wq = n // 2 + 1
    return n + 1 - wq, wq


def encode(layout: Layout) -> bytes:
    """Return the layout as MessagePack, equal for equal layouts."""
    return msgpack.encode(layout)


def decode(raw: bytes) -> Layout:
    """Return the layout of `encode`. Raises msgspec.ValidationError on anything else."""
    return msgpack.decode(raw, type=Layout)


def token_of(key: bytes, *, hash_tags: bool) -> int:
    """Return the point of a key on the 64-bit ring.

    With hash tags the token is that of what stands between the first `{` and the next `}`, where
    that is not empty (the rule of Redis Cluster), so that such keys share a group.
    """
    if hash_tags:
        start = key.find(b"{")
        if start >= 0:
            end = key.find(b"}", start + 1)
            if end > start + 1:
                return xxh3_64_intdigest(key[start + 1 : end])
    return xxh3_64_intdigest(key)


def group_shift(groups: int) -> int:
    """Return how far a token is shifted right to give its group: the group is its top bits."""
    assert 1 <= groups <= limits.GROUPS_MAX
    assert groups & (groups - 1) == 0
    return 64 - (groups.bit_length() - 1)
