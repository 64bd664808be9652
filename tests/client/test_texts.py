import pytest

from dynakv import limits
from dynakv.client import texts
from dynakv.errors import UsageError


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1ms", 1),
        ("30s", 30_000),
        ("1.5h", 5_400_000),
        ("0.001s", 1),
        (" 2m ", 120_000),
        ("7d", 604_800_000),
        ("1w", 604_800_000),
        ("36600d", limits.TTL_MS_MAX),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert texts.ttl_ms(text) == ms


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "1e3s", "30S", "٣s", "1y", "9" * 21 + "s"])
def test_what_is_no_duration_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(UsageError, match=r"must be a number and a unit \(ms, s, m, h, d, w\)"):
        texts.ttl_ms(text)


@pytest.mark.parametrize("text", ["0s", "-5s", "0.9ms", "36601d", "36600.01d", "99999999999w"])
def test_a_ttl_outside_a_millisecond_and_a_century_is_refused_with_the_limits(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        texts.ttl_ms(text)
    assert str(refusal.value) == f"--ttl = {text!r}: must be between 1ms and 36600d"


def test_a_limit_is_written_in_its_largest_whole_unit() -> None:
    with pytest.raises(UsageError, match="between 1ms and 1m"):
        texts.duration_ms("2m", "--timeout", 60_000)


def test_a_stamp_shows_moment_counter_and_writer() -> None:
    text = texts.stamp(1_700_000_000_123 << 16 | 4, 0xFF)
    assert text == "2023-11-14T22:13:20.123Z+4@00000000000000ff"


@pytest.mark.parametrize(
    ("wall_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (2**31 * 1000, "2038-01-19T03:14:08.000Z"),
        (2**32 * 1000 + 5, "2106-02-07T06:28:16.005Z"),
        (limits.EXPIRY_MS_MAX, "6429-10-17T02:45:55.327Z"),
        (2**48 - 1, "281474976710655ms"),
    ],
)
def test_every_moment_of_a_stamp_can_be_shown(wall_ms: int, text: str) -> None:
    assert texts.moment(wall_ms) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        ("é".encode(), "é"),
        (b"a\nb\t", "a\\nb\\t"),
        (b"\x1b[2J\x00", "\\x1b[2J\\x00"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
)
def test_bytes_are_shown_without_moving_the_cursor(raw: bytes, text: str) -> None:
    assert texts.shown(raw) == text


def test_long_bytes_are_cut_and_say_so() -> None:
    assert texts.shortened(b"x" * 10, 10) == "x" * 10
    assert texts.shortened(b"x" * 11, 10) == "x" * 9 + "…"
    assert texts.shortened(b"x" * 10_000, 10) == "x" * 9 + "…"
    assert texts.shortened("é".encode() * 10, 10) == "é" * 10


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3_565_158, "3.4 MiB"),
        (1 << 50, "1024.0 TiB"),
    ],
)
def test_sizes_are_binary(count: int, text: str) -> None:
    assert texts.size(count) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (999, "999ms"),
        (1_000, "1s"),
        (59_999, "59s"),
        (192_000, "3m12s"),
        (3_599_999, "59m59s"),
        (3_600_000, "1h00m"),
        (86_399_000, "23h59m"),
        (4 * 86_400_000 + 7 * 3_600_000, "4d07h"),
    ],
)
def test_a_duration_has_its_two_largest_units(ms: int, text: str) -> None:
    assert texts.lasting(ms) == text


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "x", "१", "9" * 19])
def test_a_count_is_a_whole_number_above_0(text: str) -> None:
    assert texts.count("007", "N") == 7
    with pytest.raises(UsageError, match=r"N = .*: must be a whole number of at least 1"):
        texts.count(text, "N")


def test_a_stamp_is_read_as_it_was_written() -> None:
    for time, writer in ((0, 0), ((1_700_000_000_123 << 16) | 4, 0xFF), (1 << 60, (1 << 64) - 1)):
        assert texts.stamp_parts(texts.stamp(time, writer), "--if-stamp") == (time, writer)


@pytest.mark.parametrize("text", ["", "1@2", "2026-02-30T00:00:00.000Z+1@00000000000000ff"])
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be a stamp as get --stamp shows it"):
        texts.stamp_parts(text, "--if-stamp")
