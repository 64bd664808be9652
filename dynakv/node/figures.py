"""What a node knows of itself: the figures that operators and their tools look at.

Values and one function that reads them off the node's state; nothing here asks another node. The
shell adds what only it knows: how long the process has been up, what waits in its queues, and what
the disk says.
"""

from collections.abc import Sequence
from enum import IntEnum

from msgspec import Struct

from dynakv.node.collection import Collection
from dynakv.node.context import Context, Counters


class PeerFigures(Struct, frozen=True):
    """What the node believes of another one."""

    node_id: str
    up: bool
    clock_offset_ms: int | None  # its clock minus ours; None before a sample
    silent_ms: int = 0  # nothing was heard from it for so long; at most since this process began
    epoch: int | None = None  # of the layout in force there; None: not heard from yet


class HintFigures(Struct, frozen=True):
    """The hints on disk for one peer; bytes with `limits.HINT_ROW_BYTES` a row."""

    node_id: str
    rows: int
    bytes: int
    age_ms: int | None = None  # none is stamped earlier; None: a former life kept them


class RoundFigures(Struct, frozen=True):
    """When all that a peer shares of a keyspace was last found or made equal, from here."""

    keyspace: str
    node_id: str
    age_ms: int
    took_ms: int


class NodeFigures(Struct, frozen=True):
    """What the node itself knows; counts are since the start of the process."""

    starts: int  # of the data directory, this one included
    commit_sequence: int
    layout_digest: int
    newest_epoch: int  # of any layout of this cluster that was heard of
    clock_trusted: bool
    clock_leaps: int
    disk_full: bool  # below its reserve: nothing more is saved here
    peers: list[PeerFigures]  # sorted by node id
    cache_bytes: int
    cache_bytes_max: int
    cache_entries: int
    cache_hits: int
    cache_misses: int
    counters: dict[str, int]
    hints: list[HintFigures] = []  # of peers for which there are any, sorted by node id
    # Of shard groups whose collection this node drives (`node/collection.py`):
    tombstones_waiting: dict[str, int] = {}  # keyspace -> records not yet dropped
    collection_waits_for: dict[str, int] = {}  # node id -> groups that could not go on without it
    recovering_groups: int = 0  # forgotten: they answer nothing until enough others are merged
    rounds: list[RoundFigures] = []  # in this life of the node; by keyspace, then node id
    tree_drifts: int = 0  # hash trees that did not stand for the rows, since the start
    horizon_ms: int = 0  # a member that was away for longer rebuilds


class QueueFigures(Struct, frozen=True):
    """What waits in the shell."""

    client_keys: int  # keys of clients that are not answered yet
    peer_keys: int
    client_keys_max: int


class StoreFigures(Struct, frozen=True):
    """What lies on disk; `rows` is the highest row id, exact as long as no row was removed."""

    rows: int  # tombstones, expired records and hints are rows as well
    rows_written: int  # since the data directory was made
    database_bytes: int  # without the write-ahead log
    wal_bytes: int
    disk_free_share: float  # 0 to 1


class SnapshotState(IntEnum):
    """How a snapshot stands."""

    RUNNING = 1
    COMPLETE = 2
    FAILED = 3


class SnapshotFigures(Struct, frozen=True):
    """A snapshot of this node's database."""

    name: str
    path: str  # on the node's machine
    state: SnapshotState
    bytes_done: int
    bytes_estimated: int  # of the whole; a guess while it is being made
    began_ms: int  # Unix time; of a complete one when it was finished
    took_ms: int = 0  # so far; 0 where it is not known any more
    commit_sequence: int = 0  # of the node when it was made; 0 where it is not complete
    rows: int = 0  # the highest row id
    error: str = ""


class Figures(Struct, frozen=True):
    """All of it but what the disk says."""

    node: NodeFigures
    uptime_ms: int
    queues: QueueFigures


def node_figures(
    ctx: Context,
    commit_sequence: int,
    hints: Sequence[HintFigures] = (),
    collection: Collection | None = None,
) -> NodeFigures:
    """Return the figures of the node with this state. O(peers)."""
    cache, guard = ctx.cache, ctx.guard
    waiting = {} if collection is None else collection.waiting()
    waits_for = {} if collection is None else collection.waits_for()
    return NodeFigures(
        starts=ctx.remembered.starts,
        commit_sequence=commit_sequence,
        layout_digest=ctx.layout_digest,
        newest_epoch=ctx.newest_epoch,
        clock_trusted=guard.trusted,
        clock_leaps=guard.leaps,
        disk_full=ctx.disk_full,
        recovering_groups=len(ctx.recovering),
        peers=[
            PeerFigures(
                str(peer),
                ctx.members.up(peer),
                guard.offset_ms(peer),
                ctx.members.silent_ms(peer, ctx.now.mono_ms),
                ctx.epoch_of(peer),
            )
            for peer in sorted(ctx.peers)
        ],
        cache_bytes=cache.bytes_used,
        cache_bytes_max=cache.bytes_max,
        cache_entries=len(cache),
        cache_hits=cache.hits,
        cache_misses=cache.misses,
        counters={name: getattr(ctx.counters, name) for name in sorted(Counters.__slots__)},
        hints=list(hints),
        tombstones_waiting={
            ctx.by_id[keyspace].name: count
            for keyspace, count in sorted(waiting.items())
            if keyspace in ctx.by_id
        },
        collection_waits_for=dict(sorted(waits_for.items())),
        rounds=_rounds(ctx),
        tree_drifts=ctx.trees.drifts,
        horizon_ms=ctx.config.horizon_ms,
    )


def _rounds(ctx: Context) -> list[RoundFigures]:
    now_ms = ctx.now.mono_ms
    found = [
        RoundFigures(ctx.by_id[keyspace].name, peer, now_ms - last.ended_ms, last.took_ms)
        for (keyspace, peer), last in ctx.tasks.rounds.items()
        if keyspace in ctx.by_id
    ]
    return sorted(found, key=lambda figures: (figures.keyspace, figures.node_id))
