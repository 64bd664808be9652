"""A directory that is not ours is refused with a message that says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynakv.errors import StorageError
from dynakv.storage import directory as directories
from dynakv.storage import schema


def made(path: Path) -> Path:
    """Make a complete data directory and return its database."""
    directory = directories.claim(path, make=True)
    schema.make(directory.unfinished, "n1", 7, b"")
    directory.adopt()
    directory.release()
    return directory.database


def refusal(path: Path, *, make: bool = True) -> str:
    with pytest.raises(StorageError) as caught:
        directories.claim(path, make=make)
    return str(caught.value)


def header_refusal(database: Path) -> str:
    with pytest.raises(StorageError) as caught:
        directories.refuse_wrong_header(database)
    return str(caught.value)


def test_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    directories.claim(path, make=True).release()
    assert path.is_dir()
    assert path.stat().st_mode & 0o777 == 0o700


def test_missing_directory_is_refused_unless_made(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert refusal(path, make=False) == f"data directory {path} does not exist"
    assert not path.exists()


def test_directory_without_database_is_refused_unless_made(tmp_path: Path) -> None:
    assert refusal(tmp_path, make=False) == f"data directory {tmp_path} holds no dynakv.db"


def test_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert refusal(path) == f"data directory {path} is not a directory"
    assert refusal(path / "below") == f"data directory {path / 'below'} is not a directory"


def test_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    expected = f"{tmp_path} is no DynaKV data directory: it holds 'photo.jpg' and no dynakv.db"
    assert refusal(tmp_path) == expected
    assert [entry.name for entry in tmp_path.iterdir()] == ["photo.jpg"]  # nothing was touched


def test_wal_without_its_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dynakv.db-wal").write_bytes(b"")
    assert refusal(tmp_path) == (
        f"data directory {tmp_path} holds dynakv.db-wal but no dynakv.db: put both back together"
    )


def test_fresh_mount_and_interrupted_first_start_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "dynakv.db.unfinished").write_bytes(b"half")
    (tmp_path / "dynakv.db.unfinished-wal").write_bytes(b"half")
    directory = directories.claim(tmp_path, make=True)
    directory.prepare()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["lock", "lost+found"]
    directory.release()


def test_strange_files_beside_a_database_do_not_matter(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"")
    directories.claim(tmp_path, make=False).release()


def test_second_claim_names_directory_and_process(tmp_path: Path) -> None:
    first = directories.claim(tmp_path, make=True)
    expected = (
        f"data directory {tmp_path} is in use by process {os.getpid()} "
        f"(it holds {tmp_path / 'lock'})"
    )
    assert refusal(tmp_path) == expected
    first.release()
    directories.claim(tmp_path, make=True).release()


READ_ONLY = """
import os, sys
from pathlib import Path
from dynakv.errors import StorageError
from dynakv.storage import directory
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    directory.claim(Path(sys.argv[1]), make=True)
except StorageError as error:
    print(error)
"""


def test_read_only_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node"
    path.mkdir()
    path.chmod(0o555)
    for parent in path.parents[:3]:
        if parent.name.startswith(("pytest-", "test_")):
            parent.chmod(0o755)
    command = [sys.executable, "-c", READ_ONLY, str(path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert child.stderr == ""
    expected = f"data directory {path} cannot be read and written: Permission denied\n"
    assert child.stdout == expected


def test_database_that_is_empty_or_no_database_is_damaged(tmp_path: Path) -> None:
    database = made(tmp_path)
    expected = f"database {database} is damaged: its first 100 bytes are no SQLite header"
    directories.refuse_wrong_header(database)
    for content in (b"", b"SQLite format 3\x00", b"x" * 4096):
        database.write_bytes(content)
        assert header_refusal(database) == expected


def test_database_of_another_application_is_refused(tmp_path: Path) -> None:
    database = made(tmp_path)
    content = bytearray(database.read_bytes())
    content[68:72] = bytes(4)
    database.write_bytes(content)
    assert header_refusal(database) == (
        f"database {database} is of another application: its id is 0x0, not 0x44594e4b"
    )


def test_other_page_size_is_damage(tmp_path: Path) -> None:
    database = made(tmp_path)
    content = bytearray(database.read_bytes())
    content[16:18] = (8192).to_bytes(2, "big")
    database.write_bytes(content)
    assert header_refusal(database) == (
        f"database {database} is damaged: its pages are 8192 bytes, not 4096"
    )


def test_free_share_is_a_share(tmp_path: Path) -> None:
    assert 0.0 <= directories.free_share(tmp_path) <= 1.0
