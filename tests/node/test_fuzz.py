"""Claims about a few nodes under random faults; each seed is one universe.

Messages are lost, delayed and reordered, disks lag, nodes restart, clocks leap, rows rot. Whatever
happens, acknowledged quorum writes stay visible, quorum reads never go backwards, what was refused
never surfaces, and every entry is answered once. Then all heals, and the replicas agree.
"""

from collections.abc import Callable
from random import Random

from dynakv.core.layout import Level
from dynakv.core.record import Record, covers
from dynakv.errors import Kind
from dynakv.node.messages import (
    KEEP_EXPIRY,
    Ask,
    Expire,
    Expired,
    Failed,
    Found,
    Get,
    Load,
    Put,
    Reason,
    Refused,
    Stored,
)
from tests.node.cluster import warmed

SEEDS = 100
STEPS = 150
KEYS = (b"a", b"b", b"c")
ATTEMPT_MS = 200
HEAL_AFTER_MS = 500  # two attempts, each rounded up to its bucket

Message = Put | Get | Expire


class Asked:
    """What a client asked, what was promised before, and which entries were answered."""

    def __init__(self, message: Message, at: str, promised: dict[bytes, Record]) -> None:
        self.message = message
        self.at = at
        self.promised = dict(promised)
        self.answered: set[int] = set()


