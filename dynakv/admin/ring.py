"""What `dynakv-admin ring` shows: who holds how much of a keyspace, and how even that is.

Computed from the answer of one node; its table and its JSON have the same content. A node's share
is its part of all stored copies, so that the shares add up to 1 however many replicas there are.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from dynakv import limits
from dynakv.admin.tables import GREEN, RED, columns, painted
from dynakv.client.wire import word
from dynakv.core import ring
from dynakv.errors import UsageError
from dynakv.v1 import ring_pb2

BAR_CHARACTERS: Final = 20  # for the greatest share of the keyspace

_STATES = {ring_pb2.MEMBER_STATE_UP: "UN", ring_pb2.MEMBER_STATE_DOWN: "DN"}
# What the members tell each other of it, as the answering node has heard it.
GOSSIP: Final = {
    ring_pb2.GOSSIP_STATE_ALIVE: "alive",
    ring_pb2.GOSSIP_STATE_SUSPECT: "suspect",
    ring_pb2.GOSSIP_STATE_DEAD: "dead",
    ring_pb2.GOSSIP_STATE_LEFT: "left",
}
_COLORS = {"UN": GREEN, "DN": RED}


class Node(Struct, frozen=True):
    """One member of the cluster and what it holds of the keyspace."""

    state: str  # UN up, DN down, ?N no belief yet; as the answering node sees it
    node: str
    gossip: str  # alive, suspect, dead, left; "?" from a node that knows no gossip
    address: str  # of NodeInternal
    zone: str
    region: str
    weight: int
    vnodes: int
    groups: int  # shard groups of which it holds a copy
    ideal_groups: float  # what weights and zones would give it
    share: float  # of all copies; 0 to 1


class Balance(Struct, frozen=True):
    """Shard groups per node, over the nodes that hold data."""

    min: int
    max: int
    ideal_min: float  # differs from ideal_max where weights or zones are uneven
    ideal_max: float
    worst: float  # the greatest ratio of groups held to ideal; 1 is perfect


class Group(Struct, frozen=True):
    """One shard group."""

    group: int
    start: str  # first token of its arc, 16 hex digits
    replicas: list[str]


class Vnode(Struct, frozen=True):
    """One point on the ring."""

    token: str  # 16 hex digits
    node: str


class Ring(Struct, frozen=True):
    """All of it; what `-o json` prints."""

    answered_by: str
    cluster_id: str
    epoch: int
    digest: str
    keyspace: str
    n: int
    rq: int
    wq: int
    group_count: int
    nodes: list[Node]
    balance: Balance
    groups: list[Group] | None = None
    vnodes: list[Vnode] | None = None
    mode: str = "leaderless"


def view(
    state: ring_pb2.GetRingStateResponse,
    keyspace: str,
    *,
    groups: bool = False,
    vnodes: bool = False,
) -> Ring:
    """Return the ring of one keyspace. Raises UsageError where there is no such keyspace."""
    found = next((k for k in state.keyspaces if k.name == keyspace), None)
    if found is None:
        known = ", ".join(k.name for k in state.keyspaces)
        raise UsageError(f"keyspace {keyspace!r} does not exist; there are {known}")
    names = [m.node_id for m in state.members]
    placement = [[names[i] for i in g.replicas] for g in found.groups]
    nodes = _nodes(state.members, placement, found.n)
    return Ring(
        answered_by=state.answered_by,
        cluster_id=f"{state.cluster_id:016x}",
        epoch=state.epoch,
        digest=f"{state.digest:016x}",
        keyspace=keyspace,
        n=found.n,
        rq=found.rq,
        wq=found.wq,
        group_count=len(placement),
        nodes=nodes,
        balance=_balance(nodes),
        mode=word(ring_pb2.Mode, found.mode),
        groups=_groups(placement) if groups else None,
        vnodes=_vnodes(state.members) if vnodes else None,
    )


def as_json(shown: Ring) -> str:
    """Return the ring as indented JSON; lists that were not asked for are left out."""
    content = {k: v for k, v in msgspec.to_builtins(shown).items() if v is not None}
    return json.dumps(content, indent=2)


def as_table(shown: Ring, *, color: bool) -> str:
    """Return the ring as text for a terminal; `color` marks the states."""
    balance = shown.balance
    ideal = f"{balance.ideal_min:.1f}"
    if balance.ideal_max > balance.ideal_min:
        ideal += f" to {balance.ideal_max:.1f}"
    quorums = f"N={shown.n}, Rq={shown.rq}, Wq={shown.wq}"
    held = f"min {balance.min}, max {balance.max}, ideal {ideal} groups a node"
    lines = [
        f"keyspace {shown.keyspace}: {shown.mode}, {shown.group_count} shard groups, {quorums}",
        f"layout epoch {shown.epoch}, digest {shown.digest}, as {shown.answered_by} sees it",
        "",
        *_node_lines(shown.nodes, color=color),
        "",
        f"balance: {held}; the worst holds {balance.worst:.2f} x its ideal",
    ]
    if shown.groups is not None:
        rows = [[str(g.group), g.start, " ".join(g.replicas)] for g in shown.groups]
        lines += ["", *columns([["GROUP", "FROM TOKEN", "REPLICAS"], *rows], right={0})]
    if shown.vnodes is not None:
        points = [[v.token, v.node] for v in shown.vnodes]
        lines += ["", *columns([["TOKEN", "NODE"], *points], right=set())]
    return "\n".join(lines)


def _nodes(
    members: Sequence[ring_pb2.Member], placement: Sequence[Sequence[str]], n: int
) -> list[Node]:
    held = Counter(node for replicas in placement for node in replicas)
    copies = sum(held.values())
    candidates = [ring.Candidate(m.node_id, m.zone, m.weight) for m in members]
    shares = ring.shares_of(candidates, n) if n else {}
    return [
        Node(
            state=_STATES.get(m.state, "?N"),
            gossip=GOSSIP.get(m.gossip, "?"),
            node=m.node_id,
            address=m.address,
            zone=m.zone,
            region=m.region,
            weight=m.weight,
            vnodes=m.weight * limits.VNODES_PER_WEIGHT,
            groups=held[m.node_id],
            ideal_groups=round(float(shares.get(m.node_id, 0)) * len(placement), 2),
            share=round(held[m.node_id] / copies, 6) if copies else 0.0,
        )
        for m in members
    ]


def _balance(nodes: Sequence[Node]) -> Balance:
    holders = [n for n in nodes if n.ideal_groups > 0]
    if not holders:
        return Balance(0, 0, 0.0, 0.0, 1.0)
    return Balance(
        min=min(n.groups for n in holders),
        max=max(n.groups for n in holders),
        ideal_min=min(n.ideal_groups for n in holders),
        ideal_max=max(n.ideal_groups for n in holders),
        worst=round(max(n.groups / n.ideal_groups for n in holders), 4),
    )


def _groups(placement: Sequence[list[str]]) -> list[Group]:
    arc = (1 << 64) // len(placement)
    return [Group(i, f"{i * arc:016x}", replicas) for i, replicas in enumerate(placement)]


def _vnodes(members: Sequence[ring_pb2.Member]) -> list[Vnode]:
    points = sorted(
        (token, m.node_id) for m in members for token in ring.vnodes_of(m.node_id, m.weight)
    )
    return [Vnode(f"{token:016x}", node) for token, node in points]


def _node_lines(nodes: Sequence[Node], *, color: bool) -> Iterator[str]:
    most = max((n.share for n in nodes), default=0.0) or 1.0
    head = "ST NODE GOSSIP ZONE ADDRESS VNODES GROUPS IDEAL SHARE OWNERSHIP"
    rows = [head.split()]
    for n in nodes:
        bar = "#" * round(BAR_CHARACTERS * n.share / most)
        share = f"{100 * n.share:.1f} %"
        counts = [str(n.vnodes), str(n.groups), f"{n.ideal_groups:.1f}"]
        rows.append([n.state, n.node, n.gossip, n.zone or "-", n.address, *counts, share, bar])
    for line in columns(rows, right={5, 6, 7, 8}):
        paint = _COLORS.get(line[:2]) if color else None
        yield painted(line[:2], paint) + line[2:]
