"""A few real nodes in one process without time or network: what node tests run on.

Messages travel at once and in order; disks are dicts behind `core.table`. A test can hold back what
goes to a node or its disk, alter what is under way, set clocks wrong, restart a node, let time
pass, and look at every row.
"""

import gc
from collections import deque
from collections.abc import Callable
from random import Random
from types import FunctionType, ModuleType

from msgspec import Struct
from msgspec.structs import replace

from dynakv.core import facts, table
from dynakv.core.layout import KeyspaceSettings, Level, Member, NodeId, encode, first_layout
from dynakv.core.record import Record, intact
from dynakv.errors import Failure
from dynakv.node.hint_shelf import hidden_keyspace
from dynakv.node.messages import (
    STORE,
    Answer,
    Ask,
    Failed,
    Found,
    Get,
    Note,
    Now,
    Put,
    Reason,
    Refused,
    Save,
    Stored,
)
from dynakv.node.node import Config, Node

START = Now(1_700_000_000_000, 5_000)


class Disk:
    """Rows of one node."""

    def __init__(self) -> None:
        self.rows: dict[table.RowKey, table.Row] = {}
        self.facts: dict[str, bytes] = {}
        self.ceiling_ms = 0

    @property
    def layout(self) -> bytes | None:
        """The layout that was made durable; None: the first one."""
        return self.facts.get(facts.LAYOUT)

    def serve(self, message: object) -> object:
        if isinstance(message, table.ReadRecords):
            wanted = zip(message.groups, message.keys, strict=True)
            return table.Rows([self.row((message.keyspace, g, k)) for g, k in wanted])
        if isinstance(message, table.ScanRecords):
            return self.page(message)
        if isinstance(message, table.CountRecords):
            found = [r for (of, _, _), r in self.rows.items() if of == message.keyspace]
            sizes = [len(r.key) + len(r.value or b"") for r in found if isinstance(r, Record)]
            return table.Counted(len(found), sum(sizes))
        if isinstance(message, table.FindStrays):
            strays = [where for where in self.rows if where[0] not in message.keyspaces]
            some = [w for w in strays if w[0] == strays[0][0]][: message.rows_max]
            keyspace = some[0][0] if some else 0
            return table.Strays(keyspace, [g for _, g, _ in some], [key for _, _, key in some])
        assert isinstance(message, table.Operation)
        rows = {where: self.row(where) for where in table.read_set([message])}
        writes, replies = table.apply([message], rows)
        for where, row in writes.items():
            if row is None:
                self.rows.pop(where, None)
            else:
                self.rows[where] = row
        for name, fact in table.facts_in([message]).items():
            if fact is None:
                self.facts.pop(name, None)
            else:
                self.facts[name] = fact
        if isinstance(message, table.RaiseCeiling):
            self.ceiling_ms = message.ceiling_ms
        return replies[0]

    def page(self, scan: table.ScanRecords) -> table.Page:
        keys = sorted(
            (key, group)
            for keyspace, group, key in self.rows
            if keyspace == scan.keyspace
            and group in scan.groups
            and key >= scan.start
            and (scan.after is None or key > scan.after)
            and (scan.end is None or key < scan.end)
        )
        shown = keys[: scan.rows_max]
        where = [(scan.keyspace, group, key) for key, group in shown]
        rows = [self.row(place) for place in where]
        if scan.keys_only:
            rows = table.outlines([self.rows[place] for place in where])
        end = shown[-1][0] if len(shown) < len(keys) else None
        return table.Page([key for key, _ in shown], rows, end)

    def row(self, where: table.RowKey) -> table.Row:
        row = self.rows.get(where)
        return table.DAMAGED if isinstance(row, Record) and not intact(row) else row


