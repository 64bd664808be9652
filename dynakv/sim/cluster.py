"""One run: a cluster under faults and load, then healed; safety always, convergence at the end.

The order of the end matters. First everything heals and what is under way ends. Then the replicas
must become equal by themselves: rows, hash trees, nothing damaged, while no client asks for
anything. Then every key is read at the level `all`, at nodes whose caches are warm; then every
process is killed and started again, so that the second round of reads comes from the disks. At last
rows are compared once more, and every hash tree with one made from the rows of its disk.
"""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from dynakv.core.layout import Level, Mode, group_shift, token_of
from dynakv.core.record import Record, droppable
from dynakv.node.messages import Save
from dynakv.sim.calls import Call
from dynakv.sim.checkers import Checker
from dynakv.sim.disk import Disk
from dynakv.sim.drops import Drops
from dynakv.sim.equality import Equality
from dynakv.sim.hint_judge import HintJudge
from dynakv.sim.history import Violation, Write, record_text
from dynakv.sim.keyspaces import AGREED_S_MAX, MARK, KeyspaceLoad
from dynakv.sim.knobs import Knobs
from dynakv.sim.timeline import SECOND
from dynakv.sim.universe import Result, Universe, outcome_of
from dynakv.sim.workload import Workload

SETTLE_S = 8  # what was under way when the faults ended is over by then
HEALED_S_MAX = 30  # after this every node serves, every row is healed, every key was read
_READ_KEYS = 50
OK_PER_S_MIN = 10  # of entries: below this a run says nothing


