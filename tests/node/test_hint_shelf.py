"""Claims about `dynakv.node.hint_shelf`: where hints lie, and what they count for."""

from dynakv import limits
from dynakv.core.hlc import reading
from dynakv.core.layout import NodeId
from dynakv.core.record import merge, with_expiry, with_value, written
from dynakv.core.table import DAMAGED
from dynakv.node.hint_shelf import Shelf, Target, hidden_keyspace, stamped_ms, weight

N2, N3 = NodeId("n2"), NodeId("n3")


def test_each_target_and_keyspace_has_a_hidden_keyspace_of_its_own() -> None:
    ids = {hidden_keyspace(peer, keyspace) for peer in (N2, N3) for keyspace in (1, 2)}
    assert len(ids) == 4
    assert all(0 <= one < 1 << 64 for one in ids)


def test_the_hidden_keyspace_is_part_of_the_format_on_disk() -> None:
    assert hidden_keyspace(N2, 0x0123456789ABCDEF) == 0x750B348F3D06777E


def test_a_hint_is_as_young_as_its_youngest_register() -> None:
    value = with_value(b"k", b"v", reading(1_000), 1)
    expiry = with_expiry(b"k", 0, reading(9_000), 1)
    assert stamped_ms(value) == 1_000
    assert stamped_ms(merge(value, expiry)) == 9_000


def test_a_row_weighs_key_value_and_overhead_and_nothing_if_it_is_not_there() -> None:
    assert weight(written(b"key", b"value", 0, 1, 1)) == 8 + limits.HINT_ROW_BYTES
    assert weight(written(b"key", None, 0, 1, 1)) == 3 + limits.HINT_ROW_BYTES
    assert weight(None) == weight(DAMAGED) == 0


def test_counts_of_all_shelves_add_up_in_their_target() -> None:
    target = Target(N2)
    one, other = Shelf(target, 1, 4), Shelf(target, 2, 4)
    record = written(b"k", b"v", 0, reading(5), 1)
    one.wrote(3, None, record)
    other.found(10, 100)
    assert (target.rows, target.bytes) == (11, 102 + 11 * limits.HINT_ROW_BYTES)
    one.emptied()
    assert (target.rows, one.rows, one.oldest_ms) == (10, 0, None)


def test_what_former_lives_left_may_be_in_any_group_and_of_any_age() -> None:
    shelf = Shelf(Target(N2), 1, 4)
    shelf.found(1, 10)
    assert (list(shelf.groups), shelf.oldest_ms) == ([0, 1, 2, 3], 0)


def test_shelves_with_hints_take_turns() -> None:
    target = Target(N2)
    for keyspace in (1, 2, 3):
        shelf = target.shelves[keyspace] = Shelf(target, keyspace, 4)
        if keyspace != 2:
            shelf.groups[0] = None
    turns = [target.next_shelf() for _ in range(3)]
    assert [shelf.keyspace_id for shelf in turns if shelf] == [1, 3, 1]