class Cluster:
    """Nodes n1..nN and the messages between them.

    Without hints, unless `config` names their bytes: what a test kept from a replica stays away.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        settled: bool = True,
        config: dict[str, object] | None = None,
        start: Now = START,
        **settings: object,
    ) -> None:
        members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in range(1, nodes + 1)]
        keyspace = KeyspaceSettings("default", groups=64, **settings)  # type: ignore[arg-type]
        self.layout = first_layout(members, [keyspace])
        self.keyspace_id = int(self.layout.keyspaces[0].keyspace_id)
        self.now = start
        self.skew_ms: dict[str, int] = {}  # node -> its wall clock minus the true one
        self.incarnations: dict[str, int] = {}  # of directories that were made anew
        self.config = {"hint_bytes_max": 0, **(config or {})}
        self.disks: dict[str, Disk] = {m.node_id: Disk() for m in members}
        self.nodes: dict[str, Node] = {m.node_id: self.start(m.node_id) for m in members}
        self.held: dict[str, deque[tuple[str, Ask]]] = {}  # node -> asks held back, with sender
        self.held_kinds: dict[str, tuple[type, ...]] = {}  # node -> what of that is held back
        self.held_disks: dict[str, deque[Ask]] = {}  # node -> what its disk has not done yet
        self.unreachable: set[str] = set()  # nothing reaches these nodes
        self.cut_pairs: set[tuple[str, str]] = set()  # nothing goes from the first to the second
        self.failing: dict[tuple[str, type], Reason] = {}  # (node, kind of ask) -> how it fails
        # A test may alter a reply under way: gets the replying node and the reply.
        self.alter: Callable[[str, object], object] = lambda node_id, reply: reply
        self.answers: list[tuple[int, object]] = []
        self.notes: list[Note] = []
        self.sent: list[tuple[str, Ask]] = []
        self._calls = 0
        self._peer_calls: dict[int, tuple[str, int]] = {}
        if settled:
            self.run()
            self.answers.clear()
            self.sent.clear()

    def start(self, node_id: str, *, starts: int = 1) -> Node:
        disk = self.disks[node_id]
        remembered = table.Remembered(
            node_id=node_id,
            incarnation=self.incarnations.get(node_id, int(node_id[1:]) * 1000),
            starts=starts,
            ceiling_ms=disk.ceiling_ms,
            commit_sequence=0,
            layout=disk.layout or encode(self.layout),
            empty=not disk.rows,
            facts={k: v for k, v in disk.facts.items() if k != facts.LAYOUT},
        )
        # Nothing is collected, and replicas compare themselves, only where a test is about that.
        knobs = {"collect_every_ms": 0, "repair": False, **self.config}
        config = Config(NodeId(node_id), **knobs)  # type: ignore[arg-type]
        return Node(remembered, config, Random(int(node_id[1:])), self.clock_of(node_id))

    def clock_of(self, node_id: str) -> Now:
        """Return what the two clocks of a node say now."""
        return Now(self.now.wall_ms + self.skew_ms.get(node_id, 0), self.now.mono_ms)

    def restart(self, node_id: str, *, starts: int = 2) -> None:
        """Begin a new life of a node on its disk; what it had under way is gone."""
        self.held_disks.pop(node_id, None)
        self.nodes[node_id] = self.start(node_id, starts=starts)
        self.run()

    def hold(self, node_id: str, *kinds: type) -> None:
        """Keep back what other nodes ask of this one: all, or these kinds of message."""
        self.held[node_id] = deque()
        self.held_kinds[node_id] = kinds

    def release(self, node_id: str) -> None:
        """Deliver what was held back."""
        for sender, ask in self.held.pop(node_id):
            self._deliver(sender, ask)
        self.run()

    def fail_held(self, node_id: str, reason: Reason) -> None:
        """Let what was held back end without being delivered."""
        for sender, ask in self.held.pop(node_id):
            self._fail(sender, ask, reason)
        self.run()

    def hold_disk(self, node_id: str) -> None:
        """Let the disk of a node do nothing until it is released."""
        self.held_disks[node_id] = deque()

    def release_disk(self, node_id: str) -> None:
        """Let a disk do what was asked of it meanwhile."""
        for ask in self.held_disks.pop(node_id):
            self._serve(node_id, ask)
        self.run()

    def pass_ms(self, ms: int) -> None:
        """Let time pass for every node, in steps of 10 ms."""
        for _ in range(0, ms, 10):
            self.now = Now(self.now.wall_ms + 10, self.now.mono_ms + 10)
            self.run()

    def run(self) -> None:
        """Tick every node, then deliver until nothing moves."""
        for node_id, node in self.nodes.items():
            node.tick(self.clock_of(node_id))
        moving = True
        while moving:
            moving = False
            for node_id, node in list(self.nodes.items()):
                for effect in node.take_effects():
                    moving = True
                    self._perform(node_id, effect)

    def ask(self, message: object, at: str = "n1") -> list[object]:
        """Let a client ask one node; return the parts of the answer that came so far."""
        call = self.submit(message, at)
        self.run()
        return self.parts(call)

    def submit(self, message: object, at: str = "n1") -> int:
        """Let a client ask one node in a turn that goes on; `run` ends it. Return the call."""
        self._calls += 1
        self.nodes[at].asked(self._calls, message, self.clock_of(at))  # type: ignore[arg-type]
        return self._calls

    def parts(self, call: int) -> list[object]:
        """Return the parts of the answer to a call that came so far."""
        return [reply for answered, reply in self.answers if answered == call]

    def put(
        self, key: bytes, value: bytes | None, at: str = "n1", **options: object
    ) -> list[object]:
        return self.ask(Put("default", [key], [value], **options), at)  # type: ignore[arg-type]

    def get(self, key: bytes, at: str = "n1", level: Level | None = None) -> Record | None:
        (found,) = self.ask(Get("default", [key], level), at)
        return found.records[0]  # type: ignore[attr-defined, no-any-return]

    def rows(self, key: bytes) -> dict[str, table.Row]:
        """Return what lies on each node's disk under a key."""
        return {
            node_id: row
            for node_id, disk in self.disks.items()
            for (keyspace, _, k), row in disk.rows.items()
            if k == key and keyspace == self.keyspace_id
        }

    def hints(self, node_id: str, peer: str) -> dict[bytes, table.Row]:
        """Return the hints on the disk of a node for a peer, by key."""
        hidden = hidden_keyspace(NodeId(peer), self.keyspace_id)
        disk = self.disks[node_id]
        return {where[2]: disk.row(where) for where in disk.rows if where[0] == hidden}

    def replicas_of(self, key: bytes) -> tuple[str, ...]:
        """Return the nodes that hold a key, in order."""
        placement = self.nodes["n1"].context.by_name["default"]
        return placement.replicas[placement.groups_of([key])[0]]

    def key_on(self, *node_ids: str, absent: tuple[str, ...] = ()) -> bytes:
        """Return a key that all of these nodes hold and none of the absent ones."""
        keys = (b"key%d" % i for i in range(10_000))
        return next(
            key
            for key in keys
            if set(node_ids) <= set(self.replicas_of(key))
            and not set(absent) & set(self.replicas_of(key))
        )

    def flip(self, node_id: str, key: bytes) -> None:
        """Change a bit of a value on a disk, and let the node forget what it had read before."""
        disk = self.disks[node_id]
        for where, row in disk.rows.items():
            if where[2] == key:
                assert isinstance(row, Record)
                assert row.value
                damaged = bytes([row.value[0] ^ 1]) + row.value[1:]
                disk.rows[where] = replace(row, value=damaged)
                self.nodes[node_id].context.cache.forget(where[0], key)

    def asked(self, kind: type) -> list[tuple[str, str]]:
        """Return (from, to) of every ask of that kind so far."""
        return [(sender, ask.to) for sender, ask in self.sent if isinstance(ask.message, kind)]

    def _perform(self, node_id: str, effect: object) -> None:
        if isinstance(effect, Note):
            self.notes.append(effect)
        elif isinstance(effect, Answer):
            peer = self._peer_calls.pop(effect.call, None)
            if peer is None:
                self.answers.append((effect.call, effect.reply))
            else:
                self._reply(node_id, peer, effect.reply)
        elif isinstance(effect, Ask):
            self.sent.append((node_id, effect))
            if effect.to == STORE:
                if node_id in self.held_disks:
                    self.held_disks[node_id].append(effect)
                else:
                    self._serve(node_id, effect)
            elif effect.to in self.unreachable or (node_id, effect.to) in self.cut_pairs:
                self._fail(node_id, effect, Reason.UNREACHABLE)
            elif (effect.to, type(effect.message)) in self.failing:
                self._fail(node_id, effect, self.failing[effect.to, type(effect.message)])
            elif effect.to in self.held and self._holds(effect):
                self.held[effect.to].append((node_id, effect))
            else:
                self._deliver(node_id, effect)

    def _holds(self, ask: Ask) -> bool:
        kinds = self.held_kinds[ask.to]
        return not kinds or isinstance(ask.message, kinds)

    def _serve(self, node_id: str, ask: Ask) -> None:
        reply = self.disks[node_id].serve(ask.message)
        self.nodes[node_id].answered(ask.call, reply, self.clock_of(node_id))

    def _fail(self, node_id: str, ask: Ask, reason: Reason) -> None:
        self.nodes[node_id].answered(ask.call, Failed(reason), self.clock_of(node_id))

    def _deliver(self, sender: str, ask: Ask) -> None:
        self._calls += 1
        self._peer_calls[self._calls] = (sender, ask.call)
        target, now = self.nodes[ask.to], self.clock_of(ask.to)
        target.heard(self.nodes[sender].header(), now)
        target.asked(self._calls, ask.message, now, sender)  # type: ignore[arg-type]

    def _reply(self, node_id: str, peer: tuple[str, int], reply: object) -> None:
        sender, call = peer
        now = self.clock_of(sender)
        self.nodes[sender].heard(self.nodes[node_id].header(), now)
        self.nodes[sender].answered(call, self.alter(node_id, reply), now)


