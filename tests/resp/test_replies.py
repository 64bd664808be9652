import pytest

from dynakv.errors import Failure, Kind
from dynakv.resp import replies
from dynakv.resp.replies import CommandError


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 70_000])
def test_a_bulk_string_says_its_length(length: int) -> None:
    assert replies.bulk(b"x" * length) == b"$%d\r\n" % length + b"x" * length + b"\r\n"


def test_line_ends_in_an_error_cannot_forge_a_second_reply() -> None:
    assert replies.error("ERR a\r\n+OK\r\n") == b"-ERR a  +OK  \r\n"


def test_maps_are_flat_arrays_in_version_2() -> None:
    pairs = [(replies.text("a"), replies.integer(1))]
    assert replies.mapping(pairs, 2) == b"*2\r\n$1\r\na\r\n:1\r\n"
    assert replies.mapping(pairs, 3) == b"%1\r\n$1\r\na\r\n:1\r\n"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.INVALID, b"-ERR "),
        (Kind.PRECONDITION, b"-ERR "),
        (Kind.UNAVAILABLE, b"-UNAVAILABLE "),
        (Kind.EXHAUSTED, b"-OVERLOADED "),
        (Kind.TIMEOUT, b"-TIMEOUT "),
        (Kind.UNKNOWN, b"-UNKNOWNOUTCOME "),
    ],
)
def test_the_code_of_an_error_says_what_may_be_done_next(kind: Kind, code: bytes) -> None:
    assert replies.failure(Failure(kind, "because")) == code + b"because\r\n"


def test_every_kind_of_failure_has_a_code() -> None:
    for kind in Kind:
        replies.failure(Failure(kind, ""))


@pytest.mark.parametrize("good", ["0", "-1", "9223372036854775807", "-9223372036854775808"])
def test_integers_of_64_bits_are_read(good: str) -> None:
    assert replies.number(good.encode()) == int(good)


@pytest.mark.parametrize(
    "bad", ["", "-", "+1", " 1", "1 ", "01", "-0", "1.0", "1_0", "9223372036854775808", "9" * 30]
)
def test_what_redis_takes_for_no_integer_is_refused(bad: str) -> None:
    with pytest.raises(CommandError, match="value is not an integer or out of range"):
        replies.number(bad.encode())
