"""The picture of a ring: well-formed, and its arcs cover what the layout says."""

import math
import re
from xml.etree import ElementTree as ET

import pytest

from dynakv.admin import ring
from dynakv.admin.ring_svg import OUTER, as_svg
from tests.admin.test_ring import FIVE, member, state_of

SVG = "{http://www.w3.org/2000/svg}"
TITLE = re.compile(r"(\S+): shard groups (\d+) to (\d+), copy (\d+)")


def drawn(count: int = 5, **changes: object) -> ET.Element:
    members = [member(i, **changes) for i in range(1, count + 1)]  # type: ignore[arg-type]
    return ET.fromstring(as_svg(ring.view(state_of(members, down=["n1"]), "default", groups=True)))


def test_arcs_are_exactly_the_replicas_of_all_groups() -> None:
    shown = ring.view(state_of(FIVE), "default", groups=True)
    found: dict[tuple[int, int], str] = {}
    for path in ET.fromstring(as_svg(shown)).iter(f"{SVG}path"):
        match = TITLE.fullmatch(path.findtext(f"{SVG}title") or "")
        assert match is not None
        for group in range(int(match[2]), int(match[3]) + 1):
            found[group, int(match[4]) - 1] = match[1]
    assert shown.groups is not None
    assert found == {
        (g.group, band): node for g in shown.groups for band, node in enumerate(g.replicas)
    }


def test_a_node_has_one_color_and_nodes_differ() -> None:
    colors: dict[str, set[str]] = {}
    for path in drawn(7).iter(f"{SVG}path"):
        name = (path.findtext(f"{SVG}title") or "").partition(":")[0]
        colors.setdefault(name, set()).add(path.get("fill", ""))
    assert all(len(of_one) == 1 for of_one in colors.values())
    assert len(set.union(*colors.values())) == 7


def test_a_lone_node_is_a_whole_ring_and_not_an_empty_path() -> None:
    (path,) = list(drawn(1).iter(f"{SVG}path"))
    points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
    assert len(points) == 4  # two halves: an arc of a whole turn would draw nothing
    radii = {round(math.hypot(float(x), float(y))) for x, y in points}
    assert max(radii) == OUTER


def test_names_from_outside_are_escaped() -> None:
    root = drawn(3, zone="<&\">'")
    assert any("<&\">'" in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_a_long_name_is_cut_and_stands_whole_in_its_title() -> None:
    texts = [text for text in drawn(3, zone="z" * 64).iter(f"{SVG}text") if len(text)]
    assert {len(text.text or "") for text in texts} == {16}
    assert texts[1].findtext(f"{SVG}title") == f"n2 ({'z' * 64})"


def test_a_node_that_is_down_is_marked_in_words() -> None:
    texts = [text for text in drawn(3).iter(f"{SVG}text") if text.get("class") == "down"]
    assert [text.text for text in texts] == ["n1 down"]


@pytest.mark.parametrize("count", [1, 3, 60])
def test_everything_stands_inside_the_picture(count: int) -> None:
    root = drawn(count)
    height = float(root.get("height", 0))
    rows = [float(text.get("y", 0)) for text in root.iter(f"{SVG}text")]
    assert max(rows) + 70 < height
