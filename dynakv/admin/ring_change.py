"""What `dynakv-admin what-if --join ...` shows: how a change of members would place the groups.

Computed here from the layout that a node answers, by the code that would plan the change. Nothing
is changed: no command does that yet.
"""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec
from msgspec import Struct

from dynakv.admin.tables import columns
from dynakv.core import ring_plan
from dynakv.core.layout import (
    Keyspace,
    KeyspaceId,
    KeyspaceSettings,
    Layout,
    Member,
    NodeId,
)
from dynakv.errors import UsageError
from dynakv.v1 import ring_pb2

_NEW: Final = "NODE[:ZONE[:WEIGHT]]"


class Wanted(Struct, frozen=True):
    """The changes as they stand on the command line, each option a list."""

    join: Sequence[str] = ()  # NODE[:ZONE[:WEIGHT]]
    leave: Sequence[str] = ()  # NODE,...
    replace: Sequence[str] = ()  # OLD=NODE[:ZONE[:WEIGHT]]
    weight: Sequence[str] = ()  # NODE=WEIGHT
    zone: Sequence[str] = ()  # NODE=ZONE


class Moved(Struct, frozen=True):
    """One keyspace before and after."""

    keyspace: str
    n: int
    rq: int
    wq: int
    n_after: int
    rq_after: int
    wq_after: int
    copies: int  # replicas of groups that some node has to copy
    replicas: int  # of all its groups, afterwards
    ideal_copies: float  # what rising shares alone would copy


class Load(Struct, frozen=True):
    """One node; groups of all keyspaces together."""

    node: str
    zone: str
    weight: int
    groups: int  # 0 also of one that comes
    groups_after: int  # 0 also of one that goes
    ideal_after: float
    gains: int  # groups that it has to copy


class Change(Struct, frozen=True):
    """All of it; what `-o json` prints."""

    verdict: str
    epoch: int  # of the layout that it was computed from
    keyspaces: list[Moved]
    nodes: list[Load]


def changes_of(wanted: Wanted, state: ring_pb2.GetRingStateResponse) -> list[ring_plan.Change]:
    """Return the changes in order: who leaves, who is replaced, who joins, weights, zones.

    Raises UsageError where a text does not say what its option needs.
    """
    by_name = {m.node_id: m for m in _members(state)}
    leaving = [part.strip() for text in wanted.leave for part in text.split(",")]
    found: list[ring_plan.Change] = [ring_plan.Leave(NodeId(name)) for name in leaving]
    for text in wanted.replace:
        old, new = _pair(text, "--replace", f"OLD={_NEW}")
        member = _member(new, "--replace", by_name.get(NodeId(old)))
        found.append(ring_plan.Replace(NodeId(old), member))
    found += [ring_plan.Join(_member(text, "--join", None)) for text in wanted.join]
    for text in wanted.weight:
        name, weight = _pair(text, "--set-weight", "NODE=WEIGHT")
        found.append(ring_plan.SetWeight(NodeId(name), _number(weight, "--set-weight", text)))
    for text in wanted.zone:
        name, zone = _pair(text, "--set-zone", "NODE=ZONE")
        found.append(ring_plan.SetZone(NodeId(name), zone))
    return found


def view(state: ring_pb2.GetRingStateResponse, changes: Sequence[ring_plan.Change]) -> Change:
    """Return what the changes would move. Raises UsageError where they make no layout."""
    layout = _layout(state)
    planned = ring_plan.plan(layout, changes)
    if isinstance(planned, ring_plan.Refused):
        raise UsageError(planned.why)
    after = planned.after
    pairs = list(zip(layout.keyspaces, after.keyspaces, strict=True))
    moved = [
        Moved(
            old.settings.name,
            old.n,
            old.rq,
            old.wq,
            new.n,
            new.rq,
            new.wq,
            ring_plan.copies(old, new),
            sum(map(len, new.placement)),
            round(float(ring_plan.ideal_copies(planned, old.settings.name)), 2),
        )
        for old, new in pairs
    ]
    copies, replicas = sum(m.copies for m in moved), sum(m.replicas for m in moved)
    verdict = f"this copies {copies:,} of {replicas:,} replicas of shard groups"
    if ideal := sum(m.ideal_copies for m in moved):
        verdict += f", {copies / ideal:.2f} x what rising shares ask for"
    return Change(verdict, state.epoch, moved, _nodes(layout, after, pairs))


