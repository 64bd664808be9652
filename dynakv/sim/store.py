"""STORE of one simulated process: the disk, the time it takes, and the errors it reports.

It does what the real driver does with its store: one write transaction is in flight, what waits
forms the next one, reads run beside it. It outlives the process, whose lives it tells apart; the
first error that it reports ends the life that hears of it.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from dynakv import limits
from dynakv.core.table import (
    Operation,
    Read,
    ReadReply,
    Reply,
    RowKey,
    bytes_in,
    rows_in,
)
from dynakv.sim.disk import Disk
from dynakv.sim.knobs import COMMIT_MS_MAX, Knobs
from dynakv.sim.timeline import MS, Timeline

Stored = Callable[[list[int], Sequence[Reply | ReadReply], int | None], None]


class Store:
    """Takes what a node asks of STORE; `stored(calls, replies, commit sequence or None)`."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        knobs: Knobs,
        disk: Disk,
        stored: Stored,
        failed: Callable[[str], None],
    ) -> None:
        """Begin idle; `failed(what)` is called at an error that ends the process."""
        self.disk = disk
        self.slowness = 1  # of commits, a factor
        self.read_slowness = 1
        self.full = False  # less is free than the reserve
        self.writes_to_fail = 0
        self.syncs_to_fail = 0
        self.on_commit: Callable[[list[RowKey]], None] | None = None  # gets what was written
        self._timeline = timeline
        self._random = random
        self._knobs = knobs
        self._stored = stored
        self._failed = failed
        self._life = 0
        self.begin_life()

    def begin_life(self) -> None:
        """Forget whoever asked: a new process begins on this disk."""
        self._life += 1
        self._waiting: list[tuple[int, Operation]] = []
        self._committing = False

    def ask(self, call: int, message: Any) -> None:
        """Take one operation, which waits for `commit`, or one read, which begins now."""
        if isinstance(message, Read):
            self._read(call, message)
        else:
            self._waiting.append((call, message))

    def commit(self) -> None:
        """Begin the next transaction with what waits, up to the limits."""
        if self._committing or not self._waiting:
            return
        rows = count = size = 0
        for _, operation in self._waiting:
            rows += rows_in(operation)
            size += bytes_in(operation)
            too_much = rows > limits.TRANSACTION_ROWS_MAX or size > limits.TRANSACTION_BYTES_MAX
            if count and too_much:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._committing = True
        if self.writes_to_fail:
            self.writes_to_fail -= 1
            self._timeline.after(MS, self._fail, self._life, "write")
            return
        self.disk.begin([operation for _, operation in batch])
        calls = [call for call, _ in batch]
        delay_us = self._latency_us(self._knobs.commit_ms) * self.slowness
        self._timeline.after(delay_us, self._synced, self._life, calls)

    def committed(self) -> None:
        """Let the next transaction begin: the process took the replies of the last one."""
        self._committing = False

    def _synced(self, life: int, calls: list[int]) -> None:
        if life != self._life:
            return
        if self.syncs_to_fail:
            self.syncs_to_fail -= 1
            self._fail(life, "sync")
            return
        wrote = self.disk.open_rows()
        replies = self.disk.sync()
        if wrote and self.on_commit is not None:
            self.on_commit(wrote)
        self._stored(calls, replies, self.disk.commit_sequence)

    def _fail(self, life: int, what: str) -> None:
        """Fail-stop: a disk that reported an error is not asked again in this life."""
        if life == self._life:
            self._failed(f"disk {what} error")

    def _read(self, call: int, message: Read) -> None:
        """Read now or at the end of the wait: writes may overtake a read either way."""
        delay_us = self._latency_us(self._knobs.read_ms) * self.read_slowness
        rows = self.disk.read(message) if self._random.random() < 0.5 else None
        self._timeline.after(delay_us, self._has_read, self._life, call, message, rows)

    def _has_read(self, life: int, call: int, message: Read, rows: ReadReply | None) -> None:
        if life == self._life:
            self._stored([call], [self.disk.read(message) if rows is None else rows], None)

    def _latency_us(self, mean_ms: int) -> int:
        drawn_us = int(self._random.expovariate(1 / (mean_ms * MS)))
        return min(100 + drawn_us, COMMIT_MS_MAX * MS)
