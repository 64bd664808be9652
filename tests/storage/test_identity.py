"""A directory refuses another node, another cluster and a changed configuration."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from dynakv.core.layout import (
    Keyspace,
    KeyspaceSettings,
    Layout,
    Member,
    NodeId,
    decode,
    encode,
    first_layout,
)
from dynakv.core.table import Remembered
from dynakv.errors import StorageError
from dynakv.storage.identity import difference
from dynakv.storage.store import Store


def layout_of(
    nodes: Sequence[str] = ("n1", "n2", "n3"), keyspaces: Sequence[KeyspaceSettings] = ()
) -> Layout:
    members = [Member(NodeId(name), f"127.0.0.1:5015{name[1:]}") for name in nodes]
    return first_layout(members, keyspaces)


def opened(path: Path, layout: Layout, node_id: str = "n1") -> Remembered:
    async def run() -> Remembered:
        store = await Store.open(path, node_id, encode(layout))
        await store.close()
        return store.remembered

    return asyncio.run(run())


def refusal(path: Path, layout: Layout, node_id: str = "n1") -> str:
    with pytest.raises(StorageError) as caught:
        opened(path, layout, node_id)
    return str(caught.value)


def test_new_directory_remembers_who_made_it(tmp_path: Path) -> None:
    layout = layout_of()
    first = opened(tmp_path / "a", layout)
    other = opened(tmp_path / "b", layout)
    assert first.incarnation != other.incarnation
    assert 0 < first.incarnation < 1 << 64
    assert first == Remembered("n1", first.incarnation, 1, 0, 0, encode(layout), empty=True)


def test_every_start_counts_and_the_incarnation_stays(tmp_path: Path) -> None:
    lives = [opened(tmp_path, layout_of()) for _ in range(3)]
    assert [life.starts for life in lives] == [1, 2, 3]
    assert len({life.incarnation for life in lives}) == 1


def test_other_node_is_refused_and_the_start_not_counted(tmp_path: Path) -> None:
    opened(tmp_path, layout_of())
    expected = f"data directory {tmp_path} belongs to node 'n1', not 'n2'"
    assert refusal(tmp_path, layout_of(), "n2") == expected
    assert opened(tmp_path, layout_of()).starts == 2


def test_other_cluster_is_refused_with_both_ids_and_the_difference(tmp_path: Path) -> None:
    mine, other = layout_of(), layout_of(["n1", "n2", "n3", "n4"])
    opened(tmp_path, mine)
    assert refusal(tmp_path, other) == (
        f"data directory {tmp_path} belongs to cluster {mine.cluster_id:016x}, the configuration "
        f"is cluster {other.cluster_id:016x}: member 'n4' is in the configuration but not in the "
        f"directory"
    )


def test_keyspaces_of_the_configuration_count_for_a_new_directory_only(tmp_path: Path) -> None:
    first = layout_of(keyspaces=[KeyspaceSettings("users")])
    opened(tmp_path, first)
    changed = layout_of(keyspaces=[KeyspaceSettings("users", replicas=2)])
    assert decode(opened(tmp_path, changed).layout) == first
    assert decode(opened(tmp_path, layout_of()).layout) == first


def test_stored_layout_is_the_one_in_force(tmp_path: Path) -> None:
    stored = layout_of()
    opened(tmp_path, stored)
    later_code = replace(stored, epoch=2, keyspaces=(replace_placement(stored),))
    assert decode(opened(tmp_path, later_code).layout) == stored


def replace_placement(layout: Layout) -> Keyspace:
    keyspace = layout.keyspaces[0]
    return replace(keyspace, placement=tuple(reversed(keyspace.placement)))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (layout_of(), None),
        (layout_of(["n1", "n2"]), "member 'n3' is in the directory but not in the configuration"),
        (layout_of(keyspaces=[KeyspaceSettings("x")]), None),
    ],
)
def test_first_difference_is_named(given: Layout, reason: str | None) -> None:
    assert difference(layout_of(), given) == reason


def test_moved_member_is_a_difference() -> None:
    stored = layout_of(["n1"])
    given = replace(stored, members=(replace(stored.members[0], address="10.0.0.1:1"),))
    assert difference(stored, given) == (
        "address of member 'n1' is '127.0.0.1:50151' in the directory, '10.0.0.1:1' given"
    )


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path / "dynakv.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "PRAGMA user_version = 4",
            (
                "database {path}/dynakv.db has format 4, and this version of DynaKV reads up to "
                "format 3"
            ),
        ),
        ("PRAGMA user_version = 0", "database {path}/dynakv.db is damaged: its format is 0"),
        ("DROP TABLE node_state", "database {path}/dynakv.db is damaged: it lacks node_state"),
        (
            "DELETE FROM identity",
            "data directory {path} is damaged: it does not know its node",
        ),
        (
            "UPDATE identity SET layout = x'00'",
            (
                "data directory {path} is damaged: its layout does not parse: "
                "Expected `object`, got `int`"
            ),
        ),
    ],
)
def test_newer_format_and_missing_parts_are_refused(
    tmp_path: Path, statement: str, reason: str
) -> None:
    opened(tmp_path, layout_of())
    change(tmp_path, statement)
    assert refusal(tmp_path, layout_of()) == reason.format(path=tmp_path)


def test_corrupt_first_page_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, layout_of())
    database = tmp_path / "dynakv.db"
    content = bytearray(database.read_bytes())
    content[100:400] = b"\xff" * 300  # the root of the schema
    database.write_bytes(content)
    assert refusal(tmp_path, layout_of()) == (
        f"database {database} failed: database disk image is malformed (SQLITE_CORRUPT)"
    )
