"""Gossip among many members in one process: `python -m dynakv.sim.gossip` prints its figures.

Only the failure detector runs here, not the nodes around it: so 200 members fit. Messages are
delayed and lost, members are killed, paused, started again and cut off from each other; one
`Random(seed)` decides, and the same seed gives the same run. Bytes are those of the messages as
MessagePack, one reply to each question; the frames of a connection come on top.
"""

import argparse
import heapq
import statistics
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from dynakv.core.gossip import Gossip, Times
from dynakv.core.gossip_messages import Question, Reply, Sync, Vitals
from dynakv.core.suspicion import State

DELAY_MS_MAX: Final = 50
LOSS_PERCENT: Final = 5
SIZES: Final = (3, 5, 10, 20, 50, 100, 200)
_ENCODER: Final = msgspec.msgpack.Encoder()

Event = Callable[[], None]


class Verdict(Struct, frozen=True):
    """A change of mind: who, when, of whom, to what, and whether that one was up and reachable."""

    at_ms: int
    by: str
    of: str
    state: State
    wrong: bool


class _Process:
    """One member as the world sees it."""

    def __init__(self, gossip: Gossip) -> None:
        self.gossip = gossip
        self.life = 0  # rises with every start
        self.up = True
        self.paused_until_ms = 0
        self.woken_ms = -1  # when its next tick is scheduled
        self.side = 0  # of a partition
        self.sent_bytes = 0
        self.sync_bytes = 0


class World:
    """Members `m0`, `m1`, ... and the network between them."""

    def __init__(
        self, count: int, seed: int, loss_percent: int = LOSS_PERCENT, times: Times | None = None
    ) -> None:
        """Start them all at 0 ms."""
        self.now_ms = 0
        self.verdicts: list[Verdict] = []
        self.random = Random(seed)  # noqa: S311  not a secret: a universe that can be repeated
        self.loss_percent = loss_percent
        self.names = [f"m{i}" for i in range(count)]
        self._times = times or Times()
        self._events: list[tuple[int, int, Event]] = []
        self._sequence = 0
        self._cluster = dict.fromkeys(self.names, 7)
        self.processes = {name: _Process(self._gossip(name)) for name in self.names}
        for name in self.names:
            self._wake(name)

    def run(self, ms: int) -> None:
        """Let so much time pass."""
        end_ms = self.now_ms + ms
        while self._events and self._events[0][0] <= end_ms:
            self.now_ms, _, event = heapq.heappop(self._events)
            event()
        self.now_ms = end_ms

    def kill(self, name: str) -> None:
        """Stop a member without a word."""
        self.processes[name].up = False

    def start(self, name: str, cluster_id: int = 7) -> None:
        """Start a member anew; it remembers nothing."""
        process = self.processes[name]
        self._cluster[name] = cluster_id
        process.gossip = self._gossip(name)
        process.life += 1
        process.up, process.woken_ms = True, -1
        self._wake(name)

    def pause(self, name: str, ms: int) -> None:
        """Let a member do nothing for a while; what arrives meanwhile waits."""
        self.processes[name].paused_until_ms = self.now_ms + ms

    def split(self, names: Iterable[str]) -> None:
        """Cut these members off from the others; none: heal."""
        chosen = frozenset(names)
        for name, process in self.processes.items():
            process.side = int(name in chosen)

    def states_of(self, name: str) -> list[State]:
        """Return what the running members believe of one of them."""
        return [
            process.gossip.states()[name]
            for other, process in self.processes.items()
            if other != name and process.up
        ]

    def _gossip(self, name: str) -> Gossip:
        gossip = Gossip(
            name,
            self.names,
            self._cluster[name],
            self._times,
            self.random,
            lambda to, question, timeout_ms, then: self._ask(name, to, question, timeout_ms, then),
            self.now_ms,
        )
        gossip.describe(Vitals(version="0.1.0", load=100, disk_used_bytes=1 << 30))
        return gossip

    def _at(self, at_ms: int, name: str, event: Event) -> None:
        """Run an event in a member, unless it was stopped; later if it is paused then."""
        process = self.processes[name]
        life = process.life

        def happen() -> None:
            if process.paused_until_ms > self.now_ms:
                self._at(process.paused_until_ms, name, event)
            elif process.up and process.life == life:
                event()
                self._judge(name)
                self._wake(name)

        heapq.heappush(self._events, (at_ms, self._sequence, happen))
        self._sequence += 1

    def _wake(self, name: str) -> None:
        """Schedule the next tick, unless one is scheduled that comes before it is due."""
        process = self.processes[name]
        due_ms = max(self.now_ms + 1, process.gossip.wake_at())
        if self.now_ms < process.woken_ms <= due_ms:
            return
        process.woken_ms = due_ms

        def tick() -> None:
            if process.gossip.wake_at() <= self.now_ms:
                process.gossip.tick(self.now_ms)

        self._at(due_ms, name, tick)

    def _judge(self, name: str) -> None:
        for of, state in self.processes[name].gossip.take_changes():
            other = self.processes[of]
            reachable = other.up and other.side == self.processes[name].side
            wrong = reachable and other.paused_until_ms + self._times.probe < self.now_ms
            self.verdicts.append(Verdict(self.now_ms, name, of, state, wrong))

    def _ask(
        self,
        name: str,
        to: str,
        question: Question,
        timeout_ms: int,
        then: Callable[[Reply | None, int], None],
    ) -> None:
        ended = False

        def end(reply: Reply | None) -> None:
            nonlocal ended
            if not ended:
                ended = True
                then(reply, self.now_ms)

        def answer(reply: Reply) -> None:
            self._send(to, name, reply, lambda: end(reply))

        def arrive() -> None:
            self.processes[to].gossip.asked(name, question, self.now_ms, answer)

        self._send(name, to, question, arrive)
        self._at(self.now_ms + timeout_ms, name, lambda: end(None))

    def _send(self, name: str, to: str, message: Question | Reply, arrive: Event) -> None:
        process = self.processes[name]
        size = len(_ENCODER.encode(message))
        if isinstance(message, Sync):
            process.sync_bytes += size
        else:
            process.sent_bytes += size
        lost = self.random.randrange(100) < self.loss_percent
        if not lost and process.side == self.processes[to].side:
            self._at(self.now_ms + self.random.randint(1, DELAY_MS_MAX), to, arrive)