def as_json(shown: Change) -> str:
    """Return it as indented JSON."""
    return json.dumps(msgspec.to_builtins(shown), indent=2)


def as_table(shown: Change) -> str:
    """Return it as text for a terminal."""
    keyspaces = [["KEYSPACE", "N", "RQ", "WQ", "COPIES", "OF", "IDEAL"]]
    for k in shown.keyspaces:
        quorums = [(k.n, k.n_after), (k.rq, k.rq_after), (k.wq, k.wq_after)]
        steps = [str(a) if a == b else f"{a} -> {b}" for a, b in quorums]
        figures = [f"{k.copies:,}", f"{k.replicas:,}", f"{k.ideal_copies:,.1f}"]
        keyspaces.append([k.keyspace, *steps, *figures])
    nodes = [["NODE", "ZONE", "WEIGHT", "GROUPS", "THEN", "IDEAL", "COPIES"]]
    for n in shown.nodes:
        counts = [f"{n.groups:,}", f"{n.groups_after:,}", f"{n.ideal_after:,.1f}", f"{n.gains:,}"]
        nodes.append([n.node, n.zone or "-", str(n.weight), *counts])
    return "\n".join(
        [
            shown.verdict,
            "",
            *columns(keyspaces, right=set(range(1, 7))),
            "",
            *columns(nodes, right=set(range(2, 7))),
        ]
    )


def _nodes(before: Layout, after: Layout, pairs: Sequence[tuple[Keyspace, Keyspace]]) -> list[Load]:
    members = {m.node_id: m for m in (*before.members, *after.members)}
    held = dict.fromkeys(members, 0)
    holds, gains = dict(held), dict(held)
    ideal = dict.fromkeys(members, Fraction())
    for old, new in pairs:
        for node_id, count in ring_plan.loads(old).items():
            held[node_id] += count
        for node_id, count in ring_plan.loads(new).items():
            holds[node_id] += count
        for node_id, share in ring_plan.ideal_loads(after.members, new).items():
            ideal[node_id] += share
        for move in ring_plan.moves(old, new):
            for node_id in move.gained:
                gains[node_id] += 1
    return [
        Load(
            node_id,
            members[node_id].zone,
            members[node_id].weight,
            held[node_id],
            holds[node_id],
            round(float(ideal[node_id]), 2),
            gains[node_id],
        )
        for node_id in sorted(members)
    ]


def _members(state: ring_pb2.GetRingStateResponse) -> list[Member]:
    return [Member(NodeId(m.node_id), m.address, m.zone, m.region, m.weight) for m in state.members]


def _layout(state: ring_pb2.GetRingStateResponse) -> Layout:
    names = [NodeId(m.node_id) for m in state.members]
    keyspaces = [
        Keyspace(
            KeyspaceId(k.keyspace_id),
            KeyspaceSettings(k.name, replicas=k.replicas_wanted or k.n, groups=len(k.groups)),
            k.n,
            k.rq,
            k.wq,
            tuple(tuple(names[i] for i in group.replicas) for group in k.groups),
        )
        for k in state.keyspaces
    ]
    return Layout(state.epoch, state.cluster_id, tuple(_members(state)), tuple(keyspaces))


def _member(text: str, option: str, like: Member | None) -> Member:
    """Return a new member; zone and weight where the text has none are those of `like`."""
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not parts[0]:
        raise UsageError(f"{option} {text!r}: must be {_NEW}")
    zone = parts[1] if len(parts) > 1 else like.zone if like else ""
    weight = like.weight if like else 1
    if len(parts) > 2:
        weight = _number(parts[2], option, text)
    return Member(NodeId(parts[0]), "", zone, weight=weight)


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{option} {text!r}: must be {form}")
    return name, value


def _number(text: str, option: str, whole: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{option} {whole!r}: the weight {text!r} is no whole number")
    return int(text)
