"""When calls leave and how many together, without any I/O."""

from typing import Any

from dynakv.client import settings
from dynakv.client.coalesce import AnswerSize, Lane, LaneKey
from dynakv.client.operation import Kind, Op, Terms

TERMS = Terms("default", 0)
KEY = LaneKey("127.0.0.1:1", TERMS, 2_000, True)
MANY = settings.BATCH_KEYS_MAX


def op(name: str = "k", value: bytes = b"", batch_max: int = 0) -> Op:
    done: Any = None
    made = Op(Kind.PUT, name.encode(), TERMS, done, 0, 2_000, value=value)
    made.batch_max = batch_max
    return made


def lane(*ops: Op, keys_max: int = MANY) -> Lane:
    made = Lane(KEY, keys_max)
    for one in ops:
        made.add(one)
    return made


def test_an_idle_lane_sends_all_that_waits_at_once_and_in_order() -> None:
    ops = [op(f"k{i}") for i in range(5)]
    made = lane(*ops)
    assert made.take(MANY) == ops
    assert made.take(MANY) == []
    assert not made.is_idle
    made.returned()
    assert made.is_idle


def test_what_comes_while_a_message_is_under_way_waits_until_it_returns() -> None:
    made = lane(op())
    made.take(MANY)
    later = [op("a"), op("b")]
    for one in later:
        made.add(one)
    assert made.take(MANY) == []
    made.returned()
    assert made.take(MANY) == later


def test_what_has_waited_long_enough_leaves_beside_a_message_under_way() -> None:
    made = lane(op())
    made.take(MANY)
    late = op("late")
    made.add(late)
    assert made.take(MANY, overdue=True) == [late]


def test_a_full_message_leaves_beside_others_up_to_a_bound() -> None:
    made = lane(*(op() for _ in range((settings.IN_FLIGHT_MAX + 2) * MANY)))
    sent = []
    while batch := made.take(MANY):
        sent.append(len(batch))
    assert sent == [MANY] * settings.IN_FLIGHT_MAX
    assert made.take(MANY, overdue=True) == []
    made.returned()
    assert len(made.take(MANY)) == MANY


def test_a_message_is_bounded_in_bytes_but_takes_one_call_of_any_size() -> None:
    half = bytes(settings.BATCH_BYTES_MAX // 2)
    huge = op("huge", bytes(settings.BATCH_BYTES_MAX * 2))
    first, second = op("a", half), op("b", half)
    made = lane(first, second, huge)
    assert made.take(MANY) == [first]
    assert made.take(MANY) == [second]  # what waits is a full message
    assert made.take(MANY) == [huge]


def test_a_call_that_must_travel_in_a_small_message_does() -> None:
    small = [op("a", batch_max=2), op("b", batch_max=2), op("c", batch_max=2)]
    made = lane(op("x"), op("y"), *small)
    assert [o.key for o in made.take(MANY)] == [b"x", b"y"]
    assert [o.key for o in made.take(MANY, overdue=True)] == [b"a", b"b"]
    alone = lane(op("x", batch_max=1), op("y"))
    assert len(alone.take(MANY)) == 1


def test_without_coalescing_nothing_waits() -> None:
    made = lane(*(op() for _ in range(20)), keys_max=1)
    assert [len(made.take(MANY)) for _ in range(20)] == [1] * 20


def test_draining_leaves_nothing_behind() -> None:
    ops = [op(), op()]
    made = lane(*ops)
    assert made.drain() == ops
    assert len(made) == 0
    assert made.take(MANY) == []


def test_large_answers_shrink_reads_at_once_and_small_ones_let_them_grow_slowly() -> None:
    size = AnswerSize()
    assert size.keys_max() >= MANY
    size.saw(10 * (1 << 20), 10)
    assert size.keys_max() == 4
    size.saw(100, 1)
    assert size.keys_max() == 4
    for _ in range(200):
        size.saw(100, 1)
    assert size.keys_max() >= MANY
    size.was_too_large(64)
    assert size.keys_max() == 32
    size.saw(1 << 30, 1)
    assert size.keys_max() == 1
