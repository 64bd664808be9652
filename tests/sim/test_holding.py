"""Claims about `dynakv.sim.holding`: what leaves before a pause, and what after it."""

from dynakv.core.record import written
from dynakv.core.table import MergeRecords
from dynakv.node.messages import STORE, Answer, Ask, Beat, Effect, Save, Saved
from dynakv.sim.holding import Hold, left_of, saves_in

RECORD = written(b"k", b"v", 0, 1, 1)
BEAT = Ask(1, "n2", Beat(1, 1, 1), 0)
FRESH = [Ask(2 + i, f"n{i}", Save(1, 1, [RECORD]), 0) for i in range(3)]
VOUCHED = Ask(8, "n2", Save(1, 1, [RECORD], floors=[5]), 0)
OWN = Ask(9, STORE, MergeRecords(1, [0], [RECORD]), 0)


def test_the_pause_comes_before_the_chosen_save() -> None:
    effects: list[Effect] = [BEAT, FRESH[0], Answer(1, Saved(None, None)), FRESH[1], FRESH[2]]
    assert [left_of(effects, Hold(n, 0, False)) for n in range(4)] == [1, 3, 4, 4]


def test_a_turn_in_which_nothing_of_a_client_leaves_is_let_go() -> None:
    assert left_of([BEAT, VOUCHED, OWN], Hold(0, 0, False)) is None


def test_a_stranger_pauses_only_where_it_saves_nothing_itself() -> None:
    assert left_of([FRESH[0], OWN], Hold(0, 0, True)) is None
    assert left_of([FRESH[0], OWN], Hold(0, 0, False)) == 0
    assert left_of([FRESH[0]], Hold(0, 0, True)) == 0


def test_what_is_left_of_clients_writes_is_known() -> None:
    assert list(saves_in([BEAT, FRESH[1], VOUCHED, OWN])) == [FRESH[1].message]
