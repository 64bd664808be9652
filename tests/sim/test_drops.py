"""Claims about `dynakv.sim.drops`: a drop that some replica did not confirm is found at once."""

from random import Random

import pytest

from dynakv.core import facts
from dynakv.core.layout import KeyspaceSettings, Member, NodeId, encode, first_layout
from dynakv.core.record import Record, with_value, written
from dynakv.core.table import DropRecords, MergeRecords, Operation, Remember
from dynakv.node.cuts import Cuts
from dynakv.sim.clock import MachineClock
from dynakv.sim.disk import Disk
from dynakv.sim.drops import Drops
from dynakv.sim.history import Violation
from dynakv.sim.knobs import draw
from dynakv.sim.process import Process
from dynakv.sim.timeline import Timeline
from dynakv.sim.trace import Trace

CUT = 50 << 16
TOMBSTONE = written(b"k", None, 0, 40 << 16, 1)
VALUE = written(b"k", b"v", 0, 30 << 16, 1)


class Disks:
    """Three disks of one group, watched."""

    def __init__(self) -> None:
        names = ["n1", "n2", "n3"]
        members = [Member(NodeId(name), f"{name}:1") for name in names]
        layout = first_layout(members, [KeyspaceSettings("default", groups=1)])
        self.keyspace = layout.keyspaces[0]
        timeline = Timeline()
        self.disks = {name: Disk(name, 9, encode(layout)) for name in names}
        processes = [
            Process(
                name,
                timeline,
                Random(1),
                Trace(timeline),
                draw(1, 1),
                disk,
                MachineClock(timeline, 0, 0),
                lambda *_: None,
            )
            for name, disk in self.disks.items()
        ]
        self.drops = Drops(self.keyspace, processes)

    def commit(self, name: str, *operations: Operation) -> None:
        self.disks[name].begin(operations)
        self.disks[name].sync()

    def hold(self, name: str, record: Record) -> None:
        self.commit(name, MergeRecords(int(self.keyspace.keyspace_id), [0], [record]))

    def cut(self, name: str, *, floor: bool) -> None:
        keyspace = int(self.keyspace.keyspace_id)
        cuts = Cuts(self.disks[name].facts)
        fact = cuts.fence_up(keyspace, 0, CUT)
        if floor:
            fact = cuts.floor_asked(keyspace, 0, CUT)
        self.commit(name, Remember({facts.group_name(facts.CUT, keyspace, 0): fact}))

    def drop(self, name: str, record: Record = TOMBSTONE) -> None:
        keyspace = int(self.keyspace.keyspace_id)
        self.commit(name, DropRecords(keyspace, [0], [record.key], [record.checksum]))


def agreed(*, floors: str = "n1 n2 n3") -> Disks:
    disks = Disks()
    for name in disks.disks:
        disks.hold(name, TOMBSTONE)
        disks.cut(name, floor=name in floors)
    return disks


def test_a_drop_that_all_confirmed_passes_one_after_the_other() -> None:
    disks = agreed()
    for name in disks.disks:
        disks.drop(name)
    assert disks.drops.count == 3
    assert disks.drops.floor(0) == CUT


def test_a_replica_that_has_not_heard_of_the_floor_yet_is_no_fault() -> None:
    disks = agreed(floors="n1")
    disks.drop("n1")


def test_a_replica_without_the_tombstone_is_found() -> None:
    disks = Disks()
    for name in disks.disks:
        disks.cut(name, floor=name == "n1")
    disks.hold("n1", TOMBSTONE)
    disks.hold("n2", TOMBSTONE)
    for older in (None, VALUE):
        if older is not None:
            disks.hold("n3", older)
        with pytest.raises(Violation, match=r"L4: n1 drops b'k' .* n3 holds"):
            disks.drop("n1")


def test_a_replica_without_a_fence_is_found() -> None:
    disks = Disks()
    for name in disks.disks:
        disks.hold(name, TOMBSTONE)
    disks.cut("n1", floor=True)
    with pytest.raises(Violation, match=r"L4: .* n2 has no fence there"):
        disks.drop("n1")


def test_what_the_own_floor_does_not_allow_is_found() -> None:
    disks = agreed(floors="n2 n3")
    with pytest.raises(Violation, match=r"L4: n1 drops what its floor does not"):
        disks.drop("n1")


def test_a_value_that_is_back_below_the_floor_is_found() -> None:
    disks = agreed()
    disks.drop("n3")
    disks.hold("n3", VALUE)
    with pytest.raises(Violation, match=r"L4: .* n3 has .* again"):
        disks.drop("n1")


def test_a_value_written_after_the_drop_is_no_fault() -> None:
    disks = agreed()
    disks.drop("n3")
    disks.hold("n3", with_value(b"k", b"new", 60 << 16, 1))
    disks.drop("n1")