def warmed(
    nodes: int = 3, *, config: dict[str, object] | None = None, **settings: object
) -> Cluster:
    """Return a cluster whose nodes have raised their clocks' ceilings already."""
    cluster = Cluster(nodes, config=config, **settings)  # type: ignore[arg-type]
    for i in range(1, nodes + 1):
        stored_of(cluster.put(b"warm", b"up", at=f"n{i}"))
    cluster.sent.clear()
    return cluster


def split(newest_on: str, *, replicas: int = 3, config: dict[str, object] | None = None) -> Cluster:
    """Return a cluster in which one node alone has `new` under b"k" and all others `old`."""
    config = {"cache_bytes_max": 0, **(config or {})}
    cluster = warmed(replicas, replicas=replicas, config=config)
    cluster.put(b"k", b"old", w=replicas)
    others = [node for node in cluster.nodes if node != newest_on]
    for node in others:
        cluster.failing[node, Save] = Reason.BROKEN
    cluster.put(b"k", b"new", at=newest_on, w=1)
    cluster.failing.clear()
    cluster.sent.clear()
    assert values(cluster, b"k") == {newest_on: b"new", **dict.fromkeys(others, b"old")}
    return cluster


def row_of(cluster: Cluster, node: str, key: bytes) -> table.Row:
    """Return what a node reads from its disk under a key that it has a row for."""
    disk = cluster.disks[node]
    (where,) = [where for where in disk.rows if where[2] == key]
    return disk.row(where)


