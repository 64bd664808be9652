"""What a repair costs: one differing key, or one in a hundred, among many. Run by hand.

    python loadtest/repair_bench.py --keys 1000000 --value-bytes 100 --differing 1

Two nodes in this process on real directories (SQLite, fsync) and without a network between them:
messages pass the codec, and its bytes are counted. Prints the rows listed, what travelled, and how
long it took, with the pauses of the product's defaults and with none.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from dynakv.core import layout as layouts
from dynakv.core.layout import KeyspaceSettings, Member, NodeId, first_layout
from dynakv.core.record import written
from dynakv.core.table import MergeRecords
from dynakv.node.messages import Ask, Failed, Reason
from dynakv.node.node import Config, Node
from dynakv.rpc import codec
from dynakv.server.driver import Driver, read_clocks
from dynakv.storage.store import Store

CHUNK = 1_000


class Wire:
    """Hands asks to the other driver, through the codec; counts bytes."""

    def __init__(self) -> None:
        self.drivers: dict[str, Driver] = {}
        self.bytes = 0

    def of(self, sender: str) -> "Link":
        return Link(self, sender)


class Link:
    """What one driver sends through."""

    def __init__(self, wire: Wire, sender: str) -> None:
        self._wire = wire
        self._sender = sender

    def send(self, ask: Ask) -> None:
        wire, home = self._wire, self._wire.drivers[self._sender]
        raw = codec.frame(home.header(), [codec.ask_part(ask.call, 10_000, ask.message)])  # type: ignore[arg-type]
        wire.bytes += len(raw)
        frame = codec.decode_frame(raw)
        target = wire.drivers[ask.to]

        def answered(reply: object) -> None:
            back = codec.frame(target.header(), [codec.reply_part(ask.call, reply)])  # type: ignore[arg-type]
            wire.bytes += len(back)
            decoded = codec.decode_frame(back)
            home.heard(decoded.header)
            for call, told in decoded.replies:
                home.replied(call, told)

        message = frame.asks[0][1]
        if message is None or not target.heard(frame.header):
            home.replied(ask.call, Failed(Reason.FOREIGN))
        elif not target.peer(self._sender, message, answered):
            home.replied(ask.call, Failed(Reason.OVERLOADED))


async def run(keys: int, value_bytes: int, differing: int, pause_ms: int, directory: Path) -> None:
    members = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in (1, 2)]
    layout = first_layout(members, [KeyspaceSettings("default", replicas=2)])
    raw = layouts.encode(layout)
    stores = {m.node_id: await Store.open(directory / m.node_id, m.node_id, raw) for m in members}
    keyspace_id = int(layout.keyspaces[0].keyspace_id)
    shift = layouts.group_shift(256)
    random = Random(1)
    missing = set(random.sample(range(keys), differing))
    time_ = (read_clocks().wall_ms - 60_000) << 16
    value = os.urandom(value_bytes)
    for start in range(0, keys, CHUNK):
        numbers = range(start, min(start + CHUNK, keys))
        records = {i: written(b"key%012d" % i, value, 0, time_ + i, 7) for i in numbers}
        for name, store in stores.items():
            mine = [r for i, r in records.items() if name == "n1" or i not in missing]
            groups = [layouts.token_of(r.key, hash_tags=False) >> shift for r in mine]
            await store.commit([MergeRecords(keyspace_id, groups, mine)])
    for store in stores.values():
        await store.close()
    stores = {m.node_id: await Store.open(directory / m.node_id, m.node_id, raw) for m in members}
    wire = Wire()
    nodes: dict[str, Node] = {}
    for name, store in stores.items():
        config = Config(NodeId(name), repair=False, collect_every_ms=0, repair_pause_ms=pause_ms)
        nodes[name] = Node(store.remembered, config, Random(2), read_clocks())
        wire.drivers[name] = Driver(nodes[name], store)
    began = time.perf_counter()
    for name, driver in wire.drivers.items():
        driver.start(wire.of(name))
    while any(n.context.counters.rebuilds < 256 for n in nodes.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    rebuilt_s = time.perf_counter() - began
    wire.bytes = 0
    began, cpu = time.perf_counter(), time.process_time()
    wire.drivers["n1"].repair(None, None)
    while any(t.state == "running" for t in wire.drivers["n1"].tasks()[0]):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    (task,) = [t for t in wire.drivers["n1"].tasks()[0] if t.kind == "repair"]
    counters = nodes["n1"].context.counters
    print(
        f"{keys} keys of {value_bytes} bytes, {differing} missing, pause {pause_ms} ms:"
        f" rebuild {rebuilt_s:.1f} s; repair {task.state} {took_s:.2f} s, {cpu_s:.2f} s CPU,"
        f" {wire.bytes} bytes on the wire, of which {task.bytes} keys and values;"
        f" {counters.groups_differing} groups differed, {counters.repair_keys_listed} keys listed,"
        f" {counters.repair_records_out} records out"
    )
    for store in stores.values():
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--differing", type=int, default=1)
    parser.add_argument("--pause-ms", type=int, default=10)
    given = parser.parse_args()
    sys.setswitchinterval(0.0001)
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(
            run(given.keys, given.value_bytes, given.differing, given.pause_ms, Path(directory))
        )


if __name__ == "__main__":
    main()
