"""A clean mark is gone before or with the group's next write; all writes are seen to settle."""

from collections.abc import Callable

from dynakv.core.record import written
from dynakv.core.table import DropRecords, MergeRecords, Remember
from dynakv.node.row_writes import RowWrites

KS = 0xAB


class Store:
    """Takes what is asked, and answers when told to."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.waiting: list[Callable[[object], None]] = []

    def ask(self, operation: object, then: Callable[[object], None]) -> None:
        self.asked.append(operation)
        self.waiting.append(then)

    def answer(self) -> None:
        self.waiting.pop(0)(None)


def write(*groups: int) -> MergeRecords:
    records = [written(b"%d" % group, b"v", 0, 1, 1) for group in groups]
    return MergeRecords(KS, list(groups), records)


def ignore(reply: object) -> None:
    del reply


def test_the_marks_of_written_groups_end_once_and_right_before_the_write() -> None:
    store = Store()
    writes = RowWrites(store.ask)
    writes.mark(KS, 3)
    writes.mark(KS, 4)
    writes.ask(write(5), ignore)
    writes.ask(write(3, 5, 3), ignore)
    writes.ask(write(3), ignore)
    names = [f"clean/{KS:016x}/3", f"clean/{KS:016x}/4"]
    assert store.asked == [write(5), Remember({names[0]: None}), write(3, 5, 3), write(3)]
    assert (writes.marked(KS, 3), writes.marked(KS, 4)) == (False, True)
    drop = DropRecords(KS, [4], [b"k"], [1])
    writes.ask(drop, ignore)
    assert store.asked[4:] == [Remember({names[1]: None}), drop]


def test_marks_of_another_keyspace_stay() -> None:
    store = Store()
    writes = RowWrites(store.ask)
    writes.mark(KS + 1, 3)
    writes.ask(write(3), ignore)
    assert store.asked == [write(3)]


def test_settled_comes_when_everything_asked_before_is_reported() -> None:
    store = Store()
    writes = RowWrites(store.ask)
    log: list[str] = []
    writes.settled(lambda: log.append("nothing under way"))
    writes.ask(write(1), lambda _: log.append("one"))
    writes.ask(write(2), lambda _: log.append("two"))
    writes.settled(lambda: log.append("settled"))
    writes.ask(write(3), lambda _: log.append("three"))
    for _ in range(3):
        store.answer()
    assert log == ["nothing under way", "one", "two", "settled", "three"]


def test_a_group_was_written_since_a_number_if_its_last_change_is_behind_it() -> None:
    writes = RowWrites(Store().ask)
    writes.ask(write(1, 2), ignore)
    number = writes.asked
    writes.ask(write(2), ignore)
    assert [writes.written_since(KS, group, 0) for group in (1, 2, 3)] == [True, True, False]
    assert [writes.written_since(KS, group, number) for group in (1, 2, 3)] == [False, True, False]


def test_a_group_is_reported_once_its_last_change_is() -> None:
    store = Store()
    writes = RowWrites(store.ask)
    writes.ask(write(1, 2), ignore)
    writes.ask(write(2), ignore)
    assert [writes.reported(KS, group) for group in (1, 2, 3)] == [False, False, True]
    store.answer()
    assert [writes.reported(KS, group) for group in (1, 2)] == [True, False]
    store.answer()
    assert writes.reported(KS, 2)
