"""Clients of a Raft keyspace: one thing at a time each, and what they saw, for the checkers.

Registers are read, written, deleted and compared and set; texts are appended to; counters are
incremented. Keys are used for a few seconds each, so that the search for an order stays short. A
client whose attempt ended without an answer mostly asks again under the same request id, at another
node: however often that is, it is one operation of the history.
"""

from collections.abc import Callable, Sequence
from random import Random

from dynakv.core.commands import (
    Append,
    Delete,
    Done,
    Forgotten,
    IfAbsent,
    IfValue,
    Increment,
    Operation,
    Put,
    Unmet,
)
from dynakv.errors import Kind
from dynakv.node.messages import ClientMessage, Found, Get, Refused, Stored
from dynakv.node.messages import Put as PutMessage
from dynakv.node.raft_messages import Execute, Executed
from dynakv.sim.clock import true_wall_ms
from dynakv.sim.history import Violation
from dynakv.sim.knobs import Knobs
from dynakv.sim.linearizability_history import Operation as Seen
from dynakv.sim.process import Process
from dynakv.sim.timeline import MS, SECOND, Timeline
from dynakv.sim.trace import Trace

CLIENTS = 8
KEY_SECONDS = 4  # then other keys are used
UNKNOWNS_MAX = 6  # outcomes of a key, then another is used: the search is exponential in them
ATTEMPTS_MAX = 5
NOTHING_DONE = (Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.TIMEOUT)
STALE_MS = (300, 1_000, 5_000)


class Stale:
    """A stale read, with what it saw."""

    __slots__ = ("ended_us", "key", "max_age_ms", "started_us", "value")

    def __init__(self, key: str, max_age_ms: int, started_us: int) -> None:
        """Begin to read."""
        self.key = key
        self.max_age_ms = max_age_ms
        self.started_us = started_us
        self.ended_us = 0
        self.value: object = None


class Attempt:
    """One message at one process; ends once, whatever happens to it."""

    __slots__ = ("_ended", "_over")

    def __init__(self, ended: Callable[[object | None], None]) -> None:
        """`ended` gets the reply, or None where nothing was heard."""
        self._ended = ended
        self._over = False

    def answered(self, reply: object) -> bool:
        """Take the one part of the answer."""
        self.end(reply)
        return True

    def broken(self) -> None:
        """The process died."""
        self.end(None)

    def end(self, reply: object | None) -> None:
        """End, if that did not happen yet."""
        if not self._over:
            self._over = True
            self._ended(reply)


