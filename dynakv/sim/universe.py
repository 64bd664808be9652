"""What every run is made of, whatever its keyspace's mode: machines, network, faults; its result.

The order in which the dice are thrown is part of every seed: first each process, then the network.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from dynakv.core.layout import KeyspaceSettings, Member, Mode, NodeId, encode, first_layout
from dynakv.core.record import Record
from dynakv.node.messages import Reason
from dynakv.sim.clock import MachineClock
from dynakv.sim.disk import Disk
from dynakv.sim.faults import Faults
from dynakv.sim.history import Violation
from dynakv.sim.knobs import Knobs
from dynakv.sim.network import Envelope, Network
from dynakv.sim.process import Process
from dynakv.sim.timeline import SECOND, Timeline
from dynakv.sim.trace import Trace

OK_SHARE_MIN = 0.15  # of entries: below this a run says nothing


@dataclass
class Result:
    """What a run came to. Empty `violation`: every invariant held under enough load."""

    knobs: Knobs
    trace_hash: str
    violation: str
    rule: str
    last_lines: list[str]
    counts: dict[str, int]
    faults: dict[str, int]
    network: dict[str, int]
    virtual_s: float
    notes: dict[str, int] = field(default_factory=dict)


class Universe:
    """Processes with one keyspace, `default`, and their faults; subclasses run and judge."""

    def __init__(self, knobs: Knobs, random: Random, mode: Mode) -> None:
        """Build the machines of these knobs; nothing runs yet."""
        self.knobs = knobs
        self.random = random
        self.timeline = Timeline()
        self.trace = Trace(self.timeline)
        names = [f"n{i + 1}" for i in range(knobs.nodes)]
        members = [Member(NodeId(name), f"{name}:1") for name in names]
        settings = KeyspaceSettings(
            "default", mode=mode, replicas=knobs.replicas, groups=knobs.groups
        )
        layout = first_layout(members, [settings])
        self.keyspace = layout.keyspaces[0]
        raw = encode(layout)
        self.processes = [self._process(name, raw) for name in names]
        self._by_name = {process.name: process for process in self.processes}
        self.network = Network(
            self.timeline, random, knobs, names, self._deliver, self._report_failed
        )
        for process in self.processes:
            process.network = self.network
        self.faults = Faults(
            self.timeline,
            random,
            self.trace,
            knobs,
            self.processes,
            self.network,
            self.keyspace,
        )

    def run(self) -> None:
        """Run to the end; raises Violation."""
        raise NotImplementedError

    def result(self, violation: Violation | None) -> Result:
        """Return what the run came to so far."""
        raise NotImplementedError

    def _watch(self, disk: Disk) -> Callable[[str, list[Record]], None]:
        """Return what is shown the records that the process on this disk sends to be saved."""
        del disk
        return _unwatched

    def _process(self, name: str, layout: bytes) -> Process:
        random, knobs = self.random, self.knobs
        offset_ms = random.randint(-knobs.offset_ms, knobs.offset_ms)
        drift_ppm = random.randint(-knobs.drift_ppm, knobs.drift_ppm)
        clock = MachineClock(self.timeline, offset_ms, drift_ppm)
        incarnation = random.getrandbits(64) | 1 << 63  # above every client's writer
        disk = Disk(name, incarnation, layout)
        watch = self._watch(disk)
        return Process(name, self.timeline, random, self.trace, knobs, disk, clock, watch)

    def _deliver(self, envelope: Envelope) -> bool:
        return self._by_name[envelope.target].receive(envelope)

    def _report_failed(self, sender: str, calls: list[int], reason: Reason) -> None:
        self._by_name[sender].fail(calls, reason)

    def _run_for(self, span_us: int) -> None:
        self.timeline.run_until(self.timeline.now_us + span_us)

    def _begin(self) -> int:
        """Start every process, give them a second; return when the faults end, in us."""
        for process in self.processes:
            process.start()
        self._run_for(SECOND)
        return self.timeline.now_us + self.knobs.seconds * SECOND

    def _restart_all(self) -> None:
        """Start every process anew: what is read next comes from the disks."""
        for process in self.processes:
            process.crash("restart")
            process.start()

    def _demand_load(self, counts: dict[str, int], ok_per_s_min: int) -> None:
        """A run with too little load proves nothing, and says so."""
        ok = counts.get("ok", 0)
        failed = sum(count for what, count in counts.items() if what.startswith("failed"))
        if ok < ok_per_s_min * self.knobs.seconds or ok < OK_SHARE_MIN * (ok + failed):
            raise Violation("load", f"too little load: {ok} entries ok, {failed} failed")

    def _result(
        self, violation: Violation | None, counts: dict[str, int], faults: dict[str, int]
    ) -> Result:
        notes: dict[str, int] = {}
        for process in self.processes:
            for name, count in process.notes.items():
                notes[name] = notes.get(name, 0) + count
        return Result(
            knobs=self.knobs,
            trace_hash=self.trace.hexdigest(),
            violation=str(violation or ""),
            rule=violation.rule if violation else "",
            last_lines=list(self.trace.last),
            counts=dict(counts),
            faults=faults,
            network=dict(self.network.counts),
            virtual_s=self.timeline.now_us / SECOND,
            notes=notes,
        )


def outcome_of(universe: Universe) -> Result:
    """Run a universe and return what it came to; never raises Violation."""
    try:
        universe.run()
    except Violation as violation:
        return universe.result(violation)
    return universe.result(None)


def _unwatched(_: str, records: list[Record]) -> None:
    del records
