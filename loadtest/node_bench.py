"""What the node's own code costs a key: `python -m loadtest.node_bench`.

CPU microseconds per key of a put and a get, without network and disk, apart for the coordinator
(from `asked` to the last answer, its own replica included), for one more replica (a Save or a Load
of a peer), and, as lines of their own, for the codec (one Save with its reply, one Load with its
reply, encoded and decoded once each) and for what stands in for the disk. Values of 100 bytes, N=3,
R=W=2: a put costs the cluster one coordinator and two replicas, a get of a warm cache one of each.

`--profile put:64` prints where the time of one line goes.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from random import Random

from dynakv.core import table
from dynakv.core.layout import KeyspaceSettings, Member, NodeId, encode, first_layout
from dynakv.node.messages import (
    FRAME_VERSION,
    STORE,
    Answer,
    Ask,
    Beat,
    Beaten,
    Found,
    Get,
    Header,
    Load,
    Loaded,
    Now,
    Put,
    Save,
    Saved,
    Stored,
)
from dynakv.node.node import Config, Node
from dynakv.rpc import codec

SIZES = (1, 16, 64, 256)
CALLERS = 64
VALUE = bytes(100)
KEYS = 4096  # distinct keys that the rounds go through
MEMBERS = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in (1, 2, 3)]
LAYOUT = first_layout(MEMBERS, [KeyspaceSettings("default")])
Reply = tuple[str, int, object]  # who replies, to which call, what
PARTS = ("coordinator", "replica", "codec", "disk")


class Meter:
    """CPU seconds by part; one part runs at a time."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def run(self, part: str, work: Callable[[], object]) -> object:
        start = time.process_time_ns()
        result = work()
        self.seconds[part] += (time.process_time_ns() - start) / 1e9
        return result


class Nodes:
    """Two of three nodes, n1 coordinating. What n3 is asked to save it acknowledges for nothing,
    what it is asked to load n2 serves."""

    def __init__(self) -> None:
        self.now = Now(1_700_000_000_000, 5_000)
        self.rows: dict[str, dict[table.RowKey, table.Row]] = {"n1": {}, "n2": {}}
        self.nodes = {name: self._node(name) for name in self.rows}
        self.meter = Meter()
        self.answered = 0  # entries
        self._calls = 0
        for name, node in self.nodes.items():
            node.tick(self.now)
            for effect in node.take_effects():
                if isinstance(effect, Ask) and isinstance(effect.message, Beat):
                    beat = effect.message
                    node.heard(self._header(effect.to), self.now)
                    beaten = Beaten(beat.cluster_id, beat.layout_digest, self.now.wall_ms)
                    node.answered(effect.call, beaten, self.now)
            assert node.context.guard.trusted, name

    def _node(self, name: str) -> Node:
        remembered = table.Remembered(name, 7, 1, 0, 0, encode(LAYOUT), True)
        return Node(remembered, Config(NodeId(name)), Random(7), self.now)

    def round(self, messages: list[Put] | list[Get]) -> None:
        """Let n1 serve these messages of one turn to the end."""
        self.now = Now(self.now.wall_ms + 1, self.now.mono_ms + 1)
        node, now = self.nodes["n1"], self.now

        def turn() -> object:
            node.tick(now)
            for message in messages:
                self._calls += 1
                node.asked(self._calls, message, now)
            return node.take_effects()

        effects = self.meter.run("coordinator", turn)
        while effects:
            replies = [reply for effect in effects for reply in self._perform(effect)]  # type: ignore[attr-defined]

            def go_on(replies: list[Reply] = replies) -> object:
                for sender, call, reply in replies:
                    if sender != STORE:
                        node.heard(self._header(sender), now)
                    node.answered(call, reply, now)
                return node.take_effects()

            effects = self.meter.run("coordinator", go_on)

    def _header(self, node_id: str) -> Header:
        hlc = self.nodes["n2"].header().hlc
        return Header(FRAME_VERSION, NodeId(node_id), LAYOUT.cluster_id, 1, 0, LAYOUT.epoch, hlc)

    def _perform(self, effect: object) -> list[Reply]:
        if isinstance(effect, Answer):
            assert isinstance(effect.reply, Stored | Found), effect.reply
            self.answered += len(effect.reply.entries)
        elif isinstance(effect, Ask):
            if effect.to == STORE:
                return [(STORE, effect.call, self._store("n1", effect.message))]
            if isinstance(effect.message, Save) and effect.to == "n3":
                return [("n3", effect.call, Saved(None, None))]
            if isinstance(effect.message, Save | Load):
                return [(effect.to, effect.call, self._peer(effect.message))]
        return []

    def _peer(self, message: Save | Load) -> object:
        """Let n2 serve an ask, both ways through the codec."""
        node, now = self.nodes["n2"], self.now
        header = self.nodes["n1"].header()

        def there() -> object:
            raw = codec.frame(header, [codec.ask_part(1, 2_000, message)])
            return codec.decode_frame(raw).asks[0][1]

        arrived = self.meter.run("codec", there)
        assert isinstance(arrived, Save | Load)

        def serve() -> object:
            node.heard(header, now)
            node.asked(1, arrived, now, "n1")
            return node.take_effects()

        effects = self.meter.run("replica", serve)
        while not isinstance(effect := _only(effects), Answer):
            reply = self._store("n2", effect.message)

            def stored(call: int = effect.call, reply: object = reply) -> object:
                node.answered(call, reply, now)
                return node.take_effects()

            effects = self.meter.run("replica", stored)
        answer = effect.reply
        assert isinstance(answer, Saved | Loaded)

        def back() -> object:
            raw = codec.frame(node.header(), [codec.reply_part(1, answer)])
            return codec.decode_frame(raw).replies[0][1]

        return self.meter.run("codec", back)

    def _store(self, name: str, message: object) -> object:
        rows = self.rows[name]

        def serve() -> object:
            if isinstance(message, table.ReadRecords):
                wanted = zip(message.groups, message.keys, strict=True)
                return table.Rows([rows.get((message.keyspace, g, k)) for g, k in wanted])
            assert isinstance(message, table.MergeRecords | table.RaiseCeiling)
            writes, replies = table.apply([message], rows)
            rows.update(writes)
            return replies[0]

        return self.meter.run("disk", serve)


