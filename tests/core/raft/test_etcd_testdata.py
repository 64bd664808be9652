"""etcd's own scenarios, and ours in the same format, on our core; docs/raft.md says how to run.

`quorum` and `confchange` must agree byte for byte. `interaction` is compared without the lines that
etcd's logger writes: they tell how its code came to what the other lines say.
"""

import re
from pathlib import Path

import pytest

from dynakv.core.raft import membership, quorum
from dynakv.core.raft.membership import InvalidChange, Outcome
from dynakv.core.raft.messages import MemberId
from dynakv.core.raft.tracker import Tracker
from tests.core.raft import describe
from tests.core.raft.datadriven import Case, cases, differences, scenarios
from tests.core.raft.interaction import Interaction

_LOGGED = re.compile(r"^\s*(DEBUG|INFO|WARN|ERROR|FATAL|PANIC) ")
_VOTES = {"pending": "VotePending", "lost": "VoteLost", "won": "VoteWon"}


def run_quorum(case: Case) -> str:
    halves = []
    for key in ("cfg", "cfgj"):
        ids = [MemberId(int(v)) for v in case.values(key) if v != "zero"]
        halves.append(tuple(dict.fromkeys(ids)))
    first, second = halves
    everyone = list(dict.fromkeys([*first, *second]))
    given = case.values("idx" if case.command == "committed" else "votes")
    if len(given) != len(everyone):
        numbers = [0 if v == "_" else {"y": 2, "n": 1}.get(v) or int(v) for v in given]
        shown = "[" + " ".join("∞" if n == quorum.NO_LIMIT else str(n) for n in numbers) + "]"
        ids = "(" + " ".join(map(str, sorted(everyone))) + ")"
        return f"error: mismatched input (explicit or _) for voters {ids}: {shown}"
    said = {m: v for m, v in zip(everyone, given, strict=True) if v != "_"}
    if case.command == "vote":
        votes = {m: v == "y" for m, v in said.items()}
        result = quorum.joint_vote(first, second, votes)
        assert result is quorum.joint_vote(second, first, votes)
        assert second or result is quorum.majority_vote(first, votes)
        return _VOTES[result.value]
    acked = {m: int(v) for m, v in said.items()}
    index = quorum.joint_committed(first, second, acked)
    assert index == quorum.joint_committed(second, first, acked)
    assert second or index == quorum.joint_committed(first, first, acked)
    picture = quorum.describe(sorted(everyone), acked)
    return picture + ("∞" if index == quorum.NO_LIMIT else str(index))


class ConfChange:
    """One file of `confchange`: the log grows by one entry with every command."""

    def __init__(self) -> None:
        self._tracker = Tracker(10, 0)
        self._last = 0

    def run(self, case: Case) -> str:
        last, self._last = self._last, self._last + 1
        changes = describe.parse_changes(case.input)
        now = self._tracker.membership
        outcome: Outcome | InvalidChange
        if case.command == "simple":
            outcome = membership.simple(now, changes)
        elif case.command == "enter-joint":
            auto = case.values("autoleave") == ["true"]
            outcome = membership.enter_joint(now, changes, auto_leave=auto)
        else:
            assert case.command == "leave-joint"
            outcome = membership.leave_joint(now)
        if isinstance(outcome, InvalidChange):
            return outcome.reason
        self._tracker.adopt(outcome, last)
        return f"{membership.describe(outcome.membership)}\n{self._tracker.describe()}"


def meaning(output: str) -> list[str]:
    """Return what an output of `interaction` says, without what a logger added."""
    lines = [line for line in output.splitlines() if line and not _LOGGED.match(line)]
    return [line.rstrip() for line in lines if line != "ok"]


@pytest.mark.parametrize("path", scenarios("quorum"))
def test_quorum_agrees_byte_for_byte(path: Path) -> None:
    wrong = differences(path, run_quorum)
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("path", scenarios("confchange"))
def test_confchange_agrees_byte_for_byte(path: Path) -> None:
    wrong = differences(path, ConfChange().run)
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("path", scenarios("interaction"))
def test_interaction_says_the_same(path: Path) -> None:
    wrong = differences(path, Interaction().run, meaning)
    assert not wrong, wrong[0]


def test_a_scenario_that_expects_something_else_fails(tmp_path: Path) -> None:
    text = (
        "add-nodes 1 voters=(1) index=3\n----\nok\n\ncampaign 1\n----\nok\n\nraft-state\n----\n{}\n"
    )
    true, false = tmp_path / "true.txt", tmp_path / "false.txt"
    said = "1: StateCandidate (Voter) Term:1 Lead:0"
    true.write_text(text.format(said))
    false.write_text(text.format(said.replace("Term:1", "Term:2")))
    assert not differences(true, Interaction().run, meaning)
    assert len(differences(false, Interaction().run, meaning)) == 1
    assert [case.command for case in cases(true)] == ["add-nodes", "campaign", "raft-state"]
