from dynakv.resp.cursors import Cursors, cursor_of


def test_the_same_position_has_the_same_cursor_everywhere() -> None:
    assert Cursors().give("a", b"k") == Cursors().give("a", b"k") == cursor_of("a", b"k")
    assert cursor_of("a", b"k") != cursor_of("b", b"k")


def test_the_positions_used_last_are_remembered() -> None:
    cursors = Cursors(2)
    first, second = cursors.give("a", b"1"), cursors.give("a", b"2")
    cursors.give("a", b"1")
    third = cursors.give("a", b"3")
    assert cursors.find(first) == b"1"
    assert cursors.find(second) is None
    assert cursors.find(third) == b"3"
