"""Keyspaces that come and go during a run, what clients do in them, and what must hold.

An operator creates, alters and drops a few names over and over, through any process, while the one
that makes the changes is killed now and then in the middle. Clients write and read under these
names meanwhile. Every key is written once, so that a read has one right answer. Every change names
the epoch that it is for, so that one of unknown outcome is void once a later one is acknowledged.

Rules: "K1" a keyspace that was made again shows nothing of its predecessor, and a dropped one
nothing at all; "K2" what was acknowledged in a keyspace is there until it is dropped, and every
node knows a keyspace whose creation was acknowledged; "L10" an epoch stands for one layout, no disk
goes back to an older one, all agree after the healing, and nothing of dropped keyspaces is left on
any disk.
"""

from collections.abc import Callable, Sequence
from random import Random

from dynakv.core import layout as layouts
from dynakv.core.keyspaces import AlterKeyspace, CreateKeyspace, DropKeyspace, KeyspaceChange
from dynakv.core.layout import KeyspaceSettings, Layout, Level
from dynakv.errors import Kind
from dynakv.node.layout_messages import Changed
from dynakv.node.messages import ClientMessage, Found, Get, Put, Refused, Stored
from dynakv.sim.history import Violation
from dynakv.sim.process import Process
from dynakv.sim.timeline import MS, SECOND, Timeline
from dynakv.sim.trace import Trace
from dynakv.sim.workload import Workload

MARK = b"churn/"  # begins every key here, and none of the other workload
AGREED_S_MAX = 30  # after the healing
_NAMES = ("k0", "k1", "k2")
_LOOK_US = 500 * MS
_DATA_PER_CHANGE = 15
_TIMEOUT_MS = 2_500
_GIVE_UP_US = 3 * SECOND
_PROBES = 4  # of what a dropped keyspace held
_AGAIN_SHARE = 0.5  # of drops after which the name is used again at once
_CRASH_SHARE = 0.3  # of changes during which their maker is killed


