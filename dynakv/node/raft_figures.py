"""What a node knows of its Raft groups: the figures of `raft status`."""

from msgspec import Struct

from dynakv.node.consensus import Consensus
from dynakv.node.context import Context
from dynakv.node.raft_group import Group


class FollowerFigures(Struct, frozen=True):
    """What a leader knows of another member."""

    node_id: str
    match: int  # newest entry that it is known to hold
    flow: str  # how it is sent to: probe, replicate, snapshot
    learner: bool  # it does not vote


class RaftFigures(Struct, frozen=True):
    """One group that this node has a member of. Indexes count log entries, not commands."""

    keyspace: str
    group: int
    role: str  # leader, follower, candidate, precandidate; "stopped"
    term: int
    leader: str  # node id, empty where none is known
    commit: int
    applied: int  # durably
    last: int  # newest entry of the log
    entries: int  # of the log that are kept
    log_bytes: int  # of the commands in them
    awake: bool  # something goes on, or did lately
    followers: tuple[FollowerFigures, ...] = ()  # where this node leads
    why: str = ""  # it takes part in nothing, or is on its way back from that


def raft_figures(ctx: Context, consensus: Consensus) -> list[RaftFigures]:
    """Return the figures of every group, sorted by keyspace and group."""
    figures = []
    for (keyspace, number), group in consensus.groups.items():
        member = group.raft.member
        log = member.log
        figures.append(
            RaftFigures(
                ctx.by_id[keyspace].name,
                number,
                member.role.value.lower(),
                member.term,
                group.leader or "",
                log.committed,
                group.state.applied,
                log.last,
                log.last - log.offset,
                log.bytes,
                not consensus.asleep(group.where),
                _followers(group),
                consensus.stopped.get(group.where, ""),
            )
        )
    for (keyspace, number), why in consensus.stopped.items():
        if keyspace in ctx.by_id and (keyspace, number) not in consensus.groups:
            name = ctx.by_id[keyspace].name
            figures.append(_stopped(name, number, why))
    return sorted(figures, key=lambda one: (one.keyspace, one.group))


def _followers(group: Group) -> tuple[FollowerFigures, ...]:
    if not group.leads:
        return ()
    member = group.raft.member
    return tuple(
        FollowerFigures(str(group.nodes.get(one, "")), p.match, p.flow.value, p.learner)
        for one, p in member.tracker.progress.items()
        if one != member.id
    )


def _stopped(keyspace: str, group: int, why: str) -> RaftFigures:
    return RaftFigures(keyspace, group, "stopped", 0, "", 0, 0, 0, 0, 0, awake=False, why=why)
