"""Request ids: no more awaited than a group remembers."""

from random import Random

from dynakv import limits
from dynakv.client.request_ids import SEQUENCES_MAX, RequestIds, Window


def test_a_client_awaits_no_more_than_a_group_remembers() -> None:
    assert SEQUENCES_MAX == limits.REQUEST_OUTCOMES_MAX


def test_the_floor_follows_the_oldest_that_is_awaited() -> None:
    window = Window(7)
    first, second, third = window.issue(), window.issue(), window.issue()
    assert (first, second, third, window.floor) == (1, 2, 3, 1)
    window.settle(second)
    assert window.floor == 1
    window.settle(first)
    assert window.floor == 3
    window.settle(third)
    assert window.floor == 4
    window.settle(third)
    assert (window.floor, window.issue()) == (4, 4)


def test_a_slow_request_bounds_how_far_others_may_go_ahead() -> None:
    window = Window(7)
    slow = window.issue()
    for _ in range(SEQUENCES_MAX - 1):
        window.settle(window.issue())
    assert window.is_full
    window.settle(slow)
    assert not window.is_full


def test_each_group_has_a_client_id_of_its_own() -> None:
    ids = RequestIds(Random(1))
    groups = [("r", 0), ("r", 1), ("s", 0), ("r", -1)]
    clients = {ids.window(*group).client for group in groups}
    assert len(clients) == 4
    assert 0 not in clients
    assert ids.window("r", 0) is ids.window("r", 0)


def test_what_waits_is_handed_out_once() -> None:
    ids = RequestIds(Random(1))
    called: list[int] = []
    ids.window("r", 0).waiting.append(lambda: called.append(1))
    for call in ids.take_waiting():
        call()
    assert list(ids.take_waiting()) == []
    assert called == [1]
