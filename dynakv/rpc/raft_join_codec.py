"""How members come back, as parts of a frame: who joins, pages of snapshots, who is no more.

A part of `rpc/raft_codec.py`.
"""

from dynakv.core.raft.messages import MemberId
from dynakv.core.raft_rows import Replacement
from dynakv.errors import PeerError
from dynakv.node.raft_messages import (
    JoinOutcome,
    RaftJoin,
    RaftJoined,
    RaftStepped,
    SnapshotPage,
)
from dynakv.rpc.record_columns import fill_records, present_of
from dynakv.v1 import node_internal_pb2 as pb


def fill_join(out: pb.RaftJoin, join: RaftJoin) -> None:
    """Write who wants to join."""
    out.SetInParent()
    out.keyspaces.extend(join.keyspaces)
    out.groups.extend(join.groups)
    out.members.extend(join.members)
    out.incarnation = join.incarnation


def fill_joined(out: pb.RaftJoined, joined: RaftJoined) -> None:
    """Write what became of it."""
    out.SetInParent()
    for outcome in joined.outcomes:
        known = outcome.replacements
        out.outcomes.add(
            admitted=outcome.admitted,
            members=[one.member for one in known],
            nodes=[one.node for one in known],
            incarnations=[one.incarnation for one in known],
        )


def fill_stepped(out: pb.RaftStepped, stepped: RaftStepped) -> None:
    """Write that messages were taken."""
    out.SetInParent()
    for keyspace, group, member in stepped.strangers:
        out.keyspaces.append(keyspace)
        out.groups.append(group)
        out.members.append(member)


def stepped_of(wire: pb.RaftStepped) -> RaftStepped:
    """Return what `fill_stepped` wrote. Raises PeerError where its columns do not fit together."""
    if not wire.keyspaces:
        return RaftStepped()
    if not len(wire.keyspaces) == len(wire.groups) == len(wire.members):
        raise PeerError(
            f"a RaftStepped of {len(wire.keyspaces)} keyspaces, {len(wire.groups)} groups and"
            f" {len(wire.members)} members"
        )
    members = map(MemberId, wire.members)
    return RaftStepped(list(zip(wire.keyspaces, wire.groups, members, strict=True)))


def fill_page(out: pb.RaftPage, page: SnapshotPage) -> None:
    """Write a page of a snapshot."""
    out.SetInParent()
    out.gone, out.last = page.gone, page.last
    fill_records(out.records, page.records)
    out.clients.extend([client for client, _ in page.sessions])
    out.sessions.extend([session for _, session in page.sessions])


def page_of(wire: pb.RaftPage) -> SnapshotPage:
    """Return what `fill_page` wrote. Raises PeerError where its columns do not fit together."""
    if len(wire.sessions) != len(wire.clients):
        raise PeerError(f"sessions has {len(wire.sessions)} entries for {len(wire.clients)}")
    sessions = list(zip(wire.clients, wire.sessions, strict=True))
    return SnapshotPage(wire.gone, present_of(wire.records), sessions, wire.last)


def join_of(wire: pb.RaftJoin) -> RaftJoin:
    """Return what `fill_join` wrote. Raises PeerError where its columns do not fit together."""
    if not len(wire.keyspaces) == len(wire.groups) == len(wire.members):
        raise PeerError(
            f"a RaftJoin of {len(wire.keyspaces)} keyspaces, {len(wire.groups)} groups and"
            f" {len(wire.members)} members"
        )
    members = [MemberId(member) for member in wire.members]
    return RaftJoin(wire.keyspaces[:], wire.groups[:], members, wire.incarnation)


def joined_of(wire: pb.RaftJoined) -> RaftJoined:
    """Return what `fill_joined` wrote. Raises PeerError where its columns do not fit together."""
    return RaftJoined([_outcome_of(outcome) for outcome in wire.outcomes])


def _outcome_of(wire: pb.RaftJoinOutcome) -> JoinOutcome:
    if not len(wire.members) == len(wire.nodes) == len(wire.incarnations):
        raise PeerError(
            f"a RaftJoined of {len(wire.members)} members, {len(wire.nodes)} nodes and"
            f" {len(wire.incarnations)} incarnations"
        )
    known = zip(wire.members, wire.nodes, wire.incarnations, strict=True)
    return JoinOutcome(
        wire.admitted, tuple(Replacement(MemberId(m), node, i) for m, node, i in known)
    )
