"""Bar charts as SVG: panels under each other, groups of bars side by side, a logarithmic axis.

Written by hand, as `plot.py` is. Figures that differ by a factor of a hundred stand in one panel,
so the axis is logarithmic and each bar carries its number.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from loadtest.plot import COLORS

WIDTH, LEFT, RIGHT = 1_000, 70, 20
HEAD, PANEL, GAP = 60, 190, 60  # px: title and legend; bars; labels below


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: `bars[group][series]`; None where there is no figure."""

    title: str
    groups: Sequence[str]
    series: Sequence[str]
    bars: Sequence[Sequence[float | None]]


def svg(title: str, panels: Sequence[Panel]) -> str:
    """Return the picture as text."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    height = HEAD + len(panels) * (PANEL + GAP) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    x = LEFT
    for place, name in enumerate(names):
        lines.append(f'<rect x="{x}" y="34" width="12" height="12" fill="{_color(place)}"/>')
        lines.append(f'<text x="{x + 17}" y="45">{escape(name)}</text>')
        x += 45 + 8 * len(name)
    for place, panel in enumerate(panels):
        lines += _panel(panel, names, HEAD + place * (PANEL + GAP))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def _panel(panel: Panel, names: Sequence[str], top: int) -> Iterator[str]:
    bottom = top + PANEL
    values = [v for group in panel.bars for v in group if v is not None and v > 0] or [1.0]
    low = math.floor(math.log10(min(values)) - 0.05)
    high = max(math.ceil(math.log10(max(values)) + 0.05), low + 1)

    def y(value: float) -> float:
        return bottom - (math.log10(value) - low) / (high - low) * (PANEL - 24)

    yield f'<text x="{LEFT}" y="{top + 14}" font-weight="bold">{escape(panel.title)}</text>'
    for power in range(low, high + 1):
        at = f"{y(10.0**power):.1f}"
        yield f'<line x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{at}" dy="4" text-anchor="end">{10.0**power:,g}</text>'
    room = (WIDTH - LEFT - RIGHT) / max(len(panel.groups), 1)
    bar = room * 0.86 / max(len(panel.series), 1)
    for number, (group, row) in enumerate(zip(panel.groups, panel.bars, strict=True)):
        x = LEFT + room * (number + 0.07)
        middle = LEFT + room * (number + 0.5)
        yield f'<text x="{middle:.1f}" y="{bottom + 16}" text-anchor="middle">'
        yield f"{escape(group)}</text>"
        for name, value in zip(panel.series, row, strict=True):
            if value is not None and value > 0:
                at, color = y(value), _color(names.index(name))
                yield f'<rect x="{x:.1f}" y="{at:.1f}" width="{bar * 0.92:.1f}" '
                yield f'height="{max(bottom - at, 0.5):.1f}" fill="{color}"/>'
                yield f'<text x="{x + bar / 2:.1f}" y="{at - 3:.1f}" font-size="8" '
                yield f'text-anchor="middle">{short(value)}</text>'
            x += bar


def short(value: float) -> str:
    """Return a number in few characters."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
