"""kill -9 in the middle of writing loses nothing that was confirmed."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dynakv.core.layout import Member, NodeId, encode, first_layout
from dynakv.core.record import Record
from dynakv.core.table import ReadRecords
from dynakv.storage.store import Store

LAYOUT = encode(first_layout([Member(NodeId("n1"), "127.0.0.1:1")], []))

# Every line is a commit that was confirmed: its number, which is also the value of its rows.
WRITER = """
import asyncio, sys
from pathlib import Path
from dynakv.core.record import written
from dynakv.core.table import MergeRecords
from dynakv.storage.store import Store

async def main(path, layout):
    store = await Store.open(path, "n1", layout, log_bytes_max=200_000)
    for nth in range(1, 1_000_000):
        keys = [b"%d:%d" % (nth % 50, i) for i in range(64)]
        records = [written(key, b"%d" % nth * 50, 0, nth << 16, 7) for key in keys]
        await store.commit([MergeRecords(1, [0] * 64, records)])
        print(nth, flush=True)

asyncio.run(main(Path(sys.argv[1]), bytes.fromhex(sys.argv[2])))
"""


async def number_of_life(path: Path, confirmed: int) -> None:
    store = await Store.open(path, "n1", LAYOUT)
    try:
        assert store.remembered.commit_sequence >= confirmed
        assert store.remembered.starts == 2
        for nth in range(max(1, confirmed - 49), confirmed + 1):
            keys = [b"%d:%d" % (nth % 50, i) for i in range(64)]
            rows = (await store.read(ReadRecords(1, [0] * 64, keys))).rows
            times = {row.value_time >> 16 for row in rows if isinstance(row, Record)}
            assert len(times) == 1  # a transaction is there as a whole
            assert times.pop() in (nth, nth + 50)
            assert all(isinstance(row, Record) for row in rows)
    finally:
        await store.close()


@pytest.mark.parametrize("commits", [1, 120])
def test_kill_9_loses_no_confirmed_commit(tmp_path: Path, commits: int) -> None:
    arguments = [sys.executable, "-c", WRITER, str(tmp_path / "node"), LAYOUT.hex()]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(commits):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().splitlines(keepends=True)
    confirmed = commits + sum(line.endswith(b"\n") for line in rest)
    asyncio.run(number_of_life(tmp_path / "node", confirmed))
