"""One row per node of `dynakv-admin status`: what it says of itself, and what is wrong with it.

Nothing that a node says of itself is taken from another one, but for its clock: the offset is the
median of what the others have measured.
"""

from collections.abc import Iterator
from statistics import median

from msgspec import Struct

from dynakv import limits
from dynakv.admin.outage import percent
from dynakv.admin.ring import GOSSIP
from dynakv.admin.survey import Reply, Survey
from dynakv.client import texts
from dynakv.v1 import ring_pb2
from dynakv.v1.node_status_pb2 import GetNodeStatusResponse


class Hints(Struct, frozen=True):
    """What a node keeps for another one that missed writes."""

    node: str  # whom they are for
    rows: int
    bytes: int
    age_ms: int | None = None  # none is stamped earlier; None: not known since a restart


class Round(Struct, frozen=True):
    """A complete comparison that a node began with another one; the last of a keyspace."""

    keyspace: str
    node: str  # the other one
    age_ms: int  # since its end
    took_ms: int


class Node(Struct, frozen=True):
    """One member; None stands for what is not known of it."""

    node: str
    state: str  # "up" or "down": whether it answered us
    address: str  # of its KVStore; empty while no node has heard from it
    zone: str
    error: str  # why something is missing
    problems: list[str]
    probe_ms: float | None = None
    rows: int | None = None  # of the database: keys, tombstones and expired ones included
    rows_written: int | None = None
    database_bytes: int | None = None
    wal_bytes: int | None = None
    disk_free_share: float | None = None
    clock_offset_ms: int | None = None  # median of what the other nodes measured
    clock_trusted: bool | None = None
    clock_leaps: int | None = None
    disk_full: bool = False  # below its reserve: this replica saves nothing more
    unanswered_keys: int | None = None
    peer_keys: int | None = None
    cache_hit_share: float | None = None  # None also before the first look-up
    cache_bytes: int | None = None
    uptime_ms: int | None = None
    starts: int | None = None
    incarnation: str = ""
    commit_sequence: int | None = None
    version: str = ""
    layout_digest: str = ""
    counters: dict[str, int] = {}
    hints: list[Hints] = []  # that it keeps for others
    # Of shard groups whose collection it drives: records by keyspace, groups by who is missing.
    tombstones_waiting: dict[str, int] = {}
    collection_waits_for: dict[str, int] = {}
    rounds: list[Round] = []
    tree_drifts: int | None = None  # hash trees that did not stand for the rows
    silent_ms: int | None = None  # of one that is down: since any other node heard from it
    horizon_ms: int | None = None  # a member that was away for longer rebuilds
    gossip: dict[str, str] = {}  # what the other nodes have heard of it, where not all say alive

    @property
    def notes(self) -> list[str]:
        """What an operator may want to look into although nothing is wrong now."""
        damaged = self.counters.get("damaged_rows", 0)
        notes = [f"met damaged rows since its start: {damaged:,}"] if damaged else []
        shed = self.counters.get("hints_dropped_for_space", 0)
        if shed:
            notes.append(f"had no room for hints since its start: {shed:,}, left to anti-entropy")
        if self.silent_ms is not None and self.horizon_ms:
            silent, horizon = texts.lasting(self.silent_ms), texts.lasting(self.horizon_ms)
            notes.append(f"has been silent for {silent}; after {horizon} it rebuilds its groups")
        if self.tree_drifts:
            notes.append(f"had hash trees unlike its rows since its start: {self.tree_drifts:,}")
        thin = self.counters.get("old_minorities", 0)
        if thin:
            notes.append(
                f"found {thin:,} versions older than the horizon on fewer than a write quorum of"
                " replicas since its start: they never were acknowledged, or others lost them"
            )
        if self.gossip:
            heard = ", ".join(f"{state} to {node}" for node, state in self.gossip.items())
            notes.append(f"is by gossip {heard}")
        waiting = sum(self.tombstones_waiting.values())
        if self.collection_waits_for:
            missing = ", ".join(self.collection_waits_for)
            notes.append(f"cannot drop {waiting:,} deleted or expired records without {missing}")
        return [*notes, *map(_kept, self.hints)]


def nodes_of(found: Survey, layout: ring_pb2.GetRingStateResponse) -> list[Node]:
    """Return the members of the layout and what each of them answered."""
    replies = _by_node(found)
    addresses: dict[str, str] = {}
    for reply in replies.values():
        for member in reply.state.members if reply.state is not None else ():
            addresses[member.node_id] = addresses.get(member.node_id) or member.client_address
    return [
        _node(member, addresses.get(member.node_id, ""), found, replies, layout)
        for member in layout.members
    ]


def _by_node(found: Survey) -> dict[str, Reply]:
    """Return the replies by node id; of two addresses of one node the fuller answer."""
    replies: dict[str, Reply] = {}
    for reply in found.replies.values():
        if reply.state is None:
            continue
        name = reply.state.answered_by
        if name not in replies or replies[name].status is None:
            replies[name] = reply
    return replies


def _node(
    member: ring_pb2.Member,
    address: str,
    found: Survey,
    replies: dict[str, Reply],
    layout: ring_pb2.GetRingStateResponse,
) -> Node:
    name = member.node_id
    reply = replies.get(name)
    if reply is None or reply.state is None:
        silent = found.replies.get(address) if address else None
        error = silent.error if silent else "no node knows its client address"
        silent_ms, horizon_ms = _silence(name, replies)
        return Node(
            name,
            "down",
            address,
            member.zone,
            error,
            [],
            silent_ms=silent_ms,
            horizon_ms=horizon_ms,
            gossip=_gossip(name, replies),
        )
    problems = list(_problems(name, reply, replies, layout))
    digest = f"{reply.state.digest:016x}"
    # Without GetNodeStatus a node answers and is up, and its figures are not known.
    row = Node(
        name,
        "up",
        address,
        member.zone,
        reply.error,
        problems,
        layout_digest=digest,
        gossip=_gossip(name, replies),
    )
    if reply.status is None:
        return row
    return _with_figures(row, reply.status, reply.probe_ms, _clock_offset_ms(name, replies))


