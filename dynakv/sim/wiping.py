"""A fault of Raft mode: a process loses its data directory, and comes back with an empty one.

Within the budget: one member of a group may forget at a time. So the one before must be a voter of
all its groups again, and everybody must have bound everybody's incarnation, by which the others
know that it has forgotten.
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
    """Say whether a process takes part in all of its groups, and knows everybody."""
    if process.node is None:
        return False
    ctx, consensus = process.node.context, process.node.raft.consensus
    if consensus.stopped or len(consensus.groups) < sum(ctx.by_id[keyspace_id].held):
        return False
    bound = {name for name in process.disk.facts if name.startswith(f"{RAFT_PEER}/")}
    names = [f"{RAFT_PEER}/{keyspace_id:016x}/{p.name}" for p in processes if p is not process]
    return bound.issuperset(names) and all(
        group.raft.member.id in group.state.membership.voters
        and not group.state.membership.joint
        and not group.state.membership.learners
        for group in consensus.groups.values()
    )
