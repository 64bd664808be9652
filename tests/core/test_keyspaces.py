"""Claims about `dynakv.core.keyspaces`: which changes a layout takes, and what they make of it."""

import pytest
from msgspec.structs import replace

from dynakv import limits
from dynakv.core.keyspaces import (
    AlterKeyspace,
    CreateKeyspace,
    DropKeyspace,
    KeyspaceChange,
    changed,
    refusal,
    too_large,
)
from dynakv.core.layout import (
    KeyspaceId,
    KeyspaceSettings,
    Layout,
    Level,
    Member,
    Mode,
    NodeId,
    first_layout,
)
from dynakv.errors import Kind

MEMBERS = [Member(NodeId(f"n{i}"), f"127.0.0.1:{i}") for i in range(1, 4)]
LAYOUT = first_layout(MEMBERS, [KeyspaceSettings("users", groups=16, redis_number=2)])
FULL = first_layout(
    MEMBERS, [KeyspaceSettings(f"k{i}", groups=1) for i in range(limits.KEYSPACES_MAX - 1)]
)


def create(name: str = "new", **settings: object) -> CreateKeyspace:
    return CreateKeyspace(KeyspaceSettings(name, **settings))  # type: ignore[arg-type]


def made(layout: Layout, change: KeyspaceChange, keyspace_id: int = 7) -> Layout:
    assert refusal(layout, change) is None
    return changed(layout, change, KeyspaceId(keyspace_id))


INVALID, PRECONDITION = Kind.INVALID, Kind.PRECONDITION


@pytest.mark.parametrize(
    ("layout", "change", "kind", "words"),
    [
        (LAYOUT, create(""), INVALID, "name has 0 bytes: 1 to 64 are allowed"),
        (LAYOUT, create("x" * 65), INVALID, "name has 65 bytes: 1 to 64 are allowed"),
        (LAYOUT, create("a b"), INVALID, "name is 'a b': letters, digits"),
        (LAYOUT, create("-a"), INVALID, "the first a letter or digit"),
        (LAYOUT, create("ä"), INVALID, "name is 'ä'"),
        (LAYOUT, create(replicas=0), INVALID, "replicas is 0: 1 to 16 is allowed"),
        (LAYOUT, create(replicas=17), INVALID, "replicas is 17: 1 to 16 is allowed"),
        (LAYOUT, create(groups=0), INVALID, "groups is 0: a power of two from 1 to 4096"),
        (LAYOUT, create(groups=48), INVALID, "groups is 48: a power of two"),
        (LAYOUT, create(groups=8192), INVALID, "groups is 8192: a power of two from 1 to 4096"),
        (LAYOUT, create(default_ttl_ms=-1), INVALID, "default_ttl_ms is -1: 0 to"),
        (LAYOUT, create(redis_number=0), INVALID, "0 is that of keyspace 'default'"),
        (LAYOUT, create(redis_number=64), INVALID, "redis_number is 64: 1 to 63 is allowed"),
        (LAYOUT, create(redis_number=2), PRECONDITION, "keyspace 'users' has it"),
        (LAYOUT, create(mode=Mode.ORDERED), PRECONDITION, "mode is 'ordered': ordered keyspaces"),
        (LAYOUT, create("users"), PRECONDITION, "keyspace 'users' exists already"),
        (FULL, create(), PRECONDITION, "there are 64 keyspaces: at most 64 are allowed"),
        (
            LAYOUT,
            replace(create(), if_epoch=4),
            PRECONDITION,
            "if_epoch is 4, the layout has epoch 1",
        ),
        (LAYOUT, DropKeyspace("none"), INVALID, "'none' does not exist; there are: default, users"),
        (LAYOUT, DropKeyspace("default"), PRECONDITION, "'default' cannot be dropped: it is the"),
        (LAYOUT, AlterKeyspace("none"), INVALID, "'none' does not exist"),
        (LAYOUT, AlterKeyspace("users"), INVALID, "nothing to change"),
        (LAYOUT, AlterKeyspace("users", default_ttl_ms=-5), INVALID, "default_ttl_ms is -5"),
        (LAYOUT, AlterKeyspace("default", redis_number=3), PRECONDITION, "is always 0"),
        (LAYOUT, AlterKeyspace("default", redis_number=None), PRECONDITION, "is always 0"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_field_value_and_limit(
    layout: Layout, change: KeyspaceChange, kind: Kind, words: str
) -> None:
    failure = refusal(layout, change)
    assert failure is not None
    assert failure.kind is kind
    assert words in failure.reason


def test_a_new_keyspace_has_the_epoch_of_its_layout_and_the_others_keep_theirs() -> None:
    after = made(LAYOUT, create(groups=8, replicas=5), 9)
    assert after.epoch == 2
    new = after.keyspace("new")
    assert new is not None
    assert (new.keyspace_id, new.epoch, new.n, new.rq, new.wq) == (9, 2, 3, 2, 2)
    assert len(new.placement) == 8
    assert [after.keyspace(k.settings.name) for k in LAYOUT.keyspaces] == list(LAYOUT.keyspaces)
    assert [k.settings.name for k in after.keyspaces] == ["default", "new", "users"]


def test_altering_changes_what_is_given_and_leaves_placement_and_epoch_of_the_keyspace() -> None:
    before = LAYOUT.keyspace("users")
    assert before is not None
    after = made(LAYOUT, AlterKeyspace("users", Level.ONE, default_ttl_ms=5)).keyspace("users")
    assert after is not None
    assert after == replace(
        before, settings=replace(before.settings, default_level=Level.ONE, default_ttl_ms=5)
    )
    gone = made(LAYOUT, AlterKeyspace("users", redis_number=None))
    assert gone.numbered() == {0: "default"}
    assert LAYOUT.numbered() == {0: "default", 2: "users"}


def test_a_keyspace_may_keep_the_number_it_has() -> None:
    assert refusal(LAYOUT, AlterKeyspace("users", redis_number=2)) is None


def test_a_name_may_be_used_again_and_means_another_keyspace() -> None:
    dropped = made(LAYOUT, DropKeyspace("users"))
    assert [k.settings.name for k in dropped.keyspaces] == ["default"]
    again = made(dropped, create("users"), 11).keyspace("users")
    first = LAYOUT.keyspace("users")
    assert again is not None
    assert first is not None
    assert again.keyspace_id != first.keyspace_id
    assert again.epoch == 3


def test_a_layout_that_no_node_should_hold_is_refused() -> None:
    assert too_large(LAYOUT) is None
    long_names = [Member(NodeId("n" * 60 + str(i)), f"127.0.0.1:{i}") for i in range(1, 10)]
    layout = first_layout(long_names, [])
    for i in range(4):
        layout = changed(layout, create(f"k{i}", groups=4096, replicas=9), KeyspaceId(i + 1))
    failure = too_large(layout)
    assert failure is not None
    assert failure.kind is PRECONDITION
    assert f"at most {limits.LAYOUT_BYTES_MAX} bytes are allowed" in failure.reason
