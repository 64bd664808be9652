"""Claims about `dynakv.core.row`: damage is no row, and no absence either."""

from dynakv.core.row import DAMAGED, Damaged


def test_damage_is_one_thing_and_not_nothing() -> None:
    assert Damaged() == DAMAGED
    assert DAMAGED is not None
