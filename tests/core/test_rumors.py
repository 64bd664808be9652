"""Rumours: told a bounded number of times, within a budget of bytes, the least told first."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.core.rumors import Rumor, Rumors
from dynakv.core.suspicion import Claim, State


def rumor(name: str, counter: int = 0, state: State = State.SUSPECT) -> Rumor:
    return Rumor(name, Claim(state, counter), "me")


def test_a_rumour_is_told_in_proportion_to_the_logarithm_of_the_members() -> None:
    for members, times in ((3, 2), (10, 4), (200, 8)):
        rumors = Rumors()
        rumors.add(rumor("a"))
        told = 0
        while rumors.take(members):
            told += 1
        assert told == limits.RUMOR_TIMES * times
        assert len(rumors) == 0


def test_newer_news_of_a_member_replaces_the_older_one_and_is_told_anew() -> None:
    rumors = Rumors()
    rumors.add(rumor("a"))
    for _ in range(3):
        rumors.take(3)
    rumors.add(rumor("a", 1, State.ALIVE))
    assert [rumors.take(3) for _ in range(4)] == [(rumor("a", 1, State.ALIVE),)] * 4
    assert rumors.take(3) == ()


def test_the_least_told_goes_first() -> None:
    rumors = Rumors()
    rumors.add(rumor("old"))
    rumors.take(3)
    rumors.add(rumor("new"))
    assert [one.node_id for one in rumors.take(3)] == ["new", "old"]


@given(st.lists(st.text("ab", min_size=1, max_size=60), unique=True, max_size=40))
def test_a_message_stays_within_its_budget_and_everything_is_told(names: list[str]) -> None:
    rumors = Rumors()
    for name in names:
        rumors.add(rumor(name))
    told: dict[str, int] = dict.fromkeys(names, 0)
    while taken := rumors.take(3):
        assert sum(one.size for one in taken) <= limits.RUMOR_BYTES_MAX
        for one in taken:
            told[one.node_id] += 1
    assert set(told.values()) <= {limits.RUMOR_TIMES * 2}


def test_what_must_be_said_goes_first_and_is_not_counted() -> None:
    rumors = Rumors()
    rumors.add(rumor("a"))
    rumors.add(rumor("b"))
    accused = rumor("b", 7)
    assert rumors.take(3, [accused]) == (accused, rumor("a"))
    assert len(rumors) == 2
    assert Rumors().take(3, [accused]) == (accused,)


def test_what_is_forgotten_is_told_no_more() -> None:
    rumors = Rumors()
    rumors.add(rumor("a"))
    rumors.forget("a")
    rumors.forget("b")
    assert rumors.take(3) == ()
