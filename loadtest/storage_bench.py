"""How many rows a second one node's disk takes and gives: `python -m loadtest.storage_bench`.

Prints a table of durable rows a second by batch size, for new rows and for overwrites, on an idle
event loop and on one that is busy (the node's own work, which competes for the interpreter's
lock), then reads; beside it what a bare 4 KiB write and fsync costs on the same file system, which
bounds every lone commit. Then gets and puts mixed four to one by 35 tasks, in batches of 64 and
one by one, each batch done when its puts are on disk (`storage_mix.py`); and how long commits take
while gets never let the event loop rest. Needs about a minute and 1 GB in `--directory`.

`--mix` measures the last two only.
"""

import argparse
import asyncio
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dynakv.core.layout import Member, NodeId, encode, first_layout, group_shift, token_of
from dynakv.core.record import Record, written
from dynakv.core.table import MergeRecords, ReadRecords
from dynakv.storage.store import Store
from loadtest.storage_mix import beside_gets, mixed

KEYSPACE = 0xF00D_F00D_F00D_F00D
SHIFT = group_shift(256)
MIX_KEYS = 10_000
LAYOUT = encode(first_layout([Member(NodeId("bench"), "127.0.0.1:1")], []))


class Keys:
    """Makes batches of new rows, or rows that overwrite earlier ones."""

    def __init__(self, value_bytes: int) -> None:
        self.random = random.Random(7)
        self.value_bytes = value_bytes
        self.count = 0
        self.time = 1 << 56
        self.limit: int | None = None  # known and read keys lie below it

    def _merge(self, numbers: list[int]) -> MergeRecords:
        self.time += 1
        keys = [b"key:%012d" % number for number in numbers]
        return MergeRecords(KEYSPACE, [group_of(k) for k in keys], [self._record(k) for k in keys])

    def _record(self, key: bytes) -> Record:
        return written(key, self.random.randbytes(self.value_bytes), 0, self.time, 7)

    def new(self, rows: int) -> MergeRecords:
        self.count += rows
        return self._merge(list(range(self.count - rows, self.count)))

    def known(self, rows: int) -> MergeRecords:
        return self._merge(self.random.sample(range(self.limit or self.count), rows))

    def read(self, rows: int) -> ReadRecords:
        keys = [b"key:%012d" % n for n in self.random.sample(range(self.limit or self.count), rows)]
        return ReadRecords(KEYSPACE, [group_of(key) for key in keys], keys)


def group_of(key: bytes) -> int:
    return token_of(key, hash_tags=False) >> SHIFT


def fsyncs(directory: Path, seconds: float) -> float:
    """Return microseconds of one 4 KiB overwrite and fdatasync, as a WAL does them."""
    descriptor = os.open(directory / "bare", os.O_RDWR | os.O_CREAT)
    block = os.urandom(4096)
    os.pwrite(descriptor, block * 256, 0)
    os.fsync(descriptor)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        os.pwrite(descriptor, block, 4096 * (count % 256))
        os.fdatasync(descriptor)
        count += 1
    os.close(descriptor)
    return elapsed / count * 1e6


class BusyLoop:
    """Keeps the event loop busy with short pieces of Python, and counts them."""

    def __init__(self) -> None:
        self.on = False
        self.pieces = 0

    def spin(self) -> None:
        if self.on:
            self.pieces += 1
            for _ in range(1000):
                pass
            asyncio.get_running_loop().call_soon(self.spin)

    def switch(self, *, on: bool) -> None:
        self.on = on
        self.spin()


async def commits(store: Store, make: Callable[[int], MergeRecords], rows: int, s: float) -> float:
    """Return durable rows a second, one transaction after the other; making them is not timed."""
    elapsed, count = 0.0, 0
    while elapsed < s:
        batch = make(rows)
        start = time.perf_counter()
        await store.commit([batch])
        elapsed += time.perf_counter() - start
        count += rows
    return count / elapsed


async def reads(store: Store, keys: Keys, rows: int, seconds: float) -> float:
    elapsed, count = 0.0, 0
    while elapsed < seconds:
        request = keys.read(rows)
        start = time.perf_counter()
        await store.read(request)
        elapsed += time.perf_counter() - start
        count += rows
    return count / elapsed


async def bench(directory: Path, value_bytes: int, seconds: float, *, mix_only: bool) -> None:
    print(f"SQLite {sqlite3.sqlite_version}, values of {value_bytes} bytes")
    print(f"bare 4 KiB write + fdatasync: {fsyncs(directory, seconds):.0f} us")
    keys = Keys(value_bytes)
    store = await Store.open(directory / "node", "bench", LAYOUT)
    try:
        if not mix_only:
            await batches(store, keys, seconds)
        await mixes(store, keys, seconds)
        wal = (directory / "node" / "dynakv.db-wal").stat().st_size
        print(f"{keys.count:,} rows; bare write + fdatasync: {fsyncs(directory, seconds):.0f} us;")
        print(f"the WAL ended at {wal >> 20} MiB")
    finally:
        await store.close()


async def batches(store: Store, keys: Keys, seconds: float) -> None:
    busy = BusyLoop()
    print(f"{'rows':>5} {'loop':>5} {'new rows/s':>11} {'us/commit':>10}", end="")
    print(f" {'overwrites/s':>13} {'us/commit':>10} {'reads/s':>9}")
    for rows in (1, 35, 256, 1024):
        for on in (False, True):
            busy.switch(on=on)
            new = await commits(store, keys.new, rows, seconds)
            known = await commits(store, keys.known, rows, seconds)
            read = await reads(store, keys, min(rows, keys.count), seconds / 2)
            busy.switch(on=False)
            await asyncio.sleep(0)
            print(f"{rows:5} {'busy' if on else 'idle':>5} {new:11,.0f}", end="")
            print(f" {rows / new * 1e6:10,.0f} {known:13,.0f}", end="")
            print(f" {rows / known * 1e6:10,.0f} {read:9,.0f}", flush=True)


async def mixes(store: Store, keys: Keys, seconds: float) -> None:
    while keys.count < MIX_KEYS:
        await store.commit([keys.new(1024)])
    keys.limit = MIX_KEYS
    print(f"80 % gets, 20 % puts over {MIX_KEYS:,} keys, 35 tasks; a batch ends after its fsync")
    print(f"{'batch':>5} {'cache':>5} {'operations/s':>13} {'p50 ms':>8} {'p99 ms':>8} rows/commit")
    for batch in (64, 1):
        for cached in (True, False):
            made = await mixed(store, keys.read, keys.known, batch, seconds, cached=cached)
            print(f"{batch:5} {'on' if cached else 'off':>5} {made.per_second:13,.0f}", end="")
            print(f" {made.p50_ms:8.2f} {made.p99_ms:8.2f} {made.rows_a_commit:11.1f}", flush=True)
    print("commits one after the other while cached gets saturate the event loop")
    print(f"{'rows':>5} {'rows/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'gets/s':>11}")
    for rows in (1, 35, 256):
        made, gets = await beside_gets(store, keys.read, keys.known, rows, seconds)
        print(f"{rows:5} {made.per_second:9,.0f} {made.p50_ms:8.2f} {made.p99_ms:8.2f}", end="")
        print(f" {gets:11,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write (default: TMP)"
    )
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.5, help="per figure")
    parser.add_argument("--mix", action="store_true", help="only the mixed loads")
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0001)
    directory = Path(tempfile.mkdtemp(prefix="dynakv-bench-", dir=arguments.directory))
    try:
        asyncio.run(
            bench(directory, arguments.value_bytes, arguments.seconds, mix_only=arguments.mix)
        )
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
