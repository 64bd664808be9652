"""Claims about `dynakv.sim.checkers`: a bad history is called bad, a good one is not."""

import pytest

from dynakv.core.hlc import reading
from dynakv.core.record import Record, merge, with_expiry, with_value, written
from dynakv.sim.checkers import Checker
from dynakv.sim.clock import EPOCH_MS
from dynakv.sim.history import Read, Stamp, Violation, Write
from dynakv.sim.timeline import MS, SECOND

ERROR_MS = 50
NODE = 1 << 63


def at(second: float) -> int:
    return int(second * SECOND)


def stamp(second: float, counter: int = 0, writer: int = 1) -> Stamp:
    return reading(EPOCH_MS + int(second * 1_000), counter), writer


def put(
    checker: Checker, value: bytes | None, second: float, *, strong: bool = True, ttl_ms: int = 0
) -> Write:
    """Write under b"k" at that second, acknowledged 10 ms later under that second's stamp."""
    write = Write(b"k", value, ttl_ms=ttl_ms)
    checker.attempt(write, at(second))
    checker.acknowledged(write, stamp(second), at(second) + 10 * MS, strong=strong)
    return write


def record(value: bytes | None, second: float, expiry_ms: int = 0) -> Record:
    return written(b"k", value, expiry_ms, *stamp(second))


def begin(checker: Checker, second: float, *, strong: bool = True) -> Read:
    return checker.begin_read(b"k", at(second), strong=strong, raises=strong)


def read(checker: Checker, second: float, found: Record | None, *, strong: bool = True) -> None:
    checker.found(begin(checker, second, strong=strong), found, at(second) + 10 * MS)


def expire(checker: Checker, second: float, *, applied: bool) -> None:
    write = Write(b"k", changes="expire")
    checker.attempt(write, at(second))
    floors = begin(checker, second)
    checker.expired(write, floors, at(second) + 10 * MS, applied=applied)


def test_a_history_without_fault_passes() -> None:
    checker = Checker(ERROR_MS)
    read(checker, 1, None)
    put(checker, b"a", 2)
    read(checker, 3, record(b"a", 2))
    put(checker, None, 4)
    read(checker, 5, record(None, 4))
    expire(checker, 6, applied=False)
    put(checker, b"b", 7, ttl_ms=500)
    expiring = record(b"b", 7, EPOCH_MS + 7_500)
    read(checker, 7.1, expiring)
    read(checker, 9, written(b"k", None, expiring.expiry_ms, *stamp(7)))
    assert checker.checked_reads == 5
    assert checker.decided_expires == 1


def test_l1_a_refused_write_that_surfaces_is_found() -> None:
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"a")
    checker.attempt(write, at(1))
    checker.refused(write, at(1))
    with pytest.raises(Violation, match=r"L1: a refused write was read"):
        read(checker, 2, record(b"a", 1), strong=False)


def test_l1_a_write_refused_after_it_surfaced_is_found() -> None:
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"a")
    checker.attempt(write, at(1))
    read(checker, 1, record(b"a", 1), strong=False)
    with pytest.raises(Violation, match=r"L1: a refused write was seen before"):
        checker.refused(write, at(2))


def test_l1_a_refused_write_that_lies_on_a_disk_is_found_whichever_comes_first() -> None:
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"v")
    checker.attempt(write, at(1))
    checker.refused(write, at(2))
    with pytest.raises(Violation, match="L1: a refused write lies on the disk of n2"):
        checker.stored(b"v", "n2")
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"v")
    checker.attempt(write, at(1))
    checker.stored(b"v", "n2")
    with pytest.raises(Violation, match="L1: a refused write was seen before"):
        checker.refused(write, at(2))


def test_what_lies_on_a_disk_and_was_not_refused_is_lawful() -> None:
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"v")
    checker.attempt(write, at(1))
    for value in (b"v", b"damaged beyond recognition", None):
        checker.stored(value, "n2")
    checker.unknown(write, at(2))


def test_l1_one_refused_attempt_of_several_proves_nothing() -> None:
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"a", stamp=stamp(1))
    checker.attempt(write, at(1))
    checker.unknown(write, at(2))
    checker.attempt(write, at(2))
    checker.refused(write, at(3))
    read(checker, 4, record(b"a", 1))


def test_l1_a_value_that_nobody_wrote_is_found() -> None:
    with pytest.raises(Violation, match=r"L1: nobody wrote"):
        read(Checker(ERROR_MS), 1, record(b"made up", 1), strong=False)


@pytest.mark.parametrize("found", [None, record(b"a", 2)], ids=["absent", "older"])
def test_l7_a_quorum_read_below_an_acknowledged_write_is_found(found: Record | None) -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    put(checker, b"b", 3)
    with pytest.raises(Violation, match="L7"):
        read(checker, 4, found)


