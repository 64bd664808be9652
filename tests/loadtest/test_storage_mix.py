"""The mixed loads on a real disk, very small: what they count is what the store holds."""

import asyncio
from pathlib import Path
from random import Random

from dynakv.storage.store import Store
from loadtest.storage_bench import LAYOUT, Keys
from loadtest.storage_mix import TASKS, beside_gets, mixed, split


def test_four_of_five_are_gets_in_batches_of_every_size() -> None:
    random = Random(1)
    for batch in (1, 64):
        splits = [split(batch, random) for _ in range(5_000)]
        assert all(gets + puts == batch for gets, puts in splits)
        share = sum(gets for gets, _ in splits) / (5_000 * batch)
        assert abs(share - 0.8) < 0.02


def test_a_batch_is_done_when_its_puts_are_on_disk_and_puts_of_tasks_meet(tmp_path: Path) -> None:
    async def run() -> None:
        store = await Store.open(tmp_path / "node", "bench", LAYOUT)
        try:
            keys = Keys(10)
            await store.commit([keys.new(1_000)])
            before = store.commit_sequence
            for cached in (True, False):
                mix = await mixed(store, keys.read, keys.known, 64, 0.05, cached=cached)
                assert mix.per_second > 0
                assert 0 < mix.p50_ms <= mix.p99_ms
                assert 12 <= mix.rows_a_commit <= TASKS * 13
            assert store.commit_sequence > before
            lone, gets = await beside_gets(store, keys.read, keys.known, 1, 0.02)
            assert lone.per_second > 0
            assert gets > 0
        finally:
            await store.close()

    asyncio.run(run())
