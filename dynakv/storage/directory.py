"""A data directory: made, claimed by one process, and refused when it is not ours.

    lock         held with flock by the process that uses the directory; says its process id
    dynakv.db    the database, with SQLite's -wal and -shm beside it while in use
    batches-*    the batch log (`batchlog.py`), while in use and after a crash: a copy of the
                 directory needs all of these files
    snapshots/   complete copies of the database (snapshot.py), unless configured elsewhere

A database is made under another name and renamed when it is complete and durable, so a `dynakv.db`
that is empty or without tables is damage, never an interrupted first start. Any other file in a
directory without a database means that somebody else lives there.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from dynakv.errors import StorageError
from dynakv.storage.schema import APPLICATION_ID, PAGE_BYTES

DATABASE: Final = "dynakv.db"
LOCK: Final = "lock"
SNAPSHOTS: Final = "snapshots"
_UNFINISHED: Final = "dynakv.db.unfinished"
REPLACED: Final = "dynakv.db.replaced-"  # by a restore; kept for a person to look at or remove
_MAGIC: Final = b"SQLite format 3\x00"


class Directory:
    """A claimed data directory. Invariant: the lock is held from `claim` to `release`."""

    __slots__ = ("_lock", "path")

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @property
    def database(self) -> Path:
        """Where the database is, or will be."""
        return self.path / DATABASE

    @property
    def unfinished(self) -> Path:
        """Where a new database is written before it gets its name."""
        return self.path / _UNFINISHED

    def prepare(self) -> None:
        """Remove what an interrupted first start left behind."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.unfinished}{suffix}").unlink(missing_ok=True)

    def adopt(self) -> None:
        """Give the finished database its name, durably."""
        self.unfinished.rename(self.database)
        sync(self.path)

    def release(self) -> None:
        """Let another process claim the directory."""
        os.close(self._lock)


def claim(path: Path, *, make: bool, restores: bool = False) -> Directory:
    """Return the directory, locked for this process until `release`.

    With `make` it is made where it does not exist, parents included. A directory that holds
    snapshots and no database has lost its database: only who `restores` may claim it. Raises
    StorageError.
    """
    path = path.absolute()
    try:
        if make:
            _make(path)
        names = sorted(entry.name for entry in path.iterdir())
        _refuse_foreign(path, names, make=make, restores=restores)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise StorageError(f"data directory {path} is not a directory") from None
    except FileNotFoundError:
        raise StorageError(f"data directory {path} does not exist") from None
    except OSError as error:
        raise StorageError(
            f"data directory {path} cannot be read and written: {error.strerror}"
        ) from error
    try:
        _lock(path, lock)
    except BaseException:
        os.close(lock)
        raise
    return Directory(path, lock)


def refuse_wrong_header(database: Path) -> None:
    """Raise StorageError unless the file starts like one of our databases.

    Offsets are those of https://sqlite.org/fileformat.html, section 1.3. Call it before SQLite
    opens the file: closing any descriptor of it drops SQLite's locks.
    """
    try:
        with database.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StorageError(f"database {database} cannot be read: {error.strerror}") from error
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise StorageError(
            f"database {database} is damaged: its first 100 bytes are no SQLite header"
        )
    application_id = int.from_bytes(header[68:72], "big")
    if application_id != APPLICATION_ID:
        raise StorageError(
            f"database {database} is of another application: its id is {application_id:#x}, "
            f"not {APPLICATION_ID:#x}"
        )
    page_bytes = int.from_bytes(header[16:18], "big")
    if page_bytes != PAGE_BYTES:
        raise StorageError(
            f"database {database} is damaged: its pages are {page_bytes} bytes, not {PAGE_BYTES}"
        )


def _make(path: Path) -> None:
    if not path.exists():
        _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync(path.parent)


def _refuse_foreign(path: Path, names: list[str], *, make: bool, restores: bool) -> None:
    if DATABASE in names:
        return
    # Of a fresh file system, of a claim, and of a first start that was interrupted.
    ours = ("lost+found", LOCK)
    foreign = [name for name in names if name not in ours and not name.startswith(_UNFINISHED)]
    parts = [n for n in foreign if n == f"{DATABASE}-wal" or n.startswith("batches-")]
    if parts and not restores:
        raise StorageError(
            f"data directory {path} holds {parts[0]} but no {DATABASE}: put both back together"
        )
    if foreign == [SNAPSHOTS] and not restores:
        raise StorageError(
            f"data directory {path} holds {SNAPSHOTS} but no {DATABASE}: put one of them in place "
            f"with `dynakv restore`, or move {SNAPSHOTS} away to begin anew"
        )
    if not restores and any(name.startswith(REPLACED) for name in foreign):
        raise StorageError(
            f"data directory {path} holds no {DATABASE}: a restore was interrupted; repeat it"
        )
    if restores:
        known = (SNAPSHOTS, *parts)
        foreign = [n for n in foreign if n not in known and not n.startswith(REPLACED)]
    if foreign:
        raise StorageError(
            f"{path} is no DynaKV data directory: it holds {foreign[0]!r} and no {DATABASE}"
        )
    if not make and not restores:
        raise StorageError(f"data directory {path} holds no {DATABASE}")


def _lock(path: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise StorageError(
            f"data directory {path} is in use by process {owner} (it holds {path / LOCK})"
        ) from None
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise StorageError(
            f"data directory {path} cannot be read and written: {error.strerror}"
        ) from error


def sync(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_share(path: Path) -> float:
    """Return which part of the file system, 0 to 1, this process may fill. Raises OSError."""
    found = os.statvfs(path)
    # A file system that counts no blocks has no end.
    return found.f_bavail / found.f_blocks if found.f_blocks else 1.0


def free_bytes(path: Path) -> tuple[int, int]:
    """Return how many bytes this process may still fill, and all there are. Raises OSError.

    A file system that counts no blocks has no end: both are 2^63 then.
    """
    found = os.statvfs(path)
    if not found.f_blocks:
        return 1 << 63, 1 << 63
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
