"""Claims about `dynakv.node.raft_entries`: commands keep their order, entries their bound."""

from dynakv import limits
from dynakv.core.commands import Command, Put, encode_all
from dynakv.core.layout import NodeId
from dynakv.core.raft.membership import (
    LEAVE_JOINT,
    Change,
    ChangeKind,
    MemberChange,
    encode_change,
)
from dynakv.core.raft.messages import Entry, EntryKind, MemberId, Membership
from dynakv.core.raft_rows import Replacement
from dynakv.node.raft_entries import (
    chunks,
    commands_of,
    context_of,
    members_after,
    nodes_of,
    stamped,
)


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
    assert members_after((joint, ()), (Entry(1, 4), leave)) == (Membership((one,)), ())


def test_a_member_that_replaces_another_is_known_for_as_long_as_it_takes_part() -> None:
    one, two, new = MemberId(1), MemberId(2), MemberId(9)
    founders = {one: NodeId("n1"), two: NodeId("n2")}
    wanted = Replacement(new, "n2", 77)
    learner = MemberChange(ChangeKind.ADD_LEARNER, new)
    add = encode_change(Change((learner,), context=context_of(wanted)))
    members = members_after((Membership((one, two)), ()), (Entry(1, 4, EntryKind.CHANGE, add),))
    assert members == (Membership((one, two), learners=(new,)), (wanted,))
    assert nodes_of(members[0], founders, members[1]) == {one: "n1", two: "n2", new: "n2"}
    vote, gone = MemberChange(ChangeKind.ADD_VOTER, new), MemberChange(ChangeKind.REMOVE, two)
    swap = Entry(1, 5, EntryKind.CHANGE, encode_change(Change((vote, gone))))
    leave = Entry(1, 6, EntryKind.CHANGE, encode_change(LEAVE_JOINT))
    members = members_after(members, (swap, leave))
    assert members == (Membership((one, new)), (wanted,))
    assert nodes_of(members[0], founders, members[1]) == {one: "n1", new: "n2"}
    out = encode_change(Change((MemberChange(ChangeKind.REMOVE, new),)))
    assert members_after(members, (Entry(1, 7, EntryKind.CHANGE, out),)) == (Membership((one,)), ())