def test_l7_a_quorum_read_below_an_earlier_one_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    put(checker, b"b", 3, strong=False)
    read(checker, 4, record(b"b", 3))
    with pytest.raises(Violation, match="L7"):
        read(checker, 5, record(b"a", 2))


def test_l7_an_expiry_that_went_back_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    moved = with_expiry(b"k", EPOCH_MS + 90_000, *stamp(3, writer=NODE))
    read(checker, 4, merge(record(b"a", 2), moved))
    with pytest.raises(Violation, match="L7"):
        read(checker, 5, record(b"a", 2))


def test_l7_an_acknowledged_expire_that_is_lost_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    expire(checker, 5, applied=True)
    with pytest.raises(Violation, match="L7"):
        read(checker, 6, record(b"a", 2))


def test_l7_concurrent_and_weak_reads_may_see_less() -> None:
    checker = Checker(ERROR_MS)
    early = begin(checker, 1)
    put(checker, b"a", 2)
    checker.found(early, None, at(3))
    read(checker, 4, None, strong=False)


def test_l5_a_value_returned_past_its_expiry_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2, ttl_ms=100)
    expiring = record(b"a", 2, EPOCH_MS + 2_100)
    read(checker, 2.1 + ERROR_MS / 1_000 - 0.01, expiring, strong=False)
    with pytest.raises(Violation, match=r"L5: returned \d+ ms late"):
        read(checker, 2.1 + ERROR_MS / 1_000 + 0.01, expiring, strong=False)


def test_l5_a_value_hidden_by_a_spent_deadline_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2, ttl_ms=100)
    write = Write(b"k", b"b", keeps=True)
    checker.attempt(write, at(4))
    checker.acknowledged(write, stamp(4), at(4), strong=True)
    kept = merge(record(b"a", 2, EPOCH_MS + 2_100), with_value(b"k", b"b", *stamp(4)))
    read(checker, 5, kept)
    hidden = merge(record(None, 2, EPOCH_MS + 2_100), with_value(b"k", None, *stamp(4)))
    with pytest.raises(Violation, match=r"L5: hidden although it lives"):
        read(checker, 6, hidden)


def test_l5_a_ttl_counted_from_elsewhere_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2, ttl_ms=10_000)
    with pytest.raises(Violation, match=r"L5: expires at"):
        read(checker, 3, record(b"a", 2, EPOCH_MS + 14_000))


def test_l5_reviving_an_expired_value_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2, ttl_ms=100)
    read(checker, 2.01, record(b"a", 2, EPOCH_MS + 2_100))
    with pytest.raises(Violation, match=r"L5: applied to a value that was gone"):
        expire(checker, 4, applied=True)


def test_l5_denying_a_live_value_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    read(checker, 2.5, record(b"a", 2))
    with pytest.raises(Violation, match=r"L5: denied a value that lives"):
        expire(checker, 4, applied=False)


def test_l5_an_expire_beside_an_undecided_write_is_not_judged() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    read(checker, 2.5, record(b"a", 2))
    checker.attempt(Write(b"k"), at(3))
    expire(checker, 4, applied=False)
    assert checker.decided_expires == 0


def test_l8_a_stamp_below_an_earlier_one_of_the_node_is_found() -> None:
    checker = Checker(ERROR_MS)
    checker.sent(NODE, [written(b"k", b"a", 0, *stamp(2, writer=NODE))], at(2))
    checker.sent(NODE, [written(b"k", b"a", 0, *stamp(2, writer=NODE))], at(3))  # sent again
    with pytest.raises(Violation, match="L8"):
        checker.sent(NODE, [written(b"l", b"b", 0, *stamp(1, writer=NODE))], at(3))


def test_l9_an_acknowledged_stamp_beyond_the_bound_is_found() -> None:
    checker = Checker(ERROR_MS)
    write = Write(b"k", b"a", stamp=stamp(2.6))
    checker.attempt(write, at(2))
    with pytest.raises(Violation, match="L9"):
        checker.acknowledged(write, stamp(2.6), at(2), strong=True)


def test_l9_a_stamp_beyond_the_bound_on_its_way_to_disks_is_found() -> None:
    with pytest.raises(Violation, match="L9"):
        Checker(ERROR_MS).sent(NODE, [written(b"k", b"a", 0, *stamp(2.6))], at(2))


def test_stamps_one_stamp_for_two_values_is_found() -> None:
    checker = Checker(ERROR_MS)
    checker.sent(NODE, [written(b"k", b"a", 0, *stamp(2))], at(2))
    for other in (written(b"k", b"b", 0, *stamp(2)), written(b"l", b"a", 0, *stamp(2))):
        with pytest.raises(Violation, match="stamps"):
            checker.observe(other, at(3))


def test_stamps_one_stamp_for_two_expiries_is_found() -> None:
    checker = Checker(ERROR_MS)
    checker.observe(with_expiry(b"k", EPOCH_MS + 1, *stamp(2)), at(2))
    with pytest.raises(Violation, match="stamps"):
        checker.observe(with_expiry(b"k", EPOCH_MS + 2, *stamp(2)), at(2))


