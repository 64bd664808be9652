"""Commands survive their way through the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError

from dynakv.core.commands import (
    Append,
    Command,
    Delete,
    Expire,
    IfAbsent,
    IfPresent,
    IfStamp,
    IfValue,
    Increment,
    Overwrite,
    Put,
    Read,
    When,
    decode,
    encode,
)

blobs = st.binary(max_size=9)
int64s = st.integers(-(1 << 63), (1 << 63) - 1)
stamps = st.builds(IfStamp, st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
conditions = st.sampled_from([None, IfAbsent(), IfPresent()]) | st.builds(IfValue, blobs) | stamps
operations = st.one_of(
    st.builds(Put, blobs, blobs, int64s, int64s, conditions),
    st.builds(Delete, blobs, conditions),
    st.builds(Append, blobs, blobs),
    st.builds(Overwrite, blobs, int64s, blobs),
    st.builds(Increment, blobs, int64s),
    st.builds(Expire, blobs, int64s, int64s, st.sampled_from(When)),
    st.builds(Read, blobs, conditions),
)
commands = st.builds(
    Command,
    time=st.integers(0, (1 << 64) - 1),
    writer=st.integers(0, (1 << 64) - 1),
    operations=st.lists(operations, max_size=4).map(tuple),
    client=st.integers(0, (1 << 64) - 1),
)


@given(commands)
def test_a_command_is_what_it_was(command: Command) -> None:
    assert decode(encode(command)) == command


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x93\x01\x02\x91\x92\x63\xa1k"])
def test_what_is_no_command_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(raw)
