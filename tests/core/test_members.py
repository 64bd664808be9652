"""Claims about `dynakv.core.members`: an opinion about who is up, from signs of life."""

from dynakv import limits
from dynakv.core.members import Members


def members() -> Members:
    return Members(["a", "b"], now_ms=0, suspect_ms=5_000)


def test_every_peer_is_down_until_it_is_heard_from() -> None:
    it = members()
    assert it.states() == {"a": False, "b": False}
    assert it.answered("a", 10)
    assert it.states() == {"a": True, "b": False}


def test_only_the_first_sign_of_life_is_news() -> None:
    it = members()
    assert it.answered("a", 10)
    assert not it.answered("a", 20)


def test_silence_counts_only_beyond_suspect_ms() -> None:
    it = members()
    it.answered("a", 0)
    for now_ms in range(0, 5_001, 500):
        assert it.tick(now_ms) == []
    assert it.tick(5_001) == ["a"]
    assert not it.up("a")
    assert it.tick(5_500) == []  # said once


def test_each_sign_of_life_begins_the_silence_anew() -> None:
    it = members()
    for now_ms in range(0, 20_000, 500):
        if now_ms % 4_000 == 0:
            it.answered("a", now_ms)
        assert it.tick(now_ms) == []


def test_a_broken_link_is_down_at_once_and_a_sign_of_life_up_again() -> None:
    it = members()
    it.answered("a", 0)
    assert it.broken("a")
    assert not it.broken("a")
    assert not it.up("a")
    assert it.answered("a", 1)


def test_an_own_pause_gives_the_peers_the_time_that_was_missed() -> None:
    it = members()
    it.answered("a", 0)
    for now_ms in range(0, 4_501, 500):
        it.tick(now_ms)
    assert it.tick(60_000) == []  # this node slept for 55,500 ms
    assert it.tick(60_500) == []
    assert it.tick(60_501) == ["a"]  # it was awake for five seconds of silence


def test_a_gap_up_to_the_pause_limit_is_no_pause() -> None:
    it = members()
    it.answered("a", 0)
    now_ms = 0
    while now_ms < 5_000:
        now_ms += limits.PAUSE_MS
        silent = it.tick(now_ms)
    assert silent == []
    assert it.tick(now_ms + 1) == ["a"]


def test_a_peer_that_only_speaks_is_not_up_but_stays_up_by_speaking() -> None:
    it = Members(["a"], 0, suspect_ms=50)
    it.heard("a", 10)
    assert not it.up("a")
    it.answered("a", 20)
    it.heard("a", 60)
    assert it.tick(100) == []
    assert it.up("a")


def test_returns_count_how_often_a_peer_came_up() -> None:
    members = Members(["a"], 0, 5_000)
    assert members.returns("a") == 0
    members.answered("a", 10)
    members.answered("a", 20)
    assert members.returns("a") == 1
    members.broken("a")
    members.answered("a", 30)
    assert members.returns("a") == 2
