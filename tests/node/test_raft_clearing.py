"""Claims about `dynakv.node.raft_clearing`: everything of a place goes, and nothing else."""

from dynakv.core import table
from dynakv.core.record import written
from dynakv.node.raft_clearing import RaftClearing
from tests.node.raft_nodes import RaftNodes

PLACE, OTHER = 1_001, 1_002


def test_every_row_of_the_places_goes_damaged_ones_too() -> None:
    nodes = RaftNodes()
    rows = nodes.disks["n1"].rows
    for place in (PLACE, OTHER):
        for group in (0, 1):
            for i in range(300):
                rows[place, group, b"%d" % i] = written(b"%d" % i, b"v", 0, 1, 1)
    rows[PLACE, 0, b"7"] = table.Record(b"7", b"w", 1, 1, 0, 1, 1, 99)
    done: list[int] = []
    clearing = RaftClearing(nodes.nodes["n1"].context)
    clearing.clear([PLACE, OTHER], 0, lambda: done.append(1))
    clearing.clear([PLACE], 0, lambda: done.append(2))
    nodes.run()
    assert sorted(done) == [1, 2]
    left = {where[:2] for where in rows if where[0] in (PLACE, OTHER)}
    assert left == {(PLACE, 1), (OTHER, 1)}


def test_nothing_to_clear_is_done_at_once() -> None:
    done: list[int] = []
    RaftClearing(RaftNodes().nodes["n1"].context).clear([], 0, lambda: done.append(1))
    assert done == [1]
