"""The batch log: what a transaction wrote, appended and synced before anybody is told.

SQLite writes whole pages: a row of 100 bytes dirties two or three of 4 KiB, which then go through
its WAL into the database. A log of the rows themselves costs one append and one fdatasync whatever
they are, and lets the database take them later, many at a time and the newest of each only
(`settling.py`). So the log holds effects, not operations: replaying it twice does no harm.

    batches-<base>.log    a segment; <base>: the commit before its first batch, 16 hex digits
    segment               head, then batches without gaps
    head                  magic, format, incarnation, base, xxh3_64 over these
    batch                 magic, payload bytes, sequence, xxh3_64 of the payload, xxh3_64 over
                          these; then the payload in MessagePack (`_Payload`)

Both hashes of a batch are seeded with the directory's incarnation: no other log's batch fits.

A crash leaves the last batch incomplete at most, since one batch is written at a time and the next
begins after it was synced; nobody was told of it, and it is dropped. Anything else that does not
fit is damage, and refused: a batch in front of others, or one that is there in full length with
another content (file systems make a file longer only once the bytes are there). A log that was
cut exactly between two batches looks like a log that was never longer.
"""

import os
from pathlib import Path
from struct import Struct as Layout
from typing import Final

import msgspec
from msgspec import Struct
from xxhash import xxh3_64_intdigest

from dynakv.core.record import Record
from dynakv.core.table import RowKey
from dynakv.errors import StorageError

FORMAT: Final = 1
_SEGMENT_MAGIC: Final = b"DYNKLOG\n"
_BATCH_MAGIC: Final = 0x48435442  # "BTCH"
_SEGMENT = Layout("<8sIQQ")
_SEGMENT_BYTES: Final = _SEGMENT.size + 8
_BATCH = Layout("<IIQQ")
_BATCH_BYTES: Final = _BATCH.size + 8

