"""Latency by percentile as SVG: one curve a measurement, both axes logarithmic.

Written by hand: a curve, a grid and a legend are not worth a plotting library. The x axis is that
of HdrHistogram's plotter: each nine of the percentile takes the same room, since the tail is what
one looks for.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

Curve = tuple[str, Sequence[tuple[float, float]]]  # label; (percentile, ms), rising

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 46, 50
NINES_MAX: Final = 5.0  # 99.999 %
MS_MIN: Final = 0.01
COLORS: Final = ("#1668b8", "#d1491b", "#2f8f4e", "#8646a3", "#b08b00", "#007f8c", "#c2327a")
TICKS: Final = (
    (0.0, "0"),
    (50.0, "50"),
    (90.0, "90"),
    (99.0, "99"),
    (99.9, "99.9"),
    (99.99, "99.99"),
    (99.999, "99.999"),
)


def svg(title: str, curves: Sequence[Curve]) -> str:
    """Return the picture as text."""
    all_ms = [max(ms, MS_MIN) for _, points in curves for _, ms in points] or [1.0]
    low = 10 ** math.floor(math.log10(min(all_ms)))
    high = 10 ** max(math.ceil(math.log10(max(all_ms))), math.log10(low) + 1)
    nines = min(max([_nines(p) for _, points in curves for p, _ in points] or [1.0]), NINES_MAX)
    axes = _Axes(math.ceil(max(nines, 1.0)), math.log10(low), math.log10(high))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="15">{escape(title)}</text>',
        *axes.grid(),
    ]
    for index, (label, points) in enumerate(curves):
        lines += _drawn(axes, label, points, index)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _nines(percentile: float) -> float:
    """Return 0 for 0 %, 1 for 90 %, 2 for 99 %."""
    return -math.log10(1 - percentile / 100) if percentile < 100 else math.inf


class _Axes:
    def __init__(self, nines: float, low: float, high: float) -> None:
        self.nines, self.low, self.high = nines, low, high  # the last two: log10 of ms

    def x(self, percentile: float) -> float:
        return LEFT + _nines(percentile) / self.nines * (WIDTH - LEFT - RIGHT)

    def y(self, ms: float) -> float:
        share = (math.log10(max(ms, MS_MIN)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> Iterator[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for percentile, text in TICKS:
            if _nines(percentile) <= self.nines + 1e-9:
                x = f"{self.x(percentile):.1f}"
                yield f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="#ddd"/>'
                yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{text}</text>'
        for power in range(round(self.low), round(self.high) + 1):
            y = f"{self.y(10.0**power):.1f}"
            yield f'<line x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}" stroke="#ddd"/>'
            yield f'<text x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end">{10.0**power:g}</text>'
        yield f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">'
        yield "percentile</text>"
        middle = (TOP + bottom) / 2
        yield f'<text x="18" y="{middle:.0f}" text-anchor="middle" '
        yield f'transform="rotate(-90 18 {middle:.0f})">latency, ms</text>'


def _drawn(
    axes: _Axes, label: str, points: Sequence[tuple[float, float]], index: int
) -> Iterator[str]:
    color = COLORS[index % len(COLORS)]
    dash = ' stroke-dasharray="6 4"' if index >= len(COLORS) else ""
    shown = [(p, ms) for p, ms in points if _nines(p) <= axes.nines + 1e-9]
    path = " ".join(f"{axes.x(p):.1f},{axes.y(ms):.1f}" for p, ms in shown)
    yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>'
    x, y = WIDTH - RIGHT + 16, TOP + 10 + 20 * index
    stroke = f'stroke="{color}" stroke-width="2"{dash}'
    yield f'<line x1="{x}" y1="{y}" x2="{x + 24}" y2="{y}" {stroke}/>'
    yield f'<text x="{x + 30}" y="{y + 4}">{escape(label)}</text>'
