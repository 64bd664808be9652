"""Histories of clients of real nodes in Raft mode, under kills, pauses and cuts, judged one by one.

A history is some seconds of load on keys of its own: registers that are read, written, deleted and
compared and set, and texts that are appended to. Ten clients use each key. Each node has a
reader and a writer that know it alone, also while it is stopped or cut off: the reader, which no
write detains there, sees what a deposed leader would answer. The others know all nodes and learn
leaders. All of them repeat by request id inside their deadline, as every user of the client does.
Meanwhile one node, a leader more often than not, is killed and started again, stopped for a while,
or cut off by the links' proxies.

    python -m tests.process.raft_histories --histories 200 --seed 1
    python -m tests.process.raft_histories --broken leads_without_quorum   # a build that must fail

The second starts nodes with that planted bug of `tests/sim/raft_bugs.py`.
"""

import argparse
import asyncio
import io
import itertools
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from random import Random
from typing import Final

import grpc.aio
from msgspec import Struct

from dynakv import AsyncClient
from dynakv.errors import DynaKVError, RefusedError
from dynakv.server.demo_links import Links
from dynakv.sim import linearizability
from dynakv.sim.linearizability import Outcome, Verdict
from dynakv.sim.linearizability_history import Recorder, operations, parsed
from dynakv.sim.linearizability_models import APPEND, CAS_REGISTER
from dynakv.v1 import raft_pb2
from tests.process.harness import Clients, Cluster, NodeProcess, planned
from tests.process.raft_nodes import KEYSPACE, configured, links_of
from tests.sim.raft_bugs import BUGS

GROUPS: Final = 2
REGISTERS, TEXTS = 4, 2  # keys of a history
CLIENTS: Final = 10  # all of them use these keys
HISTORY_S: Final = 5.0
TIMEOUT_S: Final = 2.5  # of a call, and about what a majority needs to go on without its leader
READER_TIMEOUT_S: Final = 0.5  # so that one asks while its node is stopped, too
READER_PAUSE_S: Final = 0.004
TROUBLES: Final = ("kill", "stop", "cut", "cut one way")
LIVES: Final = 20  # histories that one cluster serves


class Judged(Struct):
    """What came of one history."""

    number: int
    trouble: str
    answered: int
    unknown: int  # outcomes that a client never learned
    verdicts: list[Verdict]
    text: str  # the history as JSON lines

    @property
    def outcome(self) -> Outcome:
        """Return what is true of all of its keys."""
        return linearizability.overall(self.verdicts)

    def __str__(self) -> str:
        """Describe it on one line."""
        told = f"history {self.number}: {self.outcome.value}, {self.answered} answers"
        bad = [str(v) for v in self.verdicts if v.outcome is not Outcome.LINEARIZABLE]
        return "; ".join([f"{told}, {self.unknown} unknown outcomes, {self.trouble}", *bad])


class _Client(Struct):
    """A client of a history."""

    process: int
    keys: Sequence[str]
    kv: AsyncClient
    node: str = ""  # the only one that it knows
    reads_only: bool = False


