"""Claims about `dynakv.node.cuts`: what a fence lets in, and what is remembered of it."""

from dynakv.core import facts
from dynakv.core.hlc import reading
from dynakv.core.record import Record, with_expiry, with_value, written
from dynakv.node.cuts import Cuts

KS = 7
S, F = reading(2_000), reading(1_000)


def put(ms: int) -> Record:
    return written(b"k", b"v", 0, reading(ms), 1)


def fenced(*, floor: int = 0) -> Cuts:
    cuts = Cuts({})
    cuts.fence_up(KS, 3, S)
    if floor:
        cuts.floor_asked(KS, 3, floor)
        cuts.floor_raised(KS, 3, floor)
    return cuts


def stops(cuts: Cuts, record: Record, vouched: int | None = None, group: int = 3) -> bool:
    floors = None if vouched is None else [vouched]
    return cuts.fences_for(KS, [group], [record], floors) is not None


def test_without_a_fence_nothing_is_looked_at() -> None:
    cuts = Cuts({})
    assert cuts.fences_of(KS) is None
    assert cuts.floors_of(KS, [3]) is None
    assert not stops(cuts, put(1))


def test_a_fence_stops_at_its_reading_and_below_and_in_its_group_only() -> None:
    cuts = fenced()
    assert stops(cuts, put(2_000))
    assert not stops(cuts, put(2_001))
    assert not stops(cuts, put(1), group=2)
    assert not stops(cuts, put(1), group=4)
    assert cuts.fences_for(KS + 1, [3], [put(1)], None) is None


def test_a_register_that_was_never_written_is_not_stopped() -> None:
    cuts = fenced()
    assert not stops(cuts, with_value(b"k", b"v", reading(2_001), 1))
    assert not stops(cuts, with_expiry(b"k", 9, reading(2_001), 1))
    assert stops(cuts, with_value(b"k", b"v", reading(2_000), 1))
    assert stops(cuts, with_expiry(b"k", 9, reading(2_000), 1))


def test_what_was_read_under_the_own_floor_passes_and_under_any_other_does_not() -> None:
    assert not stops(fenced(), put(1), vouched=0)
    cuts = fenced(floor=F)
    assert not stops(cuts, put(1), vouched=F)
    assert stops(cuts, put(1), vouched=0)
    assert stops(cuts, put(1), vouched=S)


def test_neither_fence_nor_floor_ever_falls() -> None:
    cuts = fenced(floor=F)
    assert cuts.fence_up(KS, 3, S - 1) is None
    assert cuts.floor_asked(KS, 3, F - 1) is None
    cuts.floor_raised(KS, 3, F - 1)
    assert cuts.fence(KS, 3) == S
    assert cuts.floor(KS, 3) == F


def test_a_floor_is_in_force_only_once_it_is_durable() -> None:
    cuts = fenced()
    assert cuts.floor_asked(KS, 3, F) is not None
    assert cuts.floor(KS, 3) == 0
    assert cuts.floors_of(KS, [3]) is None
    cuts.floor_raised(KS, 3, F)
    assert cuts.floors_of(KS, [0, 3, 9]) == [0, F, 0]


def test_a_fence_asked_while_a_floor_is_on_its_way_does_not_undo_it() -> None:
    cuts = fenced()
    cuts.floor_asked(KS, 3, F)
    fact = cuts.fence_up(KS, 3, S + 1)
    assert fact is not None
    again = Cuts({facts.group_name(facts.CUT, KS, 3): fact})
    assert (again.fence(KS, 3), again.floor(KS, 3)) == (S + 1, F)


def test_a_sweep_that_did_not_end_is_remembered() -> None:
    cuts = fenced(floor=F)
    assert cuts.unswept() == [(KS, 3)]
    fact = cuts.swept(KS, 3, F)
    assert cuts.unswept() == []
    assert Cuts({facts.group_name(facts.CUT, KS, 3): fact}).unswept() == []
    fact = cuts.floor_asked(KS, 3, S)
    assert fact is not None
    assert Cuts({facts.group_name(facts.CUT, KS, 3): fact}).unswept() == [(KS, 3)]


def test_a_floor_is_heard_only_where_the_own_fence_was_part_of_its_proof() -> None:
    cuts = fenced()
    calls: list[None] = []
    cuts.on_heard = lambda: calls.append(None)
    cuts.hear(KS, 3, S + 1)
    cuts.hear(KS, 4, F)
    assert cuts.heard == {}
    cuts.hear(KS, 3, F)
    cuts.hear(KS, 3, S)
    cuts.hear(KS, 3, F)
    assert cuts.heard == {(KS, 3): S}
    assert len(calls) == 1


def test_a_keyspace_that_is_no_more_leaves_nothing() -> None:
    cuts = fenced(floor=F)
    assert cuts.forget_keyspace(KS) == [facts.group_name(facts.CUT, KS, 3)]
    assert cuts.fences_of(KS) is None
    assert cuts.floor(KS, 3) == 0
    assert cuts.unswept() == []