_Row = tuple[int, int, bytes, bytes | None, int, int, int, int, int, int]
# Ceiling, rows ever written, rows, removed rows, facts.
_Payload = tuple[int, int, list[_Row], list[RowKey], dict[str, bytes | None]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


class Batch(Struct, frozen=True, gc=False):
    """What one transaction made durable; a row of None was removed, a fact of None forgotten."""

    sequence: int
    ceiling_ms: int
    rows_written: int  # ever, this batch included
    writes: dict[RowKey, Record | None]
    facts: dict[str, bytes | None]


class Segment:
    """One file of the log, open for appending. `size` in bytes."""

    __slots__ = ("_descriptor", "_incarnation", "path", "size")

    def __init__(self, directory: Path, incarnation: int, base: int) -> None:
        """Make the segment that follows the commit `base`, durably. Raises StorageError."""
        self.path = directory / name_of(base)
        self._incarnation = incarnation
        head = _SEGMENT.pack(_SEGMENT_MAGIC, FORMAT, incarnation, base)
        self.size = 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
            self._write(head + xxh3_64_intdigest(head).to_bytes(8, "little"))
            above = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(above)
            finally:
                os.close(above)
        except OSError as error:
            raise _failed(self.path, error) from error

    def append(self, batch: Batch) -> None:
        """Write a batch and sync it. After StorageError nothing may be appended any more."""
        try:
            self._write(encoded(batch, self._incarnation))
        except OSError as error:
            raise _failed(self.path, error) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Remove the file: all of it is in the database, durably. Raises OSError."""
        self.close()
        self.path.unlink()

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            written = os.pwrite(self._descriptor, left, self.size)
            self.size += written
            left = left[written:]
        os.fdatasync(self._descriptor)


def name_of(base: int) -> str:
    """Return the name of the segment that follows this commit."""
    return f"batches-{base:016x}.log"


def segments_in(directory: Path) -> list[Path]:
    """Return the segments in a directory, oldest first."""
    return sorted(directory.glob("batches-*.log"))


def encoded(batch: Batch, incarnation: int) -> bytes:
    """Return the bytes of a batch. About 0.8 us a row."""
    rows: list[_Row] = []
    removed: list[RowKey] = []
    for where, record in batch.writes.items():
        if record is None:
            removed.append(where)
            continue
        keyspace, group, key = where
        rows.append(
            (
                keyspace,
                group,
                key,
                record.value,
                record.value_time,
                record.value_writer,
                record.expiry_ms,
                record.expiry_time,
                record.expiry_writer,
                record.checksum,
            )
        )
    payload = _encode((batch.ceiling_ms, batch.rows_written, rows, removed, batch.facts))
    checksum = xxh3_64_intdigest(payload, incarnation)
    head = _BATCH.pack(_BATCH_MAGIC, len(payload), batch.sequence, checksum)
    return head + xxh3_64_intdigest(head, incarnation).to_bytes(8, "little") + payload


def read(directory: Path, incarnation: int) -> list[Batch]:
    """Return all batches of a directory's log, oldest first; a torn last one is left out.

    Raises StorageError for a newer format and for every kind of damage.
    """
    paths = segments_in(directory)
    batches: list[Batch] = []
    follows: int | None = None  # what the next segment's base must be
    for path in paths:
        last = path == paths[-1]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _failed(path, error) from error
        base = _base_of(path, content, incarnation, last=last)
        if base is None:
            break  # it was being made when the process ended: nothing was ever in it
        if follows not in (None, base):
            raise _damaged(path, f"it follows commit {base}, the log before it ends at {follows}")
        found = _batches_in(path, content, base, incarnation, last=last)
        batches += found
        follows = base + len(found)
    return batches


def base_of(directory: Path, incarnation: int) -> int | None:
    """Return the commit that the whole log follows; None where there is no log."""
    for path in segments_in(directory):
        with path.open("rb") as file:
            return _base_of(path, file.read(_SEGMENT_BYTES), incarnation, last=True)
    return None


def _base_of(path: Path, content: bytes, incarnation: int, *, last: bool) -> int | None:
    if last and (len(content) < _SEGMENT_BYTES or not any(content)):
        return None
    if len(content) < _SEGMENT_BYTES:
        raise _damaged(path, "its head is incomplete")
    magic, found, owner, base = _SEGMENT.unpack_from(content)
    head = content[: _SEGMENT.size]
    fits = content[_SEGMENT.size : _SEGMENT_BYTES] == xxh3_64_intdigest(head).to_bytes(8, "little")
    if magic != _SEGMENT_MAGIC or not fits:
        raise _damaged(path, "its head does not fit its checksum")
    if found > FORMAT:
        raise StorageError(
            f"batch log {path} has format {found}, and this version of DynaKV reads up to format"
            f" {FORMAT}"
        )
    if owner != incarnation:
        raise StorageError(
            f"batch log {path} belongs to another data directory: incarnation {owner:016x},"
            f" not {incarnation:016x}"
        )
    return int(base)


def _batches_in(
    path: Path, content: bytes, base: int, incarnation: int, *, last: bool
) -> list[Batch]:
    batches: list[Batch] = []
    start, size = _SEGMENT_BYTES, len(content)
    while start < size:
        sequence = base + len(batches) + 1
        end = start + _BATCH_BYTES
        torn = end > size
        if not torn:
            magic, length, numbered, checksum = _BATCH.unpack_from(content, start)
            head = content[start : start + _BATCH.size]
            fits = content[end - 8 : end] == _sum(head, incarnation)
            if not fits and last and not any(memoryview(content)[start:]):
                break  # made longer, but never written
            if not fits or magic != _BATCH_MAGIC or numbered != sequence:
                raise _damaged(path, f"the head of batch {sequence} at byte {start} does not fit")
            torn = end + length > size
        if torn:
            if not last:
                raise _damaged(path, f"batch {sequence} at byte {start} is incomplete")
            break
        payload = content[end : end + length]
        if xxh3_64_intdigest(payload, incarnation) != checksum:
            raise _damaged(path, f"batch {sequence} at byte {start} does not fit its checksum")
        batches.append(_batch_of(path, sequence, payload))
        start = end + length
    return batches


def _batch_of(path: Path, sequence: int, payload: bytes) -> Batch:
    try:
        ceiling_ms, rows_written, rows, removed, facts = _decode(payload)
    except msgspec.DecodeError as error:
        raise _damaged(path, f"batch {sequence} does not parse: {error}") from error
    writes: dict[RowKey, Record | None] = dict.fromkeys(removed)
    for keyspace, group, key, *fields in rows:
        writes[keyspace, group, key] = Record(key, *fields)
    return Batch(sequence, ceiling_ms, rows_written, writes, facts)


def _sum(head: bytes, incarnation: int) -> bytes:
    return xxh3_64_intdigest(head, incarnation).to_bytes(8, "little")


def newest(batches: list[Batch]) -> tuple[dict[RowKey, Record | None], dict[str, bytes | None]]:
    """Return what several batches, oldest first, leave of rows and facts."""
    rows: dict[RowKey, Record | None] = {}
    facts: dict[str, bytes | None] = {}
    for batch in batches:
        rows.update(batch.writes)
        facts.update(batch.facts)
    return rows, facts


def _damaged(path: Path, why: str) -> StorageError:
    return StorageError(
        f"batch log {path} is damaged: {why}; acknowledged commits may be lost, so this directory"
        " is not served"
    )


def _failed(path: Path, error: OSError) -> StorageError:
    return StorageError(f"batch log {path} failed: {error.strerror or error}")
