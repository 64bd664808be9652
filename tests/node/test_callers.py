"""Claims about `dynakv.node.callers`: each caller gets its own entries, each exactly once."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.errors import Kind
from dynakv.node.callers import Callers
from dynakv.node.messages import Answer, Found, Refused
from tests.node.cluster import Cluster


def callers_of(counts: list[int]) -> tuple[Callers, list[Answer]]:
    context = Cluster(1).nodes["n1"].context
    callers = Callers(context)
    for call, count in enumerate(counts):
        callers.add(100 + call, count)
    context.effects.clear()
    return callers, context.effects  # type: ignore[return-value]


def test_a_refusal_reaches_every_caller_with_its_own_entries() -> None:
    callers, effects = callers_of([2, 1, 3])
    callers.refuse_all(Kind.UNKNOWN, "why")
    assert [(a.call, a.reply.entries) for a in effects] == [  # type: ignore[attr-defined]
        (100, [0, 1]),
        (101, [0]),
        (102, [0, 1, 2]),
    ]
    assert all(isinstance(a.reply, Refused) for a in effects)


def test_refused_entries_are_counted() -> None:
    callers, _ = callers_of([2, 1])
    callers.refuse_all(Kind.UNKNOWN, "why")
    assert callers._ctx.counters.failed_entries == 3


def test_callers_without_entries_in_a_part_get_none() -> None:
    callers, effects = callers_of([2, 2, 2])
    callers.answer([1, 4, 5], lambda own, _: Found(own, []))
    assert [(a.call, a.reply.entries) for a in effects] == [  # type: ignore[attr-defined]
        (100, [1]),
        (102, [0, 1]),
    ]


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=12).flatmap(
        lambda counts: st.tuples(
            st.just(counts),
            st.lists(st.integers(0, 3), min_size=sum(counts), max_size=sum(counts)),
        )
    )
)
def test_whatever_the_parts_every_entry_is_answered_once_to_its_caller(
    drawn: tuple[list[int], list[int]],
) -> None:
    counts, part_of = drawn
    owners = [(100 + call, own) for call, count in enumerate(counts) for own in range(count)]
    callers, effects = callers_of(counts)
    assert callers.count == len(owners)
    for part in range(4):
        entries = [i for i, chosen in enumerate(part_of) if chosen == part]
        # The reply carries the operation's entries, so that the mapping can be checked.
        callers.answer(entries, lambda own, mine: Found(own, list(mine)))  # type: ignore[arg-type]
    answered = []
    for answer in effects:
        assert isinstance(answer.reply, Found)
        for own, mine in zip(answer.reply.entries, answer.reply.records, strict=True):
            assert owners[mine] == (answer.call, own)  # type: ignore[call-overload]
            answered.append((answer.call, own))
    assert sorted(answered) == owners
