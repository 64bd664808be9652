"""Two lists of pages are compared as far as both reach."""

from dynakv.core.record import Record, written
from dynakv.node.outlines import Outlines


def row(key: bytes) -> Record:
    return written(key, b"", 0, 1, 1)


def test_what_lies_up_to_a_key_is_taken_once() -> None:
    side = Outlines()
    side.add([row(b"a"), row(b"c")], b"c")
    assert list(side.take(b"b")) == [b"a"]
    assert list(side.take(b"b")) == []
    assert list(side.take(None)) == [b"c"]


def test_a_page_is_missing_until_the_list_reaches_beyond_what_was_compared() -> None:
    side = Outlines()
    assert side.used_up(None)
    side.add([row(b"a")], b"m")
    assert not side.used_up(None)
    assert not side.used_up(b"k")
    assert side.used_up(b"m")
    side.add([], None)
    assert not side.used_up(b"m")
