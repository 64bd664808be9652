"""What a demo says of its nodes: each one's own view, asked at the same time and within a second.

No node's view is the truth. Beside the state of every process, which the demo knows, stands what
each node believes of the others, and which share of the keys has a quorum among those that it can
reach, which the demo knows as well.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from dynakv.admin import ring as rings
from dynakv.client.connection import Connection
from dynakv.core.layout import DEFAULT_KEYSPACE
from dynakv.errors import DynaKVError
from dynakv.server.demo_links import Links
from dynakv.server.demo_nodes import Child, State

Views: TypeAlias = Mapping[str, rings.Ring | None]  # by node; None: it does not answer

CONNECT_MS: Final = 500
ANSWER_MS: Final = 1_000


async def view_of(endpoint: str) -> rings.Ring | None:
    """Return the ring as one node sees it, None where it does not answer in time."""
    try:
        async with Connection([endpoint], CONNECT_MS) as connection:
            state = await connection.ring_state(ANSWER_MS)
            return rings.view(state, DEFAULT_KEYSPACE, groups=True)
    except DynaKVError:
        return None


async def views_of(children: Iterable[Child]) -> dict[str, rings.Ring | None]:
    """Return what every running node sees; those that do not run are left out."""
    running = [c.node for c in children if c.state is State.RUNNING]
    found = await asyncio.gather(*(view_of(node.client) for node in running))
    return {node.node_id: view for node, view in zip(running, found, strict=True)}


def seen_up(view: rings.Ring) -> list[str]:
    """Return the nodes that a view believes to be up."""
    return [n.node for n in view.nodes if n.state == "UN"]


def reachable(node: str, running: Iterable[str], links: Links | None) -> frozenset[str]:
    """Return the running nodes, itself included, that a node can ask and that can answer it."""
    return frozenset(
        other
        for other in running
        if other == node
        or links is None
        or not (links.is_cut(node, other) or links.is_cut(other, node))
    )


def quorum_share(view: rings.Ring, up: frozenset[str]) -> float:
    """Return the share of the shard groups, 0 to 1, that have a quorum among these nodes."""
    assert view.groups is not None
    needed = max(view.rq, view.wq)
    served = sum(len(up.intersection(group.replicas)) >= needed for group in view.groups)
    return served / len(view.groups)


def quorum_shares(views: Views, links: Links | None) -> dict[str, float]:
    """Return for each node that answers which share of the keys it can serve at quorum."""
    answering = {name: view for name, view in views.items() if view is not None}
    return {
        name: quorum_share(view, reachable(name, answering, links))
        for name, view in answering.items()
    }


def as_text(children: Sequence[Child], views: Views, links: Links | None) -> str:
    """Return a verdict, a line a node, and what is wrong with the links."""
    shares = quorum_shares(views, links)
    rows = [["NODE", "PROCESS", "CLIENTS", "SEES UP", "KEYS WITH A QUORUM"]]
    for child in children:
        node = child.node
        process = child.state.value
        if child.state in (State.RUNNING, State.PAUSED):
            process += f" (pid {child.pid})"
        view = views.get(node.node_id)
        up, share = "-", "-"
        if view is not None:
            up, share = " ".join(seen_up(view)), f"{100 * shares[node.node_id]:.0f} %"
        elif node.node_id in views:
            up = "does not answer"
        rows.append([node.node_id, process, node.client, up, share])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    wrong = {c.node.node_id: c.state.value for c in children if c.state is not State.RUNNING}
    wrong |= {node: "silent" for node, view in views.items() if view is None}
    lines = [verdict(wrong, shares, list(links.cuts()) if links is not None else [])]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join([*lines, *_slow_lines(children, links)])


def verdict(wrong: Mapping[str, str], shares: Mapping[str, float], cuts: Sequence[str]) -> str:
    """Return the state of the cluster in one sentence.

    `wrong` says what is with the nodes that do not serve, `shares` are those of `quorum_shares`.
    """
    parts = [f"{node} {state}" for node, state in wrong.items()]
    what = "; ".join([*parts, f"cut {', '.join(cuts)}"] if cuts else parts)
    best = max(shares.values(), default=0.0)
    if not what:
        return f"OK: all {len(shares)} nodes serve"
    if best == 1.0:
        through = ", ".join(node for node, share in shares.items() if share == 1.0)
        return f"DEGRADED: {what}; every key has a quorum through {through}"
    if best > 0.0:
        return f"UNAVAILABLE in part: {what}; at best {100 * best:.0f} % of the keys have a quorum"
    return f"UNAVAILABLE: {what}; no key has a quorum"


def _slow_lines(children: Sequence[Child], links: Links | None) -> list[str]:
    if links is None:
        return []
    names = [c.node.node_id for c in children]
    slow = ", ".join(f"{n} +{links.delay_ms(n)} ms" for n in names if links.delay_ms(n))
    return [f"  slow: {slow}"] if slow else []