def _only(effects: object) -> Ask | Answer:
    """Return the one effect beside notes."""
    assert isinstance(effects, list)
    (effect,) = [effect for effect in effects if isinstance(effect, Ask | Answer)]
    return effect


def messages_of(kind: str, callers: int, keys: int, turn: int) -> list[Put] | list[Get]:
    """Return what `callers` callers of `keys` keys each ask in one turn."""
    first = turn * callers * keys
    columns = [
        [b"key:%08d" % ((first + caller * keys + i) % KEYS) for i in range(keys)]
        for caller in range(callers)
    ]
    if kind == "put":
        return [Put("default", column, [VALUE] * keys) for column in columns]
    return [Get("default", column) for column in columns]


def measure(kind: str, callers: int, keys: int, keys_total: int) -> dict[str, float]:
    """Return CPU microseconds per key by part."""
    nodes = Nodes()
    for turn in range(KEYS // 256):
        nodes.round(messages_of("put", 1, 256, turn))
    rounds = max(keys_total // (callers * keys), 1)
    prepared = [messages_of(kind, callers, keys, turn) for turn in range(rounds)]
    nodes.meter, nodes.answered = Meter(), 0
    for messages in prepared:
        nodes.round(messages)
    assert nodes.answered == rounds * callers * keys, nodes.answered
    return {part: s * 1e6 / nodes.answered for part, s in nodes.meter.seconds.items()}


def profile(kind: str, callers: int, keys: int, keys_total: int) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    measure(kind, callers, keys, keys_total)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=60_000, help="keys per figure")
    parser.add_argument("--profile", metavar="KIND:KEYS", help="for instance put:64 or get:1x64")
    arguments = parser.parse_args()
    if arguments.profile:
        kind, _, size = arguments.profile.partition(":")
        keys, _, callers = size.partition("x")
        profile(kind, int(callers or 1), int(keys), arguments.keys)
        return
    print("CPU us/key      " + "".join(f"{part:>12}" for part in PARTS))
    for kind in ("put", "get"):
        for callers, keys in (*((1, keys) for keys in SIZES), (CALLERS, 1)):
            spent = measure(kind, callers, keys, arguments.keys)
            label = f"{kind} {keys} x {callers}" if callers > 1 else f"{kind} {keys}"
            print(f"{label:16}" + "".join(f"{spent[part]:12.2f}" for part in PARTS), flush=True)


if __name__ == "__main__":
    main()
