"""L12: each hint is delivered, or handed to anti-entropy; none is just gone.

Judged at the disks: a row that leaves a hidden keyspace of hints must lie on its target's disk, in
this or a newer state, as far as it is above the fence there; or its group must have been marked for
anti-entropy by the node that kept it.
After healing no hint is left anywhere.
"""

from collections.abc import Sequence
from functools import partial

from dynakv.core.layout import Keyspace, NodeId
from dynakv.core.record import Record, above, covers
from dynakv.core.table import RowKey
from dynakv.node.cuts import Cuts
from dynakv.node.hint_shelf import hidden_keyspace
from dynakv.node.repair_wanted import RepairWanted
from dynakv.sim.history import Violation, record_text
from dynakv.sim.process import Process


class WatchedRepairWanted(RepairWanted):
    """Marks for anti-entropy, and all that were ever made."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.ever: dict[tuple[int, int, NodeId], None] = {}

    def add(self, keyspace_id: int, group: int, peer: NodeId) -> None:
        """Mark a group, and remember that it was marked."""
        self.ever[keyspace_id, group, peer] = None
        super().add(keyspace_id, group, peer)


class HintJudge:
    """Watches the disks of all processes."""

    def __init__(self, processes: Sequence[Process], keyspace: Keyspace) -> None:
        """Watch from now on."""
        self._keyspace_id = int(keyspace.keyspace_id)
        self._processes = {process.name: process for process in processes}
        self._targets = {
            hidden_keyspace(NodeId(name), self._keyspace_id): name for name in self._processes
        }
        self._marks = {process.name: WatchedRepairWanted() for process in processes}
        self.removed = 0  # hints that left a disk
        for process in processes:
            process.on_start = self._started
            process.disk.on_removed = partial(self._removed, process)

    def _started(self, process: Process) -> None:
        """A node begins a life: it marks where the judge can see it."""
        assert process.node is not None
        self._marks[process.name] = marks = WatchedRepairWanted()
        process.node.context.repair_wanted = marks

    def _removed(self, process: Process, rows: Sequence[tuple[RowKey, Record]]) -> None:
        for (keyspace, group, key), hint in rows:
            target = self._targets.get(keyspace)
            if target is None or not (hint.value_time or hint.expiry_time):
                continue  # no hint, or one that was damaged and then overwritten
            self.removed += 1
            where = (self._keyspace_id, group, key)
            disk = self._processes[target].disk
            held = disk.rows.get(where)
            marked = (self._keyspace_id, group, NodeId(target)) in self._marks[process.name].ever
            needed = above(hint, Cuts(disk.facts).fence(self._keyspace_id, group))
            covered = needed is None or (held is not None and covers(held, needed))
            forgot = disk.recovers(self._keyspace_id, group)
            if marked or covered or forgot or disk.damaged(where):
                continue
            raise Violation(
                "L12",
                f"{process.name} dropped a hint of {key!r} for {target}: {record_text(hint)};"
                f" there: {record_text(held)}",
            )

    def left(self) -> list[str]:
        """Return, for people, how many hints lie on which disk for whom.

        Those of other keyspaces, which come and go during a run, are told apart from nothing else.
        """
        counts: dict[str, int] = {}
        for process in self._processes.values():
            shown = process.node.layout.keyspaces if process.node is not None else ()
            ids = {int(keyspace.keyspace_id) for keyspace in shown}
            for keyspace, _, _ in process.disk.rows:
                if keyspace not in ids:
                    target = self._targets.get(keyspace, "another keyspace")
                    text = f"{process.name} for {target}"
                    counts[text] = counts.get(text, 0) + 1
        return [f"{text}: {count}" for text, count in counts.items()]

    def judge_figures(self) -> None:
        """Without hints on any disk no node may believe that it has any."""
        for process in self._processes.values():
            if process.node is not None and process.node.hints.pending():
                raise Violation("L12", f"{process.name} counts {process.node.hints.pending()}")


def ids_with_hints(keyspace: Keyspace, processes: Sequence[Process]) -> dict[int, None]:
    """Return the id of a keyspace and those of the hidden ones that hold hints of it."""
    mine = int(keyspace.keyspace_id)
    hidden = [hidden_keyspace(NodeId(process.name), mine) for process in processes]
    return dict.fromkeys([mine, *hidden])
