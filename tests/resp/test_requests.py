import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.resp.requests import Request, RequestReader, split_inline
from tests.resp.harness import encoded

requests = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), max_size=8)


def read(*chunks: bytes) -> tuple[list[Request], str | None]:
    reader = RequestReader()
    found: list[Request] = []
    for chunk in chunks:
        found += reader.feed(chunk)
        if reader.error is not None:
            break
    return found, reader.error


@given(requests, st.randoms(use_true_random=False))
def test_any_requests_come_out_as_they_were_sent_however_the_bytes_are_cut(
    sent: list[Request], dice: random.Random
) -> None:
    stream = b"".join(map(encoded, sent))
    cuts = sorted(dice.randrange(len(stream) + 1) for _ in range(dice.randrange(6)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a < b]
    assert read(*chunks) == (sent, None)


@given(requests)
def test_a_byte_at_a_time_is_as_good_as_all_at_once(sent: list[Request]) -> None:
    stream = b"".join(map(encoded, sent))
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == (sent, None)


# Without the types that a whole chunk may use for arguments and a cut one may not.
noises = st.binary(max_size=200).filter(lambda noise: not set(noise) & set(b"+(="))


@given(noises, st.integers(1, 50))
def test_noise_never_raises_and_means_the_same_however_it_is_cut(noise: bytes, size: int) -> None:
    chunks = [noise[i : i + size] for i in range(0, len(noise), size)]
    for prefix in (b"", b"*2\r\n$3\r\nGET\r\n", b"*1\r\n"):
        whole = read(prefix + noise)
        assert read(prefix, *chunks) == whole


def test_values_may_look_like_headers() -> None:
    sent = [[b"SET", b"k", b"\r\n*4000000000\r\n$99999999999\r\n"], [b"GET", b"k"]]
    assert read(b"".join(map(encoded, sent))) == (sent, None)


def test_the_mark_behind_a_chunk_never_becomes_part_of_a_request() -> None:
    for cut in range(1, 40):
        whole = encoded([b"SET", b"key", b"x" * 20])
        assert read(whole[:cut], whole[cut:]) == ([[b"SET", b"key", b"x" * 20]], None)


def test_a_large_pipeline_cut_anywhere_goes_on_with_the_next_chunk() -> None:
    sent = [[b"SET", b"key:%d" % i, b"v" * (i % 300)] for i in range(2_000)]
    stream = b"".join(map(encoded, sent))
    assert read(*(stream[i : i + 65_536] for i in range(0, len(stream), 65_536))) == (sent, None)


def test_empty_requests_are_skipped() -> None:
    found, error = read(b"*0\r\n*-1\r\n\r\n  \r\n*1\r\n$4\r\nPING\r\n")
    assert ([r for r in found if r], error) == ([[b"PING"]], None)


def test_inline_and_arrays_mix_in_one_chunk() -> None:
    found, error = read(b"PING\r\n*1\r\n$4\r\nPING\r\nget  a\n*1\r\n$4\r\nECHO\r\n")
    assert (found, error) == ([[b"PING"], [b"PING"], [b"get", b"a"], [b"ECHO"]], None)


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (b"*99999999\r\n", "invalid multibulk length"),
        (b"*4000000000\r\n", "invalid multibulk length"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$8388609\r\n", "invalid bulk length"),
        (b"*1\r\n$9999999999\r\n", "invalid bulk length"),
        (b"*1\r\n:5\r\n", "expected '$', got ':'"),
        (b"*1\r\n*4000000000\r\n", "expected '$', got '*'"),
        (b"*1\r\n_\r\n", "expected '$', got '_'"),
        (b"*1\r\n\x00\r\n", "expected '$', got '\\x00'"),
        (b"*" + b"1" * 40, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 40, "too big bulk count string"),
        (b"a" * (limits.RESP_INLINE_BYTES_MAX + 1), "too big inline request"),
        (b'SET a "b\r\n', "unbalanced quotes in request"),
        (b'SET a "b"c\r\n', "unbalanced quotes in request"),
    ],
)
def test_what_breaks_the_protocol_is_named_after_what_came_before(
    stream: bytes, complaint: str
) -> None:
    before = encoded("PING")
    assert read(stream) == ([], complaint)
    assert read(before + stream) == ([[b"PING"]], complaint)
    assert read(before, *(stream[i : i + 1] for i in range(len(stream)))) == (
        [[b"PING"]],
        complaint,
    )


def test_a_request_is_bounded_in_all_its_bytes_together() -> None:
    part = b"$%d\r\n%b\r\n" % (limits.RESP_BULK_BYTES_MAX, bytes(limits.RESP_BULK_BYTES_MAX))
    reader = RequestReader()
    reader.feed(b"*9\r\n")
    for _ in range(limits.RESP_REQUEST_BYTES_MAX // limits.RESP_BULK_BYTES_MAX):
        reader.feed(part)
        assert reader.error is None
    reader.feed(b"$1\r\n")
    assert reader.error == f"request is larger than {limits.RESP_REQUEST_BYTES_MAX} bytes"


def test_what_hiredis_takes_beyond_lists_of_bytes_reaches_nobody() -> None:
    for odd in (b":1\r\n", b",1.5\r\n", b"#t\r\n", b"_\r\n", b">1\r\n$1\r\na\r\n", b"-ERR\r\n"):
        found, error = read(encoded("PING") + b"*1\r\n" + odd + encoded("PING"))
        assert (found, error) == ([[b"PING"]], f"expected '$', got '{odd[:1].decode()}'")


def test_as_many_arguments_as_are_allowed_pass() -> None:
    request = [b"x"] * limits.RESP_ARGUMENTS_MAX
    assert read(encoded(request)) == ([request], None)
    assert read(encoded([*request, b"x"]))[1] == "invalid multibulk length"


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (b"", []),
        (b"  set\ta  b ", [b"set", b"a", b"b"]),
        (b'a "b c" d', [b"a", b"b c", b"d"]),
        (rb'"\x41\n\t\r\a\b\"\\\q"', [b'A\n\t\r\a\b"\\q']),
        (rb'"\xzz"', [b"xzz"]),
        (rb"'it\'s' '\n'", [b"it's", b"\\n"]),
        (b'""', [b""]),
        (b'a"b"', [b"ab"]),
        (b'"a', None),
        (b"'a\\'", None),
        (b'"a"b', None),
    ],
)
def test_inline_commands_are_cut_as_redis_cuts_them(
    line: bytes, arguments: list[bytes] | None
) -> None:
    assert split_inline(line) == arguments