def test_stamps_one_write_under_two_stamps_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    with pytest.raises(Violation, match="stamps"):
        read(checker, 3, record(b"a", 2.5), strong=False)


def test_a_list_that_leaves_out_a_live_key_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    read(checker, 2.5, record(b"a", 2))
    floors = [begin(checker, 3)]
    checker.listed(floors, [record(b"a", 2)], None, at(3))
    checker.listed(floors, [], b"j", at(3))  # the page ends before the key
    with pytest.raises(Violation, match="left out"):
        checker.listed(floors, [], b"k", at(3))


def test_a_list_that_shows_something_old_is_found() -> None:
    checker = Checker(ERROR_MS)
    put(checker, b"a", 2)
    put(checker, b"b", 3)
    with pytest.raises(Violation, match="L7"):
        checker.listed([begin(checker, 4)], [record(b"a", 2)], None, at(4))


def test_a_list_out_of_order_is_found() -> None:
    first, second = written(b"a", b"1", 0, *stamp(1)), written(b"b", b"2", 0, *stamp(1, 1))
    with pytest.raises(Violation, match="out of order"):
        Checker(ERROR_MS).listed([], [second, first], None, at(2))


def test_l8_a_stamp_older_than_its_request_is_found() -> None:
    checker = Checker(ERROR_MS)
    for second, early in ((2.0, 0.04), (3.0, 0.06)):
        write = Write(b"k", b"v%d" % int(second))
        checker.attempt(write, at(second))
        if early * 1_000 <= ERROR_MS:
            checker.acknowledged(write, stamp(second - early), at(second + 1), strong=True)
            continue
        with pytest.raises(Violation, match=r"L8: stamped .* before it was asked for"):
            checker.acknowledged(write, stamp(second - early), at(second + 1), strong=True)


CUT_AGE_MS = 2_000


def forgetting() -> Checker:
    return Checker(ERROR_MS, CUT_AGE_MS)


def test_a_deleted_key_may_be_forgotten_when_it_is_old_and_not_before() -> None:
    checker = forgetting()
    put(checker, b"a", 1)
    put(checker, None, 2)
    with pytest.raises(Violation, match=r"L7: read of b'k'"):
        read(checker, 3.8, None)
    read(checker, 4.1, None)
    checker.ended(b"k", None, at(5))


def test_a_living_value_is_never_forgotten() -> None:
    checker = forgetting()
    put(checker, b"a", 1)
    with pytest.raises(Violation, match=r"L7"):
        read(checker, 9, None)
    with pytest.raises(Violation, match=r"L1: at the end"):
        checker.ended(b"k", None, at(9))


def test_l3_a_deleted_value_that_is_back_is_found() -> None:
    checker = forgetting()
    put(checker, b"a", 1)
    put(checker, None, 2)
    read(checker, 5, None)
    with pytest.raises(Violation, match=r"L3: read of b'k'"):
        read(checker, 6, record(b"a", 1))
    with pytest.raises(Violation, match=r"L3: at the end"):
        checker.ended(b"k", record(b"a", 1), at(7))


def test_a_value_that_an_unknown_delete_made_vanish_does_not_come_back() -> None:
    checker = forgetting()
    put(checker, b"a", 1)
    delete = Write(b"k")
    checker.attempt(delete, at(2))
    checker.unknown(delete, at(2.1))
    read(checker, 5, None)
    with pytest.raises(Violation, match=r"L7"):
        read(checker, 6, record(b"a", 1))


def test_an_expired_value_may_be_forgotten() -> None:
    checker = forgetting()
    put(checker, b"a", 1, ttl_ms=100)
    read(checker, 5, None)


def test_the_spent_expiry_of_a_forgotten_value_may_be_missing_from_a_newer_one() -> None:
    checker = forgetting()
    put(checker, b"a", 1, ttl_ms=100)
    read(checker, 1.01, record(b"a", 1, EPOCH_MS + 1_100))
    kept = Write(b"k", b"b", keeps=True)
    checker.attempt(kept, at(5))
    checker.acknowledged(kept, stamp(5), at(5) + 10 * MS, strong=True)
    read(checker, 6, with_value(b"k", b"b", *stamp(5)))


def test_an_expiry_that_still_counts_is_not_forgotten() -> None:
    checker = forgetting()
    put(checker, b"a", 1, ttl_ms=60_000)
    read(checker, 1.01, record(b"a", 1, EPOCH_MS + 61_000))
    kept = Write(b"k", b"b", keeps=True)
    checker.attempt(kept, at(5))
    checker.acknowledged(kept, stamp(5), at(5) + 10 * MS, strong=True)
    with pytest.raises(Violation, match=r"L7"):
        read(checker, 6, with_value(b"k", b"b", *stamp(5)))
