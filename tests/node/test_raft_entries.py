"""Claims about `dynakv.node.raft_entries`: commands keep their order, entries their bound."""

from dynakv import limits
from dynakv.core.commands import Command, Put, encode_all
from dynakv.core.raft.membership import LEAVE_JOINT, encode_change
from dynakv.core.raft.messages import Entry, EntryKind, MemberId, Membership
from dynakv.node.raft_entries import chunks, commands_of, membership_after, stamped


def command(sequence: int, size: int = 1) -> Command:
    return Command(0, 0, (Put(b"k", b"x" * size),), 1, sequence)


def test_large_commands_take_entries_of_their_own_and_keep_their_order() -> None:
    commands = [command(i, limits.RAFT_MESSAGE_BYTES_MAX // 2) for i in range(5)]
    made = chunks(commands)
    assert len(made) == 5
    assert [c for chunk in made for c in chunk] == commands
    assert chunks([command(1), command(2)]) == [[command(1), command(2)]]


def test_a_leader_stamps_but_never_turns_time_back() -> None:
    later = Command(500, 0, ())
    assert stamped(later, 400, 7).time == 500
    assert (stamped(command(1), 400, 7).time, stamped(command(1), 400, 7).writer) == (400, 7)


def test_an_entry_of_a_leader_or_of_a_change_carries_no_commands() -> None:
    assert commands_of(Entry(1, 1)) == ()
    assert commands_of(Entry(1, 1, EntryKind.CHANGE, b"x")) == ()
    assert commands_of(Entry(1, 1, data=encode_all([command(1)]))) == (command(1),)


def test_the_membership_follows_the_changes_that_are_applied() -> None:
    one, two = MemberId(1), MemberId(2)
    joint = Membership((one,), (one, two))
    leave = Entry(1, 5, EntryKind.CHANGE, encode_change(LEAVE_JOINT))
    assert membership_after(joint, (Entry(1, 4), leave)) == Membership((one,))
