"""Claims about `dynakv.node.repair_wanted`: each mark once, first come first taken."""

from dynakv.core.layout import NodeId
from dynakv.node.repair_wanted import RepairWanted

N2, N3 = NodeId("n2"), NodeId("n3")


def test_marks_are_taken_in_the_order_in_which_they_came_each_once() -> None:
    wanted = RepairWanted()
    wanted.add(7, 1, N2)
    wanted.add(7, 0, N3)
    wanted.add(7, 1, N2)
    assert len(wanted) == 2
    assert (7, 1, N2) in wanted
    assert [wanted.take(), wanted.take(), wanted.take()] == [(7, 1, N2), (7, 0, N3), None]
    assert (7, 1, N2) not in wanted


def test_a_group_can_be_wanted_with_each_of_its_peers() -> None:
    wanted = RepairWanted()
    wanted.add(7, 1, N2)
    wanted.add(7, 1, N3)
    assert len(wanted) == 2


def test_the_marks_of_a_dropped_keyspace_are_gone_and_the_others_stay() -> None:
    wanted = RepairWanted()
    wanted.add(7, 1, N2)
    wanted.add(8, 1, N2)
    wanted.forget_keyspace(7)
    assert [wanted.take(), wanted.take()] == [(8, 1, N2), None]
