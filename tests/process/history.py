"""A load of clients that writes down what it sees, and the check of what it wrote down.

One client knows one node at a time and, like a careful application, goes to the next node when a
call fails. Some values may have a short life; past its end nobody may see them. Values are unique,
so whatever is read names the write that made it. The check is a scan over stamps (last writer
wins), not a search: the promise of quorum keyspaces is about stamps.
"""

import asyncio
import itertools
import shutil
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final

import grpc.aio

from dynakv.core.layout import decode
from dynakv.storage import settling
from dynakv.storage.schema import signed
from dynakv.v1 import kvstore_pb2 as pb
from dynakv.v1 import ring_pb2
from tests.process.harness import CALL_S, QUORUM, Clients, Cluster, retry_of, told, until

Stamp = tuple[int, int]  # time, writer

WORKERS_PER_NODE: Final = 6
KEYS: Final = 60
OPERATIONS_MAX: Final = 60_000
_NEVER: Final = float("inf")
CLOCK_BOUND_MS: Final = 500  # so much longer than its life a value may be seen

# Wall clock minus monotonic clock of this process, in seconds.
_WALL_S: Final = time.time() - time.monotonic()


class Outcome(Enum):
    """What the client knows afterwards."""

    OK = "ok"
    FAILED = "failed"  # certainly not done
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Operation:
    """One call; times are monotonic seconds of the test's process."""

    kind: str  # "put", "delete" or "get"
    key: bytes
    node: int
    invoked: float
    ended: float = _NEVER
    outcome: Outcome = Outcome.UNKNOWN
    value: bytes | None = None  # written or found
    stamp: Stamp | None = None  # written or found; None: not known, or never written
    error: str = ""
    ttl_ms: int = 0  # of a put; 0: none

    def expires_ms(self) -> int | None:
        """Return when a put's value expires, if that is known: its stamp is needed."""
        if not self.ttl_ms or self.stamp is None:
            return None
        return (self.stamp[0] >> 16) + self.ttl_ms


