"""Log entries of Raft groups and what they carry: commands of one turn, or a membership change."""

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.commands import Command, decode_all
from dynakv.core.raft.membership import InvalidChange, apply_change, decode_change
from dynakv.core.raft.messages import Entry, EntryKind, Membership
from dynakv.node.validate_batches import batches_bytes


def stamped(command: Command, time: int, writer: int) -> Command:
    """Return the command as its leader proposes it."""
    return replace(command, time=max(command.time, time), writer=writer)


def commands_of(entry: Entry) -> tuple[Command, ...]:
    """Return the commands that an entry carries."""
    if entry.kind is not EntryKind.NORMAL or not entry.data:
        return ()
    return decode_all(entry.data)


def membership_after(membership: Membership, committed: tuple[Entry, ...]) -> Membership:
    """Return the membership once these entries are applied."""
    for entry in committed:
        if entry.kind is not EntryKind.NORMAL:
            outcome = apply_change(membership, decode_change(entry.data))
            assert not isinstance(outcome, InvalidChange), outcome
            membership = outcome.membership
    return membership


def chunks(commands: list[Command]) -> list[list[Command]]:
    """Return the commands in pieces of one log entry each."""
    made: list[list[Command]] = [[]]
    size = 0
    for command in commands:
        weight = batches_bytes([command.operations])
        weight += len(command.operations) * limits.RAFT_OPERATION_BYTES
        if made[-1] and size + weight > limits.RAFT_MESSAGE_BYTES_MAX:
            made.append([])
            size = 0
        made[-1].append(command)
        size += weight
    return made
