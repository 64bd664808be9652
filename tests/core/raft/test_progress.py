"""What a leader knows of a follower, and how freely it sends."""

import pytest

from dynakv.core.raft.progress import Flow, Inflights, Progress


def progress(
    match: int = 0, next_index: int = 1, sent_max: int = 2, bytes_max: int = 0
) -> Progress:
    made = Progress(next_index, Inflights(sent_max, bytes_max), learner=False)
    made.match = match
    return made


def test_a_probe_sends_one_append_and_waits() -> None:
    p = progress()
    p.sent_entries(3, 30)
    assert (p.next, p.paused) == (1, True)


def test_replication_runs_ahead_until_the_flight_is_full() -> None:
    p = progress()
    p.become_replicate()
    p.sent_entries(3, 30)
    assert (p.next, p.paused) == (4, False)
    p.sent_entries(1, 10)
    assert (p.next, p.paused, len(p.inflights)) == (5, True, 2)
    with pytest.raises(AssertionError):
        p.inflights.add(9, 1)
    assert p.acknowledge(3)
    p.inflights.free_up_to(3)
    assert (p.match, p.next, p.paused, len(p.inflights)) == (3, 5, False, 1)


def test_bytes_bound_the_flight_as_well() -> None:
    flight = Inflights(10, 100)
    flight.add(1, 99)
    assert not flight.full
    flight.add(2, 1)
    assert flight.full
    flight.free_up_to(1)
    assert not flight.full
    assert len(flight) == 1


def test_old_answers_change_nothing() -> None:
    p = progress(match=5, next_index=9)
    assert not p.acknowledge(4)
    assert not p.step_back(7, 3)  # a probe asks about next - 1 only
    p.become_replicate()
    assert not p.step_back(5, 3)
    assert (p.match, p.next) == (5, 6)


def test_a_rejection_never_leads_below_the_match() -> None:
    p = progress(match=5, next_index=9)
    assert p.step_back(8, 2)
    assert p.next == 6


def test_after_a_snapshot_the_probe_starts_behind_it() -> None:
    p = progress(match=2, next_index=9)
    p.become_snapshot(20)
    assert p.paused
    p.become_probe()
    assert (p.flow, p.next, p.pending_snapshot) == (Flow.PROBE, 21, 0)


def test_a_commit_index_is_sent_early_only_where_it_can_help() -> None:
    p = progress(match=5, next_index=9)
    assert p.can_bump_commit(6)
    p.sent_commit = 8
    assert not p.can_bump_commit(9)