class Universe:
    """A cluster, its faults, and what its clients were told."""

    def __init__(self, seed: int, *, damage: bool, crashes: bool) -> None:
        self.random = random = Random(seed)
        self.damage = damage
        self.crashes = crashes
        nodes = random.choice([3, 3, 4, 5])
        self.cluster = cluster = warmed(
            nodes,
            replicas=random.choice([3, nodes]),
            config={
                "cache_bytes_max": random.choice([0, 1 << 20]),
                "attempt_ms": ATTEMPT_MS,
                "heal_after_ms": HEAL_AFTER_MS,
            },
        )
        self.nodes = list(cluster.nodes)
        self.starts = dict.fromkeys(self.nodes, 1)
        self.loss = random.choice([0, 0.05, 0.2])
        self.delay = random.choice([0.3, 0.6, 0.9])
        self.delayed: list[Callable[[], None]] = []
        self.disks: dict[str, list[Ask]] = {node: [] for node in self.nodes}
        self.asked: dict[int, Asked] = {}
        self.promised: dict[bytes, Record] = {}  # stamps only: what every later read must cover
        self.refused: set[tuple[bytes, bytes | None]] = set()
        self.step = 0
        self.reliable = (cluster._deliver, cluster._reply, cluster._serve)
        cluster._deliver = self._deliver  # type: ignore[method-assign]
        cluster._reply = self._reply  # type: ignore[method-assign]
        cluster._serve = self._queue  # type: ignore[method-assign]

    def run(self) -> None:
        """Let faults rule for a while, then heal and compare."""
        for self.step in range(STEPS):
            self._act(self.random.random())
            self.cluster.run()
            self._check()
        self._heal()
        for asked in self.asked.values():
            assert asked.answered == set(range(len(asked.message.keys))), asked.message
        for node in self.nodes:
            assert len(self.cluster.nodes[node].context._asks) <= len(self.nodes)
        for key in KEYS:
            self._compare(key)

    def _act(self, dice: float) -> None:
        random, cluster = self.random, self.cluster
        node = random.choice(self.nodes)
        if dice < 0.25:
            message = self._message()
            call = cluster.submit(message, node)
            self.asked[call] = Asked(message, node, self.promised)
        elif dice < 0.50:
            if self.delayed:
                self.delayed.pop(random.randrange(len(self.delayed)))()
        elif dice < 0.75:
            for _ in range(random.randint(1, 3)):
                self._serve(node)
        elif dice < 0.83:
            cluster.pass_ms(random.choice([10, 50, 300]))
        elif dice < 0.86 and self.damage:
            self._damage(random.choice(KEYS))
        elif dice < 0.88 and self.crashes:
            self._restart(node)
        elif dice < 0.91 and self.crashes:
            self._set_clock(node)

    def _message(self) -> Message:
        random = self.random
        keys = [random.choice(KEYS) for _ in range(random.choice([1, 1, 2, 3]))]
        dice = random.random()
        if dice < 0.45:
            values = [random.choice([None, b"%d.%d" % (self.step, i)]) for i in range(len(keys))]
            ttls_ms = [random.choice([0, 100_000]) for _ in keys] if random.random() < 0.2 else None
            keeps = ttls_ms is None and random.random() < 0.2
            expiries_ms = [KEEP_EXPIRY] * len(keys) if keeps else None
            previous = random.random() < 0.3
            return Put("default", keys, values, ttls_ms, expiries_ms, previous=previous)
        if dice < 0.9:
            return Get("default", keys)
        return Expire("default", keys, [random.choice([0, 100_000]) for _ in keys])

    # --- faults ------------------------------------------------------------------------------

    def _later(self, event: Callable[[], None]) -> None:
        if self.random.random() < self.delay:
            self.delayed.append(event)
        else:
            event()

    def _deliver(self, sender: str, ask: Ask) -> None:
        cluster = self.cluster

        def arrive() -> None:
            if cluster.now.mono_ms <= ask.deadline_ms:
                self.reliable[0](sender, ask)
            else:
                cluster._fail(sender, ask, Reason.BROKEN)

        if self.random.random() < self.loss:
            reasons = [Reason.BROKEN, Reason.UNREACHABLE, Reason.OVERLOADED]
            cluster._fail(sender, ask, self.random.choice(reasons))
        else:
            self._later(arrive)

    def _reply(self, node_id: str, peer: tuple[str, int], reply: object) -> None:
        deliver = self.reliable[1]
        lost = self.random.random() < self.loss
        self._later(lambda: deliver(node_id, peer, Failed(Reason.BROKEN) if lost else reply))

    def _queue(self, node_id: str, ask: Ask) -> None:
        self.disks[node_id].append(ask)

    def _serve(self, node: str) -> None:
        if self.disks[node]:
            self.reliable[2](node, self.disks[node].pop(0))

    def _restart(self, node: str) -> None:
        """Begin a new life: what was not on disk and what its clients waited for is gone."""
        self.disks[node].clear()
        self.starts[node] += 1
        self.cluster.restart(node, starts=self.starts[node])
        self.asked = {call: asked for call, asked in self.asked.items() if asked.at != node}

    def _set_clock(self, node: str) -> None:
        """Set a wall clock; one at a time may be far off, since a majority of them is believed."""
        skews_ms = self.cluster.skew_ms
        choice = [0, 0, 100, -100]
        if all(abs(ms) <= 100 for other, ms in skews_ms.items() if other != node):
            choice += [900, 3_600_000, -3_600_000]
        skews_ms[node] = self.random.choice(choice)

    def _damage(self, key: bytes) -> None:
        """Let a row rot, if all other replicas hold what was promised: one copy may be lost."""
        cluster = self.cluster
        node = self.random.choice(cluster.replicas_of(key))
        promised = self.promised.get(key)
        rows = {
            n: disk.row(where)
            for n, disk in cluster.disks.items()
            for where in disk.rows
            if where[2] == key
        }
        row = rows.pop(node, None)
        full = len(rows) == len(cluster.replicas_of(key)) - 1 and all(
            isinstance(other, Record) and (promised is None or covers(other, promised))
            for other in rows.values()
        )
        if full and isinstance(row, Record) and row.value:
            cluster.flip(node, key)

    # --- checks ------------------------------------------------------------------------------

    def _check(self) -> None:
        answers, self.cluster.answers = self.cluster.answers, []
        promises: list[Record] = []
        for call, reply in answers:
            if call not in self.asked:
                continue
            asked = self.asked[call]
            assert isinstance(reply, Stored | Found | Expired | Refused), reply
            for position, entry in enumerate(reply.entries):
                assert entry not in asked.answered, ("answered twice", asked.message, reply)
                asked.answered.add(entry)
                promise = self._promise(asked, entry, reply, position)
                if promise is not None:
                    promises.append(promise)
        for promise in promises:
            known = self.promised.get(promise.key)
            self.promised[promise.key] = promise if known is None else _newest(known, promise)

    def _promise(self, asked: Asked, entry: int, reply: object, position: int) -> Record | None:
        """Check one entry of an answer; return what every later read has to cover."""
        message, key = asked.message, asked.message.keys[entry]
        if isinstance(reply, Found):
            record = reply.records[position]
            floor = asked.promised.get(key)
            if floor is not None:
                assert record is not None
                assert covers(record, floor), ("went backwards", record, floor)
            if record is not None:
                assert (key, record.value) not in self.refused, ("refused, yet there", record)
            return record
        if isinstance(message, Put) and isinstance(reply, Stored):
            time, writer = reply.times[position], reply.writers[position]
            keeps = message.expiries_ms is not None and message.values[entry] is not None
            stamp = (0, 0) if keeps else (time, writer)
            return Record(key, b"", time, writer, 0, *stamp, 0)
        if isinstance(message, Put) and isinstance(reply, Refused):
            value = message.values[entry]
            if value is not None and reply.failure.kind is not Kind.UNKNOWN:
                self.refused.add((key, value))
        return None

    # --- healing -----------------------------------------------------------------------------

    def _heal(self) -> None:
        cluster = self.cluster
        cluster._deliver, cluster._reply, cluster._serve = self.reliable  # type: ignore[method-assign]
        cluster.skew_ms.clear()
        for event in self.delayed:
            event()
        for node in self.nodes:
            while self.disks[node]:
                self._serve(node)
        cluster.run()
        cluster.pass_ms(1_500)  # deadlines are over, heartbeats restore trust
        self._check()
        keyspace = cluster.nodes["n1"].context.by_name["default"].keyspace_id
        for key in KEYS:
            for node in cluster.replicas_of(key):
                cluster.ask(Load(keyspace, 1, [key]), node)  # so that damage is noticed
        cluster.pass_ms(HEAL_AFTER_MS)

    def _compare(self, key: bytes) -> None:
        cluster = self.cluster
        cluster.ask(Get("default", [key], Level.ALL))  # heals; damaged rows are no answers yet
        (found,) = cluster.ask(Get("default", [key], Level.ALL))
        assert isinstance(found, Found), found
        (record,) = found.records
        promised = self.promised.get(key)
        if promised is not None:
            assert record is not None
            assert covers(record, promised), ("lost", record, promised)
        rows = cluster.rows(key)
        if record is not None:
            assert set(rows) == set(cluster.replicas_of(key))
        assert {row == record for row in rows.values()} <= {True}


def _newest(a: Record, b: Record) -> Record:
    value = max((a.value_time, a.value_writer), (b.value_time, b.value_writer))
    expiry = max((a.expiry_time, a.expiry_writer), (b.expiry_time, b.expiry_writer))
    return Record(a.key, b"", *value, 0, *expiry, 0)


def run_seeds(first: int, count: int, *, damage: bool, crashes: bool) -> None:
    for seed in range(first, first + count):
        try:
            Universe(seed, damage=damage, crashes=crashes).run()
        except AssertionError as error:
            error.add_note(f"seed {seed}, {damage=}, {crashes=}")
            raise


def test_no_promise_is_broken_when_messages_are_lost_delayed_and_reordered() -> None:
    run_seeds(0, SEEDS, damage=False, crashes=False)


def test_no_promise_is_broken_when_rows_rot() -> None:
    run_seeds(1_000, SEEDS, damage=True, crashes=False)


def test_no_promise_is_broken_when_nodes_restart_and_clocks_leap() -> None:
    run_seeds(2_000, SEEDS, damage=False, crashes=True)


def test_no_promise_is_broken_when_all_of_it_happens() -> None:
    run_seeds(3_000, SEEDS, damage=True, crashes=True)
