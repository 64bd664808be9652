"""The client's clock: it follows the servers, whatever the time is here."""

from dynakv.client.clock import ClientClock

NOW_MS = 1_700_000_000_000


def clock(*wall_ms: int, mono_ms: int = 5_000) -> ClientClock:
    """Return a clock that has heard one node for each wall clock given, in no time."""
    made = ClientClock(9)
    for i, wall in enumerate(wall_ms):
        made.learn(f"n{i}", wall, wall << 16, mono_ms, mono_ms)
    return made


def test_without_a_handshake_there_is_no_stamp() -> None:
    made = clock()
    assert not made.is_set
    assert made.issue(5_000) is None
    assert not made.hear(NOW_MS << 16, 5_000)


def test_stamps_follow_the_servers_time_and_strictly_rise() -> None:
    made = clock(NOW_MS)
    first, second = made.issue(5_100), made.issue(5_100)
    assert first == (NOW_MS + 100) << 16
    assert second == first + 1


def test_the_time_is_taken_in_the_middle_of_the_round_trip() -> None:
    made = ClientClock(9)
    made.learn("n", NOW_MS, 0, sent_ms=5_000, received_ms=5_200)
    assert made.issue(5_200) == (NOW_MS + 100) << 16


def test_a_stamp_stands_above_every_clock_that_was_heard() -> None:
    made = clock(NOW_MS)
    heard = (NOW_MS + 300) << 16 | 7
    assert made.hear(heard, 5_000)
    assert made.issue(5_000) == heard + 1


def test_a_clock_beyond_the_bound_is_not_followed_and_casts_doubt_on_ours() -> None:
    made = clock(NOW_MS)
    assert not made.hear((NOW_MS + 60_000) << 16, 5_000)
    assert made.issue(5_000) == (NOW_MS << 16) + 1


def test_one_bad_clock_among_three_misleads_nobody() -> None:
    for bad in (0, NOW_MS + 3_600_000):
        made = clock(NOW_MS, bad, NOW_MS + 1)
        time = made.issue(5_000)
        assert time is not None
        assert abs((time >> 16) - NOW_MS) <= 500


def test_a_node_that_went_away_has_no_say_unless_it_is_the_only_one() -> None:
    made = clock(NOW_MS, NOW_MS + 100)
    made.forget("n0")
    assert made.issue(5_000) == ((NOW_MS + 100) << 16) + 1
    made.forget("n1")
    assert made.is_set


def test_no_stamp_is_issued_that_nodes_would_refuse_as_ahead() -> None:
    made = clock(NOW_MS)
    assert made.issue(5_000) is not None
    made.learn("n0", NOW_MS - 10_000, 0, 5_000, 5_000)
    assert made.issue(5_000) is None
    assert made.issue(14_600) is not None
