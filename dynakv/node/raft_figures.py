"""What a node knows of its Raft groups: the figures of `raft status`."""

from msgspec import Struct

from dynakv.node.consensus import Consensus
from dynakv.node.context import Context


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
    awake: bool  # something goes on, or did lately
    why: str = ""  # it takes part in nothing any more


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
                not consensus.asleep(group.where),
            )
        )
    for (keyspace, number), why in consensus.stopped.items():
        if keyspace in ctx.by_id:
            name = ctx.by_id[keyspace].name
            figures.append(RaftFigures(name, number, "stopped", 0, "", 0, 0, 0, 0, False, why))
    return sorted(figures, key=lambda one: (one.keyspace, one.group))
