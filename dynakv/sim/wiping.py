"""A fault of Raft mode: a process loses its data directory, and comes back with an empty one.

Within the budget: one member of a group may forget at a time. So the one before must be a voter of
all its groups again, and everybody must know everybody's incarnation by which the others know that
it has forgotten: one that came back empty takes itself for a founder until it is told.
"""

from collections.abc import Sequence
from random import Random

from dynakv.core.facts import RAFT_PEER
from dynakv.core.layout import Keyspace
from dynakv.sim.process import Process
from dynakv.sim.trace import Trace


def wipe(
    process: Process,
    processes: Sequence[Process],
    keyspace: Keyspace,
    random: Random,
    trace: Trace,
) -> bool:
    """Kill a process and empty its disk, if the budget allows that; its death plans its return."""
    keyspace_id = int(keyspace.keyspace_id)
    if keyspace.n < 3 or not all(_whole(p, keyspace_id, processes) for p in processes):
        return False
    process.crash("wiped")
    process.disk.wipe(random.getrandbits(64) | 1 << 63)
    trace.add(f"{process.name} wiped")
    return True


def _whole(process: Process, keyspace_id: int, processes: Sequence[Process]) -> bool:
    """Say whether a process takes part in all of its groups, and everybody knows it."""
    if process.node is None:
        return False
    ctx, consensus = process.node.context, process.node.raft.consensus
    if consensus.stopped or len(consensus.groups) < len(ctx.by_id[keyspace_id].raft_groups):
        return False
    others = [other for other in processes if other is not process]
    return all(_counts(process, other, keyspace_id) for other in others) and all(
        group.raft.member.id in group.state.membership.voters
        and not group.state.membership.joint
        and not group.state.membership.learners
        for group in consensus.groups.values()
    )


def _counts(process: Process, other: Process, keyspace_id: int) -> bool:
    """Say whether another process takes this one's incarnation for that of its members."""
    if process.node is None or other.node is None:
        return False
    fact = other.disk.facts.get(f"{RAFT_PEER}/{keyspace_id:016x}/{process.name}", b"")
    for where, group in process.node.raft.consensus.groups.items():
        theirs = other.node.raft.consensus.groups.get(where)
        if theirs is not None:
            bound = theirs.incarnations.get(group.raft.member.id, int.from_bytes(fact, "big"))
            if bound != process.disk.incarnation:
                return False
    return True