def failure_of(parts: list[object]) -> Failure:
    """Return why all entries of an answer in one part failed."""
    (part,) = parts
    assert isinstance(part, Refused)
    return part.failure


def stored_of(parts: list[object]) -> Stored:
    """Return the one part of a put that succeeded as a whole."""
    (part,) = parts
    assert isinstance(part, Stored)
    return part


def found_of(parts: list[object]) -> Found:
    """Return the one part of a get that succeeded as a whole."""
    (part,) = parts
    assert isinstance(part, Found)
    return part


def value_of(parts: list[object]) -> bytes | None:
    """Return the value that a get of one key found."""
    (record,) = found_of(parts).records
    return None if record is None else record.value


def values(cluster: Cluster, key: bytes) -> dict[str, bytes | None]:
    """Return the value that lies under a key on each node that has a row."""
    rows = cluster.rows(key)
    return {node: row.value for node, row in rows.items() if isinstance(row, Record)}


def kept_by(node: Node) -> set[bytes]:
    """Return all byte strings that can be reached from what a node keeps: timers, asks, caches."""
    seen: set[int] = set()
    found: set[bytes] = set()
    stack: list[object] = [node]
    while stack:
        it = stack.pop()
        if id(it) in seen or isinstance(it, type | ModuleType):
            continue
        seen.add(id(it))
        if isinstance(it, bytes):
            found.add(it)
        elif isinstance(it, Struct):  # untracked by the collector
            stack += [getattr(it, name) for name in it.__struct_fields__]
        elif isinstance(it, FunctionType):
            stack += [cell.cell_contents for cell in it.__closure__ or ()]
        else:
            stack += gc.get_referents(it)
    return found
