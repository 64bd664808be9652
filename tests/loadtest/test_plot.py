"""The picture of latencies by percentile."""

from xml.etree import ElementTree as ET

import pytest

from loadtest.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curve, svg

NS = "{http://www.w3.org/2000/svg}"


def polylines(curves: list[Curve]) -> list[list[tuple[float, float]]]:
    root = ET.fromstring(svg("title", curves))
    return [
        [(float(x), float(y)) for x, y in (p.split(",") for p in line.get("points", "").split())]
        for line in root.iter(f"{NS}polyline")
    ]


@pytest.mark.parametrize(
    "points",
    [
        [(0.0, 0.5), (50.0, 1.0), (99.0, 20.0)],
        [(0.0, 0.0), (99.9999, 5_000.0)],
        [(0.0, 3.0)],
        [],
    ],
)
def test_every_curve_stays_inside_the_axes(points: list[tuple[float, float]]) -> None:
    for curve in polylines([("a", points)]):
        for x, y in curve:
            assert LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1
            assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1


def test_each_nine_takes_the_same_room_and_more_time_is_higher() -> None:
    ((zero, one, two),) = polylines([("a", [(0.0, 1.0), (90.0, 10.0), (99.0, 100.0)])])
    assert one[0] - zero[0] == pytest.approx(two[0] - one[0], abs=0.2)
    assert zero[1] - one[1] == pytest.approx(one[1] - two[1], abs=0.2)
    assert two[1] < one[1] < zero[1]


def test_labels_are_escaped() -> None:
    text = svg("<title>", [("a & b", [(0.0, 1.0)])])
    assert "&lt;title&gt;" in text
    assert "a &amp; b" in text
    ET.fromstring(text)
