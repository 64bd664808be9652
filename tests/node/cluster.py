"""A few real nodes in one process without time or network: what node tests run on.

Messages travel at once and in order; disks are dicts behind `core.table`. A test can hold back what
goes to a node or its disk, let time pass, and look at every row.
"""

from collections import deque
from random import Random

from dynakv.core import table
from dynakv.core.layout import KeyspaceSettings, Level, Member, NodeId, encode, first_layout
from dynakv.core.record import Record, intact
from dynakv.node.messages import (
    STORE,
    Answer,
    Ask,
    Failed,
    Get,
    Note,
    Now,
    Put,
    Reason,
)
from dynakv.node.node import Config, Node

START = Now(1_700_000_000_000, 5_000)


class Disk:
    """Rows of one node."""

    def __init__(self) -> None:
        self.rows: dict[table.RowKey, table.Row] = {}
        self.ceiling_ms = 0

    def serve(self, message: object) -> object:
        if isinstance(message, table.ReadRecords):
            wanted = zip(message.groups, message.keys, strict=True)
            return table.Rows([self.row((message.keyspace, g, k)) for g, k in wanted])
        assert isinstance(message, table.MergeRecords | table.RaiseCeiling)
        rows = {where: self.row(where) for where in table.read_set([message])}
        writes, replies = table.apply([message], rows)
        self.rows.update(writes)
        if isinstance(message, table.RaiseCeiling):
            self.ceiling_ms = message.ceiling_ms
        return replies[0]

    def row(self, where: table.RowKey) -> table.Row:
        row = self.rows.get(where)
        return table.DAMAGED if isinstance(row, Record) and not intact(row) else row


class Cluster:
    """Nodes n1..nN and the messages between them."""

    def __init__(self, nodes: int = 3, *, settled: bool = True, **settings: object) -> None:
        members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in range(1, nodes + 1)]
        keyspace = KeyspaceSettings("default", groups=8, **settings)  # type: ignore[arg-type]
        self.layout = first_layout(members, [keyspace])
        self.now = START
        self.disks = {m.node_id: Disk() for m in members}
        self.nodes = {m.node_id: self.start(m.node_id) for m in members}
        self.held: dict[str, deque[tuple[str, Ask]]] = {}  # node -> asks held back, with sender
        self.unreachable: set[str] = set()
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
            incarnation=int(node_id[1:]) * 1000,
            starts=starts,
            ceiling_ms=disk.ceiling_ms,
            commit_sequence=0,
            layout=encode(self.layout),
            empty=not disk.rows,
        )
        return Node(remembered, Config(NodeId(node_id)), Random(int(node_id[1:])), self.now)

    def hold(self, node_id: str) -> None:
        """Keep back what other nodes ask of this one."""
        self.held[node_id] = deque()

    def release(self, node_id: str) -> None:
        """Deliver what was held back."""
        for sender, ask in self.held.pop(node_id):
            self._deliver(sender, ask)
        self.run()

    def pass_ms(self, ms: int) -> None:
        """Let time pass for every node, in steps of 10 ms."""
        for _ in range(0, ms, 10):
            self.now = Now(self.now.wall_ms + 10, self.now.mono_ms + 10)
            for node in self.nodes.values():
                node.tick(self.now)
            self.run()

    def run(self) -> None:
        """Tick every node, then deliver until nothing moves."""
        for node in self.nodes.values():
            node.tick(self.now)
        moving = True
        while moving:
            moving = False
            for node_id, node in list(self.nodes.items()):
                for effect in node.take_effects():
                    moving = True
                    self._perform(node_id, effect)

    def ask(self, message: object, at: str = "n1") -> list[object]:
        """Let a client ask one node; return the parts of the answer that came so far."""
        self._calls += 1
        call = self._calls
        self.nodes[at].asked(call, message, self.now)  # type: ignore[arg-type]
        self.run()
        return [reply for answered, reply in self.answers if answered == call]

    def put(
        self, key: bytes, value: bytes | None, at: str = "n1", **options: object
    ) -> list[object]:
        return self.ask(Put("default", [key], [value], **options), at)  # type: ignore[arg-type]

    def get(self, key: bytes, at: str = "n1", level: Level | None = None) -> Record | None:
        (found,) = self.ask(Get("default", [key], level), at)
        return found.records[0]  # type: ignore[attr-defined]

    def rows(self, key: bytes) -> dict[str, table.Row]:
        """Return what lies on each node's disk under a key."""
        return {
            node_id: row
            for node_id, disk in self.disks.items()
            for (_, _, k), row in disk.rows.items()
            if k == key
        }

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
                reply = self.disks[node_id].serve(effect.message)
                self.nodes[node_id].answered(effect.call, reply, self.now)
            elif effect.to in self.unreachable:
                failed = Failed(Reason.UNREACHABLE)
                self.nodes[node_id].answered(effect.call, failed, self.now)
            elif effect.to in self.held:
                self.held[effect.to].append((node_id, effect))
            else:
                self._deliver(node_id, effect)

    def _deliver(self, sender: str, ask: Ask) -> None:
        self._calls += 1
        self._peer_calls[self._calls] = (sender, ask.call)
        target = self.nodes[ask.to]
        target.heard(self.nodes[sender].header(), self.now)
        target.asked(self._calls, ask.message, self.now, sender)  # type: ignore[arg-type]

    def _reply(self, node_id: str, peer: tuple[str, int], reply: object) -> None:
        sender, call = peer
        self.nodes[sender].heard(self.nodes[node_id].header(), self.now)
        self.nodes[sender].answered(call, reply, self.now)
