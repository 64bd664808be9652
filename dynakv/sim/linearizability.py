"""Is a recorded history linearizable? A search for one order in which a single copy could have
answered as the clients saw it.

The algorithm of Wing and Gong ("Testing and Verifying Concurrent Objects", JPDC 1993) with Lowe's
memoised configurations ("Testing for linearizability", CCPE 2017): operations are placed one by
one, each before the first answer of one that is not placed yet; what was placed and the state that
came of it is remembered, so that no configuration is searched twice. Keys are judged one by one
(linearizability is local: Herlihy and Wing, TOPLAS 1990).

An operation of unknown outcome may take effect at any moment after it was asked for, or never. The
search need not place it, and leaving it out is tried first. If there is an order at all, there is
one with the fewest of them, each as late as it can be, and only such are searched:

* of several that ask for the same, the eldest is placed first;
* one is placed only where it changes the state, and where what comes next needs that: it could not
  be next without it, or would lead elsewhere, and could not just as well come before it;
* what was placed is remembered by its answered operations and the state. Reached again with more of
  the others spent, it is not searched again.

A search that needs more steps than its bound is `unknown`, and unknown is not a pass. What is
recorded for it has at most ten clients a key, which keeps it far below. This checker stands outside
the system: it knows the recorded history (`linearizability_history.py`) and a model
(`linearizability_models.py`), nothing of a node.

    python -m dynakv.sim.linearizability --model cas-register FILE ...
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from dynakv.sim import linearizability_files
from dynakv.sim.linearizability_history import Operation
from dynakv.sim.linearizability_models import IMPOSSIBLE, MODELS, Model, State

STEPS_MAX: Final = 5_000_000  # per key: some seconds


class Outcome(Enum):
    """What is known of one key's history."""

    LINEARIZABLE = "linearizable"
    NOT = "not"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one key; `steps` is how often the model was asked."""

    key: str
    outcome: Outcome
    steps: int
    why: str = ""

    def __str__(self) -> str:
        """Describe the verdict on one line."""
        return f"key {self.key!r}: {self.outcome.value}" + (f" ({self.why})" if self.why else "")


def check(
    operations: Iterable[Operation], model: Model, *, steps_max: int = STEPS_MAX
) -> list[Verdict]:
    """Return the verdict of every key, in the order in which the keys first occur."""
    by_key: dict[str, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    return [_of_key(key, some, model, steps_max) for key, some in by_key.items()]


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Return one outcome for all keys: one bad key is enough, then one unknown."""
    found = [verdict.outcome for verdict in verdicts]
    for outcome in (Outcome.NOT, Outcome.UNKNOWN):
        if outcome in found:
            return outcome
    return Outcome.LINEARIZABLE


def passes(verdicts: Sequence[Verdict]) -> bool:
    """Say whether every key is proven linearizable; unknown counts as failed."""
    return overall(verdicts) is Outcome.LINEARIZABLE


def _of_key(key: str, operations: list[Operation], model: Model, steps_max: int) -> Verdict:
    search = _Search(operations, model)
    outcome = search.run(steps_max)
    why = ""
    if outcome is Outcome.UNKNOWN:
        why = f"not decided within {steps_max:,} steps"
    elif outcome is Outcome.NOT:
        why = f"no order explains {search.stuck_at()}"
    return Verdict(key, outcome, search.steps, why)


