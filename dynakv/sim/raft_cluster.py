"""One run in Raft mode: groups under faults and load, judged after every event, then healed.

    python -m dynakv.sim --raft --seed 7

At the end everything heals: every group must have a leader within ten election timeouts, every node
must serve, all replicas must have applied the same, and what the clients saw must be linearizable,
key by key. A stale read must not show what was replaced longer ago than it accepted.
"""

from random import Random

from dynakv.core.commands import Put
from dynakv.core.layout import Mode
from dynakv.core.raft_rows import STATE_KEY, state_keyspace, state_of
from dynakv.node.messages import Get
from dynakv.node.raft_group import Group
from dynakv.node.raft_messages import Execute, Executed
from dynakv.sim.history import Violation
from dynakv.sim.knobs import Knobs
from dynakv.sim.linearizability import Outcome, check
from dynakv.sim.linearizability_models import APPEND, CAS_REGISTER, COUNTER
from dynakv.sim.process import Process
from dynakv.sim.raft_checks import RaftChecks
from dynakv.sim.raft_workload import Attempt, RaftWorkload, Stale
from dynakv.sim.timeline import MS, SECOND
from dynakv.sim.universe import Result, Universe, outcome_of

MODELS = {"r": CAS_REGISTER, "a": APPEND, "c": COUNTER}
ELECTION_TIMEOUTS = 10  # after healing, each of up to 2 * RAFT_ELECTION_TICKS ticks
SETTLE_S = 8
HEALED_S_MAX = 30
OK_PER_S_MIN = 5  # clients wait for each answer: fewer than in the other modes


class RaftCluster(Universe):
    """Everything of one run."""

    def __init__(self, knobs: Knobs) -> None:
        """Build the universe of these knobs."""
        super().__init__(knobs, Random(knobs.seed + 1), Mode.RAFT)  # noqa: S311 - a seed decides
        self.checks = RaftChecks(int(self.keyspace.keyspace_id), self.processes)
        self.network.on_send = self.checks.sent
        self.workload = RaftWorkload(self.timeline, self.random, self.trace, knobs, self.processes)

    # --- the run -----------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end; raises Violation."""
        end_us = self._begin()
        self.workload.run()
        self.faults.run()
        self.timeline.run_until(end_us)
        self._heal()
        self._serve_everywhere("warm")
        self._judge_histories()
        self._equal()
        self._restart_all()
        self._serve_everywhere("cold")
        self._equal()
        self._demand_load(self.workload.counts, OK_PER_S_MIN)

    def _heal(self) -> None:
        self.workload.calm = True
        self.faults.heal()
        began_us = self.timeline.now_us
        # The trust in clocks and the last slow commits first: they are no matter of elections.
        ticks = 2 * 10 * ELECTION_TIMEOUTS
        within_us = ticks * self.knobs.raft_tick_ms * MS + SECOND
        while missing := self._leaderless():
            if self.timeline.now_us - began_us > within_us:
                raise Violation("raft leader", f"no leader of groups {missing} after healing")
            self._run_for(SECOND // 10)
        self.workload.count_by("ms to a leader", (self.timeline.now_us - began_us) // 1000)
        self.workload.over = True
        self._run_for(SETTLE_S * SECOND)

    def _leaderless(self) -> list[int]:
        groups = [group for process in self.processes for group in _groups_of(process)]
        led = {group.where[1] for group in groups if group.leads}
        return [group for group in range(self.knobs.groups) if group not in led]

    def _serve_everywhere(self, round_name: str) -> None:
        """Every node takes a write and reads it back, in every group that it meets."""
        left = dict.fromkeys((node, probe) for node in range(self.knobs.nodes) for probe in (0, 1))
        end_us = self.timeline.now_us + HEALED_S_MAX * SECOND
        while left:
            if self.timeline.now_us >= end_us:
                raise Violation("raft serves", f"{round_name}: not served: {list(left)}")
            for node, probe in left:
                self._probe(node, probe, left)
            self._run_for(SECOND)

    def _probe(self, node: int, probe: int, left: dict[tuple[int, int], None]) -> None:
        key = b"probe-%d-%d" % (node, probe)

        def written(reply: object) -> None:
            if isinstance(reply, Executed):
                self.workload.send(Get("default", [key]), Attempt(read), node)

        def read(reply: object) -> None:
            records = getattr(reply, "records", None)
            if records and records[0] is not None:
                left.pop((node, probe), None)

        message = Execute("default", [(Put(key, b"v"),)])
        self.workload.send(message, Attempt(written), node)

    # --- the end -----------------------------------------------------------------------------

    def _judge_histories(self) -> None:
        for kind, model in MODELS.items():
            seen = [operation for operation in self.workload.seen if operation.key[0] == kind]
            for verdict in check(seen, model):
                if verdict.outcome is not Outcome.LINEARIZABLE:
                    told = "\n    ".join(
                        str(operation) for operation in seen if operation.key == verdict.key
                    )
                    raise Violation(f"raft {verdict.outcome.value}", f"{verdict}\n    {told}")
        for stale in self.workload.stale:
            self._judge_stale(stale)

    def _judge_stale(self, stale: Stale) -> None:
        """Nobody overwrote what was shown longer ago than the read accepted."""
        if stale.key[0] != "r":
            return
        slack_ms = 2 * self.knobs.clock_error_ms
        since_us = stale.started_us - (stale.max_age_ms + slack_ms) * MS
        of_key = [operation for operation in self.workload.seen if operation.key == stale.key]
        writes = [operation for operation in of_key if operation.ended is not None]
        if stale.value is None:
            deleted = any(operation.f == "delete" for operation in of_key)
            early = [w for w in writes if w.f == "write" and (w.ended or 0) < since_us]
            if early and not deleted:
                raise Violation("raft stale", f"{stale.key} shows nothing, after {early[0]}")
            return
        shown = [w for w in writes if w.f in ("write", "cas") and _writes(w.value) == stale.value]
        for write in shown:
            assert write.ended is not None
            for later in writes:
                over = later.f in ("write", "delete") and later.started > write.ended
                assert later.ended is not None
                if over and later.ended < since_us:
                    raise Violation("raft stale", f"{stale.key} shows {write}, after {later}")

    def _equal(self) -> None:
        """All replicas of a group become equal: the same index, the same rows."""
        for _ in range(HEALED_S_MAX):
            unequal = [g for g in range(self.knobs.groups) if len(self._applied(g)) > 1]
            if not unequal:
                return
            self._run_for(SECOND)
        raise Violation("raft converge", f"groups {unequal}: {self._applied(unequal[0])}")

    def _applied(self, group: int) -> set[int]:
        keyspace = int(self.keyspace.keyspace_id)
        applied: set[int] = set()
        for node in self.keyspace.placement[group]:
            row = self._by_name[node].disk.rows.get((state_keyspace(keyspace), group, STATE_KEY))
            applied.add(0 if row is None else state_of(row).applied)
        return applied

    def result(self, violation: Violation | None) -> Result:
        """Return what the run came to so far."""
        checks, counts = self.checks, self.workload.counts
        counts["elections"] = checks.elections
        counts["equal states"] = checks.states_compared
        counts["messages judged"] = checks.messages_judged
        return self._result(violation, counts, dict(self.faults.counts))


def simulate_raft(knobs: Knobs) -> Result:
    """Run one universe and return what it came to; never raises Violation."""
    return outcome_of(RaftCluster(knobs))


def _groups_of(process: Process) -> list[Group]:
    return [] if process.node is None else list(process.node.raft.consensus.groups.values())


def _writes(value: object) -> object:
    return value[1] if isinstance(value, tuple) else value
