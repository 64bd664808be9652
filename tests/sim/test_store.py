"""Claims about `dynakv.sim.store`: group commit on a disk that takes time and may fail."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from dynakv import limits
from dynakv.core.record import written
from dynakv.core.table import MergeRecords, Page, RaiseCeiling, ReadRecords, Reply, RowKey, Rows
from dynakv.sim.disk import Disk
from dynakv.sim.knobs import draw
from dynakv.sim.store import Store
from dynakv.sim.timeline import SECOND, Timeline


class Shell:
    """Whoever asked: takes the replies and begins the next transaction, as a process does."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.disk = Disk("n1", 99, b"layout")
        self.heard: list[tuple[list[int], int | None]] = []
        self.replies: list[Reply | Rows | Page] = []
        self.failures: list[str] = []
        knobs = replace(draw(1, 10), commit_ms=5, read_ms=5)
        self.store = Store(
            self.timeline, Random(1), knobs, self.disk, self._stored, self.failures.append
        )

    def _stored(
        self, calls: list[int], replies: Sequence[Reply | Rows | Page], sequence: int | None
    ) -> None:
        self.heard.append((calls, sequence))
        self.replies += replies
        if sequence is not None:
            self.store.committed()
            self.store.commit()

    def run(self) -> None:
        self.timeline.run_until(self.timeline.now_us + 5 * SECOND)


def merging(key: bytes = b"k", size: int = 1) -> MergeRecords:
    return MergeRecords(7, [0], [written(key, b"v" * size, 0, 1, 1)])


def test_what_waits_for_a_transaction_is_the_next_one() -> None:
    shell = Shell()
    for call in range(1, 4):
        shell.store.ask(call, merging())
        shell.store.commit()
    shell.run()
    assert shell.heard == [([1], 1), ([2, 3], 2)]


def test_a_transaction_is_bounded_in_bytes() -> None:
    shell = Shell()
    for call in range(1, 4):
        shell.store.ask(call, merging(size=limits.TRANSACTION_BYTES_MAX // 2 - 10))
    shell.store.commit()
    shell.run()
    assert shell.heard == [([1, 2], 1), ([3], 2)]


def test_a_read_beside_a_transaction_sees_it_whole_or_not_at_all() -> None:
    seen: dict[bool, None] = {}
    for seed in range(20):
        shell = Shell()
        shell.store._random.seed(seed)
        shell.store.ask(1, merging())
        shell.store.commit()
        shell.store.ask(2, ReadRecords(7, [0], [b"k"]))
        shell.run()
        rows = next(reply for reply in shell.replies if isinstance(reply, Rows))
        seen[rows.rows[0] is not None] = None
    assert set(seen) == {False, True}


def test_an_error_is_reported_once_and_nothing_is_durable() -> None:
    for what in ("write", "sync"):
        shell = Shell()
        setattr(shell.store, f"{what}s_to_fail", 1)
        shell.store.ask(1, RaiseCeiling(9))
        shell.store.commit()
        shell.run()
        assert shell.failures == [f"disk {what} error"]
        assert shell.heard == []
        assert shell.disk.commit_sequence == 0


def test_a_new_life_hears_nothing_of_what_the_former_one_asked() -> None:
    shell = Shell()
    shell.store.ask(1, merging())
    shell.store.commit()
    shell.store.ask(2, ReadRecords(7, [0], [b"k"]))
    shell.disk.crash(survives=False)
    shell.store.begin_life()
    shell.run()
    assert shell.heard == []
    shell.store.ask(3, merging())
    shell.store.commit()
    shell.run()
    assert shell.heard == [([3], 1)]


def test_whoever_watches_learns_which_rows_a_commit_wrote() -> None:
    shell = Shell()
    wrote: list[list[RowKey]] = []
    shell.store.on_commit = wrote.append
    shell.store.ask(1, merging(b"a"))
    shell.store.ask(2, merging(b"b"))
    shell.store.commit()
    shell.run()
    assert wrote == [[(7, 0, b"a"), (7, 0, b"b")]]


def test_slowness_stretches_commits_and_reads_apart() -> None:
    times: list[int] = []
    for slowness, read_slowness in ((100, 1), (1, 100)):
        shell = Shell()
        shell.store.slowness, shell.store.read_slowness = slowness, read_slowness
        shell.store.ask(1, merging())
        shell.store.commit()
        shell.store.ask(2, ReadRecords(7, [0], [b"k"]))
        shell.run()
        times.append(shell.heard[0][0][0])
    assert times == [2, 1]
