"""L4: a deleted or expired record is dropped only when all replicas of its key confirmed it.

Judged at the moment at which a drop becomes durable, against the durable state of all replicas: it
needs no reader to come by and notice that a value is back.
"""

from collections.abc import Sequence

from msgspec import msgpack

from dynakv.core import facts
from dynakv.core.layout import Keyspace
from dynakv.core.record import Record, covers, droppable
from dynakv.core.table import RowKey
from dynakv.node.cuts import CutFact
from dynakv.sim.history import Violation, expiry_stamp, record_text, value_stamp
from dynakv.sim.process import Process

_decoder = msgpack.Decoder(CutFact)


class Drops:
    """Judges every drop of a keyspace's records."""

    def __init__(self, keyspace: Keyspace, processes: Sequence[Process]) -> None:
        """Watch the disks of these processes."""
        self._keyspace = keyspace
        self._processes = {process.name: process for process in processes}
        self.count = 0
        for process in processes:
            process.disk.on_drop = lambda rows, name=process.name: self._judge_all(name, rows)  # type: ignore[misc]

    def cut(self, name: str, group: int) -> CutFact:
        """Return what is durable of a group's fence and floor at a process."""
        fact_name = facts.group_name(facts.CUT, int(self._keyspace.keyspace_id), group)
        fact = self._processes[name].disk.facts.get(fact_name)
        return CutFact(0, 0, 0) if fact is None else _decoder.decode(fact)

    def floor(self, group: int) -> int:
        """Return the highest floor under which a replica of the group stands."""
        return max(self.cut(name, group).floor for name in self._keyspace.placement[group])

    def _judge_all(self, name: str, rows: list[tuple[RowKey, Record]]) -> None:
        for where, record in rows:
            if where[0] == self._keyspace.keyspace_id:
                self._judge(name, where, record)

    def _judge(self, name: str, where: RowKey, record: Record) -> None:
        self.count += 1
        group = where[1]
        if self._processes[name].disk.recovers(where[0], group):
            return  # what others have forgotten is void here, also values; L1, L3, L7 judge that
        if not droppable(record, self.cut(name, group).floor):
            raise Violation("L4", f"{name} drops what its floor does not: {record_text(record)}")
        for replica in self._keyspace.placement[group]:
            if replica != name:
                self._judge_replica(name, replica, where, record)

    def _judge_replica(self, name: str, replica: str, where: RowKey, record: Record) -> None:
        cut, disk = self.cut(replica, where[1]), self._processes[replica].disk
        if disk.recovers(where[0], where[1]):
            return  # it forgot, answers nothing, and will follow whom it merges
        why = ""
        # One that forgot after it had put up its fence has merged who holds what is dropped here.
        if not disk.set_back_times and cut.fence < max(record.value_time, record.expiry_time):
            why = "has no fence there"
        elif not disk.damaged(where):
            why = _lacks(disk.rows.get(where), record, cut.floor)
        if why:
            raise Violation(
                "L4", f"{name} drops {where[2]!r} {record_text(record)}, and {replica} {why}"
            )


def _lacks(row: Record | None, record: Record, floor: int) -> str:
    """Say what a replica lacks of a record that another one drops; nothing: it needs no more."""
    if row is not None and covers(row, record):
        return ""
    if not droppable(record, floor):
        return f"holds {record_text(row)} and has not dropped it"
    if row is None:
        return ""
    # Dropped here, too, and written anew since; what is older must not be among that.
    value_back = 0 < row.value_time <= floor and value_stamp(row) < value_stamp(record)
    expiry_back = 0 < row.expiry_time <= floor and expiry_stamp(row) < expiry_stamp(record)
    return f"has {record_text(row)} again" if value_back or expiry_back else ""
