"""The faults of one run: drawn, applied, ended, counted, and kept within the fault budget.

The budget says what the product must survive without breaking a promise, and is enforced here,
never by weakening a checker: rows of one key are damaged on fewer than Wq replicas at a time, and
on so few that enough others remain to heal them; leaping clocks are a minority. What the budget
held back is counted.
"""

from collections.abc import Callable, Sequence
from random import Random

from dynakv.core.layout import Keyspace
from dynakv.core.table import RowKey
from dynakv.sim import partitions
from dynakv.sim.hint_judge import ids_with_hints
from dynakv.sim.holding import Hold
from dynakv.sim.knobs import SLOWNESSES, Knobs
from dynakv.sim.network import Network, between
from dynakv.sim.older import OlderImages, alone_has_its_layout, forgetful
from dynakv.sim.process import Process
from dynakv.sim.store import Store
from dynakv.sim.timeline import MS, SECOND, Timeline
from dynakv.sim.trace import Trace
from dynakv.sim.wiping import wipe

_RESTART_US_MAX = 60 * SECOND
_PAUSE_US_MAX = 30 * SECOND
_CUT_US_MAX = 15 * SECOND
_IMAGE_US_MAX = 20 * SECOND


class Faults:
    """Injects what the knobs allow until `heal` ends all of it."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        trace: Trace,
        knobs: Knobs,
        processes: Sequence[Process],
        network: Network,
        keyspace: Keyspace,
    ) -> None:
        """Prepare; nothing happens before `run`."""
        self._timeline = timeline
        self._random = random
        self._trace = trace
        self._knobs = knobs
        self._processes = processes
        self._network = network
        self._keyspace = keyspace
        self._flippable = ids_with_hints(keyspace, processes)
        self._healed = False
        self._leaping: dict[str, None] = {}
        self.counts: dict[str, int] = {}
        self.held_back = 0  # faults that the budget did not allow
        n, rq, wq = keyspace.n, keyspace.rq, keyspace.wq
        self._damage_max = min(wq - 1, n - max(rq, n - wq + 1))
        self._older = OlderImages(
            timeline, random, trace, keyspace, self._may_forget, self._restart
        )
        for process in processes:
            process.on_death = self._died
        self._kinds: dict[str, Callable[[], bool]] = {
            "halves": self._halves,
            "isolate": self._isolate,
            "majorities_ring": self._majorities_ring,
            "bridge": self._bridge,
            "one_way": self._one_way,
            "flapping": self._flapping,
            "clog": self._clog,
            "crash": self._crash,
            "crash_in_turn": self._crash_in_turn,
            "crash_all": self._crash_all,
            "restart_all": self._restart_all,
            "restart_behind": self._restart_behind,
            "pause": self._pause,
            "pause_in_turn": self._pause_in_turn,
            "away": self._away,
            "clock_leap": self._clock_leap,
            "clock_offset": self._clock_offset,
            "write_error": self._write_error,
            "sync_error": self._sync_error,
            "slow_disk": self._slow_disk,
            "full_disk": self._full_disk,
            "bit_flip": self._bit_flip,
            "fresh_flip": self._fresh_flip,
            "older_image": self._older_image,
            "wipe": lambda: wipe(self._some(), processes, keyspace, random, trace),
        }

    def run(self) -> None:
        """Plan the next fault, for ever."""
        if self._healed or not self._knobs.faults:
            return
        pause_us = int(self._random.expovariate(self._knobs.faults_per_s / SECOND))
        self._timeline.after(pause_us, self._strike)

    def heal(self) -> None:
        """End every fault: mend links, set clocks right, start and wake every process."""
        self._healed = True
        self._trace.add("heal")
        self._network.heal()
        for process in self._processes:
            self._fast_disk(process.store)
            process.store.full = False
            process.store.writes_to_fail = process.store.syncs_to_fail = 0
            process.store.on_commit = None
            process.crash_after = process.hold = None
            process.clock.set_right()
            process.resume()
            if process.node is None:
                process.start()

    def _strike(self) -> None:
        if self._healed:
            return
        kind = self._random.choice(self._knobs.faults)
        if self._kinds[kind]():
            self._count(kind)
            self._trace.add(f"fault {kind}")
        self.run()

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _span_us(self, mean_ms: int, most_us: int) -> int:
        return min(int(self._random.expovariate(1 / (mean_ms * MS))), most_us)

    def _some(self) -> Process:
        return self._random.choice(self._processes)

    # --- network -----------------------------------------------------------------------------

    def _cut(self, pairs: Sequence[tuple[str, str]], span_us: int) -> bool:
        """Cut directed pairs for a while."""
        for sender, target in pairs:
            self._network.cut(sender, target)
        self._timeline.after(span_us, self._mend, pairs)
        return bool(pairs)

    def _mend(self, pairs: Sequence[tuple[str, str]]) -> None:
        if not self._healed:
            for sender, target in pairs:
                self._network.mend(sender, target)

    def _shuffled(self) -> list[str]:
        names = [process.name for process in self._processes]
        self._random.shuffle(names)
        return names

    def _halves(self) -> bool:
        return self._cut(partitions.halves(self._shuffled()), self._span_us(3_000, _CUT_US_MAX))

    def _isolate(self) -> bool:
        return self._cut(partitions.isolate(self._shuffled()), self._span_us(3_000, _CUT_US_MAX))

    def _majorities_ring(self) -> bool:
        pairs = partitions.majorities_ring(self._shuffled())
        return self._cut(pairs, self._span_us(3_000, _CUT_US_MAX))

    def _bridge(self) -> bool:
        return self._cut(partitions.bridge(self._shuffled()), self._span_us(3_000, _CUT_US_MAX))

    def _one_way(self) -> bool:
        names = self._shuffled()
        if len(names) < 2:
            return False
        targets = names[1 : 2 + self._random.randrange(len(names) - 1)]
        pairs = [(names[0], target) for target in targets]
        if self._random.random() < 0.5:
            pairs = [(target, sender) for sender, target in pairs]
        return self._cut(pairs, self._span_us(3_000, _CUT_US_MAX))

    def _flapping(self) -> bool:
        names = self._shuffled()
        if len(names) < 2:
            return False
        pairs = between(names[:1], names[1:2])
        for i in range(10):
            self._timeline.after(i * 400 * MS, self._flap, pairs)
        return True

    def _flap(self, pairs: Sequence[tuple[str, str]]) -> None:
        if not self._healed:
            self._cut(pairs, 50 * MS + self._random.randrange(250 * MS))

    def _clog(self) -> bool:
        if len(self._processes) < 2:
            return False
        link = self._random.choice(list(self._network.links.values()))
        link.clogged_until_us = self._timeline.now_us + self._span_us(1_000, 5 * SECOND)
        return True

    # --- processes ---------------------------------------------------------------------------

    def _died(self, process: Process) -> None:
        """Whatever killed a process: it comes back."""
        self._timeline.after(self._span_us(2_000, _RESTART_US_MAX), self._restart, process)

    def _restart(self, process: Process) -> None:
        if process.node is None:
            process.start()

    def _crash(self) -> bool:
        process = self._some()
        alive = process.node is not None
        process.crash("fault")
        return alive

    def _crash_in_turn(self) -> bool:
        process = self._some()
        process.crash_after = self._random.randrange(4)
        return process.node is not None

    def _crash_all(self) -> bool:
        for process in self._processes:
            process.crash("fault")
        return True

    def _restart_all(self) -> bool:
        """Every process is killed at one moment and back within 50 ms, as after a power cut."""
        for process in self._processes:
            process.crash("fault")
            self._timeline.after(self._random.randrange(50 * MS), self._restart, process)
        return True

    def _restart_behind(self) -> bool:
        """A process is back at once, and its wall clock stands behind where it stood."""
        process = self._some()
        if process.node is None:
            return False
        process.crash("fault")
        process.clock.offset_ms = -self._knobs.offset_ms
        self._timeline.after(self._random.randrange(20 * MS), self._restart, process)
        return True

    def _pause(self) -> bool:
        process = self._some()
        if process.node is None or process.paused:
            return False
        process.pause()
        self._timeline.after(self._span_us(1_500, _PAUSE_US_MAX), process.resume)
        return True

    def _pause_in_turn(self) -> bool:
        """A coordinator stands still before all that it stamped has left: for longer than a cut."""
        process = self._some()
        cut_ms = self._knobs.cut_age_ms
        span_us = cut_ms * MS + self._span_us(cut_ms, _PAUSE_US_MAX)
        stranger = len(self._processes) > self._keyspace.n and self._random.random() < 0.7
        process.hold = Hold(self._random.randrange(4), span_us, stranger)
        return process.node is not None and not process.paused

    def _away(self) -> bool:
        """A process is off for half the horizon, all of it, or three times as long."""
        process = self._some()
        if process.node is None:
            return False
        process.on_death = lambda _: None
        process.crash("fault")
        process.on_death = self._died
        halves = self._random.choice((1, 2, 6))
        if halves > 2 and self._other_forgets(process):
            self.held_back += 1  # its groups will count as forgotten, and those would be two
            halves = 1
        away_us = halves * self._knobs.away_ms // 2 * MS
        self._timeline.after(away_us, self._restart, process)
        if self._knobs.horizon_ms == self._knobs.away_ms:
            self._count(f"away for {halves / 2:g} horizons")
        return True

    # --- clocks ------------------------------------------------------------------------------

    def _clock_leap(self) -> bool:
        """A wall clock leaps far, and back after a while; only ever a minority does."""
        process = self._some()
        if len(self._leaping) >= (len(self._processes) - 1) // 2 or process.name in self._leaping:
            self.held_back += 1
            return False
        self._leaping[process.name] = None
        leap_ms = self._random.choice((2_000, 10_000, 3_600_000)) + self._random.randrange(1_000)
        process.clock.leap_ms = leap_ms if self._random.random() < 0.5 else -leap_ms
        self._timeline.after(self._span_us(3_000, _CUT_US_MAX), self._leap_back, process)
        return True

    def _leap_back(self, process: Process) -> None:
        process.clock.leap_ms = 0
        del self._leaping[process.name]

    def _clock_offset(self) -> bool:
        offset_ms = self._knobs.offset_ms
        if not offset_ms:
            return False
        self._some().clock.offset_ms = self._random.randint(-offset_ms, offset_ms)
        return True

    # --- disks -------------------------------------------------------------------------------

    def _write_error(self) -> bool:
        self._some().store.writes_to_fail = 1
        return True

    def _sync_error(self) -> bool:
        self._some().store.syncs_to_fail = 1
        return True

    def _slow_disk(self) -> bool:
        store = self._some().store
        store.slowness = self._random.choice(SLOWNESSES)
        if self._random.random() < 0.5:  # else reads come from memory, as fast as ever
            store.read_slowness = store.slowness
        self._timeline.after(self._span_us(2_000, 5 * SECOND), self._fast_disk, store)
        return True

    def _fast_disk(self, store: Store) -> None:
        store.slowness = store.read_slowness = 1

    def _full_disk(self) -> bool:
        """Less of a disk is free than its reserve, for a while."""
        store = self._some().store
        store.full = True
        self._timeline.after(self._span_us(2_000, _CUT_US_MAX), self._free_disk, store)
        return True

    def _free_disk(self, store: Store) -> None:
        store.full = False

    def _bit_flip(self) -> bool:
        """Flip bits in up to three rows of a disk, as far as the budget allows."""
        process = self._some()
        rows = [where for where in process.disk.rows if where[0] in self._flippable]
        return self._flip(process, self._random.sample(rows, min(3, len(rows))))

    def _fresh_flip(self) -> bool:
        """For a while a disk damages some of what it has just written.

        Mostly the other disks are slow to write meanwhile, so that the damage falls into the flight
        of writes that it acknowledged.
        """
        process = self._some()

        def flip(wheres: list[RowKey]) -> None:
            self._flip(process, [where for where in wheres if self._random.random() < 0.3])

        process.store.on_commit = flip
        slow = [p.store for p in self._processes if p is not process]
        if self._random.random() < 0.3:
            slow = []
        for store in slow:
            store.slowness = self._random.choice(SLOWNESSES)
        span_us = self._span_us(1_500, 5 * SECOND)
        self._timeline.after(span_us, self._end_fresh_flip, process.store, slow)
        return True

    def _end_fresh_flip(self, store: Store, slow: Sequence[Store]) -> None:
        store.on_commit = None
        for other in slow:
            self._fast_disk(other)

    def _older_image(self) -> bool:
        """A process comes back on a snapshot that was made up to 20 s ago."""
        return self._older.strike(self._some(), self._span_us(4_000, _IMAGE_US_MAX))

    def _may_forget(self, process: Process) -> bool:
        lost = alone_has_its_layout(process, self._processes)
        may = not (lost or self._other_forgets(process))
        self.held_back += not (may or self._healed)
        return may and not self._healed

    def _other_forgets(self, process: Process) -> bool:
        """Say whether another process has forgotten something, or may have."""
        others = [p for p in self._processes if p is not process]
        return any(p.disk.any_damaged() or forgetful(p) for p in others)

    def _flip(self, process: Process, wheres: Sequence[RowKey]) -> bool:
        flipped = 0
        for where in wheres:
            if where[0] not in self._flippable:
                continue  # of other keyspaces, whose replicas the budget does not count
            hint = where[0] != self._keyspace.keyspace_id  # which promises nothing of its own
            if process.disk.damaged(where) or not (hint or self._spares(process, where[1], where)):
                self.held_back += 1
                continue
            process.disk.damage(where, self._random.getrandbits(16))
            self._trace.add(f"{process.name} damaged {where[2]!r}")
            flipped += 1
        return flipped > 0

    def _spares(self, process: Process, group: int, where: RowKey) -> bool:
        """Say whether the budget allows to damage this row of the process.

        Whether another replica holds the row does not matter: what was acknowledged lies on Wq.
        """
        replicas = self._keyspace.placement[group]
        others = [p for p in self._processes if p is not process and p.name in replicas]
        return sum(p.disk.damaged(where) or forgetful(p) for p in others) < self._damage_max
