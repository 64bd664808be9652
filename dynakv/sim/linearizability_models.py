"""What one copy of a key would answer: the models that histories are judged by.

A model is a state and a function from (state, operation) to the next state, or IMPOSSIBLE where a
single copy could not have answered so. Names of operations are those of recorded histories: `read`
and `get` are the same, so are `write` and `put`.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from dynakv.sim.linearizability_history import Operation

State = Hashable


class _Impossible:
    def __repr__(self) -> str:
        return "IMPOSSIBLE"


IMPOSSIBLE: Final = _Impossible()


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of object. Invariant: `step` depends on nothing but its arguments."""

    name: str
    initial: State
    step: Callable[[State, Operation], State]


def _register(state: State, operation: Operation) -> State:
    """read -> value or None; write value; delete."""
    match operation.f:
        case "read" | "get":
            return state if operation.ended is None or operation.result == state else IMPOSSIBLE
        case "write" | "put":
            return operation.value
        case "delete":
            return None
        case other:
            raise ValueError(f"a register has no operation {other!r}")


def _cas_register(state: State, operation: Operation) -> State:
    """Besides: cas (old, new), which was answered by done, or by `mismatch`."""
    if operation.f != "cas":
        return _register(state, operation)
    if not isinstance(operation.value, tuple) or len(operation.value) != 2:
        raise ValueError(f"cas takes (old, new), not {operation.value!r}")
    old: State
    new: State
    old, new = operation.value
    if operation.mismatch:
        return IMPOSSIBLE if state == old else state
    if state == old:
        return new
    # Of unknown outcome: it came to nothing, which needs no place in the order.
    return state if operation.ended is None else IMPOSSIBLE


def _append(state: State, operation: Operation) -> State:
    """append text to a text; get -> all of it; put replaces it. Nothing is as good as no text."""
    match operation.f:
        case "append":
            return _text(state) + _text(operation.value)
        case "read" | "get":
            if operation.ended is None or _text(operation.result) == _text(state):
                return state
            return IMPOSSIBLE
        case "write" | "put":
            return operation.value
        case other:
            raise ValueError(f"an append object has no operation {other!r}")


def _list_append(state: State, operation: Operation) -> State:
    """append an element to a list; get -> all of them; put replaces them. No list is as empty."""
    elements = _elements(state)
    match operation.f:
        case "append":
            return (*elements, operation.value)
        case "read" | "get":
            if operation.ended is None or _elements(operation.result) == elements:
                return state
            return IMPOSSIBLE
        case "write" | "put":
            return operation.value
        case other:
            raise ValueError(f"a list has no operation {other!r}")


def _counter(state: State, operation: Operation) -> State:
    """incr amount -> what it came to; read -> the number or None. None is as good as 0."""
    assert state is None or isinstance(state, int)
    match operation.f:
        case "incr":
            assert isinstance(operation.value, int)
            number = (state or 0) + operation.value
            answered = operation.ended is not None
            return IMPOSSIBLE if answered and operation.result != number else number
        case "read" | "get":
            return state if operation.ended is None or operation.result == state else IMPOSSIBLE
        case other:
            raise ValueError(f"a counter has no operation {other!r}")


def _text(value: State) -> str:
    return "" if value is None else str(value)


def _elements(value: State) -> tuple[State, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


REGISTER: Final = Model("register", None, _register)
CAS_REGISTER: Final = Model("cas-register", None, _cas_register)
APPEND: Final = Model("append", None, _append)
LIST_APPEND: Final = Model("list-append", None, _list_append)
COUNTER: Final = Model("counter", None, _counter)
MODELS: Final = {m.name: m for m in (REGISTER, CAS_REGISTER, APPEND, LIST_APPEND, COUNTER)}