def _with_figures(
    row: Node, status: GetNodeStatusResponse, probe_ms: float | None, offset_ms: int | None
) -> Node:
    looked_up = status.cache.hits + status.cache.misses
    store = status.store if status.HasField("store") else None
    return Node(
        row.node,
        row.state,
        row.address,
        row.zone,
        row.error,
        row.problems,
        probe_ms=None if probe_ms is None else round(probe_ms, 2),
        rows=store.rows if store else None,
        rows_written=store.rows_written if store else None,
        database_bytes=store.database_bytes if store else None,
        wal_bytes=store.wal_bytes if store else None,
        disk_free_share=round(store.disk_free_share, 4) if store else None,
        disk_full=status.disk_full,
        clock_offset_ms=offset_ms,
        clock_trusted=status.clock.trusted,
        clock_leaps=status.clock.leaps,
        unanswered_keys=status.load.client_keys,
        peer_keys=status.load.peer_keys,
        cache_hit_share=round(status.cache.hits / looked_up, 4) if looked_up else None,
        cache_bytes=status.cache.bytes,
        uptime_ms=status.uptime_ms,
        starts=status.starts,
        incarnation=f"{status.incarnation:016x}",
        commit_sequence=status.commit_sequence,
        version=status.version,
        layout_digest=row.layout_digest,
        gossip=row.gossip,
        counters=dict(sorted(status.counters.items())),
        hints=[
            Hints(h.node_id, h.rows, h.bytes, h.age_ms if h.HasField("age_ms") else None)
            for h in status.hints
        ],
        rounds=[Round(r.keyspace, r.node_id, r.age_ms, r.took_ms) for r in status.rounds],
        tree_drifts=status.tree_drifts,
        horizon_ms=status.horizon_ms or None,
        tombstones_waiting=dict(sorted(status.collection.waiting.items())),
        collection_waits_for=dict(sorted(status.collection.waits_for.items())),
    )


def _kept(hints: Hints) -> str:
    count = f"{hints.rows:,} {'hint' if hints.rows == 1 else 'hints'}"
    old = f", up to {texts.lasting(hints.age_ms)} old" if hints.age_ms is not None else ""
    return f"keeps {count} for {hints.node} ({texts.size(hints.bytes)}{old})"


def _gossip(name: str, replies: dict[str, Reply]) -> dict[str, str]:
    """Return what each other node has heard of a member, by node id; empty if all say alive."""
    heard = {
        other: GOSSIP[member.gossip]
        for other, reply in sorted(replies.items())
        if other != name and reply.state is not None
        for member in reply.state.members
        if member.node_id == name and member.gossip in GOSSIP
    }
    return heard if set(heard.values()) - {"alive"} else {}


def _silence(name: str, replies: dict[str, Reply]) -> tuple[int | None, int | None]:
    """Return for how long all others have not heard a node, and their horizon, as they tell."""
    silent: list[tuple[int, int]] = [
        (peer.silent_ms, reply.status.horizon_ms)
        for reply in replies.values()
        if reply.status is not None and reply.status.horizon_ms
        for peer in reply.status.peers
        if peer.node_id == name
    ]
    return min(silent, default=(None, None))


def _problems(
    name: str, reply: Reply, replies: dict[str, Reply], layout: ring_pb2.GetRingStateResponse
) -> Iterator[str]:
    """Yield what is wrong with a node that answered, each to stand behind its name."""
    state, status = reply.state, reply.status
    assert state is not None
    if (state.cluster_id, state.epoch, state.digest) != (
        layout.cluster_id,
        layout.epoch,
        layout.digest,
    ):
        yield f"has another layout (epoch {state.epoch}, digest {state.digest:016x})"
    blind = sorted(other for other, r in replies.items() if other != name and _is_down(name, r))
    if blind:
        yield f"is not reached by {', '.join(blind)}"
    if status is None:
        yield f"does not tell its figures: {reply.error}"
        return
    if not status.clock.trusted:
        yield "doubts its clock and takes no requests"
    offset_ms = _clock_offset_ms(name, replies)
    if offset_ms is not None and abs(offset_ms) > limits.CLOCK_WARNING_MS:
        yield f"has a clock {offset_ms:+,} ms off"
    if status.recovering_groups:
        yield (
            f"recovers {status.recovering_groups:,} shard groups;"
            " its answers do not count there until it merged enough others"
            " (if they never return: dynakv-admin recover --accept-loss)"
        )
    if status.disk_full:
        yield "has a full disk and saves nothing"
    if not status.HasField("store"):
        yield "has a disk that does not answer"
    most = status.load.client_keys_max
    if most and status.load.client_keys > most // 2:
        yield f"is loaded to {percent(status.load.client_keys, most)}"


def _is_down(name: str, reply: Reply) -> bool:
    """Say whether the node that replied believes the node `name` down."""
    assert reply.state is not None
    down = ring_pb2.MEMBER_STATE_DOWN
    return any(m.node_id == name and m.state == down for m in reply.state.members)


def _clock_offset_ms(name: str, replies: dict[str, Reply]) -> int | None:
    """Return how far a node's clock stands ahead, as the others see it; None before a sample."""
    measured = [
        peer.clock_offset_ms
        for reply in replies.values()
        if reply.status is not None
        for peer in reply.status.peers
        if peer.node_id == name and peer.HasField("clock_offset_ms")
    ]
    return round(median(measured)) if measured else None