class _Name:
    """What clients know for certain of one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.present: bool | None = False  # None: a change has an unknown outcome
        self.made_us = 0  # when the creation of the present keyspace was asked for ...
        self.made_by_us = 0  # ... and when it was acknowledged; 0: not known to be there
        self.gone_since_us = 0  # a drop was acknowledged; 0: a creation was asked for since
        self.drops = 0  # asked for so far
        self.creations = 0
        self.written: dict[bytes, tuple[int, int, int]] = {}  # key: asked, acknowledged, drops


class _Call:
    """One message on its way, and the one answer to it."""

    def __init__(
        self, load: "KeyspaceLoad", message: ClientMessage, heard: Callable[[object], None]
    ) -> None:
        self._load = load
        self._message = message
        self._heard: Callable[[object], None] | None = heard

    def arrive(self, process: Process) -> None:
        process.client(self._message, self)

    def answered(self, reply: object) -> bool:
        """Hear of the answer a little later, unless it is lost."""
        load = self._load
        if load.random.random() >= load.workload.knobs.answer_loss_share:
            load.timeline.after(load.workload.way_us(), self.end, reply)
        return True

    def broken(self) -> None:
        """The process died: nobody says so."""

    def end(self, reply: object) -> None:
        """Take the answer, or None where none came in time."""
        heard, self._heard = self._heard, None
        if heard is not None:
            heard(reply)


class KeyspaceLoad:
    """The operator, the clients and the judge."""

    def __init__(
        self,
        timeline: Timeline,
        trace: Trace,
        workload: Workload,
        processes: Sequence[Process],
        seed: int,
    ) -> None:
        """Prepare; nothing happens before `run`."""
        self.timeline = timeline
        self.workload = workload
        self.random = Random(seed * 2 + 1)  # noqa: S311 - a seed decides, nothing is secret
        self._trace = trace
        self._processes = processes
        self._names = {name: _Name(name) for name in _NAMES}
        self._layouts: dict[int, bytes] = {}  # epoch -> the one layout that it stands for
        self._epochs: dict[tuple[str, int], int] = {}  # on each disk, however often set back
        self._decoded: dict[bytes, Layout] = {}
        self._until_us = 0
        self._keys = 0

    def run(self, until_us: int) -> None:
        """Let changes and calls happen until that moment."""
        self._until_us = until_us
        self._look()
        if self.workload.knobs.changes_per_s:
            self._change_some()
            self._use_some()

    def _pause_us(self, per_s: float) -> int:
        return int(self.random.expovariate(per_s / SECOND))

    def _send(self, message: ClientMessage, heard: Callable[[object], None]) -> None:
        call = _Call(self, message, heard)
        process = self.random.choice(self._processes)
        self.timeline.after(self.workload.way_us(), call.arrive, process)
        self.timeline.after(_GIVE_UP_US, call.end, None)

    # --- the operator ------------------------------------------------------------------------

    def _change_some(self) -> None:
        if self.timeline.now_us >= self._until_us:
            return
        self.timeline.after(self._pause_us(self.workload.knobs.changes_per_s), self._change_some)
        name = self._names[self.random.choice(_NAMES)]
        if name.present is None:
            kind = self.random.choice((self._create, self._drop))
        elif not name.present:
            kind = self._create
        else:
            kind = self.random.choice((self._drop, self._drop, self._alter))
        kind(name)
        if self.workload.knobs.faults and self.random.random() < _CRASH_SHARE:
            delay_us = int(self.random.random() * 80 * MS)
            self.timeline.after(delay_us, self._crash_the_maker)

    def _crash_the_maker(self) -> None:
        if self.timeline.now_us < self._until_us:
            self.workload.count("crashes in a change")
            self._processes[0].crash("in a change")

    def _create(self, name: _Name) -> None:
        asked_us = self.timeline.now_us
        name.creations += 1
        name.gone_since_us = 0
        name.present = None
        asked = (name.creations, name.drops)

        def made() -> None:
            if asked == (name.creations, name.drops):  # nothing else is under way
                name.present, name.made_us, name.made_by_us = True, asked_us, self.timeline.now_us
                self._probe(name)

        settings = KeyspaceSettings(name.name, groups=4)
        self._ask(CreateKeyspace(settings, self._epoch(), _TIMEOUT_MS), name, made)

    def _drop(self, name: _Name) -> None:
        name.drops += 1
        name.made_by_us = 0
        name.present = None
        asked = (name.creations, name.drops)

        def dropped() -> None:
            if asked == (name.creations, name.drops):
                name.present, name.gone_since_us = False, self.timeline.now_us
                self._after_the_drop(name)

        self._ask(DropKeyspace(name.name, self._epoch(), _TIMEOUT_MS), name, dropped)

    def _after_the_drop(self, name: _Name) -> None:
        """Ask at once for what was there, or use the name again while disks are being cleared."""
        if self.timeline.now_us >= self._until_us:
            return
        if self.random.random() < _AGAIN_SHARE:
            self._create(name)
            return
        self._probe(name)

    def _probe(self, name: _Name) -> None:
        """Ask for what a former keyspace of this name held."""
        for key in list(name.written)[-_PROBES:]:
            self._get(name, key)

    def _alter(self, name: _Name) -> None:
        level = self.random.choice((Level.QUORUM, Level.ALL))
        change = AlterKeyspace(name.name, level, if_epoch=self._epoch(), timeout_ms=_TIMEOUT_MS)
        self._ask(change, name, lambda: None)

    def _ask(self, change: KeyspaceChange, name: _Name, done: Callable[[], None]) -> None:
        kind = type(change).__name__

        def heard(reply: object) -> None:
            what = type(reply).__name__ if reply is not None else "unheard"
            self.workload.count(f"changes {what.lower()}")
            self._trace.add(f"operator {kind} {name.name} {what}")
            if isinstance(reply, Changed):
                done()

        self._trace.add(f"operator asks {kind} {name.name}")
        self._send(change, heard)

    def _epoch(self) -> int:
        return self._layout_of(self._processes[0]).epoch

    # --- the clients -------------------------------------------------------------------------

    def _use_some(self) -> None:
        if self.timeline.now_us >= self._until_us:
            return
        per_s = self.workload.knobs.changes_per_s * _DATA_PER_CHANGE
        self.timeline.after(self._pause_us(per_s), self._use_some)
        name = self._names[self.random.choice(_NAMES)]
        if not name.written or self.random.random() < 0.4:
            self._put(name)
        else:
            self._get(name, self.random.choice(list(name.written)[-40:]))

    def _put(self, name: _Name) -> None:
        self._keys += 1
        key, asked_us, drops = MARK + b"%d" % self._keys, self.timeline.now_us, name.drops
        made = name.made_by_us > 0

        def heard(reply: object) -> None:
            if made and name.drops == drops:
                _judge_known(name, reply)
            if isinstance(reply, Stored):
                name.written[key] = (asked_us, self.timeline.now_us, drops)
                self.workload.count("churn puts ok")

        self._send(Put(name.name, [key], [key], timeout_ms=_TIMEOUT_MS), heard)

    def _get(self, name: _Name, key: bytes) -> None:
        asked_us = self.timeline.now_us
        # Judged by what was certain when it was asked for; what changed since excuses nothing else.
        made_us, made_by_us, drops = name.made_us, name.made_by_us, name.drops
        gone = name.gone_since_us

        def heard(reply: object) -> None:
            there = made_by_us > 0 and name.drops == drops
            if there:
                _judge_known(name, reply)
            if not isinstance(reply, Found):
                return
            self.workload.count("churn gets ok")
            (record,) = reply.records
            value = None if record is None else record.value
            if gone and name.gone_since_us == gone:
                raise Violation("K1", f"keyspace {name.name} is dropped, and answers {key!r}")
            put_us, stored_us, put_drops = name.written[key]
            if there and stored_us < made_us and value is not None:
                raise Violation(
                    "K1",
                    f"keyspace {name.name} was made again at {made_us} us, and shows {key!r} of"
                    f" before, stored at {stored_us} us",
                )
            mine = put_drops == drops and put_us > made_by_us and stored_us < asked_us
            if there and mine and value != key:
                raise Violation("K2", f"{key!r} of keyspace {name.name} is lost: {value!r}")

        self._send(Get(name.name, [key], timeout_ms=_TIMEOUT_MS), heard)

    # --- the judge ---------------------------------------------------------------------------

    def _look(self) -> None:
        if self.timeline.now_us < self._until_us:
            self.timeline.after(_LOOK_US, self._look)
        self._judge_disks()

    def _layout_of(self, process: Process) -> Layout:
        raw = process.disk.layout
        found = self._decoded.get(raw)
        if found is None:
            found = self._decoded[raw] = layouts.decode(raw)
        return found

    def _judge_disks(self) -> None:
        for process in self._processes:
            epoch = self._layout_of(process).epoch
            if self._layouts.setdefault(epoch, process.disk.layout) != process.disk.layout:
                raise Violation("L10", f"{process.name} has another layout of epoch {epoch}")
            disk = process.name, process.disk.set_back_times
            if epoch < self._epochs.get(disk, 0):
                raise Violation("L10", f"{process.name} went back to layout epoch {epoch}")
            self._epochs[disk] = epoch

    def agree(self) -> bool:
        """Say whether every process has the same layout in force and on disk."""
        self._judge_disks()
        return len({process.disk.layout for process in self._processes}) == 1 and all(
            process.node is not None and layouts.encode(process.node.layout) == process.disk.layout
            for process in self._processes
        )

    def epochs(self) -> dict[str, int]:
        """Return the epoch on each disk."""
        return {process.name: self._layout_of(process).epoch for process in self._processes}

    def judge_the_end(self) -> None:
        """Raise Violation where the layouts differ, or rows of dropped keyspaces are left."""
        if not self.agree():
            raise Violation("L10", f"layouts differ at the end: epochs {self.epochs()}")
        for process in self._processes:
            kept = {int(k.keyspace_id) for k in self._layout_of(process).keyspaces}
            left = [where for where in process.disk.rows if where[0] not in kept]
            if left:
                raise Violation("L10", f"{process.name} keeps {len(left)} rows of the dropped")
        self.workload.count("layouts", len(self._layouts))


def _judge_known(name: _Name, reply: object) -> None:
    """Raise Violation where a node does not know a keyspace that is certainly there."""
    if isinstance(reply, Refused) and reply.failure.kind is Kind.INVALID:
        raise Violation("K2", f"keyspace {name.name} is made, and refused: {reply.failure.reason}")
