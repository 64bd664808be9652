"""What `dynakv-admin status` shows: a verdict, whether the nodes agree, each node's own figures.

The verdict is ours, from who answered us and from the layout: a node that does not answer counts as
down whatever the others believe of it, since its replicas cannot be counted on.
"""

from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Final

from msgspec import Struct

from dynakv.admin import outage
from dynakv.admin.status_nodes import Node, nodes_of
from dynakv.admin.status_repair import Repair, repairs_of
from dynakv.admin.survey import Survey
from dynakv.v1 import ring_pb2

PROBLEMS_MAX: Final = 3  # in the sentence; the table shows them all


class State(Enum):
    """How the cluster is, the best first."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # something is wrong, every key can be read and written
    UNAVAILABLE = "unavailable"  # some key cannot be read or written at level quorum
    UNKNOWN = "unknown"  # nobody answered


EXIT_CODES: Final = {
    State.HEALTHY: 0,
    State.DEGRADED: 2,
    State.UNAVAILABLE: 3,
    State.UNKNOWN: 4,
}


class Status(Struct, frozen=True):
    """All of it; what `-o json` prints."""

    state: State
    verdict: str
    agreement: str
    cluster_id: str
    epoch: int
    nodes: list[Node]
    keyspaces: list[outage.Loss]
    problems: list[str]
    repairs: list[Repair] = []  # by keyspace

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return EXIT_CODES[self.state]


def view(found: Survey) -> Status:
    """Return the status that the answers of a survey give."""
    states = [reply.state for reply in found.replies.values() if reply.state is not None]
    if not states:
        return _nothing(found)
    layout = _most_common(states)
    nodes = nodes_of(found, layout)
    away = frozenset(node.node for node in nodes if node.state == "down")
    full = frozenset(node.node for node in nodes if node.disk_full)
    losses = outage.losses(layout, away, full)
    problems = [f"{node.node} {problem}" for node in nodes for problem in node.problems]
    if not any(n.clock_trusted is not False for n in nodes if n.state == "up"):
        problems.insert(0, "no node trusts its clock, so none takes requests")
        state = State.UNAVAILABLE
    elif any(loss.loses_a_quorum for loss in losses):
        state = State.UNAVAILABLE
    else:
        state = State.DEGRADED if away or problems else State.HEALTHY
    return Status(
        state=state,
        verdict=_verdict(state, nodes, losses, problems),
        agreement=_agreement(layout, nodes),
        cluster_id=f"{layout.cluster_id:016x}",
        epoch=layout.epoch,
        nodes=nodes,
        keyspaces=losses,
        problems=problems,
        repairs=repairs_of(layout, nodes),
    )


def _nothing(found: Survey) -> Status:
    count = len(found.endpoints)
    tried = "the endpoint" if count == 1 else f"none of the {count} endpoints"
    answered = "did not answer" if count == 1 else "answered"
    whom = ", ".join(found.endpoints)
    verdict = f"UNKNOWN - {tried} {answered} within {found.within_ms / 1000:g} s; tried {whom}"
    return Status(State.UNKNOWN, verdict, "", "", 0, [], [], [])


def _identity(state: ring_pb2.GetRingStateResponse) -> tuple[int, int, int]:
    return (state.cluster_id, state.epoch, state.digest)


def _most_common(states: Sequence[ring_pb2.GetRingStateResponse]) -> ring_pb2.GetRingStateResponse:
    """Return a state with the layout that most nodes have, of equally many the newest."""
    votes = Counter(map(_identity, states))
    return max(states, key=lambda s: (votes[_identity(s)], s.epoch, s.digest))


def _verdict(
    state: State, nodes: Sequence[Node], losses: Sequence[outage.Loss], problems: Sequence[str]
) -> str:
    """Return the sentence: state, nodes, what it means for keys, and what else is wrong."""
    down = sum(node.state == "down" for node in nodes)
    count = len(nodes)
    how = f"{down} of {count} nodes down" if down else f"{count} of {count} nodes up"
    meaning = [outage.sentence(losses), *_hints(nodes), *_tombstones(nodes)]
    parts = [f"{state.name} - {how}", *meaning, *problems[:PROBLEMS_MAX]]
    if len(problems) > PROBLEMS_MAX:
        parts.append(f"and {len(problems) - PROBLEMS_MAX} more")
    return "; ".join(parts)


def _hints(nodes: Sequence[Node]) -> list[str]:
    """Return what all nodes together keep for each that missed writes, as part of a sentence."""
    rows: Counter[str] = Counter()
    for node in nodes:
        rows.update({hints.node: hints.rows for hints in node.hints})
    counts = [
        f"{count:,} {'hint' if count == 1 else 'hints'} for {node}"
        for node, count in sorted(rows.items())
    ]
    return [", ".join(counts)] if counts else []


def _tombstones(nodes: Sequence[Node]) -> list[str]:
    """Return how many deleted and expired records wait for whom, as part of a sentence."""
    missing = sorted({name for node in nodes for name in node.collection_waits_for})
    count = sum(sum(n.tombstones_waiting.values()) for n in nodes if n.collection_waits_for)
    if not missing:
        return []
    what = "tombstone waits" if count == 1 else "tombstones wait"
    return [f"{count:,} {what} for {', '.join(missing)}"]


def _agreement(layout: ring_pb2.GetRingStateResponse, nodes: Sequence[Node]) -> str:
    digest = f"{layout.digest:016x}"
    agreeing = sum(node.layout_digest == digest for node in nodes)
    return f"layout {layout.epoch} agreed by {agreeing}/{len(nodes)}"