class Figures(Struct, frozen=True):
    """What was seen of one size. Times from the death to the verdict, in milliseconds."""

    members: int
    first_ms: list[int]  # of each death: until the first member took it for dead
    all_ms: list[int]  # until the last one did
    member_s: int  # seconds of members that were watched without any death
    suspected: int  # members that were up, as seen by single others
    declared: int  # taken for dead although they were up
    bytes_s: float  # sent by one member each second, without the syncs
    sync_bytes_s: float


def measure(count: int, seed: int, quiet_s: int, deaths: int) -> Figures:
    """Return the figures of one size: a quiet time with loss only, then some deaths."""
    world = World(count, seed)
    world.run(10_000)
    for process in world.processes.values():
        process.sent_bytes = process.sync_bytes = 0
    world.run(quiet_s * 1000)
    sent_bytes = sum(process.sent_bytes for process in world.processes.values())
    sync_bytes = sum(process.sync_bytes for process in world.processes.values())
    suspected = sum(v.wrong and v.state is State.SUSPECT for v in world.verdicts)
    declared = sum(v.wrong and v.state is State.DEAD for v in world.verdicts)
    first_ms, all_ms = [], []
    for i in range(deaths):
        name = world.names[i % count]
        died_ms = world.now_ms
        world.kill(name)
        world.run(60_000)
        seen = [
            v.at_ms - died_ms
            for v in world.verdicts
            if v.at_ms > died_ms and v.of == name and v.state is State.DEAD
        ]
        if len(seen) >= count - 1:
            first_ms.append(min(seen))
            all_ms.append(max(seen))
        world.start(name)
        world.run(20_000)
    return Figures(
        count,
        first_ms,
        all_ms,
        count * quiet_s,
        suspected,
        declared,
        sent_bytes / count / quiet_s,
        sync_bytes / count / quiet_s,
    )


def lines(found: Sequence[Figures]) -> list[str]:
    """Return the figures as a table in Markdown."""
    head = (
        "members | deaths seen by all | first verdict, median (max) s | all, median (max) s"
        " | suspected while up | declared dead while up | member hours | bytes/s | sync bytes/s"
    )
    cells = [
        f"{f.members} | {len(f.all_ms)} | {_spread(f.first_ms)} | {_spread(f.all_ms)}"
        f" | {f.suspected} | {f.declared} | {f.member_s / 3600:.1f}"
        f" | {f.bytes_s:.0f} | {f.sync_bytes_s:.0f}"
        for f in found
    ]
    return [f"| {line} |" for line in (head, " | ".join(["---"] * 9), *cells)]


def _spread(times_ms: Sequence[int]) -> str:
    if not times_ms:
        return "-"
    return f"{statistics.median(times_ms) / 1000:.1f} ({max(times_ms) / 1000:.1f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m dynakv.sim.gossip", description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quiet-s", type=int, default=120, help="virtual seconds before any death")
    parser.add_argument("--deaths", type=int, default=3)
    chosen = parser.parse_args(arguments)
    found = [measure(n, chosen.seed, chosen.quiet_s, chosen.deaths) for n in chosen.members]
    print(*lines(found), sep="\n")


if __name__ == "__main__":
    main()
