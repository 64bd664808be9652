"""A fault: a process comes back on a snapshot of its disk, having forgotten what came after it.

What `dynakv restore` does where the old disk is lost: rows, facts and layout of then, a new
incarnation, all groups marked.
"""

from collections.abc import Callable, Sequence
from random import Random

from dynakv.core import facts
from dynakv.core import layout as layouts
from dynakv.core.layout import Keyspace
from dynakv.sim.disk import Image
from dynakv.sim.process import Process
from dynakv.sim.timeline import MS, Timeline
from dynakv.sim.trace import Trace


class OlderImages:
    """Takes snapshots, and puts them in place where the fault budget allows it."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        trace: Trace,
        keyspace: Keyspace,
        allowed: Callable[[Process], bool],
        restart: Callable[[Process], None],
    ) -> None:
        """`allowed` is asked when one is about to forget; `restart` starts one that is off."""
        self._timeline = timeline
        self._random = random
        self._trace = trace
        self._keyspace = keyspace
        self._allowed = allowed
        self._restart = restart

    def strike(self, process: Process, span_us: int) -> bool:
        """Set a process back, in a while, to what is on its disk now."""
        keyspace = self._keyspace
        if keyspace.n - 1 < max(keyspace.rq, keyspace.n - keyspace.wq + 1):
            return False  # nobody could recover
        self._timeline.after(span_us, self._set_back, process, process.disk.image())
        return True

    def _set_back(self, process: Process, image: Image) -> None:
        if not self._allowed(process):
            return
        process.crash("fault")
        layout = layouts.decode(image.facts.get(facts.LAYOUT, process.disk.first_layout))
        marks = facts.of_restored(layout, process.name, "restored")
        # Above every client's writer, as that of a directory that is made.
        incarnation = self._random.getrandbits(64) | 1 << 63
        process.disk.set_back(image, incarnation, marks)
        self._trace.add(f"{process.name} set back to commit {image.commit_sequence}")
        if self._random.random() < 0.7:  # else it comes back as its death planned it
            self._timeline.after(self._random.randrange(100 * MS), self._restart, process)


def forgetful(process: Process) -> bool:
    """Say whether a process recovers groups, or may have to when it returns."""
    if process.node is None:
        return process.life > 0
    return bool(process.node.context.recovering)


def alone_has_its_layout(process: Process, processes: Sequence[Process]) -> bool:
    """Say whether a process would lose a layout for good that others may hear of still."""
    others = [other for other in processes if other is not process]
    return all(other.disk.layout != process.disk.layout for other in others)