class _History:
    """One history while it is made."""

    def __init__(self, random: Random) -> None:
        self.text = io.StringIO()
        self.recorder = Recorder(self.text, time.monotonic_ns)
        self.random = random
        self.over = False
        self.values = itertools.count(1)
        self.answered = self.unknown = 0

    async def load(self, client: _Client) -> None:
        """Ask for one thing after the other, until the history is over or an outcome unknown.

        Who does not know what became of its write asks no more: another would be a new client, and
        a key has at most ten.
        """
        known: dict[str, str | None] = {}
        process = client.process
        while not self.over:
            key = self.random.choice(client.keys)
            f, value, call = self._next(client, key, known)
            self.recorder.invoke(process, f, key, value, client.node)
            try:
                found = await call()
            except DynaKVError as error:
                said = f"{type(error).__name__}: {error}"
                if f == "read" or isinstance(error, RefusedError):
                    self.recorder.fail(process, said)
                    await asyncio.sleep(0.02)
                    continue
                self.recorder.info(process, said)
                self.unknown += 1
                return
            if f == "cas" and not found:
                self.recorder.fail(process, "mismatch")
            else:
                self.recorder.ok(process, known[key] if f == "read" else None)
            self.answered += 1
            if client.reads_only:
                await asyncio.sleep(READER_PAUSE_S)

    def _next(
        self, client: _Client, key: str, known: dict[str, str | None]
    ) -> tuple[str, object, Callable[[], Awaitable[object]]]:
        """Draw an operation: its name, what it takes, and the call."""
        draw, kv = self.random.random(), client.kv

        async def read() -> None:
            found = await kv.get(key)
            known[key] = None if found is None else found.decode()

        if draw < 0.4 or client.reads_only:
            return "read", None, read
        value = f"{next(self.values)},"
        if key.startswith("t"):
            return "append", value, lambda: kv.append(key, value)
        if draw < 0.7 and key in known:
            old = known.pop(key)
            return "cas", (old, value), lambda: kv.compare_and_set(key, old, value)
        if draw < 0.75:
            return "delete", None, lambda: kv.delete(key)
        return "write", value, lambda: kv.put(key, value)

    def judged(self, number: int, trouble: str) -> Judged:
        """Look for an order in which one copy could have answered so."""
        found = operations(parsed(self.text.getvalue().splitlines()))
        registers = [o for o in found if o.key.startswith("r")]
        texts = [o for o in found if o.key.startswith("t")]
        verdicts = linearizability.check(registers, CAS_REGISTER)
        verdicts += linearizability.check(texts, APPEND)
        return Judged(number, trouble, self.answered, self.unknown, verdicts, self.text.getvalue())


class Histories:
    """A cluster with a Raft keyspace behind proxies, and what is recorded of it."""

    def __init__(self, cluster: Cluster, links: Links, stubs: Clients, plan: "Plan") -> None:
        """Use a running cluster whose nodes find each other by `links`."""
        self._cluster = cluster
        self._links = links
        self._stubs = stubs
        self._random = plan.random
        self._plan = plan

    async def record(self, number: int) -> Judged:
        """Record one history and judge it; the cluster is whole again afterwards."""
        history = _History(self._random)
        async with AsyncExitStack() as stack:
            load = []
            for client in self._clients(number):
                await stack.enter_async_context(client.kv)
                load.append(asyncio.create_task(history.load(client)))
            trouble = await self._trouble()
            history.over = True
            await asyncio.gather(*load)
        return history.judged(number, trouble)

    def _clients(self, number: int) -> Iterator[_Client]:
        everywhere = [node.client for node in self._cluster.nodes]
        keys = [f"r{number}-{i}" for i in range(REGISTERS)]
        keys += [f"t{number}-{i}" for i in range(TEXTS)]
        process = 0
        for node in self._cluster.nodes:
            for reads_only in (True, False):
                kv = AsyncClient(
                    node.client,
                    keyspace=KEYSPACE,
                    timeout=READER_TIMEOUT_S if reads_only else TIMEOUT_S,
                    learn_endpoints=False,
                )
                yield _Client(process, keys, kv, node.node_id, reads_only)
                process += 1
        for one in range(process, CLIENTS):
            kv = AsyncClient(everywhere, keyspace=KEYSPACE, timeout=TIMEOUT_S)
            yield _Client(one, keys, kv)

    async def _trouble(self) -> str:
        """Let one thing go wrong for a part of the history, and say what it was."""
        random, nodes = self._random, self._cluster.nodes
        begin_s = HISTORY_S * random.uniform(0.1, 0.2)
        await asyncio.sleep(begin_s)
        node = random.choice(nodes)
        if random.random() < self._plan.leaders:
            node = await self._a_leader() or node
        others = [other.node_id for other in nodes if other is not node]
        kind = random.choice(self._plan.troubles)
        if kind == "kill":
            node.kill()
        elif kind == "stop":
            node.send(signal.SIGSTOP)
        elif kind == "cut":
            self._links.cut([node.node_id], others)
            self._links.cut(others, [node.node_id])
        else:
            self._links.cut([node.node_id], others)
        await asyncio.sleep(HISTORY_S * random.uniform(0.4, 0.6))
        if kind == "kill":
            node.start()
            await node.ready()
        elif kind == "stop":
            node.send(signal.SIGCONT)
        self._links.heal()
        await asyncio.sleep(HISTORY_S * 0.2)
        return f"{kind} of {node.node_id}"

    async def _a_leader(self) -> NodeProcess | None:
        """Return the node that leads some group, as far as anybody knows."""
        shown = raft_pb2.ListRaftGroupsRequest(keyspace=KEYSPACE)
        group = self._random.randrange(self._plan.groups)
        for place in range(len(self._stubs)):
            with suppress(grpc.aio.AioRpcError):
                told = await self._stubs[place].ListRaftGroups(shown, timeout=1)
                leaders = [one.leader for one in told.groups if one.group == group]
                for node in self._cluster.nodes:
                    if node.node_id in leaders:
                        return node
        return None