class Load:
    """Clients of all nodes that work until the block ends.

    Each goes to the next node after a failure and gives up when all nodes failed in a row.
    """

    def __init__(
        self,
        clients: Clients,
        seed: int,
        nodes: Iterable[int] | None = None,
        ttls_ms: Sequence[int] = (0,),
    ) -> None:
        """Plan clients for `nodes` (default: all); each put has one of `ttls_ms` (0: none)."""
        self._ttls_ms = ttls_ms
        self.history: list[Operation] = []
        self._clients = clients
        self._seed = seed
        self._nodes = list(range(len(clients)) if nodes is None else nodes)
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        """Begin."""
        for number in range(WORKERS_PER_NODE):
            for node in self._nodes:
                self._tasks.append(asyncio.create_task(self._work(node, number)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Let every client end its last call."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def acknowledged(self) -> int:
        """Return how many writes were acknowledged so far."""
        return sum(o.outcome is Outcome.OK and o.kind != "get" for o in self.history)

    async def until_acknowledged(self, more: int) -> None:
        """Wait for so many further acknowledged writes."""
        goal = self.acknowledged() + more
        await until(lambda: self.acknowledged() >= goal, f"{more} more acknowledged writes")

    async def until_over(self) -> None:
        """Wait until every client has given up."""
        await asyncio.gather(*self._tasks)

    async def _work(self, home: int, number: int) -> None:
        random = Random(f"{self._seed}/{home}/{number}")
        node = home
        failures = count = 0
        while not self._stopping and failures < len(self._nodes):
            assert len(self.history) < OPERATIONS_MAX, "the test forgot to end its load"
            key = b"key-%03d" % random.randrange(KEYS)
            value = b"%d/%d/%d/%d" % (self._seed, home, number, count)
            kind = random.choices(("put", "delete", "get"), (6, 1, 3))[0]
            count += 1
            ttl_ms = random.choice(self._ttls_ms) if kind == "put" else 0
            done = await perform(self._clients, self.history, kind, key, node, value, ttl_ms=ttl_ms)
            if done.outcome is Outcome.OK:
                failures = 0
            else:
                failures += 1
                node = self._nodes[(self._nodes.index(node) + 1) % len(self._nodes)]


async def perform(
    clients: Clients,
    history: list[Operation],
    kind: str,
    key: bytes,
    node: int,
    value: bytes = b"",
    level: ring_pb2.Level = QUORUM,
    *,
    ttl_ms: int = 0,
) -> Operation:
    """Make one call and append it to the history, at once, in case it never ends."""
    operation = Operation(kind, key, node, time.monotonic(), ttl_ms=ttl_ms)
    operation.value = value if kind == "put" else None
    history.append(operation)
    stub = clients[node]
    try:
        if kind == "put":
            request: Any = pb.PutRequest(key=key, value=value, level=level, ttl_ms=ttl_ms)
            answer = await stub.Put(request, timeout=CALL_S)
        elif kind == "delete":
            answer = await stub.Delete(pb.DeleteRequest(key=key, level=level), timeout=CALL_S)
        else:
            answer = await stub.Get(pb.GetRequest(key=key, level=level), timeout=CALL_S)
            operation.value = answer.value if answer.found else None
    except grpc.aio.AioRpcError as error:
        operation.error = told(error)
        certain = kind == "get" or retry_of(error) in ("safe", "never")
        operation.outcome = Outcome.FAILED if certain else Outcome.UNKNOWN
    else:
        operation.outcome = Outcome.OK
        if answer.HasField("stamp"):
            operation.stamp = (answer.stamp.time, answer.stamp.writer)
    operation.ended = time.monotonic()
    return operation


async def read_everything(
    clients: Clients, history: list[Operation], level: ring_pb2.Level, nodes: Sequence[int] = ()
) -> None:
    """Read every key through every node (default: all), each key first through another one.

    Every read must be answered.
    """
    nodes = nodes or range(len(clients))
    for turn in range(len(nodes)):
        for number in range(KEYS):
            node = nodes[(number + turn) % len(nodes)]
            key = b"key-%03d" % number
            done = await perform(clients, history, "get", key, node, level=level)
            assert done.outcome is Outcome.OK, f"{key!r} through node {node}: {done.error}"


# --- checks ----------------------------------------------------------------------------------


def violations(history: Iterable[Operation]) -> list[str]:
    """Return what breaks a promise of quorum reads and writes, in words.

    A read that began after an acknowledgement or after the end of another read shows that stamp or
    a newer one; whatever is read was written, under that stamp where one is known, and never by a
    write that was refused.
    """
    by_key: defaultdict[bytes, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    found: list[str] = []
    for key in sorted(by_key):
        found += _went_backwards(by_key[key])
        found += _came_from_nowhere(by_key[key])
    return found


def _went_backwards(operations: list[Operation]) -> Iterable[str]:
    moments: list[tuple[float, int, Operation]] = []
    for operation in operations:
        if operation.outcome is Outcome.OK:
            # At one moment an end stands before a beginning only where it really was before it;
            # nobody knows that for equal times, so beginnings come first.
            moments.append((operation.ended, 1, operation))
            if operation.kind == "get":
                moments.append((operation.invoked, 0, operation))
    floor: tuple[Stamp, Operation] | None = None
    floors: dict[int, tuple[Stamp, Operation]] = {}  # id of a read -> what it must not be below
    for _, is_end, operation in sorted(moments, key=lambda moment: moment[:2]):
        if not is_end:
            if floor is not None:
                floors[id(operation)] = floor
            continue
        stamp = operation.stamp
        if operation.kind == "get" and id(operation) in floors:
            least, since = floors[id(operation)]
            if stamp is None or stamp < least:
                yield f"{_shown(operation)} is older than {_shown(since)}, which ended before"
        if stamp is not None and (floor is None or stamp > floor[0]):
            floor = stamp, operation


def _came_from_nowhere(operations: list[Operation]) -> Iterable[str]:
    puts = {o.value: o for o in operations if o.kind == "put"}
    deletes = {o.stamp for o in operations if o.kind == "delete" and o.outcome is Outcome.OK}
    # The value of a put whose outcome is unknown may have expired under a stamp nobody knows.
    unsure = any(
        o.outcome is Outcome.UNKNOWN and (o.kind == "delete" or o.ttl_ms) for o in operations
    )
    expiries_ms = {o.stamp: o.expires_ms() for o in operations if o.ttl_ms}
    for read in operations:
        if read.kind != "get" or read.outcome is not Outcome.OK:
            continue
        if read.value is None:
            if read.stamp is None or read.stamp in deletes:
                continue
            expires_ms = expiries_ms.get(read.stamp)
            if expires_ms is not None:
                if wall_ms(read.ended) < expires_ms - CLOCK_BOUND_MS:
                    yield f"{_shown(read)} misses a value before its end"
            elif not unsure:
                yield f"{_shown(read)} shows a delete that nobody made"
            continue
        put = puts.get(read.value)
        if put is None:
            yield f"{_shown(read)} shows a value that nobody wrote"
        elif put.outcome is Outcome.FAILED:
            yield f"{_shown(read)} shows {_shown(put)}, which was refused"
        elif put.outcome is Outcome.OK and put.stamp != read.stamp:
            yield f"{_shown(read)} shows {_shown(put)} under another stamp"
        elif put.ttl_ms and read.stamp is not None:
            expires_ms = (read.stamp[0] >> 16) + put.ttl_ms
            if wall_ms(read.invoked) > expires_ms + CLOCK_BOUND_MS:
                yield f"{_shown(read)} shows a value past its end"


def wall_ms(monotonic: float) -> float:
    """Return the wall clock of this process at a monotonic moment, in milliseconds."""
    return (monotonic + _WALL_S) * 1000


def missing_on_disks(
    history: Iterable[Operation], disks: list[dict[bytes, Stamp]], wq: int
) -> list[str]:
    """Return the newest acknowledged write of each key that fewer than `wq` disks hold."""
    newest: dict[bytes, Operation] = {}
    for operation in history:
        if operation.kind != "get" and operation.outcome is Outcome.OK:
            assert operation.stamp is not None
            known = newest.get(operation.key)
            if known is None or known.stamp is None or known.stamp < operation.stamp:
                newest[operation.key] = operation
    found = []
    for key, operation in newest.items():
        assert operation.stamp is not None
        holders = sum(disk.get(key, (0, 0)) >= operation.stamp for disk in disks)
        if holders < wq:
            found.append(f"{_shown(operation)} is on {holders} disks, {wq} were promised")
    return found


def rows_on_disk(data_dir: Path, scratch: Path) -> dict[bytes, tuple[object, ...]]:
    """Return every column of every row of the keyspace in the directory of a node that is not up.

    Reads a copy: opening a database recovers it, which is for the node to do.
    """
    shutil.copytree(data_dir, scratch, ignore=shutil.ignore_patterns("*-shm"))
    connection = sqlite3.connect(scratch / "dynakv.db", isolation_level=None)
    try:
        settling.replay(connection, scratch)
        (layout,) = connection.execute("SELECT layout FROM identity").fetchone()
        (keyspace,) = decode(layout).keyspaces  # and not the hidden ones, of hints
        rows = connection.execute(
            "SELECT key, value_time, value_writer, value, expiry_ms, expiry_time, expiry_writer,"
            " checksum FROM records WHERE keyspace = ?",
            (signed(keyspace.keyspace_id),),
        ).fetchall()
    finally:
        connection.close()
    return {key: tuple(rest) for key, *rest in rows}


async def until_equal(cluster: Cluster, scratch: Path, within_s: float) -> None:
    """Wait until all running nodes hold the same rows; fail with what differs.

    For each look the nodes are stopped for a moment, so that their directories are images of one.
    """
    end = time.monotonic() + within_s
    for look in itertools.count():
        for node in cluster.nodes:
            node.send(signal.SIGSTOP)
        tables = [
            rows_on_disk(node.data_dir, scratch / f"look-{look}-{node.node_id}")
            for node in cluster.nodes
        ]
        for node in cluster.nodes:
            node.send(signal.SIGCONT)
        if all(table == tables[0] for table in tables):
            return
        if time.monotonic() > end:
            keys = sorted(set().union(*tables))
            differing = [key for key in keys if len({table.get(key) for table in tables}) > 1]
            shown = [[table.get(key) for table in tables] for key in differing[:3]]
            raise AssertionError(
                f"{len(differing)} of {len(keys)} keys differ after {within_s} s: "
                f"{differing[:3]} {shown}"
            )
        await asyncio.sleep(1)


def stamps_on_disk(data_dir: Path, scratch: Path) -> dict[bytes, Stamp]:
    """Return the stamp of every value in the directory of a node that is not up."""
    rows = rows_on_disk(data_dir, scratch)
    return {key: (_unsigned(row[0]), _unsigned(row[1])) for key, row in rows.items()}


def failures(history: Iterable[Operation], which: Callable[[Operation], bool]) -> list[str]:
    """Return, in words, the operations that did not succeed and that `which` is true of."""
    return [_shown(o) for o in history if o.outcome is not Outcome.OK and which(o)]


def _unsigned(number: object) -> int:
    assert isinstance(number, int)
    return number & (1 << 64) - 1


def _shown(operation: Operation) -> str:
    return (
        f"{operation.kind} {operation.key!r} = {operation.value!r} at node {operation.node}"
        f" ({operation.outcome.value}, stamp {operation.stamp},"
        f" {operation.invoked:.4f} to {operation.ended:.4f}) {operation.error}"
    )