class Cluster(Universe):
    """Everything of one run."""

    def __init__(self, knobs: Knobs) -> None:
        """Build the universe of these knobs."""
        random = Random(knobs.seed)  # noqa: S311 - a seed decides, nothing is secret
        random.random()  # the knobs were drawn from the same seed
        self.checker = Checker(knobs.clock_error_ms, knobs.cut_age_ms)
        super().__init__(knobs, random, Mode.LEADERLESS)
        self._shift = group_shift(knobs.groups)
        quorums = (self.keyspace.n, self.keyspace.rq, self.keyspace.wq)
        self.workload = Workload(
            self.timeline, random, self.trace, knobs, self.checker, self.processes, quorums
        )
        self.hint_judge = HintJudge(self.processes, self.keyspace)
        self.drops = Drops(self.keyspace, self.processes)
        self.equality = Equality(self.keyspace, self.processes)
        self.keyspaces = KeyspaceLoad(
            self.timeline, self.trace, self.workload, self.processes, knobs.seed
        )
        self._unread: dict[bytes, None] = {}
        self.workload.collected = self.collected
        for process in self.processes:
            process.on_late = self._late
            process.disk.on_written = partial(self._stored, process.name)

    def collected(self, key: bytes, time: int) -> bool:
        """Say whether a stamp of a key is as old as what its group has collected."""
        return time <= self.drops.floor(token_of(key, hash_tags=False) >> self._shift)

    def _late(self, save: Save) -> None:
        """A coordinator that had been paused sends what it had stamped before."""
        late = sum(self.collected(r.key, max(r.value_time, r.expiry_time)) for r in save.records)
        self.workload.count("coordinators' stamps sent after a collection", late)

    def _stored(self, name: str, records: Iterable[Record]) -> None:
        for record in records:
            self.checker.stored(record.value, name)

    def _watch(self, disk: Disk) -> Callable[[str, list[Record]], None]:
        def watch(_: str, records: list[Record]) -> None:
            mine = [record for record in records if not record.key.startswith(MARK)]
            self.checker.sent(disk.incarnation, mine, self.timeline.now_us)

        return watch

    # --- the run -----------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end; raises Violation."""
        self._trouble()
        self._heal()
        self._converge()
        self._read_everything("warm")
        self._restart_all()
        self._read_everything("cold")
        self._run_for(3 * SECOND)  # repairs of the last reads
        self._compare_rows()
        self._judge_trees()
        self.keyspaces.judge_the_end()
        self._demand_load(self.workload.counts, OK_PER_S_MIN)

    def _trouble(self) -> None:
        end_us = self._begin()
        self.workload.run(end_us)
        self.keyspaces.run(end_us)
        self.faults.run()
        self.timeline.run_until(end_us)

    def _heal(self) -> None:
        self.workload.calm = True
        self.faults.heal()
        self._run_for(SETTLE_S * SECOND)
        end_us = self.timeline.now_us + (AGREED_S_MAX - SETTLE_S) * SECOND
        while not self.keyspaces.agree():
            if self.timeline.now_us >= end_us:
                epochs = self.keyspaces.epochs()
                raise Violation("L10", f"{AGREED_S_MAX} s after healing layouts differ: {epochs}")
            self._run_for(SECOND)
        end_us = self.timeline.now_us + HEALED_S_MAX * SECOND
        while left := self.hint_judge.left():
            if self.timeline.now_us >= end_us:
                raise Violation("L12", f"hints left {HEALED_S_MAX} s after healing: {left}")
            self._run_for(SECOND)
        self.hint_judge.judge_figures()

    def _converge(self) -> None:
        """L2: without any client's help all replicas become equal, and their trees say so."""
        began_us = self.timeline.now_us
        seconds_max = HEALED_S_MAX + self._repair_s()
        while True:
            unequal = self.equality.unequal()
            if not unequal:
                break
            if self.timeline.now_us - began_us >= seconds_max * SECOND:
                raise Violation("L2", f"{seconds_max} s after healing: " + "\n    ".join(unequal))
            self._run_for(SECOND // 2)
        self.workload.count("ms to converge", (self.timeline.now_us - began_us) // 1000)

    def _repair_s(self) -> int:
        """Return what the pages take that bring a whole node what it lacks, in seconds."""
        knobs = self.knobs
        rows = max(len(process.disk.rows) for process in self.processes)
        page_ms = knobs.repair_pause_ms + 2 * knobs.delay_ms + knobs.read_ms + knobs.commit_ms
        return rows // knobs.repair_page_rows * page_ms // 1000

    def _judge_trees(self) -> None:
        """Every tree that is known stands for the rows on its disk, and never did not.

        Collection goes on: a tree may follow its disk by the time of a reply, not for long.
        """
        for _ in range(30):
            wrong = self.equality.wrong_trees()
            if not wrong:
                return
            self._run_for(SECOND // 10)
        raise Violation("trees", "\n    ".join(wrong))

    def _read_everything(self, round_name: str) -> None:
        """Read every key at `all` until it succeeds, with a probe at every node."""
        end_us = self.timeline.now_us + HEALED_S_MAX * SECOND
        self._unread = dict.fromkeys(self.checker.keys)
        probes = [b"probe-%s-%d" % (round_name.encode(), i) for i in range(self.knobs.nodes)]
        unwritten = dict.fromkeys(range(self.knobs.nodes))
        while self._unread or unwritten:
            if self.timeline.now_us >= end_us:
                raise Violation(
                    "L2",
                    f"{HEALED_S_MAX} s after healing, {round_name}: nodes {list(unwritten)} take"
                    f" no write, keys {list(self._unread)[:5]} of {len(self._unread)} unread",
                )
            for i in unwritten:
                self._probe(i, probes[i], unwritten)
            self._ask_unread()
            self._run_for(SECOND)

    def _probe(self, node: int, key: bytes, unwritten: dict[int, None]) -> None:
        def written(call: Call) -> None:
            if call.ok:
                unwritten.pop(node, None)

        write = Write(key, self.workload.value())
        self.workload.put([write], Level.ALL, node=node, then=written)

    def _ask_unread(self) -> None:
        keys = list(self._unread)

        def read(call: Call) -> None:
            for i in call.asked.found:
                self._unread.pop(call.asked.keys[i], None)

        for start in range(0, len(keys), _READ_KEYS):
            self.workload.get(
                keys[start : start + _READ_KEYS], Level.ALL, node=start // _READ_KEYS, then=read
            )

    # --- the end -----------------------------------------------------------------------------

    def _compare_rows(self) -> None:
        """L2: all replicas of a key hold the same row, and L1, L3: nothing below the floors."""
        for key in self.checker.keys:
            group = token_of(key, hash_tags=False) >> self._shift
            where = (int(self.keyspace.keyspace_id), group, key)
            floor = self.drops.floor(group)
            replicas = [self._by_name[node_id] for node_id in self.keyspace.placement[group]]
            rows = [_kept(process.disk.rows.get(where), floor) for process in replicas]
            first = rows[0]
            if any(row != first for row in rows) or any(p.disk.damaged(where) for p in replicas):
                texts = [f"{p.name}: {record_text(r)}" for p, r in zip(replicas, rows, strict=True)]
                raise Violation("L2", f"replicas of {key!r} differ:\n    " + "\n    ".join(texts))
            if first is not None:
                self.trace.add(f"final {key!r} {first.checksum:x}")
            self.checker.ended(key, first, self.timeline.now_us)

    def result(self, violation: Violation | None) -> Result:
        """Return what the run came to so far."""
        faults = dict(self.faults.counts)
        faults["held back by the budget"] = self.faults.held_back
        self.workload.count("reads judged", self.checker.checked_reads)
        self.workload.count("hints judged", self.hint_judge.removed)
        self.workload.count("expires judged", self.checker.decided_expires)
        self.workload.count("records dropped", self.drops.count)
        self.workload.count("turns with many clients", sum(p.gathered for p in self.processes))
        return self._result(violation, self.workload.counts, faults)


def simulate(knobs: Knobs) -> Result:
    """Run one universe and return what it came to; never raises Violation."""
    return outcome_of(Cluster(knobs))


def _kept(row: Record | None, floor: int) -> Record | None:
    """Return a row, but for one that may be dropped at any time: that counts as none."""
    return None if row is None or droppable(row, floor) else row
