"""The marks of a log and how they move (dissertation, sections 3.5 and 3.6)."""

import pytest

from dynakv.core.raft.log import ENTRY_BYTES, Log, limited
from dynakv.core.raft.messages import Entry, EntryKind, Membership, Snapshot


def entries(start: int, *terms: int) -> list[Entry]:
    return [Entry(term, start + i) for i, term in enumerate(terms)]


def log(*terms: int, offset: int = 0) -> Log:
    return Log(offset, 1 if offset else 0, entries(offset + 1, *terms), 1 << 20)


def test_an_append_that_does_not_fit_is_refused() -> None:
    assert log(1, 1).maybe_append(3, 1, entries(4, 1), 0) is None
    assert log(1, 1).maybe_append(2, 2, entries(3, 2), 0) is None


def test_a_conflict_cuts_off_the_rest_and_makes_it_unstable() -> None:
    kept = log(1, 1, 2, 2)
    assert kept.maybe_append(2, 1, entries(3, 3), 3) == 3
    assert (kept.last, kept.last_term, kept.stable, kept.committed) == (3, 3, 2, 3)
    assert kept.next_entries() == tuple(entries(3, 3))


def test_a_late_append_cuts_nothing_off() -> None:
    kept = log(1, 1, 1, 1)
    assert kept.maybe_append(1, 1, entries(2, 1), 2) == 2
    assert (kept.last, kept.stable, kept.committed) == (4, 4, 2)


def test_a_commit_beyond_what_an_append_proves_is_not_taken() -> None:
    kept = log(1, 1, 2)  # the third may not be the leader's
    kept.maybe_append(1, 1, entries(2, 1), 3)
    assert kept.committed == 2


def test_a_committed_entry_is_never_replaced() -> None:
    kept = log(1, 1)
    kept.commit_to(2)
    with pytest.raises(AssertionError, match="contradicts"):
        kept.maybe_append(1, 1, entries(2, 2), 0)


def test_only_an_entry_of_the_own_term_commits() -> None:
    kept = log(1, 2, 2)
    assert not kept.maybe_commit(2, 3)
    kept.append(entries(4, 3))
    assert kept.maybe_commit(4, 3)
    assert kept.committed == 4


def test_the_more_up_to_date_log_has_the_later_term_then_the_later_index() -> None:
    kept = log(1, 2)
    assert kept.is_up_to_date(1, 3)
    assert kept.is_up_to_date(2, 2)
    assert not kept.is_up_to_date(9, 1)
    assert not kept.is_up_to_date(1, 2)


def test_durability_is_not_believed_of_entries_that_were_replaced() -> None:
    kept = log(1)
    kept.append(entries(2, 1))
    kept.accept_unstable()
    kept.append(entries(2, 2))
    kept.stable_to(2, 1)
    assert kept.stable == 1
    kept.stable_to(2, 2)
    assert kept.stable == 2


def test_compaction_keeps_the_last_term_and_stops_at_what_is_applied() -> None:
    kept = log(1, 2, 3)
    kept.commit_to(3)
    kept.applied_to(2, 0)
    assert kept.compact(3) == 2
    assert (kept.offset, kept.term(2), kept.term(1), kept.first) == (2, 2, None, 3)
    assert kept.compact(1) == 0


def test_what_must_go_for_the_rest_to_weigh_so_little() -> None:
    kept = log()
    kept.append([Entry(1, i, data=b"x" * 10) for i in range(1, 6)])
    assert [kept.index_within(limit) for limit in (50, 49, 30, 29, 0)] == [0, 1, 2, 3, 5]


def test_a_snapshot_replaces_the_log_and_nothing_is_applied_before_it_is_in_place() -> None:
    kept = log(1, 1)
    kept.restore(Snapshot(9, 3, Membership()))
    assert (kept.last, kept.last_term, kept.committed, kept.offset) == (9, 3, 9, 9)
    assert not kept.has_next_committed(unstable=True)
    kept.snapshot_stable(8)
    assert kept.snapshot is not None
    kept.snapshot_stable(9)
    assert kept.snapshot is None


def test_what_is_being_applied_is_bounded() -> None:
    kept = Log(0, 0, [Entry(1, i, data=bytes(100)) for i in (1, 2, 3)], 2 * (100 + ENTRY_BYTES))
    kept.commit_to(3)
    first = kept.next_committed(unstable=True)
    assert [e.index for e in first] == [1, 2]
    kept.accept_applying(first, unstable=True)
    assert not kept.has_next_committed(unstable=True)
    kept.applied_to(2, 2 * (100 + ENTRY_BYTES))
    assert [e.index for e in kept.next_committed(unstable=True)] == [3]


def test_terms_are_skipped_when_looking_for_where_logs_match() -> None:
    kept = log(1, 3, 3, 4, 4, 5)
    assert kept.find_conflict_by_term(6, 3) == (3, 3)
    assert log(3, 3, offset=5).find_conflict_by_term(7, 2) == (5, 1)
    assert log(3, offset=5).find_conflict_by_term(4, 9) == (4, 0)


def test_one_entry_is_sent_however_large() -> None:
    large = [Entry(1, 1, data=bytes(500)), Entry(1, 2)]
    assert len(limited(large, 10)) == 1
    assert limited([], 10) == ()


def test_a_change_that_waits_to_be_applied_is_seen() -> None:
    kept = Log(0, 0, [Entry(1, 1, EntryKind.CHANGE)], 1)
    assert not kept.has_unapplied_changes()
    kept.commit_to(1)
    assert kept.has_unapplied_changes()
    kept.applied_to(1, 0)
    assert not kept.has_unapplied_changes()