class Client:
    """Asks for one thing after the other."""

    def __init__(self, workload: "RaftWorkload", number: int) -> None:
        """Prepare a client of its own request ids."""
        self._workload = workload
        self._process = number  # in the history: another one after an unknown outcome
        self._client = workload.random.getrandbits(63) | 1
        self._sequence = 0
        self._known: dict[str, object] = {}

    def ask(self) -> None:
        """Begin the next operation, unless the workload is over."""
        workload = self._workload
        if workload.over:
            return
        random = workload.random
        kind = random.choice(("r", "r", "a", "c"))
        key = f"{kind}{workload.timeline.now_us // (KEY_SECONDS * SECOND)}-{random.randrange(2)}"
        key += "+" * (workload.unknowns.get(key, 0) // UNKNOWNS_MAX)
        if random.random() < 0.4:
            if random.random() < 0.2:
                self._stale(key)
            else:
                self._do(key, "read", None, Get("default", [key.encode()]))
        elif kind == "r":
            self._write_register(key)
        elif kind == "a":
            text = f"{workload.value()},"
            self._execute(key, "append", text, Append(key.encode(), text.encode()))
        else:
            amount = random.choice((1, 2, -3))
            self._execute(key, "incr", amount, Increment(key.encode(), amount))

    def _write_register(self, key: str) -> None:
        workload, raw = self._workload, key.encode()
        value = workload.value()
        choice = workload.random.random()
        if choice < 0.35 and key in self._known:
            old = self._known[key]
            condition = IfAbsent() if old is None else IfValue(str(old).encode())
            put = Put(raw, value.encode(), condition=condition)
            self._execute(key, "cas", (old, value), put)
        elif choice < 0.5:
            self._execute(key, "delete", None, Delete(raw))
        elif choice < 0.75:
            self._execute(key, "write", value, Put(raw, value.encode()))
        else:
            self._do(key, "write", value, PutMessage("default", [raw], [value.encode()]))

    def _execute(self, key: str, f: str, value: object, operation: Operation) -> None:
        self._sequence += 1
        message = Execute(
            "default",
            [(operation,)],
            [self._client],
            [self._sequence],
            [self._sequence],
            [self._workload.wall_ms()],
        )
        self._do(key, f, value, message)

    def _do(self, key: str, f: str, value: object, message: ClientMessage) -> None:
        started_us = self._workload.timeline.now_us
        self._attempt(1, key, f, value, message, started_us, perhaps=False)

    def _attempt(
        self,
        attempt: int,
        key: str,
        f: str,
        value: object,
        message: ClientMessage,
        started_us: int,
        *,
        perhaps: bool,
    ) -> None:
        workload = self._workload

        def ended(reply: object | None) -> None:
            unheard = reply is None or (
                isinstance(reply, Refused) and reply.failure.kind is Kind.UNKNOWN
            )
            refused = isinstance(reply, Refused) and not unheard
            again = perhaps or unheard
            if (unheard or refused) and self._tries_again(attempt, message, refused=refused):
                workload.count("retries")
                workload.timeline.after(
                    workload.random.randrange(200 * MS),
                    lambda: self._attempt(
                        attempt + 1, key, f, value, message, started_us, perhaps=again
                    ),
                )
                return
            if refused and not perhaps:
                assert isinstance(reply, Refused)
                if reply.failure.kind not in NOTHING_DONE:
                    raise Violation("answers", f"{f} {key} was refused: {reply.failure}")
                workload.count(f"failed {reply.failure.kind.value}")
            elif unheard or refused:
                self._unknown(key, f, value, started_us)
            else:
                self._heard(key, f, value, started_us, reply)
            workload.later(self.ask)

        workload.send(message, Attempt(ended))

    def _tries_again(self, attempt: int, message: ClientMessage, *, refused: bool) -> bool:
        if attempt >= ATTEMPTS_MAX or not isinstance(message, Execute) or self._workload.over:
            return False
        return self._workload.random.random() < (0.3 if refused else 0.8)

    def _unknown(self, key: str, f: str, value: object, started_us: int) -> None:
        workload = self._workload
        workload.count("unknown")
        if f != "read":
            plain = key.rstrip("+")
            workload.unknowns[plain] = workload.unknowns.get(plain, 0) + 1
            workload.saw(self._process, f, key, value, started_us, ended=False)
            self._process += CLIENTS  # it never asks for anything any more

    def _heard(self, key: str, f: str, value: object, started_us: int, reply: object) -> None:
        workload = self._workload
        result: object = None
        mismatch = False
        match reply:
            case Found():
                record = reply.records[0]
                result = None if record is None else (record.value or b"").decode()
                if key[0] == "c" and isinstance(result, str):
                    result = int(result)
                self._known[key] = result
            case Stored():
                self._known[key] = value
            case Executed():
                one = reply.results[0][0]
                if isinstance(one, Forgotten):
                    self._unknown(key, f, value, started_us)
                    return
                mismatch = isinstance(one, Unmet)
                if not isinstance(one, Done) and not (mismatch and f == "cas"):
                    raise Violation("answers", f"{f} {key} came to {one}")
                result = one.number if isinstance(one, Done) and f == "incr" else None
                if f in ("write", "cas") and not mismatch:
                    self._known[key] = value[1] if isinstance(value, tuple) else value
            case _:
                raise Violation("answers", f"{f} {key} was answered by {reply}")
        workload.count("ok")
        workload.saw(
            self._process, f, key, value, started_us, ended=True, result=result, mismatch=mismatch
        )

    def _stale(self, key: str) -> None:
        workload = self._workload
        max_age_ms = workload.random.choice(STALE_MS)
        stale = Stale(key, max_age_ms, workload.timeline.now_us)

        def ended(reply: object | None) -> None:
            if isinstance(reply, Found):
                record = reply.records[0]
                stale.value = None if record is None else (record.value or b"").decode()
                stale.ended_us = workload.timeline.now_us
                workload.stale.append(stale)
                workload.count("ok")
            workload.later(self.ask)

        workload.send(Get("default", [key.encode()], max_age_ms=max_age_ms), Attempt(ended))


class RaftWorkload:
    """All clients, and the history of what they saw."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        trace: Trace,
        knobs: Knobs,
        processes: Sequence[Process],
    ) -> None:
        """Prepare; `run` begins."""
        self.timeline = timeline
        self.random = random
        self.over = False
        self.calm = False
        self.seen: list[Seen] = []
        self.stale: list[Stale] = []
        self.counts: dict[str, int] = {}
        self.unknowns: dict[str, int] = {}  # of writes, by key
        self._trace = trace
        self._knobs = knobs
        self._processes = processes
        self._values = 0
        self._orders = 0

    def run(self) -> None:
        """Let every client ask."""
        for number in range(CLIENTS):
            self.later(Client(self, number).ask)

    def later(self, act: Callable[[], None]) -> None:
        """Let a client think."""
        mean_us = CLIENTS * SECOND // self._knobs.calls_per_s
        self.timeline.after(int(self.random.expovariate(1 / mean_us)), act)

    def value(self) -> str:
        """Return a value that nobody has written yet."""
        self._values += 1
        return f"v{self._values}"

    def wall_ms(self) -> int:
        """Return what the clients' clocks say."""
        return true_wall_ms(self.timeline.now_us)

    def count(self, what: str) -> None:
        """Count something for the summary."""
        self.count_by(what, 1)

    def count_by(self, what: str, number: int) -> None:
        """Add a number to the summary."""
        self.counts[what] = self.counts.get(what, 0) + number

    def send(self, message: ClientMessage, attempt: Attempt, node: int | None = None) -> None:
        """Hand a message to some process; at last the attempt ends with nothing heard."""
        process = self.random.choice(self._processes)
        if node is not None:
            process = self._processes[node]
        elif isinstance(message, Get) and self.random.random() < 0.4:
            process = self._eldest_leader() or process
        self.timeline.after(self._way_us(), process.client, message, _Door(self, attempt))
        patience_us = (self._knobs.attempt_ms + 500) * MS + SECOND
        self.timeline.after(patience_us, attempt.end, None)

    def _eldest_leader(self) -> Process | None:
        """Return the process that believes that it leads, and of several the one with least right.

        A read there shows whether a leader makes sure of itself before it answers.
        """
        claims = [
            (group.raft.member.term, process.name, process)
            for process in self._processes
            if process.node is not None
            for group in process.node.raft.consensus.groups.values()
            if group.leads
        ]
        return min(claims)[2] if claims else None

    def _way_us(self) -> int:
        return 100 + self.random.randrange(2 * MS)

    def saw(
        self,
        process: int,
        f: str,
        key: str,
        value: object,
        started_us: int,
        *,
        ended: bool,
        result: object = None,
        mismatch: bool = False,
    ) -> None:
        """Add an operation to the history."""
        self._orders += 1
        now_us = self.timeline.now_us
        seen = Seen(
            process,
            f,
            key,
            value,
            started_us,
            now_us if ended else None,
            result,
            mismatch,
            self._orders,
        )
        self.seen.append(seen)
        self._trace.add(f"client {seen}")

    def hears(self) -> bool:
        """Say whether an answer reaches its client."""
        return self.calm or self.random.random() >= self._knobs.answer_loss_share


class _Door:
    """Takes the answer at the process; the client hears of it a little later, or never."""

    __slots__ = ("_attempt", "_workload")

    def __init__(self, workload: RaftWorkload, attempt: Attempt) -> None:
        self._workload = workload
        self._attempt = attempt

    def answered(self, reply: object) -> bool:
        """Take the one part of the answer."""
        if self._workload.hears():
            delay_us = 100 + self._workload.random.randrange(2 * MS)
            self._workload.timeline.after(delay_us, self._attempt.end, reply)
        return True

    def broken(self) -> None:
        """The process died."""
        self._attempt.broken()
