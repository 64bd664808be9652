import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynakv.resp.glob import after_prefix, matcher, prefix_of

letters = st.text("ab*?[]^-\\", max_size=8).map(str.encode)


def twin(pattern: bytes, key: bytes) -> bool:
    """stringmatchlen of Redis, word by word; slow on many stars."""
    p = 0
    k = 0
    while p < len(pattern) and k < len(key):
        c = pattern[p : p + 1]
        if c == b"*":
            while pattern[p + 1 : p + 2] == b"*":
                p += 1
            if p + 1 == len(pattern):
                return True
            return any(twin(pattern[p + 1 :], key[i:]) for i in range(k, len(key) + 1))
        if c == b"[":
            hit, p = in_class(pattern, p + 1, key[k])
            if not hit:
                return False
        elif c != b"?":
            if c == b"\\" and p + 1 < len(pattern):
                p += 1
            if pattern[p] != key[k]:
                return False
        k += 1
        p += 1
    if k == len(key):
        while pattern[p : p + 1] == b"*":
            p += 1
    return p >= len(pattern) and k == len(key)


def in_class(pattern: bytes, p: int, byte: int) -> tuple[bool, int]:
    negated = pattern[p : p + 1] == b"^"
    p += negated
    hit = False
    while p < len(pattern) and pattern[p : p + 1] != b"]":
        if pattern[p : p + 1] == b"\\" and p + 1 < len(pattern):
            p += 1
            hit |= pattern[p] == byte
        elif pattern[p + 1 : p + 2] == b"-" and p + 2 < len(pattern):
            low, high = sorted((pattern[p], pattern[p + 2]))
            hit |= low <= byte <= high
            p += 2
        else:
            hit |= pattern[p] == byte
        p += 1
    return hit != negated, p


@given(letters, st.text("ab-^]", max_size=6).map(str.encode))
def test_patterns_match_what_redis_matches(pattern: bytes, key: bytes) -> None:
    assert matcher(pattern)(key) == twin(pattern, key), (pattern, key)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (b"*", b"\n", None),
        (b"h?llo", b"hello", b"hllo"),
        (b"h*llo", b"heeeello", b"hell"),
        (b"h[^e]llo", b"hallo", b"hello"),
        (b"h[a-c]llo", b"hbllo", b"hdllo"),
        (b"\\*", b"*", b"a"),
        (b"user:\xff*", b"user:\xff1", b"user:1"),
    ],
)
def test_the_examples_of_the_manual(pattern: bytes, matching: bytes, other: bytes | None) -> None:
    assert matcher(pattern)(matching)
    assert other is None or not matcher(pattern)(other)


def test_many_stars_take_no_exponential_time() -> None:
    assert not matcher(b"a*" * 40 + b"b")(b"a" * 4_000)


def test_a_prefix_bounds_what_a_pattern_can_match() -> None:
    assert prefix_of(b"user:*") == b"user:"
    assert prefix_of(b"[a]") == b""
    assert prefix_of(b"plain") == b"plain"
    assert after_prefix(b"user:") == b"user;"
    assert after_prefix(b"a\xff") == b"b"
    assert after_prefix(b"\xff") is None
    assert after_prefix(b"") is None
