"""The batch log gives back what it took, all of it after a crash; damage is an error."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynakv.core.record import with_expiry, written
from dynakv.errors import StorageError
from dynakv.storage import batchlog
from dynakv.storage.batchlog import Batch, Segment

INCARNATION = (1 << 64) - 3
TOP = (1 << 64) - 1
BATCHES = [
    Batch(
        1,
        5,
        2,
        {
            (TOP, 3, b"a"): written(b"a", b"v" * 20, 9, TOP, TOP),
            (1, 4095, b"\0"): written(b"\0", None, 0, 7, 1),
        },
        {"fact": b"1", "gone": None},
    ),
    Batch(2, 5, 2, {}, {}),
    Batch(3, 9, 4, {(1, 0, b"x"): None, (1, 0, b"y"): with_expiry(b"y", 50, 7, 1)}, {}),
    Batch(4, 9, 5, {(1, 0, b"z"): written(b"z", b"", 0, 8, 1)}, {}),
]


def logged(directory: Path, batches: list[Batch], base: int = 0) -> Path:
    segment = Segment(directory, INCARNATION, base)
    for batch in batches:
        segment.append(batch)
    assert segment.size == segment.path.stat().st_size
    segment.close()
    return segment.path


def damage(directory: Path) -> str:
    with pytest.raises(StorageError) as caught:
        batchlog.read(directory, INCARNATION)
    return str(caught.value)


def test_batches_come_back_as_they_went_over_several_segments(tmp_path: Path) -> None:
    logged(tmp_path, BATCHES[:2])
    logged(tmp_path, BATCHES[2:], base=2)
    assert batchlog.read(tmp_path, INCARNATION) == BATCHES
    assert batchlog.base_of(tmp_path, INCARNATION) == 0
    assert [path.name for path in batchlog.segments_in(tmp_path)] == [
        "batches-0000000000000000.log",
        "batches-0000000000000002.log",
    ]


def test_no_log_has_no_batches(tmp_path: Path) -> None:
    assert batchlog.read(tmp_path, INCARNATION) == []
    assert batchlog.base_of(tmp_path, INCARNATION) is None


def test_cut_at_any_byte_it_gives_back_every_batch_that_was_whole(tmp_path: Path) -> None:
    sizes = [logged(tmp_path, BATCHES[:count]).stat().st_size for count in range(5)]
    path = logged(tmp_path, BATCHES)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        count = max(sum(size <= cut for size in sizes) - 1, 0)
        assert batchlog.read(tmp_path, INCARNATION) == BATCHES[:count], cut


@pytest.mark.parametrize("end", [BATCHES, BATCHES[:1]])
def test_a_tail_of_zeros_is_one_that_was_never_written(tmp_path: Path, end: list[Batch]) -> None:
    path = logged(tmp_path, end)
    with path.open("ab") as file:
        file.write(bytes(5000))
    assert batchlog.read(tmp_path, INCARNATION) == end


def test_any_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = logged(tmp_path, BATCHES)
    whole = path.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        with pytest.raises(StorageError):
            batchlog.read(tmp_path, INCARNATION)


@settings(max_examples=60)
@given(st.data())
def test_a_batch_that_others_follow_is_never_dropped(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("log")
    path = logged(directory, BATCHES)
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, len(content) - 2))
    end = data.draw(st.integers(start + 1, len(content) - 1))
    if any(content[start:end]):
        content[start:end] = bytes(end - start)  # a block that the disk lost
        path.write_bytes(content)
        damage(directory)


def test_an_incomplete_batch_before_another_segment_is_damage(tmp_path: Path) -> None:
    start = logged(tmp_path, BATCHES[:1]).stat().st_size
    path = logged(tmp_path, BATCHES[:2])
    logged(tmp_path, BATCHES[2:], base=2)
    path.write_bytes(path.read_bytes()[:-1])
    assert damage(tmp_path).startswith(
        f"batch log {path} is damaged: batch 2 at byte {start} is incomplete; acknowledged"
    )
    path.write_bytes(b"")
    assert "its head is incomplete" in damage(tmp_path)


def test_a_missing_segment_is_damage(tmp_path: Path) -> None:
    logged(tmp_path, BATCHES[:1])
    last = logged(tmp_path, BATCHES[2:], base=2)
    assert damage(tmp_path).startswith(
        f"batch log {last} is damaged: it follows commit 2, the log before it ends at 1"
    )


def test_a_segment_that_was_being_made_is_empty(tmp_path: Path) -> None:
    logged(tmp_path, BATCHES[:2])
    (tmp_path / batchlog.name_of(2)).write_bytes(b"DYNK")
    assert batchlog.read(tmp_path, INCARNATION) == BATCHES[:2]


def test_a_log_of_another_directory_is_refused(tmp_path: Path) -> None:
    path = logged(tmp_path, BATCHES)
    with pytest.raises(StorageError) as caught:
        batchlog.read(tmp_path, 7)
    assert str(caught.value) == (
        f"batch log {path} belongs to another data directory: incarnation fffffffffffffffd,"
        " not 0000000000000007"
    )


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = logged(tmp_path, BATCHES)
    content = bytearray(path.read_bytes())
    head = batchlog._SEGMENT.pack(b"DYNKLOG\n", 2, INCARNATION, 0)
    content[:36] = head + batchlog.xxh3_64_intdigest(head).to_bytes(8, "little")
    path.write_bytes(content)
    assert damage(tmp_path) == (
        f"batch log {path} has format 2, and this version of DynaKV reads up to format 1"
    )


def test_newest_rows_and_facts_win() -> None:
    later = [
        Batch(5, 9, 6, {(1, 0, b"z"): None}, {"fact": None}),
        Batch(6, 9, 7, {(1, 0, b"x"): written(b"x", b"v", 0, 9, 1)}, {"gone": b"2"}),
    ]
    rows, facts = batchlog.newest(BATCHES + later)
    assert rows[1, 0, b"z"] is None
    assert rows[1, 0, b"x"] == written(b"x", b"v", 0, 9, 1)
    assert facts == {"fact": None, "gone": b"2"}


def test_a_discarded_segment_is_gone(tmp_path: Path) -> None:
    segment = Segment(tmp_path, INCARNATION, 0)
    segment.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_cannot_be_made_names_itself(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Segment(tmp_path / "none", INCARNATION, 0)
    path = tmp_path / "none" / "batches-0000000000000000.log"
    assert str(caught.value) == f"batch log {path} failed: No such file or directory"
