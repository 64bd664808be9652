"""The ring of a keyspace as a picture: one band per replica around the ring, one color per node.

Hand-written SVG 1.1 without scripts, fonts or links, so that it shows alike in browsers, editors
and documents. Neighbouring shard groups with the same node are one arc of their band; the shares
stand beside the ring as bars, and every arc has a title that a browser shows under the pointer.
"""

import colorsys
import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from dynakv.admin.ring import Node, Ring

SIZE: Final = 460  # of the square that holds the ring, in pixels
OUTER: Final = 200.0  # radius
BANDS: Final = 110.0  # what all bands take of the radius
GAP: Final = 2.0
ROW: Final = 26  # height of a bar with its text
BAR: Final = 180  # length of the greatest share
NAME: Final = 16  # characters beside a bar; the title has the whole name
TABLE_X: Final = SIZE + 20
WIDTH: Final = TABLE_X + 460
TOP: Final = 70

_TURN: Final = 2 * math.pi
_STYLE: Final = (
    "text{font-family:sans-serif;font-size:13px;fill:#222}"
    ".small{font-size:11px;fill:#666}.head{font-size:17px;font-weight:bold}"
    ".down{fill:#b00020;font-weight:bold}path{stroke:#fff;stroke-width:0.5}"
)


def as_svg(shown: Ring) -> str:
    """Return the picture. The ring must have been viewed with its groups."""
    assert shown.groups is not None
    height = max(SIZE + TOP, TOP + 20 + ROW * (len(shown.nodes) + 3))
    color = dict(zip((n.node for n in shown.nodes), _colors(len(shown.nodes)), strict=True))
    title = f"keyspace {shown.keyspace}"
    quorums = f"N={shown.n}, Rq={shown.rq}, Wq={shown.wq}"
    view = f"layout epoch {shown.epoch}, as {shown.answered_by} sees it"
    subtitle = f"{shown.group_count} shard groups, {quorums}; {view}"
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(f'DynaKV ring, {title}')}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="head" x="20" y="32">{escape(title)}</text>',
        f'<text class="small" x="20" y="52">{escape(subtitle)}</text>',
        f'<g transform="translate({SIZE // 2 + 10} {TOP + SIZE // 2 - 10})">',
        *_bands([group.replicas for group in shown.groups], color),
        _label(-4, f"{len(shown.nodes)} nodes"),
        _label(14, f"{shown.n} copies"),
        "</g>",
        f'<g transform="translate({TABLE_X} {TOP + 20})">',
        *_bars(shown.nodes, color),
        f'<text class="small" y="{ROW * len(shown.nodes) + 22}">{_balance(shown)}</text>',
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines)


def _colors(count: int) -> Iterator[str]:
    """Yield colors as far apart as so many can be; lightness alternates, for narrow hues."""
    for i in range(count):
        lightness = 0.45 if i % 2 == 0 else 0.62
        red, green, blue = colorsys.hls_to_rgb(i / max(count, 1), lightness, 0.6)
        yield f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _bands(groups: Sequence[Sequence[str]], color: dict[str, str]) -> Iterator[str]:
    """Yield the arcs; token 0 is at the top, tokens rise clockwise."""
    depth = max(map(len, groups), default=0)
    if not depth:
        return
    thickness = BANDS / depth
    for band in range(depth):
        outer = OUTER - band * thickness
        inner = outer - thickness + GAP
        for first, end, node in _runs([g[band] if band < len(g) else "" for g in groups]):
            if node:
                text = f"{node}: shard groups {first} to {end - 1}, copy {band + 1}"
                path = _arc(first / len(groups), end / len(groups), outer, inner)
                yield (
                    f'<path d="{path}" fill="{color[node]}"><title>{escape(text)}</title></path>'
                )


def _runs(nodes: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield runs of equal nodes as (first, end, node)."""
    first = 0
    for i in range(1, len(nodes) + 1):
        if i == len(nodes) or nodes[i] != nodes[first]:
            yield first, i, nodes[first]
            first = i


def _arc(begin: float, end: float, outer: float, inner: float) -> str:
    """Return the path of a piece of a band; both ends in turns. A whole turn is two halves."""
    if end - begin > 0.999:
        half = (begin + end) / 2
        return f"{_arc(begin, half, outer, inner)} {_arc(half, end, outer, inner)}"
    large = int(end - begin > 0.5)
    return (
        f"M{_point(begin, outer)} A{outer:g} {outer:g} 0 {large} 1 {_point(end, outer)} "
        f"L{_point(end, inner)} A{inner:g} {inner:g} 0 {large} 0 {_point(begin, inner)} Z"
    )


def _point(turns: float, radius: float) -> str:
    angle = _TURN * (turns - 0.25)
    return f"{radius * math.cos(angle):.2f} {radius * math.sin(angle):.2f}"


def _label(y: int, text: str) -> str:
    return f'<text y="{y}" text-anchor="middle">{escape(text)}</text>'


def _bars(nodes: Sequence[Node], color: dict[str, str]) -> Iterator[str]:
    most = max((node.share for node in nodes), default=0.0) or 1.0
    for i, node in enumerate(nodes):
        y = i * ROW
        length = BAR * node.share / most
        zone = f" ({node.zone})" if node.zone else ""
        is_down = node.state == "DN"
        name = f"{node.node}{zone}{' down' if is_down else ''}"
        mark = ' class="down"' if is_down else ""
        figures = f"{100 * node.share:.1f} %, {node.groups} groups"
        short = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
        title = f"<title>{escape(name)}</title>"
        yield f'<text y="{y + 13}"{mark}>{escape(short)}{title}</text>'
        yield f'<rect x="130" y="{y}" width="{length:.1f}" height="16" fill="{color[node.node]}"/>'
        yield f'<text class="small" x="{130 + length + 6:.1f}" y="{y + 12}">{figures}</text>'


def _balance(shown: Ring) -> str:
    balance = shown.balance
    return f"min {balance.min}, max {balance.max} groups a node; worst {balance.worst:.2f} x ideal"
