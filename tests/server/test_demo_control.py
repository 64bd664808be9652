"""What the commands of a demo refuse; what they do is tested with real nodes."""

import asyncio
from pathlib import Path

import pytest

from dynakv.server import demo_plan
from dynakv.server.demo_control import Control, Reply
from dynakv.server.demo_links import Links
from dynakv.server.demo_nodes import Child, State


def run(line: str, *, with_links: bool = False, state: State = State.KILLED) -> Reply:
    """Return the answer of a demo of two nodes, none of which has a process."""
    plan = demo_plan.plan(2, 41_000, None)
    children = [Child(n, plan, Path("/nowhere"), None, lambda _: None) for n in plan.nodes]
    for child in children:
        child.state = state
    links = Links({node.node_id: node.peer for node in plan.nodes}) if with_links else None
    return asyncio.run(Control(children, links).run(line))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("kill 1", "n1 is killed, not running or paused"),
        ("pause 1,2", "n1 is killed, not running\nn2 is killed, not running"),
        ("resume 1", "n1 is killed, not paused"),
        ("get k via 1", "n1 is killed, not running"),
        ("get k", "no running node can be reached ('status' shows them)"),
        ("put k v", "no running node can be reached ('status' shows them)"),
        ("ring", "no running node can be reached ('status' shows them)"),
        ("leaders", "no running node can be reached ('status' shows them)"),
    ],
)
def test_a_node_that_does_not_run_is_named(line: str, text: str) -> None:
    assert run(line).text == text


@pytest.mark.parametrize("line", ["partition 1|2", "slow 1 5", "heal"])
def test_without_links_nothing_can_be_cut(line: str) -> None:
    reply = run(line)
    assert not reply.ok
    assert reply.text.startswith("this demo has no links to cut or slow")
    assert reply.text.endswith("start it with --links")


def test_links_say_what_was_done_to_them() -> None:
    assert run("partition 1", with_links=True).text.startswith("cut: n1 | n2; nothing passes.")
    assert run("partition 1>2", with_links=True).text.startswith("what n1 sends to n2 is lost;")
    assert "50 ms longer, a round trip 100 ms" in run("slow 1 50", with_links=True).text
    assert run("slow 1 0", with_links=True).text == "n1 is no longer slow"


def test_a_blank_line_says_nothing_and_quit_leaves() -> None:
    assert run("  ") == Reply("")
    assert run("quit") == Reply("", leaves=True)


def test_what_nobody_expected_is_one_line_and_no_exception() -> None:
    reply = run("kill 1", state=State.RUNNING)  # it runs without a process: that cannot be
    assert not reply.ok
    assert reply.text.startswith("internal error: AssertionError")
    assert "\n" not in reply.text


def test_status_needs_no_node_that_runs() -> None:
    text = run("status").text
    assert text.startswith("UNAVAILABLE: n1 killed; n2 killed; no key has a quorum")
