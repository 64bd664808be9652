"""The thread that commits: reads what rows are, applies the storage rule, appends to the log.

Its connection to the database only reads. What it committed lies in the overlay until the writer
has moved it into the database. When the overlay is full and the writer has not finished with the
generation before, commits wait for it: that bounds memory, the log, and the duration of a start.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dynakv.core import table
from dynakv.core.table import Operation, Remembered, Reply
from dynakv.errors import StorageError
from dynakv.storage import rows
from dynakv.storage.batchlog import Batch, Segment
from dynakv.storage.connection import Connection, connect_reader
from dynakv.storage.overlay import Generation, Overlay


class Committer(Connection):
    """Makes transactions durable, one after the other."""

    def __init__(
        self,
        database: Path,
        overlay: Overlay,
        settle: Callable[[Generation], None],
        log_bytes_max: int,
    ) -> None:
        """`settle` is called on this thread with each generation that is to settle."""
        super().__init__(partial(connect_reader, database))
        self._directory = database.parent
        self._overlay = overlay
        self._settle = settle
        self._log_bytes_max = log_bytes_max
        self._broken = False  # a job failed: nothing may be written any more
        self._incarnation = 0
        self._commit_sequence = 0
        self._ceiling_ms = 0
        self._rows_written = 0

    def begin(self, remembered: Remembered, rows_written: int) -> None:
        """Take over what was read at the start, and begin a log. Raises StorageError."""
        self._incarnation = remembered.incarnation
        self._commit_sequence = remembered.commit_sequence
        self._ceiling_ms = remembered.ceiling_ms
        self._rows_written = rows_written
        self._overlay.begin(self._segment())

    def transact(self, operations: Sequence[Operation]) -> list[Reply]:
        """Apply the operations in one durable transaction; one reply each.

        Runs on the thread. After any exception every later call fails: the kernel reports a failed
        fsync once and then carries on as if nothing had happened.
        """
        if self._broken:
            raise StorageError("an earlier transaction failed")
        self._broken = True
        overlay = self._overlay
        if overlay.full(self._log_bytes_max):
            self._freeze()
        found, wanted = overlay.split(table.read_set(operations))
        if wanted:
            found.update(zip(wanted, rows.fetch(self._conn, wanted), strict=True))
        writes, replies = table.apply(operations, found)
        for reply in replies:
            if isinstance(reply, table.CeilingRaised):
                self._ceiling_ms = max(self._ceiling_ms, reply.ceiling_ms)
        self._commit_sequence += 1
        self._rows_written += len(writes)
        batch = Batch(
            self._commit_sequence,
            self._ceiling_ms,
            self._rows_written,
            writes,
            table.facts_in(operations),
        )
        overlay.growing.segment.append(batch)
        overlay.committed(batch)
        self._broken = False
        return replies

    def freeze(self) -> None:
        """Let everything committed so far settle. Runs on the thread."""
        if self._broken:
            raise StorageError("an earlier transaction failed")
        if self._overlay.growing.last is not None:
            self._freeze()

    def _freeze(self) -> None:
        self._overlay.wait()
        self._settle(self._overlay.freeze(self._segment()))

    def _segment(self) -> Segment:
        return Segment(self._directory, self._incarnation, self._commit_sequence)