class _Search:
    """One depth-first search over the operations of one key.

    Invocations and answers stand in a doubly linked list in order of time; an invocation at the
    very moment of an answer counts as before it, since the two may have overlapped. Placing an
    operation takes its events out of the list, going back puts them in again.
    """

    def __init__(self, operations: Sequence[Operation], model: Model) -> None:
        self.steps = 0
        self._step = model.step
        self._initial = model.initial
        in_time = sorted(operations, key=lambda o: (o.started, o.order))
        self._answered = [o for o in in_time if o.ended is not None]
        self._open = [o for o in in_time if o.ended is None]
        self._elder = _elders(self._open)
        events = sorted(
            [(o.started, 0, place) for place, o in enumerate(self._answered)]
            + [(o.ended or 0, 1, place) for place, o in enumerate(self._answered)]
        )
        # Event 0 is the head of the list, the last is its end.
        self._place = [-1, *(place for _, _, place in events), -1]
        self._at = [0, *(at for at, _, _ in events), 0]
        self._ends = [True, *(ends == 1 for _, ends, _ in events), True]
        self._end = len(events) + 1
        self._next = [*range(1, self._end + 1), self._end]
        self._previous = [0, *range(self._end)]
        self._call, self._return = [0] * len(self._answered), [0] * len(self._answered)
        for event in range(1, self._end):
            side = self._return if self._ends[event] else self._call
            side[self._place[event]] = event
        # What was reached: (answered operations placed, state, state before an open one) to the
        # sets of open ones spent, none of which contains another.
        self._seen: dict[tuple[int, State, State], list[int]] = {}
        self._best = -1
        self._stuck: Operation | None = None

    def run(self, steps_max: int) -> Outcome:
        """Return the outcome; UNKNOWN after `steps_max` questions to the model."""
        complete = (1 << len(self._answered)) - 1
        path = [_Node(0, 0, self._initial, _NOTHING)]
        while path[-1].placed != complete:
            if self.steps >= steps_max:
                return Outcome.UNKNOWN
            node = path[-1]
            if node.candidates is None:
                node.candidates = self._candidates(node)
            child = next(node.candidates, None)
            if child is not None:
                self._take_out(child.answered)
                path.append(child)
                continue
            self._note(len(path))
            path.pop()
            if not path:
                return Outcome.NOT
            self._put_back(node.answered)
        return Outcome.LINEARIZABLE

    def stuck_at(self) -> str:
        """Describe the operation whose answer the longest order could not explain."""
        return str(self._stuck) if self._stuck else "an empty history"

    def _candidates(self, node: "_Node") -> Iterator["_Node"]:
        """Yield what may come next. The list may change meanwhile, as long as it is restored."""
        event = self._next[0]
        while not self._ends[event]:
            place = self._place[event]
            after = self._after(node, self._answered[place])
            if after is not IMPOSSIBLE:
                child = _Node(node.placed | 1 << place, node.spent, after, _NOTHING, place)
                if self._is_new(child):
                    yield child
            event = self._next[event]
        until = self._at[event]
        for place, operation in enumerate(self._open):
            elder = self._elder[place]
            if operation.started > until:
                break
            if node.spent >> place & 1 or (elder >= 0 and not node.spent >> elder & 1):
                continue
            after = self._after(node, operation)
            if after is not IMPOSSIBLE and after != node.state:
                child = _Node(node.placed, node.spent | 1 << place, after, node.state)
                if self._is_new(child):
                    yield child

    def _after(self, node: "_Node", operation: Operation) -> State:
        """Return the state after an operation; IMPOSSIBLE also where another order is as good."""
        self.steps += 1
        after = self._step(node.state, operation)
        if node.before is _NOTHING or after is IMPOSSIBLE:
            return after
        # The last one placed was an open one: does this one need it?
        without = self._step(node.before, operation)
        as_good_before = without == node.before and after == node.state
        return IMPOSSIBLE if without == after or as_good_before else after

    def _is_new(self, node: "_Node") -> bool:
        """Remember a node; False where it was reached before with no more open ones spent."""
        spent = self._seen.setdefault((node.placed, node.state, node.before), [])
        if any(known & node.spent == known for known in spent):
            return False
        spent[:] = [known for known in spent if known & node.spent != node.spent]
        spent.append(node.spent)
        return True

    def _note(self, count: int) -> None:
        event = self._next[0]
        while not self._ends[event]:
            event = self._next[event]
        if count > self._best and event != self._end:
            self._best = count
            self._stuck = self._answered[self._place[event]]

    def _take_out(self, answered: int) -> None:
        if answered >= 0:
            for event in (self._call[answered], self._return[answered]):
                before, after = self._previous[event], self._next[event]
                self._next[before], self._previous[after] = after, before

    def _put_back(self, answered: int) -> None:
        if answered >= 0:
            for event in (self._return[answered], self._call[answered]):
                before, after = self._previous[event], self._next[event]
                self._next[before] = self._previous[after] = event


_NOTHING: Final = object()


@dataclass(slots=True)
class _Node:
    """An order of some operations: which, and where it led."""

    placed: int  # answered operations, as bits
    spent: int  # open ones
    state: State
    before: State  # the state before the last one if that is an open one, else _NOTHING
    answered: int = -1  # the last one if it is an answered one
    candidates: "Iterator[_Node] | None" = None


def _elders(operations: Sequence[Operation]) -> list[int]:
    """Return, per operation of unknown outcome, the place of the one before that asks the same.

    -1: there is none. Whatever order places the younger first, or only the younger, is as good with
    the two exchanged: the elder was asked for even earlier, and neither has an end.
    """
    last: dict[tuple[str, State], int] = {}
    elders = []
    for place, operation in enumerate(operations):
        asked = operation.f, operation.value
        elders.append(last.get(asked, -1))
        last[asked] = place
    return elders


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge files; exit 1 unless all are linearizable."""
    parser = argparse.ArgumentParser(
        prog="python -m dynakv.sim.linearizability", description="Judge recorded histories."
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", choices=MODELS, help="default: what the file's form implies")
    parser.add_argument("--steps", type=int, default=STEPS_MAX, help="bound on each key's search")
    options = parser.parse_args(arguments)
    outcomes = []
    for file in options.files:
        operations, model = linearizability_files.read(file)
        if options.model:
            model = MODELS[options.model]
        verdicts = check(operations, model, steps_max=options.steps)
        outcomes.append(overall(verdicts))
        print(f"{file}\t{outcomes[-1].value}")
        for line in _reasons(verdicts):
            print(f"    {line}")
    if any(outcome is not Outcome.LINEARIZABLE for outcome in outcomes):
        raise SystemExit(1)


def _reasons(verdicts: Iterable[Verdict]) -> Iterator[str]:
    return (str(v) for v in verdicts if v.outcome is not Outcome.LINEARIZABLE)


if __name__ == "__main__":
    main()
