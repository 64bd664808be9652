"""The layout: what members derive alike from the same lists, and where a key belongs."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError
from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from dynakv import limits
from dynakv.core.layout import (
    DEFAULT_KEYSPACE,
    KeyspaceSettings,
    Layout,
    Level,
    Member,
    Mode,
    NodeId,
    decode,
    encode,
    first_layout,
    group_shift,
    token_of,
)


def members(count: int) -> list[Member]:
    return [Member(NodeId(f"n{i}"), f"127.0.0.1:{50150 + i}", f"z{i % 3}") for i in range(count)]


def layout(count: int = 3, *settings: KeyspaceSettings) -> Layout:
    return first_layout(members(count), settings)


SPECIAL = KeyspaceSettings(
    "sessions", Mode.ORDERED, 5, 16, hash_tags=True, default_level=Level.ALL, default_ttl_ms=9
)


@given(st.binary())
def test_without_hash_tags_the_token_is_that_of_the_whole_key(key: bytes) -> None:
    assert token_of(key, hash_tags=False) == xxh3_64_intdigest(key)


# The cases of the Redis Cluster specification, section "Hash tags".
@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"{user1000}.following", b"user1000"),
        (b"foo{}{bar}", b"foo{}{bar}"),
        (b"foo{{bar}}zap", b"{bar"),
        (b"foo{bar}{zap}", b"bar"),
        (b"foo{bar", b"foo{bar"),
        (b"foo}bar{", b"foo}bar{"),
        (b"}{a}", b"a"),
        (b"", b""),
    ],
)
def test_with_hash_tags_the_token_is_that_of_the_first_tag(key: bytes, hashed: bytes) -> None:
    assert token_of(key, hash_tags=True) == xxh3_64_intdigest(hashed)


@given(st.binary(), st.binary(min_size=1).filter(lambda tag: b"}" not in tag), st.binary())
def test_keys_of_one_tag_share_a_token(head: bytes, tag: bytes, tail: bytes) -> None:
    key = head.replace(b"{", b"") + b"{" + tag + b"}" + tail
    assert token_of(key, hash_tags=True) == token_of(b"{" + tag + b"}", hash_tags=True)


@pytest.mark.parametrize("bits", range(13))
def test_groups_are_equal_arcs_in_token_order(bits: int) -> None:
    groups = 1 << bits
    shift = group_shift(groups)
    for group in {0, 1, groups // 2, groups - 1} & set(range(groups)):
        first, last = group << shift, ((group + 1) << shift) - 1
        assert first >> shift == last >> shift == group
    assert ((1 << 64) - 1) >> shift == groups - 1


@pytest.mark.parametrize("groups", [0, 3, 255, 2 * limits.GROUPS_MAX])
def test_a_group_count_that_is_no_power_of_two_or_too_great_is_our_mistake(groups: int) -> None:
    with pytest.raises(AssertionError):
        group_shift(groups)


@pytest.mark.parametrize("n", range(1, limits.REPLICAS_MAX + 1))
def test_read_and_write_quorums_overlap_for_every_n(n: int) -> None:
    keyspace = layout(n, KeyspaceSettings(DEFAULT_KEYSPACE, replicas=n, groups=4)).keyspaces[0]
    assert keyspace.n == n
    assert keyspace.rq + keyspace.wq > n
    assert 1 <= keyspace.rq <= keyspace.wq <= n
    assert 2 * keyspace.wq > n  # two write quorums overlap, too


def test_three_replicas_read_and_write_two() -> None:
    keyspace = layout(5).keyspaces[0]
    assert (keyspace.n, keyspace.rq, keyspace.wq) == (3, 2, 2)


def test_n_is_no_more_than_the_members_that_hold_data() -> None:
    several = [*members(2), Member(NodeId("w"), "127.0.0.1:1", weight=0)]
    keyspace = first_layout(several, []).keyspaces[0]
    assert keyspace.n == 2
    assert all(set(replicas) == {"n0", "n1"} for replicas in keyspace.placement)


def test_every_group_has_n_distinct_replicas() -> None:
    for keyspace in layout(7, SPECIAL).keyspaces:
        assert len(keyspace.placement) == keyspace.settings.groups
        assert all(len(set(replicas)) == keyspace.n for replicas in keyspace.placement)


def test_the_default_keyspace_is_added_unless_named() -> None:
    assert [k.settings.name for k in layout(3, SPECIAL).keyspaces] == ["default", "sessions"]
    named = KeyspaceSettings(DEFAULT_KEYSPACE, groups=8)
    assert [k.settings for k in layout(3, named).keyspaces] == [named]


def test_the_order_of_the_lists_does_not_matter() -> None:
    assert first_layout(members(5)[::-1], [SPECIAL]) == layout(5, SPECIAL)


@given(st.integers(1, 9), st.integers(0, 4))
def test_decode_undoes_encode(count: int, bits: int) -> None:
    whole = layout(count, replace(SPECIAL, groups=1 << bits))
    assert decode(encode(whole)) == whole


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x80", b"nonsense"])
def test_decode_refuses_anything_else(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(raw)


def test_digests_differ_where_layouts_differ() -> None:
    whole = layout(3)
    others = [
        replace(whole, epoch=2),
        replace(whole, members=(*whole.members[:2], replace(whole.members[2], address="x:1"))),
        layout(3, SPECIAL),
        layout(3, replace(SPECIAL, default_ttl_ms=10)),
        layout(4),
    ]
    assert len({whole.digest(), *(other.digest() for other in others)}) == 1 + len(others)


def test_what_decides_placement_is_part_of_the_keyspace_id_and_defaults_are_not() -> None:
    def keyspace_id(settings: KeyspaceSettings) -> int:
        keyspace = layout(3, settings).keyspace(settings.name)
        assert keyspace is not None
        return keyspace.keyspace_id

    ids = [
        keyspace_id(SPECIAL),
        keyspace_id(replace(SPECIAL, name="other")),
        keyspace_id(replace(SPECIAL, mode=Mode.LEADERLESS)),
        keyspace_id(replace(SPECIAL, replicas=2)),
        keyspace_id(replace(SPECIAL, groups=32)),
        keyspace_id(replace(SPECIAL, hash_tags=False)),
    ]
    assert len(set(ids)) == len(ids)
    assert keyspace_id(replace(SPECIAL, default_ttl_ms=1)) == ids[0]


def test_members_and_keyspaces_are_found_by_name() -> None:
    whole = layout(3, SPECIAL)
    found = whole.keyspace("sessions")
    assert found is not None
    assert found.settings == SPECIAL
    assert whole.keyspace("none") is None


DIGEST_PROGRAM = """
from dynakv.core.layout import KeyspaceSettings, Member, first_layout
members = [Member(f"n{i}", f"h:{i}", f"z{i % 2}", weight=1 + i % 2) for i in (3, 1, 2, 0, 4)]
print(first_layout(members, [KeyspaceSettings("a", groups=32), KeyspaceSettings("b")]).digest())
"""


def test_the_digest_is_the_same_in_every_process_whatever_its_hash_seed() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", DIGEST_PROGRAM],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    ]
    assert int(printed[0]) > 0
    assert len(set(printed)) == 1
