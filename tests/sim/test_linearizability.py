"""The checker finds what is wrong, and nothing else: examples, and a twin of all orders."""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynakv.errors import UsageError
from dynakv.sim import linearizability_files
from dynakv.sim.linearizability import (
    Outcome,
    Verdict,
    check,
    main,
    overall,
    passes,
)
from dynakv.sim.linearizability_history import CLIENTS_MAX, Operation, Recorder, operations, parsed
from dynakv.sim.linearizability_models import (
    APPEND,
    CAS_REGISTER,
    IMPOSSIBLE,
    LIST_APPEND,
    REGISTER,
    Model,
)


def history(text: str) -> list[Operation]:
    """Return the operations that a picture shows: one line each, `|` begins and ends it.

    `write 1 |--|` is answered, `write 1 |--` never is; a `?` before the picture says mismatch.
    """
    found = []
    for order, line in enumerate(filter(str.strip, text.splitlines())):
        picture = line.index("|")
        words = line[:picture].split()
        mismatch = words[-1] == "?"
        f, *numbers = words[:-1] if mismatch else words
        values = [None if n == "-" else int(n) if n.isdigit() else n for n in numbers]
        value = tuple(values) if len(values) == 2 else values[0] if values else None
        end = line.rfind("|")
        ended = end if end > picture else None
        read = f == "read"
        found.append(
            Operation(
                order,
                f,
                "k",
                None if read else value,
                picture,
                ended,
                value if read else None,
                mismatch,
                order,
            )
        )
    return found


def outcome(text: str, model: Model = CAS_REGISTER) -> Outcome:
    (verdict,) = check(history(text), model)
    return verdict.outcome


