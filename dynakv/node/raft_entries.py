"""Log entries of Raft groups and what they carry: commands of one turn, or a membership change."""

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.commands import Command, decode_all
from dynakv.core.raft.membership import InvalidChange, apply_change, decode_change
from dynakv.core.raft.messages import Entry, EntryKind, Membership


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
    chunks: list[list[Command]] = [[]]
    size = 0
    for command in commands:
        weight = sum(len(op.key) + limits.RAFT_OPERATION_BYTES for op in command.operations)
        weight += sum(len(getattr(op, "value", b"")) for op in command.operations)
        if chunks[-1] and size + weight > limits.RAFT_MESSAGE_BYTES_MAX:
            chunks.append([])
            size = 0
        chunks[-1].append(command)
        size += weight
    return chunks
