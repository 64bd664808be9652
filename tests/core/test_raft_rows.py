"""Claims about `dynakv.core.raft_rows`: what a group keeps comes back from its rows as it was."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv.core.raft.messages import Entry, EntryKind, MemberId, Membership
from dynakv.core.raft_rows import (
    GroupState,
    data_keyspace,
    entry_of,
    entry_row,
    hidden_keyspaces,
    log_rows,
    number_key,
    session_keyspace,
    session_row,
    state_of,
    state_row,
    value_of,
)
from dynakv.core.record import intact
from dynakv.core.row import DAMAGED

numbers = st.integers(1, (1 << 63) - 1)


@given(numbers, numbers, st.sampled_from(EntryKind), st.binary(max_size=40))
def test_an_entry_comes_back_as_it_was_and_is_checked(
    term: int, index: int, kind: EntryKind, data: bytes
) -> None:
    entry = Entry(term, index, kind, data)
    assert entry_of(entry_row(entry)) == entry
    assert intact(entry_row(entry))


def test_a_state_comes_back_as_it_was() -> None:
    voters = (MemberId(3), MemberId((1 << 64) - 5))
    state = GroupState(
        1 << 63, MemberId(3), 7, voters[1], 9, 8, 1 << 63, 4, 6, 12, Membership(voters), 1
    )
    assert state_of(state_row(state)) == state


@given(numbers, numbers)
def test_keys_of_numbers_are_in_the_order_of_the_numbers(a: int, b: int) -> None:
    assert (number_key(a) < number_key(b)) == (a < b)


def test_everything_hidden_goes_with_its_keyspace_and_nothing_shares_a_place() -> None:
    every = [hidden for keyspace in (1, 2) for hidden in (keyspace, *hidden_keyspaces(keyspace))]
    assert len(set(every)) == len(every)
    for generation in range(4):
        assert session_keyspace(1, generation) in hidden_keyspaces(1)
        assert data_keyspace(1, generation) in (1, *hidden_keyspaces(1))
    assert data_keyspace(1, 0) == data_keyspace(1, 2) == 1


def test_a_range_of_the_log_names_each_of_its_rows() -> None:
    assert [key for _, _, key in log_rows(1, 5, 3, 5)] == [number_key(i) for i in (3, 4, 5)]
    assert log_rows(1, 5, 3, 2) == []


def test_only_an_intact_row_has_a_value() -> None:
    assert value_of(session_row(7, b"s")) == b"s"
    assert value_of(DAMAGED) is None
    assert value_of(None) is None