GOOD = {
    "a read sees the write before it": """
        write 1  |--|
        read 1        |--|
    """,
    "a read beside a write sees either": """
        write 1  |--------|
        read -     |-|
        read 1         |-|
    """,
    "writes side by side may take effect in any order": """
        write 1  |------|
        write 2   |-----|
        read 1            |-|
    """,
    "events at one moment overlap": """
        write 1  |--|
        read -      |--|
    """,
    "a write of unknown outcome takes effect late": """
        write 1  |-
        read -       |-|
        read 1            |-|
    """,
    "a write of unknown outcome never takes effect": """
        write 1  |-
        write 2     |-|
        read 2          |-|
    """,
    "a cas of unknown outcome explains a value": """
        write 1    |-|
        cas 1 2       |-
        read 1          |-|
        read 2              |-|
    """,
    "a mismatch is true beside a write": """
        write 1       |-|
        write 2          |------|
        cas 1 3 ?          |-|
        read 2                   |-|
    """,
    "a delete leaves nothing": """
        write 1  |-|
        delete       |-|
        read -           |-|
    """,
}
BAD = {
    "a read misses the write before it": """
        write 1  |--|
        read -        |--|
    """,
    "reads go backwards": """
        write 1  |------------|
        read 1     |-|
        read -         |-|
    """,
    "two reads disagree about the order of writes": """
        write 1  |--|
        write 2  |--|
        read 1        |-|
        read 2            |-|
        read 1                |-|
    """,
    "a value from nowhere": """
        write 1  |-|
        read 2       |-|
    """,
    "a write of unknown outcome is seen before it was asked for": """
        read 1   |-|
        write 1      |-
    """,
    "a write of unknown outcome takes effect twice": """
        write 1  |-
        read 1      |-|
        write 2         |-|
        read 1              |-|
    """,
    "a cas succeeds on another value": """
        write 1  |-|
        cas 2 3      |-|
    """,
    "a mismatch where the value was right": """
        write 1     |-|
        cas 1 2 ?       |-|
    """,
    "two cas take the same value": """
        write 1  |-|
        cas 1 2      |---|
        cas 1 3      |---|
    """,
    "a deleted value comes back": """
        write 1  |-|
        delete       |-|
        read 1           |-|
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_good_history_passes(text: str) -> None:
    assert outcome(text) is Outcome.LINEARIZABLE


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_bad_history_is_found(text: str) -> None:
    assert outcome(text) is Outcome.NOT


def test_what_a_bad_verdict_names_is_the_answer_that_has_no_place() -> None:
    (verdict,) = check(history(BAD["a read misses the write before it"]), CAS_REGISTER)
    assert "read None by process 1" in str(verdict)


def append(f: str, value: object, result: object, started: int, ended: int | None) -> Operation:
    return Operation(started, f, "k", value, started, ended, result)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "both", "backwards"),
    [(APPEND, "ab", "ba"), (LIST_APPEND, ("a", "b"), ("b", "a"))],
)
def test_appends_to_texts_and_lists_keep_their_order(
    model: Model, both: object, backwards: object
) -> None:
    made = [append("append", "a", None, 1, 2), append("append", "b", None, 3, 4)]
    assert passes(check([*made, append("get", None, both, 5, 6)], model))
    assert not passes(check([*made, append("get", None, backwards, 5, 6)], model))
    late = [*made, append("append", "c", None, 5, None), append("put", both, None, 6, 7)]
    assert passes(check([*late, append("get", None, both, 8, 9)], model))


@pytest.mark.parametrize(("model", "nothing"), [(APPEND, ""), (LIST_APPEND, ())])
def test_nothing_is_read_as_nothing_or_as_empty(model: Model, nothing: object) -> None:
    assert passes(check([append("get", None, nothing, 1, 2)], model))
    assert passes(
        check([append("put", nothing, None, 1, 2), append("get", None, None, 3, 4)], model)
    )


@pytest.mark.parametrize("model", [REGISTER, CAS_REGISTER, APPEND, LIST_APPEND])
def test_an_operation_that_the_model_does_not_know_is_an_error(model: Model) -> None:
    with pytest.raises(ValueError, match="lpush"):
        check([Operation(1, "lpush", "k", 1, 1, 2)], model)


def test_one_bad_key_spoils_a_history_and_keys_do_not_mix() -> None:
    good, bad = history(GOOD["a delete leaves nothing"]), history(BAD["a value from nowhere"])
    moved = [Operation(o.process, o.f, "other", o.value, o.started, o.ended, o.result) for o in bad]
    verdicts = check([*good, *moved], REGISTER)
    assert [(v.key, v.outcome) for v in verdicts] == [
        ("k", Outcome.LINEARIZABLE),
        ("other", Outcome.NOT),
    ]
    assert overall(verdicts) is Outcome.NOT


def test_unknown_is_not_a_pass_and_bad_outweighs_unknown() -> None:
    good = Verdict("a", Outcome.LINEARIZABLE, 1)
    unknown = Verdict("b", Outcome.UNKNOWN, 1)
    bad = Verdict("c", Outcome.NOT, 1)
    assert not passes([good, unknown])
    assert overall([good, unknown]) is Outcome.UNKNOWN
    assert overall([unknown, bad]) is Outcome.NOT
    assert passes([good])


def test_a_search_ends_at_its_bound_as_unknown() -> None:
    (verdict,) = check(run_of_a_register(Random(1), 10, 200), CAS_REGISTER, steps_max=50)
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.steps < 100  # the bound is looked at between configurations
    assert "not decided within 50 steps" in str(verdict)


def run_of_a_register(random: Random, clients: int, count: int) -> list[Operation]:
    """Return what clients of a correct register see; a tenth of the outcomes is unknown."""
    made: list[Operation] = []
    value: object = None
    busy_until = [0] * clients
    plan = []
    for number in range(count):
        client = number % clients
        started = busy_until[client] + random.randint(1, 5)
        acts = started + random.randint(0, 20)
        busy_until[client] = acts + random.randint(0, 20)
        plan.append((acts, number, client, started, busy_until[client]))
    for _, number, client, started, ended in sorted(plan):
        f = random.choice(("read", "write", "cas"))
        unknown = random.random() < 0.1
        end = None if unknown else ended
        if f == "read":
            made.append(Operation(client, f, "k", None, started, end, value, order=number))
        elif f == "write":
            if not unknown or random.random() < 0.5:
                value = number
            made.append(Operation(client, f, "k", number, started, end, order=number))
        else:
            old = value if random.random() < 0.7 else -1
            mismatch = old != value
            happens = not mismatch and (not unknown or random.random() < 0.5)
            asked = (old, number)
            made.append(
                Operation(client, f, "k", asked, started, end, None, mismatch, order=number)
            )
            value = number if happens else value
    return made


@pytest.mark.parametrize("seed", range(10))
def test_ten_clients_of_a_key_are_judged_in_few_steps(seed: int) -> None:
    made = run_of_a_register(Random(seed), 10, 200)
    (verdict,) = check(made, CAS_REGISTER)
    assert verdict.outcome is Outcome.LINEARIZABLE
    assert verdict.steps < 1_000 * len(made)
    reads = [i for i, o in enumerate(made) if o.f == "read" and o.ended is not None]
    place = reads[len(reads) // 2]
    wrong = made[place]
    made[place] = Operation(
        wrong.process, "read", "k", None, wrong.started, wrong.ended, "never written"
    )
    (verdict,) = check(made, CAS_REGISTER)
    assert verdict.outcome is Outcome.NOT


# --- a twin that tries every order -----------------------------------------------------------


def orders(some: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Yield every order of all answered and any of the other operations, kept in real time."""
    for length in range(len(some) + 1):
        for order in permutations(some, length):
            left_out = [o for o in some if o not in order]
            if any(o.ended is not None for o in left_out):
                continue
            if all(
                later.ended is None or not later.ended < earlier.started
                for i, earlier in enumerate(order)
                for later in order[i + 1 :]
            ):
                yield order


def explained(order: Sequence[Operation], model: Model) -> bool:
    state = model.initial
    for operation in order:
        state = model.step(state, operation)
        if state is IMPOSSIBLE:
            return False
    return True


@st.composite
def tiny(draw: st.DrawFn, append_only: bool) -> list[Operation]:
    made = []
    for order in range(draw(st.integers(1, 5))):
        f = draw(
            st.sampled_from(("get", "append", "put") if append_only else ("read", "write", "cas"))
        )
        values = st.sampled_from(("a", "b") if append_only else (1, 2))
        started = draw(st.integers(0, 6))
        length = draw(st.one_of(st.none(), st.integers(0, 4)))
        ended = None if length is None else started + length
        result: object = None
        value: object = None
        mismatch = False
        if f in ("read", "get"):
            result = draw(
                st.text("ab", max_size=2) if append_only else st.one_of(st.none(), values)
            )
        elif f == "cas":
            value = (draw(values), draw(values))
            mismatch = ended is not None and draw(st.booleans())
        else:
            value = draw(values)
        made.append(
            Operation(order, f, "k", value, started, ended, result, mismatch, order)  # type: ignore[arg-type]
        )
    return made


@settings(max_examples=400, deadline=None)
@given(tiny(append_only=False))
def test_registers_are_judged_as_by_trying_every_order(made: list[Operation]) -> None:
    expected = any(explained(order, CAS_REGISTER) for order in orders(made))
    assert passes(check(made, CAS_REGISTER)) == expected


@settings(max_examples=200, deadline=None)
@given(tiny(append_only=True))
def test_append_objects_are_judged_as_by_trying_every_order(made: list[Operation]) -> None:
    expected = any(explained(order, APPEND) for order in orders(made))
    assert passes(check(made, APPEND)) == expected


# --- histories on paper ----------------------------------------------------------------------


class Ticks:
    """A clock that ticks once per look."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


def test_what_is_recorded_is_read_back_and_judged() -> None:
    out = io.StringIO()
    record = Recorder(out, Ticks())
    record.invoke(1, "write", "a", "1/0", node="n1")
    record.invoke(2, "read", "a")
    record.ok(1, stamp=[5, 7])
    record.ok(2, "1/0")
    record.invoke(1, "write", "a", "1/1")
    record.fail(1, "refused UNAVAILABLE")
    record.invoke(2, "cas", "a", ["1/0", "2/0"])
    record.info(2, "timeout")
    record.invoke(1, "cas", "a", ["1/0", "1/2"])
    record.fail(1, "mismatch")
    record.invoke(1, "write", "a", "1/3")
    lines = out.getvalue().splitlines()
    assert json.loads(lines[0]) == {
        "process": 1,
        "type": "invoke",
        "f": "write",
        "key": "a",
        "value": "1/0",
        "t_mono_ns": 1,
        "node": "n1",
        "stamp": None,
        "error": None,
    }
    found = operations(parsed(lines))
    assert [(o.f, o.value, o.result, o.ended, o.mismatch) for o in found] == [
        ("write", "1/0", None, 3, False),
        ("read", None, "1/0", 4, False),
        ("cas", ("1/0", "2/0"), None, None, False),
        ("cas", ("1/0", "1/2"), None, 10, True),
        ("write", "1/3", None, None, False),
    ]
    assert passes(check(found, CAS_REGISTER))


def test_the_recorder_insists_on_unique_values_one_thing_at_a_time_and_few_clients() -> None:
    record = Recorder(io.StringIO(), Ticks())
    record.invoke(0, "put", "a", "x")
    with pytest.raises(ValueError, match="twice at once"):
        record.invoke(0, "get", "a")
    with pytest.raises(ValueError, match="was written to 'a' before"):
        record.invoke(1, "cas", "a", ["y", "x"])
    record.invoke(2, "put", "b", "x")
    for process in range(3, CLIENTS_MAX + 1):
        record.invoke(process, "get", "a")
    with pytest.raises(ValueError, match="11 clients of at most 10"):
        record.invoke(CLIENTS_MAX + 1, "get", "a")


EVENT = {"process": 1, "type": "invoke", "f": "read", "key": "a", "value": None, "t_mono_ns": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "okay"}, "none of invoke, ok, fail, info"),
        ({"process": "1"}, "must be integers"),
        ({"key": 5}, "must be texts"),
        ({"value": {}}, "must be a text"),
        ({"value": 1.5}, "must be a text"),
    ],
)
def test_a_line_that_is_no_event_is_refused(change: dict[str, object], said: str) -> None:
    lines = ["", json.dumps({**EVENT, **change})]
    with pytest.raises(UsageError, match=rf"line 2 is not an event.*{said}"):
        list(parsed(lines))


@pytest.mark.parametrize("line", ["[]", "5", "{", '{"process": 1}'])
def test_what_is_not_even_a_line_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match="line 1 is not an event"):
        list(parsed([line]))


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([{}, {}], "asks twice"),
        ([{"type": "ok"}], "had asked for nothing"),
        ([{}, {"type": "ok", "key": "b"}], "is no answer"),
        ([{}, {"type": "ok", "t_mono_ns": 0}], "is no answer"),
    ],
)
def test_events_that_contradict_each_other_are_refused(
    events: list[dict[str, object]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        operations(parsed(json.dumps({**EVENT, **event}) for event in events))


def test_a_log_of_a_register_is_understood() -> None:
    lines = [
        "INFO  jepsen.util - 3\t:invoke\t:write\t2",
        "INFO  jepsen.util - 3   :ok :write  2",
        "",
        "INFO  jepsen.util - :nemesis\t:info\t:start\tnil",
        "INFO  jepsen.util - 4\t:invoke\t:read\tnil",
        "INFO  jepsen.util - 4\t:fail\t:read\t:timed-out",
        "INFO  jepsen.util - 5\t:invoke\t:cas\t[2 0]",
        "INFO  jepsen.util - 5\t:info\t:cas\t:timed-out",
        "INFO  jepsen.util - 6\t:invoke\t:cas\t[2 1]",
        "INFO  jepsen.util - 6\t:fail\t:cas\t[2 1]",
    ]
    found = operations(linearizability_files.jepsen(lines))
    assert [(o.f, o.value, o.started, o.ended, o.mismatch) for o in found] == [
        ("write", 2, 1, 2, False),
        ("cas", (2, 0), 7, None, False),
        ("cas", (2, 1), 9, 10, True),
    ]
    assert passes(check(found, CAS_REGISTER))
    with pytest.raises(UsageError, match="line 1"):
        list(linearizability_files.jepsen(["INFO  jepsen.util - 3\t:invoke\t:pop\t2"]))
    with pytest.raises(UsageError, match="line 1: 'x' is no value"):
        list(linearizability_files.jepsen(["INFO  jepsen.util - 3\t:invoke\t:write\tx"]))


def test_maps_of_an_append_object_are_understood() -> None:
    lines = [
        '{:process 0, :type :invoke, :f :append, :key "7", :value "x 0 0 y"}',
        '{:process 1, :type :invoke, :f :get, :key "7", :value nil}',
        '{:process 0, :type :ok, :f :append, :key "7", :value "x 0 0 y"}',
        '{:process 1, :type :ok, :f :get, :key "7", :value ""}',
    ]
    found = operations(linearizability_files.maps(lines))
    assert [(o.f, o.key, o.value, o.result) for o in found] == [
        ("append", "7", "x 0 0 y", None),
        ("get", "7", None, ""),
    ]
    assert passes(check(found, APPEND))
    with pytest.raises(UsageError, match="line 1 is no event"):
        list(linearizability_files.maps(["{:process 0}"]))


@pytest.mark.parametrize(
    ("f", "value", "seen", "name"),
    [
        ("write", "x", "x", "register"),
        ("cas", ["x", "y"], None, "cas-register"),
        ("append", "x", "x", "append"),
        ("append", "x", ["x"], "list-append"),
    ],
)
def test_the_model_follows_from_what_was_asked(
    f: str, value: object, seen: object, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "some.jsonl"
    with path.open("w") as out:
        record = Recorder(out, Ticks())
        record.invoke(1, f, "a", value)
        record.info(1, "timeout")
        record.invoke(1, "get", "a")
        record.ok(1, seen)
    found, model = linearizability_files.read(path)
    assert model.name == name
    assert passes(check(found, model))


def test_the_command_names_each_file_and_fails_for_a_bad_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    for path, seen in ((good, "x"), (bad, "y")):
        with path.open("w") as out:
            record = Recorder(out, Ticks())
            record.invoke(1, "write", "a", "x")
            record.ok(1)
            record.invoke(1, "read", "a")
            record.ok(1, seen)
    main([str(good)])
    assert capsys.readouterr().out == f"{good}\tlinearizable\n"
    with pytest.raises(SystemExit, match="1"):
        main([str(good), str(bad)])
    said = capsys.readouterr().out
    assert f"{bad}\tnot" in said
    assert "read 'y'" in said
