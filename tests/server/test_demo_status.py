from pathlib import Path

from dynakv.admin.ring import Balance, Group, Node, Ring
from dynakv.server import demo_plan, demo_status
from dynakv.server.demo_control import replicas_of
from dynakv.server.demo_links import Links
from dynakv.server.demo_nodes import Child, State


def view(*up: str, replicas: list[list[str]] | None = None) -> Ring:
    """Return the ring of n1, n2, n3 as a node sees it that takes `up` for alive."""
    nodes = [
        Node("UN" if n in up else "DN", n, "alive", "", "", "", 1, 128, 2, 2.0, 0.33)
        for n in ("n1", "n2", "n3")
    ]
    placed = replicas or [["n1", "n2", "n3"], ["n2", "n3", "n1"]]
    groups = [Group(i, "", r) for i, r in enumerate(placed)]
    return Ring(
        "n1", "", 1, "", "default", 3, 2, 2, len(groups), nodes, Balance(2, 2, 2, 2, 1), groups
    )


def children(*states: State) -> list[Child]:
    plan = demo_plan.plan(3, 41_000, None)
    made = [Child(node, plan, Path("/nowhere"), None, lambda _: None) for node in plan.nodes]
    for child, state in zip(made, states, strict=True):
        child.state = state
    return made


def links(*cuts: tuple[str, str]) -> Links:
    made = Links(dict.fromkeys(("n1", "n2", "n3"), "127.0.0.1:1"))
    for sender, receiver in cuts:
        made.cut([sender], [receiver])
    return made


def test_a_share_counts_the_groups_with_enough_replicas() -> None:
    placed = [["n1", "n2", "n3"], ["n1", "n2", "n3"], ["n3", "n4", "n5"], ["n1", "n4", "n5"]]
    seen = view(replicas=placed)
    assert demo_status.quorum_share(seen, frozenset({"n1", "n2"})) == 0.5
    assert demo_status.quorum_share(seen, frozenset({"n1", "n4", "n3"})) == 1.0
    assert demo_status.quorum_share(seen, frozenset({"n1"})) == 0.0


def test_a_cut_of_either_way_makes_a_node_unreachable() -> None:
    cut = links(("n1", "n2"))
    nodes = ["n1", "n2", "n3"]
    assert demo_status.reachable("n1", nodes, cut) == {"n1", "n3"}
    assert demo_status.reachable("n2", nodes, cut) == {"n2", "n3"}
    assert demo_status.reachable("n3", nodes, cut) == {"n1", "n2", "n3"}
    assert demo_status.reachable("n1", nodes, None) == {"n1", "n2", "n3"}


def test_a_minority_serves_no_key_and_the_majority_all() -> None:
    cut = links(("n1", "n2"), ("n2", "n1"), ("n1", "n3"), ("n3", "n1"))
    views = {n: view("n1", "n2", "n3") for n in ("n1", "n2", "n3")}
    shares = demo_status.quorum_shares(views, cut)
    assert shares == {"n1": 0.0, "n2": 1.0, "n3": 1.0}
    text = demo_status.verdict({}, shares, list(cut.cuts()))
    assert text == "DEGRADED: cut n1 | n2, n1 | n3; every key has a quorum through n2, n3"


def test_a_node_that_does_not_answer_counts_for_nobody() -> None:
    views = {"n1": view("n1", "n2"), "n2": None, "n3": None}
    assert demo_status.quorum_shares(views, None) == {"n1": 0.0}


def test_the_verdict_stands_first() -> None:
    assert demo_status.verdict({}, {"n1": 1.0, "n2": 1.0}, []) == "OK: all 2 nodes serve"
    assert demo_status.verdict({"n2": "killed"}, {"n1": 1.0}, []) == (
        "DEGRADED: n2 killed; every key has a quorum through n1"
    )
    assert demo_status.verdict({"n2": "paused"}, {"n1": 0.25}, []) == (
        "UNAVAILABLE in part: n2 paused; at best 25 % of the keys have a quorum"
    )
    assert demo_status.verdict({"n2": "killed"}, {"n1": 0.0}, ["n1 > n3"]) == (
        "UNAVAILABLE: n2 killed; cut n1 > n3; no key has a quorum"
    )
    assert demo_status.verdict({"n1": "killed"}, {}, []).startswith("UNAVAILABLE: n1 killed;")


def test_every_node_has_a_line_whatever_its_state() -> None:
    nodes = children(State.KILLED, State.DIED, State.KILLED)
    views: dict[str, Ring | None] = {"n3": view("n2", "n3")}
    slow = links()
    slow.slow("n2", 50)
    lines = demo_status.as_text(nodes, views, slow).splitlines()
    assert lines[0].startswith("UNAVAILABLE: n1 killed; n2 died;")
    assert [line.split() for line in lines[2:4]] == [
        ["n1", "killed", "127.0.0.1:41001", "-", "-"],
        ["n2", "died", "127.0.0.1:41002", "-", "-"],
    ]
    assert lines[4].split()[:5] == ["n3", "killed", "127.0.0.1:41003", "n2", "n3"]
    assert lines[5] == "  slow: n2 +50 ms"
    silent = demo_status.as_text(nodes, {"n3": None}, None)
    assert "does not answer" in silent
    assert "n3 silent" in silent


def test_the_replicas_of_a_key_are_those_of_its_group() -> None:
    placed = [["n1"], ["n2"]]
    assert replicas_of(view(replicas=placed), b"demo:hello") in placed
