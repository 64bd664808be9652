"""The status of a cluster as JSON, and as a table for a terminal."""

import json
from collections.abc import Iterator
from typing import Final

import msgspec

from dynakv.admin import status_repair
from dynakv.admin.status import State, Status
from dynakv.admin.status_nodes import Node
from dynakv.admin.tables import GREEN, RED, YELLOW, columns, painted
from dynakv.client import texts

_COLORS: Final = {
    State.HEALTHY: GREEN,
    State.DEGRADED: YELLOW,
    State.UNAVAILABLE: RED,
    State.UNKNOWN: RED,
}
_HEAD: Final = [
    *("ST", "NODE", "ADDRESS", "PROBE", "ROWS", "SIZE", "CLOCK", "WAITING", "CACHE HITS"),
    *("UPTIME", "STARTS", "VERSION"),
]


def as_json(shown: Status, *, indent: int | None = 2) -> str:
    """Return it as JSON; without `indent` on one line."""
    return json.dumps(msgspec.to_builtins(shown), indent=indent)


def as_table(shown: Status, *, color: bool) -> str:
    """Return it as text for a terminal; `color` marks the verdict and the states."""
    head, _, rest = shown.verdict.partition(" ")
    lines = [f"{painted(head, _COLORS[shown.state] if color else None)} {rest}"]
    if shown.agreement:
        lines.append(f"{shown.agreement}; cluster {shown.cluster_id}")
    if shown.nodes:
        lines += ["", *_node_lines(shown.nodes, color=color)]
    compared = status_repair.lines(shown.repairs)
    if compared:
        lines += ["", *compared]
    remarks = [f"! {problem}" for problem in shown.problems]
    remarks += [f"- {node.node} {note}" for node in shown.nodes for note in node.notes]
    if remarks:
        lines += ["", *remarks]
    return "\n".join(lines)


def _node_lines(nodes: list[Node], *, color: bool) -> Iterator[str]:
    rows = [_HEAD, *map(_row, nodes)]
    for line in columns(rows, right={3, 4, 5, 6, 7, 8, 9, 10}):
        paint = {"UN": GREEN, "DN": RED}.get(line[:2]) if color else None
        yield painted(line[:2], paint) + line[2:]


def _row(node: Node) -> list[str]:
    if node.state == "down":
        return ["DN", node.node, node.address or "?", node.error]
    return [
        "UN",
        node.node,
        node.address or "?",
        "?" if node.probe_ms is None else f"{node.probe_ms:.1f} ms",
        "?" if node.rows is None else f"{node.rows:,}",
        "?" if node.database_bytes is None else texts.size(node.database_bytes),
        _clock(node),
        "?" if node.unanswered_keys is None else f"{node.unanswered_keys:,}",
        "-" if node.cache_hit_share is None else f"{100 * node.cache_hit_share:.1f} %",
        "?" if node.uptime_ms is None else texts.lasting(node.uptime_ms),
        "?" if node.starts is None else f"{node.starts:,}",
        node.version or "?",
    ]


def _clock(node: Node) -> str:
    if node.clock_trusted is None:
        return "?"
    offset = "-" if node.clock_offset_ms is None else f"{node.clock_offset_ms:+,} ms"
    return offset if node.clock_trusted else f"{offset} doubted"