class Plan(Struct):
    """What is recorded, and of which build."""

    count: int
    random: Random
    troubles: Sequence[str] = TROUBLES
    broken: str | None = None  # a planted bug that all nodes have
    groups: int = GROUPS
    leaders: float = 0.7  # share of the troubles that are a leader's


async def histories(plan: Plan) -> AsyncGenerator[Judged]:
    """Record histories, some of them of one cluster, and yield them judged."""
    numbers = iter(range(1, plan.count + 1))
    while some := list(itertools.islice(numbers, LIVES)):
        with tempfile.TemporaryDirectory(prefix="dk-") as directory:
            async with aclosing(_of_one_cluster(Path(directory), some, plan)) as judged:
                async for one in judged:
                    yield one


async def _of_one_cluster(
    directory: Path, numbers: Sequence[int], plan: Plan
) -> AsyncGenerator[Judged]:
    """Yield the histories of one cluster."""
    with planned(directory) as cluster:
        async with links_of(cluster) as links:
            broken = plan.broken
            program = None if broken is None else ("-m", "tests.process.broken_node", broken)
            configured(cluster, directory, groups=plan.groups, links=links, program=program)
            await cluster.start()
            async with Clients(cluster) as stubs:
                await stubs.until_serving()
                made = Histories(cluster, links, stubs, plan)
                for number in numbers:
                    yield await made.record(number)


async def _recorded(plan: Plan) -> int:
    """Record, and tell of each history; 0: all of them are linearizable."""
    found: Counter[Outcome] = Counter()
    answers = unknown = 0
    async with aclosing(histories(plan)) as recorded:
        async for judged in recorded:
            found[judged.outcome] += 1
            answers, unknown = answers + judged.answered, unknown + judged.unknown
            print(judged, flush=True)
            if judged.outcome is not Outcome.LINEARIZABLE:
                kept = Path(tempfile.mkdtemp(prefix="dk-history-")) / f"{judged.number}.jsonl"
                kept.write_text(judged.text)
                print(f"  kept in {kept}", flush=True)
    counts = ", ".join(f"{number} {outcome.value}" for outcome, number in found.items())
    print(f"{counts}; {answers} answers, {unknown} outcomes that no client learned")
    return 0 if set(found) == {Outcome.LINEARIZABLE} else 1


def main() -> int:
    """Record histories as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trouble", choices=TROUBLES, action="append", help="default: all of them")
    parser.add_argument("--broken", choices=BUGS, help="a planted bug that all nodes have")
    chosen = parser.parse_args()
    troubles = chosen.trouble or TROUBLES
    plan = Plan(chosen.histories, Random(chosen.seed), troubles, chosen.broken)
    return asyncio.run(_recorded(plan))


if __name__ == "__main__":
    sys.exit(main())
